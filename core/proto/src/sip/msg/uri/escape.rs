//! `%HH` escapes (RFC 3261 section 25.1) and the characters that need none, by part of a URI.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether `c` may stand unescaped in a user part that we write.
pub(crate) fn is_user_char(c: char) -> bool {
    is_unreserved(c) || "&=+$,;?/".contains(c)
}

pub(super) fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c)
}

pub(super) fn escape_user(text: &str) -> String {
    escape(text, is_user_char)
}

pub(super) fn escape_param(text: &str) -> String {
    escape(text, |c| is_unreserved(c) || "[]/:&+$".contains(c))
}

/// For a name or a value of a header of a URI; of `hnv-unreserved` nothing is left bare that some reader could trip over.
pub(super) fn escape_header(text: &str) -> String {
    escape(text, is_unreserved)
}

fn escape(text: &str, is_plain: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            escaped.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Escapes undone. Where the bytes are not UTF-8 they are read as Latin-1, so that nothing is lost.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        match (byte, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4) | low);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes);
    Cow::Owned(text.unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

/// The letters with every escape in capitals, and escapes of unreserved characters undone: equal for equal parts.
pub(super) fn canonical(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut ahead = rest.clone();
        match (c, ahead.next().and_then(hex_char), ahead.next().and_then(hex_char)) {
            ('%', Some(high), Some(low)) => {
                let byte = (high << 4) | low;
                match char::from(byte) {
                    decoded if is_unreserved(decoded) => plain.push(decoded),
                    _ => {
                        let _ = write!(plain, "%{byte:02X}");
                    }
                }
                rest = ahead;
            }
            _ => plain.push(c),
        }
    }
    plain
}

fn hex(byte: u8) -> Option<u8> {
    hex_char(char::from(byte))
}

fn hex_char(c: char) -> Option<u8> {
    c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
