//! What signalling decided for one audio stream: where, what, which way, and under which keys.
//!
//! Payload types are those that each side named in its own description (RFC 3264 5.1): we send with the numbers of
//! theirs and receive with the numbers of ours, and the two may differ.

use crate::codec::{Codec, Direction, Suite};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub use crate::master_key::{KeyLength, MasterKey};

/// One audio stream as negotiated. A new one replaces it after each offer and answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaPlan {
    /// Where RTP goes, and the only source from which plain RTP is heard.
    pub remote_rtp: SocketAddr,
    /// Where RTCP goes.
    pub remote_rtcp: RemoteRtcp,
    /// Which way sound flows, seen from us.
    pub direction: Direction,
    /// How we send.
    pub send: SendFormat,
    /// What we understand: payload type to codec.
    pub receive: BTreeMap<u8, Codec>,
    /// Telephone events that they take: clock rate in Hz to payload type.
    pub send_events: BTreeMap<u32, u8>,
    /// Telephone events that we take: payload type to clock rate in Hz.
    pub receive_events: BTreeMap<u8, u32>,
    /// Whether comfort noise (RFC 3389, payload type 13 at 8 kHz) was agreed.
    pub comfort_noise: bool,
    /// SRTP, or `None` for plain RTP.
    pub srtp: Option<SrtpKeys>,
    /// Our synchronisation source, random; the same through all plans of a call.
    pub ssrc: u32,
    /// Our canonical name (RFC 7022): random, says nothing about the user.
    pub cname: String,
}

/// Where RTCP goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemoteRtcp {
    /// On the RTP socket and port (RFC 5761).
    Mux,
    /// On a port of its own: the next one, or that of `a=rtcp` (RFC 3605).
    Separate(SocketAddr),
}

/// How we send speech.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendFormat {
    /// The codec.
    pub codec: Codec,
    /// Its payload type in their description.
    pub payload_type: u8,
    /// The length of a packet.
    pub ptime: Duration,
    /// Opus only; the default otherwise.
    pub opus: OpusOptions,
}

/// What the far end's `a=fmtp` asked of our Opus encoder (RFC 7587 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OpusOptions {
    /// `useinbandfec`: they use the repair copy of the previous frame.
    pub fec: bool,
    /// `usedtx`: they prefer that nothing is sent in silence.
    pub dtx: bool,
    /// `cbr`: constant bit rate.
    pub cbr: bool,
    /// `maxaveragebitrate` in bit/s.
    pub max_average_bitrate: Option<u32>,
    /// `maxplaybackrate` in Hz: no use in encoding more.
    pub max_playback_rate: Option<u32>,
}

/// The SRTP master keys of both ways (RFC 4568 gives each side its own).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SrtpKeys {
    suite: Suite,
    local: MasterKey,
    remote: MasterKey,
}

impl SrtpKeys {
    /// `local` protects what we send, `remote` opens what we receive; both lengths are those of `suite`.
    pub fn new(suite: Suite, local: MasterKey, remote: MasterKey) -> Result<Self, KeyLength> {
        local.fits(suite)?;
        remote.fits(suite)?;
        Ok(Self { suite, local, remote })
    }

    /// The protection profile.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Protects what we send.
    pub const fn local(&self) -> &MasterKey {
        &self.local
    }

    /// Opens what we receive.
    pub const fn remote(&self) -> &MasterKey {
        &self.remote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_another_suite_are_refused() {
        let short = MasterKey::from_inline(Suite::AES_CM_128_HMAC_SHA1_80, &[7; 30]).unwrap();
        let refused = SrtpKeys::new(Suite::AEAD_AES_128_GCM, short.clone(), short.clone());
        assert_eq!(refused, Err(KeyLength(Suite::AEAD_AES_128_GCM)));
        assert!(SrtpKeys::new(Suite::AES_CM_128_HMAC_SHA1_32, short.clone(), short).is_ok());
    }
}
