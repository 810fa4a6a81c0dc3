//! Reliable provisional responses, both ways (RFC 3262).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::CommandRefused;
use super::invite::InviteIn;
use super::leg::{Flow, Leg, Over, Owed};
use super::outbox::{Outbox, Purpose, describe};
use super::output::{Ended, EndedBy};
use super::settings::{Settings, description};
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{CSeq, HeaderName, Method, RAck, Request, Response, StatusCode};
use crate::sip::offer_answer::{Carrier, Meaning, Misplaced, Side};
use crate::time::{Instant, Wake, earliest};

/// How often an unreliable provisional response is repeated, so that no proxy gives up (RFC 3261 13.3.1.1).
const STILL_RINGING: Duration = Duration::from_secs(60);

/// Our provisional responses to one INVITE.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Reliable {
    last_rseq: u32,
    /// Sent and not acknowledged: never more than one (RFC 3262 3).
    current: Option<Unacknowledged>,
    /// To be sent when that one is acknowledged.
    queue: VecDeque<Response>,
    /// The last unreliable one, and when it is sent again.
    ringing: Option<(Response, Instant)>,
}

#[derive(Clone, PartialEq, Debug)]
struct Unacknowledged {
    rack: RAck,
    response: Response,
    interval: Duration,
    repeat_at: Instant,
    give_up_at: Instant,
}

impl Reliable {
    /// Whether a 2xx has to wait: a description is on its way in a 1xx that is not acknowledged (RFC 3262 3).
    pub(super) fn holds_back_success(&self) -> bool {
        let current = self.current.iter().map(|sent| &sent.response);
        current.chain(&self.queue).any(|response| !response.body.is_empty())
    }

    /// The acknowledgement that may still come after the final response.
    pub(super) fn unacknowledged(&self) -> Option<RAck> {
        self.current.as_ref().map(|sent| sent.rack.clone())
    }

    /// Numbers the response and sends it, or queues it behind the one that is not acknowledged.
    fn send(&mut self, out: &mut Outbox, key: ServerKey, response: Response, now: Instant) {
        self.ringing = None;
        self.queue.push_back(response);
        self.send_next(out, key, now);
    }

    fn send_next(&mut self, out: &mut Outbox, key: ServerKey, now: Instant) {
        if self.current.is_some() {
            return;
        }
        let Some(mut response) = self.queue.pop_front() else {
            return;
        };
        self.last_rseq = self.last_rseq.saturating_add(1);
        response.headers.set(HeaderName::RSeq, self.last_rseq);
        out.respond(key, response.clone());
        self.current = Some(Unacknowledged::new(self.last_rseq, response, &out.settings, now));
    }

    fn wake(&self) -> Option<Wake> {
        let repeat =
            |sent: &Unacknowledged| Wake::new(sent.repeat_at.min(sent.give_up_at), "reliable 1xx without PRACK");
        let ringing = self.ringing.as_ref().map(|(_, at)| Wake::new(*at, "still ringing"));
        earliest([self.current.as_ref().map(repeat), ringing])
    }
}

impl Unacknowledged {
    fn new(rseq: u32, response: Response, settings: &Settings, now: Instant) -> Self {
        Self {
            rack: RAck {
                rseq,
                cseq: response.cseq.clone(),
            },
            response,
            interval: settings.t1,
            repeat_at: now + settings.t1,
            give_up_at: now + settings.patience(),
        }
    }
}

impl InviteIn {
    pub(super) fn wake(&self) -> Option<Wake> {
        let expires = self.expires_at.map(|at| Wake::new(at, "INVITE expires"));
        earliest([self.reliable.wake(), expires])
    }
}

impl Leg {
    // ---- our provisional responses ----

