//! The phone and everything around it: the runtime that carries its wishes out, the media of its calls, the clock, and
//! what must hold whatever happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use toestel_proto::account::{AccountMemory, Target};
use toestel_proto::account_config::{AccountConfig, Transport};
use toestel_proto::codec::MediaPolicy;
use toestel_proto::ids::{AccountId, CallId, FlowId};
use toestel_proto::media::demux::{self, Kind};
use toestel_proto::media::dtmf::Digit;
use toestel_proto::media::plan::{MediaPlan, RemoteRtcp, SrtpKeys};
use toestel_proto::media::session::{Frame, MediaEvent, MediaSession, Socket};
use toestel_proto::media::srtp::Protector;
use toestel_proto::phone::{CallState, Command, Event, Input, MediaFact, Others, Output, Phone};
use toestel_proto::random::Random;
use toestel_proto::sdp::LocalPath;
use toestel_proto::secret::Secret;
use toestel_proto::sip::framing;
use toestel_proto::sip::msg::{Message, Method, Request};
use toestel_proto::sip::parse;
use toestel_proto::time::{Instant, earliest};

use super::exchange::{Exchange, plain_answer};
use crate::media;

const LOCAL: &str = "198.51.100.7:40000";
const SERVER: &str = "192.0.2.1:5061";
/// More timers than any jump needs; beyond them the clock jumps as after a sleep.
const MOST_TIMERS: usize = 24;
/// More wishes than any one input can cause.
const MOST_WISHES: usize = 2_000;
/// Timers until the phone must have come to rest.
const TIMERS_TO_REST: usize = 600;
/// Within which it must: 64*T1 for what runs, twice, and room.
const TIME_TO_REST: Duration = Duration::from_secs(120);

/// What the first byte of the input sets.
#[derive(Clone, Copy)]
pub(super) struct Settings(u8);

impl Settings {
    /// Bits 0 and 1.
    const fn transport(self) -> Transport {
        match self.0 & 3 {
            1 => Transport::Udp,
            2 => Transport::Tcp,
            _ => Transport::Tls,
        }
    }

    /// Bits 2 and 3.
    const fn policy(self) -> MediaPolicy {
        match (self.0 >> 2) & 3 {
            0 => MediaPolicy::Required,
            2 => MediaPolicy::Off,
            _ => MediaPolicy::Preferred,
        }
    }

