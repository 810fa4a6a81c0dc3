//! One dialog of a session and everything that may be going on in it.
//!
//! A caller has a leg for each branch that rang or answered, a callee has one. The files beside this one each add one
//! part of a leg's life: `established` (requests that come in), `invite` (INVITEs and their 2xx), `update`, `prack`
//! and `timers`.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use super::accepted::Accepted;
use super::invite::InviteIn;
use super::outbox::{Outbox, Purpose};
use super::output::{Ended, EndedBy, Event, RequestId};
use super::timers::SessionTimer;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{HeaderName, Headers, Method, NameAddr, RAck, Reason, Request, Response, StatusCode, Warning};
use crate::sip::offer_answer::{Meaning, OfferAnswer};
use crate::time::{Instant, Wake, earliest};

/// How often BYE is sent when flows keep breaking, and the pause between.
const BYE_TRIES: u32 = 10;
const BYE_PAUSE: Duration = Duration::from_secs(3);

/// Whether the session goes on after an input, or how it is over.
pub(super) type Flow = ControlFlow<Over>;

/// The session is over.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Over {
    /// What the owner is told.
    pub(super) ended: Ended,
    /// Whether the other side still has to be told by BYE.
    pub(super) bye: bool,
    /// The Reason of that BYE.
    pub(super) reason: Option<Reason>,
}

impl Over {
    /// Over, and the other side knows.
    pub(super) fn silent(ended: Ended) -> Flow {
        ControlFlow::Break(Self {
            ended,
            bye: false,
            reason: None,
        })
    }

    /// Over, and the other side is to be told by BYE.
    pub(super) fn with_bye(ended: Ended) -> Flow {
        ControlFlow::Break(Self {
            ended,
            bye: true,
            reason: None,
        })
    }
}

/// What the other side said of itself. What it never said is taken as no, except Allow: silence there is no refusal
/// of INVITE, BYE and the other methods of RFC 3261.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Peer {
    pub(super) allows_update: bool,
    pub(super) supports_timer: bool,
    /// It said what it takes, and INFO is not among it.
    pub(super) refuses_info: bool,
}

impl Peer {
    pub(super) fn learn(&mut self, headers: &Headers) {
        if let Some(methods) = headers.allow() {
            self.allows_update = methods.contains(&Method::Update);
            self.refuses_info = !methods.contains(&Method::Info);
        }
        self.supports_timer |= headers.supports("timer");
    }
}

/// A 2xx of the other side, and our ACK to it once that is sent.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Acked {
    pub(super) id: RequestId,
    pub(super) invite: Request,
    pub(super) ack: Option<Request>,
    /// The 2xx may come again until then: 64*T1 after the first time (RFC 3261 13.2.2.4).
    pub(super) over_at: Instant,
}

/// Where the owner's answer to the other side's offer has to go.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Owed {
    /// Into the 2xx of the other side's INVITE; it may also be the offer that this INVITE asked for.
    Success,
    /// Into the ACK of a 2xx with an offer.
    Ack,
    /// Into the PRACK of a reliable 1xx with an offer.
    Prack { rseq: u32, invite: Request },
    /// Into the 2xx of a PRACK or an UPDATE.
    InRequest { key: ServerKey, request: Request },
}

/// An offer of ours that waits for its turn.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Wanted {
    /// The offer; `None` repeats what was last described, for the session timer.
    pub(super) sdp: Option<Bytes>,
    /// A back-off runs until then.
    pub(super) not_before: Instant,
    /// How often it was tried already.
    pub(super) tries: u32,
}

impl Wanted {
    pub(super) fn new(sdp: Option<Bytes>, not_before: Instant) -> Self {
        Self {
            sdp,
            not_before,
            tries: 0,
        }
    }
}

