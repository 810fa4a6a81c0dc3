//! What a call sounds through: the sound devices, files, or, on a machine without sound, a voice that is bundled and a
//! file for what comes back.

use crate::error::Failure;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toestel_core::AudioSpec;
use toestel_core::audio::device;

/// Where the far end's sound goes when there is nothing to hear it with and no file was named.
const HEARD: &str = "toestel-heard.wav";
/// A second of a recording: 48,000 samples of two bytes.
const SECOND: u64 = 96_000;
/// The end of a call may be missing from its recording by this much.
const TOLERANCE: Duration = Duration::from_millis(1_500);

/// See the module.
#[derive(Debug)]
pub struct Sound {
    spec: AudioSpec,
    note: Option<String>,
}

impl Sound {
    /// Decides, and tries the files before anybody is called.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn choose(play: Option<&Path>, record: Option<&Path>) -> Result<Self, Failure> {
        let sound = match (play, record) {
            (Some(play), record) => Self::played(play, record),
            (None, Some(record)) => Self::voice(record.to_owned(), "The bundled voice speaks for you"),
            (None, None) => match no_device() {
                None => Self {
                    spec: AudioSpec::Device,
                    note: None,
                },
                Some(why) => Self::voice(PathBuf::from(HEARD), &format!("{why} A bundled voice speaks instead")),
            },
        };
        device::check(&sound.spec).map_err(Failure::outcome)?;
        Ok(sound)
    }

    fn played(play: &Path, record: Option<&Path>) -> Self {
        Self {
            spec: AudioSpec::File {
                play: play.to_owned(),
                record: record.unwrap_or(Path::new(HEARD)).to_owned(),
            },
            note: record
                .is_none()
                .then(|| format!("What comes back is written to {HEARD}.")),
        }
    }

    fn voice(record: PathBuf, what: &str) -> Self {
        let note = Some(format!(
            "{what}, and what comes back is written to {}.",
            record.display()
        ));
        Self {
            spec: AudioSpec::Voice { record },
            note,
        }
    }

    /// For the engine.
    pub fn spec(&self) -> AudioSpec {
        self.spec.clone()
    }

    /// What the person should know about it.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether the recording, if there is one, holds all of a call that lasted for `talked`.
    ///
    /// # Errors
    /// When it does not: the disk was full, or was taken away.
    pub fn check_recording(&self, talked: Duration) -> Result<(), Failure> {
        let (AudioSpec::File { record, .. } | AudioSpec::Voice { record }) = &self.spec else {
            return Ok(());
        };
        let length = std::fs::metadata(record).map_or(0, |file| file.len());
        let expected = talked.saturating_sub(TOLERANCE).as_secs().saturating_mul(SECOND);
        if length >= expected {
            return Ok(());
        }
        Err(Failure::outcome(format!(
            "The recording {} is cut short: free some disk space, or give a file on another disk, then call again.",
            record.display()
        )))
    }
}

/// Why there is nothing to speak into or hear with.
fn no_device() -> Option<String> {
    if let Err(error) = device::try_default() {
        tracing::info!(%error, "no sound device");
        return Some("There is no sound device.".to_owned());
    }
    match device::devices() {
        Ok(devices) if devices.inputs.is_empty() => Some("There is no microphone.".to_owned()),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_the_disk_cut_short_is_noticed() {
        let folder = std::env::temp_dir().join(format!("toestel-sound-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let record = folder.join("heard.wav");
        let sound = Sound::choose(None, Some(&record)).unwrap();
        std::fs::write(&record, vec![0; 44 + 5 * 96_000]).unwrap();
        assert!(sound.check_recording(Duration::from_secs(6)).is_ok());
        assert!(sound.check_recording(Duration::from_secs(60)).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// The table of `docs/agent.md`, as far as it does not depend on the machine's sound devices.
    #[test]
    fn what_is_not_named_is_heard_in_a_file_and_spoken_by_the_bundled_voice() {
        let folder = std::env::temp_dir().join(format!("toestel-sound-choice-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (play, record) = (folder.join("play.wav"), folder.join("record.wav"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        hound::WavWriter::create(&play, spec).unwrap().finalize().unwrap();

        let both = Sound::choose(Some(&play), Some(&record)).unwrap();
        let files = |record: &Path| AudioSpec::File {
            play: play.clone(),
            record: record.to_owned(),
        };
        assert_eq!((both.spec(), both.note()), (files(&record), None));
        let recorded = Sound::choose(None, Some(&record)).unwrap();
        assert_eq!(recorded.spec(), AudioSpec::Voice { record: record.clone() });
        assert!(recorded.note().unwrap().contains("bundled voice"));
        assert_eq!(Sound::played(&play, None).spec(), files(Path::new(HEARD)));
        assert!(Sound::played(&play, None).note().unwrap().contains(HEARD));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_are_refused_before_the_call() {
        assert!(Sound::choose(Some(Path::new("/nowhere/play.wav")), None).is_err());
        assert!(Sound::choose(None, Some(Path::new("/nowhere/heard.wav"))).is_err());
        #[cfg(target_os = "linux")]
        assert!(Sound::choose(None, Some(Path::new("/dev/full"))).is_err());
    }
}
