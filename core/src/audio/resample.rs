//! Changing the sample rate: 8, 16, 44.1 and 48 kHz, mono, 16 bits.
//!
//! A polyphase FIR: a Kaiser-windowed sinc at the rate both sides share, of which each output sample uses one phase.
//! All memory is taken when it is made. The delay is [`Resampler::delay`]; images and aliases are 60 dB down, speech
//! passes flat to 0.83 of the lower rate's half (3.3 kHz at 8 kHz).

/// Input samples under the filter for each output sample, where the rate goes up; more where it goes down.
const TAPS: usize = 32;
/// The filter's edge, as a share of the lower rate's half.
const CUTOFF: f64 = 0.915;
/// Kaiser's β for 60 dB.
const BETA: f64 = 5.65;

/// Converts one stream from one rate to another.
pub struct Resampler {
    /// The phases of the filter one after the other, each the length of the window, newest input first.
    phases: Vec<f32>,
    /// The last inputs, oldest first; twice the window, so that it is moved seldom.
    window: Vec<f32>,
    taps: usize,
    filled: usize,
    up: usize,
    down: usize,
    /// The next output's place between the inputs, in units of 1/`up`.
    place: usize,
}

impl Resampler {
    /// A converter from `from` to `to`, both in Hz and above zero.
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1) as usize, to.max(1) as usize);
        let shared = gcd(from, to);
        let (up, down) = (to / shared, from / shared);
        // Going down, the filter is as much longer as it is narrower.
        let taps = (TAPS * down.max(up)).div_ceil(up);
        Self {
            phases: design(up, down, taps),
            window: vec![0.0; taps * 8],
            taps,
            filled: taps - 1,
            up,
            down,
            place: 0,
        }
    }

    /// Appends the converted `input` to `output`.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if self.up == self.down {
            output.extend_from_slice(input);
            return;
        }
        for sample in input {
            self.push(f32::from(*sample));
            while self.place < self.up {
                output.push(self.output());
                self.place += self.down;
            }
            self.place -= self.up;
        }
    }

    /// By how many output samples what comes out lags behind what goes in.
    pub fn delay(&self) -> usize {
        if self.up == self.down {
            0
        } else {
            self.taps * self.up / (2 * self.down)
        }
    }

    fn push(&mut self, sample: f32) {
        if self.filled == self.window.len() {
            let kept = self.taps - 1;
            self.window.copy_within(self.filled - kept.., 0);
            self.filled = kept;
        }
        if let Some(slot) = self.window.get_mut(self.filled) {
            *slot = sample;
        }
        self.filled += 1;
    }

    fn output(&self) -> i16 {
        let phase = self.phases.get(self.place * self.taps..).unwrap_or_default();
        let newest = self
            .window
            .get(self.filled - self.taps..self.filled)
            .unwrap_or_default();
        let sum: f32 = phase
            .iter()
            .zip(newest.iter().rev())
            .map(|(tap, sample)| tap * sample)
            .sum();
        sum.round().clamp(-32_768.0, 32_767.0) as i16
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The filter's phases. Phase `p` weighs input `t` samples back by the sinc at `t + p/up` from the filter's start.
fn design(up: usize, down: usize, taps: usize) -> Vec<f32> {
    let length = (taps * up) as f64;
    let centre = (length - 1.0) / 2.0;
    // In cycles per sample of the shared rate.
    let cutoff = CUTOFF * 0.5 / up.max(down) as f64;
    let mut phases = Vec::with_capacity(taps * up);
    for phase in 0..up {
        for tap in 0..taps {
            let at = (tap * up + phase) as f64 - centre;
            let shape = bessel(BETA * (1.0 - (2.0 * at / length).powi(2)).max(0.0).sqrt()) / bessel(BETA);
            phases.push((sinc(2.0 * cutoff * at) * 2.0 * cutoff * shape * up as f64) as f32);
        }
    }
    phases
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// The modified Bessel function of the first kind, order zero.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..32 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, hertz: f64, seconds: f64) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| (10_000.0 * (step * n as f64).sin()) as i16)
            .collect()
    }

    fn convert(from: u32, to: u32, input: &[i16]) -> Vec<i16> {
        let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
        // In frames of odd sizes, as devices give them.
        for frame in input.chunks(317) {
            resampler.process(frame, &mut output);
        }
        output
    }

    /// How much of `signal` is a sine of `hertz`, and how much is anything else, both as power.
    fn split(signal: &[i16], rate: u32, hertz: f64) -> (f64, f64) {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        let cycles = (signal.len() as f64 * hertz / f64::from(rate)).floor();
        let length = (cycles * f64::from(rate) / hertz).round() as usize;
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in signal[..length].iter().enumerate() {
            let sample = f64::from(*sample);
            re += sample * (step * n as f64).cos();
            im += sample * (step * n as f64).sin();
            power += sample * sample;
        }
        let tone = 2.0 * (re * re + im * im) / (length as f64 * length as f64);
        (tone, (power / length as f64 - tone).max(1e-9))
    }

    #[test]
    fn tones_of_speech_pass_every_conversion_at_their_level_and_cleanly() {
        for (from, to) in [
            (48_000, 8_000),
            (8_000, 48_000),
            (48_000, 16_000),
            (16_000, 48_000),
            (44_100, 48_000),
            (48_000, 44_100),
        ] {
            for hertz in [300.0, 1000.0, 3000.0] {
                let output = convert(from, to, &sine(from, hertz, 1.0));
                let (tone, rest) = split(&output[output.len() / 10..], to, hertz);
                let level = 10.0 * (tone / (10_000f64.powi(2) / 2.0)).log10();
                let snr = 10.0 * (tone / rest).log10();
                assert!(
                    level.abs() < 0.2 && snr > 55.0,
                    "{from} to {to}, {hertz} Hz: {level:.2} dB, SNR {snr:.1} dB"
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_removed_and_does_not_fold_back() {
        for (to, hertz) in [
            (8_000, 4_700.0),
            (8_000, 7_000.0),
            (16_000, 9_500.0),
            (16_000, 15_000.0),
        ] {
            let output = convert(48_000, to, &sine(48_000, hertz, 1.0));
            let tail = &output[output.len() / 10..];
            let power = tail.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / tail.len() as f64;
            let below = 10.0 * (power.max(1e-9) / (10_000f64.powi(2) / 2.0)).log10();
            assert!(below < -55.0, "{hertz} Hz to {to}: {below:.1} dB");
        }
    }

    #[test]
    fn a_second_in_is_a_second_out_and_the_delay_is_as_said() {
        for (from, to) in [(48_000u32, 8_000u32), (8_000, 48_000), (44_100, 48_000)] {
            let mut input = vec![0; from as usize];
            input[from as usize / 2] = 20_000;
            let output = convert(from, to, &input);
            assert!(
                output.len().abs_diff(to as usize) <= 1,
                "{from} to {to}: {} samples",
                output.len()
            );
            let peak = output
                .iter()
                .enumerate()
                .max_by_key(|(_, sample)| sample.abs())
                .unwrap()
                .0;
            let said = to as usize / 2 + Resampler::new(from, to).delay();
            let slack = (to / from.min(to)) as usize + 1;
            assert!(
                peak.abs_diff(said) <= slack,
                "{from} to {to}: peak at {peak}, said {said}"
            );
        }
    }
}
