//! Concealment of lost frames for the codecs that bring none of their own (G.711, G.722).
//!
//! The idea of G.711 Appendix I, simplified: keep the last 50 ms, find the pitch period in them, repeat it with a
//! cross-faded joint, fade to silence over 60 ms, and blend into the first good frame after the gap. It holds back
//! no samples, so it adds no delay. It does not extrapolate the spectrum: after 40 ms it sounds like what it is.

/// Remembers what was played and continues it plausibly.
pub struct Concealment {
    history: Vec<i16>,
    rate: usize,
    period: usize,
    /// Where the next repeated sample is, counted from the start of the last period.
    phase: usize,
    /// Samples concealed since the last good frame.
    concealed: usize,
}

/// The longest pitch period that is looked for, in ms (66 Hz), and the shortest (200 per mille: 5 ms, 200 Hz).
const LONGEST_MS: usize = 15;
const SHORTEST_MS: usize = 5;
/// How much is remembered: two of the longest periods and the joint.
const HISTORY_MS: usize = 50;
/// Full level for this long, then down to nothing.
const HOLD_MS: usize = 10;
const FADE_MS: usize = 50;
/// The blend from the concealment into the first good frame.
const BLEND_MS: usize = 4;

impl Concealment {
    /// For PCM at `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let rate = rate as usize;
        Self {
            history: vec![0; rate * HISTORY_MS / 1000],
            rate,
            period: 0,
            phase: 0,
            concealed: 0,
        }
    }

    /// Takes note of a good frame, and blends its start if it follows a gap.
    pub fn good(&mut self, pcm: &mut [i16]) {
        if self.concealed > 0 {
            let blend = self.samples(BLEND_MS).min(pcm.len()).max(1);
            for (position, sample) in pcm.iter_mut().take(blend).enumerate() {
                let old = i32::from(self.continued());
                let mixed = (old * (blend - position) as i32 + i32::from(*sample) * position as i32) / blend as i32;
                *sample = mixed as i16;
            }
            self.concealed = 0;
        }
        self.remember(pcm);
    }

    /// Appends `samples` of made-up sound to `pcm`.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        if self.concealed == 0 {
            self.period = self.pitch_period();
            self.phase = 0;
        }
        pcm.extend((0..samples).map(|_| self.continued()));
    }

    fn samples(&self, millis: usize) -> usize {
        self.rate * millis / 1000
    }

    fn remember(&mut self, pcm: &[i16]) {
        let keep = self.history.len();
        let fresh = pcm.get(pcm.len().saturating_sub(keep)..).unwrap_or(pcm);
        self.history.rotate_left(fresh.len());
        for (slot, sample) in self.history.iter_mut().rev().zip(fresh.iter().rev()) {
            *slot = *sample;
        }
    }

    /// The next sample of the repeated period, at the level that is left of it.
    fn continued(&mut self) -> i16 {
        let gone = self.concealed;
        self.concealed = self.concealed.saturating_add(1);
        let (hold, fade) = (self.samples(HOLD_MS), self.samples(FADE_MS));
        let left = fade.saturating_sub(gone.saturating_sub(hold));
        if left == 0 || self.period == 0 {
            return 0;
        }
        let sample = self.repeated(self.phase);
        self.phase = (self.phase + 1) % self.period;
        (i64::from(sample) * left as i64 / fade as i64) as i16
    }

    /// Sample `phase` of the last period; its last quarter is cross-faded into the samples before the period, so that
    /// the end of one repetition meets the start of the next without a step.
    fn repeated(&self, phase: usize) -> i16 {
        let start = self.history.len() - self.period;
        let at = |index: usize| i32::from(self.history.get(index).copied().unwrap_or(0));
        let overlap = (self.period / 4).max(1);
        let into = (phase + overlap).saturating_sub(self.period);
        let (last, before) = (at(start + phase), at((start + phase).saturating_sub(self.period)));
        ((last * (overlap - into) as i32 + before * into as i32) / overlap as i32) as i16
    }

    /// The lag at which the last 15 ms resemble what came before them most, by normalised correlation.
    fn pitch_period(&self) -> usize {
        let (shortest, longest) = (self.samples(SHORTEST_MS), self.samples(LONGEST_MS));
        let recent = self.history.get(self.history.len() - longest..).unwrap_or(&[]);
        let mut best = (longest, 0.0f64);
        for lag in shortest..=longest {
            let start = self.history.len() - longest - lag;
            let Some(earlier) = self.history.get(start..start + longest) else {
                continue;
            };
            let (mut product, mut energy) = (0i64, 1i64);
            // Every other sample is enough to find a pitch, at half the cost.
            for (a, b) in recent.iter().zip(earlier).step_by(2) {
                product += i64::from(*a) * i64::from(*b);
                energy += i64::from(*b) * i64::from(*b);
            }
            let likeness = product as f64 / (energy as f64).sqrt();
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voice-like: a 125 Hz pulse train through two formants is overkill; three harmonics do.
    fn voice(from: usize, samples: usize) -> Vec<i16> {
        (from..from + samples)
            .map(|n| {
                let t = n as f64 / 8000.0 * std::f64::consts::TAU * 125.0;
                (6000.0 * t.sin() + 3000.0 * (2.0 * t).sin() + 2000.0 * (5.0 * t).sin()) as i16
            })
            .collect()
    }

    #[test]
    fn a_lost_frame_of_a_steady_voice_is_continued_at_its_pitch() {
        let mut concealment = Concealment::new(8000);
        concealment.good(&mut voice(0, 800));
        let mut made_up = Vec::new();
        concealment.conceal(80, &mut made_up);
        let (mut error, mut signal) = (0.0, 0.0);
        for (a, b) in made_up.iter().zip(voice(800, 80)) {
            error += (f64::from(*a) - f64::from(b)).powi(2);
            signal += f64::from(b).powi(2);
        }
        assert!(
            10.0 * f64::log10(signal / error) > 20.0,
            "SNR {:.1} dB",
            10.0 * f64::log10(signal / error)
        );
    }

    #[test]
    fn a_long_gap_fades_to_silence_and_stays_silent() {
        let mut concealment = Concealment::new(8000);
        concealment.good(&mut voice(0, 800));
        let mut made_up = Vec::new();
        concealment.conceal(1600, &mut made_up);
        assert!(made_up[..80].iter().any(|sample| sample.abs() > 3000));
        assert!(made_up[480..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn the_first_good_frame_after_a_gap_starts_without_a_step() {
        let mut concealment = Concealment::new(8000);
        concealment.good(&mut voice(0, 800));
        let mut made_up = Vec::new();
        concealment.conceal(160, &mut made_up);
        // The voice comes back half a period off: the worst joint.
        let mut frame = voice(960 + 32, 160);
        concealment.good(&mut frame);
        let step = (i32::from(frame[0]) - i32::from(made_up[159])).abs();
        let steepest = voice(0, 800)
            .windows(2)
            .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
            .max();
        assert!(step <= steepest.unwrap(), "step {step}");
    }
}
