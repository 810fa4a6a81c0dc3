//! What outlives the program: settings and learnt state in files, passwords in the operating system's key store.

pub mod secrets;
pub mod settings;
