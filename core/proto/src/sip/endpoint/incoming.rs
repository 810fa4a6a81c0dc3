//! Requests that come in: matching, CANCEL, merged and too many requests, and the way of responses (RFC 3261 8.2, 9.2,
//! 17.2.3, 18.2, RFC 3581 4).

use super::{Answering, Endpoint, Flow, Output, ServerKey};
use crate::sip::msg::{HeaderName, Method, Request, Response, StatusCode, Via};
use crate::sip::parse::Refusal;
use crate::sip::server::Server;
use crate::sip::server_invite::ServerInvite;
use crate::sip::transactions::{Merge, ServerMachine, ServerMatch, ServerOutput};
use crate::time::Instant;
use std::net::{IpAddr, SocketAddr};

/// The answer had nowhere to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RespondError {
    /// The transaction ended or its flow is gone.
    #[error("the request is no longer there to be answered")]
    Gone,
    /// A final response went out before.
    #[error("the request has been answered already")]
    Answered,
}

impl Endpoint {
    /// Answers a request. A 2xx to an INVITE may be given again until its transaction ends: that is how the dialog
    /// repeats it.
    pub fn respond(&mut self, key: &ServerKey, response: &Response, now: Instant) -> Result<(), RespondError> {
        let answering = self.servers.get_mut(key).ok_or(RespondError::Gone)?;
        if let Some(tag) = response.to.tag() {
            answering.tag = Some(tag.to_owned());
        }
        if !answering.machine.respond(response, now) {
            return Err(RespondError::Answered);
        }
        self.drain_server(*key);
        self.forget_terminated();
        Ok(())
    }

    /// A message that the reader refused: answered as the refusal says, without a transaction (8.2.7).
    pub fn handle_refusal(&mut self, flow: &Flow, refusal: &Refusal) {
        let answer = refusal.response(&self.tags.next());
        tracing::debug!(%refusal, answered = answer.is_some(), "a message is refused");
        if let Some(bytes) = answer {
            self.transmit(flow.id, None, bytes);
        }
    }

    pub(super) fn handle_request(&mut self, flow: &Flow, mut request: Request, now: Instant) {
        if let Some(via) = request.vias.first_mut() {
            mark_source(via, flow.remote);
        }
        let matches = ServerMatch::of(&request);
        match self.server_matches.get(&matches).copied() {
            Some(key) => self.handle_matched(key, request, now),
            None => self.handle_unmatched(flow, request, matches, now),
        }
        self.forget_terminated();
    }

    pub(super) fn drain_server(&mut self, key: ServerKey) {
        while let Some(answering) = self.servers.get_mut(&key)
            && let Some(output) = answering.machine.poll_output()
        {
            let flow = answering.flow;
            let to = answering.to;
            self.outputs.push_back(match output {
                ServerOutput::Send(bytes) => Output::Transmit { flow, to, bytes },
                ServerOutput::Ack(request) => Output::Ack { flow, request },
            });
        }
    }

    fn handle_matched(&mut self, key: ServerKey, request: Request, now: Instant) {
        let Some(answering) = self.servers.get_mut(&key) else {
            return;
        };
        match (&request.method, &mut answering.machine) {
            (Method::Ack, ServerMachine::Invite(invite)) => invite.handle_ack(request, now),
            (_, machine) => machine.handle_repeated(),
        }
        self.drain_server(key);
    }

    fn handle_unmatched(&mut self, flow: &Flow, request: Request, matches: ServerMatch, now: Instant) {
        if request.method == Method::Ack {
            self.outputs.push_back(Output::Ack { flow: flow.id, request });
        } else if self.is_full_for(&request) {
            tracing::debug!(method = %request.method, "too many requests at once");
            self.answer_without_transaction(flow, &request, StatusCode::SERVICE_UNAVAILABLE);
        } else if request.method == Method::Cancel {
            self.handle_cancel(flow, request, matches, now);
        } else if self.is_merged(&request) {
            let key = self.admit(flow, &request, matches);
            self.answer(key, &request, StatusCode::LOOP_DETECTED, now);
        } else {
            let key = self.admit(flow, &request, matches);
            self.outputs.push_back(Output::Request {
                key,
                flow: flow.id,
                request,
            });
        }
    }

