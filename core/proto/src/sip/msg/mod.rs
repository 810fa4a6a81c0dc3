//! The vocabulary of SIP messages (RFC 3261 sections 7, 19, 20 and 25): what every machine above speaks in.
//!
//! Parse, don't validate: Via, From, To, Call-ID and CSeq are fields of their own in [`Request`] and [`Response`],
//! checked once by the reader (`sip/parse/`), so nothing above it asks again. All other header fields stay in
//! [`Headers`] as they came, in order, unknown ones too, and are read through typed accessors ([`Headers::contacts`],
//! [`Headers::session_expires`], …). Content-Length is never stored: it is computed when a message is written.
//!
//! Writing cannot be abused to inject a header line: CR and LF inside any value leave as a space.

mod address;
mod fields;
mod headers;
mod method;
mod params;
mod request;
mod response;
mod status;
mod uri;
mod via;
mod write;

pub use address::{Contacts, NameAddr};
pub use fields::{
    ContentType, Event, RAck, Reason, Refresher, Replaces, SessionExpires, SubscriptionState, Tagged, Warning,
};
pub use headers::{HeaderName, Headers};
pub use method::{CSeq, Method};
pub use params::Params;
pub use request::Request;
pub use response::Response;
pub use status::StatusCode;
pub use uri::{Host, Scheme, Uri};
pub use via::{Transport, Via};

pub(crate) use uri::{UriPassword, is_user_char, unescape};

pub use super::parse::Malformed;

use bytes::Bytes;

/// One SIP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// The header fields beside Via, From, To, Call-ID and CSeq.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The Via values, topmost first.
    pub fn vias(&self) -> &[Via] {
        match self {
            Self::Request(request) => &request.vias,
            Self::Response(response) => &response.vias,
        }
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        match self {
            Self::Request(request) => &request.call_id,
            Self::Response(response) => &response.call_id,
        }
    }
}

#[cfg(test)]
mod tests;
