//! Calls that change hands: which two are meant, and who is told what became of it.
//!
//! How a transfer goes is the call's; that anybody is called at all is [`Phone::place`]'s. Here is what concerns two calls
//! at once: the pair of a consultation, a call that is placed because the far end of another wants it, and an INVITE that
//! takes the place of a call (RFC 3891).

use super::{Errand, Event, Origin, Output, Phone, Refused};
use crate::call::{Call, Turn};
use crate::ids::{AccountId, CallId};
use crate::sip::msg::{HeaderName, Replaces, Request, StatusCode};
use crate::time::Instant;
use crate::view::CallState;

impl Phone {
    /// Blind transfer.
    pub(super) fn transfer(&mut self, named: Option<CallId>, target: &str, now: Instant) -> Result<(), Refused> {
        let call = self.answered(named)?;
        self.place(Origin::User, Errand::Transfer { call, target }, now)
            .map(drop)
    }

    /// A call about another one.
    pub(super) fn consult(&mut self, named: Option<CallId>, target: &str, now: Instant) -> Result<CallId, Refused> {
        let call = self.answered(named)?;
        let account = self.calls.get(&call).map(Call::account);
        let consulted = self.place(Origin::User, Errand::Call { account, target }, now)?;
        self.consultations.insert(consulted, call);
        Ok(consulted)
    }

    /// Attended transfer. Before whoever is consulted has answered there is no dialog that could be taken over: they are
    /// rung anew by the far end.
    pub(super) fn join(&mut self, call: Option<CallId>, with: Option<CallId>, now: Instant) -> Result<(), Refused> {
        let (call, with) = self.pair(call, with)?;
        self.place(Origin::User, Errand::Join { call, with }, now)?;
        self.consultations.insert(with, call);
        Ok(())
    }

    /// The two calls that are meant: the one that is sent away, and the one that it takes over.
    fn pair(&self, call: Option<CallId>, with: Option<CallId>) -> Result<(CallId, CallId), Refused> {
        let (call, with) = match (call, with) {
            (Some(call), Some(with)) => (self.answered(Some(call))?, self.answered(Some(with))?),
            (Some(one), None) | (None, Some(one)) => {
                let one = self.answered(Some(one))?;
                self.consultation(|call, with| call == one || with == one)
                    .or_else(|| self.only_other(one).map(|other| (one, other)))
                    .ok_or(Refused::WhichTwo)?
            }
            (None, None) => self
                .consultation(|_, _| true)
                .or_else(|| self.only_two())
                .ok_or(Refused::WhichTwo)?,
        };
        if call == with {
            return Err(Refused::WhichTwo);
        }
        Ok((call, with))
    }

    /// The only consultation of which both calls are answered and that is meant.
    fn consultation(&self, is_meant: impl Fn(CallId, CallId) -> bool) -> Option<(CallId, CallId)> {
        let is_answered = |id: &CallId| self.calls.get(id).is_some_and(Call::is_answered);
        let mut pairs = self
            .consultations
            .iter()
            .filter(|(with, call)| is_answered(with) && is_answered(call) && is_meant(**call, **with));
        match (pairs.next(), pairs.next()) {
            (Some((with, call)), None) => Some((*call, *with)),
            _ => None,
        }
    }

    fn only_two(&self) -> Option<(CallId, CallId)> {
        let mut answered = self.calls.values().filter(|call| call.is_answered()).map(Call::id);
        match (answered.next(), answered.next(), answered.next()) {
            (Some(call), Some(with), None) => Some((call, with)),
            _ => None,
        }
    }

    fn only_other(&self, one: CallId) -> Option<CallId> {
        let (first, second) = self.only_two()?;
        Some(if first == one { second } else { first })
    }

    pub(super) fn answered(&self, named: Option<CallId>) -> Result<CallId, Refused> {
        let id = self.meant(named, Call::is_answered)?;
        match self.calls.get(&id) {
            Some(call) if call.is_answered() => Ok(id),
            Some(call) => Err(Refused::WrongState(call.state().name())),
            None => Err(Refused::UnknownCall(id)),
        }
    }

    /// The user agrees to be transferred.
    pub(super) fn accept_transfer(&mut self, named: Option<CallId>, now: Instant) -> Result<CallId, Refused> {
        let call = self.meant(named, Call::is_asked)?;
        self.follow(call, now)
    }

