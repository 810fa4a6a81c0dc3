//! One call's audio stream on the wire: frames and datagrams in, datagrams and frames out.
//!
//! The media thread drives it: [`MediaSession::send_frame`] once for each packet's time, for the whole call and muted
//! or not, for the microphone is the clock of what is sent; [`MediaSession::next`] whenever the output ring is low,
//! for the sound card is the clock of what is played; datagrams as they come; and [`MediaSession::handle_timeout`] at
//! the moment of [`MediaSession::poll_wake`], which paces RTCP, the keep-alive of a held call (RFC 6263) and the watch
//! over a stream that fell silent. After each of them drain `poll_transmit` and `poll_event`.
//!
//! Plain RTP is heard from the plan's address alone. Under SRTP the address of the newest authentic packet is where we
//! send from then on, whatever the plan said: that is what crosses a NAT or a change of network.

mod inbound;
mod outbound;
pub mod probe;
mod reports;
#[cfg(test)]
mod tests;
mod types;
mod watch;

pub use types::*;

use crate::media::demux::{self, Kind};
use crate::media::dtmf::Digit;
use crate::media::plan::{MediaPlan, RemoteRtcp};
use crate::media::quality;
use crate::media::rtcp::{self, Compound, RtcpPacket};
use crate::random::Random;
use crate::time::{Instant, Wake, earliest};
use inbound::Inbound;
use outbound::Outbound;
use reports::Reports;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use watch::Watch;

/// RTP that rests for as long needs a keep-alive where RTCP has a port of its own (RFC 6263 7).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A source that sent nothing for as long reports as a receiver (RFC 3550 6.4: two intervals).
const STILL_SENDER: Duration = Duration::from_secs(10);
/// What the devices of both ends add to the delay, for the estimate of quality.
const DEVICES: Duration = Duration::from_millis(50);

/// The stream. See the module.
#[derive(Debug)]
pub struct MediaSession {
    plan: MediaPlan,
    random: Random,
    outbound: Outbound,
    inbound: Inbound,
    reports: Reports,
    watch: Watch,
    /// Where their authentic packets come from, if not from where the plan says.
    latched_rtp: Option<SocketAddr>,
    latched_rtcp: Option<SocketAddr>,
    said_bye: bool,
    dropped: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<MediaEvent>,
}

impl MediaSession {
    /// A stream that begins now. `random` draws the first sequence number, timestamp, and the times of reports.
    pub fn new(plan: MediaPlan, now: Instant, mut random: Random) -> Self {
        Self {
            outbound: Outbound::new(&plan, now, &mut random),
            inbound: Inbound::new(&plan),
            reports: Reports::new(now, &mut random),
            watch: Watch::new(now),
            latched_rtp: None,
            latched_rtcp: None,
            said_bye: false,
            dropped: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            plan,
            random,
        }
    }

    /// The plan in force.
    pub const fn plan(&self) -> &MediaPlan {
        &self.plan
    }

    /// A new offer and answer: hold, resume, other keys, codecs or addresses. What did not change goes on without a
    /// seam: sequence numbers, the SRTP rollover counter and replay window, the jitter buffer. A stream that had keys
    /// and gets a plan without keeps them: an encrypted call never becomes plain.
    pub fn update(&mut self, mut plan: MediaPlan, now: Instant) {
        if plan.srtp.is_none() && self.plan.srtp.is_some() {
            tracing::warn!("a plan without keys for an encrypted stream: the keys stay");
            plan.srtp = self.plan.srtp.clone();
        }
        self.outbound.update(&self.plan, &plan);
        self.inbound.update(&self.plan, &plan, now);
        if plan.remote_rtp != self.plan.remote_rtp || plan.remote_rtcp != self.plan.remote_rtcp {
            self.latched_rtp = None;
            self.latched_rtcp = None;
        }
        if plan.direction != self.plan.direction {
            self.watch = Watch::new(now);
        }
        self.plan = plan;
    }

    /// A datagram came from `source` by `socket`. What is not for this stream changes nothing.
    pub fn handle_datagram(&mut self, source: SocketAddr, bytes: &[u8], socket: Socket, now: Instant) {
        let mux = self.plan.remote_rtcp == RemoteRtcp::Mux;
        match (demux::kind(bytes), socket) {
            (Kind::Rtp, Socket::Rtp) => self.handle_rtp(source, bytes, now),
            (Kind::Rtcp, Socket::Rtp) if mux => self.handle_rtcp(source, bytes, now),
            (Kind::Rtcp, Socket::Rtcp) if !mux => self.handle_rtcp(source, bytes, now),
            (kind, _) => self.drop_datagram(format_args!("{kind:?} has no place here")),
        }
    }

