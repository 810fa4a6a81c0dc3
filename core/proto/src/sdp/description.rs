//! What a session description says: the types that the reader fills, the negotiation works on and the writer prints.
//!
//! Attributes keep their order, so that a description survives being read and written. Those that the phone has no
//! use for in signalling (ICE candidates, fingerprints, everything unknown) stay raw in [`Attribute::Other`].

use super::crypto::CryptoLine;
use crate::codec::{Codec, Direction};
use crate::secret::Secret;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A whole session description (RFC 8866 section 5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The `o=` line.
    pub origin: Origin,
    /// The `s=` line.
    pub name: String,
    /// The session's `c=` line, which holds for every media section without its own.
    pub connection: Option<Connection>,
    /// The `b=` lines of the session, raw.
    pub bandwidth: Vec<String>,
    /// The `t=` lines, raw; a call's is `0 0`.
    pub timing: Vec<String>,
    /// The session's attributes, in order.
    pub attributes: Vec<Attribute>,
    /// The media sections, in order; answers refer to them by position.
    pub media: Vec<Media>,
}

/// The `o=` line (RFC 8866 5.2). The numbers stay text: peers write more digits than 64 bits hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The user name, mostly `-`.
    pub username: String,
    /// The session's number, decimal.
    pub session_id: String,
    /// The description's version, decimal; it rises with every change (RFC 3264 section 8).
    pub version: String,
    /// Where the description was made; for identity only, never sent to.
    pub address: Connection,
}

/// Network type, address type and address, as in `c=` and `o=`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Connection {
    /// `IN IP4` or `IN IP6` with an address or a name.
    Internet(Address),
    /// Some other network or address type, raw; nothing can be sent there.
    Foreign(String),
}

/// An Internet address in a description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// A literal unicast or multicast address, without TTL and count.
    Ip(IpAddr),
    /// A host name with its address type (`IP4` or `IP6`); allowed by the RFC, resolved by nobody.
    Name {
        /// Whether the address type was `IP6`.
        v6: bool,
        /// The name.
        name: String,
    },
}

impl Connection {
    /// The literal address `ip`.
    pub const fn ip(ip: IpAddr) -> Self {
        Self::Internet(Address::Ip(ip))
    }

    /// The literal address, if it is one.
    pub const fn as_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Internet(Address::Ip(ip)) => Some(*ip),
            Self::Internet(Address::Name { .. }) | Self::Foreign(_) => None,
        }
    }
}

/// One `m=` section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: String,
    /// The port; 0 refuses or disables the section.
    pub port: u16,
    /// The number of port pairs after a slash.
    pub port_count: Option<u16>,
    /// The transport.
    pub profile: Profile,
    /// The formats, in order: payload types for RTP.
    pub formats: Vec<String>,
    /// The section's own `c=` lines; the first one counts.
    pub connections: Vec<Connection>,
    /// The `b=` lines, raw.
    pub bandwidth: Vec<String>,
    /// The attributes, in order.
    pub attributes: Vec<Attribute>,
}

/// The transport of an `m=` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Profile {
    /// `RTP/AVP`: plain, or encrypted as well as possible with `a=crypto` (RFC 3551, 8643).
    Avp,
    /// `RTP/AVPF` (RFC 4585).
    Avpf,
    /// `RTP/SAVP` (RFC 3711).
    Savp,
    /// `RTP/SAVPF` (RFC 5124).
    Savpf,
    /// Anything else, raw.
    Other(String),
}

impl Profile {
    /// The profile with that name on the wire.
    pub fn from_name(name: &str) -> Self {
        match name {
            "RTP/AVP" => Self::Avp,
            "RTP/AVPF" => Self::Avpf,
            "RTP/SAVP" => Self::Savp,
            "RTP/SAVPF" => Self::Savpf,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::Other(name) => name,
        }
    }

