//! The model PBX: a registrar and a forking, call-stateful proxy (RFC 3261 10 and 16, RFC 5626 6), written to be
//! simple and strict rather than complete.
//!
//! It knows the phones by what they send and by nothing else. It uses the product's message types and transaction
//! layer; what is checked here on purpose with rules of its own are the logins, the bindings and the way of requests.
//! All of it is lost when it restarts.

mod desk;
mod logins;
mod proxy;
mod registrar;

pub use registrar::Binding;

use crate::numbers;
use desk::Desk;
use logins::{Logins, Verdict};
use proxy::Proxy;
use registrar::Registrar;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use toestel_proto::codec::MediaPolicy;
use toestel_proto::ids::FlowId;
use toestel_proto::nat::stun;
use toestel_proto::random::Random;
use toestel_proto::sip::endpoint::{self, Endpoint, Flow, ServerKey};
use toestel_proto::sip::framing::{Frame, PONG, Side, StreamReader, is_keep_alive};
use toestel_proto::sip::msg::{HeaderName, Message, Method, Request, Response, StatusCode};
use toestel_proto::sip::parse;
use toestel_proto::sip::session;
use toestel_proto::sip::timers::Timers;
use toestel_proto::time::{Instant, Wake, earliest};

/// The domain that it serves, and the realm that it asks passwords for.
pub const DOMAIN: &str = "pbx.example";

/// How this PBX behaves.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The longest registration that it grants, in seconds.
    pub expires: u32,
    /// Whether it serves RFC 5626.
    pub outbound: bool,
    /// The status with which it asks for a password before it lets an INVITE, re-INVITE or BYE pass; `None` for never.
    pub challenge_calls: Option<u16>,
    /// How long a nonce may be used.
    pub nonce_life: Duration,
    /// User names and passwords.
    pub users: BTreeMap<String, String>,
    /// The status with which every REGISTER is refused; `None` in ordinary times.
    pub refuse_register: Option<u16>,
    /// Whether ringing and early media have to be acknowledged (RFC 3262): calls that it passes on require it, and its
    /// own announcement is sent so.
    pub reliable: bool,
    /// How its own media is protected.
    pub media: MediaPolicy,
}

/// What the exchange wants done.
#[derive(Debug)]
pub enum Output {
    /// Send bytes.
    Transmit(FlowId, Vec<u8>),
    /// Close a connection: what came by it was not SIP.
    Close(FlowId),
}

/// See the module.
#[derive(Debug)]
pub struct Exchange {
    /// How it behaves; may be changed at any time.
    pub rules: Rules,
    endpoint: Endpoint,
    random: Random,
    flows: BTreeMap<FlowId, Ear>,
    registrar: Registrar,
    logins: Logins,
    proxy: Proxy,
    desk: Desk,
    outputs: VecDeque<Output>,
    complaints: Vec<String>,
}

/// One connection, or one far end of the UDP socket.
#[derive(Debug)]
struct Ear {
    flow: Flow,
    reader: Option<StreamReader>,
}

impl Exchange {
    /// An exchange that nobody has reached yet.
    pub fn new(rules: Rules, mut random: Random) -> Self {
        Self {
            rules,
            endpoint: Endpoint::new(Timers::default(), &mut random).with_server_limit(1_000),
            flows: BTreeMap::new(),
            registrar: Registrar::default(),
            logins: Logins::default(),
            proxy: Proxy::default(),
            desk: Desk::new(Random::seeded(random.u64())),
            random,
            outputs: VecDeque::new(),
            complaints: Vec::new(),
        }
    }

    /// The process is killed and started anew: it knows nobody.
    pub fn restart(&mut self) {
        let seed = self.random.u64();
        *self = Self::new(self.rules.clone(), Random::seeded(seed));
    }

    /// Every nonce that was given out is too old from now on.
    pub fn expire_nonces(&mut self) {
        self.logins.expire();
    }

    /// The live bindings of a user.
    pub fn bindings(&self, user: &str, now: Instant) -> Vec<&Binding> {
        self.registrar.bindings(user, now)
    }

    /// How many requests it has on their way. What it answered itself is not counted: by datagram that is remembered
    /// for 32 s.
    pub fn unfinished(&self) -> usize {
        self.endpoint.transactions().0 + self.proxy.len() + self.desk.len()
    }

