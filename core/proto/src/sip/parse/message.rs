//! Whole messages: what must be there, what may be there once, and what must agree (RFC 3261 sections 8.1.1, 18.3, 20).

use bytes::Bytes;

use super::start::{self, Start};
use super::{Carrier, Fault, Head, MAX_DATAGRAM, Malformed, Refusal, address, value};
use crate::sip::msg::{CSeq, HeaderName, Headers, Message, Method, NameAddr, Request, Response, StatusCode, Via};

/// Fields that may stand in a message once; which of two values counts would be a guess.
const SINGLE: [HeaderName; 13] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentType,
    HeaderName::Expires,
    HeaderName::Event,
    HeaderName::ReferTo,
    HeaderName::Replaces,
    HeaderName::SessionExpires,
    HeaderName::RSeq,
    HeaderName::RAck,
];

/// Reads the message in one datagram. Octets after the body are noise (18.3); without a Content-Length the body is
/// all that follows the head.
pub fn datagram(bytes: &[u8]) -> Result<Message, Refusal> {
    if bytes.len() > MAX_DATAGRAM {
        return Err(Refusal::discard("a datagram of more than 64 KiB"));
    }
    read(bytes, Carrier::Datagram)
}

/// Reads one message that was cut out of a stream by its Content-Length, which it must have (18.3).
pub fn framed(bytes: &[u8]) -> Result<Message, Refusal> {
    read(bytes, Carrier::Stream)
}

fn read(bytes: &[u8], carrier: Carrier) -> Result<Message, Refusal> {
    let head = Head::read(bytes, carrier);
    match start::line(&head.start) {
        Start::Foreign => Err(Refusal::discard("not SIP")),
        Start::Garbled => Err(refuse(
            Fault::bad_request("a request line that is not in three parts"),
            &head,
        )),
        Start::Request { method, uri, version } => start::request(method, uri, version)
            .and_then(|(method, uri)| {
                let core = Core::read(&head, carrier)?;
                request(method, uri, core)
            })
            .map(Message::Request)
            .map_err(|fault| refuse(fault, &head)),
        Start::Response { code, reason } => start::response(code)
            .and_then(|status| {
                let core = Core::read(&head, carrier)?;
                Ok(Message::Response(response(status, reason, core)))
            })
            .map_err(|fault| refuse(fault, &head)),
    }
}

/// Refuses the message with that head. A response, and an ACK, never get an answer.
pub(crate) fn refuse(fault: Fault, head: &Head<'_>) -> Refusal {
    let is_ack = head.start.split(' ').next() == Some("ACK");
    match start::line(&head.start) {
        Start::Request { .. } | Start::Garbled if !is_ack => Refusal::answer(fault, head),
        _ => Refusal::discard(fault.why),
    }
}

/// Whether a first line may be the start of a message.
pub(crate) fn is_start_line(line: &[u8]) -> bool {
    !matches!(start::line(&String::from_utf8_lossy(line)), Start::Foreign)
}

/// What requests and responses have in common.
struct Core {
    vias: Vec<Via>,
    from: NameAddr,
    to: NameAddr,
    call_id: String,
    cseq: CSeq,
    headers: Headers,
    body: Bytes,
}

impl Core {
    fn read(head: &Head<'_>, carrier: Carrier) -> Result<Self, Fault> {
        if let Some(fault) = head.broken.or(head.fault) {
            return Err(fault);
        }
        check_single(&head.lines)?;
        let body = body(head, carrier)?;
        let mut headers = Headers::new();
        for (name, value) in head.lines.iter().filter(|(name, _)| !is_structural(name)) {
            headers.push(name.clone(), value);
        }
        Ok(Self {
            vias: vias(head)?,
            from: address::name_addr(one(head, &HeaderName::From, "no From")?)?,
            to: address::name_addr(one(head, &HeaderName::To, "no To")?)?,
            call_id: value::call_id(one(head, &HeaderName::CallId, "no Call-ID")?)?.to_owned(),
            cseq: value::cseq(one(head, &HeaderName::CSeq, "no CSeq")?)?,
            headers,
            body,
        })
    }
}

