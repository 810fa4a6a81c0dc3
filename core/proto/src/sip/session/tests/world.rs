//! Two sessions with real endpoints and a network between them that loses, repeats, delays and reorders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{dial_of, settings};
use crate::ids::FlowId;
use crate::random::Random;
use crate::sip::endpoint::{self, ClientKey, Endpoint, Flow};
use crate::sip::msg::{Method, Request, Response, StatusCode, Transport};
use crate::sip::parse;
use crate::sip::session::{Event, Output, RequestId, Session, Settings};
use crate::sip::timers::Timers;
use crate::time::{Instant, earliest};

/// What the network does to each message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    /// In percent.
    pub(super) loss: u64,
    /// In percent.
    pub(super) duplication: u64,
    pub(super) delay: (Duration, Duration),
    /// A stream keeps order and loses nothing.
    pub(super) stream: bool,
}

impl Network {
    pub(super) const PERFECT: Self = Self {
        loss: 0,
        duplication: 0,
        delay: (Duration::from_millis(10), Duration::from_millis(10)),
        stream: true,
    };
    pub(super) const BAD: Self = Self {
        loss: 20,
        duplication: 10,
        delay: (Duration::from_millis(5), Duration::from_millis(900)),
        stream: false,
    };
}

/// One side.
pub(super) struct Phone {
    endpoint: Endpoint,
    flow: Flow,
    random: Random,
    pub(super) session: Option<Session>,
    keys: BTreeMap<RequestId, ClientKey>,
    ids: BTreeMap<ClientKey, RequestId>,
    pub(super) events: Vec<Event>,
    pub(super) released: bool,
    /// The CSeqs of our INVITEs that got a 2xx, and of those that we acknowledged.
    pub(super) successes: BTreeSet<u32>,
    pub(super) acks: BTreeSet<u32>,
    /// The methods of the requests that came.
    pub(super) received: Vec<Method>,
}

pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;

/// Alice calls Bob.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) network: Network,
    pub(super) phones: [Phone; 2],
    wire: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sequence: u64,
    last_arrival: [Instant; 2],
    pub(super) random: Random,
    /// Set up how Bob's settings look.
    pub(super) tune: fn(&mut Settings),
}

impl World {
    pub(super) fn new(network: Network, seed: u64) -> Self {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let phones = [0_u8, 1].map(|side| Phone::new(network, side, &mut random));
        Self {
            now: Instant::from_millis(1_000),
            network,
            phones,
            wire: BTreeMap::new(),
            sequence: 0,
            last_arrival: [Instant::ORIGIN; 2],
            random,
            tune: |_| {},
        }
    }

    pub(super) fn dial(&mut self, offer: Option<Bytes>) {
        let mut dial = dial_of("alice", offer);
        (self.tune)(&mut dial.settings);
        self.phones[ALICE].session = Some(Session::dial(dial, &mut self.random));
        self.pump();
    }

    /// Lets `side` do something, and the network begin to carry it.
    pub(super) fn act<T>(&mut self, side: usize, act: impl FnOnce(&mut Session, Instant) -> T) -> T {
        let result = act(self.phones[side].session.as_mut().expect("a session"), self.now);
        self.pump();
        result
    }

    /// As [`World::act`], for what may be refused.
    pub(super) fn attempt<T, E>(&mut self, side: usize, act: impl FnOnce(&mut Session, Instant) -> Result<T, E>) {
        let _ = self.act(side, act);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.deliver_due();
            for phone in &mut self.phones {
                phone.endpoint.handle_timeout(self.now);
                if let Some(session) = &mut phone.session {
                    session.handle_timeout(self.now);
                }
            }
            self.pump();
        }
        self.now = until;
    }

    fn next_moment(&self) -> Option<Instant> {
        let wakes = self.phones.iter().flat_map(|phone| {
            let session = phone.session.as_ref().and_then(Session::poll_wake);
            [phone.endpoint.poll_wake(), session]
        });
        let wake = earliest(wakes).map(|wake| wake.at);
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        wake.into_iter().chain(arrival).min()
    }

    fn deliver_due(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, bytes) = entry.remove();
            let message = parse::datagram(&bytes).unwrap_or_else(|refusal| panic!("{refusal}: {bytes:?}"));
            let phone = &mut self.phones[to];
            let flow = phone.flow.clone();
            phone.endpoint.handle_message(&flow, message, self.now);
            self.pump();
        }
    }

    fn pump(&mut self) {
        for side in [ALICE, BOB] {
            loop {
                let sent = self.phones[side].step(self.now, &mut self.random, self.tune);
                let Some(sent) = sent else { break };
                for bytes in sent {
                    self.carry(1 - side, bytes);
                }
            }
        }
    }

    fn carry(&mut self, to: usize, bytes: Bytes) {
        let network = self.network;
        if !network.stream && self.random.below(100) < network.loss {
            return;
        }
        let copies = if !network.stream && self.random.below(100) < network.duplication {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let mut at = self.now + self.random.duration(network.delay.0, network.delay.1);
            if network.stream {
                at = at.max(self.last_arrival[to]);
                self.last_arrival[to] = at;
            }
            self.sequence += 1;
            self.wire.insert((at, self.sequence), (to, bytes.clone()));
        }
    }
}