    /// Bit 4: the registrar grants RFC 5626.
    const fn outbound(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Bit 5: the exchange answers REGISTER once and then neither that nor BYE and CANCEL by itself.
    const fn lazy(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Bit 6: media paths come only when a step brings them.
    const fn late_paths(self) -> bool {
        self.0 & 0x40 != 0
    }
}

/// A call's media.
struct Line {
    session: MediaSession,
    keys: Option<SrtpKeys>,
    /// Protects as the far end does.
    far: Option<Protector>,
}

/// See the module.
pub(super) struct World {
    settings: Settings,
    phone: Phone,
    account: AccountId,
    exchange: Exchange,
    now: Instant,
    flow: Option<FlowId>,
    /// Calls that wait for a path.
    waiting: Option<CallId>,
    lines: BTreeMap<CallId, Line>,
    stun: Option<[u8; 12]>,
    registered: bool,
    answered: bool,
}

impl World {
    /// A phone that is registered.
    pub(super) fn new(settings: u8) -> Self {
        let settings = Settings(settings);
        let mut config = AccountConfig::new("pbx.example", "1001");
        config.transport = settings.transport();
        config.media = settings.policy();
        let memory = AccountMemory {
            contact_user: "c0ffee".to_owned(),
            instance_id: "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6".to_owned(),
            ..AccountMemory::default()
        };
        let (now, mut phone) = (Instant::from_millis(1_000), Phone::new(Random::seeded(1)));
        let account = phone.add_account(config, Secret::new("secret"), memory, now);
        let mut world = Self {
            settings,
            phone,
            account: account.expect("the account is a good one"),
            exchange: Exchange::default(),
            now,
            flow: None,
            waiting: None,
            lines: BTreeMap::new(),
            stun: None,
            registered: false,
            answered: false,
        };
        world.carry_out();
        assert!(world.phone.view(now).registered, "the phone did not register");
        world
    }

    /// The exchange sends this.
    pub(super) fn receive(&mut self, text: &[u8]) {
        let bytes = self.exchange.say(text);
        self.deliver(&bytes);
        self.settle();
    }

    /// A letter for what, a digit for which call if there are several, and what it is about.
    pub(super) fn command(&mut self, step: &[u8]) {
        let Some((what, rest)) = step.split_first() else { return };
        let text = String::from_utf8_lossy(rest).into_owned();
        let call = rest.first().filter(|digit| digit.is_ascii_digit());
        let call = call.map(|digit| CallId(u32::from(digit & 0x0f)));
        let command = match what {
            b'd' => Command::Dial {
                target: text,
                account: None,
            },
            b'a' => Command::Answer {
                call,
                others: Others::Hold,
            },
            b'r' => Command::Reject { call, code: None },
            b'h' => Command::Hangup { call },
            b'o' => Command::Hold { call },
            b'e' => Command::Resume { call },
            b'f' => Command::Transfer { call, target: text },
            b'l' => Command::Consult { call, target: text },
            b'j' => Command::Join { call, with: None },
            b'c' => Command::Conference { calls: None },
            b'y' => Command::AcceptTransfer { call },
            b'n' => Command::RefuseTransfer { call },
            b't' => Command::Dtmf {
                call: None,
                digits: text,
            },
            b'm' => Command::Mute { call, on: true },
            b'g' => Command::Register { account: None },
            b'u' => Command::Unregister { account: None },
            b'k' => return self.remove_account(),
            _ => return,
        };
        let refused = self.phone.command(command, self.now).err();
        assert!(refused.is_none_or(|refused| !refused.to_string().is_empty()));
        self.settle();
    }

    fn remove_account(&mut self) {
        self.phone.remove_account(self.account, self.now);
        self.settle();
    }

    /// Something happens to the machine.
    pub(super) fn fact(&mut self, what: u8) {
        let latest = self.lines.keys().next_back().copied();
        let call = self.waiting.take().or(latest).unwrap_or(CallId(1));
        let input = match what {
            b'p' => Input::PathReady {
                call,
                path: path(call, 0),
            },
            b'c' => Input::PathChanged {
                call,
                path: path(call, 1_000),
            },
            b'f' => Input::PathFailed {
                call,
                why: "There is no socket.".to_owned(),
            },
            b'x' => match self.flow {
                Some(flow) => Input::FlowClosed {
                    flow,
                    why: "It ended.".to_owned(),
                },
                None => return,
            },
            b'n' => Input::NetworkChanged,
            b's' => Input::Slept(Duration::from_secs(3_600)),
            b'q' => Input::Media {
                call,
                fact: MediaFact::NothingFor(Duration::from_secs(60)),
            },
            _ => return,
        };
        self.phone.handle(input, self.now);
        self.settle();
    }

    /// A media packet comes in the latest call.
    pub(super) fn media(&mut self, packet: &[u8], protect: bool) {
        let Some((_, line)) = self.lines.iter_mut().next_back() else {
            return;
        };
        let is_report = demux::kind(packet) == Kind::Rtcp;
        let sealed = match &mut line.far {
            Some(far) if protect && is_report => far.protect_rtcp(packet).ok(),
            Some(far) if protect => far.protect_rtp(packet).ok(),
            _ => None,
        };
        let plan = line.session.plan();
        let (source, socket) = match plan.remote_rtcp {
            RemoteRtcp::Separate(source) if is_report => (source, Socket::Rtcp),
            _ => (plan.remote_rtp, Socket::Rtp),
        };
        let bytes = sealed.as_deref().unwrap_or(packet);
        line.session.handle_datagram(source, bytes, socket, self.now);
        line.session.send_frame(Frame::Speech(&[0x55; 40]), 960, self.now);
        let played = line.session.next(self.now);
        media::judge_play(&played.play, played.duration);
        media::judge(&line.session);
        self.settle();
    }

    /// The server answers the STUN request that is out: 1 for success, and the attributes.
    pub(super) fn stun_answer(&mut self, answer: &[u8]) {
        let (Some(transaction), Some((class, attributes))) = (self.stun, answer.split_first()) else {
            return;
        };
        let class = if *class == 1 { [0x01, 0x01] } else { [0x01, 0x11] };
        let length = u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes();
        let bytes = [&class[..], &length, &[0x21, 0x12, 0xa4, 0x42], &transaction, attributes].concat();
        self.deliver(&bytes);
        self.settle();
    }

    /// The clock goes to the next timer.
    pub(super) fn run_next_timer(&mut self) {
        let lines = self.lines.values().map(|line| line.session.poll_wake());
        let Some(wake) = earliest(lines.chain([self.phone.poll_wake()])) else {
            return;
        };
        self.now = self.now.max(wake.at);
        self.phone.handle_timeout(self.now);
        for line in self.lines.values_mut() {
            line.session.handle_timeout(self.now);
        }
        self.carry_out();
        let spins = self.phone.poll_wake().filter(|next| next.at <= self.now);
        assert!(spins.is_none(), "{spins:?} is due again at once");
    }

    /// Time passes, with every timer in it up to a bound; what is left of it is slept through.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..MOST_TIMERS {
            let lines = self.lines.values().map(|line| line.session.poll_wake());
            let next = earliest(lines.chain([self.phone.poll_wake()]));
            if next.is_none_or(|wake| wake.at > until) {
                break;
            }
            self.run_next_timer();
        }
        self.now = self.now.max(until);
        self.phone.handle_timeout(self.now);
        self.settle();
    }

