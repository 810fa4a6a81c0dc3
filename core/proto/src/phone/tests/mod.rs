//! The phone against a scripted PBX, message by message, in simulated time.
//!
//! A [`Bench`] opens what the phone wants opened, answers REGISTER, and keeps everything else for the test to look at.

mod calls;
mod changes;
mod early;
mod flows;
mod identity;
mod incoming;
mod lines;
mod missed;
mod reach;
mod rules;
mod services;
mod setup;
mod several;
mod tones;
mod transfers;

use super::*;
use crate::account_config::{AccountConfig, MessageWaiting, Transport};
use crate::codec::MediaPolicy;
use crate::ids::FlowId;
use crate::sdp::negotiate::LocalPath;
use crate::sip::framing::{self, Frame, Side, StreamReader};
use crate::sip::msg::{HeaderName, Message, Method, NameAddr, Request, Response, StatusCode, Uri, Via};
use crate::sip::parse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const ANSWER: &str = "v=0\r\no=pbx 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 20000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

/// `ANSWER` with another direction.
pub(super) fn described(direction: &str) -> String {
    format!("{ANSWER}a={direction}\r\n")
}

/// What the phone said by one flow.
pub(super) struct Said {
    pub flow: FlowId,
    pub message: Message,
}

/// See the module.
pub(super) struct Bench {
    pub phone: Phone,
    pub now: Instant,
    pub account: AccountId,
    /// Open flows and how they travel.
    pub flows: BTreeMap<FlowId, (Transport, StreamReader)>,
    /// The last one that was opened.
    pub flow: FlowId,
    /// What the phone sent, REGISTER apart, oldest first.
    pub said: VecDeque<Said>,
    pub registers: Vec<Request>,
    pub events: Vec<Event>,
    /// Everything else that the phone wanted.
    pub wishes: Vec<Output>,
    /// Whether paths come at once.
    pub paths: bool,
    /// Which transports can be opened; the others are refused.
    pub reachable: Vec<Transport>,
    /// Whether connections that were asked for are answered at all.
    pub silent: bool,
    /// What the registrar adds to its 200.
    pub granted: Vec<(&'static str, String)>,
    /// Whether the registrar answers.
    pub registrar: bool,
    /// Whether nothing that the phone says on an open flow is heard: it died, and nobody said so.
    pub deaf: bool,
    branch: u32,
}

impl Bench {
    /// A registered phone on TLS without media encryption: its descriptions are easy to write.
    pub fn new() -> Self {
        Self::with(plain())
    }

    pub fn with(config: AccountConfig) -> Self {
        let mut bench = Self::unregistered();
        bench.add(config, AccountMemory::default());
        assert!(bench.phone.view(bench.now).registered, "{:?}", bench.events);
        bench.events.clear();
        bench
    }

    /// A phone without accounts.
    pub fn unregistered() -> Self {
        Self {
            phone: Phone::new(Random::seeded(7)),
            now: Instant::from_millis(1_000_000),
            account: AccountId(1),
            flows: BTreeMap::new(),
            flow: FlowId(0),
            said: VecDeque::new(),
            registers: Vec::new(),
            events: Vec::new(),
            wishes: Vec::new(),
            paths: true,
            reachable: vec![Transport::Tls, Transport::Tcp, Transport::Udp],
            silent: false,
            granted: Vec::new(),
            registrar: true,
            deaf: false,
            branch: 0,
        }
    }

    pub fn add(&mut self, config: AccountConfig, memory: AccountMemory) {
        let password = Secret::new("right");
        self.account = self.phone.add_account(config, password, memory, self.now).unwrap();
        self.drain();
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.phone.handle(input, self.now);
        self.drain();
    }

    pub fn command(&mut self, command: Command) -> Result<Accepted, Refused> {
        let answer = self.phone.command(command, self.now);
        self.drain();
        answer
    }

    pub fn dial(&mut self, target: &str) -> CallId {
        let target = target.to_owned();
        self.command(Command::Dial { target, account: None })
            .unwrap()
            .call
            .unwrap()
    }

    /// Lets time pass, timers included.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(wake) = self.phone.poll_wake().filter(|wake| wake.at <= until) {
            self.now = wake.at.max(self.now);
            self.phone.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// The next request of that method; what came before it is dropped.
    pub fn request(&mut self, method: Method) -> Request {
        self.request_and_flow(method).0
    }

    pub fn request_and_flow(&mut self, method: Method) -> (Request, FlowId) {
        while let Some(said) = self.said.pop_front() {
            if let Message::Request(request) = said.message
                && request.method == method
            {
                return (request, said.flow);
            }
        }
        panic!("no {method}; events: {:?}", self.events);
    }

    /// The next final response; what came before it is dropped.
    pub fn final_response(&mut self) -> Response {
        loop {
            let response = self.response();
            if response.status.is_final() {
                return response;
            }
        }
    }

    /// The next response.
    pub fn response(&mut self) -> Response {
        while let Some(said) = self.said.pop_front() {
            if let Message::Response(response) = said.message {
                return response;
            }
        }
        panic!("no response; events: {:?}", self.events);
    }