/// One dialog of the session.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) dialog: Dialog,
    /// The other side's tag, by which the session knows the leg.
    pub(super) tag: String,
    /// Whether we are the caller: decides the back-off after a 491.
    pub(super) caller: bool,
    pub(super) confirmed: bool,
    pub(super) exchange: OfferAnswer,
    pub(super) peer: Peer,
    /// Our INVITE in progress.
    pub(super) invite_out: Option<RequestId>,
    /// Our UPDATE in progress, with offer or without.
    pub(super) update_out: Option<RequestId>,
    /// The last 2xx that we acknowledged or have to.
    pub(super) acked: Option<Acked>,
    /// Those before it, which may come again all the same.
    pub(super) acked_before: Vec<Acked>,
    /// The RSeq of the last reliable 1xx that came in order.
    pub(super) rseq: Option<u32>,
    /// The last answer in an unreliable 1xx.
    pub(super) preview: Option<Bytes>,
    /// The other side's INVITE in progress.
    pub(super) invite_in: Option<InviteIn>,
    /// A PRACK that may still come although its INVITE is answered (RFC 3262 3).
    pub(super) straggler: Option<RAck>,
    /// Our 2xx that waits for its ACK.
    pub(super) accepted: Option<Accepted>,
    /// The BYE that waits for that ACK (RFC 3261 15), with its Reason.
    pub(super) bye_due: Option<Option<Reason>>,
    /// The BYE that did not get through, and when it is sent again.
    pub(super) bye_again: Option<(Request, Instant)>,
    /// How often BYE was sent.
    pub(super) byes: u32,
    pub(super) owed: Option<Owed>,
    pub(super) wanted: Option<Wanted>,
    /// The last description that we sent in an offer or answer.
    pub(super) described: Option<Bytes>,
    /// The description of our offer in progress, and how often it was tried.
    pub(super) offered: Option<(Bytes, u32)>,
    pub(super) timer: Option<SessionTimer>,
    /// The Min-SE that a 422 taught us, in seconds.
    pub(super) min_se: Option<u32>,
}

impl Leg {
    /// A leg at the start of its dialog.
    pub(super) fn new(dialog: Dialog, caller: bool) -> Self {
        Self {
            tag: dialog.id().remote_tag,
            dialog,
            caller,
            confirmed: false,
            exchange: OfferAnswer::new(),
            peer: Peer::default(),
            invite_out: None,
            update_out: None,
            acked: None,
            acked_before: Vec::new(),
            rseq: None,
            preview: None,
            invite_in: None,
            straggler: None,
            accepted: None,
            bye_due: None,
            bye_again: None,
            byes: 0,
            owed: None,
            wanted: None,
            described: None,
            offered: None,
            timer: None,
            min_se: None,
        }
    }

    /// A response of this leg, with our tag.
    pub(super) fn response(&self, request: &Request, status: StatusCode) -> Response {
        Response::to(request, status).with_to_tag(self.dialog.id().local_tag)
    }

    /// Follows the other side's Contact.
    pub(super) fn refresh_target(&mut self, out: &mut Outbox, contact: Option<&NameAddr>) {
        if self.dialog.refresh_target(contact) {
            out.event(Event::RemoteTargetChanged(self.dialog.target().clone()));
        }
    }

    /// The owner wants to offer `sdp`; it goes out as soon as the rules allow. A later wish replaces an earlier one.
    pub(super) fn want(&mut self, sdp: Bytes, now: Instant) {
        let not_before = self.wanted.as_ref().map_or(now, |wanted| wanted.not_before);
        self.wanted = Some(Wanted::new(Some(sdp), not_before));
    }

    /// Sends the waiting offer if it is its turn (RFC 3261 14.1, RFC 3311 5.1).
    pub(super) fn pursue(&mut self, out: &mut Outbox, now: Instant) {
        if !self.may_offer() {
            return;
        }
        let Some(wanted) = self.wanted.take_if(|wanted| wanted.not_before <= now) else {
            return;
        };
        if self.confirmed {
            self.send_reinvite(out, wanted);
        } else {
            self.send_update(out, wanted);
        }
    }

