//! The engine of Toestel.

pub mod audio;
pub mod clock;
pub mod net;
