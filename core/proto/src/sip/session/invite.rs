//! INVITEs inside the dialog, both ways, and the 2xx that the first one shares with them (RFC 3261 14, RFC 6141).

use std::time::Duration;

use bytes::Bytes;

use super::accepted::Accepted;
use super::leg::{Acked, Flow, Leg, Over, Owed, Wanted, warned};
use super::outbox::{Outbox, Pending, Purpose};
use super::output::{Ended, EndedBy, Event, Output, RequestId};
use super::prack::Reliable;
use super::settings::{SDP, description};
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{Method, Request, Response, StatusCode, Warning};
use crate::sip::offer_answer::{Carrier, Meaning, Misplaced, Side};
use crate::time::Instant;

/// How often an offer is tried before the owner has to decide.
const TRIES: u32 = 5;
/// How long to wait after the flow broke or a server was overloaded.
const RETRY: Duration = Duration::from_secs(2);
/// The longest Retry-After that we wait out by ourselves.
const PATIENT: Duration = Duration::from_secs(10);

/// An INVITE of the other side that has no final response yet.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct InviteIn {
    pub(super) key: ServerKey,
    pub(super) request: Request,
    /// Whether it is the INVITE that started the session.
    pub(super) first: bool,
    /// Our provisional responses.
    pub(super) reliable: Reliable,
    /// The owner has answered, but a description in a reliable 1xx is not acknowledged yet (RFC 3262 3).
    pub(super) answer: Option<Bytes>,
    /// When its Expires runs out.
    pub(super) expires_at: Option<Instant>,
}

impl InviteIn {
    pub(super) fn new(key: ServerKey, request: Request, first: bool) -> Self {
        Self {
            key,
            request,
            first,
            reliable: Reliable::default(),
            answer: None,
            expires_at: None,
        }
    }
}

impl Leg {
    // ---- the other side's INVITE ----

    /// An INVITE within the dialog.
    pub(super) fn handle_reinvite(&mut self, out: &mut Outbox, key: ServerKey, request: Request) -> Flow {
        if self.invite_in.is_some() || self.owed.is_some() {
            out.reply_busy(key, &request);
        } else if !self.confirmed || self.invite_out.is_some() || !self.exchange.is_stable() {
            out.reply(key, &request, StatusCode::REQUEST_PENDING);
        } else if let Some(too_small) = self.session_too_small(&out.settings, &request) {
            out.respond(key, too_small);
        } else {
            self.take_reinvite(out, key, request);
        }
        Flow::Continue(())
    }

    fn take_reinvite(&mut self, out: &mut Outbox, key: ServerKey, request: Request) {
        let Ok(sdp) = description(&request.headers, &request.body) else {
            out.reply_not_sdp(key, &request);
            return;
        };
        if let Some(accepted) = self.accepted.take() {
            self.acknowledged(out, &accepted);
        }
        self.invite_in = Some(InviteIn::new(key, request, false));
        self.open_invite(out, sdp);
    }

    /// An INVITE begins: it offers, or it asks for an offer.
    pub(super) fn open_invite(&mut self, out: &mut Outbox, sdp: Option<Bytes>) {
        // The exchange is stable here, so that an INVITE may always open it.
        let _ = self.exchange.carry(Side::Them, Carrier::Invite, sdp.is_some());
        self.owed = Some(Owed::Success);
        match sdp {
            Some(sdp) => self.report(out, Meaning::Offer, Some(sdp)),
            None => out.event(Event::OfferRequested),
        }
    }

    /// Accepts the other side's INVITE, at once or as soon as a reliable 1xx is acknowledged.
    pub(super) fn accept_invite(&mut self, out: &mut Outbox, sdp: Bytes, now: Instant) {
        let Some(mut invite) = self.invite_in.take() else {
            return;
        };
        if invite.reliable.holds_back_success() {
            invite.answer = Some(sdp);
            self.invite_in = Some(invite);
            return;
        }
        let mut response = self.response(&invite.request, StatusCode::OK);
        out.settings.write_capabilities(&mut response.headers);
        self.grant_session_timer(&out.settings, &invite.request, &mut response, now);
        self.describe_response(&mut response, Carrier::Success, sdp);
        self.peer.learn(&invite.request.headers);
        if !invite.first {
            self.refresh_target(out, invite.request.headers.contacts().first());
        }
        self.straggler = invite.reliable.unacknowledged();
        self.confirmed = true;
        self.owed = self.owed.take().filter(|owed| *owed != Owed::Success);
        let accepted = Accepted::new(invite.key, response.clone(), invite.first, &out.settings, now);
        self.accepted = Some(accepted);
        out.respond(invite.key, response);
    }

    /// Puts our description into a response to an INVITE, if it is an offer or an answer there.
    pub(super) fn describe_response(&mut self, response: &mut Response, carrier: Carrier, sdp: Bytes) {
        match self.exchange.meaning(Side::Us, carrier) {
            Some(Meaning::Offer) => self.offered = Some((sdp.clone(), 0)),
            Some(Meaning::Answer) => self.described = Some(sdp.clone()),
            Some(Meaning::Preview) => {}
            Some(Meaning::Nothing | Meaning::Repeat) | None => return,
        }
        let carried = self.exchange.carry(Side::Us, carrier, true);
        debug_assert!(carried.is_ok(), "asked just before");
        response.set_body(SDP, sdp);
    }

