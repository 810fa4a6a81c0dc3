//! What happens in the phone that somebody may want to know: each event counts, none is repeated.
//!
//! Where things *stand* is a [`View`](crate::view::View); a window that opens late asks for that and never replays events.

use crate::codec::{Codec, Suite};
use crate::ids::{AccountId, CallId};
use crate::view::{CallEnd, CallState, LampKind, LampState, Messages};
use serde::Serialize;

/// One occurrence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The PBX confirmed our binding: calls can come in.
    Registered {
        /// Whose.
        account: AccountId,
    },
    /// There is no proven binding any more, or none could be made.
    Unregistered {
        /// Whose.
        account: AccountId,
        /// What happened and, where there is one, the next step: a sentence.
        reason: String,
        /// When the phone tries again by itself; `null` where it waits for the user.
        retry_in_ms: Option<u64>,
    },
    /// Somebody calls.
    Incoming {
        /// The new call.
        call: CallId,
        /// At which account.
        account: AccountId,
        /// Who, as the PBX says: a name and number, or the address.
        from: String,
        /// They withhold their number.
        #[serde(skip_serializing_if = "is_false")]
        withheld: bool,
        /// Who sent the call on to us, the last one first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        via: Vec<String>,
        /// Where it comes from, as the PBX has it ring.
        #[serde(skip_serializing_if = "Option::is_none")]
        ring: Option<RingKind>,
        /// The account's policy has it answered by itself.
        #[serde(skip_serializing_if = "is_false")]
        answers_itself: bool,
        /// Which call of ours it takes the place of, without being asked about: the far end was connected to somebody
        /// else.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<CallId>,
    },
    /// Somebody called, and nobody was rung: the user's rules turned the call away.
    TurnedAway {
        /// At which account.
        account: AccountId,
        /// Who.
        from: String,
        /// They withhold their number.
        #[serde(skip_serializing_if = "is_false")]
        withheld: bool,
        /// Who sent the call on to us, the last one first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        via: Vec<String>,
        /// The status that they got.
        code: u16,
        /// Where they were sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// The far end of a call is another one now, or is known better.
    Remote {
        /// Which call.
        call: CallId,
        /// Who, as the PBX says.
        remote: String,
        /// They withhold their number.
        #[serde(skip_serializing_if = "is_false")]
        withheld: bool,
    },
    /// A call changed its state.
    Call {
        /// Which.
        call: CallId,
        /// To what.
        state: CallState,
        /// The SIP status that caused it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// Why, as a sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How it ended, once it has: only [`CallEnd::Missed`] is a missed call.
        #[serde(skip_serializing_if = "Option::is_none")]
        end: Option<CallEnd>,
    },
    /// Media was agreed, or agreed anew.
    Media {
        /// Of which call.
        call: CallId,
        /// How it is protected; `null` means that it is not.
        suite: Option<Suite>,
        /// What is spoken.
        codec: Codec,
    },
    /// The far end sent a tone.
    Dtmf {
        /// In which call.
        call: CallId,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
    },
    /// Somebody came to the conference or left it.
    Conference {
        /// Who is in it now; nobody when it is over.
        calls: Vec<CallId>,
    },
    /// How far a transfer of ours is: the far end was asked to call somebody else.
    Transfer {
        /// The call that is transferred.
        call: CallId,
        /// How far.
        state: TransferState,
        /// The SIP status of whoever is called, or that refused the transfer.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// Why it failed, as a sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The far end of a call wants us to call somebody else; the user decides within a minute.
    TransferAsked {
        /// Which call.
        call: CallId,
        /// Whom we are to call.
        to: String,
    },
    /// The PBX told what waits in the mailbox, and it is news.
    Messages {
        /// Whose mailbox.
        account: AccountId,
        /// What waits.
        #[serde(flatten)]
        messages: Messages,
    },
    /// What is known of somebody changed.
    Lamp {
        /// By which account it is known.
        account: AccountId,
        /// What is asked.
        kind: LampKind,
        /// Of whom.
        target: String,
        /// What is known.
        state: LampState,
        /// With whom they talk or who calls them.
        #[serde(skip_serializing_if = "Option::is_none")]
        remote: Option<String>,
        /// Why nothing is known, as a sentence; or what they say of themselves.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something that the user should know and that ended nothing.
    Warning {
        /// A sentence.
        text: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Where a call comes from, as the PBX has it ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RingKind {
    /// From a colleague.
    Internal,
    /// From outside.
    External,
}

/// How far a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// The far end calls; each provisional response is told.
    Trying,
    /// Somebody else has the call, and it ends here.
    Done,
    /// The call is here again.
    Failed,
}
