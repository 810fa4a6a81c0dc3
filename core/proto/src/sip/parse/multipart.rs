//! Multipart bodies (RFC 2046 section 5.1, RFC 5621): the parts of a body, to a depth of two.
//!
//! A PBX may wrap the session description together with something else. Nothing is decoded here: SIP bodies are
//! binary, and no transfer or content encoding is undone.

use super::{Carrier, Head};
use crate::sip::msg::{ContentType, Headers};

/// How deep parts may hold parts. Deeper ones are left whole.
pub const MAX_DEPTH: usize = 2;

/// One part: its own header fields and its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// The type; `text/plain` where the part does not say.
    pub content_type: String,
    /// Content-Disposition and the like.
    pub headers: Headers,
    /// The bytes between the boundaries.
    pub body: &'a [u8],
}

/// The parts of `body`, those within parts included, in order. A body that is not multipart is its own only part.
pub fn parts<'a>(content_type: &ContentType, body: &'a [u8]) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    collect(content_type, Headers::new(), body, 0, &mut found);
    found
}

/// The first part of one type, such as `application/sdp`.
pub fn find<'a>(content_type: &ContentType, body: &'a [u8], essence: &str) -> Option<&'a [u8]> {
    parts(content_type, body)
        .into_iter()
        .find(|part| part.content_type == essence)
        .map(|part| part.body)
}

fn collect<'a>(kind: &ContentType, headers: Headers, body: &'a [u8], depth: usize, found: &mut Vec<Part<'a>>) {
    let boundary = kind
        .params
        .get("boundary")
        .filter(|boundary| !boundary.is_empty() && boundary.len() <= 70);
    match boundary {
        Some(boundary) if kind.essence.starts_with("multipart/") && depth < MAX_DEPTH => {
            for part in split(body, boundary) {
                let (headers, body) = part_head(part);
                let kind = headers.content_type().unwrap_or_else(plain_text);
                collect(&kind, headers, body, depth.saturating_add(1), found);
            }
        }
        _ => found.push(Part {
            content_type: kind.essence.clone(),
            headers,
            body,
        }),
    }
}

fn plain_text() -> ContentType {
    ContentType {
        essence: "text/plain".to_owned(),
        params: crate::sip::msg::Params::new(),
    }
}

/// The bytes between the delimiter lines. What stands before the first and after the last is left out; without a
/// last one nothing says where the final part ends, so it is left out too.
fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0_usize);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let next = at.saturating_add(line.len());
        if let Some(tail) = line.strip_prefix(delimiter.as_bytes()) {
            let tail = tail.trim_ascii();
            if tail.is_empty() || tail == b"--" {
                // The CRLF before a delimiter belongs to the delimiter.
                let part = start.and_then(|start: usize| body.get(start..at));
                parts.extend(part.map(|part| part.strip_suffix(b"\r\n").unwrap_or(part)));
                start = Some(next);
            }
            if tail == b"--" {
                return parts;
            }
        }
        at = next;
    }
    parts
}

fn part_head(part: &[u8]) -> (Headers, &[u8]) {
    let mut headers = Headers::new();
    if let Some(body) = part.strip_prefix(b"\r\n") {
        return (headers, body);
    }
    // A part has no start line: the reader of heads is given one.
    let mut text = b"x\r\n".to_vec();
    text.extend_from_slice(part);
    let head = Head::read(&text, Carrier::Datagram);
    for (name, value) in head.lines {
        headers.push(name, value);
    }
    let body_at = part.len().saturating_sub(head.body.len());
    (headers, part.get(body_at..).unwrap_or_default())
}
