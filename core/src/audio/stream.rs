//! A sound card through cpal: ALSA, Core Audio, WASAPI.
//!
//! The callbacks of cpal run on threads that must never wait, so they only copy between the device's buffer and a
//! lock-free ring; a test proves that they allocate nothing. The media thread looks at the rings every 10 ms while the
//! card is open. A device that goes away raises a flag; the media thread then opens the default one.

use super::card::{Card, Notice, RATE, SLICE};
use super::device::{Device, Devices};
use super::resample::Resampler;
use super::ring::{Reader, Writer, ring};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, SampleFormat, StreamConfig};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use toestel_proto::time::Instant;

/// How long to wait for a device to open.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the rings are looked at.
const TICK: Duration = Duration::from_millis(10);
/// The rings hold 200 ms at 48 kHz.
const RING: usize = 9_600;

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// There is none.
    #[error("there is no loudspeaker")]
    NoOutput,
    /// The sound system refused. Trying again may help.
    #[error("the sound system says: {0}")]
    System(#[from] cpal::Error),
    /// The device only knows sample formats that we do not.
    #[error("the device's sample format {0} is not supported")]
    Format(SampleFormat),
}

/// The devices of cpal's default sound system.
pub fn devices() -> Result<Devices, StreamError> {
    hush();
    let host = cpal::default_host();
    let default_output = host.default_output_device().and_then(|device| device.id().ok());
    let default_input = host.default_input_device().and_then(|device| device.id().ok());
    let describe = |device: &cpal::Device, default: &Option<cpal::DeviceId>| -> Option<Device> {
        let id = device.id().ok()?;
        Some(Device {
            default: default.as_ref() == Some(&id),
            name: device.description().ok()?.name().to_owned(),
            id: id.to_string(),
        })
    };
    Ok(Devices {
        outputs: host
            .output_devices()?
            .filter_map(|device| describe(&device, &default_output))
            .collect(),
        inputs: host
            .input_devices()?
            .filter_map(|device| describe(&device, &default_input))
            .collect(),
    })
}

/// The card.
pub struct CpalCard {
    speaker: Speaker,
    microphone: Option<Microphone>,
    input: Option<String>,
    failed: Arc<AtomicBool>,
    now: Instant,
    next_tick: Instant,
    notices: VecDeque<Notice>,
    scratch: Vec<i16>,
}

struct Speaker {
    _stream: cpal::Stream,
    writer: Writer,
    resampler: Resampler,
    /// Device samples that the callback took at most at once.
    largest: Arc<AtomicUsize>,
    rate: u32,
}

struct Microphone {
    _stream: cpal::Stream,
    reader: Reader,
    resampler: Resampler,
}

impl CpalCard {
    /// Opens the speaker on `output`, or on the default device.
    pub fn open(output: Option<&str>, input: Option<&str>, now: Instant) -> Result<Self, StreamError> {
        hush();
        let host = cpal::default_host();
        let mut notices = VecDeque::new();
        let chosen = output.and_then(|id| find(host.output_devices().ok()?, id));
        if output.is_some() && chosen.is_none() {
            notices.push_back(Notice::NotThere { microphone: false });
        }
        let device = chosen
            .or_else(|| host.default_output_device())
            .ok_or(StreamError::NoOutput)?;
        let failed = Arc::new(AtomicBool::new(false));
        Ok(Self {
            speaker: Speaker::open(&device, failed.clone())?,
            microphone: None,
            input: input.map(str::to_owned),
            failed,
            now,
            next_tick: now,
            notices,
            scratch: Vec::with_capacity(RING),
        })
    }
}

/// ALSA's library tells on standard error, in many lines, what it tries in vain. On this thread it no longer does: what
/// matters comes back as errors.
fn hush() {
    #[cfg(target_os = "linux")]
    if let Err(error) = alsa::Output::local_error_handler() {
        tracing::debug!(%error, "ALSA speaks for itself");
    }
}

fn find(mut devices: impl Iterator<Item = cpal::Device>, id: &str) -> Option<cpal::Device> {
    devices.find(|device| device.id().is_ok_and(|known| known.to_string() == id))
}

fn stream_config(supported: &cpal::SupportedStreamConfig) -> StreamConfig {
    StreamConfig {
        channels: supported.channels(),
        sample_rate: supported.sample_rate(),
        buffer_size: BufferSize::Default,
    }
}

impl Speaker {
    fn open(device: &cpal::Device, failed: Arc<AtomicBool>) -> Result<Self, StreamError> {
        let supported = device.default_output_config()?;
        let (writer, mut reader) = ring(RING);
        let largest = Arc::new(AtomicUsize::new(0));
        let (noted, channels) = (largest.clone(), usize::from(supported.channels()));
        let config = stream_config(&supported);
        let on_error = move |_: cpal::Error| failed.store(true, Ordering::Relaxed);
        let stream = match supported.sample_format() {
            SampleFormat::F32 => device.build_output_stream(
                config,
                move |data: &mut [f32], _: &_| feed(&mut reader, &noted, channels, data, to_float),
                on_error,
                Some(PATIENCE),
            ),
            SampleFormat::I16 => device.build_output_stream(
                config,
                move |data: &mut [i16], _: &_| feed(&mut reader, &noted, channels, data, |sample| sample),
                on_error,
                Some(PATIENCE),
            ),
            other => return Err(StreamError::Format(other)),
        }?;
        stream.play()?;
        Ok(Self {
            _stream: stream,
            writer,
            resampler: Resampler::new(RATE, supported.sample_rate()),
            largest,
            rate: supported.sample_rate(),
        })
    }

