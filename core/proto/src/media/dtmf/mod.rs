//! Telephone events (RFC 4733): the sixteen keys as named events in RTP.
//!
//! [`event`] is the payload, [`sender`] the queue that gives each key its tone and its gap, [`receiver`] the judge of
//! which packets are one press. Tones as sound in the speech path are made by whoever encodes it, and not heard.

pub mod event;
pub mod receiver;
pub mod sender;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How long a key that is sent sounds, as event or as sound.
pub const TONE: Duration = Duration::from_millis(120);

/// A key of a telephone, as an event code of RFC 4733 table 7: 0 to 9, `*`, `#`, A to D.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "char", try_from = "char")]
pub struct Digit(u8);

/// The keys in the order of their event codes.
const KEYS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

/// A character that is no key of a telephone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a telephone key: 0 to 9, *, #, A to D")]
pub struct NotADigit(pub char);

impl Digit {
    /// The key with that event code; `None` from 16 on (flash, fax and modem tones).
    pub fn from_event(code: u8) -> Option<Self> {
        (code < 16).then_some(Self(code))
    }

    /// The event code, 0 to 15.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// The key as it is printed on the telephone.
    pub fn key(self) -> char {
        KEYS.get(usize::from(self.0)).copied().unwrap_or('?')
    }
}

impl TryFrom<char> for Digit {
    type Error = NotADigit;

    fn try_from(key: char) -> Result<Self, NotADigit> {
        let upper = key.to_ascii_uppercase();
        (0..16)
            .filter_map(Self::from_event)
            .find(|digit| digit.key() == upper)
            .ok_or(NotADigit(key))
    }
}

impl From<Digit> for char {
    fn from(digit: Digit) -> Self {
        digit.key()
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key())
    }
}
