//! What we receive: opened, counted, and sorted into speech, keys and nothing.

use super::MediaEvent;
use super::outbound::COMFORT_NOISE;
use crate::codec::Codec;
use crate::media::dtmf::event::{EventLength, EventPayload};
use crate::media::dtmf::receiver::ToneReceiver;
use crate::media::jitter::{Arrival, Content, Inserted, JitterBuffer};
use crate::media::payload;
use crate::media::plan::MediaPlan;
use crate::media::reception::{Reception, Sequenced};
use crate::media::rtp::RtpPacket;
use crate::media::srtp::{Opener, SrtpError};
use crate::media::ticks::Ticks;
use crate::time::Instant;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets under the old key are still on their way for as long after a new one was agreed.
const OLD_KEY_LINGERS: Duration = Duration::from_secs(3);
/// Stragglers of the source before are not heard for as long.
const OLD_SOURCE_RESTS: Duration = Duration::from_millis(500);

/// We always agree to the keys and to flash: events 0 to 16.
const LAST_EVENT: u8 = 16;

#[derive(Debug)]
pub(super) struct Inbound {
    opener: Option<Opener>,
    old_opener: Option<(Opener, Instant)>,
    pub source: Option<Source>,
    old_source: Option<(u32, Instant)>,
    pub jitter: JitterBuffer,
    /// Packets of sources before this one.
    received_before: u64,
    lost_before: u64,
    pub codec: Option<Codec>,
}

/// The source that speaks now.
#[derive(Debug)]
pub(super) struct Source {
    pub ssrc: u32,
    pub reception: Reception,
    tones: ToneReceiver,
}

/// Why a packet was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Dropped {
    #[error(transparent)]
    Srtp(#[from] SrtpError),
    #[error(transparent)]
    Rtp(#[from] crate::media::rtp::RtpError),
    #[error("a straggler of the source before")]
    OldSource,
    #[error("a sequence number from nowhere")]
    Stray,
    #[error("a payload type that was not agreed")]
    UnknownPayloadType,
    #[error("an event that was not agreed")]
    UnknownEvent,
    #[error(transparent)]
    Speech(#[from] payload::PayloadError),
    #[error(transparent)]
    Event(#[from] EventLength),
    #[error("comfort noise without a level")]
    NoLevel,
}

/// A packet that was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taken {
    /// It is the newest of its source, so where it came from is where the far end is now.
    pub newest: bool,
    /// What the jitter buffer made of it; `None` while we do not listen.
    pub inserted: Option<Inserted>,
}

impl Inbound {
    pub fn new(plan: &MediaPlan) -> Self {
        let frame = Ticks::from_duration(plan.send.ptime);
        Self {
            opener: opener(plan),
            old_opener: None,
            source: None,
            old_source: None,
            jitter: JitterBuffer::new(plan.send.codec, frame),
            received_before: 0,
            lost_before: 0,
            codec: None,
        }
    }

    /// Follows a new plan. The same key keeps its rollover counters and replay windows; with a new one they begin
    /// anew, and packets under the old one are taken a little longer.
    pub fn update(&mut self, before: &MediaPlan, plan: &MediaPlan, now: Instant) {
        let key = |plan: &MediaPlan| plan.srtp.as_ref().map(|keys| (keys.suite(), keys.remote().clone()));
        if key(before) != key(plan) {
            let old = std::mem::replace(&mut self.opener, opener(plan));
            self.old_opener = old.map(|opener| (opener, now + OLD_KEY_LINGERS));
        }
    }

    /// One RTP datagram.
    pub fn rtp(
        &mut self,
        plan: &MediaPlan,
        datagram: &[u8],
        now: Instant,
        events: &mut VecDeque<MediaEvent>,
    ) -> Result<Taken, Dropped> {
        let bytes = self.open(datagram, now, Opener::open_rtp)?;
        let packet = RtpPacket::parse(&bytes)?;
        self.follow_source(&packet, now, events)?;
        let Some(source) = &mut self.source else {
            return Err(Dropped::Stray);
        };
        let before = source.reception.highest();
        let number = match source.reception.count(packet.sequence) {
            Sequenced::At(number) => number,
            Sequenced::Restarted(number) => {
                self.jitter.restart();
                number
            }
            Sequenced::Stray => return Err(Dropped::Stray),
        };
        let sorted = source.sort(plan, &packet, now, events);
        let (clock_rate, content) = match &sorted {
            Ok(sorted) => sorted.clone(),
            Err(_) => (plan.send.codec.clock_rate(), Content::Nothing),
        };
        if let Content::Speech { codec, .. } = content {
            if self.codec.is_none() {
                events.push_back(MediaEvent::FirstPacket { codec });
            }
            self.codec = Some(codec);
        }
        let (timestamp, at) = (packet.timestamp, now);
        let inserted = plan.direction.receives().then(|| {
            self.jitter.insert(Arrival {
                sequence: number,
                timestamp,
                clock_rate,
                at,
                content,
            })
        });
        let newest = number >= before;
        sorted.map(|_| Taken { newest, inserted })
    }

    /// The compound packet in an RTCP datagram.
    pub fn open_rtcp<'a>(&mut self, datagram: &'a [u8], now: Instant) -> Result<Cow<'a, [u8]>, SrtpError> {
        self.open(datagram, now, Opener::open_rtcp)
    }

    fn open<'a>(
        &mut self,
        datagram: &'a [u8],
        now: Instant,
        open: impl Fn(&mut Opener, &[u8]) -> Result<Vec<u8>, SrtpError>,
    ) -> Result<Cow<'a, [u8]>, SrtpError> {
        let Some(opener) = &mut self.opener else {
            return Ok(Cow::Borrowed(datagram));
        };
        let error = match open(opener, datagram) {
            Ok(bytes) => return Ok(Cow::Owned(bytes)),
            Err(error) => error,
        };
        self.old_opener.take_if(|(_, until)| now > *until);
        match &mut self.old_opener {
            Some((old, _)) => open(old, datagram).map(Cow::Owned).map_err(|_| error),
            None => Err(error),
        }
    }

    /// Takes note of who speaks; another source than before begins its own counts and timestamps.
    fn follow_source(
        &mut self,
        packet: &RtpPacket<'_>,
        now: Instant,
        events: &mut VecDeque<MediaEvent>,
    ) -> Result<(), Dropped> {
        if self.source.as_ref().is_some_and(|source| source.ssrc == packet.ssrc) {
            return Ok(());
        }
        if self
            .old_source
            .is_some_and(|(ssrc, until)| ssrc == packet.ssrc && now < until)
        {
            return Err(Dropped::OldSource);
        }
        if let Some(old) = self.source.take() {
            self.received_before = self.received_before.saturating_add(old.reception.received());
            self.lost_before = self.lost_before.saturating_add(old.reception.lost());
            self.old_source = Some((old.ssrc, now + OLD_SOURCE_RESTS));
            self.jitter.restart();
            events.push_back(MediaEvent::RemoteSsrcChanged { ssrc: packet.ssrc });
        }
        self.source = Some(Source {
            ssrc: packet.ssrc,
            reception: Reception::new(packet.sequence),
            tones: ToneReceiver::default(),
        });
        Ok(())
    }

    pub fn received(&self) -> u64 {
        let now = self.source.as_ref().map_or(0, |source| source.reception.received());
        self.received_before.saturating_add(now)
    }

    pub fn lost(&self) -> u64 {
        let now = self.source.as_ref().map_or(0, |source| source.reception.lost());
        self.lost_before.saturating_add(now)
    }

    pub fn jitter_ms(&self) -> f64 {
        self.source.as_ref().map_or(0.0, |source| source.reception.jitter_ms())
    }
}

