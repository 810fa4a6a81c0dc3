//! A sound card made of files, or of nothing, for tests, benches and machines without sound.
//!
//! `file:PLAY,RECORD`: PLAY (16-bit mono WAV at 8, 16 or 48 kHz) is the microphone, in real time from a call's first
//! frame, then silence; RECORD is what the speaker would have played, 48 kHz mono, from that same instant and without
//! gaps; its header is right after every second. The next call starts PLAY again and writes RECORD.2, and so on.
//! `null` sends silence and discards what it hears.

use super::card::{Card, FRAME, Notice, Pacer, RATE};
use super::resample::Resampler;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use toestel_proto::time::Instant;

/// A synthetic voice, for machines without a microphone: 16 kHz, a sentence in Dutch and one in English.
const VOICE: &[u8] = include_bytes!("../../assets/voice.wav");

/// Why the files cannot serve as a sound card. The user erred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileCardError {
    /// PLAY cannot be read.
    #[error("cannot read the sound file {path}: {source}; give a 16-bit mono WAV")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: hound::Error,
    },
    /// PLAY has another format than those that are taken.
    #[error("the sound file {path} is not 16-bit mono WAV at 8, 16 or 48 kHz: convert it")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// RECORD cannot be written.
    #[error("cannot write the recording {path}: {source}; give a file in a folder of yours, on a disk with space")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: hound::Error,
    },
}

/// Whether a recording can begin at `path`; an empty one is left there.
///
/// # Errors
/// [`FileCardError::Unwritable`].
pub fn try_recording(path: &Path) -> Result<(), FileCardError> {
    Recording::create(path)
        .map(drop)
        .map_err(|source| FileCardError::Unwritable {
            path: path.to_owned(),
            source,
        })
}

/// A card of files; without them, the null card.
pub struct FileCard {
    voice: Vec<i16>,
    /// The next sample of the voice.
    position: usize,
    record: Option<PathBuf>,
    recording: Option<Recording>,
    now: Instant,
    microphone: Option<Pacer>,
    speaker: Option<Pacer>,
    failure: Option<String>,
}

impl FileCard {
    /// A card that says nothing and hears nothing.
    pub fn null() -> Self {
        Self {
            voice: Vec::new(),
            position: 0,
            record: None,
            recording: None,
            now: Instant::ORIGIN,
            microphone: None,
            speaker: None,
            failure: None,
        }
    }

    /// A card that plays `play` and writes `record`; reads `play` at once.
    pub fn open(play: &Path, record: &Path) -> Result<Self, FileCardError> {
        let wav = File::open(play).map_err(|error| FileCardError::Unreadable {
            path: play.to_owned(),
            source: error.into(),
        })?;
        Ok(Self {
            voice: read_voice(BufReader::new(wav), play)?,
            record: Some(record.to_owned()),
            ..Self::null()
        })
    }

    /// A card that says the bundled words and writes `record`.
    pub fn speaking(record: &Path) -> Result<Self, FileCardError> {
        Ok(Self {
            voice: read_voice(VOICE, Path::new("voice.wav"))?,
            record: Some(record.to_owned()),
            ..Self::null()
        })
    }
}

impl Card for FileCard {
    fn due(&self) -> Option<Instant> {
        Some(self.speaker?.next().min(self.microphone?.next()))
    }

    fn service(&mut self, now: Instant) {
        self.now = now;
    }

    fn poll_notice(&mut self) -> Option<Notice> {
        self.failure.take().map(Notice::RecordingFailed)
    }

    fn open_microphone(&mut self) {}

    fn begin_call(&mut self, number: u32, now: Instant) {
        self.now = now;
        self.position = 0;
        self.microphone = Some(Pacer::new(now));
        self.speaker = Some(Pacer::new(now));
        let Some(record) = &self.record else { return };
        let path = numbered(record, number);
        match Recording::create(&path) {
            Ok(recording) => self.recording = Some(recording),
            Err(error) => self.failure = Some(format!("cannot write {}: {error}", path.display())),
        }
    }

    fn room(&self) -> usize {
        self.speaker.map_or(0, |pacer| pacer.due(self.now))
    }