    /// What it found wrong with what the phones sent.
    pub fn take_complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// A connection was opened, or a new address was heard on the UDP socket.
    pub fn handle_opened(&mut self, flow: Flow) {
        let reader = flow.is_reliable().then(|| StreamReader::new(Side::Server));
        self.flows.insert(flow.id, Ear { flow, reader });
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, flow: FlowId, now: Instant) {
        self.flows.remove(&flow);
        self.endpoint.handle_flow_lost(flow, now);
        self.registrar.handle_flow_lost(flow);
        self.settle(now);
    }

    /// Bytes of a stream, or one datagram.
    pub fn handle_received(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        let Some(ear) = self.flows.get_mut(&flow) else { return };
        match &mut ear.reader {
            Some(reader) => {
                reader.push(bytes);
                let frames: Vec<_> = std::iter::from_fn(|| reader.next()).collect();
                for frame in frames {
                    self.handle_frame(flow, frame, now);
                }
            }
            None => self.handle_datagram(flow, bytes, now),
        }
        self.settle(now);
    }

    /// The moment of [`Exchange::poll_wake`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.proxy.handle_timeout(&mut self.endpoint, now);
        self.desk.handle_timeout(now);
        self.settle(now);
    }

    /// What is to be done next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Exchange::handle_timeout`] is due.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        earliest([self.endpoint.poll_wake(), self.proxy.poll_wake(), self.desk.poll_wake()])
    }

    fn handle_frame(&mut self, flow: FlowId, frame: Result<Frame, parse::Refusal>, now: Instant) {
        match frame {
            Ok(Frame::Message(bytes)) => self.handle_message(flow, parse::framed(&bytes), now),
            Ok(Frame::Ping) => self.outputs.push_back(Output::Transmit(flow, PONG.to_vec())),
            Ok(Frame::Pong) => {}
            Ok(Frame::Skipped(refusal)) => {
                self.complaints
                    .push(format!("a phone sent more than anybody reads: {refusal}"));
            }
            Err(refusal) => {
                self.complaints.push(format!("a phone sent what is not SIP: {refusal}"));
                self.outputs.push_back(Output::Close(flow));
            }
        }
    }

    fn handle_datagram(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        match bytes.first() {
            Some(0 | 1) => self.answer_stun(flow, bytes),
            _ if is_keep_alive(bytes) => {}
            _ => self.handle_message(flow, parse::datagram(bytes), now),
        }
    }

    fn answer_stun(&mut self, flow: FlowId, bytes: &[u8]) {
        let source: Option<SocketAddr> = self.flows.get(&flow).map(|ear| ear.flow.remote);
        if let (Ok(request), Some(source)) = (stun::parse(bytes), source) {
            let answer = stun::write(&request.message.binding_answer(source), None);
            self.outputs.push_back(Output::Transmit(flow, answer));
        }
    }

    fn handle_message(&mut self, flow: FlowId, message: Result<Message, parse::Refusal>, now: Instant) {
        let Some(flow) = self.flows.get(&flow).map(|ear| ear.flow.clone()) else {
            return;
        };
        match message {
            Ok(message) => self.endpoint.handle_message(&flow, message, now),
            Err(refusal) => self
                .complaints
                .push(format!("a phone sent a message that is refused: {refusal}")),
        }
    }

    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.endpoint.poll_output() {
                self.handle_endpoint(output, now);
            } else if let Some((leg, output)) = self.desk.poll_output() {
                self.handle_desk(leg, output, now);
            } else {
                return;
            }
        }
    }

    fn handle_endpoint(&mut self, output: endpoint::Output, now: Instant) {
        match output {
            endpoint::Output::Transmit { flow, bytes, .. } => {
                self.outputs.push_back(Output::Transmit(flow, bytes.to_vec()));
            }
            endpoint::Output::Request { key, flow, request } => self.handle_request(key, flow, request, now),
            endpoint::Output::Response { key, response, .. } if self.desk.asked(key) => {
                self.desk.handle_response(key, &response, now);
            }
            endpoint::Output::Response { key, response, .. } => {
                self.proxy.handle_response(&mut self.endpoint, key, response, now);
            }
            endpoint::Output::Failed { key, why, .. } if self.desk.asked(key) => {
                self.desk.handle_failed(key, why, now);
            }
            endpoint::Output::Failed { key, why, .. } => {
                self.proxy.handle_failed(&mut self.endpoint, key, why, now);
            }
            endpoint::Output::Ack { request, .. } if self.desk.owns(&request) => {
                self.desk.handle_ack(&request, now);
            }
            endpoint::Output::Ack { request, .. } => self.forward_ack(request),
            endpoint::Output::Cancelled { key, cancel } => {
                self.desk.handle_void(key, Some(&cancel), now);
                self.proxy.handle_cancelled(&mut self.endpoint, key, &cancel, now);
            }
            endpoint::Output::Stranded { key } => {
                self.desk.handle_void(key, None, now);
                self.proxy.handle_stranded(&mut self.endpoint, key, now);
            }
        }
    }

    fn handle_desk(&mut self, leg: desk::LegId, output: session::Output, now: Instant) {
        match output {
            session::Output::Send { id, request } => {
                let sent = self
                    .flow_to(&request)
                    .and_then(|flow| self.endpoint.send_request(request, &flow, now, &mut self.random).ok());
                self.desk.sent((leg, id), sent, now);
            }
            session::Output::Ack { request } => {
                if let Some(flow) = self.flow_to(&request) {
                    let _ = self.endpoint.send_ack(request, &flow, &mut self.random);
                }
            }
            session::Output::Respond { key, response } => {
                let _ = self.endpoint.respond(&key, &response, now);
            }
            session::Output::Cancel { id, .. } => {
                if let Some(key) = self.desk.key_of((leg, id)) {
                    self.endpoint.cancel(&key, None, now);
                }
            }
            _ => {}
        }
    }

    /// The way to the phone that a request is for; the exchange sends by datagram what others may not.
    fn flow_to(&self, request: &Request) -> Option<Flow> {
        let mut flow = self.flows.get(&self.route(request)?)?.flow.clone();
        flow.datagram_limit = usize::MAX;
        Some(flow)
    }

    fn handle_request(&mut self, key: ServerKey, flow: FlowId, request: Request, now: Instant) {
        let user = request.from.uri.user().unwrap_or_default().into_owned();
        if let Some(response) = self.challenge(&request, now) {
            self.answer(key, response, now);
            return;
        }
        match request.method {
            Method::Register => self.handle_register(key, flow, &user, &request, now),
            Method::Invite if request.to.tag().is_none() => self.handle_invite(key, request, now),
            _ if self.desk.owns(&request) => self.desk.handle_request(key, request, now),
            _ => match self.route(&request) {
                Some(flow) => {
                    let targets = vec![(request.uri.clone(), flow)];
                    self.forward(key, request, targets, now);
                }
                // Whether the dialog is there, only its far end could say; and that is out of reach.
                None => self.refuse(key, &request, 480, now),
            },
        }
    }

    /// The challenge that a request deserves, if it does not carry the right answer.
    fn challenge(&mut self, request: &Request, now: Instant) -> Option<Response> {
        let status = match request.method {
            Method::Register => 401,
            Method::Invite | Method::Bye => self.rules.challenge_calls?,
            _ => return None,
        };
        let verdict = self.logins.judge(request, status, &self.rules, now);
        let challenge = match verdict {
            Verdict::Welcome => return None,
            Verdict::Cheat(complaint) => {
                self.complaints.push(complaint);
                self.logins.challenge(false, &mut self.random, now)
            }
            Verdict::Refused => self.logins.challenge(false, &mut self.random, now),
            Verdict::Stale => self.logins.challenge(true, &mut self.random, now),
        };
        let name = if status == 407 {
            HeaderName::ProxyAuthenticate
        } else {
            HeaderName::WwwAuthenticate
        };
        let mut response = Response::to(request, code(status));
        response.headers.push(name, challenge);
        Some(response)
    }

    fn handle_register(&mut self, key: ServerKey, flow: FlowId, user: &str, request: &Request, now: Instant) {
        let response = match self.rules.refuse_register {
            Some(status) => Response::to(request, code(status)),
            None => self.registrar.handle(user, flow, request, &self.rules, now),
        };
        self.answer(key, response, now);
    }

    /// Busy, nobody there, no such number, all others, or one phone.
    fn handle_invite(&mut self, key: ServerKey, request: Request, now: Instant) {
        let dialled = request.uri.user().unwrap_or_default().into_owned();
        let caller = request.from.uri.user().unwrap_or_default().into_owned();
        let called: Vec<String> = match dialled.as_str() {
            numbers::BUSY => return self.refuse(key, &request, 486, now),
            numbers::NO_ANSWER => return self.ring_for_ever(key, request, now),
            numbers::ANNOUNCEMENT => return self.desk.announce(key, request, caller, &self.rules, now),
            numbers::MOVED => {
                let phones = self.rules.users.keys().filter(|user| **user != caller);
                let reached = phones.filter(|user| !self.registrar.bindings(user, now).is_empty());
                let place = reached.min().cloned().unwrap_or_default();
                return self.redirect(key, &request, &place, now);
            }
            numbers::MOVED_IN_CIRCLES => return self.redirect(key, &request, numbers::MOVED_IN_CIRCLES, now),
            numbers::EVERYBODY => self
                .rules
                .users
                .keys()
                .filter(|user| **user != caller)
                .cloned()
                .collect(),
            user if self.rules.users.contains_key(user) => vec![dialled],
            // A phone that is called by its Contact, as by a transfer.
            _ => match self.route(&request) {
                Some(flow) => {
                    let targets = vec![(request.uri.clone(), flow)];
                    return self.forward(key, request, targets, now);
                }
                None => return self.refuse(key, &request, 404, now),
            },
        };
        let targets: Vec<_> = called
            .iter()
            .flat_map(|user| self.registrar.bindings(user, now))
            .map(|binding| (binding.contact.clone(), binding.flow))
            .collect();
        if targets.is_empty() {
            return self.refuse(key, &request, 480, now);
        }
        self.forward(key, request, targets, now);
    }

    fn ring_for_ever(&mut self, key: ServerKey, request: Request, now: Instant) {
        let mut ringing = Response::to(&request, StatusCode::RINGING).with_to_tag(self.random.token(8));
        let contact = format!("<sip:{}@{DOMAIN}>", numbers::NO_ANSWER);
        ringing.headers.set(HeaderName::Contact, contact);
        self.answer(key, ringing, now);
        self.proxy.wait(key, request, now);
    }

    /// The flow of the phone that a request within a dialog is for: by the user part of its Contact, which nobody else
    /// has.
    fn route(&self, request: &Request) -> Option<FlowId> {
        self.registrar.flow_of_contact(request.uri.user()?.as_ref())
    }

    fn forward(
        &mut self,
        key: ServerKey,
        mut request: Request,
        targets: Vec<(toestel_proto::sip::msg::Uri, FlowId)>,
        now: Instant,
    ) {
        let hops = request.headers.max_forwards().unwrap_or(70).saturating_sub(1);
        request.headers.set(HeaderName::MaxForwards, hops);
        for name in [
            HeaderName::Route,
            HeaderName::Authorization,
            HeaderName::ProxyAuthorization,
        ] {
            request.headers.remove(name);
        }
        if request.method == Method::Invite && request.to.tag().is_none() {
            let itself = format!("<sip:{DOMAIN};lr>");
            request.headers.push_front(HeaderName::RecordRoute, itself);
            if self.rules.reliable {
                request.headers.push(HeaderName::Require, "100rel");
            }
        }
        let targets: Vec<_> = targets
            .into_iter()
            .filter_map(|(uri, flow)| Some((uri, self.flows.get(&flow)?.flow.clone())))
            .collect();
        if targets.is_empty() {
            return self.refuse(key, &request, 480, now);
        }
        self.proxy
            .forward(&mut self.endpoint, &mut self.random, key, request, targets, now);
    }

    /// The ACK of a 2xx goes the way of its dialog (RFC 3261 16.7 leaves it to the proxy core).
    fn forward_ack(&mut self, mut ack: Request) {
        let flow = self.flow_to(&ack);
        ack.headers.remove(HeaderName::Route);
        ack.vias.clear();
        if let Some(flow) = flow {
            let _ = self.endpoint.send_ack(ack, &flow, &mut self.random);
        }
    }

    fn redirect(&mut self, key: ServerKey, request: &Request, user: &str, now: Instant) {
        let mut response = Response::to(request, StatusCode::MOVED_TEMPORARILY);
        response
            .headers
            .push(HeaderName::Contact, format!("<sip:{user}@{DOMAIN}>"));
        self.answer(key, response, now);
    }

    fn refuse(&mut self, key: ServerKey, request: &Request, status: u16, now: Instant) {
        self.answer(key, Response::to(request, code(status)), now);
    }

    fn answer(&mut self, key: ServerKey, response: Response, now: Instant) {
        let response = response.with_to_tag(self.random.token(8));
        let _ = self.endpoint.respond(&key, &response, now);
    }
}

/// A status from its number.
fn code(number: u16) -> StatusCode {
    StatusCode::new(number).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR)
}
