//! The tones that a telephone makes itself: ring-back, busy, congestion, call waiting, the ringing of an incoming call,
//! and the feedback of a pressed key.
//!
//! The cadences are those of the Dutch network (ITU-T E.180 supplement 2): 425 Hz. Tones are mixed into the speaker;
//! what is sent has a tone only where keys go as sound.

use std::f32::consts::TAU;

/// The rate at which tones are made, in Hz.
const RATE: f32 = 48_000.0;
/// A tone starts and ends over this many samples (5 ms), so that it does not click.
const RAMP: u32 = 240;
/// The level of call progress tones, and of each of a key's two.
const PROGRESS_LEVEL: f32 = 4_000.0;
const KEY_LEVEL: f32 = 2_000.0;
const RING_LEVEL: f32 = 6_000.0;

/// A tone that the phone makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// The far end rings: 1 s on, 4 s off.
    RingBack,
    /// The far end is busy: 0.5 s on, 0.5 s off.
    Busy,
    /// The network cannot: 0.25 s on, 0.25 s off.
    Congestion,
    /// A second call is waiting: 0.5 s on, 9.5 s off.
    CallWaiting,
    /// Our own ringing, for the ring device.
    Ring,
    /// A pressed key: `0`–`9`, `*`, `#`, `A`–`D`; other characters are silent. It ends by itself after 0.12 s.
    Key(char),
}

/// Part of a cadence: two frequencies in Hz (0 is none) for so many ms.
type Part = (f32, f32, u32);

impl Tone {
    fn cadence(self) -> (&'static [Part], f32) {
        match self {
            Self::RingBack => (&[(425.0, 0.0, 1000), (0.0, 0.0, 4000)], PROGRESS_LEVEL),
            Self::Busy => (&[(425.0, 0.0, 500), (0.0, 0.0, 500)], PROGRESS_LEVEL),
            Self::Congestion => (&[(425.0, 0.0, 250), (0.0, 0.0, 250)], PROGRESS_LEVEL),
            Self::CallWaiting => (&[(425.0, 0.0, 500), (0.0, 0.0, 9500)], PROGRESS_LEVEL),
            Self::Ring => (
                &[
                    (784.0, 988.0, 180),
                    (988.0, 1175.0, 180),
                    (784.0, 988.0, 180),
                    (988.0, 1175.0, 180),
                    (0.0, 0.0, 2280),
                ],
                RING_LEVEL,
            ),
            Self::Key(_) => (&[], KEY_LEVEL),
        }
    }

    /// The two frequencies of a key (ITU-T Q.23).
    fn key_frequencies(key: char) -> Option<(f32, f32)> {
        let place = "123A456B789C*0#D".find(key.to_ascii_uppercase())?;
        let row = [697.0, 770.0, 852.0, 941.0].get(place / 4)?;
        let column = [1209.0, 1336.0, 1477.0, 1633.0].get(place % 4)?;
        Some((*row, *column))
    }
}

/// Plays one [`Tone`] from its start.
pub struct TonePlayer {
    tone: Tone,
    part: usize,
    /// Samples into the part.
    position: u32,
    phases: (f32, f32),
}

impl TonePlayer {
    /// At the start of `tone`.
    pub fn new(tone: Tone) -> Self {
        Self {
            tone,
            part: 0,
            position: 0,
            phases: (0.0, 0.0),
        }
    }

    /// The tone that is playing.
    pub fn tone(&self) -> Tone {
        self.tone
    }

    /// Adds the next samples to `mix`. False once the tone has ended by itself.
    pub fn add_to(&mut self, mix: &mut [i32]) -> bool {
        for sample in mix {
            let Some((first, second, millis)) = self.current() else {
                return false;
            };
            let length = millis * (RATE as u32 / 1000);
            let edge = self.position.min(length.saturating_sub(self.position)).min(RAMP) as f32 / RAMP as f32;
            let level = self.tone.cadence().1 * edge;
            *sample += (level * (wave(&mut self.phases.0, first) + wave(&mut self.phases.1, second))) as i32;
            self.position += 1;
            if self.position >= length {
                self.position = 0;
                self.part += 1;
            }
        }
        true
    }

