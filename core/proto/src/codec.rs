//! The names that signalling and media share: codecs, SRTP suites, and which way sound flows.
//!
//! No codec runs here: the engine encodes and decodes, the machines only count samples and bytes.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A speech codec that the engine can run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Opus, RFC 6716 and 7587.
    Opus,
    /// G.722 at 64 kbit/s; its RTP clock runs at 8 kHz although it samples at 16 kHz (RFC 3551 4.5.2).
    G722,
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl Codec {
    /// The encoding name in `a=rtpmap`.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The RTP timestamp rate in Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcma | Self::Pcmu => 8_000,
        }
    }

    /// The rate in Hz at which the codec's samples are.
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 => 16_000,
            Self::Pcma | Self::Pcmu => 8_000,
        }
    }

    /// The payload type of RFC 3551 table 4, or `None` where the SDP must assign one.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcma => Some(8),
            Self::Pcmu => Some(0),
        }
    }

    /// RTP timestamp units in `duration`.
    pub fn timestamp_units(self, duration: Duration) -> u32 {
        let units = u128::from(self.clock_rate()).saturating_mul(duration.as_micros()) / 1_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }
}

/// An SRTP protection profile that SDES can name (RFC 4568, 6188, 7714).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(
    non_camel_case_types,
    reason = "these are the registered names, and they are shown to people"
)]
pub enum Suite {
    /// RFC 7714.
    AEAD_AES_256_GCM,
    /// RFC 7714.
    AEAD_AES_128_GCM,
    /// RFC 6188.
    AES_256_CM_HMAC_SHA1_80,
    /// RFC 4568; the one that every PBX has.
    AES_CM_128_HMAC_SHA1_80,
    /// RFC 4568; RTCP keeps the 80-bit tag.
    AES_CM_128_HMAC_SHA1_32,
}

impl Suite {
    /// All, strongest first.
    pub const ALL: [Self; 5] = [
        Self::AEAD_AES_256_GCM,
        Self::AEAD_AES_128_GCM,
        Self::AES_256_CM_HMAC_SHA1_80,
        Self::AES_CM_128_HMAC_SHA1_80,
        Self::AES_CM_128_HMAC_SHA1_32,
    ];

    /// The name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AEAD_AES_256_GCM => "AEAD_AES_256_GCM",
            Self::AEAD_AES_128_GCM => "AEAD_AES_128_GCM",
            Self::AES_256_CM_HMAC_SHA1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AES_CM_128_HMAC_SHA1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AES_CM_128_HMAC_SHA1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite with that `a=crypto` name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Bytes of the master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AEAD_AES_256_GCM | Self::AES_256_CM_HMAC_SHA1_80 => 32,
            Self::AEAD_AES_128_GCM | Self::AES_CM_128_HMAC_SHA1_80 | Self::AES_CM_128_HMAC_SHA1_32 => 16,
        }
    }

    /// Bytes of the master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AEAD_AES_256_GCM | Self::AEAD_AES_128_GCM => 12,
            Self::AES_256_CM_HMAC_SHA1_80 | Self::AES_CM_128_HMAC_SHA1_80 | Self::AES_CM_128_HMAC_SHA1_32 => 14,
        }
    }
}

/// Which way sound flows, seen from us (RFC 8866 6.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We speak, they do not.
    SendOnly,
    /// They speak, we do not.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that permits exactly these two.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether we may speak.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we expect to hear.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same stream seen from the other side.
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }
}

/// How an account's media must be protected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaPolicy {
    /// SRTP or no call: offers and takes SAVP and SAVPF only.
    #[default]
    Required,
    /// Offers RTP/AVP with `a=crypto` (RFC 8643) and takes both; a call once encrypted never becomes plain.
    Preferred,
    /// Offers RTP/AVP.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_milliseconds_are_the_units_that_the_rtp_clock_says() {
        let frame = Duration::from_millis(20);
        assert_eq!(Codec::Opus.timestamp_units(frame), 960);
        assert_eq!(Codec::G722.timestamp_units(frame), 160);
    }

    #[test]
    fn a_reversed_direction_swaps_mouth_and_ear() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(Direction::SendRecv.reversed(), Direction::SendRecv);
    }
}