    pub fn says_nothing(&self) -> bool {
        self.said.is_empty()
    }

    /// Answers `request` by the flow that is open now.
    pub fn reply(&mut self, request: &Request, status: u16, tag: &str, sdp: Option<&str>) {
        let response = reply(request, status, tag, sdp);
        self.deliver(&response.to_bytes());
    }

    /// The PBX sends a request of its own: `To` decides whether it is in a dialog.
    pub fn ask(&mut self, request: &Request) {
        self.deliver(&request.to_bytes());
    }

    pub fn deliver(&mut self, bytes: &[u8]) {
        let flow = self.flow;
        self.input(Input::Received { flow, bytes });
    }

    /// A new request of the PBX for our registered Contact.
    pub fn outside(&mut self, method: Method, call: &str) -> Request {
        let uri = self.contact();
        let to = NameAddr::new(uri.clone());
        let from: NameAddr = "\"Anna\" <sip:1002@pbx.example>;tag=anna".parse().unwrap();
        let mut request = Request::new(method, uri, from, to, call, 1);
        self.mark(&mut request);
        request
            .headers
            .push(HeaderName::Contact, "<sip:anna@192.0.2.1:5061;transport=tls>");
        request
    }

    /// An INVITE for us.
    pub fn invite(&mut self, call: &str, sdp: Option<&str>) -> Request {
        let mut request = self.outside(Method::Invite, call);
        if let Some(sdp) = sdp {
            request.set_body("application/sdp", sdp.to_owned());
        }
        request
    }

    /// A request of the PBX in the dialog that `established` (a message of the phone: its INVITE with the PBX's `tag`,
    /// or its response) belongs to.
    pub fn inside(&mut self, method: Method, of: &Dialog, cseq: u32) -> Request {
        let mut request = Request::new(
            method,
            self.contact(),
            of.pbx.clone(),
            of.ours.clone(),
            &of.call_id,
            cseq,
        );
        self.mark(&mut request);
        request
            .headers
            .push(HeaderName::Contact, "<sip:anna@192.0.2.1:5061;transport=tls>");
        request
    }

    fn mark(&mut self, request: &mut Request) {
        self.branch += 1;
        let branch = format!("{}pbx{}", Via::MAGIC_COOKIE, self.branch);
        let via = format!("SIP/2.0/TLS 192.0.2.1:5061;branch={branch};rport");
        request.vias = vec![via.parse().unwrap()];
    }

    /// The Contact that was registered last.
    pub fn contact(&self) -> Uri {
        let register = self.registers.last().unwrap();
        register.headers.contacts().first().unwrap().uri.clone()
    }

    /// The states that the call went through since the last look.
    pub fn states(&mut self) -> Vec<CallState> {
        let events = std::mem::take(&mut self.events);
        events
            .into_iter()
            .filter_map(|event| match event {
                Event::Call { state, .. } => Some(state),
                _ => None,
            })
            .collect()
    }

    /// Code and reason with which the last call ended.
    pub fn end(&self) -> (Option<u16>, Option<String>) {
        let ends = self.events.iter().rev().find_map(|event| match event {
            Event::Call {
                state: CallState::Ended,
                code,
                reason,
                ..
            } => Some((*code, reason.clone())),
            _ => None,
        });
        ends.unwrap_or_else(|| panic!("no call ended: {:?}", self.events))
    }

