//! What goes into a negotiation besides the far end's description: the account's wishes and the ready media path.

use crate::codec::{Codec, MediaPolicy, Suite};
use crate::sdp::description::Attribute;
use std::net::SocketAddr;

/// The account's wishes for media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaSettings {
    /// How media must be protected.
    pub policy: MediaPolicy,
    /// Whether signalling runs over TLS: SDES keys are never sent or taken over anything else.
    pub secure_signalling: bool,
    /// The codecs, most wanted first.
    pub codecs: Vec<Codec>,
    /// The SRTP suites, most wanted first. A 32-bit tag is always tried after every 80-bit one.
    pub suites: Vec<Suite>,
    /// The packet time that we ask for and send by default, in milliseconds.
    pub ptime: u16,
    /// How Opus is wanted.
    pub opus: OpusSettings,
    /// Whether RTP and RTCP may share a port (RFC 5761).
    pub rtcp_mux: bool,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            policy: MediaPolicy::Required,
            secure_signalling: true,
            codecs: vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu],
            suites: Suite::ALL.to_vec(),
            ptime: 20,
            opus: OpusSettings::default(),
            rtcp_mux: true,
        }
    }
}

impl MediaSettings {
    /// The suites in the order in which they are offered and taken.
    pub(super) fn ordered_suites(&self) -> Vec<Suite> {
        let mut suites = self.suites.clone();
        suites.sort_by_key(|suite| *suite == Suite::AES_CM_128_HMAC_SHA1_32);
        suites.dedup();
        suites
    }
}

/// What we ask the far end's Opus encoder for (RFC 7587 section 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpusSettings {
    /// `useinbandfec`.
    pub in_band_fec: bool,
    /// `maxaveragebitrate`, in bit/s. Above about 50,000 an encoder for speech leaves SILK, and with it in-band FEC, and
    /// sounds worse for it (PESQ-WB 4.36 at 64,000, 4.50 at 40,000).
    pub max_average_bitrate: u32,
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self {
            in_band_fec: true,
            max_average_bitrate: 40_000,
        }
    }
}

/// A media path that is ready to be described: sockets are bound, candidates are gathered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalPath {
    /// Where RTP, and RTCP where it is multiplexed, is received.
    pub rtp: SocketAddr,
    /// The port of a separate RTCP socket; `None` where there is none, so that only multiplexing works.
    pub rtcp_port: Option<u16>,
    /// The ICE attributes of the section, raw; empty without ICE.
    pub ice: Vec<Attribute>,
}

impl LocalPath {
    /// A path without ICE whose RTCP, if separate, is one port above RTP.
    pub const fn plain(rtp: SocketAddr) -> Self {
        Self {
            rtp,
            rtcp_port: Some(rtp.port().saturating_add(1)),
            ice: Vec::new(),
        }
    }
}