    /// The user quits; the phone must come to rest in time. Whether a call was answered before.
    pub(super) fn rest(mut self) -> bool {
        self.phone.say_farewell(self.now);
        self.settle();
        let until = self.now + TIME_TO_REST;
        for _ in 0..TIMERS_TO_REST {
            if self.phone.is_quiet() {
                return self.answered;
            }
            self.run_next_timer();
            assert!(
                self.now < until,
                "the phone does not come to rest: {:?}",
                self.phone.poll_wake()
            );
        }
        panic!(
            "{TIMERS_TO_REST} timers and no rest: {:?} {:?}",
            self.phone.poll_wake(),
            self.phone.load()
        );
    }

    fn deliver(&mut self, bytes: &[u8]) {
        if let Some(flow) = self.flow {
            self.phone.handle(Input::Received { flow, bytes }, self.now);
        }
    }

    /// Every wish is carried out, and a moment passes.
    fn settle(&mut self) {
        self.carry_out();
        self.now += Duration::from_millis(1);
    }

    fn carry_out(&mut self) {
        for _ in 0..MOST_WISHES {
            match self.phone.poll_output() {
                Some(output) => self.grant(output),
                None if !self.tell_media() => return,
                None => {}
            }
        }
        panic!("the phone wishes without end");
    }

    fn grant(&mut self, output: Output) {
        match output {
            Output::Resolve { account, .. } => {
                let target = Target {
                    transport: self.settings.transport(),
                    address: address(SERVER),
                };
                let found = Ok(vec![target]);
                self.phone.handle(Input::Resolved { account, found }, self.now);
            }
            Output::OpenFlow { flow, .. } => {
                self.flow = Some(flow);
                let local = address(LOCAL);
                self.phone.handle(Input::FlowOpened { flow, local }, self.now);
            }
            Output::CloseFlow(flow) => self.flow = self.flow.filter(|open| *open != flow),
            Output::Transmit { flow, bytes } => {
                if self.flow == Some(flow) {
                    self.transmitted(&bytes);
                }
            }
            Output::OpenPath { call, .. } if self.settings.late_paths() => self.waiting = Some(call),
            Output::OpenPath { call, .. } => {
                let path = path(call, 0);
                self.phone.handle(Input::PathReady { call, path }, self.now);
            }
            Output::ClosePath(call) => drop(self.lines.remove(&call)),
            Output::Media { call, plan } => self.plan(call, *plan),
            Output::Digit { call, digit } | Output::Tone { call, digit } => self.send_digit(call, digit),
            Output::Event(Event::Call { state, .. }) => self.answered |= state == CallState::Active,
            Output::Event(_)
            | Output::Mute { .. }
            | Output::Conference(_)
            | Output::Sound { .. }
            | Output::Remember { .. } => {}
        }
    }

