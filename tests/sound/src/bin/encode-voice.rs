//! Encodes `core/assets/voice.wav` as the frames that the practice exchange sends: it has no codec of its own.
//!
//! `voice.opus-frames` and `voice.pcma-frames`: for each frame of 20 ms its length as two bytes, big-endian, then the
//! payload.

use std::error::Error;
use std::fs;
use std::path::Path;
use toestel_core::audio::codec;
use toestel_core::audio::resample::Resampler;
use toestel_proto::codec::Codec;
use toestel_proto::media::plan::OpusOptions;

fn main() -> Result<(), Box<dyn Error>> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/assets");
    let mut wav = hound::WavReader::open(assets.join("voice.wav"))?;
    let rate = wav.spec().sample_rate;
    let voice = wav.samples().collect::<Result<Vec<i16>, _>>()?;
    for (codec, name) in [(Codec::Opus, "voice.opus-frames"), (Codec::Pcma, "voice.pcma-frames")] {
        fs::write(assets.join(name), encode(codec, rate, &voice)?)?;
    }
    Ok(())
}

fn encode(codec: Codec, rate: u32, voice: &[i16]) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut pcm, mut payload, mut frames) = (Vec::new(), Vec::new(), Vec::new());
    Resampler::new(rate, codec.sample_rate()).process(voice, &mut pcm);
    let mut encoder = codec::encoder(codec, OpusOptions::default())?;
    for frame in pcm.chunks_exact(codec.sample_rate() as usize / 50) {
        encoder.encode(frame, &mut payload)?;
        frames.extend(u16::try_from(payload.len())?.to_be_bytes());
        frames.extend(&payload);
    }
    Ok(frames)
}