    /// Whether media on it must be encrypted.
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Savp | Self::Savpf)
    }

    /// Whether media on it may be plain.
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Avp | Self::Avpf)
    }

    /// Whether it is RTP with numeric payload types.
    pub fn is_rtp(&self) -> bool {
        self.name().contains("RTP/")
    }
}

/// One `a=` line. A line whose value does not make sense is kept as [`Attribute::Other`] and has no effect.
#[derive(Clone, PartialEq, Eq)]
pub enum Attribute {
    /// `a=rtpmap`.
    RtpMap(RtpMap),
    /// `a=fmtp`.
    Fmtp(Fmtp),
    /// `a=ptime`, whole milliseconds, never 0.
    Ptime(u16),
    /// `a=maxptime`, whole milliseconds, never 0.
    MaxPtime(u16),
    /// `a=crypto` (RFC 4568).
    Crypto(CryptoLine),
    /// `a=rtcp` (RFC 3605), with its own address if it names one.
    Rtcp {
        /// The port.
        port: u16,
        /// The address, when it differs from that of the section.
        address: Option<IpAddr>,
    },
    /// `a=rtcp-mux` (RFC 5761).
    RtcpMux,
    /// `a=sendrecv` and its three siblings, seen from whoever wrote the description.
    Direction(Direction),
    /// `a=mid` (RFC 5888).
    Mid(String),
    /// `a=ice-pwd`, kept out of every log.
    IcePwd(Secret),
    /// Everything else, raw.
    Other {
        /// The name, before the first colon.
        name: String,
        /// The value, after it.
        value: Option<String>,
    },
}

impl Attribute {
    /// A raw attribute.
    pub fn other(name: &str, value: Option<&str>) -> Self {
        Self::Other {
            name: name.to_owned(),
            value: value.map(ToOwned::to_owned),
        }
    }

    /// Whether it belongs to ICE (RFC 8839).
    pub fn is_ice(&self) -> bool {
        match self {
            Self::IcePwd(_) => true,
            Self::Other { name, .. } => {
                name.starts_with("ice-")
                    || matches!(name.as_str(), "candidate" | "end-of-candidates" | "remote-candidates")
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { name, value } => write!(f, "a={name}:{value:?}"),
            Self::IcePwd(_) => f.write_str("a=ice-pwd:…"),
            Self::RtpMap(map) => map.fmt(f),
            Self::Fmtp(fmtp) => fmtp.fmt(f),
            Self::Ptime(ms) => write!(f, "a=ptime:{ms}"),
            Self::MaxPtime(ms) => write!(f, "a=maxptime:{ms}"),
            Self::Crypto(line) => line.fmt(f),
            Self::Rtcp { port, address } => write!(f, "a=rtcp:{port} {address:?}"),
            Self::RtcpMux => f.write_str("a=rtcp-mux"),
            Self::Direction(direction) => write!(f, "a={}", direction.name()),
            Self::Mid(mid) => write!(f, "a=mid:{mid}"),
        }
    }
}

/// `a=rtpmap:PT NAME/RATE[/CHANNELS]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RtpMap {
    /// 0 to 127.
    pub payload_type: u8,
    /// The encoding's name; compared without regard to case.
    pub encoding: String,
    /// The RTP clock in Hz, never 0.
    pub clock_rate: u32,
    /// The channels, if named.
    pub channels: Option<u8>,
}

impl RtpMap {
    /// The codec that it names, if it is one of ours.
    pub fn codec(&self) -> Option<Codec> {
        [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu]
            .into_iter()
            .find(|codec| {
                let channels_fit = match codec {
                    Codec::Opus => self.channels == Some(2),
                    Codec::G722 | Codec::Pcma | Codec::Pcmu => matches!(self.channels, None | Some(1)),
                };
                self.encoding.eq_ignore_ascii_case(codec.encoding_name())
                    && self.clock_rate == codec.clock_rate()
                    && channels_fit
            })
    }

    /// Whether it is RFC 4733's telephone-event.
    pub fn is_telephone_event(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("telephone-event") && matches!(self.channels, None | Some(1))
    }
}

