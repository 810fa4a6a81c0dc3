//! A listener at the monitor of a null sink: every sample, with the time at which it was played.
//!
//! It records with a low latency for as long as the bench runs, which also keeps the sink awake and prompt: a null sink
//! that nobody listens to renders up to two seconds ahead.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::poll;
use crate::pulse::Pulse;

/// Samples a second.
pub const RATE: u32 = 48_000;
/// Louder than any noise or comfort tone, softer than the exchange's tone (about 23,000).
const LOUD: u16 = 1_000;

/// A running `parec`.
pub struct Ear {
    child: Child,
    heard: Arc<Mutex<Recording>>,
}

/// Samples and when they came.
#[derive(Default)]
pub struct Recording {
    /// 48 kHz, mono.
    pub samples: Vec<i16>,
    /// When the recording had reached which length.
    marks: Vec<(Instant, usize)>,
}

impl Ear {
    /// Listens at the monitor of `sink`.
    pub fn at(pulse: &Pulse, sink: &str) -> Self {
        let mut command = pulse.command("parec");
        command.args([
            "--latency-msec=10",
            "--rate=48000",
            "--channels=1",
            "--format=s16le",
            "--raw",
        ]);
        command.arg(format!("--device={sink}.monitor"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("parec is installed");
        let mut output = child.stdout.take().expect("its output is ours");
        let heard = Arc::new(Mutex::new(Recording::default()));
        let ear = Self {
            child,
            heard: Arc::clone(&heard),
        };
        thread::spawn(move || {
            let (mut bytes, mut odd) = ([0; 9_600], 0);
            while let Ok(read) = output.read(&mut bytes[odd..])
                && read > 0
            {
                let length = odd + read;
                hold(&heard).append(Instant::now(), &bytes[..length]);
                odd = length % 2;
                bytes[0] = bytes[length - 1];
            }
        });
        let began = poll(Duration::from_secs(10), || {
            (!hold(&ear.heard).samples.is_empty()).then_some(())
        });
        assert!(began.is_some(), "nothing comes from the monitor of {sink}");
        ear
    }

    /// Forgets what was heard so far.
    pub fn forget(&self) {
        *hold(&self.heard) = Recording::default();
    }

    /// What was heard since the last [`Ear::forget`].
    pub fn take(&self) -> Recording {
        std::mem::take(&mut hold(&self.heard))
    }

    /// When the first loud sample since the last [`Ear::forget`] was played; waits for it.
    pub fn first_loud(&self, within: Duration) -> Option<Instant> {
        poll(within, || hold(&self.heard).first_loud())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Recording {
    /// `samples` that were played from `start` on.
    #[cfg(test)]
    pub fn whole(samples: Vec<i16>, start: Instant) -> Self {
        let marks = vec![(start + length_of(samples.len()), samples.len())];
        Self { samples, marks }
    }

    fn append(&mut self, now: Instant, bytes: &[u8]) {
        let samples = bytes.as_chunks::<2>().0;
        self.samples
            .extend(samples.iter().map(|sample| i16::from_le_bytes(*sample)));
        self.marks.push((now, self.samples.len()));
    }

    fn first_loud(&self) -> Option<Instant> {
        let place = self.samples.iter().position(|sample| sample.unsigned_abs() > LOUD)?;
        Some(self.start()? + length_of(place))
    }

    /// When its first sample was played: the piece that came with the least delay tells best.
    pub fn start(&self) -> Option<Instant> {
        self.marks
            .iter()
            .filter_map(|(at, length)| at.checked_sub(length_of(*length)))
            .min()
    }
}

/// How long so many samples last.
pub fn length_of(samples: usize) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(RATE))
}

fn hold(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loud_sample_is_placed_by_the_piece_that_was_least_late() {
        let began = Instant::now();
        let mut recording = Recording::default();
        let quiet = [0; 960];
        let mut loud = quiet;
        loud[480..].copy_from_slice(&2_000i16.to_le_bytes().repeat(240));
        // 10 ms each; the first came on time, the second 30 ms late.
        recording.append(began + Duration::from_millis(10), &quiet);
        recording.append(began + Duration::from_millis(50), &loud);
        assert_eq!(recording.start(), Some(began));
        assert_eq!(recording.first_loud(), Some(began + Duration::from_millis(15)));
    }
}
