//! Messages that are refused before anyone else sees them, and the answers they get (RFC 3261 sections 8.2 and 16.3).

use std::fmt::{self, Write};

use bytes::Bytes;

use super::{Head, Malformed};
use crate::sip::msg::{HeaderName, NameAddr, StatusCode};

/// What is wrong with a message, and the status code that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

impl Fault {
    pub(crate) fn bad_request(why: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            why,
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::bad_request(malformed.what())
    }
}

/// A message that was refused. The sender erred; sending the same again will not help.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The code to answer with; `None` if the message is dropped in silence: a response, an ACK, or not SIP at all.
    pub status: Option<StatusCode>,
    /// What is wrong, in words.
    pub why: &'static str,
    /// Lines that the answer repeats, as they came.
    repeated: Vec<(HeaderName, String)>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}: {}", self.why),
            None => write!(f, "dropped: {}", self.why),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Nothing is answered.
    pub(crate) fn discard(why: &'static str) -> Self {
        Self {
            status: None,
            why,
            repeated: Vec::new(),
        }
    }

    /// The request whose head was read is answered with the fault.
    pub(crate) fn answer(fault: Fault, head: &Head) -> Self {
        let mut repeated: Vec<(HeaderName, String)> = Vec::new();
        for (name, value) in &head.lines {
            let is_wanted = match name {
                HeaderName::Via => true,
                HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq => {
                    repeated.iter().all(|(there, _)| there != name)
                }
                _ => false,
            };
            if is_wanted {
                repeated.push((name.clone(), value.clone()));
            }
        }
        Self {
            status: Some(fault.status),
            why: fault.why,
            repeated,
        }
    }

    /// The header fields that could be recovered: Via, From, To, Call-ID and CSeq as they came.
    pub fn recovered(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.repeated.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// The answer to send back the way the message came, without any state (RFC 3261 8.2.7); `None` if there is none
    /// to give, or no Via by which the sender would know it.
    pub fn response(&self, to_tag: &str) -> Option<Bytes> {
        let status = self.status?;
        if !self.repeated.iter().any(|(name, _)| *name == HeaderName::Via) {
            return None;
        }
        let mut text = format!("SIP/2.0 {status} {} ({})\r\n", status.phrase(), self.why);
        for (name, value) in &self.repeated {
            let is_untagged = value.parse::<NameAddr>().is_ok_and(|to| to.tag().is_none());
            let tag = if *name == HeaderName::To && is_untagged {
                format!(";tag={to_tag}")
            } else {
                String::new()
            };
            let _ = write!(text, "{name}: {value}{tag}\r\n");
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        Some(text.into())
    }
}
