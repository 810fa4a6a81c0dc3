//! UPDATE, both ways, with and without an offer (RFC 3311).

use bytes::Bytes;

use super::leg::{Flow, Leg, Owed, Wanted};
use super::outbox::{Outbox, Pending, Purpose};
use super::settings::{SDP, description};
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{Method, Request, Response, StatusCode};
use crate::sip::offer_answer::{Carrier, Meaning, Side};
use crate::time::Instant;

impl Leg {
    /// An UPDATE of the other side. Without an offer it is answered here; with one the owner has to (RFC 3311 5.2).
    pub(super) fn handle_update(&mut self, out: &mut Outbox, key: ServerKey, request: Request, now: Instant) -> Flow {
        if let Some(too_small) = self.session_too_small(&out.settings, &request) {
            out.respond(key, too_small);
            return Flow::Continue(());
        }
        match description(&request.headers, &request.body) {
            Err(_) => out.reply_not_sdp(key, &request),
            Ok(None) => self.accept_request(out, key, &request, None, now),
            Ok(Some(_)) if self.exchange.offerer() == Some(Side::Us) => {
                out.reply(key, &request, StatusCode::REQUEST_PENDING);
            }
            Ok(Some(_)) if !self.exchange.is_stable() || self.owed.is_some() => out.reply_busy(key, &request),
            Ok(sdp) => {
                let carried = self.exchange.carry(Side::Them, Carrier::Update, true);
                debug_assert_eq!(carried, Ok(Meaning::Offer), "the exchange is stable");
                self.owed = Some(Owed::InRequest { key, request });
                self.report(out, Meaning::Offer, sdp);
            }
        }
        Flow::Continue(())
    }

    /// Accepts an UPDATE, or a PRACK with an offer.
    pub(super) fn accept_request(
        &mut self,
        out: &mut Outbox,
        key: ServerKey,
        request: &Request,
        sdp: Option<Bytes>,
        now: Instant,
    ) {
        let mut response = self.response(request, StatusCode::OK);
        let mut carrier = Carrier::PrackSuccess;
        if request.method == Method::Update {
            carrier = Carrier::UpdateSuccess;
            out.settings.write_capabilities(&mut response.headers);
            if self.confirmed {
                self.grant_session_timer(&out.settings, request, &mut response, now);
            }
            self.peer.learn(&request.headers);
            self.refresh_target(out, request.headers.contacts().first());
        }
        if let Some(sdp) = sdp {
            let carried = self.exchange.carry(Side::Us, carrier, true);
            debug_assert_eq!(carried, Ok(Meaning::Answer), "owed to the offer in this request");
            self.described = Some(sdp.clone());
            response.set_body(SDP, sdp);
        }
        out.respond(key, response);
    }

    /// Offers in an UPDATE, while the dialog is early.
    pub(super) fn send_update(&mut self, out: &mut Outbox, wanted: Wanted) {
        let Some(sdp) = wanted.sdp else {
            return;
        };
        let mut request = self.update_request(out);
        request.set_body(SDP, sdp.clone());
        let carried = self.exchange.carry(Side::Us, Carrier::Update, true);
        debug_assert!(carried.is_ok(), "offers wait until the exchange is stable");
        self.offered = Some((sdp, wanted.tries));
        self.update_out = Some(out.send(&self.tag, request, Purpose::Update));
    }

    /// Refreshes the session timer without an offer (RFC 4028 7.4).
    pub(super) fn send_refresh(&mut self, out: &mut Outbox) {
        let request = self.update_request(out);
        self.update_out = Some(out.send(&self.tag, request, Purpose::Refresh));
    }

    fn update_request(&mut self, out: &Outbox) -> Request {
        let mut request = self.dialog.request(Method::Update);
        out.settings.write_capabilities(&mut request.headers);
        if self.confirmed {
            self.ask_session_timer(&out.settings, &mut request.headers);
        }
        request
    }

    /// The final response to our UPDATE.
    pub(super) fn handle_update_final(
        &mut self,
        out: &mut Outbox,
        pending: &Pending,
        response: &Response,
        now: Instant,
    ) -> Flow {
        self.update_out = None;
        if response.status.is_success() {
            self.update_succeeded(out, pending, response, now);
            return Flow::Continue(());
        }
        if pending.purpose == Purpose::Update {
            self.exchange.abandon();
        }
        self.judge(pending, response)?;
        match pending.purpose {
            Purpose::Update => self.offer_refused(out, pending, response, now),
            _ => self.refresh_refused(response, now),
        }
        Flow::Continue(())
    }

    fn update_succeeded(&mut self, out: &mut Outbox, pending: &Pending, response: &Response, now: Instant) {
        self.refresh_target(out, response.headers.contacts().first());
        self.peer.learn(&response.headers);
        if self.confirmed {
            self.adopt_session_timer(response, now);
        }
        if pending.purpose == Purpose::Refresh {
            return;
        }
        let sdp = description(&response.headers, &response.body).unwrap_or_default();
        match self.exchange.carry(Side::Them, Carrier::UpdateSuccess, sdp.is_some()) {
            Ok(meaning) => self.report(out, meaning, sdp),
            Err(_) => {
                self.exchange.abandon();
                self.offer_refused(out, pending, response, now);
            }
        }
    }
}
