//! What was read of a message, as plain values for JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::msg::{HeaderName, Headers, NameAddr, StatusCode, Uri, Via, unescape};
use super::{Contacts, Message, Refusal, Request, Response};

/// A message, field by field. Of a refused one only what could be recovered is there.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Decoded {
    /// `request`, `response` or `refused`.
    pub kind: &'static str,
    /// What the phone would answer before anyone is asked.
    pub answer: Option<Answer>,
    /// The method of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The Request-URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_uri: Option<UriFields>,
    /// The code of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason phrase of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Via, topmost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<ViaFields>,
    /// From.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<AddressFields>,
    /// To.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<AddressFields>,
    /// Call-ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// CSeq.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cseq: Option<CSeqFields>,
    /// Contact; empty for `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<AddressFields>,
    /// Max-Forwards, where it is in range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_forwards: Option<u8>,
    /// Expires, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u32>,
    /// Content-Type, without its parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The length of the body in bytes.
    pub body_length: usize,
    /// All other header fields, in order, unfolded and with their usual names.
    pub headers: Vec<(String, String)>,
}

/// An answer that is given without asking anyone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Answer {
    /// The code.
    pub status: u16,
    /// Its usual phrase.
    pub reason: String,
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        Self {
            status: status.code(),
            reason: status.phrase(),
        }
    }
}

/// CSeq.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CSeqFields {
    /// The number.
    pub number: u32,
    /// The method.
    pub method: String,
}

/// A URI in parts, escapes undone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UriFields {
    /// The whole, escapes included.
    pub text: String,
    /// The scheme in lower case.
    pub scheme: String,
    /// The user part, or the number of a `tel:` URI.
    pub user: Option<String>,
    /// The host; an IPv6 address in brackets.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The parameters, names in lower case.
    pub params: BTreeMap<String, Option<String>>,
}

/// An address in parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AddressFields {
    /// The display name without quotes.
    pub display: Option<String>,
    /// The URI.
    pub uri: UriFields,
    /// The tag.
    pub tag: Option<String>,
    /// The parameters of the header field, names in lower case.
    pub params: BTreeMap<String, Option<String>>,
}

/// A Via in parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ViaFields {
    /// The transport in capitals.
    pub transport: String,
    /// The host; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
    /// The branch.
    pub branch: Option<String>,
    /// The address that was seen.
    pub received: Option<String>,
}

impl Decoded {
    pub(super) fn request(request: &Request, answer: Option<Answer>) -> Self {
        let message = Message::Request(request.clone());
        Self {
            kind: "request",
            answer,
            method: Some(request.method.to_string()),
            request_uri: Some(uri(&request.uri)),
            from: Some(address(&request.from)),
            to: Some(address(&request.to)),
            cseq: Some(CSeqFields {
                number: request.cseq,
                method: request.method.to_string(),
            }),
            body_length: request.body.len(),
            ..Self::common(&message)
        }
    }

    pub(super) fn response(response: &Response) -> Self {
        let message = Message::Response(response.clone());
        Self {
            kind: "response",
            status: Some(response.status.code()),
            reason: Some(response.reason.clone()),
            from: Some(address(&response.from)),
            to: Some(address(&response.to)),
            cseq: Some(CSeqFields {
                number: response.cseq.number,
                method: response.cseq.method.to_string(),
            }),
            body_length: response.body.len(),
            ..Self::common(&message)
        }
    }

    pub(super) fn refused(refusal: &Refusal, answer: Option<Answer>) -> Self {
        let line = |(name, value): (&HeaderName, &str)| (name.to_string(), value.to_owned());
        Self {
            kind: "refused",
            answer,
            headers: refusal.recovered().map(line).collect(),
            ..Self::default()
        }
    }

    fn common(message: &Message) -> Self {
        let headers: &Headers = message.headers();
        let contacts = headers.contacts();
        let contact = match &contacts {
            Contacts::All => Vec::new(),
            Contacts::List(list) => list.iter().map(address).collect(),
        };
        Self {
            via: message.vias().iter().map(via).collect(),
            call_id: Some(message.call_id().to_owned()),
            contact,
            max_forwards: headers.max_forwards(),
            expires: headers.expires(),
            content_type: headers.content_type().map(|kind| kind.essence),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_owned()))
                .collect(),
            ..Self::default()
        }
    }
}

fn uri(uri: &Uri) -> UriFields {
    let params = uri.params().iter();
    UriFields {
        text: uri.to_string(),
        scheme: uri.scheme().to_string(),
        user: uri.user().map(|user| user.into_owned()),
        host: uri.host().map(ToString::to_string),
        port: uri.port(),
        params: params
            .map(|(name, value)| (name.to_ascii_lowercase(), value.map(plain)))
            .collect(),
    }
}

fn plain(escaped: &str) -> String {
    unescape(escaped).into_owned()
}

fn address(address: &NameAddr) -> AddressFields {
    let params = address.params.iter();
    AddressFields {
        display: address.display.clone(),
        uri: uri(&address.uri),
        tag: address.tag().map(str::to_owned),
        params: params
            .map(|(name, value)| (name.to_ascii_lowercase(), value.map(str::to_owned)))
            .collect(),
    }
}

fn via(via: &Via) -> ViaFields {
    ViaFields {
        transport: via.transport.to_string(),
        host: via.host.to_string(),
        port: via.port,
        branch: via.branch().map(str::to_owned),
        received: via.received().map(|address| address.to_string()),
    }
}