    fn handle_rtp(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        if self.plan.srtp.is_none() && !same(source, self.plan.remote_rtp) {
            self.drop_datagram(format_args!("plain RTP from elsewhere"));
            return;
        }
        match self.inbound.rtp(&self.plan, bytes, now, &mut self.events) {
            Ok(taken) => {
                self.watch.heard_rtp(now);
                if taken.newest && !same(source, self.rtp_destination()) {
                    self.latched_rtp = Some(source);
                    self.events.push_back(MediaEvent::RemoteAddressChanged(source));
                }
            }
            Err(error) => self.drop_datagram(format_args!("{error}")),
        }
    }

    fn handle_rtcp(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        if self.plan.srtp.is_none() && !same(source, self.rtcp_destination()) {
            self.drop_datagram(format_args!("plain RTCP from elsewhere"));
            return;
        }
        let opened = match self.inbound.open_rtcp(bytes, now) {
            Ok(opened) => opened,
            Err(error) => return self.drop_datagram(format_args!("{error}")),
        };
        match rtcp::parse(&opened) {
            Ok(packets) => {
                self.watch.heard_rtcp(now);
                if self.plan.remote_rtcp != RemoteRtcp::Mux && !same(source, self.rtcp_destination()) {
                    self.latched_rtcp = Some(source);
                }
                for packet in packets {
                    self.handle_report(packet, now);
                }
            }
            Err(error) => self.drop_datagram(format_args!("{error}")),
        }
    }

    fn handle_report(&mut self, packet: RtcpPacket, now: Instant) {
        let current = self.inbound.source.as_ref().map(|source| source.ssrc);
        match packet {
            RtcpPacket::SenderReport { ssrc, info, blocks } => {
                if current.is_none_or(|current| current == ssrc) {
                    self.reports.heard_sender(&info, now);
                }
                self.handle_blocks(&blocks, now);
            }
            RtcpPacket::ReceiverReport { blocks, .. } => self.handle_blocks(&blocks, now),
            RtcpPacket::Bye { sources, .. } => {
                if current.is_some_and(|current| sources.contains(&current)) && !self.said_bye {
                    self.said_bye = true;
                    self.events.push_back(MediaEvent::Bye);
                }
            }
            RtcpPacket::SourceDescription(_) | RtcpPacket::App { .. } | RtcpPacket::Unknown(_) => {}
        }
    }

    fn handle_blocks(&mut self, blocks: &[rtcp::ReportBlock], now: Instant) {
        for block in blocks.iter().filter(|block| block.ssrc == self.plan.ssrc) {
            self.reports.heard_block(block, now);
        }
    }

    fn drop_datagram(&mut self, why: std::fmt::Arguments<'_>) {
        tracing::trace!(%why, "datagram dropped");
        self.dropped = self.dropped.saturating_add(1);
    }

    /// One packet's time of sound: `units` of the send codec's RTP clock. While a key is being sent, or the call is
    /// held, the sound is not sent but its time passes.
    pub fn send_frame(&mut self, frame: Frame<'_>, units: u32, now: Instant) {
        let packet = self.outbound.frame(&self.plan, frame, units, now);
        self.transmit_rtp(packet);
    }

    /// Sends a key for at least `duration` (100 ms or more is sent) once those before it, and the gap, are over.
    pub fn send_digit(&mut self, digit: Digit, duration: Duration) -> Result<(), DigitError> {
        self.outbound.send_digit(&self.plan, digit, duration)
    }

    /// Whether speech has come that [`MediaSession::next`] has not given yet.
    pub fn has_speech(&self) -> bool {
        self.inbound.jitter.holds_speech()
    }

    /// What to play now.
    pub fn next(&mut self, now: Instant) -> Playout {
        self.inbound.jitter.next(now)
    }

    /// Tells the far end by RTCP that the stream ends (RFC 3550 6.6). Drain `poll_transmit` once more after it.
    pub fn close(&mut self, now: Instant) {
        if self.outbound.packets > 0 {
            let compound = self.report(now).bye(self.plan.ssrc);
            self.transmit_rtcp(compound);
        }
    }

