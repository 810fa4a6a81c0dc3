//! Reads a session description (RFC 8866) in one pass, with limits on everything that can be repeated.
//!
//! Strict where a guess would send sound to the wrong place: version, origin, `m=`, `c=`, unknown line types (which
//! section 5 says to reject). Lenient where peers are known to be careless: lone line feeds, a missing `t=`, the order
//! of session lines, attributes that make no sense (kept, without effect). Times, keys, names and contacts (`r=`,
//! `z=`, `k=`, `i=`, `u=`, `e=`, `p=`) are checked for shape and dropped.
#![warn(clippy::arithmetic_side_effects)]

use super::crypto::CryptoLine;
use super::description::{Address, Attribute, Connection, Description, Fmtp, Media, Origin, Profile, RtpMap};
use crate::codec::Direction;
use crate::secret::Secret;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The largest description read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most media sections read.
pub const MAX_MEDIA: usize = 32;
/// The most attributes read in one section; ICE brings some dozens.
pub const MAX_ATTRIBUTES: usize = 512;
/// The most formats on an `m=` line: RTP has 128 payload types.
pub const MAX_FORMATS: usize = 128;

/// Why a description cannot be read: always the fault of who sent it, and sending it again will not help.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_BYTES`], or something in it is repeated too often.
    #[error("the session description is too large")]
    TooLarge,
    /// There is nothing in it, or it does not begin with `v=0`.
    #[error("the session description does not begin with v=0")]
    Version,
    /// A line is not of the form `x=value`, or its letter is unknown.
    #[error("line {0} of the session description is not SDP")]
    NotALine(usize),
    /// A line's value is malformed.
    #[error("line {0} of the session description is malformed")]
    Malformed(usize),
    /// A line that may stand once stands twice.
    #[error("line {0} of the session description is repeated")]
    Repeated(usize),
    /// The `o=` or the `s=` line is missing.
    #[error("the session description has no o= or s= line")]
    Incomplete,
}

/// Reads a whole description.
pub fn parse(bytes: &[u8]) -> Result<Description, SdpError> {
    if bytes.len() > MAX_BYTES {
        return Err(SdpError::TooLarge);
    }
    let mut reader = Reader::default();
    let body = trim_blank_end(bytes);
    for (index, raw) in body.split(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        reader.line(number, &String::from_utf8_lossy(raw))?;
    }
    reader.finish()
}

fn trim_blank_end(bytes: &[u8]) -> &[u8] {
    let blank = bytes
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    bytes.get(..bytes.len().saturating_sub(blank)).unwrap_or_default()
}

#[derive(Default)]
struct Reader {
    version: bool,
    origin: Option<Origin>,
    name: Option<String>,
    connection: Option<Connection>,
    bandwidth: Vec<String>,
    timing: Vec<String>,
    attributes: Vec<Attribute>,
    media: Vec<Media>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), SdpError> {
        let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
            return Err(if self.version {
                SdpError::NotALine(number)
            } else {
                SdpError::Version
            });
        };
        if value.contains(['\0', '\r']) {
            return Err(SdpError::Malformed(number));
        }
        if !self.version {
            self.version = kind == "v" && value.trim_end() == "0";
            return if self.version { Ok(()) } else { Err(SdpError::Version) };
        }
        match (kind, self.media.last_mut()) {
            ("m", _) => self.begin_media(number, value),
            ("a" | "b" | "c" | "i" | "k", Some(media)) => media_line(media, number, kind, value),
            (_, Some(_)) => Err(SdpError::NotALine(number)),
            (_, None) => self.session_line(number, kind, value),
        }
    }

    fn session_line(&mut self, number: usize, kind: &str, value: &str) -> Result<(), SdpError> {
        match kind {
            "v" => Err(SdpError::Repeated(number)),
            "o" => once(&mut self.origin, number, read_origin(value)),
            // RFC 8866 5.3 wants at least one character; an empty name is common and harms nobody.
            "s" => once(&mut self.name, number, Some(value.to_owned())),
            "c" => once(&mut self.connection, number, read_connection(value)),
            "b" => push(&mut self.bandwidth, value.to_owned(), MAX_ATTRIBUTES),
            "t" => {
                let timing = read_timing(value).ok_or(SdpError::Malformed(number))?;
                push(&mut self.timing, timing, MAX_ATTRIBUTES)
            }
            "a" => {
                let attribute = read_attribute(value).ok_or(SdpError::Malformed(number))?;
                push(&mut self.attributes, attribute, MAX_ATTRIBUTES)
            }
            "i" | "u" | "e" | "p" | "r" | "z" | "k" => Ok(()),
            _ => Err(SdpError::NotALine(number)),
        }
    }

    fn begin_media(&mut self, number: usize, value: &str) -> Result<(), SdpError> {
        let media = read_media(value).ok_or(SdpError::Malformed(number))?;
        if media.formats.len() > MAX_FORMATS {
            return Err(SdpError::TooLarge);
        }
        push(&mut self.media, media, MAX_MEDIA)
    }

    fn finish(self) -> Result<Description, SdpError> {
        if !self.version {
            return Err(SdpError::Version);
        }
        let (Some(origin), Some(name)) = (self.origin, self.name) else {
            return Err(SdpError::Incomplete);
        };
        Ok(Description {
            origin,
            name,
            connection: self.connection,
            bandwidth: self.bandwidth,
            timing: self.timing,
            attributes: self.attributes,
            media: self.media,
        })
    }
}