    /// A flood of new calls must not keep a BYE from ending the one that runs: what is within a dialog, and a CANCEL,
    /// finds room up to twice the limit.
    fn is_full_for(&self, request: &Request) -> bool {
        let privileged = request.to.tag().is_some() || request.method == Method::Cancel;
        let limit = if privileged {
            self.server_limit.saturating_mul(2)
        } else {
            self.server_limit
        };
        self.servers.len() >= limit
    }

    /// The same request by another way, while the first is unfinished (8.2.2.2).
    fn is_merged(&self, request: &Request) -> bool {
        let merge = Merge::of(request);
        merge.is_some() && self.servers.values().any(|answering| answering.merge == merge)
    }

    fn handle_cancel(&mut self, flow: &Flow, cancel: Request, matches: ServerMatch, now: Instant) {
        let target = self
            .servers
            .iter()
            .find(|(_, answering)| answering.matches.is_cancelled_by(&matches));
        let target = target.map(|(key, answering)| {
            let pending = matches!(&answering.machine, ServerMachine::Invite(invite) if invite.is_undecided());
            (*key, answering.tag.clone(), pending)
        });
        let key = self.admit(flow, &cancel, matches);
        let Some((invite, tag, pending)) = target else {
            self.answer(key, &cancel, StatusCode::NO_SUCH_CALL, now);
            return;
        };
        // 9.2: the tag should be that of the INVITE's answers.
        if let Some(answering) = self.servers.get_mut(&key) {
            answering.tag = tag;
        }
        self.answer(key, &cancel, StatusCode::OK, now);
        if pending {
            self.outputs.push_back(Output::Cancelled { key: invite, cancel });
        }
    }

    /// A transaction for a new request; an INVITE gets its 100 at once.
    fn admit(&mut self, flow: &Flow, request: &Request, matches: ServerMatch) -> ServerKey {
        let key = ServerKey(self.next_key());
        let reliable = flow.is_reliable();
        let machine = match request.method {
            Method::Invite => {
                let trying = Response::to(request, StatusCode::TRYING);
                ServerMachine::Invite(ServerInvite::new(&trying, self.timers, reliable))
            }
            _ => ServerMachine::Other(Server::new(self.timers, reliable)),
        };
        let answering = Answering {
            machine,
            flow: flow.id,
            to: reply_address(request, flow),
            matches: matches.clone(),
            merge: Merge::of(request).filter(|_| request.method != Method::Cancel),
            tag: None,
        };
        self.server_matches.insert(matches, key);
        self.servers.insert(key, answering);
        self.drain_server(key);
        key
    }

    /// An answer that needs no decision from above.
    fn answer(&mut self, key: ServerKey, request: &Request, status: StatusCode, now: Instant) {
        let known = self.servers.get(&key).and_then(|answering| answering.tag.clone());
        let tag = known.unwrap_or_else(|| self.tags.next());
        let response = Response::to(request, status).with_to_tag(tag);
        if let Err(error) = self.respond(&key, &response, now) {
            tracing::debug!(%error, %status, "an answer was not sent");
        }
    }

    fn answer_without_transaction(&mut self, flow: &Flow, request: &Request, status: StatusCode) {
        let mut response = Response::to(request, status).with_to_tag(self.tags.next());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers.push(HeaderName::RetryAfter, 5);
        }
        self.transmit(flow.id, reply_address(request, flow), response.to_bytes());
    }
}

/// Notes where the request came from: `received` if sent-by says otherwise or `rport` asks for it (18.2.1, RFC 3581 4).
fn mark_source(via: &mut Via, source: SocketAddr) {
    let asks_for_port = via.params.has("rport");
    if asks_for_port {
        via.params.set("rport", source.port().to_string());
    }
    if asks_for_port || via.host.ip() != Some(source.ip()) {
        via.params.set("received", source.ip().to_string());
    }
}

/// Where responses go if not back through the flow (18.2.2): by UDP, to a client that did not ask for `rport`.
fn reply_address(request: &Request, flow: &Flow) -> Option<SocketAddr> {
    let via = request.top_via()?;
    if flow.is_reliable() || via.params.has("rport") {
        return None;
    }
    let maddr: Option<IpAddr> = via.params.get("maddr").and_then(|maddr| maddr.parse().ok());
    let address = SocketAddr::new(maddr.unwrap_or(flow.remote.ip()), via.port_or_default());
    (address != flow.remote).then_some(address)
}