impl Source {
    /// What a packet holds, and in which clock; keys are told at once.
    fn sort(
        &mut self,
        plan: &MediaPlan,
        packet: &RtpPacket<'_>,
        now: Instant,
        events: &mut VecDeque<MediaEvent>,
    ) -> Result<(u32, Content), Dropped> {
        if let Some(codec) = plan.receive.get(&packet.payload_type).copied() {
            let rate = codec.clock_rate();
            let length = payload::duration(codec, packet.payload)?;
            self.reception.measure(packet.timestamp, rate, now);
            let payload = Bytes::copy_from_slice(packet.payload);
            return Ok((
                rate,
                Content::Speech {
                    codec,
                    payload,
                    length: Ticks::from_duration(length),
                },
            ));
        }
        if let Some(rate) = plan.receive_events.get(&packet.payload_type).copied() {
            let event = EventPayload::parse(packet.payload)?;
            if event.event > LAST_EVENT {
                return Err(Dropped::UnknownEvent);
            }
            let digit = self.tones.hear(packet.timestamp, packet.marker, event, rate);
            events.extend(digit.map(MediaEvent::DigitReceived));
            return Ok((rate, Content::Nothing));
        }
        if packet.payload_type == COMFORT_NOISE && plan.comfort_noise {
            let level = packet.payload.first().ok_or(Dropped::NoLevel)?;
            return Ok((8_000, Content::ComfortNoise(level & 0x7f)));
        }
        Err(Dropped::UnknownPayloadType)
    }
}

fn opener(plan: &MediaPlan) -> Option<Opener> {
    plan.srtp
        .as_ref()
        .and_then(|keys| Opener::new(keys.suite(), keys.remote()).ok())
}
