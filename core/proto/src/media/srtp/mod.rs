//! SRTP and SRTCP (RFC 3711) with the five suites that SDES names: AES counter mode and HMAC-SHA1 (RFC 4568, 6188),
//! AES-GCM (RFC 7714).
//!
//! A [`Protector`] holds what we send under one master key, an [`Opener`] what we receive under theirs. No state
//! changes before a tag verified. SRTCP that is not encrypted (E bit 0) is refused, since SDES was not asked for
//! `UNENCRYPTED_SRTCP`. No MKI, no key derivation rate, no EKT.

#![warn(clippy::arithmetic_side_effects)]

mod cipher;
mod index;
mod keys;
#[cfg(test)]
mod tests;

use crate::codec::Suite;
use crate::master_key::{KeyLength, MasterKey};
use crate::media::rtp::{self, RtpError};
use cipher::{PacketId, Transform};
use index::{Novelty, RTCP_LIMIT, RTP_LIMIT, Seen};
use std::collections::BTreeMap;
use std::fmt;

/// RTCP's header and source, which stay clear.
const RTCP_CLEAR: usize = 8;
const ESRTCP_LEN: usize = 4;
const E_BIT: u32 = 1 << 31;
/// Sources under one key; an authentic sender needs a handful.
const MAX_SOURCES: usize = 1_024;

/// Why a packet was not opened or protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SrtpError {
    /// Too short to hold header, tag and index, or its header is wrong.
    #[error("the packet is not SRTP: {0}")]
    Malformed(#[from] RtpError),
    /// The tag does not verify: forged, damaged, or under another key.
    #[error("the authentication tag does not verify")]
    Forged,
    /// Taken before.
    #[error("the packet was seen before")]
    Replayed,
    /// Too far behind to know.
    #[error("the packet is older than the replay window")]
    TooOld,
    /// SRTCP without encryption.
    #[error("the SRTCP packet is not encrypted")]
    NotEncrypted,
    /// The key has protected all the packets that it may (RFC 3711 9.2).
    #[error("the key is used up: a new one must be agreed")]
    KeyExhausted,
    /// More sources than any call has.
    #[error("too many sources under one key")]
    TooManySources,
}

/// Where one direction's sources stand.
#[derive(Default)]
struct Sources(BTreeMap<u32, Seen>);

impl Sources {
    /// The index that `sequence` of `ssrc` has, if it may be taken.
    fn rtp_index(&self, ssrc: u32, sequence: u16) -> Result<u64, SrtpError> {
        let index = match self.0.get(&ssrc) {
            None => u64::from(sequence),
            Some(seen) => seen.guess(sequence).ok_or(SrtpError::TooOld)?,
        };
        if index >= RTP_LIMIT {
            return Err(SrtpError::KeyExhausted);
        }
        self.check(ssrc, index)?;
        Ok(index)
    }

    fn check(&self, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        let Some(seen) = self.0.get(&ssrc) else {
            return if self.0.len() < MAX_SOURCES {
                Ok(())
            } else {
                Err(SrtpError::TooManySources)
            };
        };
        match seen.novelty(index) {
            Novelty::New => Ok(()),
            Novelty::Replayed => Err(SrtpError::Replayed),
            Novelty::TooOld => Err(SrtpError::TooOld),
        }
    }

    fn mark(&mut self, ssrc: u32, index: u64) {
        self.0.entry(ssrc).or_insert(Seen::first(index)).mark(index);
    }
}

/// One direction under one master key.
struct Context {
    rtp: Transform,
    rtcp: Transform,
    rtp_sources: Sources,
}

impl Context {
    fn new(suite: Suite, master: &MasterKey) -> Result<Self, KeyLength> {
        Ok(Self {
            rtp: Transform::new(suite, master, false).ok_or(KeyLength(suite))?,
            rtcp: Transform::new(suite, master, true).ok_or(KeyLength(suite))?,
            rtp_sources: Sources::default(),
        })
    }
}

/// Protects what we send.
pub struct Protector {
    context: Context,
    next_rtcp_index: u64,
}

impl Protector {
    /// Under a new master key: rollover counter and SRTCP index begin at zero (RFC 4568 7.1.4).
    pub fn new(suite: Suite, master: &MasterKey) -> Result<Self, KeyLength> {
        Ok(Self {
            context: Context::new(suite, master)?,
            next_rtcp_index: 0,
        })
    }

    /// An RTP packet, encrypted and tagged. The same sequence number twice is refused: with counter mode and GCM it
    /// would give the plain text away.
    pub fn protect_rtp(&mut self, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let split = rtp::split(packet)?;
        let ssrc = split.header.ssrc;
        let index = self.context.rtp_sources.rtp_index(ssrc, split.header.sequence)?;
        let mut bytes = Vec::with_capacity(packet.len().saturating_add(self.context.rtp.tag_len()));
        bytes.extend_from_slice(packet);
        let (head, body) = bytes
            .split_at_mut_checked(split.header_len)
            .ok_or(RtpError::Truncated)?;
        let id = PacketId { ssrc, index };
        let tag = self
            .context
            .rtp
            .seal(id, head, body, rollover(index))
            .ok_or(SrtpError::KeyExhausted)?;
        bytes.extend_from_slice(&tag);
        self.context.rtp_sources.mark(ssrc, index);
        Ok(bytes)
    }

