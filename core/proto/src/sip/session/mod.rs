//! The INVITE usage of a dialog, both roles: one call's signalling from the first INVITE to the last BYE (RFC 3261
//! 13 to 15, 3262, 3311, 4028, 6141, 5407).
//!
//! A [`Session`] is made by [`Session::dial`] or [`Session::incoming`], takes commands, in-dialog requests, responses and
//! time, and says what it wants by [`Session::poll_output`]. Session descriptions pass through as bytes; what is
//! offered, answered, held or resumed is the owner's. Transactions (Via, branches, retransmission of requests, the ACK
//! of a refusal) are the endpoint's; credentials are the account's, asked for by [`Output::Challenge`].
//!
//! Every session tells [`Event::Ended`] exactly once, as soon as the call is over for its user, and
//! [`Output::Released`] once nothing is owed to anybody any more; then it may be dropped.
//!
//! ```text
//! dial ----> Calling -- 2xx ----> Confirmed -- BYE, hangup, 481, expiry --> Ended --> Released
//! incoming -> Ringing -- answer ----^                                         ^
//!                `---------- reject, CANCEL, cancel, refusal -----------------'
//! ```

mod accepted;
mod commands;
mod established;
mod invite;
mod leg;
mod outbox;
mod output;
mod prack;
mod responses;
mod settings;
#[cfg(test)]
mod tests;
mod timers;
mod uac;
mod uas;
mod update;

pub use commands::CommandRefused;
pub use output::{Ended, EndedBy, Event, Output, RequestId};
pub use settings::{Dial, Settings};

use std::collections::BTreeMap;

use self::leg::{Flow, Leg, Over};
use self::outbox::{Outbox, Purpose};
use self::uac::Dialled;
use super::dialog::DialogId;
use super::endpoint::ServerKey;
use super::msg::{Method, NameAddr, Replaces, Request, StatusCode, Uri};
use crate::time::{Instant, Wake, earliest};

/// Where the call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// We placed the call and nobody has answered it yet.
    Calling,
    /// We are called and have not answered yet.
    Ringing,
    /// One side has answered the other.
    Confirmed,
    /// The call is over; some message may still be on its way.
    Ended,
}

/// One call's signalling.
#[derive(Debug)]
pub struct Session {
    out: Outbox,
    call_id: String,
    local: NameAddr,
    phase: Phase,
    /// Our first INVITE, as long as anything may still come back for it.
    dialled: Option<Dialled>,
    /// The dialogs by remote tag: one if we were called, one for each branch that rang if we call.
    legs: BTreeMap<String, Leg>,
    /// The dialog that the call is in, once it is answered; from the start if we were called.
    chosen: Option<String>,
    released: bool,
}

impl Session {
    /// Where the call is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our address with our tag.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The dialog that the call is in: of whoever answered first, or of our caller.
    pub fn dialog(&self) -> Option<DialogId> {
        self.live_leg().map(|leg| leg.dialog.id())
    }

    /// Whether `request` belongs to a dialog of this session: it has our Call-ID, and our tag in To.
    pub fn owns(&self, request: &Request) -> bool {
        request.call_id == self.call_id && request.to.tag() == self.local.tag()
    }

    /// How somebody else names the dialog that the call is in, to take it over (RFC 3891), and where they find its other
    /// side: at its Contact.
    pub fn takeover(&self) -> Option<(Replaces, &Uri)> {
        let dialog = &self.live_leg()?.dialog;
        let DialogId {
            call_id,
            local_tag,
            remote_tag,
        } = dialog.id();
        let replaces = Replaces {
            call_id,
            to_tag: remote_tag,
            from_tag: local_tag,
            early_only: false,
        };
        Some((replaces, dialog.target()))
    }

    /// Whether `replaces` names a dialog of this session: the one that it is in, or an early one while it has none.
    pub fn is_named_by(&self, replaces: &Replaces) -> bool {
        let is_ours = replaces.call_id == self.call_id && self.local.tag() == Some(replaces.to_tag.as_str());
        let is_chosen = self.chosen.as_ref().is_none_or(|chosen| *chosen == replaces.from_tag);
        is_ours && is_chosen && self.legs.contains_key(&replaces.from_tag)
    }

    /// Whether the other side has said that it does not take INFO.
    pub fn refuses_info(&self) -> bool {
        self.live_leg().is_some_and(|leg| leg.peer.refuses_info)
    }

    /// Our Contact is this one from now on. Our next request or response in the dialog tells.
    pub fn move_to(&mut self, contact: NameAddr) {
        self.out.settings.contact = contact;
    }

    /// Whether the call is over and the other side knows. Unlike [`Output::Released`] it does not wait for branches of
    /// our INVITE that have never said anything, nor for repetitions of what we acknowledged.
    pub fn is_settled(&self) -> bool {
        let waits = self.dialled.as_ref().is_some_and(|dialled| !dialled.is_answered());
        self.phase == Phase::Ended
            && !waits
            && self.out.requests.is_empty()
            && self.legs.values().all(Leg::owes_nothing)
    }

