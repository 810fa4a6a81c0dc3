//! The world: who is in it, what is on its way, and the one loop that moves time.

mod actions;
mod diary;
mod outputs;
mod transport;

use crate::errors::Errors;
use crate::exchange::{Exchange, Rules};
use crate::host::{Host, HostSetup};
use crate::network::{Connection, Nat, Weather};
use crate::numbers;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::MediaPolicy;
use toestel_proto::ids::{CallId, FlowId};
use toestel_proto::media::dtmf::Digit;
use toestel_proto::phone::{CallState, Command, Input, MediaFact, Refused};
use toestel_proto::random::Random;
use toestel_proto::sdp::negotiate::LocalPath;
use toestel_proto::time::Instant;

/// The password of every account.
pub const PASSWORD: &str = "correct horse";

/// The two addresses of the exchange, the preferred first.
pub const SERVERS: [[u8; 4]; 2] = [[198, 51, 100, 1], [198, 51, 100, 2]];

/// How long a call's media may be silent before the phone is told.
const SILENCE: Duration = Duration::from_secs(60);

/// What kind of world it is.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many phones.
    pub phones: usize,
    /// TLS, TCP or UDP.
    pub transport: Transport,
    /// How media is protected.
    pub media: MediaPolicy,
    /// How long the NATs in front of the phones remember; `None` for no NAT.
    pub nat_memory: Option<Duration>,
    /// How bad the network is.
    pub weather: Weather,
    /// The longest registration that is granted, in seconds.
    pub expires: u32,
    /// Whether the exchange serves RFC 5626.
    pub outbound: bool,
    /// The status with which the exchange asks for a password before it lets a call pass.
    pub challenge_calls: Option<u16>,
    /// Whether the exchange wants ringing and early media to be acknowledged.
    pub reliable: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            phones: 2,
            transport: Transport::Tls,
            media: MediaPolicy::Required,
            nat_memory: None,
            weather: Weather::FINE,
            expires: 300,
            outbound: true,
            challenge_calls: Some(407),
            reliable: false,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct World {
    /// Repeats everything.
    pub seed: u64,
    /// As it was made.
    pub setup: Setup,
    /// The moment.
    pub now: Instant,
    /// The phones.
    pub hosts: Vec<Host>,
    /// The PBX.
    pub exchange: Exchange,
    /// How bad the network is; may be changed at any time.
    pub weather: Weather,
    /// How long a media path takes to be ready.
    pub path_delay: Duration,
    /// Which of the exchange's addresses accept connections, and which drop them without a word.
    pub servers: [Server; 2],
    /// What has been done so far, for the message of a failure.
    pub diary: Vec<String>,
    /// Messages and events are in the diary too: set by `SIM_TRACE` in the environment.
    pub traced: bool,
    /// What is wrong so far.
    pub complaints: Vec<String>,
    random: Random,
    connections: BTreeMap<FlowId, Connection>,
    last_flow: u32,
    happenings: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    errors: Errors,
    _listening: Listening,
}

/// How one of the exchange's addresses behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Server {
    /// It is there.
    Up,
    /// Connections are refused at once.
    Refuses,
    /// Nothing is heard of it.
    Silent,
}

struct Listening(#[expect(dead_code, reason = "dropped with the world")] tracing::subscriber::DefaultGuard);

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listening")
    }
}

/// Something that comes later.
#[derive(Debug)]
enum Happening {
    Resolved {
        host: usize,
    },
    Opened {
        host: usize,
        flow: FlowId,
        local: SocketAddr,
    },
    ClosedAtPhone {
        host: usize,
        flow: FlowId,
        why: &'static str,
    },
    ClosedAtExchange {
        flow: FlowId,
    },
    AtPhone {
        exchange: FlowId,
        bytes: Vec<u8>,
    },
    AtExchange {
        exchange: FlowId,
        bytes: Vec<u8>,
    },
    PathReady {
        host: usize,
        call: CallId,
    },
    PathChanged {
        host: usize,
        call: CallId,
    },
    Tone {
        host: usize,
        call: CallId,
        digit: Digit,
    },
    Listen {
        host: usize,
        call: CallId,
    },
    Wakes {
        host: usize,
        slept: Duration,
    },
    ServerBack,
}