    /// The next datagram to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// When [`MediaSession::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        earliest([
            Some(Wake::new(self.reports.next_at, "RTCP report")),
            self.keep_alive_at().map(|at| Wake::new(at, "RTP keep-alive")),
            self.watch.wake(self.plan.direction.receives()),
        ])
    }

    /// A moment that [`MediaSession::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.reports.next_at {
            self.reports.sent(now, &mut self.random);
            let compound = self.report(now);
            self.transmit_rtcp(compound);
        }
        if self.keep_alive_at().is_some_and(|at| now >= at) {
            let packet = self.outbound.keep_alive(&self.plan, now);
            self.outbound.last_sent = now;
            self.transmit_rtp(packet);
        }
        let silences = self.watch.check(self.plan.direction.receives(), now);
        self.events.extend(silences.into_iter().flatten());
    }

    /// The figures so far.
    pub fn stats(&self) -> MediaStats {
        let jitter = &self.inbound.jitter;
        let played = jitter.played();
        let millis = |ticks: crate::media::ticks::Ticks| u64::try_from(ticks.duration().as_millis()).unwrap_or(0);
        MediaStats {
            sent: self.outbound.packets,
            received: self.inbound.received(),
            lost: self.inbound.lost(),
            late: played.late,
            dropped: self.dropped,
            jitter_ms: self.inbound.jitter_ms(),
            delay_ms: jitter.delay_ms(),
            target_delay_ms: jitter.target_delay_ms(),
            round_trip_ms: self.reports.round_trip.map(|trip| trip.as_secs_f64() * 1_000.0),
            mos: self.mos(),
            played_ms: millis(played.total),
            concealed_ms: millis(played.concealed),
            repaired_ms: millis(played.repaired),
            remote_loss: self.reports.remote_loss,
            remote_jitter_ms: self.reports.remote_jitter_ms(self.plan.send.codec),
        }
    }

    fn mos(&self) -> Option<f64> {
        let codec = self.inbound.codec?;
        let network = self.reports.round_trip.unwrap_or_default() / 2;
        let buffer = Duration::from_secs_f64(self.inbound.jitter.delay_ms() / 1_000.0);
        let delay = network + buffer + self.plan.send.ptime + DEVICES;
        Some(quality::mos(quality::rating(
            codec,
            delay,
            self.inbound.jitter.played().recent_loss,
        )))
    }

    fn keep_alive_at(&self) -> Option<Instant> {
        let separate = self.plan.remote_rtcp != RemoteRtcp::Mux;
        separate.then(|| self.outbound.last_sent + KEEP_ALIVE)
    }

    fn report(&mut self, now: Instant) -> Compound {
        let (last_sr, delay) = self.reports.last_sr(now);
        let source = self.inbound.source.as_mut();
        let block = source.map(|source| source.reception.report(source.ssrc, last_sr, delay));
        let sends = self.outbound.packets > 0 && now.since(self.outbound.last_sent) < STILL_SENDER;
        let info = sends.then(|| self.outbound.sender_info(self.plan.send.codec, reports::ntp(now), now));
        Compound::report(self.plan.ssrc, info, block.as_slice()).description(self.plan.ssrc, &self.plan.cname)
    }

    fn transmit_rtp(&mut self, packet: Option<Vec<u8>>) {
        let to = self.rtp_destination();
        self.transmits.extend(packet.map(|bytes| Transmit {
            to,
            socket: Socket::Rtp,
            bytes,
        }));
    }

    fn transmit_rtcp(&mut self, compound: Compound) {
        let to = self.rtcp_destination();
        let mux = self.plan.remote_rtcp == RemoteRtcp::Mux;
        let socket = if mux { Socket::Rtp } else { Socket::Rtcp };
        let sealed = self.outbound.rtcp(compound.into_bytes());
        self.transmits
            .extend(sealed.map(|bytes| Transmit { to, socket, bytes }));
    }

    fn rtp_destination(&self) -> SocketAddr {
        self.latched_rtp.unwrap_or(self.plan.remote_rtp)
    }

    fn rtcp_destination(&self) -> SocketAddr {
        match self.plan.remote_rtcp {
            RemoteRtcp::Mux => self.rtp_destination(),
            RemoteRtcp::Separate(address) => self.latched_rtcp.unwrap_or(address),
        }
    }
}

/// The same address, be it written as IPv4 or as IPv4 within IPv6.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}
