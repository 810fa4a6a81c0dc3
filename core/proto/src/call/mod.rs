//! One call, as the user counts calls: where signalling, session descriptions and the media path meet.
//!
//! The path comes before the offer: a call first asks for one ([`Output::OpenPath`]) and describes only what is ready.
//! What state a call is in is never stored: [`Call::state`] derives it from the facts, and each change of it is
//! announced once. The session inside outlives the call for as long as the other side is owed an answer.

pub mod alert;
mod commands;
mod digits;
mod early;
mod ending;
mod inputs;
mod media;
mod party;
mod placing;
mod profile;
mod referred;
mod session_events;
mod sound;
mod transfer;
mod unattended;

use crate::account_config::TransferPolicy;
use crate::codec::{Codec, Suite};
use crate::event::{Event, RingKind};
use crate::ids::{AccountId, CallId};
use crate::media::dtmf::Digit;
use crate::media::plan::MediaPlan;
use crate::media::session::MediaStats;
use crate::random::Random;
use crate::sip::msg::{Replaces, Request, Uri};
use crate::sip::session::{self, Session};
use crate::time::{Instant, Wake, earliest};
use crate::view::{CallDirection, CallEnd, CallState, CallView, HeldBy};
use bytes::Bytes;
use digits::Digits;
use early::Early;
pub(crate) use media::{Sound, SoundError};
use referred::Referred;
pub(crate) use session_events::refusal_of;
use std::collections::VecDeque;
use std::time::Duration;

pub use commands::{CallError, Manner};
pub use party::{Party, shown, via};
use placing::Placing;
pub use placing::{Way, Wish};
pub use profile::{Invite, Profile};
pub use sound::{MediaFact, PhoneSound};
pub use transfer::Refer;
use transfer::Transfer;
pub use unattended::Elsewhere;
use unattended::Unattended;

/// How long an ended call stays in the [`View`](crate::view::View).
pub const LINGER: Duration = Duration::from_secs(2);

/// After this long without RTP and RTCP the far end is asked whether it is still there.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// After this long without any proof of the far end a call whose signalling is gone too is over.
/// It is less than the media side's step of 120 s, because the news of a packet reaches the call a moment after it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(115);

/// What a call wants done.
#[derive(Debug)]
pub enum Output {
    /// For the transaction layer: what the session said, unless the call itself has dealt with it.
    Session(Box<session::Output>),
    /// Make a media path.
    OpenPath,
    /// The far end wants us to call somebody else, and may have it so.
    Follow,
    /// Give the path up: nothing more is sent or heard.
    ClosePath,
    /// Begin to send and receive, or go on differently.
    Media(Box<MediaPlan>),
    /// Close or open the microphone.
    Mute(bool),
    /// Send a tone as telephone-event.
    Digit(Digit),
    /// Send a tone as sound, in the place of the microphone.
    Tone(Digit),
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
    party: Party,
    /// Who sent the call on to us.
    via: Vec<String>,
    /// How it rings here.
    ring: Option<RingKind>,
    /// What becomes of it while it rings and nobody takes it.
    unattended: Unattended,
    /// What its INVITE waits for, if we place it.
    placing: Placing,
    /// What is placed anew if the connection breaks before anything came back; nothing once something did.
    unheard: Option<Wish>,
    session: Option<Session>,
    sound: Sound,
    progress: Progress,
    /// Their first offer, while our phone rings.
    offer: FirstOffer,
    /// The user took the call before there was a path.
    answer_wanted: bool,
    held_by_us: bool,
    muted: bool,
    /// As the media side was told last.
    microphone_is_closed: bool,
    /// When the far end last proved that it is there: by a packet, or by an answer.
    proven_at: Option<Instant>,
    /// The far end knows another Contact of ours than the one that reaches us now.
    has_moved: bool,
    digits: Digits,
    /// What is heard before the answer.
    early: Early,
    /// We have asked the far end to call somebody else.
    transfer: Option<Transfer>,
    /// The far end has asked us to call somebody else.
    referred: Option<Referred>,
    /// What is done with that.
    transfers: TransferPolicy,
    /// Its last figures, once its media has ended.
    figures: Option<MediaStats>,
    /// What was told about its media last.
    told_media: Option<(Option<Suite>, Codec)>,
    /// Somebody knows of it: an incoming call is nobody's concern before its offer is judged.
    is_known: bool,
    /// It is in the list: an ended call leaves it after [`LINGER`].
    is_listed: bool,
    /// A tone tells that it failed.
    fails_aloud: bool,
    announced: Option<CallState>,
    /// How an incoming call ended that nobody took here, where that is not just missed.
    let_go: Option<CallEnd>,
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
    /// They want ours before anything else, even with the ringing (RFC 3262 5): it waits for the path.
    OursToRing,
    /// Ours went out with the ringing.
    Made(Bytes),
}

