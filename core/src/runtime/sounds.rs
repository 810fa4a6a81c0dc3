//! What all calls together want of the sound devices beside their media: what is to be ready, the ringing, one tone.
//!
//! The devices open ahead of a call's media so that its first word is not lost, and the microphone only where the user
//! has dialled: while all that there is rings here, it stays closed.

use crate::audio::tones::Tone;
use std::collections::{BTreeMap, BTreeSet};
use toestel_proto::ids::CallId;
use toestel_proto::phone::PhoneSound;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Sounds {
    /// Calls with a media path, and whether they were placed here.
    paths: BTreeMap<CallId, bool>,
    rings: BTreeSet<CallId>,
    tones: BTreeMap<CallId, Tone>,
}

/// Which devices are to be open ahead of a call's media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Readiness {
    /// None: no call has a path.
    Closed,
    /// The loudspeaker.
    Speaker,
    /// Both: the user has dialled.
    SpeakerAndMicrophone,
}

impl Sounds {
    pub fn handle_path_opened(&mut self, call: CallId, placed_here: bool) {
        self.paths.insert(call, placed_here);
    }

    pub fn handle_path_closed(&mut self, call: CallId) {
        self.paths.remove(&call);
    }

    /// What `call` lets the user hear from now on, in the place of what it did.
    pub fn handle_sound(&mut self, call: CallId, sound: PhoneSound) {
        self.rings.remove(&call);
        self.tones.remove(&call);
        let tone = match sound {
            PhoneSound::Silence => return,
            // One bell has one voice yet; who looks at the event knows which it is.
            PhoneSound::Ring | PhoneSound::RingInternal => {
                self.rings.insert(call);
                return;
            }
            PhoneSound::CallWaiting => Tone::CallWaiting,
            PhoneSound::Ringback => Tone::RingBack,
            PhoneSound::Busy => Tone::Busy,
            PhoneSound::Failed => Tone::Congestion,
        };
        self.tones.insert(call, tone);
    }

    pub fn readiness(&self) -> Readiness {
        if self.paths.is_empty() {
            Readiness::Closed
        } else if self.paths.values().any(|placed_here| *placed_here) {
            Readiness::SpeakerAndMicrophone
        } else {
            Readiness::Speaker
        }
    }

    /// Whether any call rings here.
    pub fn rings(&self) -> bool {
        !self.rings.is_empty()
    }

    /// The newest call's tone; two at once would be noise.
    pub fn tone(&self) -> Option<Tone> {
        self.tones.values().next_back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: CallId = CallId(1);
    const SECOND: CallId = CallId(2);

    #[test]
    fn the_microphone_is_closed_when_no_call_needs_it() {
        let mut sounds = Sounds::default();
        assert_eq!(sounds.readiness(), Readiness::Closed);
        sounds.handle_path_opened(FIRST, false);
        assert_eq!(sounds.readiness(), Readiness::Speaker, "it only rings here");
        sounds.handle_path_opened(SECOND, true);
        assert_eq!(sounds.readiness(), Readiness::SpeakerAndMicrophone);
        sounds.handle_path_closed(SECOND);
        assert_eq!(sounds.readiness(), Readiness::Speaker, "the other still only rings");
        sounds.handle_path_closed(FIRST);
        assert_eq!(sounds.readiness(), Readiness::Closed);
    }

    #[test]
    fn one_calls_silence_does_not_end_anothers_sound() {
        let mut sounds = Sounds::default();
        sounds.handle_sound(FIRST, PhoneSound::Ringback);
        sounds.handle_sound(SECOND, PhoneSound::CallWaiting);
        assert_eq!(sounds.tone(), Some(Tone::CallWaiting), "the newest is heard");
        sounds.handle_sound(SECOND, PhoneSound::Silence);
        assert_eq!(sounds.tone(), Some(Tone::RingBack));
        sounds.handle_sound(FIRST, PhoneSound::Silence);
        assert_eq!(sounds.tone(), None);
    }

    #[test]
    fn it_rings_until_no_call_rings_any_more() {
        let mut sounds = Sounds::default();
        sounds.handle_sound(FIRST, PhoneSound::Ring);
        sounds.handle_sound(SECOND, PhoneSound::Ring);
        sounds.handle_sound(FIRST, PhoneSound::Silence);
        assert!(sounds.rings());
        sounds.handle_sound(SECOND, PhoneSound::Failed);
        assert!(!sounds.rings());
        assert_eq!(sounds.tone(), Some(Tone::Congestion));
    }
}
