//! The reader of the wire (RFC 3261 section 25): bytes to the vocabulary of `sip/msg/`.
//!
//! rsip must not read the wire: it refuses a third of the valid messages of RFC 4475 and all of RFC 5118, and lets
//! through what may never pass (negative lengths, two Content-Lengths, a CSeq that names another method).

#![warn(clippy::arithmetic_side_effects)]

pub(crate) mod address;
mod scan;
pub(crate) mod uri;
pub(crate) mod value;

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