impl World {
    /// Phones that begin to register, and an exchange that waits for them.
    pub fn new(seed: u64, setup: Setup) -> Self {
        let mut random = Random::seeded(seed);
        let users = (0..setup.phones).map(|phone| (numbers::extension(phone), PASSWORD.to_owned()));
        let rules = Rules {
            expires: setup.expires,
            outbound: setup.outbound,
            challenge_calls: setup.challenge_calls,
            nonce_life: Duration::from_secs(3_600),
            users: users.collect(),
            refuse_register: None,
            reliable: setup.reliable,
            media: setup.media,
        };
        let exchange = Exchange::new(rules, Random::seeded(random.u64()));
        let hosts = (0..setup.phones)
            .map(|index| {
                let host = HostSetup {
                    index,
                    transport: setup.transport,
                    media: setup.media,
                    nat: setup.nat_memory.map(|memory| Nat {
                        public: IpAddr::from([203, 0, 113, 100 + u8::try_from(index).unwrap_or(0)]),
                        memory,
                    }),
                };
                Host::new(&host, PASSWORD, Random::seeded(random.u64()), Instant::ORIGIN)
            })
            .collect();
        let (errors, guard) = Errors::listen();
        let mut world = Self {
            seed,
            weather: setup.weather,
            setup,
            now: Instant::ORIGIN,
            hosts,
            exchange,
            path_delay: Duration::from_millis(5),
            servers: [Server::Up; 2],
            diary: Vec::new(),
            traced: std::env::var_os("SIM_TRACE").is_some(),
            complaints: Vec::new(),
            random,
            connections: BTreeMap::new(),
            last_flow: 0,
            happenings: BTreeMap::new(),
            sequence: 0,
            errors,
            _listening: Listening(guard),
        };
        world.pump();
        world
    }

    /// The user of a phone does something.
    ///
    /// # Errors
    /// As the phone refuses it.
    pub fn command(&mut self, phone: usize, command: Command) -> Result<Option<CallId>, Refused> {
        let host = &mut self.hosts[phone];
        match &command {
            Command::Answer { .. } => host.wanted.extend(host.phone.resolve_call(None).ok()),
            Command::Unregister { .. } => host.audit.excuse_refresh(),
            _ => {}
        }
        let answer = host.phone.command(command, self.now);
        let call = answer.map(|accepted| accepted.call);
        if let Ok(Some(call)) = call {
            host.wanted.insert(call);
        }
        self.pump();
        call
    }

