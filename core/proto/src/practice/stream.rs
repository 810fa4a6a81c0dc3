//! One leg's RTP as the exchange handles it: opened with their key, sent on under ours, never decoded (RFC 3550 7.1, a
//! translator that rewrites sources).
//!
//! Each of their reports is answered with one of ours, so that the phone has its round trip and the loss of its own
//! stream. Plain RTP is heard from where signalling said; with keys, from wherever it verifies, and answered there.

use super::speech::FRAME;
use crate::codec::Codec;
use crate::media::demux::{self, Kind};
use crate::media::plan::{MediaPlan, RemoteRtcp, SrtpKeys};
use crate::media::reception::{Reception, Sequenced};
use crate::media::rtcp::{self, Compound, RtcpPacket};
use crate::media::rtp::RtpPacket;
use crate::media::session::{Socket, Transmit};
use crate::media::srtp::{Opener, Protector};
use crate::random::Random;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Reports are answered no faster, so that two answering machines do not chase each other.
const BETWEEN_REPORTS: Duration = Duration::from_millis(500);

/// What a packet is, in whatever payload type it travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// Sound.
    Speech(Codec),
    /// A telephone-event at this clock rate in Hz.
    Event(u32),
}

/// A packet that was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    sort: Sort,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    /// Their source; what is sent on gets one of ours for each of theirs.
    ssrc: u32,
    payload: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    plan: MediaPlan,
    opener: Option<Opener>,
    protector: Option<Protector>,
    random: Random,
    /// Their source, and what came of it.
    heard: Option<(u32, Reception)>,
    /// The source that we carry on, and our name for it.
    carried: Option<(u32, u32)>,
    /// Of the next packet of our own speech.
    sequence: u16,
    timestamp: u32,
    latched: Option<SocketAddr>,
    reported_at: Option<Instant>,
}

impl Stream {
    pub fn new(plan: MediaPlan, random: &mut Random) -> Self {
        Self {
            opener: opener(&plan),
            protector: protector(&plan),
            random: Random::seeded(random.u64()),
            heard: None,
            carried: None,
            // In the lower half, so that early loss cannot hide a rollover (RFC 4568 6.4).
            sequence: u16::try_from(random.u32() & 0x7fff).unwrap_or(0),
            timestamp: random.u32(),
            latched: None,
            reported_at: None,
            plan,
        }
    }

    pub const fn plan(&self) -> &MediaPlan {
        &self.plan
    }

    /// A new offer and answer: what did not change goes on without a seam.
    pub fn update(&mut self, plan: MediaPlan) {
        let local = |plan: &MediaPlan| plan.srtp.as_ref().map(|keys| (keys.suite(), keys.local().clone()));
        let remote = |plan: &MediaPlan| plan.srtp.as_ref().map(|keys| (keys.suite(), keys.remote().clone()));
        if local(&plan) != local(&self.plan) {
            self.protector = protector(&plan);
        }
        if remote(&plan) != remote(&self.plan) {
            self.opener = opener(&plan);
        }
        if plan.remote_rtp != self.plan.remote_rtp {
            self.latched = None;
        }
        self.plan = plan;
    }

