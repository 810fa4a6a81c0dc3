//! What the owner of a session may ask of it.

use bytes::Bytes;

use super::leg::{Flow, Leg, Over, Owed};
use super::outbox::Purpose;
use super::output::{Ended, EndedBy, RequestId};
use super::{Phase, Session};
use crate::sip::msg::{HeaderName, Headers, Method, Reason, StatusCode, Warning};
use crate::time::Instant;

/// A command that does not fit the state of the call. The user or the program erred; the call is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandRefused {
    /// Only an incoming call that is not answered yet can ring, be answered or be rejected.
    #[error("the call does not ring here")]
    NotRinging,
    /// Only a call that we placed and nobody answered yet can be cancelled.
    #[error("the call is not being placed")]
    NotCalling,
    /// There is no dialog yet, or none any more.
    #[error("there is no dialog with the other side")]
    NoDialog,
    /// No offer waits for an answer.
    #[error("the other side has not offered anything")]
    NoOffer,
    /// The caller wants us to offer, and does not take reliable responses: the offer has to wait for `answer`. The
    /// response was sent without it.
    #[error("an offer cannot be made before the call is answered")]
    NoPlaceForOffer,
    /// The caller wants us to offer and takes only reliable responses, the first of which has to bring the offer
    /// (RFC 3262 5): ring with one. Nothing was sent.
    #[error("the ringing has to bring an offer")]
    OfferDue,
    /// The status does not refuse anything.
    #[error("{0} does not refuse anything")]
    NotARefusal(StatusCode),
}

impl Session {
    /// Rings: 180. It is repeated each minute, so that no proxy gives up.
    pub fn ring(&mut self, now: Instant) -> Result<(), CommandRefused> {
        self.provisional(StatusCode::RINGING, None, now)
    }

    /// Rings with our offer, where [`CommandRefused::OfferDue`] said so. [`Session::answer`] brings nothing new then.
    pub fn ring_with_offer(&mut self, sdp: Bytes, now: Instant) -> Result<(), CommandRefused> {
        self.provisional(StatusCode::RINGING, Some(sdp), now)
    }

    /// Early media: 183 with a description, reliably if the caller supports that. It is an early answer to the
    /// caller's offer; if the caller made none it is our offer, and has to be reliable.
    pub fn progress(&mut self, sdp: Bytes, now: Instant) -> Result<(), CommandRefused> {
        self.provisional(StatusCode::SESSION_PROGRESS, Some(sdp), now)
    }

    fn provisional(&mut self, status: StatusCode, sdp: Option<Bytes>, now: Instant) -> Result<(), CommandRefused> {
        let (leg, out) = self.ringing_leg()?;
        let result = leg.send_provisional(out, status, sdp, now);
        self.settle(now);
        result
    }

    /// Answers the call: 200 with our answer, or with our offer if the caller made none. `sdp` is left out where a
    /// reliable early answer holds already. If early media waits for its acknowledgement, so does the 200.
    pub fn answer(&mut self, sdp: Bytes, now: Instant) -> Result<(), CommandRefused> {
        let (leg, out) = self.ringing_leg()?;
        leg.accept_invite(out, sdp, now);
        self.settle(now);
        Ok(())
    }

    /// Rejects the call with `status`, 300 or more: 486 busy, 480 not available, 603 declined, 488 no common codec.
    pub fn reject(&mut self, status: StatusCode, reason: Option<Reason>, now: Instant) -> Result<(), CommandRefused> {
        self.ringing_leg()?;
        self.refuse_call(status, reason, None, now)
    }

    /// Sends the caller elsewhere: 302 with `headers`, a Contact among them (RFC 3261 13.3.1.2).
    pub fn redirect(&mut self, headers: &Headers, now: Instant) -> Result<(), CommandRefused> {
        let (leg, out) = self.ringing_leg()?;
        leg.redirect_first(out, headers);
        let ended = Ended {
            status: Some(StatusCode::MOVED_TEMPORARILY),
            ..Ended::by(EndedBy::Us)
        };
        self.conclude(Over::silent(ended), now);
        Ok(())
    }

