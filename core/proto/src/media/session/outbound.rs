//! What we send: sequence numbers, timestamps, the marker, keys in place of speech, and SRTP.

use super::{DigitError, Frame};
use crate::codec::Codec;
use crate::media::dtmf::Digit;
use crate::media::dtmf::sender::{Clocks, EventPacket, ToneSender};
use crate::media::plan::MediaPlan;
use crate::media::rtcp::SenderInfo;
use crate::media::rtp::RtpPacket;
use crate::media::srtp::{Protector, SrtpError};
use crate::random::Random;
use crate::time::Instant;
use std::time::Duration;

/// RFC 3389 at 8 kHz (RFC 3551 table 4).
pub(super) const COMFORT_NOISE: u8 = 13;

#[derive(Debug)]
pub(super) struct Outbound {
    protector: Option<Protector>,
    /// Of the next packet.
    pub sequence: u16,
    /// Of the next frame.
    timestamp: u32,
    /// When the next frame's time began.
    stamped_at: Instant,
    /// Whether the last frame was speech; if not the next carries the marker.
    talking: bool,
    tones: ToneSender,
    pub packets: u64,
    octets: u64,
    /// When RTP last went out, or the stream began.
    pub last_sent: Instant,
}

impl Outbound {
    pub fn new(plan: &MediaPlan, now: Instant, random: &mut Random) -> Self {
        Self {
            protector: protector(plan),
            // In the lower half, so that early loss cannot hide a rollover (RFC 4568 6.4).
            sequence: u16::try_from(random.u32() & 0x7fff).unwrap_or(0),
            timestamp: random.u32(),
            stamped_at: now,
            talking: false,
            tones: ToneSender::default(),
            packets: 0,
            octets: 0,
            last_sent: now,
        }
    }

    /// Follows a new plan. A new key or suite begins a new rollover counter; the same one goes on with its own.
    pub fn update(&mut self, before: &MediaPlan, plan: &MediaPlan) {
        let key = |plan: &MediaPlan| plan.srtp.as_ref().map(|keys| (keys.suite(), keys.local().clone()));
        if key(before) != key(plan) {
            self.protector = protector(plan);
        }
        if before.send.codec != plan.send.codec || !plan.direction.sends() {
            self.talking = false;
            self.tones.clear();
        }
    }

    pub fn send_digit(&mut self, plan: &MediaPlan, digit: Digit, duration: Duration) -> Result<(), DigitError> {
        if !plan.direction.sends() {
            return Err(DigitError::Held);
        }
        event_format(plan).ok_or(DigitError::NotNegotiated)?;
        if self.tones.push(digit, duration) {
            Ok(())
        } else {
            Err(DigitError::QueueFull)
        }
    }

    /// The packet for one frame's time, if one goes out.
    pub fn frame(&mut self, plan: &MediaPlan, frame: Frame<'_>, units: u32, now: Instant) -> Option<Vec<u8>> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(units);
        self.stamped_at = now;
        if !plan.direction.sends() {
            return None;
        }
        if let Some((payload_type, clocks)) = event_format(plan)
            && let Some(event) = self.tones.frame(timestamp, units, clocks)
        {
            return self.event(plan, payload_type, event, now);
        }
        let (payload_type, payload, speech) = match frame {
            Frame::Speech(payload) => (plan.send.payload_type, payload, true),
            Frame::ComfortNoise(payload) if plan.comfort_noise => (COMFORT_NOISE, payload, false),
            Frame::ComfortNoise(_) | Frame::Nothing => {
                self.talking = false;
                return None;
            }
        };
        let marker = speech && !self.talking;
        self.talking = speech;
        self.packet(plan, payload_type, marker, timestamp, payload, now)
    }

    fn event(&mut self, plan: &MediaPlan, payload_type: u8, event: EventPacket, now: Instant) -> Option<Vec<u8>> {
        let payload = event.payload.to_bytes();
        self.packet(plan, payload_type, event.marker, event.timestamp, &payload, now)
    }

    /// A packet that keeps the way through NATs open: no payload, of a type that nobody named (RFC 6263 4.6).
    pub fn keep_alive(&mut self, plan: &MediaPlan, now: Instant) -> Option<Vec<u8>> {
        let unnamed = (96..=127).rev().find(|number| {
            *number != plan.send.payload_type
                && !plan.receive.contains_key(number)
                && !plan.receive_events.contains_key(number)
                && !plan.send_events.values().any(|event| event == number)
        })?;
        let timestamp = self.timestamp_at(plan.send.codec, now);
        self.packet(plan, unnamed, false, timestamp, &[], now)
    }

    fn packet(
        &mut self,
        plan: &MediaPlan,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        now: Instant,
    ) -> Option<Vec<u8>> {
        let bytes = RtpPacket {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: plan.ssrc,
            csrcs: &[],
            extension: None,
            payload,
            padding: 0,
        }
        .to_bytes();
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = self.protected(bytes, Protector::protect_rtp)?;
        self.packets = self.packets.saturating_add(1);
        self.octets = self.octets.saturating_add(u64::try_from(payload.len()).unwrap_or(0));
        self.last_sent = now;
        Some(bytes)
    }

    /// A compound RTCP packet as it goes out.
    pub fn rtcp(&mut self, compound: Vec<u8>) -> Option<Vec<u8>> {
        self.protected(compound, Protector::protect_rtcp)
    }

    fn protected(
        &mut self,
        bytes: Vec<u8>,
        protect: impl FnOnce(&mut Protector, &[u8]) -> Result<Vec<u8>, SrtpError>,
    ) -> Option<Vec<u8>> {
        let Some(protector) = &mut self.protector else {
            return Some(bytes);
        };
        match protect(protector, &bytes) {
            Ok(sealed) => Some(sealed),
            Err(error) => {
                tracing::warn!(%error, "a packet could not be protected and is not sent");
                None
            }
        }
    }

    /// What a sender report tells.
    pub fn sender_info(&self, codec: Codec, ntp: u64, now: Instant) -> SenderInfo {
        SenderInfo {
            ntp,
            rtp_timestamp: self.timestamp_at(codec, now),
            packets: u32::try_from(self.packets & u64::from(u32::MAX)).unwrap_or(0),
            octets: u32::try_from(self.octets & u64::from(u32::MAX)).unwrap_or(0),
        }
    }

    fn timestamp_at(&self, codec: Codec, now: Instant) -> u32 {
        self.timestamp
            .wrapping_add(codec.timestamp_units(now.since(self.stamped_at)))
    }
}

fn protector(plan: &MediaPlan) -> Option<Protector> {
    // The lengths were checked when the keys were made, so there is a protector wherever there are keys.
    plan.srtp
        .as_ref()
        .and_then(|keys| Protector::new(keys.suite(), keys.local()).ok())
}

/// The payload type and clocks of telephone events: those at the speech codec's rate, else whichever there are. Some
/// PBXs agree to Opus and offer events at 8 kHz only, and take them with the timestamps of the speech.
fn event_format(plan: &MediaPlan) -> Option<(u8, Clocks)> {
    let speech = plan.send.codec.clock_rate();
    let same = plan.send_events.get_key_value(&speech);
    let (event, payload_type) = same.or_else(|| plan.send_events.first_key_value())?;
    Some((*payload_type, Clocks { speech, event: *event }))
}
