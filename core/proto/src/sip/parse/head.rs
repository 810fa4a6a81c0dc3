//! The head of a message: lines, unfolding, names (RFC 3261 sections 7.3.1 and 7.5).
//!
//! On a stream lines end with CRLF and with nothing else: an LF or CR alone is where two readers come to disagree
//! about where a message ends. A datagram ends by itself, so there two faults are forgiven that the archives of
//! RFC 4475 and RFC 5118 themselves contain: lines that all end with LF alone (a mix is still refused), and no empty
//! line after the last header field. Reading goes on after a fault as far as it can, because the answer repeats
//! header fields.

use super::scan::is_token_char;
use super::{Fault, Malformed, value};
use crate::sip::msg::{HeaderName, StatusCode};

/// The most header fields that are read.
pub(crate) const MAX_HEADERS: usize = 200;

/// What the message came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carrier {
    Datagram,
    Stream,
}

/// A head in pieces, and what was wrong with it.
pub(crate) struct Head<'a> {
    pub(crate) start: String,
    /// Names in their usual spelling; values unfolded and trimmed.
    pub(crate) lines: Vec<(HeaderName, String)>,
    /// All that follows the empty line.
    pub(crate) body: &'a [u8],
    /// A line that is no header field; where the message ends is still certain.
    pub(crate) fault: Option<Fault>,
    /// Something after which nobody can tell where the lines end: on a stream, framing is lost.
    pub(crate) broken: Option<Fault>,
}

impl<'a> Head<'a> {
    pub(crate) fn read(bytes: &'a [u8], carrier: Carrier) -> Self {
        let (mut fault, mut broken) = (None, None);
        let (lines, body) = logical_lines(without_leading_lines(bytes), carrier, &mut broken);
        let mut lines = lines.into_iter();
        let start = text(lines.next().unwrap_or_default());
        let lines = lines.filter_map(|line| match field(line) {
            Ok(field) => Some(field),
            Err(Malformed(why)) => {
                fault.get_or_insert(Fault::bad_request(why));
                None
            }
        });
        Self {
            start,
            lines: lines.collect(),
            body,
            fault,
            broken,
        }
    }

    /// The length that the head promises: `None` if it says nothing, a fault if it says it wrongly or twice.
    pub(crate) fn content_length(&self) -> Result<Option<usize>, Fault> {
        let mut lengths = self.lines.iter().filter(|(name, _)| *name == HeaderName::ContentLength);
        let Some((_, length)) = lengths.next() else {
            return Ok(None);
        };
        if lengths.next().is_some() {
            return Err(Fault::bad_request("more than one Content-Length"));
        }
        match value::number(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => Err(Fault::bad_request("a Content-Length that is not a number in range")),
        }
    }
}

/// RFC 3261 7.5: empty lines before the start line are ignored.
fn without_leading_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    bytes
}

fn logical_lines<'a>(bytes: &'a [u8], carrier: Carrier, broken: &mut Option<Fault>) -> (Vec<Vec<u8>>, &'a [u8]) {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    let is_bare = carrier == Carrier::Datagram && next_line(rest).is_some_and(|(line, _)| !line.ends_with(b"\r"));
    while let Some((line, tail)) = next_line(rest) {
        rest = tail;
        let line = match line.strip_suffix(b"\r") {
            None if is_bare && !line.contains(&b'\r') => line,
            Some(line) if !is_bare && !line.contains(&b'\r') => line,
            _ => {
                broken.get_or_insert(Fault::bad_request("a line that does not end with CRLF"));
                line
            }
        };
        let is_full = lines.len() > MAX_HEADERS;
        match (line, lines.last_mut()) {
            ([], _) => return (lines, rest),
            ([b' ' | b'\t', ..], Some(above)) => {
                above.push(b' ');
                above.extend_from_slice(line.trim_ascii_start());
            }
            _ if is_full => {
                let status = StatusCode::MESSAGE_TOO_LARGE;
                broken.get_or_insert(Fault {
                    status,
                    why: "more than 200 header fields",
                });
                return (lines, &[]);
            }
            _ => lines.push(line.to_vec()),
        }
    }
    if carrier == Carrier::Stream || !rest.is_empty() {
        broken.get_or_insert(Fault::bad_request("no empty line after the header fields"));
    }
    (lines, &[])
}

/// The bytes before the next LF and those after it.
fn next_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

fn field(line: Vec<u8>) -> Result<(HeaderName, String), Malformed> {
    let line = text(line);
    let (name, value) = line
        .split_once(':')
        .ok_or(Malformed("a line that is not a header field"))?;
    let name = name.trim_end_matches([' ', '\t']);
    if name.is_empty() || !name.chars().all(is_token_char) {
        return Err(Malformed("a header field whose name is not a token"));
    }
    Ok((HeaderName::new(name), value.trim_matches([' ', '\t']).to_owned()))
}

/// SIP is UTF-8 (RFC 3261 section 7). What is not is read as Latin-1, which loses nothing.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}
