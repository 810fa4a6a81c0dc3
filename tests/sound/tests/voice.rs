//! The bundled voice and its encoded copies say the same.

#![expect(
    clippy::unwrap_used,
    reason = "test equipment: where it breaks, the test must stop and say so"
)]

use toestel_core::audio::codec;
use toestel_core::audio::resample::Resampler;
use toestel_proto::codec::Codec;
use toestel_sound::score;

const FRAMES: [(Codec, &[u8]); 2] = [
    (Codec::Opus, include_bytes!("../../../core/assets/voice.opus-frames")),
    (Codec::Pcma, include_bytes!("../../../core/assets/voice.pcma-frames")),
];

fn decode(codec: Codec, mut frames: &[u8]) -> Vec<i16> {
    let (mut decoder, mut pcm) = (codec::decoder(codec).unwrap(), Vec::new());
    while let Some((length, rest)) = frames.split_first_chunk::<2>() {
        let (payload, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        decoder.decode(payload, &mut pcm).unwrap();
        frames = rest;
    }
    assert!(frames.is_empty());
    pcm
}

#[test]
fn the_encoded_voices_are_the_bundled_one() {
    let mut wav = hound::WavReader::new(&include_bytes!("../../../core/assets/voice.wav")[..]).unwrap();
    let voice: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let at = |rate: u32, pcm: &[i16]| {
        let mut out = Vec::new();
        Resampler::new(rate, 48_000).process(pcm, &mut out);
        out
    };
    for (codec, frames) in FRAMES {
        let heard = at(codec.sample_rate(), &decode(codec, frames));
        let said = at(16_000, &voice);
        assert!(
            heard.len().abs_diff(said.len()) < 48_000 / 10,
            "{codec:?}: {} of {}",
            heard.len(),
            said.len()
        );
        // Two seconds from the middle of each language.
        for start in [48_000, said.len() / 2 + 24_000] {
            let (_, likeness) = score::find(&said[start..start + 96_000], &heard, start, 2_400);
            assert!(likeness > 0.85, "{codec:?} at {start}: {likeness:.2}");
        }
    }
}
