//! What may be asked of the phone, and its answer: accepted, or refused and why.
//!
//! Accepted means just that; what comes of it arrives later as an [`Event`](super::Event). The same types are the
//! command line's JSON, the desktop's generated bindings and the scenarios of the simulated world.

use crate::account_config::Feature;
use crate::ids::{AccountId, CallId};
use crate::lines::LampRefused;
use crate::policy::feature::FeatureError;
use crate::policy::reach::ForwardWhen;
use crate::view::LampKind;
use serde::{Deserialize, Serialize};

/// One request to the phone. Where `call` is left out, the only live call is meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Call somebody.
    Dial {
        /// A number, an extension, a `sip:` or `tel:` URI: as typed or pasted.
        target: String,
        /// From which account; the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Take an incoming call. Whoever is heard meanwhile is put on hold.
    Answer {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// What becomes of the calls that are there already.
        #[serde(default)]
        others: Others,
    },
    /// Refuse an incoming call.
    Reject {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// 486 busy (the default), 480 not now, 603 declined.
        #[serde(default)]
        code: Option<u16>,
    },
    /// End a call in whatever state it is; without `call`, end all.
    Hangup {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// Put the far end on hold.
    Hold {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// Take the far end off hold; whoever is heard meanwhile is put on hold, so that two calls are swapped by it.
    Resume {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// Let the far ends of these calls hear each other and us, and hold everybody else.
    Conference {
        /// Which: two to four. All that are answered where left out; none of them ends the conference, and everybody is
        /// on hold.
        #[serde(default)]
        calls: Option<Vec<CallId>>,
    },
    /// Send tones.
    Dtmf {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// `0` to `9`, `*`, `#`, `A` to `D`; `,`, `;`, `p` and `w` are pauses of two seconds.
        digits: String,
    },
    /// Close or open our microphone towards the far end.
    Mute {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// Closed.
        on: bool,
    },
    /// Send the far end to somebody else, without speaking to them first (blind transfer). It is put on hold, and comes
    /// back if that fails.
    Transfer {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// To whom: as typed or pasted.
        target: String,
    },
    /// Put the far end on hold and call somebody else about it.
    Consult {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// Whom: as typed or pasted.
        target: String,
    },
    /// Connect the far ends of two calls with each other and leave both (attended transfer).
    Join {
        /// The first; the call that is consulted about where both are left out.
        #[serde(default)]
        call: Option<CallId>,
        /// The other one.
        #[serde(default)]
        with: Option<CallId>,
    },
    /// Call whom the far end of a call wants us to call.
    AcceptTransfer {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// Stay in the call that the far end wants to transfer.
    RefuseTransfer {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// Show what somebody does, as long as the phone runs.
    Subscribe {
        /// What is to be known.
        kind: LampKind,
        /// Of whom: an extension or an address. For waiting messages the own mailbox where left out.
        #[serde(default)]
        target: Option<String>,
        /// By which account; the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Show it no more.
    Unsubscribe {
        /// What.
        kind: LampKind,
        /// Of whom, as in [`Command::Subscribe`].
        #[serde(default)]
        target: Option<String>,
        /// By which account; the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Turn callers away, or let them through again. Remembered with the account.
    Dnd {
        /// Turn them away.
        on: bool,
        /// 486 busy (the default) or 480 not now.
        #[serde(default)]
        code: Option<u16>,
        /// Of which account; of all where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Send callers elsewhere, or do so no more. Remembered with the account.
    Forward {
        /// Which calls.
        when: ForwardWhen,
        /// Where to, as typed or pasted; `null` to stop.
        target: Option<String>,
        /// Of calls that nobody takes: after how many seconds.
        #[serde(default)]
        after: Option<u32>,
        /// Of which account; of all where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Take a call that rings at a colleague, or anywhere in the group.
    Pickup {
        /// At which extension.
        #[serde(default)]
        target: Option<String>,
        /// By which account; the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Take our own call that runs on another phone; its number must be watched (`subscribe`).
    Pull {
        /// By which account; the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Park a call at the PBX.
    Park {
        /// Which.
        #[serde(default)]
        call: Option<CallId>,
        /// Where, at PBXs that want to be told.
        #[serde(default)]
        slot: Option<String>,
    },
    /// Use a feature of the PBX by the account's code for it.
    Feature {
        /// Which.
        name: Feature,
        /// What the code takes with it: an extension, a number, a slot.
        #[serde(default)]
        argument: Option<String>,
        /// By which account; the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
        /// In which call, for features of a call.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// Call the mailbox.
    Voicemail {
        /// Of which account; of the first one where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Register now, without waiting for a back-off.
    Register {
        /// Which; all where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
    /// Take the registration back and stay without one until [`Command::Register`].
    Unregister {
        /// Which; all where left out.
        #[serde(default)]
        account: Option<AccountId>,
    },
}

/// What becomes of other calls when one is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// They are put on hold.
    #[default]
    Hold,
    /// They end.
    Hangup,
}

/// The answer to an accepted [`Command`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Accepted {
    /// The call that the command made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
}

/// The answer to a [`Command`] that changes nothing. Each is the user's to put right; none is worth retrying as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no call to which the command could apply.
    #[error("There is no call. Dial first, or wait for one.")]
    NoCall,
    /// Several calls are live and the command names none.
    #[error("There is more than one call. Say which one.")]
    WhichCall,
    /// No call has that number, or it has ended.
    #[error("There is no {0}. It may have ended.")]
    UnknownCall(CallId),
    /// No account has that number.
    #[error("There is no {0}. List the accounts first.")]
    UnknownAccount(AccountId),
    /// There is no account at all.
    #[error("There is no account to call from. Add one first.")]
    NoAccount,
    /// The call is not in a state in which that can be done.
    #[error("That cannot be done while the call is {0}.")]
    WrongState(&'static str),
    /// The account has no connection to its PBX at the moment.
    #[error("There is no connection to the PBX. {0} Call again when it is back.")]
    NotConnected(String),
    /// What was dialled is no number, extension or address.
    #[error("{0}")]
    Target(String),
    /// Not a tone.
    #[error("'{0}' is not a tone. Use 0 to 9, *, # and A to D.")]
    Digit(char),
    /// The account sends tones in one way only, and the far end does not take that one.
    #[error("The far end takes no tones as telephone-event. Set the account's tones to auto.")]
    Tones,
    /// Not a status that a person may refuse a call with.
    #[error("A call cannot be refused with {0}. Use 486 (busy), 480 (not now) or 603 (declined).")]
    RejectCode(u16),
    /// Not a status that callers may get while nobody is to be disturbed.
    #[error("Callers cannot be told {0}. Use 486 (busy) or 480 (not now).")]
    DndCode(u16),
    /// Not a time to wait for an answer.
    #[error("A call cannot ring for {0} seconds before it is forwarded. Use 3 to 120.")]
    Patience(u32),
    /// The PBX has no such feature, as far as the account says.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// The account has no mailbox.
    #[error("The account has no voicemail number. Ask whoever runs the PBX for it, and add it to the account.")]
    NoVoicemail,
    /// Nothing leads to help.
    #[error("There is no connection to any PBX. Call {0} with a mobile, now.")]
    UseAMobile(String),
    /// Two calls are to be connected, and it is not clear which.
    #[error("Which two calls are meant is not clear. Name both.")]
    WhichTwo,
    /// A conference of nobody, or of too many.
    #[error("A conference takes two to four calls, not {0}.")]
    ConferenceSize(usize),
    /// As many calls as the phone holds are live.
    #[error("There are {0} calls already. End one first.")]
    TooManyCalls(usize),
    /// Nothing is known of a call on another phone of ours.
    #[error("No call of yours is known to run on another phone. Subscribe to your own number, if the PBX tells of it.")]
    NothingToPull,
    /// Somebody's state cannot be asked for.
    #[error("{0}")]
    Lamp(#[from] LampRefused),
}

impl Command {
    /// The word in `cmd` of each.
    pub const NAMES: [&str; 25] = [
        "dial",
        "answer",
        "reject",
        "hangup",
        "hold",
        "resume",
        "conference",
        "dtmf",
        "mute",
        "transfer",
        "consult",
        "join",
        "accept_transfer",
        "refuse_transfer",
        "subscribe",
        "unsubscribe",
        "dnd",
        "forward",
        "pickup",
        "pull",
        "park",
        "feature",
        "voicemail",
        "register",
        "unregister",
    ];
}

impl Refused {
    /// One word for programs; the sentence is for people.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCall => "no_call",
            Self::WhichCall => "which_call",
            Self::UnknownCall(_) => "unknown_call",
            Self::UnknownAccount(_) => "unknown_account",
            Self::NoAccount => "no_account",
            Self::WrongState(_) => "wrong_state",
            Self::NotConnected(_) => "not_connected",
            Self::Target(_) => "target",
            Self::Digit(_) => "digit",
            Self::Tones => "tones",
            Self::RejectCode(_) => "reject_code",
            Self::DndCode(_) => "dnd_code",
            Self::Patience(_) => "patience",
            Self::Feature(_) => "feature",
            Self::NoVoicemail => "no_voicemail",
            Self::UseAMobile(_) => "use_a_mobile",
            Self::WhichTwo => "which_two",
            Self::ConferenceSize(_) => "conference_size",
            Self::NothingToPull => "nothing_to_pull",
            Self::TooManyCalls(_) => "too_many_calls",
            Self::Lamp(LampRefused::TooMany(_)) => "too_many_lamps",
            Self::Lamp(LampRefused::NotAsked) => "not_subscribed",
            Self::Lamp(_) => "lamp_target",
        }
    }
}