fn media_line(media: &mut Media, number: usize, kind: &str, value: &str) -> Result<(), SdpError> {
    match kind {
        "a" => {
            let attribute = read_attribute(value).ok_or(SdpError::Malformed(number))?;
            push(&mut media.attributes, attribute, MAX_ATTRIBUTES)
        }
        "b" => push(&mut media.bandwidth, value.to_owned(), MAX_ATTRIBUTES),
        "c" => {
            let connection = read_connection(value).ok_or(SdpError::Malformed(number))?;
            push(&mut media.connections, connection, MAX_MEDIA)
        }
        // A title or a long-dead key line: of no use to a call.
        _ => Ok(()),
    }
}

fn once<T>(slot: &mut Option<T>, number: usize, value: Option<T>) -> Result<(), SdpError> {
    if slot.is_some() {
        return Err(SdpError::Repeated(number));
    }
    *slot = Some(value.ok_or(SdpError::Malformed(number))?);
    Ok(())
}

fn push<T>(list: &mut Vec<T>, value: T, limit: usize) -> Result<(), SdpError> {
    if list.len() >= limit {
        return Err(SdpError::TooLarge);
    }
    list.push(value);
    Ok(())
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(' ').filter(|word| !word.is_empty())
}

fn read_origin(value: &str) -> Option<Origin> {
    let fields: Vec<&str> = words(value).collect();
    let [username, session_id, version, network, address_type, address] = fields.as_slice() else {
        return None;
    };
    (is_number(session_id) && is_number(version)).then_some(())?;
    Some(Origin {
        username: (*username).to_owned(),
        session_id: (*session_id).to_owned(),
        version: (*version).to_owned(),
        address: read_connection(&format!("{network} {address_type} {address}"))?,
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_timing(value: &str) -> Option<String> {
    let fields: Vec<&str> = words(value).collect();
    let [start, stop] = fields.as_slice() else { return None };
    (is_number(start) && is_number(stop)).then(|| format!("{start} {stop}"))
}

fn read_connection(value: &str) -> Option<Connection> {
    let fields: Vec<&str> = words(value).collect();
    let [network, address_type, address] = fields.as_slice() else {
        return None;
    };
    match (*network, *address_type) {
        ("IN", "IP4") => read_address(address, false).map(Connection::Internet),
        ("IN", "IP6") => read_address(address, true).map(Connection::Internet),
        _ => Some(Connection::Foreign(format!("{network} {address_type} {address}"))),
    }
}

/// An address or a name; the TTL and count of a multicast group are dropped, nobody calls a group.
fn read_address(text: &str, v6: bool) -> Option<Address> {
    let host = text.split('/').next()?;
    let literal = if v6 {
        host.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    };
    if let Some(ip) = literal {
        return Some(Address::Ip(ip));
    }
    let name_characters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let looks_numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (!host.is_empty() && host.len() <= 253 && !looks_numeric && host.bytes().all(name_characters)).then(|| {
        Address::Name {
            v6,
            name: host.to_owned(),
        }
    })
}

fn read_media(value: &str) -> Option<Media> {
    let mut fields = words(value);
    let kind = fields.next()?.to_owned();
    let (port, port_count) = read_port(fields.next()?)?;
    let profile = Profile::from_name(fields.next()?);
    let formats: Vec<String> = fields.map(ToOwned::to_owned).collect();
    let known = !matches!(profile, Profile::Other(_));
    let sensible = !formats.is_empty() && (!known || formats.iter().all(|format| is_payload_type(format)));
    sensible.then(|| Media {
        kind,
        port,
        port_count,
        profile,
        formats,
        connections: Vec::new(),
        bandwidth: Vec::new(),
        attributes: Vec::new(),
    })
}

fn read_port(text: &str) -> Option<(u16, Option<u16>)> {
    match text.split_once('/') {
        None => Some((read_u16(text)?, None)),
        Some((port, count)) => Some((read_u16(port)?, Some(read_u16(count).filter(|count| *count > 0)?))),
    }
}

/// Digits only: Rust's own parser also takes a plus sign.
fn read_u16(text: &str) -> Option<u16> {
    is_number(text).then(|| text.parse().ok()).flatten()
}

fn is_payload_type(text: &str) -> bool {
    read_u16(text).is_some_and(|number| number < 128)
}

fn read_attribute(value: &str) -> Option<Attribute> {
    let (name, argument) = match value.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (value, None),
    };
    if name.is_empty() || name.contains(' ') {
        return None;
    }
    Some(read_known(name, argument).unwrap_or_else(|| Attribute::other(name, argument)))
}

fn read_known(name: &str, argument: Option<&str>) -> Option<Attribute> {
    match (name, argument) {
        ("rtpmap", Some(argument)) => read_rtp_map(argument).map(Attribute::RtpMap),
        ("fmtp", Some(argument)) => read_fmtp(argument).map(Attribute::Fmtp),
        ("ptime", Some(argument)) => read_milliseconds(argument).map(Attribute::Ptime),
        ("maxptime", Some(argument)) => read_milliseconds(argument).map(Attribute::MaxPtime),
        ("crypto", argument) => Some(Attribute::Crypto(CryptoLine::parse(argument.unwrap_or_default()))),
        ("rtcp", Some(argument)) => read_rtcp(argument),
        ("rtcp-mux", None) => Some(Attribute::RtcpMux),
        ("mid", Some(mid)) if !mid.is_empty() => Some(Attribute::Mid(mid.to_owned())),
        ("ice-pwd", Some(password)) => Some(Attribute::IcePwd(Secret::new(password))),
        (_, None) => [
            Direction::SendRecv,
            Direction::SendOnly,
            Direction::RecvOnly,
            Direction::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.name() == name)
        .map(Attribute::Direction),
        _ => None,
    }
}

fn read_rtp_map(argument: &str) -> Option<RtpMap> {
    let (payload_type, encoding) = argument.trim().split_once(' ')?;
    let mut fields = encoding.trim().split('/');
    let map = RtpMap {
        payload_type: u8::try_from(read_u16(payload_type)?)
            .ok()
            .filter(|number| *number < 128)?,
        encoding: fields
            .next()
            .filter(|name| !name.is_empty() && !name.contains(' '))?
            .to_owned(),
        clock_rate: fields
            .next()
            .filter(|rate| is_number(rate))?
            .parse()
            .ok()
            .filter(|rate| *rate > 0)?,
        channels: match fields.next() {
            None => None,
            Some(channels) => Some(u8::try_from(read_u16(channels)?).ok()?),
        },
    };
    fields.next().is_none().then_some(map)
}

fn read_fmtp(argument: &str) -> Option<Fmtp> {
    let (format, parameters) = argument.split_once(' ')?;
    Some(Fmtp {
        format: format.to_owned(),
        parameters: parameters.trim().to_owned(),
    })
}

/// RFC 8866 6.4 allows fractions; they are rounded down. 0 and nonsense have no effect.
fn read_milliseconds(argument: &str) -> Option<u16> {
    let whole = argument.trim().split('.').next()?;
    read_u16(whole).filter(|ms| *ms > 0)
}

fn read_rtcp(argument: &str) -> Option<Attribute> {
    let (port, address) = match argument.trim().split_once(' ') {
        Some((port, connection)) => (port, Some(read_connection(connection)?.as_ip()?)),
        None => (argument.trim(), None),
    };
    let port = read_u16(port).filter(|port| *port > 0)?;
    Some(Attribute::Rtcp { port, address })
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
