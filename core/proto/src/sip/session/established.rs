//! Requests that come in within a dialog (RFC 3261 12.2.2, 14.2, 15.1.2).

use super::leg::{Flow, Leg, Over};
use super::outbox::Outbox;
use super::output::{Ended, Event};
use super::settings::SDP;
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{HeaderName, Method, Request, StatusCode};
use crate::time::Instant;

/// "Bad Info Package" (RFC 6086 11.3): none was negotiated.
const BAD_INFO_PACKAGE: u16 = 469;

impl Leg {
    /// Any request of the other side but ACK and CANCEL. Its method is judged first, then what it requires, then its
    /// place in the order (RFC 3261 8.2, 12.2.2).
    pub(super) fn handle_request(&mut self, out: &mut Outbox, key: ServerKey, request: Request, now: Instant) -> Flow {
        let handed_up = is_handed_up(out, &request.method);
        if !handed_up && let Some(status) = refusal(&request.method) {
            let mut response = self.response(&request, status);
            out.settings.write_allow(&mut response.headers);
            out.respond(key, response);
            return Flow::Continue(());
        }
        let unsupported = out.settings.not_understood(&request.headers);
        if !unsupported.is_empty() {
            let mut response = self.response(&request, StatusCode::BAD_EXTENSION);
            response.headers.push(HeaderName::Unsupported, unsupported.join(", "));
            out.respond(key, response);
            return Flow::Continue(());
        }
        if let Err(out_of_order) = self.dialog.accept_cseq(&request) {
            tracing::debug!(%out_of_order, method = %request.method, "request refused");
            out.reply(key, &request, StatusCode::SERVER_INTERNAL_ERROR);
            return Flow::Continue(());
        }
        out.heard(&self.tag);
        if handed_up {
            let request = Box::new(request);
            out.event(Event::Request { key, request });
            return Flow::Continue(());
        }
        self.serve(out, key, request, now)
    }

    fn serve(&mut self, out: &mut Outbox, key: ServerKey, request: Request, now: Instant) -> Flow {
        match request.method {
            Method::Invite => self.handle_reinvite(out, key, request),
            Method::Update => self.handle_update(out, key, request, now),
            Method::Prack => self.handle_prack(out, key, request, now),
            Method::Bye => self.handle_bye(out, key, &request),
            Method::Info => {
                self.handle_info(out, key, request);
                Flow::Continue(())
            }
            _ => {
                self.handle_options(out, key, &request);
                Flow::Continue(())
            }
        }
    }

    /// BYE: answered in every state. It also proves that our 2xx arrived (RFC 5407 3.1).
    fn handle_bye(&mut self, out: &mut Outbox, key: ServerKey, request: &Request) -> Flow {
        (self.accepted, self.bye_due) = (None, None);
        out.reply(key, request, StatusCode::OK);
        Over::silent(Ended::with_request(request))
    }

    fn handle_info(&mut self, out: &mut Outbox, key: ServerKey, request: Request) {
        if request.headers.has(HeaderName::InfoPackage) {
            let status = StatusCode::new(BAD_INFO_PACKAGE).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = self.response(&request, status).with_reason("Bad Info Package");
            response.headers.push(HeaderName::RecvInfo, "");
            out.respond(key, response);
            return;
        }
        out.reply(key, &request, StatusCode::OK);
        out.event(Event::Info {
            content_type: request.headers.get(HeaderName::ContentType).map(str::to_owned),
            body: request.body,
        });
    }

    fn handle_options(&self, out: &mut Outbox, key: ServerKey, request: &Request) {
        let mut response = self.response(request, StatusCode::OK);
        out.settings.write_capabilities(&mut response.headers);
        response.headers.push(HeaderName::Accept, SDP);
        out.respond(key, response);
    }
}

/// Whether the request belongs to another usage of the dialog, which the owner serves.
fn is_handed_up(out: &Outbox, method: &Method) -> bool {
    matches!(method, Method::Refer | Method::Notify | Method::Subscribe) || out.settings.allow.contains(method)
}

/// 405 for a method that has no business in a dialog, 501 for one that nobody here has heard of.
fn refusal(method: &Method) -> Option<StatusCode> {
    match method {
        Method::Message | Method::Publish | Method::Register => Some(StatusCode::METHOD_NOT_ALLOWED),
        Method::Other(_) => Some(StatusCode::NOT_IMPLEMENTED),
        _ => None,
    }
}