/// `a=fmtp:FORMAT PARAMETERS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fmtp {
    /// The format it speaks of: a payload type.
    pub format: String,
    /// The parameters, raw.
    pub parameters: String,
}

impl Fmtp {
    /// The value of the parameter `name` in a list of the form `a=1;b=2`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The value of a 0 or 1 parameter.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name) == Some("1")
    }
}

impl Media {
    /// The payload types of the `m=` line, in order, each once; empty for what is not RTP.
    pub fn payload_types(&self) -> Vec<u8> {
        let mut types = Vec::new();
        if self.profile.is_rtp() {
            for payload_type in self.formats.iter().filter_map(|format| format.parse::<u8>().ok()) {
                if payload_type < 128 && !types.contains(&payload_type) {
                    types.push(payload_type);
                }
            }
        }
        types
    }

    /// What `payload_type` means here: its `a=rtpmap`, or the static assignment of RFC 3551.
    pub fn rtp_map(&self, payload_type: u8) -> Option<RtpMap> {
        let mapped = self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::RtpMap(map) if map.payload_type == payload_type => Some(map.clone()),
            _ => None,
        });
        mapped.or_else(|| static_map(payload_type))
    }

    /// The `a=fmtp` of `payload_type`.
    pub fn fmtp(&self, payload_type: u8) -> Option<&Fmtp> {
        let format = payload_type.to_string();
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Fmtp(fmtp) if fmtp.format == format => Some(fmtp),
            _ => None,
        })
    }

    /// The `a=crypto` lines, in order.
    pub fn crypto(&self) -> impl Iterator<Item = &CryptoLine> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Crypto(line) => Some(line),
            _ => None,
        })
    }

    /// Whether `a=rtcp-mux` is there.
    pub fn rtcp_mux(&self) -> bool {
        self.attributes.contains(&Attribute::RtcpMux)
    }

    /// The section's `a=ptime`, in milliseconds.
    pub fn ptime(&self) -> Option<u16> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Ptime(ms) => Some(*ms),
            _ => None,
        })
    }

    /// The section's `a=maxptime`, in milliseconds.
    pub fn max_ptime(&self) -> Option<u16> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::MaxPtime(ms) => Some(*ms),
            _ => None,
        })
    }

    /// The section's `a=mid`.
    pub fn mid(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Mid(mid) => Some(mid.as_str()),
            _ => None,
        })
    }
}

impl Description {
    /// Where `media` is to be sent: its own `c=`, or the session's.
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections.first().or(self.connection.as_ref())
    }

    /// Which way `media` flows, seen from whoever wrote the description (RFC 8866 6.7: both ways if nothing is said).
    pub fn direction_of(&self, media: &Media) -> Direction {
        let find = |attributes: &[Attribute]| {
            attributes.iter().find_map(|attribute| match attribute {
                Attribute::Direction(direction) => Some(*direction),
                _ => None,
            })
        };
        find(&media.attributes)
            .or_else(|| find(&self.attributes))
            .unwrap_or(Direction::SendRecv)
    }

    /// Where RTCP for `media` goes when it is not multiplexed: `a=rtcp`, or one port above RTP (RFC 3550 section 11).
    pub fn rtcp_of(&self, media: &Media, rtp: SocketAddr) -> SocketAddr {
        let named = media.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Rtcp { port, address } => Some(SocketAddr::new(address.unwrap_or(rtp.ip()), *port)),
            _ => None,
        });
        named.unwrap_or_else(|| SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)))
    }
}

fn static_map(payload_type: u8) -> Option<RtpMap> {
    let codec = [Codec::G722, Codec::Pcma, Codec::Pcmu]
        .into_iter()
        .find(|codec| codec.static_payload_type() == Some(payload_type))?;
    Some(RtpMap {
        payload_type,
        encoding: codec.encoding_name().to_owned(),
        clock_rate: codec.clock_rate(),
        channels: None,
    })
}