    /// Refuses the other side's INVITE; what was agreed before it holds.
    pub(super) fn refuse_invite(&mut self, out: &mut Outbox, status: StatusCode, warning: Option<Warning>) {
        if let Some(invite) = self.invite_in.take() {
            self.exchange.invite_failed();
            self.owed = self.owed.take().filter(|owed| *owed != Owed::Success);
            let response = warned(self.response(&invite.request, status), warning);
            out.respond(invite.key, response);
        }
    }

    /// The other side cancels its INVITE within the dialog: the call goes on as it was.
    pub(super) fn cancel_reinvite(&mut self, out: &mut Outbox) {
        if self.owed == Some(Owed::Success) {
            out.event(Event::OfferWithdrawn);
        }
        self.refuse_invite(out, StatusCode::REQUEST_TERMINATED, None);
    }

    // ---- our INVITE ----

    /// Offers in an INVITE. Without an offer of its own it repeats what was last described (RFC 4028 7.4).
    pub(super) fn send_reinvite(&mut self, out: &mut Outbox, wanted: Wanted) {
        let refresh = wanted.sdp.is_none();
        let Some(sdp) = wanted.sdp.or_else(|| self.described.clone()) else {
            return;
        };
        let mut request = self.dialog.request(Method::Invite);
        out.settings.write_capabilities(&mut request.headers);
        self.ask_session_timer(&out.settings, &mut request.headers);
        request.set_body(SDP, sdp.clone());
        let carried = self.exchange.carry(Side::Us, Carrier::Invite, true);
        debug_assert!(carried.is_ok(), "offers wait until the exchange is stable");
        self.rseq = None;
        self.offered = Some((sdp, wanted.tries));
        self.invite_out = Some(out.send(&self.tag, request, Purpose::Reinvite { refresh }));
    }

    /// The call is over while our INVITE is in progress. The other side may have answered it and stopped repeating the
    /// answer when our BYE came; the CANCEL makes sure that the INVITE ends (RFC 3261 9.1).
    pub(super) fn cancel_invite(&mut self, out: &mut Outbox) {
        let pending = |id: &mut RequestId| out.requests.get(id).is_some_and(|pending| pending.challenge.is_none());
        if let Some(id) = self.invite_out.take_if(pending) {
            out.push(Output::Cancel { id, reason: None });
        }
    }

    /// A provisional response to our INVITE within the dialog: only a reliable one matters.
    pub(super) fn reinvite_progress(&mut self, out: &mut Outbox, invite: &Request, response: &Response) {
        if let Some((meaning, sdp)) = self.take_reliable(out, invite, response) {
            self.report(out, meaning, sdp);
        }
    }

    /// The final response to our INVITE within the dialog.
    pub(super) fn handle_reinvite_final(
        &mut self,
        out: &mut Outbox,
        id: RequestId,
        pending: Pending,
        response: &Response,
        now: Instant,
    ) -> Flow {
        self.invite_out = None;
        if !response.status.is_success() {
            self.exchange.invite_failed();
            self.owed = self.owed.take().filter(|owed| !matches!(owed, Owed::Prack { .. }));
            self.judge(&pending, response)?;
            self.offer_refused(out, &pending, response, now);
            return Flow::Continue(());
        }
        match self.invite_succeeded(out, id, pending.request, response, now) {
            Ok((meaning, sdp)) => self.report(out, meaning, sdp),
            Err(_) => {
                self.exchange.abandon();
                self.offered = None;
                out.event(refused(response, false));
            }
        }
        Flow::Continue(())
    }

    /// A 2xx to an INVITE of ours, the first or a later one. The ACK goes out at once, unless it has to carry the
    /// owner's answer. What the 2xx brought is left to be reported.
    pub(super) fn invite_succeeded(
        &mut self,
        out: &mut Outbox,
        id: RequestId,
        invite: Request,
        response: &Response,
        now: Instant,
    ) -> Result<(Meaning, Option<Bytes>), Misplaced> {
        let contacts = response.headers.contacts();
        if self.confirmed {
            self.refresh_target(out, contacts.first());
        } else {
            self.dialog.confirm(response);
            self.dialog.refresh_target(contacts.first());
            self.confirmed = true;
        }
        self.peer.learn(&response.headers);
        self.adopt_session_timer(response, now);
        self.acked_before.retain(|acked| acked.over_at > now);
        self.acked_before.extend(self.acked.take());
        self.acked = Some(Acked {
            id,
            invite,
            ack: None,
            over_at: now + out.settings.patience(),
        });
        let preview = self.preview.take();
        let sdp = description(&response.headers, &response.body)
            .unwrap_or_default()
            .or_else(|| {
                // Some servers answer in an unreliable 183 and never again.
                preview.filter(|_| self.exchange.offerer() == Some(Side::Us))
            });
        let carried = match self.exchange.carry(Side::Them, Carrier::Success, sdp.is_some()) {
            // A description where none is due: what was agreed holds.
            Err(Misplaced::Forbidden(_)) => Ok(Meaning::Nothing),
            carried => carried,
        };
        if carried == Ok(Meaning::Offer) {
            self.owed = Some(Owed::Ack);
        } else {
            self.send_ack(out, None);
        }
        carried.map(|meaning| (meaning, sdp))
    }

