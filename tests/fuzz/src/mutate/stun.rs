//! Edits of a STUN message: its class and its attributes, then written and signed anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use toestel_proto::nat::stun::{Attribute, Class, Credentials, ErrorCode, Message, Method, parse, write};
use toestel_proto::random::Random;

use super::{choice, index, number, rearrange};

/// `input` with an edit, signed as one of `signers` would or not at all; nothing if it cannot be read. `others` are
/// attributes that may be put into it.
pub fn edit(input: &[u8], others: &[Attribute], signers: &[Credentials], random: &mut Random) -> Option<Vec<u8>> {
    let mut message = parse(input).ok()?.message;
    match random.below(8) {
        0 => message.class = class(random),
        1 => message.method = Method(u16::try_from(random.below(0x1000)).unwrap_or(1)),
        2..=4 => rearrange(random, &mut message.attributes, others),
        _ => edit_one(&mut message, random),
    }
    let signer = index(random, signers.len() + 1);
    Some(write(&message, signers.get(signer)))
}

fn class(random: &mut Random) -> Class {
    const CLASSES: [Class; 4] = [Class::Request, Class::Indication, Class::Success, Class::Error];
    CLASSES[index(random, CLASSES.len())]
}

fn edit_one(message: &mut Message, random: &mut Random) {
    if message.attributes.is_empty() {
        return;
    }
    let place = index(random, message.attributes.len());
    match &mut message.attributes[place] {
        Attribute::MappedAddress(address)
        | Attribute::XorMappedAddress(address)
        | Attribute::AlternateServer(address) => {
            edit_address(address, random);
        }
        Attribute::Username(text) | Attribute::Realm(text) | Attribute::Nonce(text) | Attribute::Software(text) => {
            edit_text(text, random);
        }
        Attribute::ErrorCode(ErrorCode { code, reason }) => {
            *code = 300 + u16::try_from(random.below(400)).unwrap_or(0);
            edit_text(reason, random);
        }
        Attribute::UnknownAttributes(kinds) => kinds.push(port(0, random)),
        Attribute::Priority(value) => *value = u32::try_from(number(random, u64::from(*value))).unwrap_or(u32::MAX),
        Attribute::UseCandidate => {}
        Attribute::IceControlled(value) | Attribute::IceControlling(value) => *value = number(random, *value),
        Attribute::Unknown { kind, value } => {
            *kind = kind.wrapping_add(port(0, random) & 0x7f);
            value.push(b'x');
        }
    }
}

fn edit_address(address: &mut SocketAddr, random: &mut Random) {
    match random.below(4) {
        0 => address.set_ip(IpAddr::V4(Ipv4Addr::from(random.u32()))),
        1 => address.set_ip(IpAddr::V6(Ipv6Addr::from(u128::from(random.u64()) << 64 | 1))),
        _ => address.set_port(port(address.port(), random)),
    }
}

fn port(old: u16, random: &mut Random) -> u16 {
    u16::try_from(number(random, u64::from(old)) & 0xffff).unwrap_or(0)
}

fn edit_text(text: &mut String, random: &mut Random) {
    const PIECES: [&str; 6] = ["x", ":", "\"", "\\", "\u{e9}", "0123456789abcdef"];
    match random.below(4) {
        0 => text.clear(),
        1 => drop(text.pop()),
        _ => text.extend(choice(random, &PIECES).copied()),
    }
}