impl Call {
    /// A call to be placed. It is sent when the path is there; without a `way` it first waits for a connection.
    pub fn outgoing(
        id: CallId,
        account: AccountId,
        (wish, way): (Wish, Option<Way>),
        remote: String,
        profile: Profile,
        turn: &mut Turn<'_>,
    ) -> Self {
        let mut call = Self::new(id, account, CallDirection::Out, Party::dialled(remote), profile, turn);
        call.unheard = Some(wish.clone());
        call.wait_for_way(wish, way, turn.now);
        call.announce(None, None);
        call
    }

    /// A call that came in: `request` is its INVITE. It rings if its offer can be answered, and is refused if not.
    pub fn incoming(id: CallId, account: AccountId, invite: Invite, profile: Profile, turn: &mut Turn<'_>) -> Self {
        let party = Party::caller(&invite.request);
        let via = via(&invite.request.headers, &profile.user);
        let mut call = Self::new(id, account, CallDirection::In, party, profile, turn);
        call.via = via;
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
            (call.is_known, call.is_listed) = (true, true);
            call.ring(turn);
        }
        call
    }

    fn new(
        id: CallId,
        account: AccountId,
        direction: CallDirection,
        party: Party,
        profile: Profile,
        turn: &mut Turn<'_>,
    ) -> Self {
        Self {
            id,
            account,
            direction,
            party,
            via: Vec::new(),
            ring: None,
            unattended: Unattended::default(),
            placing: Placing::Done,
            unheard: None,
            session: None,
            sound: Sound::new(profile.media, turn.random),
            progress: Progress::default(),
            offer: FirstOffer::None,
            answer_wanted: false,
            held_by_us: false,
            muted: false,
            microphone_is_closed: false,
            proven_at: None,
            has_moved: false,
            digits: Digits::new(profile.dtmf),
            early: Early::default(),
            transfer: None,
            referred: None,
            transfers: profile.transfers,
            figures: None,
            told_media: None,
            is_known: direction == CallDirection::Out,
            is_listed: direction == CallDirection::Out,
            fails_aloud: false,
            announced: None,
            let_go: None,
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

    /// The far end.
    pub const fn party(&self) -> &Party {
        &self.party
    }

    /// Who sent the call on to us.
    pub fn via(&self) -> &[String] {
        &self.via
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

    /// Whether our phone is to ring for it.
    pub fn wants_ring(&self) -> bool {
        self.rings_here() && !self.answer_wanted
    }

    /// Whether nothing keeps it: the user has seen its end and nothing is owed to the other side.
    pub fn is_forgettable(&self) -> bool {
        self.progress.released && !self.is_live() && !self.is_listed
    }

    /// Whether it is over and every message that ends it has got through. Other branches may still answer late.
    pub fn is_settled(&self) -> bool {
        !self.is_live() && self.session.as_ref().is_none_or(Session::is_settled)
    }

    /// The last figures of its sound, once that has ended.
    pub const fn figures(&self) -> Option<MediaStats> {
        self.figures
    }

    /// How somebody else names this call to take it over, and where they find the far end.
    pub fn takeover(&self) -> Option<(Replaces, &Uri)> {
        self.session.as_ref()?.takeover()
    }

    /// Whether `replaces` names this call.
    pub fn is_named_by(&self, replaces: &Replaces) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.is_named_by(replaces))
    }

    /// Whether two people can talk in it, held or not.
    pub fn is_answered(&self) -> bool {
        self.is_live() && self.progress.answered_at.is_some()
    }

    /// Whether the user is in it: he placed it, or has taken it.
    pub fn is_engaged(&self) -> bool {
        self.is_live() && !self.rings_here()
    }

    /// Whether the user has put the far end on hold.
    pub fn is_held_by_us(&self) -> bool {
        self.is_answered() && self.held_by_us
    }

    /// Whether a request belongs to this call: by Call-ID and tags (RFC 3261 12.2.2).
    pub fn owns(&self, request: &Request) -> bool {
        self.session.as_ref().is_some_and(|session| session.owns(request))
    }

    /// For the snapshot; `None` once its end has been visible for [`LINGER`].
    pub fn view(&self, now: Instant) -> Option<CallView> {
        let is_over = self.progress.ended_at.is_some_and(|ended| now >= ended + LINGER);
        (self.is_listed && !is_over).then(|| CallView {
            id: self.id,
            account: self.account,
            direction: self.direction,
            state: self.state(),
            remote: self.party.shown.clone(),
            withheld: self.party.is_withheld,
            via: self.via.clone(),
            held_by: self.held_by(),
            muted: self.muted,
            transferring: self.transfer.is_some(),
            suite: self.sound.agreed().and_then(|(suite, _)| suite),
            answered_ms_ago: self
                .progress
                .answered_at
                .map(|at| u64::try_from((self.progress.ended_at.unwrap_or(now) - at).as_millis()).unwrap_or(u64::MAX)),
        })
    }

    /// Stops the tone that tells of its failure: it is over, or something else is to be heard.
    pub fn hush(&mut self) {
        if std::mem::take(&mut self.fails_aloud) {
            self.outputs.push_back(Output::Sound(PhoneSound::Silence));
        }
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Call::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let ended = self.progress.ended_at.filter(|_| self.is_listed);
        earliest([
            self.session.as_ref().and_then(Session::poll_wake),
            self.placing.wake(),
            self.transfer.as_ref().and_then(Transfer::wake),
            self.referred.as_ref().and_then(Referred::wake),
            self.digits.wake().filter(|_| self.is_live()),
            self.unattended.wake().filter(|_| self.wants_ring()),
            ended.map(|ended| Wake::new(ended + LINGER, "ended call leaves the list")),
        ])
    }

    fn held_by(&self) -> HeldBy {
        HeldBy::of(
            self.held_by_us,
            self.progress.answered_at.is_some() && self.sound.held_by_them(),
        )
    }

    /// Closes the microphone towards whom the user does not want to be heard by, and opens it again. Whoever is on hold
    /// may hear music from the PBX, but not the room.
    fn close_microphone(&mut self) {
        let is_closed = self.muted || self.held_by_us;
        if std::mem::replace(&mut self.microphone_is_closed, is_closed) != is_closed {
            self.outputs.push_back(Output::Mute(is_closed));
        }
    }

    /// After every input: what the session says is dealt with, and a new state is announced.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.close_microphone();
        self.drain_session(turn);
        self.send_digits_due(turn);
        self.drain_session(turn);
        // What the session said may have ended a hold.
        self.close_microphone();
        self.announce(None, None);
    }

    fn tell_endpoint(&mut self, output: session::Output) {
        self.outputs.push_back(Output::Session(Box::new(output)));
    }

    /// Tells of the state if it is another one than was told last.
    fn announce(&mut self, code: Option<u16>, reason: Option<String>) {
        let state = self.state();
        if self.is_known && self.announced != Some(state) {
            self.announced = Some(state);
            self.outputs.push_back(Output::Event(Event::Call {
                call: self.id,
                state,
                code,
                reason,
                end: (state == CallState::Ended).then(|| self.end()),
            }));
        }
    }
}