    /// Sends a 1xx, reliably if the caller requires it, or supports it and early media is worth it.
    pub(super) fn send_provisional(
        &mut self,
        out: &mut Outbox,
        status: StatusCode,
        sdp: Option<Bytes>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        let mut invite = self.invite_in.take().ok_or(CommandRefused::NotRinging)?;
        let headers = &invite.request.headers;
        let worth_it = sdp.is_some() && out.settings.reliable_early_media;
        let reliable = headers.requires("100rel") || (worth_it && headers.supports("100rel"));
        let offer_due = self.exchange.meaning(Side::Us, Carrier::ReliableProvisional) == Some(Meaning::Offer);
        if reliable && offer_due && sdp.is_none() {
            self.invite_in = Some(invite);
            return Err(CommandRefused::OfferDue);
        }
        let mut response = self.response(&invite.request, status);
        out.settings.write_capabilities(&mut response.headers);
        let carrier = if reliable {
            Carrier::ReliableProvisional
        } else {
            Carrier::Provisional
        };
        let placeless = sdp.is_some() && self.exchange.meaning(Side::Us, carrier).is_none();
        if let Some(sdp) = sdp.filter(|_| !placeless) {
            self.describe_response(&mut response, carrier, sdp);
        }
        if self.exchange.offerer() != Some(Side::Them) && !response.body.is_empty() {
            // Offered or answered for good: the INVITE itself waits for nothing any more.
            self.owed = self.owed.take().filter(|owed| *owed != Owed::Success);
        }
        if reliable {
            response.headers.push(HeaderName::Require, "100rel");
            invite.reliable.send(out, invite.key, response, now);
        } else {
            invite.reliable.ringing = Some((response.clone(), now + STILL_RINGING));
            out.respond(invite.key, response);
        }
        self.invite_in = Some(invite);
        if placeless {
            Err(CommandRefused::NoPlaceForOffer)
        } else {
            Ok(())
        }
    }

    /// Repeats what is not acknowledged: after T1, doubling, for 64*T1; then the INVITE is refused.
    pub(super) fn repeat_provisional(&mut self, out: &mut Outbox, now: Instant) -> Flow {
        let Some(invite) = &mut self.invite_in else {
            return Flow::Continue(());
        };
        if invite.expires_at.is_some_and(|at| at <= now) {
            self.refuse_invite(out, StatusCode::REQUEST_TERMINATED, None);
            return Over::silent(Ended::by(EndedBy::Unanswered));
        }
        if let Some((response, at)) = invite.reliable.ringing.as_mut().filter(|(_, at)| *at <= now) {
            *at = now + STILL_RINGING;
            out.respond(invite.key, response.clone());
        }
        let Some(sent) = &mut invite.reliable.current else {
            return Flow::Continue(());
        };
        if sent.give_up_at <= now {
            self.refuse_invite(out, StatusCode::SERVER_TIMEOUT, None);
            return Over::silent(Ended::by(EndedBy::NoPrack));
        }
        if sent.repeat_at <= now {
            sent.interval = sent.interval.saturating_mul(2);
            sent.repeat_at = now + sent.interval;
            out.respond(invite.key, sent.response.clone());
        }
        Flow::Continue(())
    }

    /// A PRACK of the caller.
    pub(super) fn handle_prack(&mut self, out: &mut Outbox, key: ServerKey, request: Request, now: Instant) -> Flow {
        let rack = request.headers.rack();
        if rack.is_some() && rack == self.straggler {
            self.straggler = None;
            out.reply(key, &request, StatusCode::OK);
            return Flow::Continue(());
        }
        let awaited = self
            .invite_in
            .as_ref()
            .and_then(|invite| invite.reliable.unacknowledged());
        if rack.is_none() || rack != awaited {
            out.reply(key, &request, StatusCode::NO_SUCH_CALL);
            return Flow::Continue(());
        }
        let Ok(sdp) = description(&request.headers, &request.body) else {
            out.reply_not_sdp(key, &request);
            return Flow::Continue(());
        };
        self.take_prack(out, key, request, sdp)?;
        self.provisional_acknowledged(out, now);
        Flow::Continue(())
    }

