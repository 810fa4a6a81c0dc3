//! Requests (RFC 3261 sections 7.1 and 8.1.1).

use bytes::Bytes;

use super::{CSeq, HeaderName, Headers, Method, NameAddr, Uri, Via, write};

/// A request. What every request must have is a field; the rest is in `headers`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Of whom: the Request-URI.
    pub uri: Uri,
    /// The way so far, topmost (latest) first. At least one in a request that was received; none in one that the
    /// client transaction has not sent yet.
    pub vias: Vec<Via>,
    /// Who asks.
    pub from: NameAddr,
    /// Who was meant by the asker.
    pub to: NameAddr,
    /// The conversation.
    pub call_id: String,
    /// The place in it; the method is `method`.
    pub cseq: u32,
    /// All other header fields but Content-Length.
    pub headers: Headers,
    /// The body, cut to its Content-Length.
    pub body: Bytes,
}

impl Request {
    /// A request with Max-Forwards 70 and no Via yet.
    pub fn new(method: Method, uri: Uri, from: NameAddr, to: NameAddr, call_id: impl Into<String>, cseq: u32) -> Self {
        let mut headers = Headers::new();
        headers.push(HeaderName::MaxForwards, 70);
        Self {
            method,
            uri,
            vias: Vec::new(),
            from,
            to,
            call_id: call_id.into(),
            cseq,
            headers,
            body: Bytes::new(),
        }
    }

    /// Number and method together.
    pub fn cseq(&self) -> CSeq {
        CSeq {
            number: self.cseq,
            method: self.method.clone(),
        }
    }

    /// The topmost Via: always there in a request that was received.
    pub fn top_via(&self) -> Option<&Via> {
        self.vias.first()
    }

    /// The branch of the topmost Via: the transaction.
    pub fn branch(&self) -> Option<&str> {
        self.top_via()?.branch()
    }

    /// Sets body and Content-Type together.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }

    /// The request as it goes on the wire, with a correct Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        write::request(self)
    }
}
