//! Phones and an exchange in simulated time, with a network that only delays.

use crate::account::{AccountMemory, Target};
use crate::account_config::{AccountConfig, HostPort, Transport};
use crate::codec::Codec;
use crate::ids::{AccountId, CallId, FlowId};
use crate::media::session::{Frame, MediaEvent, MediaSession, MediaStats, Play, Socket};
use crate::phone::{CallState, Command, Event, Input, MediaFact, Output, Phone};
use crate::practice::bad_line::Quality;
use crate::practice::{self, EXTENSIONS, Exchange, LegId, Settings, Speech};
use crate::random::Random;
use crate::sdp::negotiate::LocalPath;
use crate::secret::Secret;
use crate::sip::endpoint::Flow;
use crate::sip::msg;
use crate::time::{Instant, earliest};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(20);
const EXCHANGE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));
const ON_THE_WAY: Duration = Duration::from_millis(10);

/// The frames of the test's speech, and how the first byte of each is known: Opus of 20 ms, one frame, mono.
pub(super) const SPEECH_FRAMES: u8 = 100;

/// One phone.
pub(super) struct Handset {
    pub phone: Phone,
    address: IpAddr,
    /// Our number of a flow to the exchange's.
    flows: BTreeMap<FlowId, FlowId>,
    paths: BTreeMap<CallId, SocketAddr>,
    streams: BTreeMap<CallId, Stream>,
    pub events: Vec<Event>,
}

/// A call's sound at a phone: it says numbered frames and notes what it plays.
struct Stream {
    media: MediaSession,
    said: u16,
    heard: Vec<Vec<u8>>,
    digits: String,
}

enum Parcel {
    ToExchange(FlowId, Vec<u8>),
    ToPhone(usize, FlowId, Vec<u8>),
    SoundToLeg(LegId, SocketAddr, Vec<u8>, Socket),
    SoundToPhone(usize, CallId, SocketAddr, Vec<u8>, Socket),
}

