//! STUN (RFC 8489, and RFC 5389 which it replaces): our own reader and writer.
//!
//! For keep-alive (RFC 5626 4.4.2), for the doctor, and as the gate in front of ICE: what does not pass here is not
//! handed on. [`Message`] is a message with its attributes; [`parse()`] checks framing and fingerprint,
//! [`Received::authenticate`] the integrity; [`BindingClient`] asks a server for our address. TURN's methods are read
//! but not understood.

mod attribute;
mod client;
mod integrity;
mod parse;
pub mod probe;
mod write;

pub use attribute::{Attribute, ErrorCode};
pub use client::{BindingClient, BindingOutcome};
pub use integrity::{Credentials, IntegrityError};
pub use parse::{Received, StunError, parse};
pub use write::write;

/// The fixed value at bytes 4 to 8 of every message.
pub const MAGIC_COOKIE: u32 = 0x2112_a442;
/// Bytes of the header.
pub const HEADER_LEN: usize = 20;

/// The method of a message; only Binding is understood here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Method(pub u16);

impl Method {
    /// RFC 8489 section 18.2.
    pub const BINDING: Self = Self(0x001);
}

/// What a message is within its transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The request was fulfilled.
    Success,
    /// It was not.
    Error,
}

/// 96 random bits that tie an answer to its request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TransactionId(pub [u8; 12]);

/// A message, without MESSAGE-INTEGRITY and FINGERPRINT: the reader checks those, the writer makes them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Request, indication, success or error.
    pub class: Class,
    /// The method.
    pub method: Method,
    /// The transaction.
    pub transaction: TransactionId,
    /// The attributes, in order.
    pub attributes: Vec<Attribute>,
}

impl Message {
    /// A Binding request without attributes.
    pub const fn binding_request(transaction: TransactionId) -> Self {
        Self {
            class: Class::Request,
            method: Method::BINDING,
            transaction,
            attributes: Vec::new(),
        }
    }

    /// The reflexive address that an answer tells us: XOR-MAPPED-ADDRESS, or what old servers send instead.
    pub fn mapped_address(&self) -> Option<std::net::SocketAddr> {
        let xored = self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::XorMappedAddress(address) => Some(*address),
            _ => None,
        });
        let plain = || {
            self.attributes.iter().find_map(|attribute| match attribute {
                Attribute::MappedAddress(address) => Some(*address),
                _ => None,
            })
        };
        xored.or_else(plain)
    }

    /// The error of an error answer.
    pub fn error(&self) -> Option<&ErrorCode> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::ErrorCode(error) => Some(error),
            _ => None,
        })
    }

    /// The types of comprehension-required attributes that are not understood.
    pub fn unknown_required(&self) -> Vec<u16> {
        let unknown = self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Unknown { kind, .. } if *kind < 0x8000 => Some(*kind),
            _ => None,
        });
        unknown.collect()
    }

    /// The 420 that answers a request with such attributes (RFC 8489 6.3.1).
    pub fn unknown_attributes_answer(&self) -> Self {
        Self {
            class: Class::Error,
            method: self.method,
            transaction: self.transaction,
            attributes: vec![
                Attribute::ErrorCode(ErrorCode {
                    code: 420,
                    reason: "Unknown Attribute".to_owned(),
                }),
                Attribute::UnknownAttributes(self.unknown_required()),
            ],
        }
    }

    /// The first and second byte of the header.
    const fn message_type(&self) -> u16 {
        let class = match self.class {
            Class::Request => 0x000,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        };
        let method = self.method.0;
        class | (method & 0x00f) | ((method & 0x070) << 1) | ((method & 0xf80) << 2)
    }
}

/// Takes a message type apart (RFC 8489 figure 3).
const fn read_type(bits: u16) -> (Class, Method) {
    let class = match bits & 0x110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::Success,
        _ => Class::Error,
    };
    let method = (bits & 0x000f) | ((bits & 0x00e0) >> 1) | ((bits & 0x3e00) >> 2);
    (class, Method(method))
}

#[cfg(test)]
mod tests;
