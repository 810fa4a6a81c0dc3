//! Randomness as an argument: tags, branches, Call-IDs, keys and the jitter of back-off all come from here.
//!
//! In a phone the source is the operating system's; in a test it is [`Seeded`], and the seed repeats the whole run.

use std::fmt;
use std::time::Duration;

/// A source of random bytes. In production it must be cryptographically strong: media keys are drawn from it.
pub trait Entropy: Send {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The draws that the machines make from an [`Entropy`].
pub struct Random(Box<dyn Entropy>);

impl Random {
    /// Draws from `source`.
    pub fn new(source: impl Entropy + 'static) -> Self {
        Self(Box::new(source))
    }

    /// A repeatable stream, for tests and the simulated world. Never for a real call: keys would be guessable.
    pub fn seeded(seed: u64) -> Self {
        Self::new(Seeded(seed))
    }

    /// Fills `bytes`, for keys and salts.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// A number from the whole range.
    pub fn u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number from the whole range.
    pub fn u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias is below 2^-32 for every bound that fits 32 bits.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.u64().checked_rem(bound).unwrap_or(0)
    }

    /// A number from 0 up to but not including 1.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// A duration from `low` to `high`.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        low.saturating_add(high.saturating_sub(low).mul_f64(self.unit()))
    }

    /// `bytes` random bytes as lower-case hexadecimal: for tags, branches and Call-IDs.
    pub fn token(&mut self, bytes: usize) -> String {
        use fmt::Write;
        let mut buffer = vec![0; bytes];
        self.fill(&mut buffer);
        buffer
            .iter()
            .fold(String::with_capacity(bytes.saturating_mul(2)), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, repeatable, not secret.
struct Seeded(u64);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let block = (mixed ^ (mixed >> 31)).to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(block) {
                *byte = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_draws_and_another_seed_does_not() {
        let draw = |seed| Random::seeded(seed).token(16);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn durations_stay_between_their_bounds() {
        let mut random = Random::seeded(1);
        let (low, high) = (Duration::from_secs(15), Duration::from_secs(30));
        for _ in 0..1_000 {
            let drawn = random.duration(low, high);
            assert!(low <= drawn && drawn <= high);
        }
    }
}
