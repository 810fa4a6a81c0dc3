//! The engine of Toestel.

pub mod clock;
pub mod net;
