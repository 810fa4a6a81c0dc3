//! The watch over a stream that fell silent: steps at which the call is told.

use super::MediaEvent;
use crate::time::{Instant, Wake, earliest};
use std::time::Duration;

/// Without RTP while we expect some. The first is when a user wonders; the last, when the call may be dead.
const SPEECH_STEPS: [u64; 4] = [2, 10, 30, 60];
/// Without RTP and RTCP.
const MEDIA_STEPS: [u64; 4] = [20, 60, 120, 300];

#[derive(Debug)]
pub(super) struct Watch {
    speech: Silence,
    media: Silence,
}

/// Since when there is nothing, and how many steps were told.
#[derive(Clone, Copy, Debug)]
struct Silence {
    since: Instant,
    told: usize,
}

impl Watch {
    pub const fn new(now: Instant) -> Self {
        let silence = Silence { since: now, told: 0 };
        Self {
            speech: silence,
            media: silence,
        }
    }

    pub const fn heard_rtp(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    pub const fn heard_rtcp(&mut self, now: Instant) {
        self.media = Silence { since: now, told: 0 };
    }

    pub fn wake(&self, expects_speech: bool) -> Option<Wake> {
        let speech = self.speech.due(&SPEECH_STEPS).filter(|_| expects_speech);
        earliest([
            speech.map(|at| Wake::new(at, "no speech")),
            self.media.due(&MEDIA_STEPS).map(|at| Wake::new(at, "no media")),
        ])
    }

    pub fn check(&mut self, expects_speech: bool, now: Instant) -> [Option<MediaEvent>; 2] {
        let speech = if expects_speech {
            self.speech.step(&SPEECH_STEPS, now)
        } else {
            None
        };
        [
            speech.map(MediaEvent::NoSpeechFor),
            self.media.step(&MEDIA_STEPS, now).map(MediaEvent::NoMediaFor),
        ]
    }
}

impl Silence {
    fn due(&self, steps: &[u64]) -> Option<Instant> {
        steps
            .get(self.told)
            .map(|seconds| self.since + Duration::from_secs(*seconds))
    }

    /// The longest step that has passed and was not told.
    fn step(&mut self, steps: &[u64], now: Instant) -> Option<Duration> {
        let mut passed = None;
        while let Some(seconds) = steps.get(self.told) {
            let length = Duration::from_secs(*seconds);
            if self.since + length > now {
                break;
            }
            self.told = self.told.saturating_add(1);
            passed = Some(length);
        }
        passed
    }
}
