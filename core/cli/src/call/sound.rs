//! What a call sounds through: the sound devices, files, or, at the practice exchange on a machine without sound, a voice
//! that is bundled and a file for what comes back. Nobody real is called by a voice that is not the caller's own, unless
//! that was asked for.

use crate::error::Failure;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toestel_core::AudioSpec;
use toestel_core::audio::device::{self, Device, DeviceChoice};

/// Where the far end's sound goes when there is nothing to hear it with and no file was named.
const HEARD: &str = "toestel-heard.wav";
/// A second of a recording: 48,000 samples of two bytes.
const SECOND: u64 = 96_000;
/// The end of a call may be missing from its recording by this much.
const TOLERANCE: Duration = Duration::from_millis(1_500);

/// What to speak with and hear with.
#[derive(Args, Debug, Default)]
pub struct SoundArgs {
    /// Speak this WAV file (16-bit mono at 8, 16 or 48 kHz); what comes back goes to --record, or toestel-heard.wav
    #[arg(long, value_name = "WAV")]
    play: Option<PathBuf>,
    /// Write what is heard to this WAV file; without --play a bundled voice speaks
    #[arg(long, value_name = "WAV")]
    record: Option<PathBuf>,
    /// Speak into this microphone, by its name or id in `toestel devices`, instead of the system's choice
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["play", "record"])]
    microphone: Option<String>,
    /// Hear with this loudspeaker or headset, by its name or id, instead of the system's choice
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["play", "record"])]
    speaker: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Sound {
    spec: AudioSpec,
    devices: DeviceChoice,
    note: Option<String>,
}

impl Sound {
    /// Decides, and tries the files and the devices before anybody is called. Only an `exchange` of our own may be
    /// spoken to by the bundled voice where a machine has no sound.
    ///
    /// # Errors
    /// When a file or a device cannot be used.
    pub fn choose(args: &SoundArgs, exchange: bool) -> Result<Self, Failure> {
        let sound = match (args.play.as_deref(), args.record.as_deref()) {
            (Some(play), record) => Self::played(play, record),
            (None, Some(record)) => Self::voice(record.to_owned(), "The bundled voice speaks for you"),
            (None, None) => Self::devices(args, exchange)?,
        };
        device::check(&sound.spec).map_err(Failure::outcome)?;
        Ok(sound)
    }

    fn devices(args: &SoundArgs, exchange: bool) -> Result<Self, Failure> {
        let devices = args.choice()?;
        let missing = if devices == DeviceChoice::default() {
            no_device()
        } else {
            None
        };
        match missing {
            None => Ok(Self {
                spec: AudioSpec::Device,
                devices,
                note: None,
            }),
            Some(what) if exchange => Ok(Self::voice(
                PathBuf::from(HEARD),
                &format!("There is no {what}. A bundled voice speaks instead"),
            )),
            Some(what) => Err(Failure::outcome(format!(
                "There is no {what}: connect one, or give --play and --record."
            ))),
        }
    }

    fn played(play: &Path, record: Option<&Path>) -> Self {
        Self {
            spec: AudioSpec::File {
                play: play.to_owned(),
                record: record.unwrap_or(Path::new(HEARD)).to_owned(),
            },
            devices: DeviceChoice::default(),
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
            devices: DeviceChoice::default(),
            note,
        }
    }

    /// Which sound devices, for the engine.
    pub const fn chosen(&self) -> &DeviceChoice {
        &self.devices
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

impl SoundArgs {
    /// The ids of the devices that were named.
    fn choice(&self) -> Result<DeviceChoice, Failure> {
        if self.microphone.is_none() && self.speaker.is_none() {
            return Ok(DeviceChoice::default());
        }
        let there = device::devices().map_err(Failure::outcome)?;
        let (microphone, speaker) = (self.microphone.as_deref(), self.speaker.as_deref());
        Ok(DeviceChoice {
            input: microphone
                .map(|wanted| find(&there.inputs, wanted, "microphone"))
                .transpose()?,
            output: speaker
                .map(|wanted| find(&there.outputs, wanted, "loudspeaker or headset"))
                .transpose()?,
            ring: None,
        })
    }
}

/// The id of the device that is `wanted` by its id or its name.
fn find(devices: &[Device], wanted: &str, what: &str) -> Result<String, Failure> {
    let meant = devices
        .iter()
        .find(|device| device.id == wanted || device.name.eq_ignore_ascii_case(wanted));
    meant
        .map(|device| device.id.clone())
        .ok_or_else(|| Failure::outcome(format!("There is no {what} {wanted:?}: see `toestel devices`.")))
}

/// What is missing to speak into or hear with.
fn no_device() -> Option<&'static str> {
    if let Err(error) = device::try_default() {
        tracing::info!(%error, "no sound device");
        return Some("sound device");
    }
    match device::devices() {
        Ok(devices) if devices.inputs.is_empty() => Some("microphone"),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(play: Option<&Path>, record: Option<&Path>) -> SoundArgs {
        SoundArgs {
            play: play.map(Path::to_owned),
            record: record.map(Path::to_owned),
            ..SoundArgs::default()
        }
    }

    #[test]
    fn a_recording_that_the_disk_cut_short_is_noticed() {
        let folder = std::env::temp_dir().join(format!("toestel-sound-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let record = folder.join("heard.wav");
        let sound = Sound::choose(&files(None, Some(&record)), true).unwrap();
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
        let form = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        hound::WavWriter::create(&play, form).unwrap().finalize().unwrap();

        let both = Sound::choose(&files(Some(&play), Some(&record)), true).unwrap();
        let spec = |record: &Path| AudioSpec::File {
            play: play.clone(),
            record: record.to_owned(),
        };
        assert_eq!((both.spec(), both.note()), (spec(&record), None));
        let recorded = Sound::choose(&files(None, Some(&record)), true).unwrap();
        assert_eq!(recorded.spec(), AudioSpec::Voice { record: record.clone() });
        assert!(recorded.note().unwrap().contains("bundled voice"));
        assert_eq!(Sound::played(&play, None).spec(), spec(Path::new(HEARD)));
        assert!(Sound::played(&play, None).note().unwrap().contains(HEARD));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_are_refused_before_the_call() {
        assert!(Sound::choose(&files(Some(Path::new("/nowhere/play.wav")), None), true).is_err());
        assert!(Sound::choose(&files(None, Some(Path::new("/nowhere/heard.wav"))), true).is_err());
        #[cfg(target_os = "linux")]
        assert!(Sound::choose(&files(None, Some(Path::new("/dev/full"))), true).is_err());
    }
    #[test]
    fn a_device_is_meant_by_its_id_or_its_name_in_any_case() {
        let devices = [Device {
            id: "alsa_input.usb-1".to_owned(),
            name: "Headset of Anna".to_owned(),
            default: false,
        }];
        for wanted in ["alsa_input.usb-1", "headset of anna"] {
            assert_eq!(find(&devices, wanted, "microphone").unwrap(), "alsa_input.usb-1");
        }
        let missing = find(&devices, "Headset", "microphone").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "There is no microphone \"Headset\": see `toestel devices`."
        );
    }
}
