//! For which incoming calls our phone rings aloud, and for which it only knocks.

use super::{Output, Phone, PhoneSound};
use crate::call::Call;
use crate::event::RingKind;

impl Phone {
    /// No failed call is heard any more: the user has turned to another one.
    pub(super) fn hush(&mut self) {
        for call in self.calls.values_mut() {
            call.hush();
        }
    }

    /// Who is in a call is not rung at, and who has just left one is. A call that stops ringing says so itself.
    pub(super) fn ring(&mut self) {
        let is_engaged = self.calls.values().any(|call| call.is_live() && !call.rings_here());
        let sound = |call: &Call| match call.ring_kind() {
            _ if is_engaged => PhoneSound::CallWaiting,
            Some(RingKind::Internal) => PhoneSound::RingInternal,
            Some(RingKind::External) | None => PhoneSound::Ring,
        };
        self.rings
            .retain(|id, _| self.calls.get(id).is_some_and(Call::wants_ring));
        let ringing = self.calls.iter().filter(|(_, call)| call.wants_ring());
        for (id, sound) in ringing.map(|(id, call)| (*id, sound(call))) {
            if self.rings.insert(id, sound) != Some(sound) {
                self.outputs.push_back(Output::Sound { call: id, sound });
            }
        }
    }
}
