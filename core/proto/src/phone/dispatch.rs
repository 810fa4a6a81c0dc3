//! Who is meant: flows to accounts, responses to whoever asked, requests to the call or account that they are for.
//!
//! What comes in is believed only because of the flow that it came by (one verified connection to the account's own
//! PBX); a request for a user part that is not ours is answered 404 even there.

use super::{Asker, Output, Phone};
use crate::account::{self, Account};
use crate::call::{self, Call};
use crate::ids::{AccountId, CallId, FlowId};
use crate::sip::admission::{Capabilities, admit};
use crate::sip::endpoint::{self, ClientKey, Failure, Flow, ServerKey};
use crate::sip::msg::{HeaderName, Message, Method, Request, Response, StatusCode};
use crate::sip::session::{self, RequestId};
use crate::time::Instant;
use std::net::SocketAddr;

/// What the phone serves outside a dialog and inside one.
const CAPABILITIES: Capabilities<'static> = Capabilities::PHONE;

impl Phone {
    pub(super) fn handle_flow_opened(&mut self, flow: FlowId, local: SocketAddr, now: Instant) {
        if let Some(account) = self.accounts.values_mut().find(|account| account.owns(flow)) {
            account.handle_opened(flow, local, now, &mut self.random);
        }
    }

    pub(super) fn handle_flow_closed(&mut self, flow: FlowId, why: &str, now: Instant) {
        self.endpoint.handle_flow_lost(flow, now);
        if let Some(account) = self.accounts.values_mut().find(|account| account.owns(flow)) {
            account.handle_closed(flow, why, &mut self.flows, now, &mut self.random);
        }
    }

    pub(super) fn handle_received(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        if let Some(account) = self.accounts.values_mut().find(|account| account.owns(flow)) {
            account.handle_received(flow, bytes, &mut self.flows, now, &mut self.random);
        }
    }