    /// Whether nothing is going on that an offer would collide with.
    fn may_offer(&self) -> bool {
        let idle = self.exchange.is_stable() && self.owed.is_none() && self.update_out.is_none();
        if self.confirmed {
            let acked = self.acked.as_ref().is_none_or(|acked| acked.ack.is_some());
            idle && acked && self.invite_out.is_none() && self.invite_in.is_none() && self.accepted.is_none()
        } else {
            idle && self.exchange.is_agreed() && self.peer.allows_update
        }
    }

    /// The owner answers the offer that waits, or makes the offer that was asked for.
    pub(super) fn answer_offer(&mut self, out: &mut Outbox, sdp: Bytes, now: Instant) {
        let Some(owed) = self.owed.take() else {
            return;
        };
        self.overtaken(out);
        match owed {
            Owed::Success => self.accept_invite(out, sdp, now),
            Owed::Ack => self.send_ack(out, Some(sdp)),
            Owed::Prack { rseq, invite } => self.send_prack(out, rseq, &invite, Some(sdp)),
            Owed::InRequest { key, request } => self.accept_request(out, key, &request, Some(sdp), now),
        }
    }

    /// The other side's exchange outdates an offer of ours that still waits: the owner has to make a new one.
    fn overtaken(&mut self, out: &mut Outbox) {
        if self.wanted.take().is_some_and(|wanted| wanted.sdp.is_some()) {
            out.event(Event::OfferRefused {
                status: StatusCode::REQUEST_PENDING,
                retrying: false,
                warnings: Vec::new(),
            });
        }
    }

    /// The owner refuses the offer that waits. What travels in an ACK or a PRACK cannot be refused: the call ends.
    pub(super) fn refuse_offer(&mut self, out: &mut Outbox, status: StatusCode, warning: Option<Warning>) -> Flow {
        match self.owed.take() {
            Some(Owed::Success) => self.refuse_invite(out, status, warning),
            Some(Owed::InRequest { key, request }) => {
                let response = warned(self.response(&request, status), warning);
                self.exchange.abandon();
                out.respond(key, response);
            }
            Some(owed @ (Owed::Ack | Owed::Prack { .. })) => {
                self.owed = Some(owed);
                let ended = Ended {
                    status: Some(status),
                    ..Ended::by(EndedBy::Us)
                };
                return Over::with_bye(ended);
            }
            None => {}
        }
        Flow::Continue(())
    }

    /// The session is over: every open request of the other side gets its answer, every open 2xx its ACK, and nothing
    /// of ours starts any more.
    pub(super) fn wind_up(&mut self, out: &mut Outbox) {
        (self.wanted, self.timer) = (None, None);
        match self.owed.take() {
            Some(Owed::Ack) => self.send_ack(out, None),
            Some(Owed::InRequest { key, request }) => {
                out.respond(key, self.response(&request, StatusCode::REQUEST_TERMINATED));
            }
            Some(Owed::Success | Owed::Prack { .. }) | None => {}
        }
        if let Some(invite) = self.invite_in.take() {
            out.respond(
                invite.key,
                self.response(&invite.request, StatusCode::REQUEST_TERMINATED),
            );
        }
    }

    /// Sends BYE, now or when the other side has acknowledged our 2xx (RFC 3261 15).
    pub(super) fn hang_up(&mut self, out: &mut Outbox, reason: Option<Reason>) {
        if self.accepted.is_some() {
            self.bye_due = Some(reason);
        } else {
            self.send_bye(out, reason);
        }
    }

    /// Sends BYE now.
    pub(super) fn send_bye(&mut self, out: &mut Outbox, reason: Option<Reason>) {
        let mut bye = self.dialog.request(Method::Bye);
        if let Some(reason) = reason {
            bye.headers.push(HeaderName::Reason, reason);
        }
        self.byes = self.byes.saturating_add(1);
        out.send(&self.tag, bye, Purpose::Bye);
    }

