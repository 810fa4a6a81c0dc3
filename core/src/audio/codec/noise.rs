//! Comfort noise: what a silent line sounds like, so that a pause is not taken for a dead call (RFC 3389).
//!
//! White noise at the level that the far end named, or at a barely audible one; RFC 3389's optional spectrum is not
//! used.

/// The level where the far end named none, in dB below overload.
const DEFAULT_LEVEL: u8 = 70;

/// A source of quiet noise.
pub struct ComfortNoise {
    state: u32,
    peak: i32,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        let mut noise = Self {
            state: 0x9e37_79b9,
            peak: 0,
        };
        noise.set_level(DEFAULT_LEVEL);
        noise
    }
}

impl ComfortNoise {
    /// Sets the level to `below_overload` dB (RFC 3389 section 3.1); louder than -30 dBov is taken as -30.
    pub fn set_level(&mut self, below_overload: u8) {
        let rms = 32_768.0 * 10f64.powf(-f64::from(below_overload.max(30)) / 20.0);
        // Evenly distributed noise has a peak of sqrt(3) times its level.
        self.peak = (rms * 3f64.sqrt()).round() as i32;
    }

    /// Appends `samples` of noise.
    pub fn fill(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        pcm.extend((0..samples).map(|_| self.sample()));
    }

    fn sample(&mut self) -> i16 {
        // xorshift32 (Marsaglia 2003): nobody listens for patterns at -70 dB.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        let width = self.peak * 2 + 1;
        ((self.state >> 1) as i32 % width - self.peak) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_has_the_level_that_was_asked_for() {
        let mut noise = ComfortNoise::default();
        noise.set_level(50);
        let mut pcm = Vec::new();
        noise.fill(48_000, &mut pcm);
        let power = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / 48_000.0;
        let level = 10.0 * (power / 32_768f64.powi(2)).log10();
        assert!((level + 50.0).abs() < 0.5, "{level:.1} dBov");
    }
}
