//! How late what was said is heard: the best match of each stretch of speech, at 8 kHz.

use super::ear::{RATE, Recording};

/// Speech needs no more, and the search costs the square.
const STEP: usize = 6;
const SLOW: f64 = RATE as f64 / STEP as f64;
/// A stretch of one second, every second.
const PIECE: usize = SLOW as usize;
/// The longest delay that is looked for: one second.
const MOST: usize = SLOW as usize;
/// Stretches below this level are pauses.
const SPEECH: f32 = 300.0;
/// How alike the two must be, of 1.
const ALIKE: f32 = 0.5;

/// The delay of each stretch of speech, in ms.
pub fn delays(said: &Recording, heard: &Recording) -> Vec<f64> {
    let (Some(first), Some(second)) = (said.start(), heard.start()) else {
        return Vec::new();
    };
    // How many samples later the second recording began.
    let shift = if second >= first {
        (second - first).as_secs_f64()
    } else {
        -(first - second).as_secs_f64()
    };
    let (said, heard) = (slow(&said.samples), slow(&heard.samples));
    let pieces = said.chunks_exact(PIECE).enumerate();
    let found = pieces.filter_map(|(number, piece)| {
        let expected = (number * PIECE) as f64 - shift * SLOW;
        let from = expected.max(0.0) as usize;
        let place = best(piece, heard.get(from..from + PIECE + MOST)?)?;
        Some((from as f64 + place as f64 - expected) / SLOW * 1000.0)
    });
    found.collect()
}

fn slow(samples: &[i16]) -> Vec<f32> {
    samples
        .chunks_exact(STEP)
        .map(|chunk| chunk.iter().map(|sample| f32::from(*sample)).sum::<f32>() / STEP as f32)
        .collect()
}

/// Where in `heard` the speech `piece` is; `None` for a pause, and where nothing is like it.
fn best(piece: &[f32], heard: &[f32]) -> Option<usize> {
    let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    let said = energy(piece);
    if (said / piece.len() as f32).sqrt() < SPEECH {
        return None;
    }
    let alike = heard.windows(piece.len()).map(|part| {
        let product: f32 = piece.iter().zip(part).map(|(a, b)| a * b).sum();
        product / (said * energy(part)).sqrt().max(1.0)
    });
    let (place, alike) = alike
        .enumerate()
        .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
    (alike > ALIKE).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Noise in syllables, which resembles itself nowhere else.
    fn babble(length: usize) -> Vec<i16> {
        let (mut state, mut low) = (1u32, 0.0f64);
        let samples = (0..length).map(|n| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            low += 0.1 * (f64::from(state >> 16) - 32_768.0 - low);
            (low * (n as f64 / 4_000.0).sin()) as i16
        });
        samples.collect()
    }

    #[test]
    fn an_echo_is_found_at_its_delay_although_the_recordings_began_apart() {
        let began = Instant::now();
        let said = babble(5 * RATE as usize);
        let mut heard = vec![0; 4_800];
        heard.extend(said.iter().map(|sample| sample / 2));
        // The second recording began 50 ms after the first.
        let heard = heard.split_off(2_400);
        let at = |samples: Vec<i16>, start: Instant| Recording::whole(samples, start);
        let found = delays(&at(said, began), &at(heard, began + Duration::from_millis(50)));
        assert!(found.len() >= 3, "{found:?}");
        assert!(found.iter().all(|delay| (delay - 100.0).abs() < 0.2), "{found:?}");
    }

    #[test]
    fn unrelated_sound_and_silence_have_no_delay() {
        let began = Instant::now();
        let said = babble(5 * RATE as usize);
        let mut other = said.clone();
        other.reverse();
        let at = |samples: Vec<i16>| Recording::whole(samples, began);
        assert!(delays(&at(said.clone()), &at(other)).is_empty());
        assert!(delays(&at(vec![0; said.len()]), &at(said)).is_empty());
    }
}
