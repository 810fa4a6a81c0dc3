//! Which sound devices there are, which are chosen, and opening them as a [`Card`].
//!
//! On Linux the sound server (PulseAudio, or PipeWire in its place) comes first, then ALSA through cpal; elsewhere
//! cpal. Devices are listed when asked, never polled. An id is stable: the server's or the system's own name.

use super::card::Card;
#[cfg(target_os = "linux")]
use super::pulse::{self, PulseCard};
use super::stream::{self, CpalCard, StreamError};
use super::wavdev::{self, FileCard, FileCardError};
use crate::clock::Clock;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use toestel_proto::time::Instant;

/// A microphone or loudspeaker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// What [`DeviceChoice`] names it by.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is the system's default.
    pub default: bool,
}

/// All devices.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Devices {
    /// Loudspeakers and headsets.
    pub outputs: Vec<Device>,
    /// Microphones.
    pub inputs: Vec<Device>,
}

/// The chosen devices, by id; `None` follows the system's default, also when it changes during a call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DeviceChoice {
    /// Where the far end is heard.
    pub output: Option<String>,
    /// The microphone.
    pub input: Option<String>,
    /// Where an incoming call rings; `None` is the same as `output`.
    pub ring: Option<String>,
}

/// What stands in for a sound card: the argument of `--audio`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AudioSpec {
    /// The sound devices.
    #[default]
    Device,
    /// Nothing: sends silence, discards what is heard.
    Null,
    /// The bundled voice speaks, and what is heard is written; for machines without sound.
    Voice {
        /// The loudspeaker.
        record: PathBuf,
    },
    /// Files.
    File {
        /// The microphone.
        play: PathBuf,
        /// The loudspeaker.
        record: PathBuf,
    },
}

/// The text is not `device`, `null` or `file:PLAY,RECORD`. The user erred.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no sound: give device, null, or file:PLAY,RECORD")]
pub struct NotAnAudioSpec(pub String);

impl FromStr for AudioSpec {
    type Err = NotAnAudioSpec;

    fn from_str(text: &str) -> Result<Self, NotAnAudioSpec> {
        match text {
            "device" => return Ok(Self::Device),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let files = text.strip_prefix("file:").and_then(|files| files.split_once(','));
        match files {
            Some((play, record)) if !play.is_empty() && !record.is_empty() && !record.contains(',') => Ok(Self::File {
                play: play.into(),
                record: record.into(),
            }),
            _ => Err(NotAnAudioSpec(text.to_owned())),
        }
    }
}

/// Why there is no sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No sound system answered. The user can plug something in, or call with `--audio null`.
    #[error("no sound device can be used ({0}); connect one, or choose another in the settings")]
    None(#[from] StreamError),
    /// The sound system cannot be waited for.
    #[error("the sound system cannot be used: {0}")]
    System(#[from] std::io::Error),
    /// The files of `--audio file:` cannot be used.
    #[error(transparent)]
    File(#[from] FileCardError),
}

/// Lists the devices. It may take some milliseconds, two seconds if the sound server hangs: not for an event loop.
///
/// # Errors
/// [`DeviceError::None`] if no sound system answers.
pub fn devices() -> Result<Devices, DeviceError> {
    #[cfg(target_os = "linux")]
    match pulse::devices() {
        Ok(devices) => return Ok(devices),
        Err(error) => tracing::debug!(%error, "no sound server; asking ALSA"),
    }
    Ok(stream::devices()?)
}

/// Whether the system's default devices can be opened. What is listed says little: ALSA lists devices where there is
/// no card.
///
/// # Errors
/// If nothing can be opened.
pub fn try_default() -> Result<(), DeviceError> {
    open(&AudioSpec::Device, &DeviceChoice::default(), Clock::start().now()).map(drop)
}

/// Tries the files of `spec`: whether PLAY can be read and RECORD be written. Sound devices are not touched.
///
/// # Errors
/// [`DeviceError::File`].
pub fn check(spec: &AudioSpec) -> Result<(), DeviceError> {
    let record = match spec {
        AudioSpec::Device | AudioSpec::Null => return Ok(()),
        AudioSpec::Voice { record } => record,
        AudioSpec::File { play, record } => {
            FileCard::open(play, record)?;
            record
        }
    };
    Ok(wavdev::try_recording(record)?)
}

/// Opens the speaker of `choice`; the microphone opens when it is asked for.
///
/// # Errors
/// If nothing can be opened.
pub fn open(spec: &AudioSpec, choice: &DeviceChoice, now: Instant) -> Result<Box<dyn Card>, DeviceError> {
    match spec {
        AudioSpec::Null => return Ok(Box::new(FileCard::null())),
        AudioSpec::Voice { record } => return Ok(Box::new(FileCard::speaking(record)?)),
        AudioSpec::File { play, record } => return Ok(Box::new(FileCard::open(play, record)?)),
        AudioSpec::Device => {}
    }
    #[cfg(target_os = "linux")]
    match PulseCard::open(choice.output.as_deref(), choice.input.as_deref(), now) {
        Ok(card) => return Ok(Box::new(card)),
        Err(error) => tracing::debug!(%error, "no sound server; trying ALSA"),
    }
    Ok(Box::new(CpalCard::open(
        choice.output.as_deref(),
        choice.input.as_deref(),
        now,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audio_argument_is_a_device_nothing_or_two_files() {
        assert_eq!("device".parse(), Ok(AudioSpec::Device));
        assert_eq!("null".parse(), Ok(AudioSpec::Null));
        let files = AudioSpec::File {
            play: "/tmp/a b.wav".into(),
            record: "out.wav".into(),
        };
        assert_eq!("file:/tmp/a b.wav,out.wav".parse(), Ok(files));
        for wrong in ["", "file:", "file:a", "file:a,", "file:,b", "file:a,b,c", "Device"] {
            assert_eq!(wrong.parse::<AudioSpec>(), Err(NotAnAudioSpec(wrong.into())));
        }
    }
}