    fn send_digit(&mut self, call: CallId, digit: Digit) {
        if let Some(line) = self.lines.get_mut(&call) {
            let _ = line.session.send_digit(digit, Duration::from_millis(100));
        }
    }

    /// Media is agreed, or agreed anew.
    fn plan(&mut self, call: CallId, plan: MediaPlan) {
        match self.settings.policy() {
            MediaPolicy::Required => assert!(plan.srtp.is_some(), "a call without keys"),
            MediaPolicy::Off => assert!(plan.srtp.is_none(), "keys that nobody wanted"),
            MediaPolicy::Preferred => {}
        }
        let keys = plan.srtp.clone();
        assert!(
            keys.is_none() || self.settings.transport() == Transport::Tls,
            "keys went in the clear"
        );
        let now = self.now;
        let line = self.lines.entry(call).or_insert_with(|| Line {
            session: MediaSession::new(plan.clone(), now, Random::seeded(2)),
            keys: None,
            far: None,
        });
        assert!(keys.is_some() || line.keys.is_none(), "an encrypted call became plain");
        line.session.update(plan, now);
        let remote = |keys: &Option<SrtpKeys>| keys.as_ref().map(|keys| (keys.suite(), keys.remote().clone()));
        if remote(&keys) != remote(&line.keys) {
            let far = |keys: &SrtpKeys| Protector::new(keys.suite(), keys.remote()).expect("the keys fit their suite");
            line.far = keys.as_ref().map(far);
        }
        line.keys = keys;
    }

    /// The media's news are the phone's facts; whether there were any.
    fn tell_media(&mut self) -> bool {
        let mut facts = Vec::new();
        for (call, line) in &mut self.lines {
            while line.session.poll_transmit().is_some() {}
            facts.extend(std::iter::from_fn(|| line.session.poll_event()).map(|event| (*call, event)));
        }
        for (call, event) in &facts {
            let fact = match event {
                MediaEvent::FirstPacket { .. } => MediaFact::Heard,
                MediaEvent::DigitReceived(digit) => MediaFact::Digit(*digit),
                MediaEvent::NoMediaFor(time) => MediaFact::NothingFor(*time),
                _ => continue,
            };
            self.phone.handle(Input::Media { call: *call, fact }, self.now);
        }
        !facts.is_empty()
    }

    /// The phone sent this: it must be readable, and some of it the exchange answers by itself.
    fn transmitted(&mut self, bytes: &[u8]) {
        if framing::is_keep_alive(bytes) {
            return;
        }
        if let ([0, 1, ..], Some(transaction)) = (bytes, bytes.get(8..20)) {
            self.stun = transaction.try_into().ok();
            return;
        }
        let Ok(message) = parse::datagram(bytes) else {
            // The answer to what cannot be read repeats what cannot be read.
            let refuses = bytes.starts_with(b"SIP/2.0 4") || bytes.starts_with(b"SIP/2.0 5");
            assert!(
                refuses,
                "the phone sent what cannot be read:\n{}",
                String::from_utf8_lossy(bytes)
            );
            return;
        };
        let has_keys = bytes.windows(9).any(|nine| nine == b"a=crypto:");
        assert!(
            !has_keys || self.settings.transport() == Transport::Tls,
            "keys went in the clear"
        );
        let answer = match &message {
            Message::Request(request) => self.own_answer(request),
            Message::Response(_) => None,
        };
        self.exchange.hear(message);
        if let Some(answer) = answer {
            self.deliver(&answer);
        }
    }

    fn own_answer(&mut self, request: &Request) -> Option<Vec<u8>> {
        let first = !std::mem::replace(&mut self.registered, true);
        let answers = first || !self.settings.lazy();
        match request.method {
            Method::Register if answers => Some(plain_answer(request, true, self.settings.outbound())),
            Method::Bye | Method::Cancel if answers => Some(plain_answer(request, false, false)),
            _ => None,
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A call's end of its media path.
fn path(call: CallId, more: u16) -> LocalPath {
    let port = 4_000 + more + 2 * u16::try_from(call.0 % 1_000).unwrap_or(0);
    LocalPath::plain(SocketAddr::new(address(LOCAL).ip(), port))
}
