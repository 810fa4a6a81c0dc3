//! A conference of our own: up to four far ends that hear each other and us, mixed here.
//!
//! Who is in it and who is heard are two things: a far end on hold stays a member and hears nobody until it is taken
//! back. Where fewer than two are left there is nothing to mix, and the last is an ordinary call. A conference that the
//! PBX mixes is a number like any other, and is dialled.

use super::{Event, Output, Phone, Refused};
use crate::call::Call;
use crate::ids::CallId;
use crate::time::Instant;
use std::collections::BTreeSet;

/// Five people: what a small machine can mix, and what people can follow.
pub const CONFERENCE_LIMIT: usize = 4;

impl Phone {
    /// Brings these calls together, or all that are answered; none of them ends the conference and holds everybody.
    pub(super) fn confer(&mut self, named: Option<Vec<CallId>>, now: Instant) -> Result<(), Refused> {
        let members: BTreeSet<CallId> = match named {
            Some(named) => named.into_iter().collect(),
            None => self
                .calls
                .values()
                .filter(|call| call.is_answered())
                .map(Call::id)
                .collect(),
        };
        for id in &members {
            self.answered(Some(*id))?;
        }
        if members.len() == 1 || members.len() > CONFERENCE_LIMIT {
            return Err(Refused::ConferenceSize(members.len()));
        }
        self.conference = members;
        self.tell_conference();
        self.hold_where(|phone, id| !phone.conference.contains(&id), now);
        for id in self.conference.clone() {
            // Refused only where it is not on hold.
            let _ = self.on_call(Some(id), Call::is_answered, now, |call, turn| call.hold(false, turn));
        }
        Ok(())
    }

    /// Whether both calls are in the conference, and so are heard at the same time.
    pub(super) fn confer_with(&self, one: CallId, other: CallId) -> bool {
        self.conference.contains(&one) && self.conference.contains(&other)
    }

    /// After every input: who has ended is no member, and who is on hold is not mixed.
    pub(super) fn mix(&mut self) {
        let calls = &self.calls;
        let members = self.conference.len();
        self.conference
            .retain(|id| calls.get(id).is_some_and(Call::is_answered));
        if self.conference.len() < 2 {
            self.conference.clear();
        }
        if self.conference.len() != members {
            self.tell_conference();
        }
        let heard = |id: &&CallId| self.calls.get(id).is_some_and(|call| !call.is_held_by_us());
        let mut mixed: BTreeSet<CallId> = self.conference.iter().filter(heard).copied().collect();
        if mixed.len() < 2 {
            mixed.clear();
        }
        if mixed != self.mixed {
            self.mixed.clone_from(&mixed);
            self.outputs.push_back(Output::Conference(mixed));
        }
    }

    fn tell_conference(&mut self) {
        let calls = self.conference.iter().copied().collect();
        self.outputs.push_back(Output::Event(Event::Conference { calls }));
    }
}
