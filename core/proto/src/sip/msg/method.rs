//! Methods and CSeq (RFC 3261 sections 7.1 and 20.16). Method names are case-sensitive: `invite` is an extension.

use std::fmt;
use std::str::FromStr;

use crate::sip::parse::{self, Malformed};

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Method {
    /// Start or change a session (RFC 3261).
    Invite,
    /// Confirm the final response to an INVITE (RFC 3261).
    Ack,
    /// End a session (RFC 3261).
    Bye,
    /// Give up a pending INVITE (RFC 3261).
    Cancel,
    /// Bind an address of record to a contact (RFC 3261).
    Register,
    /// Ask for capabilities (RFC 3261).
    Options,
    /// Carry information within a session (RFC 6086).
    Info,
    /// Acknowledge a reliable provisional response (RFC 3262).
    Prack,
    /// Change a session before or after it is confirmed, outside the INVITE (RFC 3311).
    Update,
    /// Ask the other side to send a request elsewhere (RFC 3515).
    Refer,
    /// Report the state of a subscription (RFC 6665).
    Notify,
    /// Subscribe to an event package (RFC 6665).
    Subscribe,
    /// An instant message (RFC 3428).
    Message,
    /// Publish event state (RFC 3903).
    Publish,
    /// Any other token.
    Other(String),
}

impl Method {
    const KNOWN: [Self; 14] = [
        Self::Invite,
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Register,
        Self::Options,
        Self::Info,
        Self::Prack,
        Self::Update,
        Self::Refer,
        Self::Notify,
        Self::Subscribe,
        Self::Message,
        Self::Publish,
    ];

    /// The method as it is written on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Subscribe => "SUBSCRIBE",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(name) => name,
        }
    }

    /// The method named by a token that is already checked.
    pub(crate) fn from_token(token: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == token)
            .unwrap_or_else(|| Self::Other(token.to_owned()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::value::whole_token(text).map(Self::from_token)
    }
}

/// The place of a request in its dialog: a number, and the method it counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CSeq {
    /// The sequence number, below 2^31 in every message that the reader accepted.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl FromStr for CSeq {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::value::cseq(text)
    }
}