    /// How many samples at 48 kHz keep the ring at two callbacks, or 20 ms if that is more.
    fn room(&self) -> usize {
        let target = (self.largest.load(Ordering::Relaxed) * 2).max(self.rate as usize / 50);
        let missing = target.saturating_sub(self.writer.waiting()).min(self.writer.room());
        missing * RATE as usize / self.rate.max(1) as usize
    }
}

impl Microphone {
    fn open(device: &cpal::Device, failed: Arc<AtomicBool>) -> Result<Self, StreamError> {
        let supported = device.default_input_config()?;
        let (mut writer, reader) = ring(RING);
        let channels = usize::from(supported.channels());
        let config = stream_config(&supported);
        let on_error = move |_: cpal::Error| failed.store(true, Ordering::Relaxed);
        let stream = match supported.sample_format() {
            SampleFormat::F32 => device.build_input_stream(
                config,
                move |data: &[f32], _: &_| take(&mut writer, channels, data, from_float),
                on_error,
                Some(PATIENCE),
            ),
            SampleFormat::I16 => device.build_input_stream(
                config,
                move |data: &[i16], _: &_| take(&mut writer, channels, data, |sample| sample),
                on_error,
                Some(PATIENCE),
            ),
            other => return Err(StreamError::Format(other)),
        }?;
        stream.play()?;
        Ok(Self {
            _stream: stream,
            reader,
            resampler: Resampler::new(supported.sample_rate(), RATE),
        })
    }
}

impl Card for CpalCard {
    fn due(&self) -> Option<Instant> {
        Some(self.next_tick)
    }

    fn service(&mut self, now: Instant) {
        self.now = now;
        while self.next_tick <= now {
            self.next_tick += TICK;
        }
        if self.failed.swap(false, Ordering::Relaxed) {
            self.notices.push_back(Notice::Gone("the device went away".into()));
        }
    }

    fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn open_microphone(&mut self) {
        if self.microphone.is_some() {
            return;
        }
        let host = cpal::default_host();
        let chosen = self
            .input
            .as_deref()
            .and_then(|id| find(host.input_devices().ok()?, id));
        if self.input.is_some() && chosen.is_none() {
            self.notices.push_back(Notice::NotThere { microphone: true });
        }
        let opened = chosen
            .or_else(|| host.default_input_device())
            .map(|device| Microphone::open(&device, self.failed.clone()));
        match opened {
            Some(Ok(microphone)) => self.microphone = Some(microphone),
            Some(Err(error)) => {
                tracing::debug!(%error, "no microphone");
                self.notices.push_back(Notice::NotThere { microphone: true });
            }
            None => self.notices.push_back(Notice::NotThere { microphone: true }),
        }
    }

    fn room(&self) -> usize {
        // Whole slices only, so that the resampler's remainder never shows.
        self.speaker.room() / SLICE * SLICE
    }

    fn play(&mut self, pcm: &[i16]) {
        self.scratch.clear();
        self.speaker.resampler.process(pcm, &mut self.scratch);
        self.speaker.writer.write(self.scratch.iter().copied());
    }

    fn capture(&mut self, pcm: &mut Vec<i16>) {
        let Some(microphone) = &mut self.microphone else { return };
        let scratch = &mut self.scratch;
        scratch.clear();
        microphone.reader.read(RING, |sample| scratch.push(sample));
        microphone.resampler.process(scratch, pcm);
    }
}

/// The output callback: one ring sample to all channels of a frame, silence when the ring is empty.
fn feed<T: Copy + Default>(
    reader: &mut Reader,
    largest: &AtomicUsize,
    channels: usize,
    data: &mut [T],
    convert: fn(i16) -> T,
) {
    let frames = data.len() / channels.max(1);
    largest.fetch_max(frames, Ordering::Relaxed);
    let mut slots = data.chunks_mut(channels.max(1));
    reader.read(frames, |sample| {
        if let Some(frame) = slots.next() {
            frame.fill(convert(sample));
        }
    });
    slots.for_each(|frame| frame.fill(T::default()));
}

/// The input callback: the first channel of each frame into the ring; a full ring drops what is newest.
fn take<T: Copy>(writer: &mut Writer, channels: usize, data: &[T], convert: fn(T) -> i16) {
    writer.write(data.iter().step_by(channels.max(1)).map(|sample| convert(*sample)));
}

fn to_float(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn from_float(sample: f32) -> i16 {
    (sample * 32_768.0).clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
