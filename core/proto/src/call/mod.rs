//! One call, as the user counts calls: where signalling, session descriptions and the media path meet.
//!
//! The path comes before the offer: a call first asks for one ([`Output::OpenPath`]) and describes only what is ready.
//! What state a call is in is never stored: [`Call::state`] derives it from the facts, and each change of it is
//! announced once. The session inside outlives the call for as long as the other side is owed an answer.

mod commands;
mod ending;
mod media;
mod session_events;
mod sound;

use crate::codec::{Codec, MediaPolicy, Suite};
use crate::event::Event;
use crate::ids::{AccountId, CallId};
use crate::media::dtmf::Digit;
use crate::media::plan::MediaPlan;
use crate::random::Random;
use crate::sdp::negotiate::{LocalPath, MediaSettings};
use crate::sip::auth::Retry;
use crate::sip::endpoint::{Failure, ServerKey};
use crate::sip::msg::{Request, Response};
use crate::sip::session::{self, Dial, RequestId, Session, Settings};
use crate::time::{Instant, Wake, earliest};
use crate::view::{CallDirection, CallState, CallView, HeldBy};
use bytes::Bytes;
pub(crate) use media::{Sound, SoundError};
pub(crate) use session_events::refusal_of;
use std::collections::VecDeque;
use std::time::Duration;

pub use commands::CallError;
pub use sound::{MediaFact, PhoneSound};

/// How long an ended call stays in the [`View`](crate::view::View).
pub const LINGER: Duration = Duration::from_secs(2);

/// After this long without RTP and RTCP the far end is asked whether it is still there.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// After this long without RTP and RTCP a call whose signalling is gone too is over.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// What a call wants done.
#[derive(Debug)]
pub enum Output {
    /// For the transaction layer: what the session said, unless the call itself has dealt with it.
    Session(Box<session::Output>),
    /// Make a media path.
    OpenPath,
    /// Give the path up: nothing more is sent or heard.
    ClosePath,
    /// Begin to send and receive, or go on differently.
    Media(Box<MediaPlan>),
    /// Close or open the microphone.
    Mute(bool),
    /// Send a tone.
    Digit(Digit),
    /// What the user hears that the far end does not send.
    Sound(PhoneSound),
    /// Tell whoever listens.
    Event(Event),
}

/// What a call needs at each turn besides its input.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The moment.
    pub now: Instant,
    /// For tags, keys and the times of retries.
    pub random: &'a mut Random,
}

/// See the module.
#[derive(Debug)]
pub struct Call {
    id: CallId,
    account: AccountId,
    direction: CallDirection,
    /// The far end, for people.
    remote: String,
    /// Placed as soon as there is a path.
    dial: Option<Dial>,
    session: Option<Session>,
    sound: Sound,
    progress: Progress,
    /// Their first offer, while our phone rings.
    offer: FirstOffer,
    /// The user took the call before there was a path.
    answer_wanted: bool,
    held_by_us: bool,
    muted: bool,
    /// How long nothing had come when the far end was last asked whether it is there.
    silent_for: Duration,
    info_digits: bool,
    announced: Option<CallState>,
    outputs: VecDeque<Output>,
}

/// How far a call is: facts, in the order in which they happen.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    ringing: bool,
    early: bool,
    answered_at: Option<Instant>,
    ended_at: Option<Instant>,
    /// Nothing more is owed to the other side.
    released: bool,
}

/// What an incoming call brought to be answered.
#[derive(Clone, Debug)]
enum FirstOffer {
    /// Nothing yet, or it has been answered.
    None,
    /// A description.
    Theirs(Bytes),
    /// They want ours.
    Ours,
}

impl Call {
    /// A call to be placed. It is sent when the path is there.
    pub fn outgoing(
        id: CallId,
        account: AccountId,
        dial: Dial,
        remote: String,
        profile: Profile,
        turn: &mut Turn<'_>,
    ) -> Self {
        let mut call = Self::new(id, account, CallDirection::Out, remote, profile, turn);
        call.dial = Some(dial);
        call.outputs.push_back(Output::OpenPath);
        call.announce(None, None);
        call
    }

