//! The practice exchange: a small PBX to try the phone on, without an account anywhere.
//!
//! [`Exchange`] is a registrar and a back-to-back agent (RFC 3261 6, RFC 7092) as one pure machine: each call is a
//! [`Session`] with each phone, and where two phones talk their sound is carried from one to the other under new keys.
//! The numbers: 600 echo, 601 calls back, 602 speaks, 603 echo over a bad line, 604 busy, 605 rings for ever, *97 the
//! mailbox with one message, and three extensions that can call each other. There is no codec in here: what is spoken
//! are encoded frames that were handed in. Transfers are not carried out.

pub mod bad_line;
mod calls;
mod hunt;
mod leg;
mod login;
mod mailbox;
mod numbers;
mod registrar;
mod requests;
mod speech;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use numbers::{EXTENSIONS, MAILBOX};
pub use registrar::{LONGEST, SHORTEST};
pub use speech::{BadBundle, Speech};

use crate::ids::FlowId;
use crate::media::session::Socket;
use crate::random::Random;
use crate::sdp::negotiate::LocalPath;
use crate::secret::Secret;
use crate::sip::endpoint::{ClientKey, Endpoint, Flow};
use crate::sip::session::{RequestId, Session};
use crate::sip::timers::Timers;
use crate::time::{Instant, Wake, earliest};
use bad_line::Quality;
use bytes::Bytes;
use hunt::Hunt;
use leg::{HuntId, Leg};
use login::Login;
use mailbox::Mailbox;
use registrar::Registrar;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::{Heard, Wire};

/// Requests that may be open at a time: many phones at once, each with a few.
const SERVER_LIMIT: usize = 4_096;

/// One leg of a call: the exchange's end of the media path to one phone. Never reused within one run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub u32);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg-{}", self.0)
    }
}

/// What an exchange is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SIP domain that it serves, which is the realm of its logins too.
    pub domain: String,
    /// The extensions, each with its password; usually [`EXTENSIONS`].
    pub passwords: BTreeMap<String, Secret>,
    /// What is spoken by 601, 602 and the mailbox.
    pub speech: Speech,
    /// How bad the line of 603 is, each way.
    pub bad_line: Quality,
    /// How often a phone with outbound must ping its flow (RFC 5626 4.4.1); `None` leaves it to the phone.
    pub flow_timer: Option<Duration>,
}

/// What the exchange wants done. Everything here is carried out at once and in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send bytes of a stream, or one datagram.
    Transmit {
        /// On which flow.
        flow: FlowId,
        /// Where to, if not to the flow's far end: by UDP to a client without `rport`.
        to: Option<SocketAddr>,
        /// What.
        bytes: Bytes,
    },
    /// Close a flow: what came by it cannot be understood.
    CloseFlow(FlowId),
    /// Make a media path, and tell of it by [`Exchange::handle_path`].
    OpenPath {
        /// For whom.
        leg: LegId,
        /// The address by which the phone reaches the exchange.
        local: IpAddr,
    },
    /// Give a path up.
    ClosePath(LegId),
    /// Send a datagram on a path.
    SendDatagram {
        /// On whose.
        leg: LegId,
        /// Where to.
        to: SocketAddr,
        /// By which socket.
        socket: Socket,
        /// What.
        bytes: Vec<u8>,
    },
}

/// The exchange. See the module.
#[derive(Debug)]
pub struct Exchange {
    settings: Settings,
    random: Random,
    endpoint: Endpoint,
    wires: BTreeMap<FlowId, Wire>,
    login: Login,
    registrar: Registrar,
    mailbox: Mailbox,
    legs: BTreeMap<LegId, Leg>,
    hunts: BTreeMap<HuntId, Hunt>,
    /// Whose request each client transaction carries.
    asked: BTreeMap<ClientKey, (LegId, RequestId)>,
    /// Who is called back by 601, and when.
    call_backs: Vec<(Instant, String)>,
    last_leg: u32,
    last_hunt: u32,
    outputs: VecDeque<Output>,
}

impl Exchange {
    /// An exchange that nobody has called yet. `random` must be strong where calls are real: keys are drawn from it.
    pub fn new(settings: Settings, mut random: Random) -> Self {
        let flow_timer = settings
            .flow_timer
            .map(|timer| u32::try_from(timer.as_secs()).unwrap_or(u32::MAX));
        Self {
            endpoint: Endpoint::new(Timers::default(), &mut random).with_server_limit(SERVER_LIMIT),
            wires: BTreeMap::new(),
            login: Login::new(&settings.domain, settings.passwords.clone()),
            registrar: Registrar::new(flow_timer),
            mailbox: Mailbox::default(),
            legs: BTreeMap::new(),
            hunts: BTreeMap::new(),
            asked: BTreeMap::new(),
            call_backs: Vec::new(),
            last_leg: 0,
            last_hunt: 0,
            outputs: VecDeque::new(),
            settings,
            random,
        }
    }

