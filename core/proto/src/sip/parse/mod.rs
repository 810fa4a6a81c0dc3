//! The reader of the wire (RFC 3261 sections 7, 18.3 and 25): bytes to the vocabulary of `sip/msg/`.
//!
//! rsip must not read the wire: it refuses a third of the valid messages of RFC 4475 and all of RFC 5118, and lets
//! through what may never pass (negative lengths, two Content-Lengths, a CSeq that names another method).
//!
//! What every element needs (start line, Via, From, To, Call-ID, CSeq, Content-Length, and in a request Contact and
//! the routes) is checked here, and a message where that is wrong is refused with the status code that the RFC names
//! and as much of the message as an answer needs. Other fields are kept as they came. Whether a well-formed request
//! is one for us (405, 415, 416, 420) is asked in [`super::admission`]. All of it takes time linear in the length.

#![warn(clippy::arithmetic_side_effects)]

pub(crate) mod address;
mod head;
mod message;
pub mod multipart;
mod refusal;
mod scan;
mod start;
pub(crate) mod uri;
pub(crate) mod value;

pub(crate) use head::{Carrier, Head};
pub use message::{datagram, framed};
pub(crate) use message::{is_start_line, refuse};
pub(crate) use refusal::Fault;
pub use refusal::Refusal;

/// The longest datagram that is read: 64 KiB.
pub const MAX_DATAGRAM: usize = 64 * 1024;

/// Text that is not what the grammar says; which part, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed: {0}")]
pub struct Malformed(pub(crate) &'static str);

impl Malformed {
    /// What was wrong, in words.
    pub fn what(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests;
