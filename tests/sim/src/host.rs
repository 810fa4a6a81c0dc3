//! A machine with a real phone on it, and what its user, its sound and its network interface would know.

use crate::audit::Audit;
use crate::exchange::DOMAIN;
use crate::interposer::Interposer;
use crate::network::Nat;
use crate::numbers;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::{AccountConfig, Transport};
use toestel_proto::codec::MediaPolicy;
use toestel_proto::ids::{AccountId, CallId, FlowId};
use toestel_proto::media::plan::MediaPlan;
use toestel_proto::phone::{CallState, CallView, Event, Phone, View};
use toestel_proto::random::Random;
use toestel_proto::secret::Secret;
use toestel_proto::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct Host {
    /// The real phone.
    pub phone: Phone,
    /// Its only account.
    pub account: AccountId,
    /// As the account was configured.
    pub config: AccountConfig,
    /// What survives a crash.
    pub memory: AccountMemory,
    /// The address of its interface.
    pub ip: IpAddr,
    /// What it is behind.
    pub nat: Option<Nat>,
    /// The next free port.
    pub next_port: u16,
    /// It sleeps until then.
    pub asleep_until: Option<Instant>,
    /// The media path of each call.
    pub paths: BTreeMap<CallId, SocketAddr>,
    /// The newest plan of each call.
    pub plans: BTreeMap<CallId, MediaPlan>,
    /// The state of each call as the events told it.
    pub told: BTreeMap<CallId, CallState>,
    /// Why each call ended, as the events told it.
    pub endings: BTreeMap<CallId, (Option<u16>, Option<String>)>,
    /// The tones that were heard.
    pub digits: Vec<char>,
    /// Calls that the user made or took: only these may use the microphone.
    pub wanted: BTreeSet<CallId>,
    /// The last reason for not being registered, and when the phone tries again.
    pub unregistered: Option<(String, Option<u64>)>,
    /// What the phone warned of.
    pub warnings: Vec<String>,
    /// How often the phone said that it is registered.
    pub registrations: u64,
    /// Judges every message.
    pub audit: Audit,
    /// A planted bug.
    pub interposer: Option<Interposer>,
}

/// What a new host is made of.
#[derive(Clone, Debug)]
pub struct HostSetup {
    /// Which one: decides on its extension and addresses.
    pub index: usize,
    /// TLS, TCP or UDP.
    pub transport: Transport,
    /// How media is protected.
    pub media: MediaPolicy,
    /// What it is behind.
    pub nat: Option<Nat>,
}

impl Host {
    /// A phone with an account that registers at once.
    pub fn new(setup: &HostSetup, password: &str, mut random: Random, now: Instant) -> Self {
        let mut config = AccountConfig::new(DOMAIN, numbers::extension(setup.index));
        config.transport = setup.transport;
        config.media = setup.media;
        let mut phone = Phone::new(Random::seeded(random.u64()));
        let account = phone
            .add_account(config.clone(), Secret::new(password), AccountMemory::default(), now)
            .expect("the account is valid");
        let private = u8::try_from(setup.index + 2).unwrap_or(u8::MAX);
        let ip = if setup.nat.is_some() {
            IpAddr::from([10, 0, private, 2])
        } else {
            IpAddr::from([203, 0, 113, private])
        };
        Self {
            phone,
            account,
            config,
            memory: AccountMemory::default(),
            ip,
            nat: setup.nat,
            next_port: 40_000,
            asleep_until: None,
            paths: BTreeMap::new(),
            plans: BTreeMap::new(),
            told: BTreeMap::new(),
            endings: BTreeMap::new(),
            digits: Vec::new(),
            wanted: BTreeSet::new(),
            unregistered: None,
            warnings: Vec::new(),
            registrations: 0,
            audit: Audit::default(),
            interposer: None,
        }
    }

    /// The program dies without a word and is started again.
    pub fn crash(&mut self, password: &str, seed: u64, now: Instant) {
        self.phone = Phone::new(Random::seeded(seed));
        self.account = self
            .phone
            .add_account(self.config.clone(), Secret::new(password), self.memory.clone(), now)
            .expect("the account is valid");
        self.paths.clear();
        self.plans.clear();
        self.told.clear();
        self.wanted.clear();
        self.endings.clear();
        self.audit.excuse_refresh();
    }

    /// A port that was not used before, with a free one above it.
    pub fn port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port > 60_000 { 40_000 } else { port + 2 };
        port
    }

    /// The address as others see it.
    pub fn public_ip(&self) -> IpAddr {
        self.nat.map_or(self.ip, |nat| nat.public)
    }

    /// The calls that are not over.
    pub fn live_calls(&self, now: Instant) -> Vec<CallView> {
        let View { calls, .. } = self.phone.view(now);
        calls
            .into_iter()
            .filter(|call| call.state != CallState::Ended)
            .collect()
    }

    /// The only call that is not over.
    pub fn only_call(&self, now: Instant) -> Option<CallView> {
        let mut live = self.live_calls(now);
        (live.len() == 1).then(|| live.remove(0))
    }

    /// Whether the phone says that it is registered.
    pub fn is_registered(&self, now: Instant) -> bool {
        self.phone.view(now).registered
    }

    /// What the phone told.
    pub fn hear(&mut self, event: Event) {
        match event {
            Event::Registered { .. } => {
                self.registrations += 1;
                self.unregistered = None;
            }
            Event::Unregistered {
                reason, retry_in_ms, ..
            } => self.unregistered = Some((reason, retry_in_ms)),
            Event::Incoming { call, replaces, .. } => {
                self.told.insert(call, CallState::Ringing);
                // Who takes the place of a call that the user took, or placed, is as wanted as that one.
                if replaces.is_some_and(|old| self.wanted.contains(&old)) {
                    self.wanted.insert(call);
                }
            }
            Event::Call {
                call,
                state,
                code,
                reason,
                ..
            } => {
                self.told.insert(call, state);
                if state == CallState::Ended {
                    self.endings.insert(call, (code, reason));
                }
            }
            Event::Dtmf { digit, .. } => self.digits.push(digit),
            Event::Warning { text } => self.warnings.push(text),
            _ => {}
        }
    }

    /// Media was agreed: what is wrong with it, if anything.
    pub fn adopt(&mut self, call: CallId, plan: MediaPlan) -> Option<String> {
        let complaint = if !self.wanted.contains(&call) && plan.direction.sends() {
            Some(format!(
                "{call}: the microphone was opened before the user took the call"
            ))
        } else if self.config.media == MediaPolicy::Required && plan.srtp.is_none() {
            Some(format!("{call}: plain RTP although encryption is required"))
        } else if !self.paths.contains_key(&call) {
            Some(format!("{call}: media without a path"))
        } else {
            None
        };
        self.plans.insert(call, plan);
        complaint
    }

    /// What a call that is over leaves behind in the machine.
    pub fn close_path(&mut self, call: CallId) {
        self.paths.remove(&call);
        self.plans.remove(&call);
    }
}

/// A flow of one of the phones.
pub type HostFlow = (usize, FlowId);
