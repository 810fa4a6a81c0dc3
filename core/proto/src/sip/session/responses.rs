//! Responses to our requests, and requests that got none.

use super::leg::Flow;
use super::outbox::{Pending, Purpose};
use super::output::{Event, Output, RequestId};
use super::{Phase, Session};
use crate::sip::auth::Retry;
use crate::sip::endpoint::Failure;
use crate::sip::msg::{Method, Response, StatusCode};
use crate::time::Instant;

impl Session {
    /// A response to the request `id`, provisional or final. A 2xx to an INVITE comes once for each branch and again
    /// for each repetition.
    pub fn handle_response(&mut self, id: RequestId, response: &Response, now: Instant) {
        let pending = self
            .out
            .requests
            .get(&id)
            .filter(|pending| pending.challenge.is_none())
            .cloned();
        match pending {
            Some(pending) if response.status.is_provisional() => self.progress_of(&pending, response),
            Some(pending) => {
                self.out.requests.remove(&id);
                if !self.challenged(id, &pending, response) {
                    self.final_of(id, pending, response, None, now);
                }
            }
            None if response.status.is_success() => self.late_success(id, response, now),
            None => {}
        }
        self.settle(now);
    }

    /// The request `id` will get no response.
    pub fn handle_failed(&mut self, id: RequestId, failure: Failure, now: Instant) {
        if let Some(pending) = self.out.requests.remove(&id) {
            let status = match failure {
                Failure::Timeout => StatusCode::REQUEST_TIMEOUT,
                Failure::FlowLost => StatusCode::SERVICE_UNAVAILABLE,
            };
            let response = Response::to(&pending.request, status);
            self.final_of(id, pending, &response, Some(failure), now);
        }
        self.settle(now);
    }

    /// Sends the challenged request `id` again with credentials: the header field `name`, Authorization or
    /// Proxy-Authorization. The new name of the request; `None` if nobody needs it any more.
    pub fn retry_with(&mut self, id: RequestId, retry: &Retry, now: Instant) -> Option<RequestId> {
        let pending = self.take_challenged(id)?.0;
        let mut request = pending.request;
        retry.apply(&mut request);
        let new = if pending.purpose == Purpose::Dial {
            self.dial_again(request)
        } else {
            let leg = self.legs.get_mut(&pending.tag)?;
            let request = leg.dialog.renew(&request);
            let new = self.out.send(&pending.tag, request, pending.purpose);
            leg.rename(id, new);
            new
        };
        self.settle(now);
        Some(new)
    }

    /// There are no credentials for the challenged request `id`: the 401 or 407 stands.
    pub fn give_up(&mut self, id: RequestId, now: Instant) {
        if let Some((pending, challenge)) = self.take_challenged(id) {
            self.final_of(id, pending, &challenge, None, now);
        }
        self.settle(now);
    }

    fn take_challenged(&mut self, id: RequestId) -> Option<(Pending, Response)> {
        let challenge = self.out.requests.get_mut(&id)?.challenge.take()?;
        Some((self.out.requests.remove(&id)?, *challenge))
    }

    /// Asks the owner for credentials, if the response asks for them and the request still matters.
    fn challenged(&mut self, id: RequestId, pending: &Pending, response: &Response) -> bool {
        let asks = matches!(
            response.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if !asks || (self.phase == Phase::Ended && pending.purpose != Purpose::Bye) {
            return false;
        }
        if pending.purpose == Purpose::Dial {
            self.forget_branches();
        }
        let challenge = Some(Box::new(response.clone()));
        let pending = Pending {
            challenge,
            ..pending.clone()
        };
        self.out.requests.insert(id, pending);
        let response = response.clone();
        self.out.push(Output::Challenge { id, response });
        true
    }

    fn progress_of(&mut self, pending: &Pending, response: &Response) {
        match pending.purpose {
            Purpose::Dial => self.dial_progress(response),
            Purpose::Reinvite { .. } => self.with_leg(&pending.tag, |leg, out| {
                leg.reinvite_progress(out, &pending.request, response);
                Flow::Continue(())
            }),
            _ => {}
        }
    }

    fn final_of(
        &mut self,
        id: RequestId,
        pending: Pending,
        response: &Response,
        failure: Option<Failure>,
        now: Instant,
    ) {
        let tag = pending.tag.clone();
        match pending.purpose {
            Purpose::Dial if response.status.is_success() => self.dial_success(response, now),
            Purpose::Dial => self.dial_failure(response, failure),
            Purpose::Reinvite { .. } => {
                let ended = self.phase == Phase::Ended;
                self.with_leg(&tag, |leg, out| {
                    let flow = leg.handle_reinvite_final(out, id, pending, response, now);
                    if ended {
                        leg.wind_up(out);
                    }
                    flow
                });
            }
            Purpose::Update | Purpose::Refresh => {
                self.with_leg(&tag, |leg, out| leg.handle_update_final(out, &pending, response, now));
            }
            Purpose::Prack { rseq } => self.with_leg(&tag, |leg, _| {
                leg.handle_prack_final(rseq, response);
                Flow::Continue(())
            }),
            Purpose::Bye => self.with_leg(&tag, |leg, _| {
                leg.handle_bye_final(pending.request, response, now);
                Flow::Continue(())
            }),
            Purpose::Probe => self.with_leg(&tag, |leg, out| {
                leg.judge(&pending, response)?;
                out.event(if failure.is_none() || pending.heard_since {
                    Event::Alive
                } else {
                    Event::Unproven
                });
                Flow::Continue(())
            }),
            Purpose::Other => self.with_leg(&tag, |leg, out| {
                let result = failure.map_or_else(|| Ok(Box::new(response.clone())), Err);
                let method = pending.request.method.clone();
                // A NOTIFY that nobody wants ends its own usage of the dialog, not the call (RFC 5057 5.1).
                let ends_usage = method == Method::Notify;
                out.event(Event::Outcome { id, method, result });
                if ends_usage {
                    return Flow::Continue(());
                }
                leg.judge(&pending, response)
            }),
        }
    }

    /// A 2xx to an INVITE that has one already: another branch, or a repetition.
    fn late_success(&mut self, id: RequestId, response: &Response, now: Instant) {
        if self.dialled.as_ref().is_some_and(|dialled| dialled.id == id) {
            self.dial_success(response, now);
            return;
        }
        for leg in self.legs.values() {
            leg.repeat_ack(&mut self.out, id);
        }
    }
}