    /// A call that came in: `request` is its INVITE. It rings if its offer can be answered, and is refused if not.
    pub fn incoming(
        id: CallId,
        account: AccountId,
        invite: Invite,
        remote: String,
        profile: Profile,
        turn: &mut Turn<'_>,
    ) -> Self {
        let mut call = Self::new(id, account, CallDirection::In, remote, profile, turn);
        call.announced = Some(CallState::Ringing);
        call.progress.ringing = true;
        let Invite { settings, key, request } = invite;
        match Session::incoming(settings, key, request, turn.now, turn.random) {
            Ok(session) => call.session = Some(session),
            Err(response) => {
                call.tell_endpoint(session::Output::Respond {
                    key,
                    response: *response,
                });
                call.ended(None, None, turn.now);
            }
        }
        call.drain_session(turn);
        if call.is_live() {
            call.ring(turn);
        }
        call
    }

    fn new(
        id: CallId,
        account: AccountId,
        direction: CallDirection,
        remote: String,
        profile: Profile,
        turn: &mut Turn<'_>,
    ) -> Self {
        Self {
            id,
            account,
            direction,
            remote,
            dial: None,
            session: None,
            sound: Sound::new(profile.media, turn.random),
            progress: Progress::default(),
            offer: FirstOffer::None,
            answer_wanted: false,
            held_by_us: false,
            muted: false,
            silent_for: Duration::ZERO,
            info_digits: profile.info_digits,
            announced: None,
            outputs: VecDeque::new(),
        }
    }

    /// Its number.
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// Through which account.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// How far it is.
    pub fn state(&self) -> CallState {
        let Progress {
            ringing,
            early,
            answered_at,
            ended_at,
            ..
        } = self.progress;
        match (ended_at, answered_at) {
            (Some(_), _) => CallState::Ended,
            (None, Some(_)) if self.held_by() == HeldBy::None => CallState::Active,
            (None, Some(_)) => CallState::Held,
            (None, None) if early => CallState::Early,
            (None, None) if ringing => CallState::Ringing,
            (None, None) => CallState::Dialing,
        }
    }

    /// What was agreed about its sound.
    pub fn agreed(&self) -> Option<(Option<Suite>, Codec)> {
        self.sound.agreed()
    }

    /// Whether it is of use to the user still.
    pub fn is_live(&self) -> bool {
        self.progress.ended_at.is_none()
    }

    /// Whether we placed it.
    pub fn is_outgoing(&self) -> bool {
        self.direction == CallDirection::Out
    }

    /// Whether an incoming call waits for the user.
    pub fn rings_here(&self) -> bool {
        self.direction == CallDirection::In && self.state() == CallState::Ringing
    }

    /// Whether nothing keeps it: the user has seen its end and nothing is owed to the other side.
    pub fn is_forgettable(&self, now: Instant) -> bool {
        self.progress.released && self.progress.ended_at.is_some_and(|ended| now >= ended + LINGER)
    }

    /// Whether a request belongs to this call: by Call-ID and tags (RFC 3261 12.2.2).
    pub fn owns(&self, request: &Request) -> bool {
        self.session.as_ref().is_some_and(|session| session.owns(request))
    }

    /// For the snapshot; `None` once its end has been visible for [`LINGER`].
    pub fn view(&self, now: Instant) -> Option<CallView> {
        let stale = self.progress.ended_at.is_some_and(|ended| now >= ended + LINGER);
        (!stale).then(|| CallView {
            id: self.id,
            account: self.account,
            direction: self.direction,
            state: self.state(),
            remote: self.remote.clone(),
            held_by: self.held_by(),
            muted: self.muted,
            suite: self.sound.agreed().and_then(|(suite, _)| suite),
            answered_ms_ago: self
                .progress
                .answered_at
                .map(|at| u64::try_from((self.progress.ended_at.unwrap_or(now) - at).as_millis()).unwrap_or(u64::MAX)),
        })
    }

    /// The path that was asked for is there, or has moved.
    pub fn handle_path(&mut self, path: LocalPath, turn: &mut Turn<'_>) {
        if !self.is_live() {
            return;
        }
        self.sound.set_path(path);
        if let Some(dial) = self.dial.take() {
            self.place(dial, turn);
        } else if std::mem::take(&mut self.answer_wanted) {
            self.take(turn);
        } else if self.progress.answered_at.is_some() {
            self.offer_again(turn);
        }
        self.settle(turn);
    }

    /// There is no path: without one there is no call.
    pub fn handle_path_failed(&mut self, why: &str, turn: &mut Turn<'_>) {
        self.end_with(why.to_owned(), turn);
        self.settle(turn);
    }

