//! Where everything stands, at one moment: a snapshot, of which the latest wins.

use crate::codec::Suite;
use crate::ids::{AccountId, CallId};
use serde::{Deserialize, Serialize};

/// The whole phone.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct View {
    /// At least one account has a binding that is proven and unexpired.
    pub registered: bool,
    /// In the order in which they were added.
    pub accounts: Vec<AccountView>,
    /// In the order in which they began; an ended call stays for two seconds.
    pub calls: Vec<CallView>,
    /// The calls that are in a conference with each other; empty where there is none.
    pub conference: Vec<CallId>,
    /// Whose state is asked for, in the order of accounts and names.
    pub lamps: Vec<LampView>,
}

/// One account.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct AccountView {
    /// Its number.
    pub id: AccountId,
    /// Its address of record.
    pub aor: String,
    /// Its binding is proven and unexpired.
    pub registered: bool,
    /// How many milliseconds ago the PBX last proved that it is there; `null` if never.
    pub last_proven_ms: Option<u64>,
    /// Why it is not registered: a sentence.
    pub reason: Option<String>,
    /// What waits in its mailbox; `null` while the PBX has not said.
    pub messages: Option<Messages>,
    /// Do not disturb: the status that callers get; `null` where they are let through.
    pub dnd: Option<u16>,
    /// Where calls go instead.
    pub forward: ForwardView,
}

/// Where calls that come in go instead, each as typed; `null` where they do not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct ForwardView {
    /// Each of them.
    pub always: Option<String>,
    /// One that comes while another is there, or while nobody is to be disturbed.
    pub busy: Option<String>,
    /// One that nobody takes.
    pub no_answer: Option<String>,
    /// How long it rings before that, in seconds, where that was said.
    pub after: Option<u32>,
}

/// One call.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CallView {
    /// Its number.
    pub id: CallId,
    /// Through which account.
    pub account: AccountId,
    /// Who called whom.
    pub direction: CallDirection,
    /// How far it is.
    pub state: CallState,
    /// The far end, as a name and number or an address.
    pub remote: String,
    /// They withhold their number.
    pub withheld: bool,
    /// Who sent the call on to us, the last one first.
    pub via: Vec<String>,
    /// Who put it on hold.
    pub held_by: HeldBy,
    /// Our microphone is closed towards the far end.
    pub muted: bool,
    /// The far end is being transferred.
    pub transferring: bool,
    /// How the media is protected; `null` means not, or not yet agreed.
    pub suite: Option<Suite>,
    /// Milliseconds since it was answered; `null` before that.
    pub answered_ms_ago: Option<u64>,
}

/// Who called whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallDirection {
    /// They called us.
    In,
    /// We called them.
    Out,
}

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// Asked for, and nothing heard yet.
    Dialing,
    /// A phone rings: theirs (a 180 came), or ours.
    Ringing,
    /// Sound before the answer.
    Early,
    /// Two people talk.
    Active,
    /// On hold, by either side.
    Held,
    /// Over.
    Ended,
}

impl CallState {
    /// The word that people and programs see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dialing => "dialing",
            Self::Ringing => "ringing",
            Self::Early => "early",
            Self::Active => "active",
            Self::Held => "held",
            Self::Ended => "ended",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallEnd {
    /// Somebody answered, and it is over.
    Answered,
    /// We called, and nobody answered.
    Unanswered,
    /// Somebody called, and nobody took it.
    Missed,
    /// Somebody called, and another phone of the same people took it or turned it down (RFC 3326).
    Elsewhere,
    /// Somebody called, and we turned it down.
    Refused,
    /// Somebody called, and we sent the call to somebody else.
    Forwarded,
}

/// Who put a call on hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldBy {
    /// Nobody.
    None,
    /// We did.
    Us,
    /// They did.
    Them,
    /// Both did.
    Both,
}

impl HeldBy {
    /// From the two facts.
    pub const fn of(us: bool, them: bool) -> Self {
        match (us, them) {
            (false, false) => Self::None,
            (true, false) => Self::Us,
            (false, true) => Self::Them,
            (true, true) => Self::Both,
        }
    }
}

/// What waits in a mailbox (RFC 3842).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Messages {
    /// Something waits: the lamp. Some PBXs tell no more than this.
    pub waiting: bool,
    /// Voice messages that nobody has heard.
    pub new: u32,
    /// Voice messages that were heard and kept.
    pub old: u32,
    /// How many of the new ones are urgent.
    pub urgent: u32,
}

/// What is asked about somebody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LampKind {
    /// Whether they are in a call (RFC 4235).
    Dialog,
    /// Whether they are there (RFC 3856).
    Presence,
    /// What waits in a mailbox (RFC 3842).
    Mwi,
}

/// One lamp beside a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LampView {
    /// By which account it is asked for.
    pub account: AccountId,
    /// What is asked.
    pub kind: LampKind,
    /// Of whom: as the user named them, or as the PBX's list does.
    pub target: String,
    /// What is known.
    pub state: LampState,
    /// With whom they talk or who calls them, where the PBX says so.
    pub remote: Option<String>,
    /// Why nothing is known, as a sentence; or what they say of themselves.
    pub reason: Option<String>,
}

/// What is known of somebody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LampState {
    /// The account is not registered, so nobody can tell us.
    NotConnected,
    /// The PBX has not said yet, does not say, or said something that cannot be read.
    #[default]
    Unknown,
    /// It was known, and the PBX has not renewed it in time.
    Stale,
    /// Free.
    Idle,
    /// Somebody calls them.
    Ringing,
    /// They are in a call, or make one.
    Busy,
    /// They are in a call that is on hold.
    Held,
    /// They are not there, or do not want to be called.
    Away,
}