pub(super) struct World {
    pub now: Instant,
    pub exchange: Exchange,
    pub phones: Vec<Handset>,
    under_way: BTreeMap<(Instant, u64), Parcel>,
    sent: u64,
    last_flow: u32,
    last_port: u16,
    legs: BTreeMap<LegId, SocketAddr>,
    next_frame: Instant,
    /// Every media packet as it was on the wire: towards the exchange, and from it.
    pub tapped: [Vec<Vec<u8>>; 2],
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        let opus: Vec<u8> = (0..SPEECH_FRAMES).flat_map(|n| [0, 3, 0xf8, b's', n]).collect();
        let pcma: Vec<u8> = (0..SPEECH_FRAMES)
            .flat_map(|n| [0, 160].into_iter().chain([n; 160]))
            .collect();
        let settings = Settings {
            domain: "practice.example".into(),
            passwords: EXTENSIONS.map(|user| (user.to_owned(), Secret::new(user))).into(),
            speech: Speech::new(opus, pcma).unwrap(),
            bad_line: Quality::MOBILE,
            flow_timer: Some(Duration::from_secs(120)),
        };
        Self {
            now: Instant::from_millis(1_000),
            exchange: Exchange::new(settings, Random::seeded(seed)),
            phones: Vec::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            last_flow: 0,
            last_port: 20_000,
            legs: BTreeMap::new(),
            next_frame: Instant::ORIGIN,
            tapped: [Vec::new(), Vec::new()],
        }
    }

    /// A phone for `extension`; its number.
    pub(super) fn phone(&mut self, extension: &str, password: &str) -> usize {
        let number = self.phones.len();
        let host = u8::try_from(number).unwrap() + 1;
        let mut phone = Phone::new(Random::seeded(u64::from(host) * 1_000));
        let config = AccountConfig {
            server: Some(HostPort {
                host: EXCHANGE.to_string(),
                port: Some(5061),
            }),
            ..AccountConfig::new("practice.example", extension)
        };
        let added = phone.add_account(config, Secret::new(password), AccountMemory::default(), self.now);
        assert_eq!(added.unwrap(), AccountId(1));
        self.phones.push(Handset {
            phone,
            address: IpAddr::from([192, 0, 2, host]),
            flows: BTreeMap::new(),
            paths: BTreeMap::new(),
            streams: BTreeMap::new(),
            events: Vec::new(),
        });
        self.run(SECOND);
        number
    }

    /// A registered phone.
    pub(super) fn registered(&mut self, extension: &str) -> usize {
        let phone = self.phone(extension, extension);
        assert!(self.has(phone, |event| matches!(event, Event::Registered { .. })));
        phone
    }

    pub(super) fn command(&mut self, phone: usize, command: Command) -> Option<CallId> {
        let accepted = self.phones[phone].phone.command(command, self.now).unwrap();
        self.pump();
        accepted.call
    }

    /// Calls `target`, and lets two seconds pass.
    pub(super) fn dial(&mut self, phone: usize, target: &str) -> CallId {
        let dial = Command::Dial {
            target: target.into(),
            account: None,
        };
        let call = self.command(phone, dial).unwrap();
        self.run(SECOND * 2);
        call
    }

    pub(super) fn hang_up(&mut self, phone: usize, call: CallId) {
        self.command(phone, Command::Hangup { call: Some(call) });
        self.run(SECOND);
    }

    pub(super) fn state(&self, phone: usize, call: CallId) -> CallState {
        let mut states = self.phones[phone].events.iter().rev().filter_map(|event| match event {
            Event::Call { call: other, state, .. } if *other == call => Some(*state),
            _ => None,
        });
        states.next().unwrap()
    }

    /// The status and sentence with which a call ended.
    pub(super) fn end(&self, phone: usize, call: CallId) -> Option<(Option<u16>, Option<String>)> {
        self.phones[phone].events.iter().find_map(|event| match event {
            Event::Call {
                call: other,
                state: CallState::Ended,
                code,
                reason,
                ..
            } if *other == call => Some((*code, reason.clone())),
            _ => None,
        })
    }

    pub(super) fn has(&self, phone: usize, wanted: impl Fn(&Event) -> bool) -> bool {
        self.phones[phone].events.iter().any(wanted)
    }

    /// The call that rings at a phone.
    pub(super) fn incoming(&self, phone: usize) -> Option<(CallId, String)> {
        self.phones[phone].events.iter().rev().find_map(|event| match event {
            Event::Incoming { call, from, .. } => Some((*call, from.clone())),
            _ => None,
        })
    }

    /// What a call has played since it was last asked.
    pub(super) fn heard(&mut self, phone: usize, call: CallId) -> Vec<Vec<u8>> {
        let stream = self.phones[phone].streams.get_mut(&call);
        std::mem::take(&mut stream.expect("the call has sound").heard)
    }

    pub(super) fn digits(&self, phone: usize, call: CallId) -> &str {
        &self.phones[phone].streams[&call].digits
    }

    pub(super) fn stats(&self, phone: usize, call: CallId) -> MediaStats {
        self.phones[phone].streams[&call].media.stats()
    }

    /// Cuts every flow of a phone, as a router that restarts does.
    pub(super) fn cut(&mut self, phone: usize) {
        for (ours, theirs) in std::mem::take(&mut self.phones[phone].flows) {
            let why = "cut".to_owned();
            self.exchange.handle_flow_closed(theirs, self.now);
            self.phones[phone]
                .phone
                .handle(Input::FlowClosed { flow: ours, why }, self.now);
        }
        self.pump();
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.pump();
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.deliver();
            self.exchange.handle_timeout(self.now);
            for phone in &mut self.phones {
                phone.handle_timeout(self.now);
            }
            if self.next_frame <= self.now {
                self.next_frame = self.now + FRAME;
                self.phones.iter_mut().for_each(|phone| phone.tick(self.now));
            }
            self.pump();
        }
        self.now = until;
    }

    fn next_moment(&self) -> Option<Instant> {
        let speaks = self.phones.iter().any(|phone| !phone.streams.is_empty());
        let wakes = self.phones.iter().map(Handset::poll_wake);
        let wake = earliest(wakes.chain([self.exchange.poll_wake()])).map(|wake| wake.at);
        let arrival = self.under_way.keys().next().map(|(at, _)| *at);
        [wake, arrival, speaks.then_some(self.next_frame)]
            .into_iter()
            .flatten()
            .min()
    }

    fn deliver(&mut self) {
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 <= self.now) {
            match first.remove() {
                Parcel::ToExchange(flow, bytes) => self.exchange.handle_received(flow, &bytes, self.now),
                Parcel::ToPhone(phone, flow, bytes) => {
                    let bytes = &bytes;
                    self.phones[phone]
                        .phone
                        .handle(Input::Received { flow, bytes }, self.now);
                }
                Parcel::SoundToLeg(leg, source, bytes, socket) => {
                    self.exchange.handle_datagram(leg, source, &bytes, socket, self.now);
                }
                Parcel::SoundToPhone(phone, call, source, bytes, socket) => {
                    if let Some(stream) = self.phones[phone].streams.get_mut(&call) {
                        stream.media.handle_datagram(source, &bytes, socket, self.now);
                    }
                }
            }
            self.pump();
        }
    }

    fn send(&mut self, parcel: Parcel) {
        self.sent += 1;
        self.under_way.insert((self.now + ON_THE_WAY, self.sent), parcel);
    }

    fn pump(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.exchange.poll_output() {
                moved = true;
                self.do_for_exchange(output);
            }
            for number in 0..self.phones.len() {
                while let Some(output) = self.phones[number].phone.poll_output() {
                    moved = true;
                    self.do_for_phone(number, output);
                }
                self.collect_sound(number);
            }
            if !moved {
                return;
            }
        }
    }

    fn do_for_exchange(&mut self, output: practice::Output) {
        match output {
            practice::Output::Transmit { flow, bytes, .. } => {
                let found = self.phones.iter().enumerate().find_map(|(number, phone)| {
                    let ours = phone.flows.iter().find(|(_, theirs)| **theirs == flow)?.0;
                    Some((number, *ours))
                });
                if let Some((phone, flow)) = found {
                    self.send(Parcel::ToPhone(phone, flow, bytes.to_vec()));
                }
            }
            practice::Output::CloseFlow(flow) => panic!("the exchange closed {flow}"),
            practice::Output::OpenPath { leg, local } => {
                let address = self.next_address(local);
                self.legs.insert(leg, address);
                self.exchange.handle_path(leg, LocalPath::plain(address), self.now);
            }
            practice::Output::ClosePath(leg) => drop(self.legs.remove(&leg).expect("a path is closed once")),
            practice::Output::SendDatagram { leg, to, socket, bytes } => {
                self.tapped[1].push(bytes.clone());
                let source = self.legs[&leg];
                let found = self.phones.iter().enumerate().find_map(|(number, phone)| {
                    let call = phone.paths.iter().find(|(_, address)| **address == to)?.0;
                    Some((number, *call))
                });
                if let Some((phone, call)) = found {
                    self.send(Parcel::SoundToPhone(phone, call, source, bytes, socket));
                }
            }
        }
    }

    fn do_for_phone(&mut self, number: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Resolve { account, query } => {
                let target = Target {
                    transport: Transport::Tls,
                    address: SocketAddr::new(EXCHANGE, query.port.unwrap()),
                };
                let found = Ok(vec![target]);
                self.phones[number]
                    .phone
                    .handle(Input::Resolved { account, found }, now);
            }
            Output::OpenFlow { flow, target, .. } => {
                let local = self.next_address(self.phones[number].address);
                self.last_flow += 1;
                let theirs = FlowId(self.last_flow);
                let phone = &mut self.phones[number];
                phone.flows.insert(flow, theirs);
                let (here, there) = (target.address, local);
                self.exchange
                    .handle_flow_opened(Flow::new(theirs, msg::Transport::Tls, here, there));
                phone.phone.handle(Input::FlowOpened { flow, local }, now);
            }
            Output::CloseFlow(flow) => {
                if let Some(theirs) = self.phones[number].flows.remove(&flow) {
                    self.exchange.handle_flow_closed(theirs, now);
                }
            }
            Output::Transmit { flow, bytes } => {
                if let Some(theirs) = self.phones[number].flows.get(&flow).copied() {
                    self.send(Parcel::ToExchange(theirs, bytes));
                }
            }
            Output::OpenPath { call, local, .. } => {
                let address = self.next_address(local);
                let phone = &mut self.phones[number];
                phone.paths.insert(call, address);
                let path = LocalPath::plain(address);
                phone.phone.handle(Input::PathReady { call, path }, now);
            }
            Output::ClosePath(call) => drop(self.phones[number].paths.remove(&call)),
            Output::Media { call, plan } => self.phones[number].start_media(call, *plan, now),
            Output::Digit { call, digit } => {
                let stream = self.phones[number].streams.get_mut(&call).unwrap();
                stream.media.send_digit(digit, Duration::from_millis(120)).unwrap();
            }
            Output::Event(event) => self.phones[number].events.push(event),
            _ => {}
        }
    }

    fn next_address(&mut self, host: IpAddr) -> SocketAddr {
        self.last_port += 2;
        SocketAddr::new(host, self.last_port)
    }

    fn collect_sound(&mut self, number: usize) {
        let mut parcels = Vec::new();
        let phone = &mut self.phones[number];
        for (call, stream) in &mut phone.streams {
            while let Some(transmit) = stream.media.poll_transmit() {
                let leg = self.legs.iter().find(|(_, address)| **address == transmit.to);
                if let (Some((leg, _)), Some(source)) = (leg, phone.paths.get(call)) {
                    self.tapped[0].push(transmit.bytes.clone());
                    parcels.push(Parcel::SoundToLeg(*leg, *source, transmit.bytes, transmit.socket));
                }
            }
        }
        parcels.into_iter().for_each(|parcel| self.send(parcel));
    }
}

