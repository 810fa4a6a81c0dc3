//! One call is heard at a time: whoever turns to another call puts the others on hold.
//!
//! Calls that are in a conference with each other count as one. Nobody is taken off hold by it: who is heard is the
//! user's choice, each time.

use super::{Others, Phone, Refused};
use crate::call::Call;
use crate::ids::CallId;
use crate::time::Instant;

impl Phone {
    /// The user turns to the call `to`.
    pub(super) fn turn_to(&mut self, to: CallId, now: Instant) {
        self.hold_where(|phone, id| id != to && !phone.confer_with(id, to), now);
    }

    /// Puts these calls on hold.
    pub(super) fn hold_where(&mut self, which: impl Fn(&Self, CallId) -> bool, now: Instant) {
        let answered = self.calls.values().filter(|call| call.is_answered()).map(Call::id);
        let others: Vec<CallId> = answered.filter(|id| which(self, *id)).collect();
        for other in others {
            // Refused only where it is on hold already.
            let _ = self.on_call(Some(other), Call::is_answered, now, |call, turn| call.hold(true, turn));
        }
    }

    /// The user takes an incoming call.
    pub(super) fn answer_call(&mut self, named: Option<CallId>, others: Others, now: Instant) -> Result<(), Refused> {
        let call = self.meant(named, Call::rings_here)?;
        self.on_call(Some(call), Call::rings_here, now, |call, turn| call.answer(turn))?;
        match others {
            Others::Hold => self.turn_to(call, now),
            Others::Hangup => self.hang_up_all(|other| other.id() != call && other.is_engaged(), now),
        }
        self.hush();
        Ok(())
    }

    /// The user takes somebody back who is on hold.
    pub(super) fn resume(&mut self, named: Option<CallId>, now: Instant) -> Result<(), Refused> {
        let call = self.meant(named, Call::is_held_by_us)?;
        self.on_call(Some(call), Call::is_live, now, |call, turn| call.hold(false, turn))?;
        self.turn_to(call, now);
        Ok(())
    }
}