    fn current(&self) -> Option<Part> {
        if let Tone::Key(key) = self.tone {
            let (row, column) = Tone::key_frequencies(key)?;
            return (self.part == 0).then_some((row, column, 120));
        }
        let (parts, _) = self.tone.cadence();
        parts.get(self.part.checked_rem(parts.len())?).copied()
    }
}

/// The next sample of a sine; silence at 0 Hz.
fn wave(phase: &mut f32, hertz: f32) -> f32 {
    if hertz == 0.0 {
        return 0.0;
    }
    *phase = (*phase + hertz / RATE).fract();
    (*phase * TAU).sin()
}

/// Writes `mix` to `pcm`, clipping what does not fit 16 bits instead of letting it wrap.
pub fn saturate(mix: &[i32], pcm: &mut Vec<i16>) {
    pcm.extend(
        mix.iter()
            .map(|sample| (*sample).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(tone: Tone, seconds: f64) -> Vec<i32> {
        let mut mix = vec![0; (48_000.0 * seconds) as usize];
        let mut player = TonePlayer::new(tone);
        for frame in mix.chunks_mut(480) {
            player.add_to(frame);
        }
        mix
    }

    /// The share of the power of `mix` that is at `hertz`.
    fn share(mix: &[i32], hertz: f64) -> f64 {
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in mix.iter().enumerate() {
            let angle = std::f64::consts::TAU * hertz * n as f64 / 48_000.0;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
            power += f64::from(*sample).powi(2);
        }
        2.0 * (re * re + im * im) / (mix.len() as f64 * power)
    }

    #[test]
    fn ring_back_is_425_hz_one_second_on_and_four_off() {
        let mix = play(Tone::RingBack, 10.0);
        assert!(share(&mix[..48_000], 425.0) > 0.98);
        assert!(mix[48_000..240_000].iter().all(|sample| *sample == 0));
        assert!(share(&mix[240_000..288_000], 425.0) > 0.98);
        assert!(mix[288_000..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn busy_and_congestion_differ_in_their_beat() {
        let silent = |mix: &[i32]| mix.iter().filter(|sample| **sample == 0).count() as f64 / mix.len() as f64;
        for (tone, beat) in [(Tone::Busy, 24_000), (Tone::Congestion, 12_000)] {
            let mix = play(tone, 2.0);
            for (number, part) in mix.chunks(beat).enumerate() {
                let expected = if number % 2 == 0 { 0.0..0.1 } else { 0.99..1.1 };
                assert!(expected.contains(&silent(part)), "{tone:?} part {number}");
            }
        }
    }

    #[test]
    fn each_key_has_its_two_frequencies_and_ends_by_itself() {
        let mix = play(Tone::Key('8'), 0.12);
        let both = share(&mix, 852.0) + share(&mix, 1336.0);
        assert!(both > 0.9, "{both:.2}");
        let mut player = TonePlayer::new(Tone::Key('8'));
        assert!(player.add_to(&mut [0; 5_000]));
        assert!(!player.add_to(&mut [0; 1_000]));
        assert!(!TonePlayer::new(Tone::Key('x')).add_to(&mut [0; 10]));
    }

    #[test]
    fn a_tone_never_jumps_by_more_than_its_own_slope() {
        let mix = play(Tone::RingBack, 6.0);
        let steepest = mix.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
        assert!(steepest < 230, "a click of {steepest}");
    }

    #[test]
    fn too_loud_a_mix_is_clipped_and_does_not_wrap() {
        let mut pcm = Vec::new();
        saturate(&[40_000, -40_000, 5], &mut pcm);
        assert_eq!(pcm, [i16::MAX, i16::MIN, 5]);
    }
}