    /// The state of a phone's only live call.
    pub fn state(&self, phone: usize) -> Option<CallState> {
        self.hosts[phone].only_call(self.now).map(|call| call.state)
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets time pass until `done`, but not longer than `limit`; whether it came to that.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                self.now = until;
                return done(self);
            }
        }
    }

    /// One thing happens, unless it would be after `until`.
    fn step(&mut self, until: Instant) -> bool {
        let Some(at) = self.next_moment().filter(|at| *at <= until) else {
            return false;
        };
        self.now = self.now.max(at);
        let now = self.now;
        if let Some(entry) = self.happenings.first_entry()
            && entry.key().0 <= now
        {
            let happening = entry.remove();
            self.happen(happening);
        }
        for host in self.hosts.iter_mut().filter(|host| host.asleep_until.is_none()) {
            if host.phone.poll_wake().is_some_and(|wake| wake.at <= now) {
                host.phone.handle_timeout(now);
            }
        }
        if self.exchange.poll_wake().is_some_and(|wake| wake.at <= now) {
            self.exchange.handle_timeout(now);
        }
        self.pump();
        true
    }

    fn next_moment(&self) -> Option<Instant> {
        let awake = self.hosts.iter().filter(|host| host.asleep_until.is_none());
        let wakes = awake.filter_map(|host| host.phone.poll_wake()).map(|wake| wake.at);
        let exchange = self.exchange.poll_wake().map(|wake| wake.at);
        let happening = self.happenings.keys().next().map(|(at, _)| *at);
        wakes.chain(exchange).chain(happening).min()
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, moment: Instant, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((moment, self.sequence), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AtPhone { exchange, bytes } => self.arrive_at_phone(exchange, bytes),
            Happening::AtExchange { exchange, bytes } => self.exchange.handle_received(exchange, &bytes, self.now),
            Happening::Resolved { host } => self.resolve(host),
            Happening::Opened { host, flow, local } => self.tell(host, Input::FlowOpened { flow, local }),
            Happening::ClosedAtPhone { host, flow, why } => {
                self.hosts[host].audit.excuse_refresh();
                self.connections
                    .retain(|_, connection| (connection.host, connection.flow) != (host, flow));
                let why = why.to_owned();
                self.tell(host, Input::FlowClosed { flow, why });
            }
            Happening::ClosedAtExchange { flow } => self.exchange.handle_closed(flow, self.now),
            Happening::PathReady { host, call } => self.path_ready(host, call),
            Happening::PathChanged { host, call } => self.path_changed(host, call),
            Happening::Tone { host, call, digit } => {
                let fact = MediaFact::Digit(digit);
                self.tell(host, Input::Media { call, fact });
            }
            Happening::Listen { host, call } => self.listen(host, call),
            Happening::Wakes { host, slept } => {
                self.hosts[host].asleep_until = None;
                self.tell(host, Input::Slept(slept));
            }
            Happening::ServerBack => self.servers = [Server::Up; 2],
        }
    }

    /// A fact for a phone; one that sleeps hears nothing.
    fn tell(&mut self, host: usize, input: Input<'_>) {
        let host = &mut self.hosts[host];
        if host.asleep_until.is_none() {
            host.phone.handle(input, self.now);
        }
    }

    fn path_ready(&mut self, host: usize, call: CallId) {
        if let Some(rtp) = self.hosts[host].paths.get(&call).copied() {
            let path = LocalPath::plain(rtp);
            self.tell(host, Input::PathReady { call, path });
        }
    }

    fn path_changed(&mut self, host: usize, call: CallId) {
        let machine = &mut self.hosts[host];
        if machine.paths.contains_key(&call) {
            let rtp = SocketAddr::new(machine.ip, machine.port());
            machine.paths.insert(call, rtp);
            let path = LocalPath::plain(rtp);
            self.tell(host, Input::PathChanged { call, path });
        }
    }

    /// Whether a call's media has come in the last minute, and the next time to ask.
    fn listen(&mut self, host: usize, call: CallId) {
        if !self.hosts[host].plans.contains_key(&call) {
            return;
        }
        if self.talker(host, call).is_none() && !self.hears_exchange(host, call) {
            let fact = MediaFact::NothingFor(SILENCE);
            self.tell(host, Input::Media { call, fact });
        }
        self.later(SILENCE, Happening::Listen { host, call });
    }

    /// Who sends to this call: the phone whose path it sends to, if that is awake and sends to ours.
    pub fn talker(&self, host: usize, call: CallId) -> Option<(usize, CallId)> {
        let (plan, path) = (self.hosts[host].plans.get(&call)?, self.hosts[host].paths.get(&call)?);
        let mut others = self
            .hosts
            .iter()
            .enumerate()
            .filter(|(index, other)| *index != host && other.asleep_until.is_none());
        others.find_map(|(index, other)| {
            let (theirs, _) = other.paths.iter().find(|(_, theirs)| **theirs == plan.remote_rtp)?;
            let back = other.plans.get(theirs)?;
            (back.remote_rtp == *path).then_some((index, *theirs))
        })
    }

    /// Whether this call is with the exchange itself, each sends to where the other listens, and the keys match.
    pub fn hears_exchange(&self, host: usize, call: CallId) -> bool {
        let machine = &self.hosts[host];
        let found = (machine.plans.get(&call), machine.paths.get(&call));
        let ((Some(plan), Some(path)), Some((agreed, desk))) = (found, self.exchange.agreed(&machine.config.user))
        else {
            return false;
        };
        let keys_match = match (&plan.srtp, &agreed.srtp) {
            (Some(ours), Some(theirs)) => {
                ours.suite() == theirs.suite
                    && (&ours.local().key, &ours.local().salt) == (&theirs.remote.key, &theirs.remote.salt)
                    && (&ours.remote().key, &ours.remote().salt) == (&theirs.local.key, &theirs.local.salt)
            }
            (None, None) => true,
            _ => false,
        };
        keys_match
            && plan.remote_rtp == desk
            && agreed.remote.is_some_and(|remote| remote.rtp == *path)
            && plan.direction == agreed.direction.reversed()
            && plan.send.codec == agreed.send.codec
    }

    /// Carries out what everybody wants, until nobody wants anything.
    fn pump(&mut self) {
        loop {
            let mut moved = false;
            for host in 0..self.hosts.len() {
                while let Some(output) = self.hosts[host].phone.poll_output() {
                    moved = true;
                    self.carry_out(host, output);
                }
                self.hosts[host].audit.settled();
            }
            while let Some(output) = self.exchange.poll_output() {
                moved = true;
                self.carry_from_exchange(output);
            }
            if !moved {
                return;
            }
        }
    }

    /// Writes a message into the diary, if messages are wanted there.
    fn trace(&mut self, host: usize, way: &str, bytes: &[u8]) {
        let is_keep_alive = bytes.first().is_none_or(|byte| matches!(byte, 0 | 1 | b'\r' | b'\n'));
        if self.traced && !is_keep_alive {
            let text = String::from_utf8_lossy(bytes);
            let first = text.lines().next().unwrap_or_default();
            let cseq = text.lines().find(|line| line.starts_with("CSeq")).unwrap_or_default();
            self.note(format!("phone {host} {way} {first} {cseq}"));
        }
    }
}
