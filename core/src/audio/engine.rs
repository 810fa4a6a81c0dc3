//! The handle to the media thread: what the rest of the engine may ask of sound, and what it hears back.
//!
//! The thread lives only while there is something to hear or to say; a phone that idles has none. Every method returns
//! at once. What happens comes as [`AudioEvent`]s.

use super::device::{AudioSpec, DeviceChoice};
use super::thread::{self, Command};
use super::tones::Tone;
use crate::clock::Clock;
use crate::udp::MediaSocket;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use toestel_proto::ids::CallId;
use toestel_proto::media::dtmf::Digit;
use toestel_proto::media::plan::MediaPlan;
use toestel_proto::media::session::{DigitError, MediaEvent, MediaStats};
use toestel_proto::random::Random;
use tokio::sync::{mpsc, oneshot};

/// What the media thread has to tell.
#[derive(Clone, PartialEq, Debug)]
pub enum AudioEvent {
    /// Something happened on a call's stream: the first packet, a key, silence for too long.
    Media {
        /// Which call.
        call: CallId,
        /// What.
        event: MediaEvent,
    },
    /// A key could not be sent.
    DigitRefused {
        /// Which call.
        call: CallId,
        /// The key.
        digit: Digit,
        /// Why.
        error: DigitError,
    },
    /// A call's media has ended; its last figures.
    Stopped {
        /// Which call.
        call: CallId,
        /// All of the call.
        stats: MediaStats,
    },
    /// A call has no media, and why: a codec or socket failed on this device.
    Failed {
        /// Which call.
        call: CallId,
        /// A sentence.
        why: String,
    },
    /// The loudest moments of the last tenth of a second, in dB below overload (0 is overload, -90 is silence).
    Levels {
        /// Our microphone.
        microphone: f32,
        /// What the far end says.
        speaker: f32,
    },
    /// The system moved the sound to another device, because one was plugged in or pulled out.
    DeviceMoved {
        /// Whether it is the microphone.
        microphone: bool,
        /// The new device's id.
        to: String,
    },
    /// A chosen device is not there; the default is used instead, if there is one.
    DeviceMissing {
        /// Whether it is the microphone.
        microphone: bool,
    },
    /// There is no sound now, and why. Calls go on; it is tried again after 2 to 32 seconds.
    SoundLost(String),
    /// There is sound again.
    SoundBack,
    /// The recording of `--audio file:` stopped, and why. The call goes on.
    RecordingFailed(String),
}

/// What outlives the media thread.
pub(super) struct Shared {
    pub spec: AudioSpec,
    pub clock: Clock,
    pub events: mpsc::UnboundedSender<AudioEvent>,
    pub state: Mutex<State>,
}

/// The part of [`Shared`] that changes.
#[derive(Default)]
pub(super) struct State {
    /// The running thread, if there is one.
    pub thread: Option<thread::Running>,
    pub choice: DeviceChoice,
    pub meters: bool,
    /// Calls that had media so far.
    pub calls: u32,
}

/// The handle. Clones are the same engine.
#[derive(Clone)]
pub struct MediaEngine(Arc<Shared>);

impl MediaEngine {
    /// An engine that is idle: no thread, no device. What happens goes to `events`.
    pub fn new(spec: AudioSpec, clock: Clock, events: mpsc::UnboundedSender<AudioEvent>) -> Self {
        Self(Arc::new(Shared {
            spec,
            clock,
            events,
            state: Mutex::default(),
        }))
    }

    /// Opens the speaker, and the microphone if the user has accepted or dialled, ahead of a call's media, so that its
    /// first sample need not wait for the devices. It lasts until it is asked for otherwise, or
    /// [`MediaEngine::cool_down`].
    pub fn warm_up(&self, microphone: bool) {
        self.send(Command::WarmUp { microphone });
    }

    /// Closes what [`MediaEngine::warm_up`] opened, once no call needs it.
    pub fn cool_down(&self) {
        self.send(Command::CoolDown);
    }

    /// Begins a call's media.
    pub fn start(&self, call: CallId, plan: MediaPlan, socket: MediaSocket, random: Random) {
        self.send(Command::Start {
            call,
            plan: Box::new(plan),
            socket,
            random,
        });
    }

    /// A new offer and answer changed a call's media: hold, resume, other codecs, keys or addresses.
    pub fn update(&self, call: CallId, plan: MediaPlan) {
        self.send(Command::Update {
            call,
            plan: Box::new(plan),
        });
    }

    /// Ends a call's media; [`AudioEvent::Stopped`] follows.
    pub fn stop(&self, call: CallId) {
        self.send(Command::Stop { call });
    }

    /// Has the far end hear silence instead of the microphone.
    pub fn mute(&self, call: CallId, on: bool) {
        self.send(Command::Mute { call, on });
    }

    /// Sends a key by RFC 4733 for `duration`, and lets the user hear it.
    pub fn digit(&self, call: CallId, digit: Digit, duration: Duration) {
        self.send(Command::Digit { call, digit, duration });
    }

    /// Sends a key as sound, and lets the user hear it.
    pub fn key(&self, call: CallId, digit: Digit) {
        self.send(Command::Key { call, digit });
    }

    /// Plays a tone on the speaker until another takes its place; `None` stops it.
    pub fn tone(&self, tone: Option<Tone>) {
        self.send(Command::Tone(tone));
    }

    /// Rings on the ring device, or stops.
    pub fn ring(&self, on: bool) {
        self.send(Command::Ring(on));
    }

    /// Lets the far ends of these calls hear each other too, and those of all others only us.
    pub fn conference(&self, calls: BTreeSet<CallId>) {
        self.send(Command::Conference(calls));
    }

    /// Chooses the devices, at once also for calls in progress.
    pub fn set_devices(&self, choice: DeviceChoice) {
        self.state().choice = choice;
        self.send(Command::DevicesChanged);
    }

    /// Sends [`AudioEvent::Levels`] ten times a second during calls, or no more.
    pub fn meters(&self, on: bool) {
        self.state().meters = on;
    }

    /// A call's figures now. The receiver is closed without an answer if the call has no media.
    pub fn stats(&self, call: CallId) -> oneshot::Receiver<MediaStats> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Stats { call, answer });
        answered
    }

    /// Whether the media thread runs; for tests of idleness.
    pub fn is_running(&self) -> bool {
        self.state().thread.is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `command` to the thread; starts one if the command needs it.
    fn send(&self, command: Command) {
        let mut state = self.state();
        let command = match &state.thread {
            Some(running) => match running.send(command) {
                Ok(()) => return,
                Err(command) => command,
            },
            None => command,
        };
        if !command.needs_a_thread() {
            return;
        }
        match thread::start(self.0.clone(), command) {
            Ok(running) => state.thread = Some(running),
            Err(error) => {
                let why = format!("this device cannot start the sound: {error}");
                let _ = self.0.events.send(AudioEvent::SoundLost(why));
            }
        }
    }
}
