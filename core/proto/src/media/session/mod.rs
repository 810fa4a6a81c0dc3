//! One call's audio stream on the wire: frames and datagrams in, datagrams and frames out.
//!
//! The media thread drives it: [`MediaSession::send_frame`] once for each packet's time, for the whole call and muted
//! or not, for the microphone is the clock of what is sent; [`MediaSession::next`] whenever the output ring is low,
//! for the sound card is the clock of what is played; datagrams as they come; and [`MediaSession::handle_timeout`] at
//! the moment of [`MediaSession::poll_wake`], which paces RTCP, the keep-alive of a held call (RFC 6263) and the watch
//! over a stream that fell silent. After each of them drain `poll_transmit` and `poll_event`.

mod types;

pub use types::*;

use crate::media::dtmf::Digit;
use crate::media::plan::MediaPlan;
use crate::random::Random;
use crate::time::{Instant, Wake};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// The stream. See the module.
#[derive(Debug)]
pub struct MediaSession {
    plan: MediaPlan,
    random: Random,
    stats: MediaStats,
    transmits: VecDeque<Transmit>,
    events: VecDeque<MediaEvent>,
}

impl MediaSession {
    /// A stream that begins now. `random` draws the first sequence number, timestamp, and the times of reports.
    pub fn new(plan: MediaPlan, now: Instant, random: Random) -> Self {
        let _ = now;
        Self {
            plan,
            random,
            stats: MediaStats::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The plan in force.
    pub const fn plan(&self) -> &MediaPlan {
        &self.plan
    }

    /// A new offer and answer: hold, resume, other keys, codecs or addresses. What did not change goes on without a
    /// seam: sequence numbers, the SRTP rollover counter and replay window, the jitter buffer.
    pub fn update(&mut self, plan: MediaPlan, now: Instant) {
        let _ = now;
        self.plan = plan;
    }

    /// A datagram came from `source` by `socket`. What is not for this stream changes nothing.
    pub fn handle_datagram(&mut self, source: SocketAddr, bytes: &[u8], socket: Socket, now: Instant) {
        let _ = (source, bytes, socket, now);
    }

    /// One packet's time of sound: `units` of the send codec's RTP clock. While a key is being sent, or the call is
    /// held, the sound is not sent but its time passes.
    pub fn send_frame(&mut self, frame: Frame<'_>, units: u32, now: Instant) {
        let _ = (frame, units, now);
    }

    /// Sends a key for at least `duration` (100 ms or more is sent) once those before it, and the gap, are over.
    pub fn send_digit(&mut self, digit: Digit, duration: Duration) -> Result<(), DigitError> {
        let _ = (digit, duration);
        Err(DigitError::NotNegotiated)
    }

    /// What to play now.
    pub fn next(&mut self, now: Instant) -> Playout {
        let _ = now;
        Playout {
            play: Play::Silence,
            duration: Duration::from_millis(20),
            stretch: Stretch::Keep,
        }
    }

    /// Tells the far end by RTCP that the stream ends (RFC 3550 6.6). Drain `poll_transmit` once more after it.
    pub fn close(&mut self, now: Instant) {
        let _ = (&mut self.random, now);
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
        None
    }

    /// A moment that [`MediaSession::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The figures so far.
    pub fn stats(&self) -> MediaStats {
        self.stats
    }
}
