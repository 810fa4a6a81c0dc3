//! Whether a well-formed message is one for us: the inspection that comes before any processing (RFC 3261 sections
//! 8.1.3.3 and 8.2.1 to 8.2.3), in the RFC's order: method, Request-URI, Require, content.
//!
//! Pure and without state: who is being called, whether the dialog exists and whether the request was merged (482) is
//! asked by the endpoint.

use super::msg::{ContentType, HeaderName, Headers, Method, Request, Response, StatusCode, Via, Warning};
use super::parse::multipart;

/// The body type that sessions are described in.
pub const SDP: &str = "application/sdp";

/// What an element can do: the answer to every request that wants more.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities<'a> {
    /// The methods of Allow.
    pub methods: &'a [Method],
    /// The option tags of Supported.
    pub options: &'a [&'a str],
}

impl Capabilities<'static> {
    /// Those of the phone.
    pub const PHONE: Self = Self {
        methods: &[
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Options,
            Method::Info,
            Method::Prack,
            Method::Update,
            Method::Refer,
            Method::Notify,
        ],
        options: &[
            "100rel",
            "timer",
            "replaces",
            "norefersub",
            "outbound",
            "path",
            "eventlist",
        ],
    };
}

impl Capabilities<'_> {
    /// The value of Allow.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The value of Supported.
    pub fn supported(&self) -> String {
        self.options.join(", ")
    }
}

/// A well-formed request that is turned away, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// The code to answer with.
    pub status: StatusCode,
    /// Why, in words.
    pub why: &'static str,
    /// What the answer must name: Allow, Unsupported, Accept, …
    pub headers: Headers,
}

impl Rejection {
    fn new(status: StatusCode, why: &'static str) -> Self {
        Self {
            status,
            why,
            headers: Headers::new(),
        }
    }

    fn with(mut self, name: HeaderName, value: impl std::fmt::Display) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The answer to `request`.
    pub fn response(&self, request: &Request, to_tag: &str) -> Response {
        let mut response = Response::to(request, self.status).with_to_tag(to_tag);
        for (name, value) in self.headers.iter() {
            response.headers.push(name.clone(), value);
        }
        response
    }
}

/// Whether `request` may go on to its dialog or user. An ACK always may: there is no answer that would refuse it.
pub fn admit(request: &Request, capabilities: &Capabilities<'_>) -> Result<(), Rejection> {
    if request.method == Method::Ack {
        return Ok(());
    }
    branch(request)?;
    method(request, capabilities)?;
    request_uri(request)?;
    require(request, capabilities)?;
    content(request)?;
    accept(request)
}

/// Whether `response` may go on to its transaction: one with more than one Via was meant for somebody else (8.1.3.3).
pub fn admit_response(response: &Response) -> Result<(), &'static str> {
    if response.vias.len() > 1 {
        Err("a response with more than one Via")
    } else {
        Ok(())
    }
}

/// A branch that promises an identifier and has none (RFC 4475 3.2.1) would match every other of its kind.
fn branch(request: &Request) -> Result<(), Rejection> {
    match request.branch() {
        Some(Via::MAGIC_COOKIE) => Err(Rejection::new(
            StatusCode::BAD_REQUEST,
            "a branch that is only the magic cookie",
        )),
        _ => Ok(()),
    }
}

fn method(request: &Request, capabilities: &Capabilities<'_>) -> Result<(), Rejection> {
    if capabilities.methods.contains(&request.method) {
        return Ok(());
    }
    let (status, why) = match request.method {
        Method::Other(_) => (StatusCode::NOT_IMPLEMENTED, "a method that nobody here knows"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "a method that is known and not allowed"),
    };
    Err(Rejection::new(status, why).with(HeaderName::Allow, capabilities.allow()))
}

fn request_uri(request: &Request) -> Result<(), Rejection> {
    if request.uri.is_sip() {
        return Ok(());
    }
    Err(Rejection::new(
        StatusCode::UNSUPPORTED_URI_SCHEME,
        "a Request-URI that is neither sip: nor sips:",
    ))
}

/// Require is not looked at in a CANCEL (8.2.2.3).
fn require(request: &Request, capabilities: &Capabilities<'_>) -> Result<(), Rejection> {
    let is_unknown = |tag: &&str| !capabilities.options.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let unknown: Vec<&str> = request.headers.require().into_iter().filter(is_unknown).collect();
    if unknown.is_empty() || request.method == Method::Cancel {
        return Ok(());
    }
    let rejection = Rejection::new(
        StatusCode::BAD_EXTENSION,
        "an extension that is required and not supported",
    );
    Err(rejection.with(HeaderName::Unsupported, unknown.join(", ")))
}

