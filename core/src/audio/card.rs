//! What the media thread sees of a sound card: a clock that takes 10 ms of speaker and gives 20 ms of microphone.
//!
//! Everything here is 48 kHz, mono, 16 bits; a card converts if its device wants something else. There are three:
//! [`super::pulse`] (PulseAudio and PipeWire), [`super::stream`] (cpal: ALSA, Core Audio, WASAPI) and
//! [`super::wavdev`] (files, or nothing). A card is driven by one thread and calls nobody back.

use std::io;
use std::time::Duration;
use toestel_proto::time::Instant;

/// Samples a second.
pub const RATE: u32 = 48_000;
/// Samples of the microphone in a frame of 20 ms.
pub const FRAME: usize = 960;
/// Samples of the speaker that are mixed at once: 10 ms.
pub const SLICE: usize = 480;
/// How long a slice lasts.
pub const SLICE_TIME: Duration = Duration::from_millis(10);

/// What a card has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The system moved our sound to another device, here by its id.
    Moved {
        /// Whether it is the microphone that moved.
        microphone: bool,
        /// The new device.
        to: String,
    },
    /// The chosen device is not there; the system's default is used instead.
    NotThere {
        /// Whether it is the microphone that is missing.
        microphone: bool,
    },
    /// The card is gone for good: replace it.
    Gone(String),
    /// The recording failed and has stopped; the call has not.
    RecordingFailed(String),
}

/// A sound card.
pub trait Card: Send {
    /// Registers what wakes this card with `registry`, if anything does; called once.
    fn register(&mut self, _registry: &mio::Registry, _token: mio::Token) -> io::Result<()> {
        Ok(())
    }

    /// When the card must be serviced even if nothing woke it.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Takes in what the device has for us, and notes what time it is.
    fn service(&mut self, now: Instant);

    /// The next thing to tell the user.
    fn poll_notice(&mut self) -> Option<Notice> {
        None
    }

    /// From now on the microphone is wanted.
    fn open_microphone(&mut self);

    /// The media of this run's `number`th call, counted from 1, begins: file cards start their clock and their files.
    fn begin_call(&mut self, _number: u32, _now: Instant) {}

    /// How many samples the speaker takes now.
    fn room(&self) -> usize;

    /// Plays `pcm`, which is at most [`Card::room`] long.
    fn play(&mut self, pcm: &[i16]);

    /// Appends what the microphone has heard since the last time.
    fn capture(&mut self, pcm: &mut Vec<i16>);
}

/// A clock in place of a sound card: tells how many samples are due at each moment.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    start: Instant,
    given: u64,
}

impl Pacer {
    /// Begins at `start`: the first frame is due at once.
    pub const fn new(start: Instant) -> Self {
        Self { start, given: 0 }
    }

    /// The samples that are due at `now` and not yet taken, in whole frames.
    pub fn due(&self, now: Instant) -> usize {
        let frames = now.since(self.start).as_millis() / 20 + 1;
        let total = u64::try_from(frames).unwrap_or(u64::MAX).saturating_mul(FRAME as u64);
        usize::try_from(total.saturating_sub(self.given)).unwrap_or(0)
    }

    /// Notes that `samples` were taken.
    pub fn take(&mut self, samples: usize) {
        self.given = self.given.saturating_add(samples as u64);
    }

    /// When the next frame is due.
    pub fn next(&self) -> Instant {
        self.start + Duration::from_millis((self.given / FRAME as u64).saturating_mul(20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pacer_gives_the_first_frame_at_once_and_then_one_every_20_ms_late_or_not() {
        let start = Instant::from_millis(1000);
        let mut pacer = Pacer::new(start);
        assert_eq!(pacer.due(start), FRAME);
        pacer.take(FRAME);
        assert_eq!(pacer.due(Instant::from_millis(1019)), 0);
        assert_eq!(pacer.next(), Instant::from_millis(1020));
        // The thread was held up for 100 ms: nothing is left out.
        assert_eq!(pacer.due(Instant::from_millis(1120)), 6 * FRAME);
    }
}
