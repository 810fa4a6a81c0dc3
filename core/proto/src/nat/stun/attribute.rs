//! The attributes (RFC 8489 section 14, RFC 8445 section 16.1) and how their values are laid out.
#![warn(clippy::arithmetic_side_effects)]

use super::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const MAPPED_ADDRESS: u16 = 0x0001;
pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
pub(super) const REALM: u16 = 0x0014;
pub(super) const NONCE: u16 = 0x0015;
pub(super) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const SOFTWARE: u16 = 0x8022;
pub(super) const ALTERNATE_SERVER: u16 = 0x8023;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const ICE_CONTROLLING: u16 = 0x802a;

/// The longest USERNAME, in bytes (RFC 8489 14.3).
const MAX_USERNAME: usize = 508;
/// The longest REALM, NONCE, SOFTWARE or reason phrase, in bytes (RFC 8489 14.8 to 14.14: fewer than 128 characters).
const MAX_TEXT: usize = 763;

/// One attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attribute {
    /// MAPPED-ADDRESS.
    MappedAddress(SocketAddr),
    /// XOR-MAPPED-ADDRESS.
    XorMappedAddress(SocketAddr),
    /// USERNAME.
    Username(String),
    /// REALM.
    Realm(String),
    /// NONCE.
    Nonce(String),
    /// SOFTWARE.
    Software(String),
    /// ERROR-CODE.
    ErrorCode(ErrorCode),
    /// UNKNOWN-ATTRIBUTES.
    UnknownAttributes(Vec<u16>),
    /// ALTERNATE-SERVER.
    AlternateServer(SocketAddr),
    /// PRIORITY of the candidate that the check would make.
    Priority(u32),
    /// USE-CANDIDATE.
    UseCandidate,
    /// ICE-CONTROLLED with its tie-breaker.
    IceControlled(u64),
    /// ICE-CONTROLLING with its tie-breaker.
    IceControlling(u64),
    /// Anything else.
    Unknown {
        /// Its type; below 0x8000 it would have to be understood.
        kind: u16,
        /// Its value.
        value: Vec<u8>,
    },
}

/// ERROR-CODE: 300 to 699 and a phrase.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorCode {
    /// The code.
    pub code: u16,
    /// The phrase.
    pub reason: String,
}

impl Attribute {
    /// Its type.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::MappedAddress(_) => MAPPED_ADDRESS,
            Self::XorMappedAddress(_) => XOR_MAPPED_ADDRESS,
            Self::Username(_) => USERNAME,
            Self::Realm(_) => REALM,
            Self::Nonce(_) => NONCE,
            Self::Software(_) => SOFTWARE,
            Self::ErrorCode(_) => ERROR_CODE,
            Self::UnknownAttributes(_) => UNKNOWN_ATTRIBUTES,
            Self::AlternateServer(_) => ALTERNATE_SERVER,
            Self::Priority(_) => PRIORITY,
            Self::UseCandidate => USE_CANDIDATE,
            Self::IceControlled(_) => ICE_CONTROLLED,
            Self::IceControlling(_) => ICE_CONTROLLING,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Reads a value; `None` if it is not what its type demands.
    pub(super) fn read(kind: u16, value: &[u8], transaction: TransactionId) -> Option<Self> {
        Some(match kind {
            MAPPED_ADDRESS => Self::MappedAddress(read_address(value)?),
            XOR_MAPPED_ADDRESS => Self::XorMappedAddress(xor(read_address(value)?, transaction)),
            ALTERNATE_SERVER => Self::AlternateServer(read_address(value)?),
            USERNAME => Self::Username(read_text(value, MAX_USERNAME)?),
            REALM => Self::Realm(read_text(value, MAX_TEXT)?),
            NONCE => Self::Nonce(read_text(value, MAX_TEXT)?),
            SOFTWARE => Self::Software(read_text(value, MAX_TEXT)?),
            ERROR_CODE => Self::ErrorCode(read_error(value)?),
            UNKNOWN_ATTRIBUTES => Self::UnknownAttributes(read_types(value)?),
            PRIORITY => Self::Priority(u32::from_be_bytes(value.try_into().ok()?)),
            USE_CANDIDATE => value.is_empty().then_some(Self::UseCandidate)?,
            ICE_CONTROLLED => Self::IceControlled(u64::from_be_bytes(value.try_into().ok()?)),
            ICE_CONTROLLING => Self::IceControlling(u64::from_be_bytes(value.try_into().ok()?)),
            _ => Self::Unknown {
                kind,
                value: value.to_vec(),
            },
        })
    }

    /// The value's bytes, without padding.
    pub(super) fn value(&self, transaction: TransactionId) -> Vec<u8> {
        match self {
            Self::MappedAddress(address) | Self::AlternateServer(address) => write_address(*address),
            Self::XorMappedAddress(address) => write_address(xor(*address, transaction)),
            Self::Username(text) | Self::Realm(text) | Self::Nonce(text) | Self::Software(text) => {
                text.as_bytes().to_vec()
            }
            Self::ErrorCode(error) => write_error(error),
            Self::UnknownAttributes(types) => types.iter().flat_map(|kind| kind.to_be_bytes()).collect(),
            Self::Priority(priority) => priority.to_be_bytes().to_vec(),
            Self::UseCandidate => Vec::new(),
            Self::IceControlled(tie) | Self::IceControlling(tie) => tie.to_be_bytes().to_vec(),
            Self::Unknown { value, .. } => value.clone(),
        }
    }
}

fn read_text(value: &[u8], limit: usize) -> Option<String> {
    (value.len() <= limit)
        .then(|| String::from_utf8(value.to_vec()).ok())
        .flatten()
}

fn read_address(value: &[u8]) -> Option<SocketAddr> {
    let (head, address) = value.split_first_chunk::<4>()?;
    let [_, family, port_high, port_low] = *head;
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([port_high, port_low])))
}

fn write_address(address: SocketAddr) -> Vec<u8> {
    let family = if address.is_ipv4() { 1 } else { 2 };
    let mut value = vec![0, family];
    value.extend_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => value.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => value.extend_from_slice(&ip.octets()),
    }
    value
}

/// RFC 8489 14.2: the port with the cookie's upper half, the address with the cookie and the transaction.
fn xor(address: SocketAddr, transaction: TransactionId) -> SocketAddr {
    let port = address.port() ^ u16::try_from(MAGIC_COOKIE >> 16).unwrap_or_default();
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => {
            let mask = MAGIC_COOKIE.to_be_bytes().into_iter().chain(transaction.0);
            let mask = mask.fold(0_u128, |bits, byte| (bits << 8) | u128::from(byte));
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ mask))
        }
    };
    SocketAddr::new(ip, port)
}

fn read_error(value: &[u8]) -> Option<ErrorCode> {
    let (head, reason) = value.split_first_chunk::<4>()?;
    let [_, _, class, number] = *head;
    let class = class & 0x07;
    if !(3..=6).contains(&class) || number > 99 {
        return None;
    }
    let code = u16::from(class).checked_mul(100)?.checked_add(u16::from(number))?;
    let reason = read_text(reason, MAX_TEXT)?;
    Some(ErrorCode { code, reason })
}

fn write_error(error: &ErrorCode) -> Vec<u8> {
    let code = error.code.clamp(300, 699);
    let class = u8::try_from(code / 100).unwrap_or_default();
    let number = u8::try_from(code % 100).unwrap_or_default();
    let mut value = vec![0, 0, class, number];
    value.extend_from_slice(error.reason.as_bytes());
    value
}

fn read_types(value: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = value.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}
