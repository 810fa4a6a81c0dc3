//! Builds our media sections and judges what the far end's says about addresses and direction.

use super::error::Refusal;
use super::formats::{self, Formats};
use super::result::RemoteAddress;
use super::settings::{LocalPath, MediaSettings};
use crate::codec::Direction;
use crate::sdp::crypto::{Crypto, CryptoLine};
use crate::sdp::description::{Address, Attribute, Connection, Description, Media, Profile};
use std::net::SocketAddr;

/// All that varies in an audio section of ours.
pub(super) struct Audio<'a> {
    pub(super) profile: Profile,
    pub(super) formats: &'a Formats,
    pub(super) crypto: Vec<Crypto>,
    pub(super) rtcp_mux: bool,
    pub(super) direction: Direction,
    pub(super) mid: Option<&'a str>,
}

/// Our audio section.
pub(super) fn audio(audio: Audio<'_>, path: &LocalPath, settings: &MediaSettings) -> Media {
    let mut attributes = formats::explain(audio.formats, settings);
    attributes.push(Attribute::Ptime(settings.ptime.max(1)));
    attributes.extend(
        audio
            .crypto
            .into_iter()
            .map(|line| Attribute::Crypto(CryptoLine::Usable(line))),
    );
    attributes.extend(path.rtcp_port.map(|port| Attribute::Rtcp { port, address: None }));
    attributes.extend(audio.rtcp_mux.then_some(Attribute::RtcpMux));
    attributes.extend(audio.mid.map(|mid| Attribute::Mid(mid.to_owned())));
    attributes.extend(path.ice.iter().cloned());
    attributes.push(Attribute::Direction(audio.direction));
    Media {
        kind: "audio".to_owned(),
        port: path.rtp.port(),
        port_count: None,
        profile: audio.profile,
        formats: audio.formats.iter().map(|(_, number)| number.to_string()).collect(),
        connections: Vec::new(),
        bandwidth: Vec::new(),
        attributes,
    }
}

/// A section that is not wanted, in an answer or a later offer: same media, transport and formats, port 0 (RFC 3264
/// section 6).
pub(super) fn refused(media: &Media) -> Media {
    Media {
        port: 0,
        port_count: None,
        connections: Vec::new(),
        bandwidth: Vec::new(),
        attributes: Vec::new(),
        ..media.clone()
    }
}

/// Where the far end receives `media`; `Ok(None)` when it holds with an unspecified address (RFC 3264 8.4).
pub(super) fn remote_address(description: &Description, media: &Media) -> Result<Option<RemoteAddress>, Refusal> {
    let ip = match description.connection_of(media).ok_or(Refusal::NoAddress)? {
        Connection::Internet(Address::Ip(ip)) => *ip,
        Connection::Internet(Address::Name { .. }) => return Err(Refusal::AddressFormat),
        Connection::Foreign(_) => return Err(Refusal::Network),
    };
    if ip.is_multicast() {
        return Err(Refusal::Multicast);
    }
    if ip.is_unspecified() {
        return Ok(None);
    }
    let rtp = SocketAddr::new(ip, media.port);
    let rtcp = description.rtcp_of(media, rtp);
    Ok(Some(RemoteAddress { rtp, rtcp }))
}

/// Whether our path can send there.
pub(super) fn reachable(remote: Option<RemoteAddress>, path: &LocalPath) -> bool {
    remote.is_none_or(|remote| remote.rtp.is_ipv4() == path.rtp.is_ipv4())
}

/// Which way the far end wants sound to flow, seen from it: an unspecified address means that it does not listen.
pub(super) fn remote_direction(description: &Description, media: &Media, remote: Option<RemoteAddress>) -> Direction {
    let stated = description.direction_of(media);
    Direction::of(stated.sends(), stated.receives() && remote.is_some())
}

/// Our direction, when we want `ours` and the far end wants `theirs`.
pub(super) fn meet(ours: Direction, theirs: Direction) -> Direction {
    Direction::of(ours.sends() && theirs.receives(), ours.receives() && theirs.sends())
}

/// The far end's ICE attributes for `media`, those of the session first.
pub(super) fn ice(description: &Description, media: &Media) -> Vec<Attribute> {
    let session = description.attributes.iter();
    session
        .chain(&media.attributes)
        .filter(|attribute| attribute.is_ice())
        .cloned()
        .collect()
}