/// The body of a request that offers or answers a session must hold a session description, alone or among others
/// (8.2.3, RFC 5621), unless the sender says that it does not matter.
fn content(request: &Request) -> Result<(), Rejection> {
    let is_session = matches!(request.method, Method::Invite | Method::Update | Method::Prack);
    if request.body.is_empty() || !is_session || is_optional(&request.headers) {
        return Ok(());
    }
    let is_encoded = |encoding: &str| !encoding.eq_ignore_ascii_case("identity");
    if request
        .headers
        .tokens(HeaderName::ContentEncoding)
        .into_iter()
        .any(is_encoded)
    {
        let rejection = Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body that is encoded");
        return Err(rejection.with(HeaderName::AcceptEncoding, "identity"));
    }
    let kind = request.headers.content_type();
    if kind.is_some_and(|kind| multipart::find(&kind, &request.body, SDP).is_some()) {
        return Ok(());
    }
    let rejection = Rejection::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "a body that is no session description",
    );
    Err(rejection.with(HeaderName::Accept, SDP))
}

fn is_optional(headers: &Headers) -> bool {
    let Some(disposition) = headers.get(HeaderName::ContentDisposition) else {
        return false;
    };
    let handling = disposition
        .parse::<super::msg::Tagged>()
        .ok()
        .and_then(|it| it.params.get("handling").map(str::to_owned));
    handling.is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
}

/// An INVITE is answered with a session description: a caller who will not take one cannot be served.
fn accept(request: &Request) -> Result<(), Rejection> {
    if request.method != Method::Invite || !request.headers.has(HeaderName::Accept) {
        return Ok(());
    }
    let takes_sdp = |range: &str| {
        let essence = range.parse::<ContentType>().map(|range| range.essence);
        essence.is_ok_and(|essence| matches!(essence.as_str(), "application/sdp" | "application/*" | "*/*"))
    };
    if request.headers.values(HeaderName::Accept).any(takes_sdp) {
        return Ok(());
    }
    let text = "the answer is a session description and Accept does not take one".to_owned();
    let warning = Warning {
        code: 399,
        agent: "toestel".to_owned(),
        text,
    };
    let rejection = Rejection::new(
        StatusCode::NOT_ACCEPTABLE,
        "a caller who does not take session descriptions",
    );
    Err(rejection.with(HeaderName::Warning, warning))
}

#[cfg(test)]
mod tests {
    use super::super::msg::{Message, Request};
    use super::super::parse;
    use super::*;

    fn request(method: &str, more: &str, body: &str) -> Request {
        let text = format!(
            "{method} sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/TLS h.nl;branch=z9hG4bK1\r\nFrom: <sip:b@h.nl>;tag=1\r\n\
             To: <sip:a@h.nl>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{more}\r\n{body}"
        );
        let Ok(Message::Request(request)) = parse::datagram(text.as_bytes()) else {
            panic!("{text}")
        };
        request
    }

    fn verdict(request: &Request) -> u16 {
        admit(request, &Capabilities::PHONE)
            .err()
            .map_or(200, |rejection| rejection.status.code())
    }

    #[test]
    fn what_a_phone_can_serve_is_admitted() {
        let sdp = "Content-Type: application/sdp\r\n";
        assert_eq!(
            verdict(&request(
                "INVITE",
                "Require: Timer, 100rel\r\nAccept: text/x, */*\r\n",
                ""
            )),
            200
        );
        assert_eq!(verdict(&request("INVITE", sdp, "v=0\r\n")), 200);
        assert_eq!(
            verdict(&request(
                "INFO",
                "Content-Type: application/dtmf-relay\r\n",
                "Signal=1\r\n"
            )),
            200
        );
        assert_eq!(verdict(&request("CANCEL", "Require: nobody-knows\r\n", "")), 200);
        assert_eq!(verdict(&request("ACK", "Require: nobody-knows\r\n", "")), 200);
    }

    #[test]
    fn a_body_is_taken_by_what_it_holds_and_not_by_its_wrapping() {
        let wrapped = "Content-Type: multipart/mixed;boundary=\"x\"\r\n";
        let with = |kind: &str| format!("--x\r\nContent-Type: {kind}\r\n\r\nv=0\r\n\r\n--x--\r\n");
        assert_eq!(verdict(&request("INVITE", wrapped, &with("application/sdp"))), 200);
        assert_eq!(verdict(&request("INVITE", wrapped, &with("text/plain"))), 415);
        let optional = "Content-Type: text/x\r\nContent-Disposition: render;handling=optional\r\n";
        assert_eq!(verdict(&request("INVITE", optional, "x")), 200);
        let zipped = "Content-Type: application/sdp\r\ne: gzip\r\n";
        assert_eq!(verdict(&request("INVITE", zipped, "x")), 415);
        assert_eq!(verdict(&request("INVITE", "", "v=0\r\n")), 415);
    }

    #[test]
    fn a_rejection_names_what_would_have_been_right() {
        let request = request("OPTIONS", "Require: timer, x-one\r\nRequire: x-two\r\n", "");
        let rejection = admit(&request, &Capabilities::PHONE).unwrap_err();
        let response = rejection.response(&request, "t");
        assert_eq!(response.status, StatusCode::BAD_EXTENSION);
        assert_eq!(response.headers.get(HeaderName::Unsupported), Some("x-one, x-two"));
        assert_eq!(response.to.tag(), Some("t"));
    }

    #[test]
    fn unknown_methods_and_known_ones_that_are_not_ours_get_different_answers() {
        assert_eq!(verdict(&request("REGISTER", "", "")), 405);
        assert_eq!(verdict(&request("NEWMETHOD", "", "")), 501);
    }
}
