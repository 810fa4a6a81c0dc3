//! Messages to bytes (RFC 3261 section 7). The one place where lines are made, so the one where injection ends.

use std::fmt::{Display, Write};

use bytes::Bytes;

use super::{CSeq, HeaderName, Headers, NameAddr, Request, Response, Via};

pub(super) fn request(request: &Request) -> Bytes {
    let mut text = String::with_capacity(1024);
    line(&mut text, format_args!("{} {} SIP/2.0", request.method, request.uri));
    let cseq = request.cseq();
    let common = Common {
        vias: &request.vias,
        from: &request.from,
        to: &request.to,
        call_id: &request.call_id,
        cseq: &cseq,
        headers: &request.headers,
    };
    common.write(&mut text);
    finish(text, &request.body)
}

pub(super) fn response(response: &Response) -> Bytes {
    let mut text = String::with_capacity(1024);
    line(
        &mut text,
        format_args!("SIP/2.0 {} {}", response.status, response.reason),
    );
    let common = Common {
        vias: &response.vias,
        from: &response.from,
        to: &response.to,
        call_id: &response.call_id,
        cseq: &response.cseq,
        headers: &response.headers,
    };
    common.write(&mut text);
    finish(text, &response.body)
}

struct Common<'a> {
    vias: &'a [Via],
    from: &'a NameAddr,
    to: &'a NameAddr,
    call_id: &'a str,
    cseq: &'a CSeq,
    headers: &'a Headers,
}

impl Common<'_> {
    fn write(&self, text: &mut String) {
        for via in self.vias {
            line(text, format_args!("Via: {via}"));
        }
        line(text, format_args!("From: {}", self.from));
        line(text, format_args!("To: {}", self.to));
        line(text, format_args!("Call-ID: {}", self.call_id));
        line(text, format_args!("CSeq: {}", self.cseq));
        for (name, value) in self
            .headers
            .iter()
            .filter(|(name, _)| **name != HeaderName::ContentLength)
        {
            line(text, format_args!("{name}: {value}"));
        }
    }
}

/// Writes one line; a CR or LF within it becomes a space.
fn line(text: &mut String, content: impl Display) {
    struct OneLine<'a>(&'a mut String);
    impl Write for OneLine<'_> {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            if part.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
                self.0.push_str(&part.replace(['\r', '\n'], " "));
            } else {
                self.0.push_str(part);
            }
            Ok(())
        }
    }
    let _ = write!(OneLine(text), "{content}");
    text.push_str("\r\n");
}

fn finish(mut text: String, body: &[u8]) -> Bytes {
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}
