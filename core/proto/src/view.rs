//! Where everything stands, at one moment: a snapshot, of which the latest wins.

use crate::codec::Suite;
use crate::ids::{AccountId, CallId};
use serde::Serialize;

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
