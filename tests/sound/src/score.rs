//! Finding in a recording what was said: where, how loud, at what pitch, and what is missing.

/// Samples a second of every recording here.
pub const RATE: usize = 48_000;

/// A recording as samples at 48 kHz.
pub fn read(path: &std::path::Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!((wav.spec().sample_rate, wav.spec().channels), (48_000, 1));
    wav.samples().map(|sample| sample.expect("a whole sample")).collect()
}

/// Writes `pcm` as 16-bit mono at `rate` Hz.
pub fn write(path: &std::path::Path, rate: u32, pcm: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).expect("the temporary folder can be written");
    pcm.iter()
        .for_each(|sample| wav.write_sample(*sample).expect("the disk has room"));
    wav.finalize().expect("the disk has room");
}

/// A steady sine at 48 kHz.
pub fn sine(hertz: f64, peak: f64, seconds: f64) -> Vec<i16> {
    let step = std::f64::consts::TAU * hertz / RATE as f64;
    (0..(RATE as f64 * seconds) as usize)
        .map(|n| (peak * (step * n as f64).sin()) as i16)
        .collect()
}

/// A sound that resembles itself nowhere else: noise below 3.4 kHz in syllables of 150 ms, as loud as speech.
pub fn babble(seed: u32, seconds: f64) -> Vec<i16> {
    let (mut state, mut low, mut lower) = (seed | 1, 0.0f64, 0.0f64);
    let length = (RATE as f64 * seconds) as usize;
    (0..length)
        .map(|n| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            low += 0.2 * (f64::from(state >> 16) - 32_768.0 - low);
            lower += 0.2 * (low - lower);
            let envelope = (std::f64::consts::PI * (n % 7_200) as f64 / 7_200.0).sin();
            (lower * envelope * 0.7) as i16
        })
        .collect()
}

/// How alike two stretches of sound are: 1 the same, 0 unrelated.
pub fn likeness(a: &[i16], b: &[i16]) -> f64 {
    let (mut product, mut left, mut right) = (0.0, 1e-9, 1e-9);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        product += x * y;
        left += x * x;
        right += y * y;
    }
    product / (left * right).sqrt()
}

/// Where in `recording`, from `from` on and at most `most` samples later, `piece` is found best, and how alike it is.
pub fn find(piece: &[i16], recording: &[i16], from: usize, most: usize) -> (usize, f64) {
    let at = |offset: usize| {
        recording
            .get(offset..offset + piece.len())
            .map_or(-1.0, |part| likeness(piece, part))
    };
    let best = |offsets: &mut dyn Iterator<Item = usize>| {
        offsets
            .map(|offset| (offset, at(offset)))
            .fold((from, -1.0), |best, next| if next.1 > best.1 { next } else { best })
    };
    // Every fourth sample first: below 3.4 kHz the peak is wider than that.
    let (rough, _) = best(&mut (from..=from + most).step_by(4));
    best(&mut (rough.saturating_sub(4).max(from)..=rough + 4))
}

/// The delay of each 300 ms of `said` in `heard`, in ms, and how alike it is.
pub fn delays(said: &[i16], heard: &[i16], most_ms: usize) -> Vec<(f64, f64)> {
    let piece = RATE * 3 / 10;
    (0..said.len() / piece)
        .filter_map(|number| {
            let start = number * piece;
            let words = said.get(start..start + piece)?;
            heard.get(start + piece + most_ms * 48..)?;
            let (found, likeness) = find(words, heard, start, most_ms * 48);
            Some(((found - start) as f64 / 48.0, likeness))
        })
        .collect()
}

/// The level in dB below overload of a sine as loud as the part of `pcm` at `hertz`.
pub fn level_at(pcm: &[i16], hertz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let angle = std::f64::consts::TAU * hertz * n as f64 / RATE as f64;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    let peak = 2.0 * (re * re + im * im).sqrt() / pcm.len().max(1) as f64;
    20.0 * (peak / 32_768.0).max(1e-9).log10()
}

/// The longest run of exact silence in `pcm`, in ms.
pub fn longest_silence(pcm: &[i16]) -> f64 {
    let (mut longest, mut run) = (0usize, 0usize);
    for sample in pcm {
        run = if sample.unsigned_abs() <= 1 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest as f64 / 48.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_before_where_the_search_begins() {
        let recording = babble(6, 1.0);
        // The piece begins two samples before: the nearest place that is allowed is the first.
        let piece = &recording[9_998..9_998 + 4_800];
        assert_eq!(find(piece, &recording, 10_000, 400).0, 10_000);
    }

    #[test]
    fn a_delayed_and_softer_copy_is_found_where_it_is() {
        let said = babble(5, 2.0);
        let mut heard = vec![0; 4_321];
        heard.extend(said.iter().map(|sample| sample / 3));
        heard.resize(heard.len() + RATE, 0);
        for (delay, likeness) in delays(&said, &heard, 200) {
            assert!(
                (delay - 4_321.0 / 48.0).abs() < 0.05 && likeness > 0.99,
                "{delay} ms, {likeness}"
            );
        }
        assert!(
            delays(&said, &babble(6, 4.0), 200)
                .iter()
                .all(|(_, likeness)| *likeness < 0.3)
        );
    }

    #[test]
    fn levels_and_silences_are_measured() {
        assert!((level_at(&sine(1000.0, 3276.8, 1.0), 1000.0) + 20.0).abs() < 0.1);
        assert!(level_at(&sine(1000.0, 3276.8, 1.0), 1500.0) < -60.0);
        let mut pcm = sine(1000.0, 3000.0, 0.1);
        pcm.extend([0; 480]);
        pcm.extend(sine(1000.0, 3000.0, 0.1));
        assert!((longest_silence(&pcm) - 10.0).abs() < 0.2);
    }
}