    /// The media side has something to tell.
    pub fn handle_media(&mut self, fact: MediaFact, turn: &mut Turn<'_>) {
        match fact {
            MediaFact::Heard | MediaFact::Stats(_) => {}
            MediaFact::Digit(digit) => {
                self.outputs.push_back(Output::Event(Event::Dtmf {
                    call: self.id,
                    digit: digit.key(),
                }));
            }
            MediaFact::NothingFor(silence) if silence < PROBE_AFTER => {}
            MediaFact::NothingFor(silence) => {
                self.silent_for = silence;
                if let Some(session) = &mut self.session {
                    // Refused only where there is no dialog, and then there is nobody to ask.
                    let _ = session.probe(turn.now);
                }
            }
        }
        self.settle(turn);
    }

    /// A request of its dialog.
    pub fn handle_request(&mut self, key: ServerKey, request: Request, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_request(key, request, turn.now);
        }
        self.settle(turn);
    }

    /// The caller gave up: a CANCEL for the INVITE with this key.
    pub fn handle_cancelled(&mut self, key: ServerKey, cancel: &Request, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_cancel(key, cancel, turn.now);
        }
        self.settle(turn);
    }

    /// The flow that a request of this call came by is gone before the request was answered.
    pub fn handle_stranded(&mut self, key: ServerKey, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_stranded(key, turn.now);
        }
        self.settle(turn);
    }

    /// The ACK of our 2xx.
    pub fn handle_ack(&mut self, ack: &Request, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_ack(ack, turn.now);
        }
        self.settle(turn);
    }

    /// A response to a request of its dialog.
    pub fn handle_response(&mut self, id: RequestId, response: &Response, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_response(id, response, turn.now);
        }
        self.settle(turn);
    }

    /// A request of its dialog got no response.
    pub fn handle_failed(&mut self, id: RequestId, why: Failure, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_failed(id, why, turn.now);
        }
        self.settle(turn);
    }

    /// The challenge to this request can be answered with these credentials, or not at all.
    pub fn handle_credentials(&mut self, id: RequestId, retry: Option<&Retry>, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            match retry {
                Some(retry) => drop(session.retry_with(id, retry, turn.now)),
                None => session.give_up(id, turn.now),
            }
        }
        self.settle(turn);
    }

    /// A moment that [`Call::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_timeout(turn.now);
        }
        self.settle(turn);
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Call::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let linger = self.progress.ended_at.filter(|_| self.progress.released);
        earliest([
            self.session.as_ref().and_then(Session::poll_wake),
            linger.map(|ended| Wake::new(ended + LINGER, "ended call leaves the list")),
        ])
    }

    fn held_by(&self) -> HeldBy {
        HeldBy::of(
            self.held_by_us,
            self.progress.answered_at.is_some() && self.sound.held_by_them(),
        )
    }

    /// After every input: what the session says is dealt with, and a new state is announced.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.drain_session(turn);
        self.announce(None, None);
    }

    fn tell_endpoint(&mut self, output: session::Output) {
        self.outputs.push_back(Output::Session(Box::new(output)));
    }

    /// Tells of the state if it is another one than was told last.
    fn announce(&mut self, code: Option<u16>, reason: Option<String>) {
        let state = self.state();
        if self.announced != Some(state) {
            self.announced = Some(state);
            self.outputs.push_back(Output::Event(Event::Call {
                call: self.id,
                state,
                code,
                reason,
            }));
        }
    }

    /// The call is over for the user.
    fn ended(&mut self, code: Option<u16>, reason: Option<String>, now: Instant) {
        if self.progress.ended_at.is_some() {
            return;
        }
        self.progress.ended_at = Some(now);
        self.dial = None;
        self.answer_wanted = false;
        self.progress.released |= self.session.is_none();
        self.outputs.push_back(Output::Sound(PhoneSound::Silence));
        self.outputs.push_back(Output::ClosePath);
        self.announce(code, reason);
    }

    /// We end it, because of something that the user must know.
    fn end_with(&mut self, why: String, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.hangup(None, turn.now);
        }
        self.ended(None, Some(why), turn.now);
    }
}

/// What an account says about all its calls' sound.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Codecs, suites, policy.
    pub media: MediaSettings,
    /// Tones always go by INFO.
    pub info_digits: bool,
}

impl Profile {
    /// Whether plain sound must never be sent.
    pub fn requires_encryption(&self) -> bool {
        self.media.policy == MediaPolicy::Required
    }
}

/// An INVITE that came in, and how we answer it.
#[derive(Debug)]
pub struct Invite {
    /// The account's side of it.
    pub settings: Settings,
    /// To answer it with.
    pub key: ServerKey,
    /// The INVITE.
    pub request: Request,
}