    /// The final response to our BYE. Whatever it says the call is over; but a BYE that was lost with its flow goes out
    /// again, because the other side may still be talking, and paying.
    pub(super) fn handle_bye_final(&mut self, mut bye: Request, response: &Response, now: Instant) {
        if response.status == StatusCode::SERVICE_UNAVAILABLE && self.byes < BYE_TRIES {
            // The password of the first has been counted; the account adds a new one.
            bye.headers.remove(HeaderName::Authorization);
            bye.headers.remove(HeaderName::ProxyAuthorization);
            self.bye_again = Some((bye, now + BYE_PAUSE));
        }
    }

    fn repeat_bye(&mut self, out: &mut Outbox, now: Instant) {
        if let Some((bye, _)) = self.bye_again.take_if(|(_, at)| *at <= now) {
            let bye = self.dialog.renew(&bye);
            self.byes = self.byes.saturating_add(1);
            out.send(&self.tag, bye, Purpose::Bye);
        }
    }

    /// A challenged request goes on under a new name.
    pub(super) fn rename(&mut self, old: RequestId, new: RequestId) {
        for slot in [&mut self.invite_out, &mut self.update_out] {
            if *slot == Some(old) {
                *slot = Some(new);
            }
        }
    }

    /// Stops waiting for repetitions of the 2xx that we acknowledged, once their time is over.
    pub(super) fn forget_ack(&mut self, now: Instant) {
        self.acked.take_if(|acked| acked.over_at <= now);
    }

    /// When the other side's 2xx comes no more.
    pub(super) fn ack_wake(&self) -> Option<Wake> {
        let acked = self.acked.as_ref()?;
        Some(Wake::new(acked.over_at, "repetitions of a 2xx"))
    }

    /// Whether nobody waits for this leg any more.
    pub(super) fn owes_nothing(&self) -> bool {
        self.accepted.is_none() && self.bye_due.is_none() && self.bye_again.is_none()
    }

    /// When this leg has to be called again.
    pub(super) fn next_wake(&self) -> Option<Wake> {
        let back_off = self.wanted.as_ref().filter(|_| self.may_offer());
        earliest([
            self.accepted.as_ref().map(Accepted::wake),
            self.invite_in.as_ref().and_then(InviteIn::wake),
            self.timer.as_ref().map(SessionTimer::wake),
            self.bye_again.as_ref().map(|(_, at)| Wake::new(*at, "BYE again")),
            back_off.map(|wanted| Wake::new(wanted.not_before, "offer back-off")),
        ])
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, out: &mut Outbox, now: Instant) -> Flow {
        self.repeat_bye(out, now);
        self.repeat_accepted(out, now)?;
        self.repeat_provisional(out, now)?;
        self.run_session_timer(out, now)
    }

    /// Our offer was answered: it is what we have described from now on.
    pub(super) fn settle_offer(&mut self) {
        if let Some((sdp, _)) = self.offered.take() {
            self.described = Some(sdp);
        }
    }

    /// Tells the owner what an answer or a preview of the other side means.
    pub(super) fn report(&mut self, out: &mut Outbox, meaning: Meaning, sdp: Option<Bytes>) {
        let dialog = self.dialog.id();
        if meaning == Meaning::Answer {
            self.settle_offer();
        }
        match (meaning, sdp) {
            (Meaning::Offer, Some(sdp)) => out.event(Event::OfferReceived { sdp, dialog }),
            (Meaning::Answer, Some(sdp)) => out.event(Event::AnswerReceived { sdp, dialog }),
            _ => {}
        }
    }
}

/// Adds a Warning, if there is one.
pub(super) fn warned(mut response: Response, warning: Option<Warning>) -> Response {
    if let Some(warning) = warning {
        response.headers.push(HeaderName::Warning, warning);
    }
    response
}