    /// A datagram from their side: a packet to be carried on, and an answer that goes back at once.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        socket: Socket,
        now: Instant,
    ) -> (Option<Packet>, Option<Transmit>) {
        match (demux::kind(bytes), socket) {
            (Kind::Rtp, Socket::Rtp) => (self.hear(source, bytes, now), None),
            (Kind::Rtcp, _) => (None, self.answer_report(bytes, socket, now)),
            _ => (None, None),
        }
    }

    fn hear(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) -> Option<Packet> {
        let opened = match &mut self.opener {
            Some(opener) => opener
                .open_rtp(bytes)
                .inspect_err(|error| tracing::trace!(%error, "a packet is dropped"))
                .ok()?,
            None if source == self.plan.remote_rtp => bytes.to_vec(),
            None => return None,
        };
        let packet = RtpPacket::parse(&opened).ok()?;
        let sort = self.sort(packet.payload_type)?;
        self.latched = Some(source).filter(|source| *source != self.plan.remote_rtp);
        let (_, reception) = match &mut self.heard {
            Some(heard) if heard.0 == packet.ssrc => heard,
            other => other.insert((packet.ssrc, Reception::new(packet.sequence))),
        };
        if reception.count(packet.sequence) == Sequenced::Stray {
            return None;
        }
        if let Sort::Speech(codec) = sort {
            reception.measure(packet.timestamp, codec.clock_rate(), now);
        }
        self.plan.direction.receives().then(|| Packet {
            sort,
            marker: packet.marker,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
            payload: packet.payload.to_vec(),
        })
    }

    fn sort(&self, payload_type: u8) -> Option<Sort> {
        let speech = self.plan.receive.get(&payload_type).copied().map(Sort::Speech);
        let event = || self.plan.receive_events.get(&payload_type).copied().map(Sort::Event);
        speech.or_else(event)
    }

    /// Sends a packet of some leg on, under our key and our source. Their numbering stays, so that what was lost on
    /// the way here is still missed there.
    pub fn carry(&mut self, packet: &Packet) -> Option<Transmit> {
        let payload_type = match packet.sort {
            Sort::Speech(codec) => (codec == self.plan.send.codec).then_some(self.plan.send.payload_type)?,
            Sort::Event(rate) => *self.plan.send_events.get(&rate)?,
        };
        let ssrc = self.our_name_of(packet.ssrc);
        self.send(RtpPacket {
            marker: packet.marker,
            payload_type,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc,
            csrcs: &[],
            extension: None,
            payload: &packet.payload,
            padding: 0,
        })
    }

    /// A new source of theirs is a new one of ours: its numbers begin anew, and a number is protected only once.
    fn our_name_of(&mut self, theirs: u32) -> u32 {
        if let Some((known, ours)) = self.carried
            && known == theirs
        {
            return ours;
        }
        let ours = match self.carried {
            None => self.plan.ssrc,
            Some(_) => self.random.u32(),
        };
        self.carried = Some((theirs, ours));
        ours
    }

    /// Speaks one frame of our own. On hold its time passes unheard.
    pub fn say(&mut self, frame: &[u8], is_first: bool) -> Option<Transmit> {
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        self.timestamp = timestamp.wrapping_add(self.plan.send.codec.timestamp_units(FRAME));
        let sent = self.send(RtpPacket {
            marker: is_first,
            payload_type: self.plan.send.payload_type,
            sequence,
            timestamp,
            ssrc: self.plan.ssrc,
            csrcs: &[],
            extension: None,
            payload: frame,
            padding: 0,
        })?;
        self.sequence = sequence.wrapping_add(1);
        Some(sent)
    }

    fn send(&mut self, packet: RtpPacket<'_>) -> Option<Transmit> {
        if !self.plan.direction.sends() {
            return None;
        }
        let bytes = packet.to_bytes();
        let bytes = match &mut self.protector {
            Some(protector) => protector
                .protect_rtp(&bytes)
                .inspect_err(|error| tracing::debug!(%error, "a packet is not sent"))
                .ok()?,
            None => bytes,
        };
        Some(Transmit {
            to: self.latched.unwrap_or(self.plan.remote_rtp),
            socket: Socket::Rtp,
            bytes,
        })
    }

    fn answer_report(&mut self, bytes: &[u8], socket: Socket, now: Instant) -> Option<Transmit> {
        let opened = match &mut self.opener {
            Some(opener) => opener.open_rtcp(bytes).ok()?,
            None => bytes.to_vec(),
        };
        let packets = rtcp::parse(&opened).ok()?;
        let is_rested = self.reported_at.is_none_or(|at| now.since(at) >= BETWEEN_REPORTS);
        let (ssrc, last_sr) = packets.iter().find_map(|packet| match packet {
            RtcpPacket::SenderReport { ssrc, info, .. } => Some((*ssrc, middle(info.ntp))),
            RtcpPacket::ReceiverReport { ssrc, .. } => Some((*ssrc, 0)),
            _ => None,
        })?;
        if !is_rested {
            return None;
        }
        self.reported_at = Some(now);
        let heard = self.heard.as_mut().filter(|(known, _)| *known == ssrc);
        // Answered in the same moment: no time has passed since their report.
        let block = heard.map(|(ssrc, reception)| reception.report(*ssrc, last_sr, 0));
        let ours = self.carried.map_or(self.plan.ssrc, |(_, ours)| ours);
        let compound = Compound::report(ours, None, block.as_slice()).description(ours, &self.plan.cname);
        let bytes = match &mut self.protector {
            Some(protector) => protector.protect_rtcp(&compound.into_bytes()).ok()?,
            None => compound.into_bytes(),
        };
        let to = match self.plan.remote_rtcp {
            RemoteRtcp::Mux => self.latched.unwrap_or(self.plan.remote_rtp),
            RemoteRtcp::Separate(address) => address,
        };
        Some(Transmit { to, socket, bytes })
    }
}

/// The middle of an NTP time, as report blocks give it back.
fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & u64::from(u32::MAX)).unwrap_or(0)
}

fn opener(plan: &MediaPlan) -> Option<Opener> {
    let of = |keys: &SrtpKeys| Opener::new(keys.suite(), keys.remote()).ok();
    plan.srtp.as_ref().and_then(of)
}

fn protector(plan: &MediaPlan) -> Option<Protector> {
    let of = |keys: &SrtpKeys| Protector::new(keys.suite(), keys.local()).ok();
    plan.srtp.as_ref().and_then(of)
}
