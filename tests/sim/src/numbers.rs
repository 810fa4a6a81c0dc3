//! The numbers that can be dialled in the simulated world, beside the phones' own.

/// Always busy.
pub const BUSY: &str = "604";
/// Rings until the exchange gives up.
pub const NO_ANSWER: &str = "605";
/// Nobody has it.
pub const WRONG: &str = "6999";
/// The exchange speaks before it answers.
pub const ANNOUNCEMENT: &str = "610";
/// Moved to the first phone that does not call it.
pub const MOVED: &str = "611";
/// Moved to itself.
pub const MOVED_IN_CIRCLES: &str = "612";
/// Rings at all phones but the caller's.
pub const EVERYBODY: &str = "1900";

/// The extension of the phone with this index.
pub fn extension(phone: usize) -> String {
    format!("{}", 1001 + phone)
}