    pub fn warnings(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            Event::Warning { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The sounds that were asked for since the last look.
    pub fn sounds(&mut self) -> Vec<(CallId, PhoneSound)> {
        let mut sounds = Vec::new();
        self.wishes.retain(|wish| match wish {
            Output::Sound { call, sound } => {
                sounds.push((*call, *sound));
                false
            }
            _ => true,
        });
        sounds
    }

    pub fn call(&self, id: CallId) -> CallView {
        let view = self.phone.view(self.now);
        view.calls.into_iter().find(|call| call.id == id).unwrap()
    }

    /// How many of the wishes since the last look are such.
    pub fn count(&self, which: impl Fn(&Output) -> bool) -> usize {
        self.wishes.iter().filter(|wish| which(wish)).count()
    }

    /// The PBX drops the open flow.
    pub fn lose_flow(&mut self) {
        let flow = self.flow;
        self.flows.remove(&flow);
        let why = "The server closed the connection.".to_owned();
        self.input(Input::FlowClosed { flow, why });
    }

    /// The PBX drops the open flow and takes no other.
    pub fn lose_flow_for_good(&mut self) {
        self.reachable.clear();
        self.lose_flow();
        self.events.clear();
    }

    /// A flow that was left open by [`Bench::silent`] opens.
    pub fn open(&mut self, flow: FlowId, transport: Transport) {
        self.flows.insert(flow, (transport, StreamReader::new(Side::Server)));
        self.flow = flow;
        let local = SocketAddr::from(([198, 51, 100, 9], 40_000 + u16::try_from(flow.0).unwrap()));
        self.input(Input::FlowOpened { flow, local });
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.phone.poll_output() {
            match output {
                Output::Resolve { account, query } => {
                    let target = crate::account::Target {
                        transport: query.transport,
                        address: SocketAddr::from(([192, 0, 2, 1], 5061)),
                    };
                    let found = Ok(vec![target]);
                    self.phone.handle(Input::Resolved { account, found }, self.now);
                }
                Output::OpenFlow { flow, target, .. } if self.silent => {
                    self.wishes.push(Output::OpenFlow {
                        account: self.account,
                        flow,
                        target,
                    });
                }
                Output::OpenFlow { flow, target, .. } if self.reachable.contains(&target.transport) => {
                    self.open(flow, target.transport);
                }
                Output::OpenFlow { flow, .. } => {
                    let why = "The server refused the connection.".to_owned();
                    self.phone.handle(Input::FlowClosed { flow, why }, self.now);
                }
                Output::CloseFlow(flow) => drop(self.flows.remove(&flow)),
                Output::Transmit { flow, bytes } => self.hear(flow, &bytes),
                Output::OpenPath { call, .. } if self.paths => {
                    self.wishes.push(output);
                    let path = path(40_000);
                    self.phone.handle(Input::PathReady { call, path }, self.now);
                }
                Output::Event(event) => self.events.push(event),
                other => self.wishes.push(other),
            }
        }
    }

    fn hear(&mut self, flow: FlowId, bytes: &[u8]) {
        if self.deaf {
            return;
        }
        let Some((transport, reader)) = self.flows.get_mut(&flow) else {
            return;
        };
        let (mut messages, mut pongs) = (Vec::new(), 0);
        if *transport == Transport::Udp {
            messages.extend(parse::datagram(bytes).ok());
        } else {
            reader.push(bytes);
            while let Some(frame) = reader.next() {
                match frame.unwrap() {
                    Frame::Message(bytes) => messages.push(parse::framed(&bytes).unwrap()),
                    Frame::Ping => pongs += 1,
                    Frame::Pong | Frame::Skipped(_) => {}
                }
            }
        }
        for _ in 0..pongs {
            let bytes = framing::PONG;
            self.phone.handle(Input::Received { flow, bytes }, self.now);
        }
        for message in messages {
            match message {
                Message::Request(request) if request.method == Method::Register => self.register(flow, request),
                message => self.said.push_back(Said { flow, message }),
            }
        }
    }

    fn register(&mut self, flow: FlowId, request: Request) {
        self.registers.push(request.clone());
        if !self.registrar {
            return;
        }
        let mut response = Response::to(&request, StatusCode::OK).with_to_tag("registrar");
        for contact in request.headers.contacts().as_slice() {
            if contact.expires() != Some(0) {
                response.headers.push(HeaderName::Contact, contact);
            }
        }
        for (name, value) in &self.granted {
            response.headers.push(HeaderName::new(name), value);
        }
        let bytes = response.to_bytes();
        self.phone.handle(Input::Received { flow, bytes: &bytes }, self.now);
    }
}

/// The two ends of a dialog, as the PBX knows them.
pub(super) struct Dialog {
    pub call_id: String,
    pub ours: NameAddr,
    pub pbx: NameAddr,
}

impl Dialog {
    /// Of a call that the phone placed and the PBX answered with `tag`.
    pub fn placed(invite: &Request, tag: &str) -> Self {
        Self {
            call_id: invite.call_id.clone(),
            ours: invite.from.clone(),
            pbx: invite.to.clone().with_tag(tag),
        }
    }

    /// Of a call that the phone answered with `response`.
    pub fn taken(response: &Response) -> Self {
        Self {
            call_id: response.call_id.clone(),
            ours: response.to.clone(),
            pbx: response.from.clone(),
        }
    }
}

pub(super) fn plain() -> AccountConfig {
    let mut config = AccountConfig::new("pbx.example", "1001");
    config.media = MediaPolicy::Off;
    config.message_waiting = MessageWaiting::Unasked;
    config
}

pub(super) fn path(port: u16) -> LocalPath {
    LocalPath::plain(SocketAddr::from(([198, 51, 100, 9], port)))
}

pub(super) fn reply(request: &Request, status: u16, tag: &str, sdp: Option<&str>) -> Response {
    let mut response = Response::to(request, StatusCode::new(status).unwrap());
    if status > 100 {
        response = response.with_to_tag(tag);
    }
    response
        .headers
        .push(HeaderName::Contact, format!("<sip:{tag}@192.0.2.1:5061;transport=tls>"));
    if let Some(sdp) = sdp {
        response.set_body("application/sdp", sdp.to_owned());
    }
    response
}

/// A call that we placed and the PBX answered: its number and its dialog.
pub(super) fn talking() -> (Bench, CallId, Dialog) {
    talking_on(Bench::new())
}

pub(super) fn talking_on(mut bench: Bench) -> (Bench, CallId, Dialog) {
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 200, "b", Some(ANSWER));
    bench.request(Method::Ack);
    assert_eq!(bench.call(call).state, CallState::Active);
    bench.events.clear();
    bench.wishes.clear();
    (bench, call, Dialog::placed(&invite, "b"))
}