    /// Acknowledges the last 2xx, with our answer if the 2xx offered.
    pub(super) fn send_ack(&mut self, out: &mut Outbox, sdp: Option<Bytes>) {
        let Some(acked) = &mut self.acked else {
            return;
        };
        let mut ack = self.dialog.ack(&acked.invite);
        if let Some(sdp) = sdp {
            let carried = self.exchange.carry(Side::Us, Carrier::Ack, true);
            debug_assert!(carried.is_ok(), "owed to an offer in the 2xx");
            self.described = Some(sdp.clone());
            ack.set_body(SDP, sdp);
        }
        acked.ack = Some(ack.clone());
        out.push(Output::Ack { request: ack });
    }

    /// The 2xx came again: so does its ACK, if it was sent already.
    pub(super) fn repeat_ack(&self, out: &mut Outbox, id: RequestId) {
        let mut acked = self.acked.iter().chain(&self.acked_before);
        if let Some(Acked { ack: Some(ack), .. }) = acked.find(|acked| acked.id == id) {
            out.push(Output::Ack { request: ack.clone() });
        }
    }

    // ---- an offer that failed ----

    /// Our INVITE or UPDATE was refused: try again where the RFCs say so, else tell the owner.
    pub(super) fn offer_refused(&mut self, out: &mut Outbox, pending: &Pending, response: &Response, now: Instant) {
        let Some((sdp, tries)) = self.offered.take() else {
            return;
        };
        let back_off = self.back_off(out, pending, response).filter(|_| tries < TRIES);
        let silent = matches!(pending.purpose, Purpose::Reinvite { refresh: true });
        if !silent && response.status != StatusCode::SESSION_INTERVAL_TOO_SMALL {
            out.event(refused(response, back_off.is_some() || self.wanted.is_some()));
        }
        let not_before = now + back_off.unwrap_or_default();
        match &mut self.wanted {
            Some(newer) => newer.not_before = newer.not_before.max(not_before),
            None if back_off.is_some() => {
                self.wanted = Some(Wanted {
                    sdp: Some(sdp).filter(|_| !silent),
                    not_before,
                    tries: tries.saturating_add(1),
                });
            }
            None => {}
        }
    }

    /// How long to wait before the same offer again; `None` if it is not worth it.
    fn back_off(&mut self, out: &mut Outbox, pending: &Pending, response: &Response) -> Option<Duration> {
        let asked = response
            .headers
            .retry_after()
            .map(|seconds| Duration::from_secs(seconds.into()));
        match response.status {
            StatusCode::REQUEST_TIMEOUT => pending.heard_since.then_some(Duration::ZERO),
            StatusCode::REQUEST_PENDING => Some(out.glare_delay(self.caller)),
            StatusCode::SERVER_INTERNAL_ERROR if asked.is_none() && self.was_overtaken(pending) => Some(Duration::ZERO),
            StatusCode::SERVER_INTERNAL_ERROR => asked.filter(|wait| *wait <= PATIENT),
            StatusCode::SERVICE_UNAVAILABLE => Some(asked.unwrap_or(RETRY)).filter(|wait| *wait <= PATIENT),
            StatusCode::SESSION_INTERVAL_TOO_SMALL => self.learn_min_se(response).then_some(Duration::ZERO),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED if pending.purpose == Purpose::Update => {
                self.peer.allows_update = false;
                Some(Duration::ZERO)
            }
            _ => None,
        }
    }

    /// Whether a later request of ours may have come first, as datagrams do: the earlier one is then answered 500 (RFC
    /// 3261 12.2.2), and is worth another try.
    fn was_overtaken(&self, pending: &Pending) -> bool {
        self.dialog.local_cseq() > pending.request.cseq
    }

    /// A 408 or 481 to a request within a confirmed dialog ends the session (RFC 3261 12.2.1.2, RFC 5057). Not a 408
    /// where the other side has been heard since: it has come to another network, and the request went to the old one.
    pub(super) fn judge(&self, pending: &Pending, response: &Response) -> Flow {
        let ended = || Ended::with_response(EndedBy::Gone, response);
        match response.status {
            StatusCode::NO_SUCH_CALL if self.confirmed => Over::silent(ended()),
            StatusCode::REQUEST_TIMEOUT if self.confirmed && !pending.heard_since => Over::with_bye(ended()),
            _ => Flow::Continue(()),
        }
    }
}

fn refused(response: &Response, retrying: bool) -> Event {
    Event::OfferRefused {
        status: response.status,
        retrying,
        warnings: response.headers.warnings(),
    }
}