    /// A phone has connected; a UDP socket's peer counts as a flow of its own. The number must be new.
    pub fn handle_flow_opened(&mut self, flow: Flow) {
        self.wires.insert(flow.id, Wire::new(flow));
    }

    /// A connection is gone.
    pub fn handle_flow_closed(&mut self, flow: FlowId, now: Instant) {
        if self.wires.remove(&flow).is_some() {
            self.registrar.handle_flow_lost(flow);
            self.endpoint.handle_flow_lost(flow, now);
            self.settle(now);
        }
    }

    /// Bytes of a stream, or one datagram.
    pub fn handle_received(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        let Some(wire) = self.wires.get_mut(&flow) else { return };
        let (heard, flow) = (wire.handle_received(bytes), wire.flow.clone());
        for heard in heard {
            match heard {
                Heard::Message(message) => self.endpoint.handle_message(&flow, *message, now),
                Heard::Answer(bytes) => self.transmit(flow.id, None, bytes.into()),
                Heard::Refused(refusal) => self.endpoint.handle_refusal(&flow, &refusal),
                Heard::Lost => {
                    self.settle(now);
                    self.outputs.push_back(Output::CloseFlow(flow.id));
                    self.handle_flow_closed(flow.id, now);
                }
            }
        }
        self.settle(now);
    }

    /// The media path of a leg is ready.
    pub fn handle_path(&mut self, leg: LegId, path: LocalPath, now: Instant) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.path = Some(path);
        }
        self.settle(now);
    }

    /// A leg gets no media path: its call ends.
    pub fn handle_path_failed(&mut self, leg: LegId, now: Instant) {
        self.hang_up(leg, None, now);
        self.settle(now);
    }

    /// A datagram came on a leg's media path.
    pub fn handle_datagram(&mut self, leg: LegId, source: SocketAddr, bytes: &[u8], socket: Socket, now: Instant) {
        let Some(media) = self.legs.get_mut(&leg).and_then(|leg| leg.media.as_mut()) else {
            return;
        };
        let packet = media.handle_datagram(source, bytes, socket, now);
        self.drain_media(leg);
        if let (Some(packet), Some(peer)) = (packet, self.peer_of(leg))
            && let Some(media) = self.legs.get_mut(&peer).and_then(|leg| leg.media.as_mut())
        {
            media.carry(&packet);
            self.drain_media(peer);
        }
    }

    /// A moment that [`Exchange::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.registrar.handle_timeout(now);
        for leg in self.legs.values_mut() {
            leg.handle_timeout(now);
        }
        self.give_up_hunts(now);
        self.call_back_whoever_is_due(now);
        self.settle(now);
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Exchange::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let own = [
            self.endpoint.poll_wake(),
            self.registrar.poll_wake(),
            self.call_backs
                .iter()
                .map(|(at, _)| *at)
                .min()
                .map(|at| Wake::new(at, "601 calls back")),
            self.hunts
                .values()
                .map(|hunt| hunt.give_up_at)
                .min()
                .map(|at| Wake::new(at, "nobody answers")),
        ];
        earliest(own.into_iter().chain(self.legs.values().map(Leg::poll_wake)))
    }

    /// How many phones are registered for `extension`.
    pub fn registered(&self, extension: &str) -> usize {
        self.registrar.bindings(extension).len()
    }

    /// How many legs there are, and transactions, ours and theirs: for tests of leaks.
    pub fn load(&self) -> (usize, (usize, usize)) {
        (self.legs.len(), self.endpoint.transactions())
    }

    /// After every input: carries each machine's wishes to the next until none is left.
    fn settle(&mut self, now: Instant) {
        loop {
            let mut moved = false;
            while let Some(output) = self.endpoint.poll_output() {
                moved = true;
                self.handle_endpoint(output, now);
            }
            let legs: Vec<LegId> = self.legs.keys().copied().collect();
            for leg in legs {
                while let Some(output) = self.session_output(leg) {
                    moved = true;
                    self.handle_session(leg, output, now);
                }
                moved |= self.advance(leg, now);
                self.drain_media(leg);
            }
            if !moved {
                break;
            }
        }
        self.legs.retain(|_, leg| !leg.released);
        self.asked.retain(|_, (leg, _)| self.legs.contains_key(leg));
    }

    fn session_output(&mut self, leg: LegId) -> Option<crate::sip::session::Output> {
        self.legs.get_mut(&leg)?.session.as_mut().and_then(Session::poll_output)
    }

    fn drain_media(&mut self, id: LegId) {
        let Some(media) = self.legs.get_mut(&id).and_then(|leg| leg.media.as_mut()) else {
            return;
        };
        for transmit in media.take_transmits() {
            self.outputs.push_back(Output::SendDatagram {
                leg: id,
                to: transmit.to,
                socket: transmit.socket,
                bytes: transmit.bytes,
            });
        }
    }

    fn transmit(&mut self, flow: FlowId, to: Option<SocketAddr>, bytes: Bytes) {
        self.outputs.push_back(Output::Transmit { flow, to, bytes });
    }
}
