//! Speech to send, and what it is worth when it comes back (PESQ, ITU-T P.862.2 wide-band).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ezk_g722::libg722::{Bitrate, decoder::Decoder};

use crate::cache;

/// A prompt of Asterisk's own sounds: a human voice at 16 kHz. It stays on the machine that fetched it.
const PROMPT: &str = "usr/share/asterisk/sounds/en_US_f_Allison/demo-congrats.g722";
const RATE: u32 = 16_000;
/// How much of the prompt is used.
const SECONDS: u32 = 10;
const SCORE: &str = include_str!("../score.py");

/// Ten seconds of speech: 16-bit mono WAV at 16 kHz.
pub fn speech() -> PathBuf {
    let prompt = cache::asterisk().join(PROMPT);
    cache::made("speech.wav", |path| {
        let encoded = fs::read(prompt).expect("the chroot has the prompt");
        let samples = Decoder::new(Bitrate::Mode1_64000, false, false).decode(&encoded);
        write_wav(path, RATE, samples.into_iter().take((RATE * SECONDS) as usize));
    })
}

/// The same speech as Asterisk plays it: samples without a header.
pub fn write_raw(path: &Path) {
    let bytes: Vec<u8> = read_wav(&speech())
        .0
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    fs::write(path, bytes).expect("the lab's folder can be written");
}

/// Samples of a 16-bit mono WAV file, and their rate.
pub fn read_wav(path: &Path) -> (Vec<i16>, u32) {
    let mut reader = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let samples = reader
        .samples::<i16>()
        .map(|sample| sample.expect("a whole WAV file"))
        .collect();
    (samples, reader.spec().sample_rate)
}

/// Root mean square of `samples`, of a full scale of 32768.
pub fn level(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / (samples.len().max(1) as f64)).sqrt()
}

/// How well `heard` repeats `sent`, from 1.0 to 4.64.
pub fn pesq(sent: &Path, heard: &Path) -> f64 {
    let text = cache::output(&mut scorer(sent, heard));
    text.trim().parse().unwrap_or_else(|_| panic!("no score in: {text}"))
}

/// As [`pesq`], but `None` where too little was heard to be scored.
pub fn pesq_if_heard(sent: &Path, heard: &Path) -> Option<f64> {
    let output = scorer(sent, heard).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn scorer(sent: &Path, heard: &Path) -> Command {
    let mut command = Command::new(cache::python());
    command.args(["-c", SCORE]).arg(sent).arg(heard);
    command
}

/// Writes `samples` as 16-bit mono WAV.
pub fn write_wav(path: &Path, rate: u32, samples: impl Iterator<Item = i16>) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("the cache can be written");
    for sample in samples {
        writer.write_sample(sample).expect("the cache can be written");
    }
    writer.finalize().expect("the cache can be written");
}