    /// After every input: carries each machine's wishes to the next until none is left, and lets go of what is over.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            self.carry_wishes(now);
            self.ring();
            self.mix();
            self.calls.retain(|_, call| !call.is_forgettable());
            let calls = &self.calls;
            let is_kept = |asker: &Asker| matches!(asker, Asker::Call(id, _) if calls.contains_key(id));
            self.answered.retain(|_, asker| is_kept(asker));
            self.ringing.retain(|_, id| calls.contains_key(id));
            for pairs in [&mut self.consultations, &mut self.followers, &mut self.successors] {
                pairs.retain(|one, other| calls.contains_key(one) && calls.contains_key(other));
            }
            // What was asked by the flow of an account that goes has failed, and nothing else would tell it: no timer
            // is left that would bring us here again.
            if !self.let_go(now) {
                break;
            }
        }
    }

    fn carry_wishes(&mut self, now: Instant) {
        loop {
            let mut moved = false;
            while let Some(output) = self.endpoint.poll_output() {
                moved = true;
                self.handle_endpoint(output, now);
            }
            while let Some((id, output)) = next_of(&mut self.accounts, Account::poll_output) {
                moved = true;
                self.handle_account(id, output, now);
            }
            while let Some(output) = self.lines.poll_output() {
                moved = true;
                self.handle_lines(output, now);
            }
            while let Some((id, output)) = next_of(&mut self.calls, Call::poll_output) {
                moved = true;
                self.handle_call(id, output, now);
            }
            moved |= self.place_waiting(now);
            if !moved {
                break;
            }
        }
    }

    fn handle_endpoint(&mut self, output: endpoint::Output, now: Instant) {
        match output {
            endpoint::Output::Transmit { flow, bytes, .. } => {
                self.outputs.push_back(Output::Transmit {
                    flow,
                    bytes: bytes.to_vec(),
                });
            }
            endpoint::Output::Request { key, flow, request } => self.handle_request(key, flow, request, now),
            endpoint::Output::Response { key, request, response } => {
                self.handle_response(key, &request, response, now);
            }
            endpoint::Output::Failed { key, request, why } => self.handle_failed(key, &request, why, now),
            endpoint::Output::Ack { request, .. } => {
                if let Some(id) = self.call_of(&request) {
                    self.with_call(id, now, |call, turn| call.handle_ack(&request, turn));
                }
            }
            endpoint::Output::Cancelled { key, cancel } => {
                if let Some(id) = self.ringing.remove(&key) {
                    self.with_call(id, now, |call, turn| call.handle_cancelled(key, &cancel, turn));
                }
            }
            endpoint::Output::Stranded { key } => {
                if let Some(id) = self.ringing.remove(&key) {
                    self.with_call(id, now, |call, turn| call.handle_stranded(key, turn));
                }
            }
        }
    }

    fn handle_account(&mut self, id: AccountId, output: account::Output, now: Instant) {
        match output {
            account::Output::Resolve(query) => self.outputs.push_back(Output::Resolve { account: id, query }),
            account::Output::Connect(flow, target) => {
                self.outputs.push_back(Output::OpenFlow {
                    account: id,
                    flow,
                    target,
                });
            }
            account::Output::Close(flow) => {
                self.endpoint.handle_flow_lost(flow, now);
                self.outputs.push_back(Output::CloseFlow(flow));
            }
            account::Output::FlowLost(flow) => self.endpoint.handle_flow_lost(flow, now),
            account::Output::Transmit(flow, bytes) => self.outputs.push_back(Output::Transmit { flow, bytes }),
            account::Output::Message(flow, message) => self.handle_message(&flow, *message, now),
            account::Output::Refused(flow, refusal) => {
                self.lines.handle_refused(id, &refusal, now);
                self.endpoint.handle_refusal(&flow, &refusal);
            }
            account::Output::Register(request) => self.ask(Asker::Registration(id), id, *request, now),
            account::Output::Remember(memory) => self.outputs.push_back(Output::Remember { account: id, memory }),
            account::Output::LongWay => self.ask_waiting(id, now),
            account::Output::Moved => {
                self.move_calls(id, now);
                self.move_lines(id, now);
            }
            account::Output::Event(event) => {
                self.light_or_darken(&event, now);
                self.outputs.push_back(Output::Event(event));
            }
        }
    }

    fn handle_message(&mut self, flow: &Flow, message: Message, now: Instant) {
        self.endpoint.handle_message(flow, message, now);
    }

    fn handle_call(&mut self, id: CallId, output: call::Output, now: Instant) {
        match output {
            call::Output::Session(output) => self.handle_session(id, *output, now),
            call::Output::OpenPath => self.open_path(id, now),
            call::Output::ClosePath => self.outputs.push_back(Output::ClosePath(id)),
            call::Output::Media(plan) => self.outputs.push_back(Output::Media { call: id, plan }),
            call::Output::Mute(on) => self.outputs.push_back(Output::Mute { call: id, on }),
            call::Output::Digit(digit) => self.outputs.push_back(Output::Digit { call: id, digit }),
            call::Output::Tone(digit) => self.outputs.push_back(Output::Tone { call: id, digit }),
            call::Output::Sound(sound) => self.outputs.push_back(Output::Sound { call: id, sound }),
            call::Output::Follow => self.follow_or_ask(id, now),
            call::Output::Event(event) => {
                self.pass_on(&event, now);
                self.outputs.push_back(Output::Event(event));
            }
        }
    }

    fn open_path(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let placed_here = call.is_outgoing();
        match self.accounts.get(&call.account()).and_then(Account::flow) {
            Some(flow) => self.outputs.push_back(Output::OpenPath {
                call: id,
                local: flow.local.ip(),
                placed_here,
            }),
            None => self.with_call(id, now, |call, turn| {
                call.handle_path_failed("There is no connection to the PBX.", turn);
            }),
        }
    }

    fn handle_session(&mut self, id: CallId, output: session::Output, now: Instant) {
        let Some(account) = self.calls.get(&id).map(Call::account) else {
            return;
        };
        match output {
            session::Output::Send {
                id: request_id,
                mut request,
            } => {
                if let Some(account) = self.accounts.get_mut(&account) {
                    account.authorise(&mut request, &mut self.random);
                }
                self.ask(Asker::Call(id, request_id), account, request, now);
            }
            session::Output::Cancel { id: request_id, reason } => {
                let asker = Asker::Call(id, request_id);
                if self.forget_waiting(asker, now) {
                    return;
                }
                if let Some(key) = self.key_of(asker) {
                    let reason = reason.map(|reason| reason.to_string());
                    let flow = self.endpoint.cancel(&key, reason, now);
                    self.await_answer(account, flow, now);
                }
            }
            session::Output::Ack { request } => {
                if let Some(mut flow) = self.accounts.get(&account).and_then(Account::flow) {
                    // An ACK cannot wait for a stream.
                    flow.datagram_limit = usize::MAX;
                    let _ = self.endpoint.send_ack(request, &flow, &mut self.random);
                }
            }
            session::Output::Respond { key, response } => {
                if response.status.is_final() {
                    self.ringing.remove(&key);
                }
                if let Err(error) = self.endpoint.respond(&key, &response, now) {
                    tracing::debug!(%error, "a response had nobody to go to");
                }
            }
            session::Output::Challenge { .. } | session::Output::Event(_) | session::Output::Released => {}
        }
    }

    /// Sends a request on its account's current flow: a dialog names its account, never a flow.
    pub(super) fn ask(&mut self, asker: Asker, account: AccountId, request: Request, now: Instant) {
        let Some(flow) = self.accounts.get(&account).and_then(Account::flow) else {
            return self.tell_failed(asker, &request, Failure::FlowLost, now);
        };
        if self.must_queue(account, &request) {
            return self.wait_for_way(asker, account, request);
        }
        match self
            .endpoint
            .send_request(request.clone(), &flow, now, &mut self.random)
        {
            Ok(key) => {
                self.asked.insert(key, asker);
                // Some PBXs are silent on what they do not serve, and their flow is sound all the same.
                if request.method != Method::Subscribe {
                    self.await_answer(account, Some(flow.id), now);
                }
            }
            Err(_) => self.ask_by_long_way(asker, account, request, now),
        }
    }

    /// A request went out by `flow`, and something must come back by it.
    pub(super) fn await_answer(&mut self, account: AccountId, flow: Option<FlowId>, now: Instant) {
        if let (Some(account), Some(flow)) = (self.accounts.get_mut(&account), flow) {
            account.handle_asked(flow, now);
        }
    }

    fn key_of(&self, asker: Asker) -> Option<ClientKey> {
        self.asked
            .iter()
            .find(|(_, other)| **other == asker)
            .map(|(key, _)| *key)
    }

    fn handle_response(&mut self, key: ClientKey, request: &Request, response: Response, now: Instant) {
        let Some(asker) = self.asked.get(&key).or_else(|| self.answered.get(&key)).copied() else {
            return;
        };
        if response.status.is_final() {
            self.asked.remove(&key);
        }
        if response.status.is_success() && request.method == Method::Invite {
            self.answered.insert(key, asker);
        }
        match asker {
            Asker::Registration(id) => {
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.handle_response(request, &response, now, &mut self.random);
                }
            }
            Asker::Call(id, request_id) => self.handle_call_response(id, request_id, request, response, now),
            Asker::Line(line) => self.handle_line_response(line, request, &response, now),
        }
    }

    fn handle_call_response(
        &mut self,
        id: CallId,
        request_id: RequestId,
        request: &Request,
        response: Response,
        now: Instant,
    ) {
        let challenged = matches!(response.status.code(), 401 | 407);
        let retry = match self
            .calls
            .get(&id)
            .map(Call::account)
            .and_then(|account| self.accounts.get_mut(&account))
        {
            Some(account) if challenged => account.credentials(request, &response, &mut self.random),
            _ => None,
        };
        self.with_call(id, now, |call, turn| {
            call.handle_response(request_id, &response, turn);
            if challenged {
                call.handle_credentials(request_id, retry.as_ref(), turn);
            }
        });
    }

    fn handle_failed(&mut self, key: ClientKey, request: &Request, why: Failure, now: Instant) {
        if let Some(asker) = self.asked.remove(&key) {
            self.tell_failed(asker, request, why, now);
        }
    }

    pub(super) fn tell_failed(&mut self, asker: Asker, request: &Request, why: Failure, now: Instant) {
        match asker {
            Asker::Registration(id) => {
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.handle_failed(request, why, now, &mut self.random);
                }
            }
            Asker::Call(id, request_id) => {
                self.with_call(id, now, |call, turn| call.handle_failed(request_id, why, turn))
            }
            Asker::Line(line) => self.lines.handle_failed(line, request, why, now, &mut self.random),
        }
    }

    fn call_of(&self, request: &Request) -> Option<CallId> {
        self.calls
            .iter()
            .find(|(_, call)| call.owns(request))
            .map(|(id, _)| *id)
    }

    fn handle_request(&mut self, key: ServerKey, flow: FlowId, request: Request, now: Instant) {
        if let Err(rejection) = admit(&request, &CAPABILITIES) {
            let response = rejection.response(&request, &self.random.token(8));
            let _ = self.endpoint.respond(&key, &response, now);
            return;
        }
        let served_by = self.account_of(flow).map(|account| account.id());
        if request.to.tag().is_some() {
            let call = self
                .call_of(&request)
                .filter(|id| self.calls.get(id).map(Call::account) == served_by);
            match call {
                Some(id) => self.with_call(id, now, |call, turn| call.handle_request(key, request, turn)),
                None if self.is_for_lines(served_by, key, &request, now) => {}
                None => self.answer(&key, &request, StatusCode::NO_SUCH_CALL, now),
            }
            return;
        }
        let meant = self
            .account_of(flow)
            .map(|account| (account.id(), account.serves(&request.uri)));
        match (meant, &request.method) {
            (None | Some((_, false)), _) => self.answer(&key, &request, StatusCode::NOT_FOUND, now),
            (Some((account, true)), Method::Invite) => self.handle_invite(account, key, request, now),
            (Some(_), Method::Options) => self.answer_options(&key, &request, now),
            (Some(_), Method::Refer) => self.answer(&key, &request, StatusCode::FORBIDDEN, now),
            (Some((account, true)), Method::Notify) => self.answer_notify(account, &key, &request, now),
            (Some(_), Method::Bye | Method::Prack | Method::Update | Method::Info) => {
                self.answer(&key, &request, StatusCode::NO_SUCH_CALL, now);
            }
            (Some(_), _) => self.answer(&key, &request, StatusCode::METHOD_NOT_ALLOWED, now),
        }
    }

    pub(super) fn answer(&mut self, key: &ServerKey, request: &Request, status: StatusCode, now: Instant) {
        let response = Response::to(request, status).with_to_tag(self.random.token(8));
        let _ = self.endpoint.respond(key, &response, now);
    }

    /// What a call would be answered now (RFC 3261 11.2): we are here.
    fn answer_options(&mut self, key: &ServerKey, request: &Request, now: Instant) {
        let mut response = Response::to(request, StatusCode::OK).with_to_tag(self.random.token(8));
        response.headers.set(HeaderName::Allow, CAPABILITIES.allow());
        response.headers.set(HeaderName::Accept, "application/sdp");
        response.headers.set(HeaderName::Supported, CAPABILITIES.supported());
        let _ = self.endpoint.respond(key, &response, now);
    }
}

/// The next output of the first machine that has one.
fn next_of<K: Copy + Ord, M, O>(
    machines: &mut std::collections::BTreeMap<K, M>,
    poll: impl Fn(&mut M) -> Option<O>,
) -> Option<(K, O)> {
    machines
        .iter_mut()
        .find_map(|(key, machine)| poll(machine).map(|output| (*key, output)))
}