    fn refuse_call(
        &mut self,
        status: StatusCode,
        reason: Option<Reason>,
        warning: Option<Warning>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        if !status.is_failure() {
            return Err(CommandRefused::NotARefusal(status));
        }
        let (leg, out) = self.ringing_leg()?;
        leg.refuse_first(out, status, reason, warning);
        let ended = Ended {
            status: Some(status),
            ..Ended::by(EndedBy::Us)
        };
        self.conclude(Over::silent(ended), now);
        Ok(())
    }

    /// Ends the call, whatever its state: CANCEL, 480 or BYE. Harmless if it is over.
    pub fn hangup(&mut self, reason: Option<Reason>, now: Instant) {
        if self.phase == Phase::Ringing {
            // Cannot fail: the call rings, and the status refuses.
            let _ = self.refuse_call(StatusCode::TEMPORARILY_UNAVAILABLE, reason, None, now);
        } else {
            let over = Over {
                ended: Ended::by(EndedBy::Us),
                bye: true,
                reason,
            };
            self.conclude(Flow::Break(over), now);
        }
    }

    /// Cancels the call that we placed and nobody has answered yet. If the answer crosses the CANCEL it is
    /// acknowledged and hung up.
    pub fn cancel(&mut self, reason: Option<Reason>, now: Instant) -> Result<(), CommandRefused> {
        if self.phase != Phase::Calling {
            return Err(CommandRefused::NotCalling);
        }
        self.hangup(reason, now);
        Ok(())
    }

    /// Offers anew: by INVITE, or by UPDATE while the call is not answered. The offer waits until the rules allow it;
    /// another one before that replaces it. The outcome is `AnswerReceived` or `OfferRefused`.
    pub fn offer(&mut self, sdp: &Bytes, now: Instant) -> Result<(), CommandRefused> {
        let tags: Vec<String> = self.legs.keys().filter(|tag| self.is_live(tag)).cloned().collect();
        if tags.is_empty() {
            return Err(CommandRefused::NoDialog);
        }
        for tag in tags {
            self.with_leg(&tag, |leg, _| {
                leg.want(sdp.clone(), now);
                Flow::Continue(())
            });
        }
        self.settle(now);
        Ok(())
    }

    /// Answers the other side's offer, or makes the offer that it asked for. The first INVITE's is answered by
    /// [`Session::answer`].
    pub fn answer_offer(&mut self, sdp: Bytes, now: Instant) -> Result<(), CommandRefused> {
        let tag = self.owing_leg().ok_or(CommandRefused::NoOffer)?;
        self.with_leg(&tag, |leg, out| {
            leg.answer_offer(out, sdp, now);
            Flow::Continue(())
        });
        self.settle(now);
        Ok(())
    }

    /// Refuses the other side's offer, 488 for choice. The first INVITE is rejected by it; an offer in a response
    /// cannot be refused but by ending the call.
    pub fn refuse_offer(
        &mut self,
        status: StatusCode,
        warning: Option<Warning>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        if !status.is_failure() {
            return Err(CommandRefused::NotARefusal(status));
        }
        let Some(tag) = self.owing_leg() else {
            let open = self.live_leg().is_some_and(|leg| leg.owed.is_some());
            return if open {
                self.refuse_call(status, None, warning, now)
            } else {
                Err(CommandRefused::NoOffer)
            };
        };
        self.with_leg(&tag, |leg, out| leg.refuse_offer(out, status, warning));
        self.settle(now);
        Ok(())
    }

    /// Sends an INFO (RFC 6086).
    pub fn info(&mut self, content_type: &str, body: Bytes, now: Instant) -> Result<RequestId, CommandRefused> {
        self.request(Method::Info, Headers::new(), Some((content_type, body)), now)
    }

