//! Puts a message on the wire, signed if credentials are given, and always with a FINGERPRINT.

use super::attribute;
use super::integrity::{self, Credentials};
use super::{MAGIC_COOKIE, Message};

/// The message's bytes. Attributes too long for the format (64 KiB) are left out.
pub fn write(message: &Message, credentials: Option<&Credentials>) -> Vec<u8> {
    let mut out = message.message_type().to_be_bytes().to_vec();
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    out.extend_from_slice(&message.transaction.0);
    for attribute in &message.attributes {
        append(&mut out, attribute.kind(), &attribute.value(message.transaction));
    }
    if let Some(credentials) = credentials {
        set_length(&mut out, 24);
        if let Some(tag) = integrity::hmac_sha1(&credentials.key(), &[&out]) {
            append(&mut out, attribute::MESSAGE_INTEGRITY, &tag);
        }
    }
    set_length(&mut out, 8);
    let fingerprint = integrity::fingerprint(&[&out]);
    append(&mut out, attribute::FINGERPRINT, &fingerprint.to_be_bytes());
    out
}

fn append(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    if let Ok(length) = u16::try_from(value.len()) {
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// Writes the length as it will be once an attribute of `coming` bytes is appended.
fn set_length(out: &mut [u8], coming: usize) {
    let length = out.len().saturating_sub(super::HEADER_LEN).saturating_add(coming);
    let bytes = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    for (place, byte) in out.iter_mut().skip(2).zip(bytes) {
        *place = byte;
    }
}