    fn play(&mut self, pcm: &[i16]) {
        if let Some(pacer) = &mut self.speaker {
            pacer.take(pcm.len());
        }
        let Some(recording) = &mut self.recording else { return };
        if let Err(error) = recording.write(pcm) {
            self.failure = Some(format!("cannot go on writing {}: {error}", recording.path.display()));
            self.recording = None;
        }
    }

    fn capture(&mut self, pcm: &mut Vec<i16>) {
        let Some(pacer) = &mut self.microphone else { return };
        let due = pacer.due(self.now);
        pacer.take(due);
        let rest = self.voice.get(self.position..).unwrap_or_default();
        let voice = rest.get(..due).unwrap_or(rest);
        pcm.extend_from_slice(voice);
        pcm.extend(std::iter::repeat_n(0, due - voice.len()));
        self.position = self.position.saturating_add(due);
    }
}

/// RECORD for the first call, RECORD.2 for the second.
fn numbered(record: &Path, call: u32) -> PathBuf {
    if call < 2 {
        return record.to_owned();
    }
    let mut name = record.as_os_str().to_owned();
    name.push(format!(".{call}"));
    PathBuf::from(name)
}

fn read_voice(wav: impl Read, path: &Path) -> Result<Vec<i16>, FileCardError> {
    let unreadable = |source| FileCardError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut wav = hound::WavReader::new(wav).map_err(unreadable)?;
    let spec = wav.spec();
    let known = matches!(spec.sample_rate, 8_000 | 16_000 | 48_000);
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int || !known {
        return Err(FileCardError::Format { path: path.to_owned() });
    }
    let mut samples = wav.samples().collect::<Result<Vec<i16>, _>>().map_err(unreadable)?;
    let mut resampler = Resampler::new(spec.sample_rate, RATE);
    let delay = resampler.delay();
    // Silence at the end pushes out what the filter still holds; what it put before the start is cut off.
    samples.extend(std::iter::repeat_n(0, FRAME / 2));
    let mut voice = Vec::new();
    resampler.process(&samples, &mut voice);
    voice.drain(..delay.min(voice.len()));
    Ok(voice)
}

/// A WAV being written.
struct Recording {
    path: PathBuf,
    wav: hound::WavWriter<BufWriter<File>>,
    since_flush: usize,
}