    /// Asks by OPTIONS whether the other side is still in the call: `Alive`, or the call ends.
    pub fn probe(&mut self, now: Instant) -> Result<RequestId, CommandRefused> {
        self.send_in_dialog(Method::Options, Headers::new(), None, Purpose::Probe, now)
    }

    /// Sends any other request in the dialog, with `headers` beside its own. Its final response is `Outcome`.
    pub fn request(
        &mut self,
        method: Method,
        headers: Headers,
        content: Option<(&str, Bytes)>,
        now: Instant,
    ) -> Result<RequestId, CommandRefused> {
        self.send_in_dialog(method, headers, content, Purpose::Other, now)
    }

    fn send_in_dialog(
        &mut self,
        method: Method,
        headers: Headers,
        content: Option<(&str, Bytes)>,
        purpose: Purpose,
        now: Instant,
    ) -> Result<RequestId, CommandRefused> {
        let live = self.phase != Phase::Ended;
        let chosen = self.chosen.as_ref().filter(|_| live);
        let leg = chosen
            .and_then(|tag| self.legs.get_mut(tag))
            .ok_or(CommandRefused::NoDialog)?;
        let mut request = leg.dialog.request(method);
        self.out.settings.write_capabilities(&mut request.headers);
        for (name, value) in headers.iter() {
            request.headers.push(name.clone(), value);
        }
        if let Some((content_type, body)) = content {
            request.set_body(content_type, body);
        }
        let id = self.out.send(&leg.tag, request, purpose);
        self.settle(now);
        Ok(id)
    }

    /// The leg of a call that rings here.
    fn ringing_leg(&mut self) -> Result<(&mut Leg, &mut super::outbox::Outbox), CommandRefused> {
        if self.phase != Phase::Ringing {
            return Err(CommandRefused::NotRinging);
        }
        let leg = self.chosen.as_ref().and_then(|tag| self.legs.get_mut(tag));
        let leg = leg.filter(|leg| leg.invite_in.as_ref().is_some_and(|invite| invite.answer.is_none()));
        Ok((leg.ok_or(CommandRefused::NotRinging)?, &mut self.out))
    }

    /// The leg whose offer waits for `answer_offer`.
    fn owing_leg(&self) -> Option<String> {
        let owes = |leg: &Leg| {
            let first = leg.invite_in.as_ref().is_some_and(|invite| invite.first);
            leg.owed.as_ref().is_some_and(|owed| *owed != Owed::Success || !first)
        };
        let owing = |tag: &&String| self.is_live(tag) && self.legs.get(*tag).is_some_and(owes);
        self.legs.keys().find(owing).cloned()
    }

    fn conclude(&mut self, flow: Flow, now: Instant) {
        if let Flow::Break(over) = flow {
            self.finish(over);
        }
        self.settle(now);
    }
}

impl Leg {
    fn redirect_first(&mut self, out: &mut super::outbox::Outbox, headers: &Headers) {
        let Some(invite) = self.invite_in.take() else {
            return;
        };
        let mut response = self.response(&invite.request, StatusCode::MOVED_TEMPORARILY);
        response.headers.remove(HeaderName::Contact);
        for (name, value) in headers.iter() {
            response.headers.push(name.clone(), value);
        }
        out.respond(invite.key, response);
    }

    /// Refuses the INVITE that started the call.
    fn refuse_first(
        &mut self,
        out: &mut super::outbox::Outbox,
        status: StatusCode,
        reason: Option<Reason>,
        warning: Option<Warning>,
    ) {
        let Some(invite) = self.invite_in.take() else {
            return;
        };
        let mut response = super::leg::warned(self.response(&invite.request, status), warning);
        if let Some(reason) = reason {
            response.headers.push(HeaderName::Reason, reason);
        }
        out.respond(invite.key, response);
    }
}
