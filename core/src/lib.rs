//! The engine of Toestel.

pub mod audio;
pub mod blame;
pub mod clock;
pub mod net;
pub mod store;
pub mod udp;
