//! What lies between a phone and the exchange: delay, loss, order, NATs, and connections that break.
//!
//! A stream loses nothing and keeps its order; what is lost under way comes later. A datagram may be lost, come twice
//! or be overtaken. A NAT forgets a mapping that was idle for long: a stream then leads nowhere, a datagram gets a new
//! port and the old one is deaf.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toestel_proto::ids::FlowId;
use toestel_proto::random::Random;
use toestel_proto::time::Instant;

/// The shortest time for which any NAT remembers a stream.
const STREAM_MEMORY: Duration = Duration::from_secs(150);

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Lost packets, in percent.
    pub loss: u64,
    /// Datagrams that come twice, in percent.
    pub duplication: u64,
    /// The shortest and the longest time that a packet takes.
    pub delay: (Duration, Duration),
}

impl Weather {
    /// Nothing is lost and 20 ms are enough.
    pub const FINE: Self = Self {
        loss: 0,
        duplication: 0,
        delay: (Duration::from_millis(18), Duration::from_millis(22)),
    };
}

/// An address translator in front of a phone.
#[derive(Clone, Copy, Debug)]
pub struct Nat {
    /// Its public side.
    pub public: IpAddr,
    /// How long it remembers a mapping that nobody uses.
    pub memory: Duration,
}

/// One connection, or one UDP socket's mapping.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose.
    pub host: usize,
    /// As the phone numbers it.
    pub flow: FlowId,
    /// As the exchange numbers it.
    pub exchange: FlowId,
    /// A stream.
    pub reliable: bool,
    /// As the exchange sees the phone.
    pub public: SocketAddr,
    /// The exchange's address that it leads to.
    pub server: SocketAddr,
    /// Nothing comes through any more, and nobody says so.
    pub dead: bool,
    /// The NAT was switched off and on.
    pub forgotten: bool,
    last_used: Instant,
    /// The last arrival on each way, so that a stream keeps its order.
    up: Instant,
    down: Instant,
}

/// What becomes of something that was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives at these moments: none, one, or two.
    Arrives(Vec<Instant>),
    /// The NAT has forgotten this connection.
    Forgotten,
}

impl Connection {
    /// A connection that opens now.
    pub fn new(host: usize, flow: FlowId, exchange: FlowId, ends: (SocketAddr, SocketAddr), now: Instant) -> Self {
        Self {
            host,
            flow,
            exchange,
            reliable: false,
            public: ends.0,
            server: ends.1,
            dead: false,
            forgotten: false,
            last_used: now,
            up: now,
            down: now,
        }
    }

    /// Whether the NAT, if there is one, still knows it.
    pub fn is_mapped(&self, nat: Option<Nat>, now: Instant) -> bool {
        // Everywhere streams are remembered for longer than datagrams.
        let least = if self.reliable { STREAM_MEMORY } else { Duration::ZERO };
        nat.is_none_or(|nat| !self.forgotten && now - self.last_used <= nat.memory.max(least))
    }

    /// Something is sent by the phone (`up`) or to it.
    pub fn carry(&mut self, up: bool, weather: Weather, nat: Option<Nat>, random: &mut Random, now: Instant) -> Fate {
        if !self.is_mapped(nat, now) {
            return Fate::Forgotten;
        }
        if self.dead {
            return Fate::Arrives(Vec::new());
        }
        self.last_used = now;
        if self.reliable {
            let order = if up { &mut self.up } else { &mut self.down };
            let arrival = (now + stream_delay(weather, random)).max(*order);
            *order = arrival;
            return Fate::Arrives(vec![arrival]);
        }
        let copies = if random.below(100) < weather.duplication { 2 } else { 1 };
        let arrivals = (0..copies).filter_map(|_| {
            let arrival = now + random.duration(weather.delay.0, weather.delay.1);
            (random.below(100) >= weather.loss).then_some(arrival)
        });
        Fate::Arrives(arrivals.collect())
    }

    /// The NAT made a new mapping.
    pub fn remap(&mut self, public: SocketAddr, exchange: FlowId, now: Instant) {
        (self.public, self.exchange, self.last_used) = (public, exchange, now);
        self.forgotten = false;
    }
}

/// A lost segment is sent again, ever later.
fn stream_delay(weather: Weather, random: &mut Random) -> Duration {
    let mut delay = random.duration(weather.delay.0, weather.delay.1);
    let mut wait = Duration::from_millis(250);
    while random.below(100) < weather.loss && wait < Duration::from_secs(4) {
        delay += wait;
        wait *= 2;
    }
    delay
}