fn request(method: Method, uri: crate::sip::msg::Uri, core: Core) -> Result<Request, Fault> {
    if core.cseq.method != method {
        // RFC 4475 3.1.2.18: for a method that is not known, 501 stands the test of time better.
        let status = if matches!(method, Method::Other(_)) {
            StatusCode::NOT_IMPLEMENTED
        } else {
            StatusCode::BAD_REQUEST
        };
        return Err(Fault {
            status,
            why: "a CSeq that names another method",
        });
    }
    check_contacts(&core.headers)?;
    for name in [HeaderName::Route, HeaderName::RecordRoute] {
        check_addresses(&core.headers, name)?;
    }
    let Core {
        vias,
        from,
        to,
        call_id,
        cseq,
        headers,
        body,
    } = core;
    Ok(Request {
        method,
        uri,
        vias,
        from,
        to,
        call_id,
        cseq: cseq.number,
        headers,
        body,
    })
}

fn response(status: StatusCode, reason: &str, core: Core) -> Response {
    let Core {
        vias,
        from,
        to,
        call_id,
        cseq,
        headers,
        body,
    } = core;
    Response {
        status,
        reason: reason.to_owned(),
        vias,
        from,
        to,
        call_id,
        cseq,
        headers,
        body,
    }
}

/// Whether the field is one of those that messages keep apart from the others.
fn is_structural(name: &HeaderName) -> bool {
    use HeaderName::{CSeq, CallId, ContentLength, From, To, Via};
    matches!(name, Via | From | To | CallId | CSeq | ContentLength)
}

fn check_single(lines: &[(HeaderName, String)]) -> Result<(), Fault> {
    for single in &SINGLE {
        if lines.iter().filter(|(name, _)| name == single).nth(1).is_some() {
            return Err(Fault::bad_request("a header field twice that may stand once"));
        }
    }
    Ok(())
}

fn one<'a>(head: &'a Head<'_>, name: &HeaderName, missing: &'static str) -> Result<&'a str, Fault> {
    let line = head.lines.iter().find(|(there, _)| there == name);
    line.map(|(_, value)| value.as_str()).ok_or(Fault::bad_request(missing))
}

fn vias(head: &Head<'_>) -> Result<Vec<Via>, Fault> {
    let lines = head.lines.iter().filter(|(name, _)| *name == HeaderName::Via);
    let values = lines.flat_map(|(_, line)| value::split_at_commas(line));
    let vias = values.map(address::via).collect::<Result<Vec<_>, Malformed>>()?;
    if vias.is_empty() {
        Err(Fault::bad_request("no Via"))
    } else {
        Ok(vias)
    }
}

fn body(head: &Head<'_>, carrier: Carrier) -> Result<Bytes, Fault> {
    let length = match head.content_length()? {
        Some(length) => length,
        None if carrier == Carrier::Stream => return Err(Fault::bad_request("no Content-Length on a stream")),
        None => head.body.len(),
    };
    let body = head
        .body
        .get(..length)
        .ok_or(Fault::bad_request("a Content-Length beyond the end of the message"))?;
    Ok(Bytes::copy_from_slice(body))
}

/// Contact is where the answers of a dialog go: a request whose Contact cannot be read is refused.
fn check_contacts(headers: &Headers) -> Result<(), Fault> {
    let count = headers.values(HeaderName::Contact).count();
    if headers.values(HeaderName::Contact).any(|contact| contact == "*") {
        let fault = Fault::bad_request("a Contact of * beside others");
        return if count == 1 { Ok(()) } else { Err(fault) };
    }
    check_addresses(headers, HeaderName::Contact)
}

fn check_addresses(headers: &Headers, name: HeaderName) -> Result<(), Fault> {
    for text in headers.values(name) {
        address::name_addr(text)?;
    }
    Ok(())
}
