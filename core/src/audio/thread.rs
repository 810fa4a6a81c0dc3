//! The media thread: waits for sockets, the sound card and commands, and carries the frames of all calls.
//!
//! One round: take commands; take in datagrams; let the card say what it heard and how much it can play; speak; hear;
//! let the sessions send. The card is the clock of both directions. With nothing left to do the thread ends.

use super::card::{Card, Notice};
use super::device;
use super::engine::{AudioEvent, Shared};
use super::leg::Leg;
use super::mixer::Mixer;
use super::tones::{Tone, TonePlayer};
use super::wavdev::FileCard;
use crate::udp::MediaSocket;
use mio::{Events, Poll, Token, Waker};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use toestel_proto::ids::CallId;
use toestel_proto::media::dtmf::Digit;
use toestel_proto::media::plan::MediaPlan;
use toestel_proto::media::session::MediaStats;
use toestel_proto::random::Random;
use toestel_proto::time::Instant;
use tokio::sync::oneshot;

const COMMANDS: Token = Token(0);
const CARD: Token = Token(1);
const RING_CARD: Token = Token(2);
const LEG: Token = Token(3);
/// How long a card stays open after the last words of a call were handed to it: longer than any holds them back.
const LINGER: Duration = Duration::from_millis(150);
/// How long to wait before sound that was lost is tried again: doubled each time, for a machine without sound stays
/// without.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(32);

/// What the thread can be asked.
pub enum Command {
    /// Open the speaker, and the microphone too if told.
    WarmUp { microphone: bool },
    /// Close them again.
    CoolDown,
    /// Begin a call.
    Start {
        call: CallId,
        plan: Box<MediaPlan>,
        socket: MediaSocket,
        random: Random,
    },
    /// Go on under a new plan.
    Update { call: CallId, plan: Box<MediaPlan> },
    /// End a call.
    Stop { call: CallId },
    /// Silence the microphone for a call.
    Mute { call: CallId, on: bool },
    /// Send a key.
    Digit {
        call: CallId,
        digit: Digit,
        duration: Duration,
    },
    /// Send a key as sound.
    Key { call: CallId, digit: Digit },
    /// Play a tone, or none.
    Tone(Option<Tone>),
    /// Ring, or stop.
    Ring(bool),
    /// Let all hear all, or only us.
    Conference(BTreeSet<CallId>),
    /// Other devices were chosen.
    DevicesChanged,
    /// Tell the figures.
    Stats {
        call: CallId,
        answer: oneshot::Sender<MediaStats>,
    },
}

impl Command {
    /// Whether an idle engine must start its thread for this.
    pub const fn needs_a_thread(&self) -> bool {
        matches!(
            self,
            Self::WarmUp { .. } | Self::Start { .. } | Self::Tone(Some(_)) | Self::Ring(true)
        )
    }
}

/// A running thread, seen from outside.
pub struct Running {
    commands: Sender<Command>,
    waker: Waker,
}

impl Running {
    /// Hands over `command`, or gives it back if the thread has ended.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        self.commands.send(command).map_err(|SendError(command)| command)?;
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the media thread cannot be woken");
        }
        Ok(())
    }
}

/// Starts the thread with its first command.
pub fn start(shared: Arc<Shared>, first: Command) -> io::Result<Running> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), COMMANDS)?;
    let (commands, received) = channel();
    let mut studio = Studio::new(shared, poll, received);
    std::thread::Builder::new().name("media".into()).spawn(move || {
        hurry();
        studio.obey(first);
        studio.run();
    })?;
    Ok(Running { commands, waker })
}

/// Asks for the priority that sound servers give themselves, so that a busy machine does not delay the call. Most
/// users may not have it (RLIMIT_NICE); the call then works as well as the machine lets it.
fn hurry() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, -11) {
        tracing::debug!(%error, "the media thread runs at ordinary priority");
    }
}

/// The thread's state.
struct Studio {
    shared: Arc<Shared>,
    poll: Poll,
    commands: Receiver<Command>,
    now: Instant,
    legs: BTreeMap<CallId, Leg>,
    /// Calls that hear silence; one may be muted before its media begins.
    muted: BTreeSet<CallId>,
    mixer: Mixer,
    card: Option<Box<dyn Card>>,
    ring_card: Option<Box<dyn Card>>,
    ringing: Option<TonePlayer>,
    /// Opened ahead of a call: the speaker, and the microphone.
    warm: Option<bool>,
    /// The card's microphone was opened.
    listens: bool,
    /// Until when the card stays open for what an ended call said last.
    lingers: Option<Instant>,
    /// The card is a stand-in; when to try again.
    retry: Option<Instant>,
    /// How long the next stand-in lasts.
    patience: Duration,
}