impl Recording {
    fn create(path: &Path) -> Result<Self, hound::Error> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(path, spec)?;
        wav.flush()?;
        Ok(Self {
            path: path.to_owned(),
            wav,
            since_flush: 0,
        })
    }

    fn write(&mut self, pcm: &[i16]) -> Result<(), hound::Error> {
        for sample in pcm {
            self.wav.write_sample(*sample)?;
        }
        self.since_flush += pcm.len();
        if self.since_flush >= RATE as usize / 2 {
            self.since_flush = 0;
            self.wav.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("toestel-wavdev-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn write_wav(path: &Path, rate: u32, channels: u16, samples: &[i16]) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(path, spec).unwrap();
        samples.iter().for_each(|sample| wav.write_sample(*sample).unwrap());
        wav.finalize().unwrap();
    }

    /// Plays the card's own microphone back to it for `frames` frames of 20 ms.
    fn echo(card: &mut FileCard, start: Instant, frames: u64) {
        for frame in 0..frames {
            card.service(start + Duration::from_millis(20 * frame));
            let mut pcm = Vec::new();
            card.capture(&mut pcm);
            assert_eq!((pcm.len(), card.room()), (FRAME, FRAME));
            card.play(&pcm);
        }
    }

    #[test]
    fn the_voice_plays_once_in_real_time_then_silence_and_the_recording_starts_with_it() {
        let folder = folder("voice");
        let (play, record) = (folder.join("play.wav"), folder.join("record.wav"));
        let voice: Vec<i16> = (0..4800).map(|n| (n * 5) as i16).collect();
        write_wav(&play, 48_000, 1, &voice);
        let mut card = FileCard::open(&play, &record).unwrap();
        assert_eq!(
            (card.room(), card.due()),
            (0, None),
            "before a call the clock stands still"
        );
        card.begin_call(1, Instant::from_millis(500));
        echo(&mut card, Instant::from_millis(500), 10);
        drop(card);
        let mut wav = hound::WavReader::open(&record).unwrap();
        assert_eq!(wav.spec().sample_rate, 48_000);
        let heard: Vec<i16> = wav.samples().map(Result::unwrap).collect();
        assert_eq!(heard.len(), 10 * FRAME);
        assert_eq!(heard[..4800], voice);
        assert!(heard[4800..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn the_recording_can_be_read_after_every_second_while_the_call_goes_on() {
        let folder = folder("header");
        let (play, record) = (folder.join("play.wav"), folder.join("record.wav"));
        write_wav(&play, 8_000, 1, &[1000; 80]);
        let mut card = FileCard::open(&play, &record).unwrap();
        card.begin_call(1, Instant::ORIGIN);
        for seconds in 1..=3u64 {
            echo(&mut card, Instant::from_millis((seconds - 1) * 1000), 50);
            let length = hound::WavReader::open(&record).unwrap().duration();
            assert!(
                u64::from(length) >= seconds * 48_000 - 24_000,
                "{length} samples after {seconds} s"
            );
        }
    }

    #[test]
    fn the_second_call_writes_a_second_file_and_plays_from_the_start() {
        let folder = folder("second");
        let (play, record) = (folder.join("play.wav"), folder.join("record.wav"));
        write_wav(&play, 48_000, 1, &[777; 960]);
        let mut card = FileCard::open(&play, &record).unwrap();
        for call in 1..=2u32 {
            let start = Instant::from_millis(u64::from(call) * 10_000);
            card.begin_call(call, start);
            echo(&mut card, start, 2);
        }
        drop(card);
        for name in ["record.wav", "record.wav.2"] {
            let heard: Vec<i16> = hound::WavReader::open(folder.join(name))
                .unwrap()
                .samples()
                .map(Result::unwrap)
                .collect();
            assert_eq!((heard.len(), heard[959], heard[960]), (2 * FRAME, 777, 0), "{name}");
        }
    }

    #[test]
    fn lower_rates_keep_their_place_in_time() {
        let folder = folder("rates");
        let play = folder.join("play.wav");
        for rate in [8_000u32, 16_000, 48_000] {
            let mut voice = vec![0; rate as usize];
            voice[rate as usize / 2] = 20_000;
            write_wav(&play, rate, 1, &voice);
            let voice = read_voice(File::open(&play).unwrap(), &play).unwrap();
            let peak = voice
                .iter()
                .enumerate()
                .max_by_key(|(_, sample)| sample.abs())
                .unwrap()
                .0;
            assert!(peak.abs_diff(24_000) <= 6, "{rate} Hz: the click is at {peak}");
        }
    }

    #[test]
    fn the_bundled_voice_speaks_for_some_seconds_at_the_level_of_speech() {
        let record = folder("bundled").join("record.wav");
        let voice = FileCard::speaking(&record).unwrap().voice;
        let seconds = voice.len() as f64 / 48_000.0;
        assert!((6.0..9.0).contains(&seconds), "{seconds:.1} s");
        let peak = voice.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((12_000..20_000).contains(&peak), "{peak}");
    }

    #[test]
    fn what_is_not_16_bit_mono_is_refused_by_name() {
        let folder = folder("format");
        let play = folder.join("stereo.wav");
        write_wav(&play, 48_000, 2, &[0; 4]);
        let refused = FileCard::open(&play, &folder.join("r.wav")).err().unwrap().to_string();
        assert!(
            refused.contains("stereo.wav") && refused.contains("16-bit mono"),
            "{refused}"
        );
        assert!(FileCard::open(&folder.join("none.wav"), &folder.join("r.wav")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_reported_once_and_the_card_goes_on() {
        let folder = folder("full");
        let play = folder.join("play.wav");
        write_wav(&play, 48_000, 1, &[5; 960]);
        let mut card = FileCard::open(&play, Path::new("/dev/full")).unwrap();
        card.begin_call(1, Instant::ORIGIN);
        echo(&mut card, Instant::ORIGIN, 100);
        let notices: Vec<Notice> = std::iter::from_fn(|| card.poll_notice()).collect();
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(
            matches!(&notices[0], Notice::RecordingFailed(why) if why.contains("/dev/full")),
            "{notices:?}"
        );
    }
}
