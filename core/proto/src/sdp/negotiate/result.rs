//! What two descriptions agree on: everything that the media side needs, and nothing else of SDP.

use crate::codec::{Codec, Direction, Suite};
use crate::master_key::MasterKey;
use crate::sdp::description::Attribute;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The agreed audio stream, seen from us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Where to send; `None` while the far end holds with the address 0.0.0.0.
    pub remote: Option<RemoteAddress>,
    /// Whether RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Which way sound flows.
    pub direction: Direction,
    /// Whether the far end holds us: it does not want to hear us.
    pub held_by_them: bool,
    /// What to send.
    pub send: SendFormat,
    /// What each payload type means when it arrives.
    pub receive: BTreeMap<u8, Codec>,
    /// How the far end takes RFC 4733 digits: clock rate in Hz to payload type. Empty if it takes none.
    pub send_events: BTreeMap<u32, u8>,
    /// The payload types of RFC 4733 digits when they arrive, with their clock rate in Hz.
    pub receive_events: BTreeMap<u8, u32>,
    /// The SRTP keys; `None` for a plain call.
    pub srtp: Option<Srtp>,
    /// The far end's ICE attributes, those of the session first, raw.
    pub remote_ice: Vec<Attribute>,
}

/// Where the far end receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RemoteAddress {
    /// Its RTP.
    pub rtp: SocketAddr,
    /// Its RTCP; the same as RTP where they are multiplexed.
    pub rtcp: SocketAddr,
}

/// The speech format to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendFormat {
    /// The codec.
    pub codec: Codec,
    /// The payload type to stamp.
    pub payload_type: u8,
    /// The packet time: a length that the codec has, within the far end's limit.
    pub ptime: Duration,
    /// What the far end asked of an Opus encoder; all off for other codecs.
    pub opus: OpusWishes,
}

/// The far end's `a=fmtp` for Opus (RFC 7587 section 6.1), as far as a mono speech encoder can obey it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpusWishes {
    /// `useinbandfec=1`: it can use redundancy.
    pub in_band_fec: bool,
    /// `maxaveragebitrate` in bit/s, if it is in the RFC's range.
    pub max_average_bitrate: Option<u32>,
    /// `maxplaybackrate` in Hz: sampling above it is wasted.
    pub max_playback_rate: Option<u32>,
    /// `usedtx=1`: it would rather have silence left out.
    pub dtx: bool,
    /// `cbr=1`: it wants a constant rate.
    pub constant_bitrate: bool,
}

/// The agreed SRTP suite and both keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srtp {
    /// The suite.
    pub suite: Suite,
    /// The key that we send with.
    pub local: MasterKey,
    /// The key that they send with.
    pub remote: MasterKey,
}
