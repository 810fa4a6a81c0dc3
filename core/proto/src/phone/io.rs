//! What goes into and comes out of the phone, apart from commands and events: the facts and wishes of its runtime.

use crate::account::{AccountMemory, Query, Target};
use crate::call::{MediaFact, PhoneSound};
use crate::event::Event;
use crate::ids::{AccountId, CallId, FlowId};
use crate::media::dtmf::Digit;
use crate::media::plan::MediaPlan;
use crate::sdp::negotiate::LocalPath;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A fact from outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A look-up ended: the targets in the order in which to try them, or a sentence that says why there are none.
    Resolved {
        /// For whom.
        account: AccountId,
        /// What was found.
        found: Result<Vec<Target>, String>,
    },
    /// A flow that was asked for is open.
    FlowOpened {
        /// Which.
        flow: FlowId,
        /// Our end.
        local: SocketAddr,
    },
    /// A flow could not be opened, or has ended.
    FlowClosed {
        /// Which.
        flow: FlowId,
        /// A sentence.
        why: String,
    },
    /// Bytes of a stream, or one datagram.
    Received {
        /// On which flow.
        flow: FlowId,
        /// What.
        bytes: &'a [u8],
    },
    /// The media path that a call asked for is ready.
    PathReady {
        /// Whose.
        call: CallId,
        /// Our end of it.
        path: LocalPath,
    },
    /// The path has another address now.
    PathChanged {
        /// Whose.
        call: CallId,
        /// Our end of it.
        path: LocalPath,
    },
    /// There is no path, or none any more. `why` is a sentence.
    PathFailed {
        /// Whose.
        call: CallId,
        /// What happened.
        why: String,
    },
    /// Something happened in a call's media.
    Media {
        /// Whose.
        call: CallId,
        /// What.
        fact: MediaFact,
    },
    /// The network under us is another one.
    NetworkChanged,
    /// The machine slept for this long; every flow is doubtful.
    Slept(Duration),
}

/// What the phone wants done. Everything here is carried out at once and in order.
#[derive(Debug)]
pub enum Output {
    /// Look up where to connect.
    Resolve {
        /// For whom.
        account: AccountId,
        /// What.
        query: Query,
    },
    /// Open a flow for an account.
    OpenFlow {
        /// For whom: its certificate rules apply.
        account: AccountId,
        /// Its number from now on.
        flow: FlowId,
        /// Where to.
        target: Target,
    },
    /// Close a flow.
    CloseFlow(FlowId),
    /// Send bytes of a stream, or one datagram.
    Transmit {
        /// On which flow.
        flow: FlowId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Make a media path.
    OpenPath {
        /// For whom.
        call: CallId,
        /// The interface's address by which the PBX is reached.
        local: IpAddr,
        /// We placed the call, so the microphone may be made ready; it must stay closed while our phone rings.
        placed_here: bool,
    },
    /// Give a path up.
    ClosePath(CallId),
    /// Begin to send and receive, or go on differently.
    Media {
        /// Whose.
        call: CallId,
        /// How.
        plan: Box<MediaPlan>,
    },
    /// Close or open the microphone towards a call.
    Mute {
        /// Which.
        call: CallId,
        /// Closed.
        on: bool,
    },
    /// Let the far ends of these calls hear each other, and of no others.
    Conference(BTreeSet<CallId>),
    /// Send a tone as telephone-event.
    Digit {
        /// In which call.
        call: CallId,
        /// Which.
        digit: Digit,
    },
    /// Send a tone as sound, in the place of the microphone, for [`TONE`](crate::media::dtmf::TONE).
    Tone {
        /// In which call.
        call: CallId,
        /// Which.
        digit: Digit,
    },
    /// What the user hears that the far end does not send.
    Sound {
        /// For which call.
        call: CallId,
        /// Which, until the next one of that call.
        sound: PhoneSound,
    },
    /// Store what an account has learnt, so that the next start knows it.
    Remember {
        /// Whose.
        account: AccountId,
        /// What.
        memory: Box<AccountMemory>,
    },
    /// Tell whoever listens.
    Event(Event),
}