    /// A compound RTCP packet, encrypted and tagged.
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let index = self.next_rtcp_index;
        if index >= RTCP_LIMIT {
            return Err(SrtpError::KeyExhausted);
        }
        let esrtcp = (u32::try_from(index).unwrap_or(0) | E_BIT).to_be_bytes();
        let ssrc = rtcp_ssrc(packet)?;
        let mut bytes = Vec::with_capacity(packet.len().saturating_add(24));
        bytes.extend_from_slice(packet);
        let (head, body) = bytes.split_at_mut_checked(RTCP_CLEAR).ok_or(RtpError::Truncated)?;
        let transform = &self.context.rtcp;
        let clear = if transform.is_aead() {
            [&*head, &esrtcp].concat()
        } else {
            head.to_vec()
        };
        let tag = transform
            .seal(PacketId { ssrc, index }, &clear, body, esrtcp)
            .ok_or(SrtpError::KeyExhausted)?;
        let (first, second) = if transform.is_aead() {
            (tag.as_slice(), esrtcp.as_slice())
        } else {
            (&esrtcp[..], &tag[..])
        };
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        self.next_rtcp_index = index.saturating_add(1);
        Ok(bytes)
    }
}

/// Opens what we receive.
pub struct Opener {
    context: Context,
    rtcp_sources: Sources,
}

impl Opener {
    /// Under a new master key: every source's rollover counter begins at zero.
    pub fn new(suite: Suite, master: &MasterKey) -> Result<Self, KeyLength> {
        Ok(Self {
            context: Context::new(suite, master)?,
            rtcp_sources: Sources::default(),
        })
    }

    /// The RTP packet within, once its tag verified.
    pub fn open_rtp(&mut self, datagram: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let split = rtp::split(datagram)?;
        let ssrc = split.header.ssrc;
        let transform = &self.context.rtp;
        let sealed_len = datagram
            .len()
            .checked_sub(transform.tag_len())
            .ok_or(RtpError::Truncated)?;
        let (sealed, tag) = datagram.split_at_checked(sealed_len).ok_or(RtpError::Truncated)?;
        let mut bytes = sealed.to_vec();
        let (head, body) = bytes
            .split_at_mut_checked(split.header_len)
            .ok_or(RtpError::Truncated)?;
        let index = self.context.rtp_sources.rtp_index(ssrc, split.header.sequence)?;
        transform
            .open(PacketId { ssrc, index }, head, body, rollover(index), tag)
            .map_err(|_| SrtpError::Forged)?;
        self.context.rtp_sources.mark(ssrc, index);
        Ok(bytes)
    }

    /// The compound RTCP packet within, once its tag verified.
    pub fn open_rtcp(&mut self, datagram: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let ssrc = rtcp_ssrc(datagram)?;
        let transform = &self.context.rtcp;
        let (body_and_head, esrtcp, tag) = split_srtcp(datagram, transform).ok_or(RtpError::Truncated)?;
        let word = u32::from_be_bytes(esrtcp);
        if word & E_BIT == 0 {
            return Err(SrtpError::NotEncrypted);
        }
        let index = u64::from(word & !E_BIT);
        let mut bytes = body_and_head.to_vec();
        let (head, body) = bytes.split_at_mut_checked(RTCP_CLEAR).ok_or(RtpError::Truncated)?;
        self.rtcp_sources.check(ssrc, index)?;
        let clear = if transform.is_aead() {
            [&*head, &esrtcp].concat()
        } else {
            head.to_vec()
        };
        transform
            .open(PacketId { ssrc, index }, &clear, body, esrtcp, tag)
            .map_err(|_| SrtpError::Forged)?;
        self.rtcp_sources.mark(ssrc, index);
        Ok(bytes)
    }
}

/// Header and body, the word of E bit and index, and the tag, which stand in an order that depends on the suite.
fn split_srtcp<'a>(datagram: &'a [u8], transform: &Transform) -> Option<(&'a [u8], [u8; 4], &'a [u8])> {
    let tail = datagram
        .len()
        .checked_sub(transform.tag_len())?
        .checked_sub(ESRTCP_LEN)?;
    let (body_and_head, rest) = datagram.split_at_checked(tail)?;
    if transform.is_aead() {
        let (tag, esrtcp) = rest.split_last_chunk::<ESRTCP_LEN>()?;
        Some((body_and_head, *esrtcp, tag))
    } else {
        let (esrtcp, tag) = rest.split_first_chunk::<ESRTCP_LEN>()?;
        Some((body_and_head, *esrtcp, tag))
    }
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, RtpError> {
    let [flags, _, _, _, ssrc @ ..] = *packet.first_chunk::<RTCP_CLEAR>().ok_or(RtpError::Truncated)?;
    if flags >> 6 != 2 {
        return Err(RtpError::Version(flags >> 6));
    }
    Ok(u32::from_be_bytes(ssrc))
}

/// The rollover counter of an index.
fn rollover(index: u64) -> [u8; 4] {
    u32::try_from(index >> 16).unwrap_or(u32::MAX).to_be_bytes()
}

impl fmt::Debug for Protector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protector(…)")
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(…)")
    }
}