impl Handset {
    fn poll_wake(&self) -> Option<crate::time::Wake> {
        let streams = self.streams.values().map(|stream| stream.media.poll_wake());
        earliest(streams.chain([self.phone.poll_wake()]))
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.phone.handle_timeout(now);
        for (call, stream) in &mut self.streams {
            stream.media.handle_timeout(now);
            while let Some(event) = stream.media.poll_event() {
                let fact = match event {
                    MediaEvent::FirstPacket { .. } => MediaFact::Heard,
                    MediaEvent::DigitReceived(digit) => {
                        stream.digits.push(digit.key());
                        MediaFact::Digit(digit)
                    }
                    MediaEvent::NoMediaFor(duration) => MediaFact::NothingFor(duration),
                    _ => continue,
                };
                self.phone.handle(Input::Media { call: *call, fact }, now);
            }
        }
        let paths = &self.paths;
        self.streams.retain(|call, _| paths.contains_key(call));
    }

    fn start_media(&mut self, call: CallId, plan: crate::media::plan::MediaPlan, now: Instant) {
        match self.streams.get_mut(&call) {
            Some(stream) => stream.media.update(plan, now),
            None => {
                let media = MediaSession::new(plan, now, Random::seeded(u64::from(call.0)));
                self.streams.insert(
                    call,
                    Stream {
                        media,
                        said: 0,
                        heard: Vec::new(),
                        digits: String::new(),
                    },
                );
            }
        }
    }

    /// Says the next frame of each call, and plays one.
    fn tick(&mut self, now: Instant) {
        for stream in self.streams.values_mut() {
            let codec = stream.media.plan().send.codec;
            let [high, low] = stream.said.to_be_bytes();
            let (opus, pcm) = ([0xf8, b'v', high, low], [high, low].repeat(80));
            let frame: &[u8] = if codec == Codec::Opus { &opus } else { &pcm };
            stream.said += 1;
            stream
                .media
                .send_frame(Frame::Speech(frame), codec.timestamp_units(FRAME), now);
            if let Play::Decode { payload, .. } = stream.media.next(now).play {
                stream.heard.push(payload.to_vec());
            }
        }
    }
}