    /// Reads what the PRACK means for the exchange and answers it, unless the owner has to.
    fn take_prack(&mut self, out: &mut Outbox, key: ServerKey, request: Request, sdp: Option<Bytes>) -> Flow {
        match self.exchange.carry(Side::Them, Carrier::Prack, sdp.is_some()) {
            Ok(Meaning::Offer) => {
                self.owed = Some(Owed::InRequest { key, request });
                self.report(out, Meaning::Offer, sdp);
            }
            Ok(meaning) => {
                out.reply(key, &request, StatusCode::OK);
                self.report(out, meaning, sdp);
            }
            Err(Misplaced::Forbidden(_)) => out.reply(key, &request, StatusCode::BAD_REQUEST),
            Err(misplaced) => {
                out.reply(key, &request, StatusCode::BAD_REQUEST);
                self.refuse_invite(out, StatusCode::BAD_REQUEST, None);
                return Over::silent(Ended::by(EndedBy::Protocol(misplaced)));
            }
        }
        Flow::Continue(())
    }

    /// Sends what waited for the acknowledgement: the next 1xx, or the 2xx.
    fn provisional_acknowledged(&mut self, out: &mut Outbox, now: Instant) {
        let Some(invite) = &mut self.invite_in else {
            return;
        };
        invite.reliable.current = None;
        invite.reliable.send_next(out, invite.key, now);
        if let Some(sdp) = invite.answer.take() {
            self.accept_invite(out, sdp, now);
        }
    }

    // ---- the other side's provisional responses ----

    /// Takes a reliable 1xx if it is the next in order, and acknowledges it at once unless it offers. `None` if it is
    /// not reliable, was seen before, or came before its turn (RFC 3262 4).
    pub(super) fn take_reliable(
        &mut self,
        out: &mut Outbox,
        invite: &Request,
        response: &Response,
    ) -> Option<(Meaning, Option<Bytes>)> {
        let rseq = reliable_rseq(response)?;
        if self.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
            return None;
        }
        self.rseq = Some(rseq);
        let sdp = description(&response.headers, &response.body).unwrap_or_default();
        let meaning = self
            .exchange
            .carry(Side::Them, Carrier::ReliableProvisional, sdp.is_some());
        if meaning == Ok(Meaning::Offer) {
            let invite = invite.clone();
            self.owed = Some(Owed::Prack { rseq, invite });
        } else {
            self.send_prack(out, rseq, invite, None);
        }
        Some((meaning.unwrap_or(Meaning::Nothing), sdp))
    }

    /// Acknowledges a reliable 1xx, with our answer if it offered.
    pub(super) fn send_prack(&mut self, out: &mut Outbox, rseq: u32, invite: &Request, sdp: Option<Bytes>) {
        let mut prack = self.dialog.request(Method::Prack);
        let cseq = CSeq {
            number: invite.cseq,
            method: Method::Invite,
        };
        prack.headers.push(HeaderName::RAck, RAck { rseq, cseq });
        if sdp.is_some() {
            let carried = self.exchange.carry(Side::Us, Carrier::Prack, true);
            debug_assert!(carried.is_ok(), "owed to an offer in the 1xx");
            self.described.clone_from(&sdp);
        }
        describe(&mut prack, sdp);
        out.send(&self.tag, prack, Purpose::Prack { rseq });
    }

    /// The final response to a PRACK. If it never arrived the repeated 1xx is acknowledged anew.
    pub(super) fn handle_prack_final(&mut self, rseq: u32, response: &Response) {
        let lost = matches!(
            response.status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE
        );
        if lost && self.rseq == Some(rseq) {
            self.rseq = rseq.checked_sub(1);
        }
    }
}

/// Whether `response` is sent reliably, and with which RSeq (RFC 3262).
pub(super) fn reliable_rseq(response: &Response) -> Option<u32> {
    let headers = &response.headers;
    headers
        .rseq()
        .filter(|_| response.status != StatusCode::TRYING && headers.requires("100rel"))
}
