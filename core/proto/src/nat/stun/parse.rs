//! Reads one datagram: header, length, attributes, fingerprint.
//!
//! After MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT count, after that one only FINGERPRINT, and
//! after FINGERPRINT nothing may follow (RFC 8489 14.5 to 14.7). Of an attribute that is repeated the first counts.
#![warn(clippy::arithmetic_side_effects)]

use super::attribute::{self, Attribute};
use super::integrity::{self, Credentials, IntegrityError};
use super::{HEADER_LEN, MAGIC_COOKIE, Message, TransactionId, read_type};

/// The most attributes read; a real message has a dozen.
const MAX_ATTRIBUTES: usize = 64;

/// Why a datagram is not a STUN message. Whoever sent it erred; it is dropped without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StunError {
    /// Shorter than a header.
    #[error("the datagram is shorter than a STUN header")]
    Short,
    /// The first two bits are not zero, or the magic cookie is missing.
    #[error("the datagram is not STUN")]
    NotStun,
    /// The length field is not a multiple of 4, or not what arrived.
    #[error("the STUN length field is wrong")]
    Length,
    /// An attribute reaches beyond the end.
    #[error("a STUN attribute reaches beyond the end of the message")]
    Truncated,
    /// An attribute's value is not what its type demands.
    #[error("the STUN attribute of type {0:#06x} is malformed")]
    Attribute(u16),
    /// More than 64 attributes.
    #[error("the STUN message has too many attributes")]
    TooMany,
    /// The fingerprint is wrong, or something follows it.
    #[error("the STUN fingerprint is wrong")]
    Fingerprint,
}

/// A message as it arrived, with what is needed to check who signed it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The message, without its integrity attributes.
    pub message: Message,
    /// Whether it had a FINGERPRINT, which was right.
    pub fingerprint: bool,
    bytes: Vec<u8>,
    sha1: Option<Tag>,
    sha256: Option<Tag>,
}

/// Where a tag stands: its attribute's offset and its value.
#[derive(Clone, Debug)]
struct Tag {
    offset: usize,
    value: Vec<u8>,
}

/// Reads one datagram.
pub fn parse(bytes: &[u8]) -> Result<Received, StunError> {
    let (class, method, transaction) = read_header(bytes)?;
    let mut received = Received {
        message: Message {
            class,
            method,
            transaction,
            attributes: Vec::new(),
        },
        fingerprint: false,
        bytes: bytes.to_vec(),
        sha1: None,
        sha256: None,
    };
    let mut offset = HEADER_LEN;
    let mut count = 0_usize;
    while offset < bytes.len() {
        let (kind, value, next) = read_tlv(bytes, offset).ok_or(StunError::Truncated)?;
        count = count.saturating_add(1);
        if count > MAX_ATTRIBUTES {
            return Err(StunError::TooMany);
        }
        received.attribute(kind, value, offset)?;
        offset = next;
    }
    Ok(received)
}