    /// The policy lets the far end of `id` have its way, but not at any price: what a person would be asked about before
    /// dialling it, and calls for help, are asked about here too.
    pub(super) fn follow_or_ask(&mut self, id: CallId, now: Instant) {
        let asked = self.calls.get(&id).and_then(Call::asked_to);
        match asked.filter(|target| !self.is_harmless(id, target)) {
            Some(target) => {
                let to = target.user().unwrap_or_default().into_owned();
                self.outputs
                    .push_back(Output::Event(Event::TransferAsked { call: id, to }));
            }
            None => drop(self.follow(id, now)),
        }
    }

    /// Calls whom the far end of `id` wants us to call.
    pub(super) fn follow(&mut self, id: CallId, now: Instant) -> Result<CallId, Refused> {
        let call = self.calls.get_mut(&id).ok_or(Refused::UnknownCall(id))?;
        let account = call.account();
        let mut turn = Turn {
            now,
            random: &mut self.random,
        };
        let wanted = call.follow(&mut turn)?;
        let errand = Errand::Follow {
            account,
            wanted: &wanted,
        };
        let placed = self.place(Origin::FarEnd, errand, now);
        match &placed {
            Ok(new) => drop(self.followers.insert(*new, id)),
            Err(_) => self.with_call(id, now, |call, turn| {
                call.handle_followed(StatusCode::TEMPORARILY_UNAVAILABLE, turn);
            }),
        }
        placed
    }

    /// A call changed its state: whoever wanted it is told, and a call that has found its successor ends.
    pub(super) fn pass_on(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Call { call, state, code, .. } => {
                self.relieve(*call, *state, now);
                let Some(referred) = self.followers.get(call).copied() else {
                    return;
                };
                let status = match state {
                    CallState::Dialing | CallState::Held => return,
                    CallState::Ringing => StatusCode::RINGING,
                    CallState::Early => StatusCode::SESSION_PROGRESS,
                    CallState::Active => StatusCode::OK,
                    CallState::Ended => code
                        .and_then(StatusCode::new)
                        .filter(|status| status.is_failure())
                        .unwrap_or(StatusCode::REQUEST_TERMINATED),
                };
                if status.is_final() {
                    self.followers.remove(call);
                }
                self.with_call(referred, now, |call, turn| call.handle_followed(status, turn));
            }
            Event::Transfer {
                call,
                state: crate::event::TransferState::Done,
                ..
            } => {
                let consulted: Vec<CallId> = self
                    .consultations
                    .iter()
                    .filter(|(_, first)| *first == call)
                    .map(|(with, _)| *with)
                    .collect();
                for with in consulted {
                    self.consultations.remove(&with);
                    self.with_call(with, now, Call::hang_up);
                }
            }
            _ => {}
        }
    }

    /// A call that has a successor ends when that is answered, and not before: it may fail yet.
    fn relieve(&mut self, new: CallId, state: CallState, now: Instant) {
        if matches!(state, CallState::Active | CallState::Held)
            && let Some(old) = self.successors.remove(&new)
        {
            self.with_call(old, now, Call::hang_up);
        }
    }

    /// Which call of `account` an INVITE takes the place of, if it wants to.
    ///
    /// # Errors
    /// The status to refuse it with (RFC 3891 3).
    pub(super) fn replaced_by(&self, invite: &Request, account: AccountId) -> Result<Option<CallId>, StatusCode> {
        let lines = invite.headers.all(HeaderName::Replaces).count();
        let replaces = match (lines, invite.headers.replaces()) {
            (0, _) => return Ok(None),
            (1, Some(replaces)) => replaces,
            _ => return Err(StatusCode::BAD_REQUEST),
        };
        let call = self
            .calls
            .values()
            .find(|call| call.account() == account && call.is_named_by(&replaces))
            .ok_or(StatusCode::NO_SUCH_CALL)?;
        may_replace(call, &replaces).map(|()| Some(call.id()))
    }

    /// The far end of `old` has become the far end of `new`: what the user agreed to and wished for the one holds for the
    /// other.
    pub(super) fn hand_over(&mut self, old: CallId, new: CallId, now: Instant) {
        let Some(manner) = self.calls.get(&old).map(Call::manner) else {
            return;
        };
        self.successors.insert(new, old);
        self.with_call(new, now, |call, turn| call.take_over(manner, turn));
    }
}

/// RFC 3891 3: an early dialog may be replaced only where we placed the call; one that rings here is not ours to give.
fn may_replace(call: &Call, replaces: &Replaces) -> Result<(), StatusCode> {
    if !call.is_live() {
        Err(StatusCode::DECLINE)
    } else if call.is_answered() && replaces.early_only {
        Err(StatusCode::BUSY_HERE)
    } else if !call.is_answered() && !call.is_outgoing() {
        Err(StatusCode::NO_SUCH_CALL)
    } else {
        Ok(())
    }
}