impl Phone {
    fn new(network: Network, side: u8, random: &mut Random) -> Self {
        let address = |side: u8| SocketAddr::from(([192, 0, 2, side + 1], 5060));
        let transport = if network.stream { Transport::Tcp } else { Transport::Udp };
        let mut flow = Flow::new(FlowId(u32::from(side)), transport, address(side), address(1 - side));
        flow.datagram_limit = usize::MAX;
        Self {
            endpoint: Endpoint::new(Timers::default(), random),
            flow,
            random: Random::seeded(random.u64()),
            session: None,
            keys: BTreeMap::new(),
            ids: BTreeMap::new(),
            events: Vec::new(),
            released: false,
            successes: BTreeSet::new(),
            acks: BTreeSet::new(),
            received: Vec::new(),
        }
    }

    /// Moves one thing on; the bytes to be sent, or `None` if there is nothing to do.
    fn step(&mut self, now: Instant, random: &mut Random, tune: fn(&mut Settings)) -> Option<Vec<Bytes>> {
        if let Some(output) = self.session.as_mut().and_then(Session::poll_output) {
            self.perform(output, now);
            return Some(Vec::new());
        }
        match self.endpoint.poll_output()? {
            endpoint::Output::Transmit { bytes, .. } => return Some(vec![bytes]),
            endpoint::Output::Request { key, request, .. } => self.take_request(key, request, now, random, tune),
            endpoint::Output::Response { key, response, .. } => {
                if response.cseq.method == Method::Invite && response.status.is_success() {
                    self.successes.insert(response.cseq.number);
                }
                if let (Some(id), Some(session)) = (self.ids.get(&key), &mut self.session) {
                    session.handle_response(*id, &response, now);
                }
            }
            endpoint::Output::Failed { key, why, .. } => {
                if let (Some(id), Some(session)) = (self.ids.get(&key), &mut self.session) {
                    session.handle_failed(*id, why, now);
                }
            }
            endpoint::Output::Ack { request, .. } => {
                if let Some(session) = &mut self.session {
                    session.handle_ack(&request, now);
                }
            }
            endpoint::Output::Cancelled { key, cancel } => {
                if let Some(session) = &mut self.session {
                    session.handle_cancel(key, &cancel, now);
                }
            }
            endpoint::Output::Stranded { key } => {
                if let Some(session) = &mut self.session {
                    session.handle_stranded(key, now);
                }
            }
        }
        Some(Vec::new())
    }

    fn take_request(
        &mut self,
        key: endpoint::ServerKey,
        request: Request,
        now: Instant,
        random: &mut Random,
        tune: fn(&mut Settings),
    ) {
        self.received.push(request.method.clone());
        match &mut self.session {
            Some(session) if session.owns(&request) => session.handle_request(key, request, now),
            None if request.method == Method::Invite => {
                let mut settings = settings("bob");
                tune(&mut settings);
                match Session::incoming(settings, key, request, now, random) {
                    Ok(session) => self.session = Some(session),
                    Err(refusal) => self.endpoint.respond(&key, &refusal, now).unwrap(),
                }
            }
            _ => {
                let status = StatusCode::NO_SUCH_CALL;
                let refusal = Response::to(&request, status).with_to_tag("none");
                self.endpoint.respond(&key, &refusal, now).unwrap();
            }
        }
    }

    fn perform(&mut self, output: Output, now: Instant) {
        match output {
            Output::Send { id, request } => {
                let sent = self.endpoint.send_request(request, &self.flow, now, &mut self.random);
                let key = sent.unwrap();
                self.keys.insert(id, key);
                self.ids.insert(key, id);
            }
            Output::Cancel { id, reason } => {
                self.endpoint
                    .cancel(&self.keys[&id], reason.map(|reason| reason.to_string()), now);
            }
            Output::Ack { request } => {
                self.acks.insert(request.cseq);
                self.endpoint.send_ack(request, &self.flow, &mut self.random).unwrap();
            }
            // Too late for the transaction layer is too late for the network: a repetition may be refused.
            Output::Respond { key, response } => drop(self.endpoint.respond(&key, &response, now)),
            Output::Challenge { .. } => panic!("nobody challenges here"),
            Output::Event(Event::Request { key, request }) => {
                let accepted = Response::to(&request, StatusCode::ACCEPTED);
                self.endpoint.respond(&key, &accepted, now).unwrap();
            }
            Output::Event(event) => self.events.push(event),
            Output::Released => {
                assert!(!self.released, "released twice");
                self.released = true;
            }
        }
    }

    pub(super) fn ends(&self) -> usize {
        self.events
            .iter()
            .filter(|event| matches!(event, Event::Ended(_)))
            .count()
    }

    pub(super) fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}