    /// The next thing to be done. Drain it after every other call, until it is `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Session::handle_timeout`] has to be called. It may change with every other call.
    pub fn poll_wake(&self) -> Option<Wake> {
        let over = self.phase == Phase::Ended;
        let acks = self.legs.values().filter(|_| over).map(Leg::ack_wake);
        let legs = self.legs.values().map(Leg::next_wake).chain(acks);
        earliest(legs.chain([self.dialled.as_ref().and_then(Dialled::wake)]))
    }

    /// Does what is due at `now`; harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let tags: Vec<String> = self.legs.keys().cloned().collect();
        for tag in tags {
            self.with_leg(&tag, |leg, out| leg.handle_timeout(out, now));
        }
        self.run_dial_timers(now);
        self.settle(now);
    }

    /// A request within a dialog of this session; ACK and CANCEL have their own doors.
    pub fn handle_request(&mut self, key: ServerKey, request: Request, now: Instant) {
        let tag = request.from.tag().unwrap_or_default().to_owned();
        if self.is_live(&tag) {
            self.with_leg(&tag, |leg, out| leg.handle_request(out, key, request, now));
        } else {
            // The branches that lost, and a call that is over, only take their BYE.
            let known = request.method == Method::Bye && self.legs.contains_key(&tag);
            let status = if known {
                StatusCode::OK
            } else {
                StatusCode::NO_SUCH_CALL
            };
            if known {
                self.with_leg(&tag, |leg, _| {
                    (leg.accepted, leg.bye_due) = (None, None);
                    Flow::Continue(())
                });
            }
            self.out.reply(key, &request, status);
        }
        self.settle(now);
    }

    /// The ACK of a 2xx that we sent.
    pub fn handle_ack(&mut self, ack: &Request, now: Instant) {
        let tag = ack.from.tag().unwrap_or_default().to_owned();
        self.with_leg(&tag, |leg, out| leg.handle_ack(out, ack));
        self.settle(now);
    }

    /// The leg that the call is in.
    fn live_leg(&self) -> Option<&Leg> {
        self.legs.get(self.chosen.as_ref()?)
    }

    /// Whether requests in the dialog with `tag` are served: all early dialogs until one is chosen.
    fn is_live(&self, tag: &str) -> bool {
        let chosen = self.chosen.as_deref().is_none_or(|chosen| chosen == tag);
        self.phase != Phase::Ended && chosen && self.legs.contains_key(tag)
    }

    /// Lets a leg work, and ends the session if it says so.
    fn with_leg(&mut self, tag: &str, work: impl FnOnce(&mut Leg, &mut Outbox) -> Flow) {
        let live = self.is_live(tag);
        if let Some(leg) = self.legs.get_mut(tag)
            && let Flow::Break(over) = work(leg, &mut self.out)
            && live
        {
            self.finish(over);
        }
    }

    /// The call is over: tell the owner, answer what is open, tell the other side, and forget what no longer matters.
    fn finish(&mut self, over: Over) {
        if self.phase == Phase::Ended {
            return;
        }
        self.phase = Phase::Ended;
        tracing::info!(by = ?over.ended.by, status = ?over.ended.status, "call ended");
        self.out.event(Event::Ended(over.ended));
        for leg in self.legs.values_mut() {
            leg.wind_up(&mut self.out);
            leg.cancel_invite(&mut self.out);
        }
        if let Some(leg) = self
            .chosen
            .as_ref()
            .and_then(|tag| self.legs.get_mut(tag))
            .filter(|_| over.bye)
        {
            leg.hang_up(&mut self.out, over.reason.clone());
        }
        self.out.requests.retain(|_, pending| match pending.purpose {
            Purpose::Bye => true,
            Purpose::Dial | Purpose::Reinvite { .. } => pending.challenge.is_none(),
            _ => false,
        });
        self.cancel_dial(over.reason);
    }

    /// What follows every input: offers whose turn has come, and the end of it all.
    fn settle(&mut self, now: Instant) {
        if self.phase == Phase::Ringing && self.live_leg().is_some_and(|leg| leg.confirmed) {
            self.phase = Phase::Confirmed;
        }
        let tags: Vec<String> = self.legs.keys().filter(|tag| self.is_live(tag)).cloned().collect();
        for tag in tags {
            self.with_leg(&tag, |leg, out| {
                leg.pursue(out, now);
                Flow::Continue(())
            });
        }
        if self.phase == Phase::Ended && !self.released && self.is_forgotten(now) {
            self.released = true;
            self.out.push(Output::Released);
        }
    }

    /// Whether nothing can come any more that this session, which is over, has to answer.
    fn is_forgotten(&mut self, now: Instant) -> bool {
        self.legs.values_mut().for_each(|leg| leg.forget_ack(now));
        let legs_are_done = self.legs.values().all(|leg| leg.owes_nothing() && leg.acked.is_none());
        legs_are_done && self.out.requests.is_empty() && self.dialled.is_none()
    }
}
