//! What happens in the phone that somebody may want to know: each event counts, none is repeated.
//!
//! Where things *stand* is a [`View`](crate::view::View); a window that opens late asks for that and never replays events.

use crate::codec::{Codec, Suite};
use crate::ids::{AccountId, CallId};
use crate::view::CallState;
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
    /// Something that the user should know and that ended nothing.
    Warning {
        /// A sentence.
        text: String,
    },
}
