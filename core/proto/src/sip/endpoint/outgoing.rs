//! Our requests: Via, size, CANCEL, ACK, and the responses that come back (RFC 3261 8.1, 9.1, 18.1).

use super::{Asking, Cancel, ClientKey, Endpoint, Failure, Flow, Output, TooLarge};
use crate::ids::FlowId;
use crate::random::Random;
use crate::sip::admission::admit_response;
use crate::sip::msg::{HeaderName, Host, Method, Request, Response, Via};
use crate::sip::transactions::{ClientMachine, ClientMatch, ClientOutput, on_same_hop};
use crate::time::Instant;
use std::sync::Arc;

impl Endpoint {
    /// Sends a request that has no Via yet, in a transaction of its own. ACK goes by [`Endpoint::send_ack`] and CANCEL
    /// by [`Endpoint::cancel`].
    pub fn send_request(
        &mut self,
        request: Request,
        flow: &Flow,
        now: Instant,
        random: &mut Random,
    ) -> Result<ClientKey, TooLarge> {
        let request = with_via(request, flow, random);
        check_size(&request, flow)?;
        Ok(self.start(request, flow, false, now))
    }

    /// Sends the ACK to a 2xx, which is outside of any transaction (13.2.2.4). Each repetition is a call of its own.
    pub fn send_ack(&mut self, ack: Request, flow: &Flow, random: &mut Random) -> Result<(), TooLarge> {
        let ack = with_via(ack, flow, random);
        check_size(&ack, flow)?;
        self.transmit(flow.id, None, ack.to_bytes());
        Ok(())
    }

    /// Cancels an INVITE: at once if a provisional response came, else when the first one comes (9.1). `reason` is the
    /// value of a Reason header field. Too late, or unknown, it does nothing: the final response decides. By which flow
    /// the CANCEL went, if it went at once.
    pub fn cancel(&mut self, key: &ClientKey, reason: Option<String>, now: Instant) -> Option<FlowId> {
        let asking = self.clients.get_mut(key)?;
        let ClientMachine::Invite(invite) = &asking.machine else {
            return None;
        };
        if asking.cancel.is_some() || !(invite.is_calling() || invite.is_proceeding()) {
            return None;
        }
        asking.cancel = Some(Cancel::Waiting(reason));
        self.send_waiting_cancel(*key, now)
    }

    pub(super) fn handle_response(&mut self, response: Response, now: Instant) {
        if let Err(why) = admit_response(&response) {
            tracing::debug!(status = %response.status, why, "a response is discarded");
            return;
        }
        let key = ClientMatch::of_response(&response).and_then(|matches| self.client_matches.get(&matches).copied());
        let Some((key, asking)) = key.and_then(|key| Some((key, self.clients.get_mut(&key)?))) else {
            tracing::debug!(status = %response.status, "a response that answers nothing of ours is discarded");
            return;
        };
        asking.machine.handle_response(response, now);
        self.drain_client(key);
        self.send_waiting_cancel(key, now);
        self.forget_terminated();
    }

    pub(super) fn drain_client(&mut self, key: ClientKey) {
        while let Some(asking) = self.clients.get_mut(&key)
            && let Some(output) = asking.machine.poll_output()
        {
            let request = Arc::clone(&asking.request);
            let output = match output {
                ClientOutput::Send(bytes) => Output::Transmit {
                    flow: asking.flow.id,
                    to: None,
                    bytes,
                },
                ClientOutput::Response(_) | ClientOutput::TimedOut if asking.silent => continue,
                ClientOutput::Response(response) => Output::Response { key, request, response },
                ClientOutput::TimedOut => Output::Failed {
                    key,
                    request,
                    why: Failure::Timeout,
                },
            };
            self.outputs.push_back(output);
        }
    }

    fn start(&mut self, request: Request, flow: &Flow, silent: bool, now: Instant) -> ClientKey {
        let key = ClientKey(self.next_key());
        let request = Arc::new(request);
        let machine = ClientMachine::new(&request, self.timers, flow.is_reliable(), now);
        if let Some(matches) = ClientMatch::of_request(&request) {
            self.client_matches.insert(matches, key);
        }
        self.clients.insert(
            key,
            Asking {
                machine,
                flow: flow.clone(),
                request,
                cancel: None,
                silent,
            },
        );
        self.drain_client(key);
        key
    }

    /// Sends the CANCEL that waits, if it may go by now; by which flow.
    fn send_waiting_cancel(&mut self, key: ClientKey, now: Instant) -> Option<FlowId> {
        let asking = self.clients.get_mut(&key)?;
        let ClientMachine::Invite(invite) = &mut asking.machine else {
            return None;
        };
        if !invite.is_proceeding() {
            return None;
        }
        let Some(Cancel::Waiting(reason)) = &mut asking.cancel else {
            return None;
        };
        let cancel = cancel_of(&asking.request, reason.take());
        let flow = asking.flow.clone();
        asking.cancel = Some(Cancel::Sent);
        invite.cancelled(now);
        self.start(cancel, &flow, true, now);
        Some(flow.id)
    }
}

/// Adds the Via of this hop, and Max-Forwards if it is missing (8.1.1.6, 8.1.1.7, RFC 3581 3).
fn with_via(mut request: Request, flow: &Flow, random: &mut Random) -> Request {
    let branch = format!("{}{}", Via::MAGIC_COOKIE, random.token(12));
    let host = Host::from(flow.local.ip());
    let mut via = Via::new(flow.transport.clone(), host, Some(flow.local.port()), branch);
    via.params.set_flag("rport");
    request.vias.insert(0, via);
    if !request.headers.has(HeaderName::MaxForwards) {
        request.headers.push(HeaderName::MaxForwards, 70);
    }
    request
}

fn check_size(request: &Request, flow: &Flow) -> Result<(), TooLarge> {
    let size = request.to_bytes().len();
    if flow.is_reliable() || size <= flow.datagram_limit {
        return Ok(());
    }
    Err(TooLarge {
        size,
        limit: flow.datagram_limit,
    })
}

fn cancel_of(invite: &Request, reason: Option<String>) -> Request {
    let mut cancel = on_same_hop(invite, Method::Cancel, invite.to.clone());
    if let Some(reason) = reason {
        cancel.headers.push(HeaderName::Reason, reason);
    }
    cancel
}