fn read_header(bytes: &[u8]) -> Result<(super::Class, super::Method, TransactionId), StunError> {
    let (header, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(StunError::Short)?;
    let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
    if t0 & 0xc0 != 0 || u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
        return Err(StunError::NotStun);
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if !length.is_multiple_of(4) || length != body.len() {
        return Err(StunError::Length);
    }
    let (class, method) = read_type(u16::from_be_bytes([t0, t1]));
    Ok((class, method, TransactionId(transaction)))
}

/// Type, value and the offset after the padding.
fn read_tlv(bytes: &[u8], offset: usize) -> Option<(u16, &[u8], usize)> {
    let (head, rest) = bytes.get(offset..)?.split_first_chunk::<4>()?;
    let [k0, k1, l0, l1] = *head;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let padded = length.checked_next_multiple_of(4)?;
    rest.get(..padded)?;
    let next = offset.checked_add(4)?.checked_add(padded)?;
    Some((u16::from_be_bytes([k0, k1]), rest.get(..length)?, next))
}

impl Received {
    fn attribute(&mut self, kind: u16, value: &[u8], offset: usize) -> Result<(), StunError> {
        if self.fingerprint {
            return Err(StunError::Fingerprint);
        }
        match kind {
            attribute::FINGERPRINT => self.check_fingerprint(value, offset),
            attribute::MESSAGE_INTEGRITY_SHA256 if self.sha256.is_none() => {
                self.sha256 = Some(Tag::new(offset, value));
                Ok(())
            }
            // Behind an integrity attribute nothing else is protected, so nothing else counts.
            _ if self.sha256.is_some() => Ok(()),
            attribute::MESSAGE_INTEGRITY if self.sha1.is_none() => {
                self.sha1 = Some(Tag::new(offset, value));
                Ok(())
            }
            _ if self.sha1.is_some() => Ok(()),
            _ => self.plain_attribute(kind, value),
        }
    }

    fn plain_attribute(&mut self, kind: u16, value: &[u8]) -> Result<(), StunError> {
        let transaction = self.message.transaction;
        let read = Attribute::read(kind, value, transaction).ok_or(StunError::Attribute(kind))?;
        let repeated = self.message.attributes.iter().any(|known| known.kind() == kind);
        if !repeated {
            self.message.attributes.push(read);
        }
        Ok(())
    }

    fn check_fingerprint(&mut self, value: &[u8], offset: usize) -> Result<(), StunError> {
        let covered = self.bytes.get(..offset).ok_or(StunError::Fingerprint)?;
        let expected = integrity::fingerprint(&[covered]).to_be_bytes();
        self.fingerprint = value == expected;
        if self.fingerprint {
            Ok(())
        } else {
            Err(StunError::Fingerprint)
        }
    }

    /// Whether the message carries a signature at all.
    pub const fn is_signed(&self) -> bool {
        self.sha1.is_some() || self.sha256.is_some()
    }

    /// Checks the signature: SHA-256 if there is one, else SHA-1. With long-term credentials the user and realm, where
    /// named, must be theirs too.
    pub fn authenticate(&self, credentials: &Credentials) -> Result<(), IntegrityError> {
        let key = credentials.key();
        let verified = match (&self.sha256, &self.sha1) {
            (Some(tag), _) => self.verify(tag, |parts, value| integrity::verify_sha256(&key, parts, value)),
            (None, Some(tag)) => self.verify(tag, |parts, value| integrity::verify_sha1(&key, parts, value)),
            (None, None) => return Err(IntegrityError::Missing),
        };
        if !verified {
            return Err(IntegrityError::Wrong);
        }
        if self.names_other_user(credentials) {
            Err(IntegrityError::OtherUser)
        } else {
            Ok(())
        }
    }

    /// The signature covers everything before it, under a length that ends with it (RFC 8489 14.5).
    fn verify(&self, tag: &Tag, check: impl Fn(&[&[u8]], &[u8]) -> bool) -> bool {
        let end = tag.offset.saturating_add(4).saturating_add(tag.value.len());
        let Ok(length) = u16::try_from(end.saturating_sub(HEADER_LEN)) else {
            return false;
        };
        let parts = (self.bytes.get(..2), self.bytes.get(4..tag.offset));
        let (Some(head), Some(body)) = parts else { return false };
        check(&[head, &length.to_be_bytes(), body], &tag.value)
    }

    fn names_other_user(&self, credentials: &Credentials) -> bool {
        let Credentials::LongTerm { username, realm, .. } = credentials else {
            return false;
        };
        self.message.attributes.iter().any(|attribute| match attribute {
            Attribute::Username(named) => named != username,
            Attribute::Realm(named) => named != realm,
            _ => false,
        })
    }
}

impl Tag {
    fn new(offset: usize, value: &[u8]) -> Self {
        Self {
            offset,
            value: value.to_vec(),
        }
    }
}
