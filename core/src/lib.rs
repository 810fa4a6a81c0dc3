//! The engine of Toestel.