impl Studio {
    fn new(shared: Arc<Shared>, poll: Poll, commands: Receiver<Command>) -> Self {
        Self {
            now: shared.clock.now(),
            shared,
            poll,
            commands,
            legs: BTreeMap::new(),
            muted: BTreeSet::new(),
            mixer: Mixer::default(),
            card: None,
            ring_card: None,
            ringing: None,
            warm: None,
            listens: false,
            lingers: None,
            retry: None,
            patience: FIRST_RETRY,
        }
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(32);
        loop {
            self.round();
            if self.is_idle() && self.retire() {
                return;
            }
            let wait = self.due().map(|due| due.since(self.shared.clock.now()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media thread cannot wait");
                return;
            }
            self.now = self.shared.clock.now();
        }
    }

    /// Everything that can be done now.
    fn round(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command);
        }
        self.tend_cards();
        for leg in self.legs.values_mut() {
            leg.receive(self.now);
        }
        if let Some(card) = &mut self.card {
            card.service(self.now);
            self.mixer.speak(card.as_mut(), &mut self.legs, self.now);
            self.mixer.hear(card.as_mut(), &mut self.legs, self.now);
        }
        self.linger();
        if let Some((card, player)) = self.ring_card.as_mut().zip(self.ringing.as_mut()) {
            card.service(self.now);
            self.mixer.ring(card.as_mut(), player);
        }
        for (call, leg) in &mut self.legs {
            leg.drive(self.now);
            while let Some(event) = leg.session.poll_event() {
                let _ = self.shared.events.send(AudioEvent::Media { call: *call, event });
            }
        }
        self.tell_notices();
        self.tell_levels();
    }

    fn is_idle(&self) -> bool {
        !self.is_heard() && self.ringing.is_none()
    }

    /// Whether the card is needed.
    fn is_heard(&self) -> bool {
        !self.legs.is_empty() || self.warm.is_some() || self.mixer.has_tone() || self.lingers.is_some()
    }

    /// Lets the card go a moment after it was given the last words.
    fn linger(&mut self) {
        if self.mixer.has_last_words() {
            self.lingers = Some(self.now + LINGER);
        } else if self.lingers.is_some_and(|until| until <= self.now) {
            self.lingers = None;
        }
    }

    /// Takes the thread out of the engine's hands, unless a command came at the last moment.
    fn retire(&mut self) -> bool {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.commands.try_recv() {
            Ok(command) => {
                drop(state);
                self.obey(command);
                false
            }
            Err(_) => {
                state.thread = None;
                true
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let cards = [self.card.as_ref(), self.ring_card.as_ref()];
        let cards = cards.into_iter().flatten().filter_map(|card| card.due());
        cards
            .chain(self.legs.values().filter_map(Leg::due))
            .chain(self.retry)
            .chain(self.lingers)
            .min()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::WarmUp { microphone } => self.warm = Some(microphone),
            Command::CoolDown => self.warm = None,
            Command::Start {
                call,
                plan,
                socket,
                random,
            } => self.start_call(call, *plan, socket, random),
            Command::Update { call, plan } => self.update_call(call, *plan),
            Command::Stop { call } => self.stop_call(call),
            Command::Mute { call, on } => {
                if on {
                    self.muted.insert(call);
                } else {
                    self.muted.remove(&call);
                }
                if let Some(leg) = self.legs.get_mut(&call) {
                    leg.muted = on;
                }
            }
            Command::Digit { call, digit, duration } => self.send_digit(call, digit, duration),
            Command::Key { call, digit } => self.send_key(call, digit),
            Command::Tone(tone) => self.mixer.set_tone(tone),
            Command::Ring(on) => self.set_ringing(on),
            Command::Conference(calls) => self.mixer.conference = calls,
            Command::DevicesChanged => {
                self.card = None;
                self.ring_card = None;
            }
            Command::Stats { call, answer } => {
                if let Some(leg) = self.legs.get(&call) {
                    let _ = answer.send(leg.session.stats());
                }
            }
        }
    }

    fn start_call(&mut self, call: CallId, plan: MediaPlan, socket: MediaSocket, random: Random) {
        self.tend_cards();
        let started = Leg::new(plan, socket, random, self.now).and_then(|mut leg| {
            leg.register(self.poll.registry(), LEG)?;
            leg.muted = self.muted.contains(&call);
            Ok(leg)
        });
        match started {
            Ok(mut leg) => {
                self.mixer.lead_in(&mut leg, self.now);
                let has_moved = self.legs.insert(call, leg).is_some();
                self.tend_cards();
                if has_moved {
                    return;
                }
                let number = {
                    let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.calls = state.calls.saturating_add(1);
                    state.calls
                };
                if let Some(card) = &mut self.card {
                    card.begin_call(number, self.now);
                }
            }
            Err(error) => {
                let why = error.to_string();
                let _ = self.shared.events.send(AudioEvent::Failed { call, why });
            }
        }
    }

    fn update_call(&mut self, call: CallId, plan: MediaPlan) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        if let Err(error) = leg.update(plan, self.now) {
            let why = error.to_string();
            let _ = self.shared.events.send(AudioEvent::Failed { call, why });
        }
    }

    fn stop_call(&mut self, call: CallId) {
        self.muted.remove(&call);
        let Some(mut leg) = self.legs.remove(&call) else { return };
        if let Some(card) = &mut self.card {
            let words = leg.last_words(self.now);
            self.mixer.play_out(&words);
            self.mixer.hear(card.as_mut(), &mut self.legs, self.now);
            self.lingers = Some(self.now + LINGER);
        }
        leg.close(self.now);
        let stats = leg.session.stats();
        let _ = self.shared.events.send(AudioEvent::Stopped { call, stats });
    }

    fn send_digit(&mut self, call: CallId, digit: Digit, duration: Duration) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        self.mixer.press(digit.key());
        if let Err(error) = leg.session.send_digit(digit, duration) {
            let _ = self.shared.events.send(AudioEvent::DigitRefused { call, digit, error });
        }
    }

    fn send_key(&mut self, call: CallId, digit: Digit) {
        if let Some(leg) = self.legs.get_mut(&call) {
            self.mixer.press(digit.key());
            leg.keys.press(digit.key());
        }
    }

    fn set_ringing(&mut self, on: bool) {
        if !on {
            self.ringing = None;
            self.ring_card = None;
        } else if self.ringing.is_none() {
            self.ringing = Some(TonePlayer::new(Tone::Ring));
        }
    }

    /// Opens the cards that are needed and closes those that are not.
    fn tend_cards(&mut self) {
        let wanted = self.is_heard();
        let microphone = !self.legs.is_empty() || self.warm == Some(true);
        if self.listens && !microphone && self.lingers.is_none() {
            // A card closes its microphone only with itself.
            self.card = None;
        }
        self.listens = microphone || (self.listens && self.lingers.is_some());
        if !wanted {
            self.card = None;
            self.retry = None;
        } else if self.card.is_none() || self.retry.is_some_and(|at| at <= self.now) {
            self.open_card();
        }
        if let Some(card) = self.card.as_mut().filter(|_| microphone) {
            card.open_microphone();
        }
        if self.ringing.is_some() && self.ring_card.is_none() {
            self.open_ring_card();
        }
    }

    fn open_card(&mut self) {
        let choice = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .choice
            .clone();
        let opened = device::open(&self.shared.spec, &choice, self.now).and_then(|mut card| {
            card.register(self.poll.registry(), CARD)?;
            Ok(card)
        });
        match opened {
            Ok(card) => {
                self.card = Some(card);
                self.patience = FIRST_RETRY;
                if self.retry.take().is_some() {
                    let _ = self.shared.events.send(AudioEvent::SoundBack);
                }
            }
            Err(error) => self.stand_in(error.to_string()),
        }
    }

    /// Puts a silent card in the place of one that cannot be had, so that calls go on.
    fn stand_in(&mut self, why: String) {
        let again = self.now + self.patience;
        self.patience = (self.patience * 2).min(LONGEST_RETRY);
        if self.retry.replace(again).is_none() {
            let _ = self.shared.events.send(AudioEvent::SoundLost(why));
        }
        let mut silent = FileCard::null();
        silent.begin_call(0, self.now);
        self.card = Some(Box::new(silent));
    }

    fn open_ring_card(&mut self) {
        let mut choice = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .choice
            .clone();
        choice.output = choice.ring.take().or(choice.output);
        let opened = device::open(&self.shared.spec, &choice, self.now).and_then(|mut card| {
            card.register(self.poll.registry(), RING_CARD)?;
            Ok(card)
        });
        self.ring_card = opened.ok().or_else(|| Some(Box::new(FileCard::null())));
    }

    fn tell_notices(&mut self) {
        let mut gone = None;
        while let Some(notice) = self.card.as_mut().and_then(|card| card.poll_notice()) {
            let event = match notice {
                Notice::Moved { microphone, to } => AudioEvent::DeviceMoved { microphone, to },
                Notice::NotThere { microphone } => AudioEvent::DeviceMissing { microphone },
                Notice::RecordingFailed(why) => AudioEvent::RecordingFailed(why),
                Notice::Gone(why) => {
                    gone = Some(why);
                    break;
                }
            };
            let _ = self.shared.events.send(event);
        }
        if let Some(why) = gone {
            self.stand_in(why);
        }
    }

    fn tell_levels(&mut self) {
        let wanted = !self.legs.is_empty() && self.mixer.meter_is_due(self.now);
        if !wanted || !self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).meters {
            return;
        }
        let (microphone, speaker) = self.mixer.read_meters(self.now);
        let _ = self.shared.events.send(AudioEvent::Levels { microphone, speaker });
    }
}
