//! What the media side tells a call, and what a call has the user hear that no far end sends.

use crate::media::dtmf::Digit;
use crate::media::session::MediaStats;
use std::time::Duration;

/// What the media side tells the call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum MediaFact {
    /// The first packet was heard.
    Heard,
    /// The far end pressed a key.
    Digit(Digit),
    /// Neither RTP nor RTCP for this long.
    NothingFor(Duration),
    /// The figures so far.
    Stats(MediaStats),
}

/// A sound of the phone itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhoneSound {
    /// None.
    Silence,
    /// Our phone rings.
    Ring,
    /// Our phone rings for a colleague, where the PBX says so.
    RingInternal,
    /// Somebody else calls during a call.
    CallWaiting,
    /// Their phone rings.
    Ringback,
    /// Their line is busy.
    Busy,
    /// The call could not be made.
    Failed,
}
