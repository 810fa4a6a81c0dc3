//! Responses (RFC 3261 sections 7.2 and 8.2.6).

use bytes::Bytes;

use super::{CSeq, HeaderName, Headers, Method, NameAddr, Request, StatusCode, Via, write};

/// A response. What every response must have is a field; the rest is in `headers`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// The verdict.
    pub status: StatusCode,
    /// The verdict in words, for people. Never decide by it.
    pub reason: String,
    /// The way back, topmost first; at least one in a response that was received.
    pub vias: Vec<Via>,
    /// As in the request.
    pub from: NameAddr,
    /// As in the request, with the tag of whoever answers.
    pub to: NameAddr,
    /// As in the request.
    pub call_id: String,
    /// As in the request: says which request is answered.
    pub cseq: CSeq,
    /// All other header fields but Content-Length.
    pub headers: Headers,
    /// The body, cut to its Content-Length.
    pub body: Bytes,
}

impl Response {
    /// The answer to `request` (RFC 3261 8.2.6.2): Via, From, To, Call-ID and CSeq are copied, Timestamp into a 100,
    /// and Record-Route into what may create a dialog (12.1.1). Give it `to_tag`s with [`Response::with_to_tag`].
    pub fn to(request: &Request, status: StatusCode) -> Self {
        let mut headers = Headers::new();
        if status == StatusCode::TRYING {
            headers.copy_from(&request.headers, HeaderName::Timestamp);
        }
        let creates_dialog = matches!(
            request.method,
            Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
        );
        if creates_dialog && !status.is_failure() && status != StatusCode::TRYING {
            headers.copy_from(&request.headers, HeaderName::RecordRoute);
        }
        Self {
            status,
            reason: status.phrase(),
            vias: request.vias.clone(),
            from: request.from.clone(),
            to: request.to.clone(),
            call_id: request.call_id.clone(),
            cseq: request.cseq(),
            headers,
            body: Bytes::new(),
        }
    }

    /// The same with our tag in To, unless the request had one already (then we gave it before).
    #[must_use]
    pub fn with_to_tag(mut self, tag: impl Into<String>) -> Self {
        if self.to.tag().is_none() {
            self.to.params.set("tag", tag);
        }
        self
    }

    /// The same with another reason phrase.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The topmost Via: always there in a response that was received.
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

    /// The response as it goes on the wire, with a correct Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        write::response(self)
    }
}
