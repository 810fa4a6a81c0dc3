//! One call's part of the media thread: its session, its sockets, its mouth and its ear.

use super::card::{SLICE, SLICE_TIME};
use super::codec::CodecError;
use super::keys::Keys;
use super::pipeline::{Ear, Mouth};
use crate::udp::MediaSocket;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use toestel_proto::media::plan::MediaPlan;
use toestel_proto::media::session::{MediaSession, Socket};
use toestel_proto::random::Random;
use toestel_proto::time::Instant;

/// The largest datagram that is read; media is never near it.
const DATAGRAM: usize = 2048;
/// How often the encoder is told what the far end's reports say.
const REPORT: Duration = Duration::from_secs(1);
/// The longest that is still played of a call that has ended.
const LAST_WORDS: usize = 9_600;
/// The fade at their end: a voice that is cut off clicks.
const FADE: usize = 480;
/// What the others of a conference said and this leg has not passed on: 60 ms at 48 kHz, then the oldest is dropped.
const OTHERS: usize = 2880;

/// One call.
pub struct Leg {
    /// The stream on the wire.
    pub session: MediaSession,
    /// Whether the far end hears silence instead of the microphone.
    pub muted: bool,
    /// Keys that the far end is to hear as sound.
    pub keys: Keys,
    mouth: Mouth,
    ear: Ear,
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
    /// What the far end says in this slice, at 48 kHz.
    pub slice: Vec<i16>,
    others: VecDeque<i16>,
    said: Vec<i16>,
    next_report: Instant,
}

impl Leg {
    /// Begins the stream of `plan` on `socket`.
    pub fn new(plan: MediaPlan, socket: MediaSocket, random: Random, now: Instant) -> Result<Self, LegError> {
        let polled = |socket: std::net::UdpSocket| -> io::Result<UdpSocket> {
            socket.set_nonblocking(true)?;
            Ok(UdpSocket::from_std(socket))
        };
        Ok(Self {
            mouth: Mouth::new(plan.send)?,
            ear: Ear::default(),
            session: MediaSession::new(plan, now, random),
            muted: false,
            keys: Keys::default(),
            rtp: polled(socket.rtp)?,
            rtcp: socket.rtcp.map(polled).transpose()?,
            slice: Vec::with_capacity(DATAGRAM),
            others: VecDeque::with_capacity(2 * OTHERS),
            said: Vec::with_capacity(OTHERS),
            next_report: now + REPORT,
        })
    }

    /// Has `registry` wake the media thread by `token` for each datagram.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.rtp, token, Interest::READABLE)?;
        if let Some(rtcp) = &mut self.rtcp {
            registry.register(rtcp, token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// Goes on under a new plan.
    pub fn update(&mut self, plan: MediaPlan, now: Instant) -> Result<(), CodecError> {
        if *self.mouth.format() != plan.send {
            self.mouth = Mouth::new(plan.send)?;
        }
        self.session.update(plan, now);
        Ok(())
    }

    /// Takes in all datagrams that are there.
    pub fn receive(&mut self, now: Instant) {
        drain(&self.rtp, Socket::Rtp, &mut self.session, now);
        if let Some(rtcp) = &self.rtcp {
            drain(rtcp, Socket::Rtcp, &mut self.session, now);
        }
    }

    /// Sends the microphone's `pcm`, and what the others of the conference said.
    pub fn speak(&mut self, pcm: &[i16], now: Instant) {
        self.said.clear();
        let muted = self.muted;
        let others = self
            .others
            .drain(..pcm.len().min(self.others.len()))
            .chain(std::iter::repeat(0));
        self.said.extend(pcm.iter().zip(others).map(|(ours, other)| {
            let ours = if muted { 0 } else { i32::from(*ours) };
            let sum = ours + i32::from(other);
            sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
        }));
        self.keys.replace(&mut self.said);
        if let Err(error) = self.mouth.speak(&self.said, &mut self.session, now) {
            tracing::debug!(%error, "a frame could not be encoded");
        }
    }

    /// Fills [`Leg::slice`] with the next `samples` of the far end.
    pub fn hear(&mut self, samples: usize, now: Instant) {
        self.slice.clear();
        self.ear.hear(samples, &mut self.session, now, &mut self.slice);
    }

    /// Passes on what another leg of the conference said.
    pub fn overhear(&mut self, total: &[i32]) {
        let others = total
            .iter()
            .zip(&self.slice)
            .map(|(all, own)| (all - i32::from(*own)).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16);
        self.others.extend(others);
        let surplus = self.others.len().saturating_sub(OTHERS);
        self.others.drain(..surplus);
    }

    /// Does what the session's timers want, and sends what it has to send.
    pub fn drive(&mut self, now: Instant) {
        if self.session.poll_wake().is_some_and(|wake| wake.at <= now) {
            self.session.handle_timeout(now);
        }
        if self.next_report <= now {
            self.next_report = now + REPORT;
            if let Some(loss) = self.session.stats().remote_loss {
                self.mouth.expect_loss(loss);
            }
        }
        self.send();
    }

    /// When [`Leg::drive`] is due.
    pub fn due(&self) -> Option<Instant> {
        self.session.poll_wake().map(|wake| wake.at)
    }

    /// What the far end said last and nobody has heard yet, faded out; empty where it was silent. An exchange hangs up
    /// with its last packet, a person with the last syllable: both are still on their way to the loudspeaker then.
    pub fn last_words(&mut self, now: Instant) -> Vec<i16> {
        let mut words = Vec::with_capacity(LAST_WORDS);
        let mut time = now;
        while self.session.has_speech() && words.len() < LAST_WORDS {
            self.ear.hear(SLICE, &mut self.session, time, &mut words);
            time += SLICE_TIME;
        }
        // The rest of a frame, and the sound that is made up from it, under the fade.
        self.ear.hear(FADE, &mut self.session, time, &mut words);
        let start = words.len().saturating_sub(FADE);
        for (place, sample) in words.iter_mut().skip(start).enumerate() {
            *sample = (i32::from(*sample) * (FADE - place) as i32 / FADE as i32) as i16;
        }
        words
    }

    /// Says goodbye on the wire.
    pub fn close(&mut self, now: Instant) {
        self.session.close(now);
        self.send();
    }

    fn send(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            let socket = match (transmit.socket, &self.rtcp) {
                (Socket::Rtcp, Some(rtcp)) => rtcp,
                _ => &self.rtp,
            };
            // A datagram that the system does not take is a datagram lost, which the far end conceals.
            if let Err(error) = socket.send_to(&transmit.bytes, transmit.to) {
                tracing::trace!(%error, "a datagram was not sent");
            }
        }
    }
}

fn drain(socket: &UdpSocket, kind: Socket, session: &mut MediaSession, now: Instant) {
    let mut datagram = [0; DATAGRAM];
    loop {
        match socket.recv_from(&mut datagram) {
            Ok((length, source)) => {
                let bytes = datagram.get(..length).unwrap_or_default();
                session.handle_datagram(source, bytes, kind, now);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP "port unreachable" of an earlier datagram; it says nothing about the next one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                tracing::debug!(%error, "the media socket failed");
                return;
            }
        }
    }
}

/// Why a call has no sound. The device erred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegError {
    /// The codec could not be made.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The sockets could not be waited for.
    #[error("the media socket cannot be used: {0}")]
    Socket(#[from] io::Error),
}
