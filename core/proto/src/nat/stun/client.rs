//! One Binding transaction over an unreliable transport (RFC 8489 6.2.1): ask a server which address it sees.
//!
//! Retransmissions after 500 ms, 1 s, 2 s and so on, seven in all, and 16 times the first interval of patience at the
//! end. The caller sends what [`BindingClient::poll_transmit`] gives and hands every STUN datagram of that server in.

use super::parse::{Received, parse};
use super::{Attribute, Class, Message, Method, TransactionId, write};
use crate::random::Random;
use crate::time::{Instant, Wake};
use std::net::SocketAddr;
use std::time::Duration;

/// RTO: the first interval.
const RTO: Duration = Duration::from_millis(500);
/// Rc: how often the request is sent.
const RC: u32 = 7;
/// Rm: how many RTO are waited after the last request.
const RM: u32 = 16;

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindingOutcome {
    /// The server sees us at this address.
    Mapped(SocketAddr),
    /// The server refuses with this code.
    Refused(u16),
    /// The server answered with something that cannot be used.
    Unusable,
    /// Nothing came.
    TimedOut,
}

/// One Binding transaction.
#[derive(Clone, Debug)]
pub struct BindingClient {
    transaction: TransactionId,
    request: Vec<u8>,
    sent: u32,
    due: bool,
    next: Instant,
    done: bool,
}

impl BindingClient {
    /// Starts a transaction; its first request is to be sent at once.
    pub fn new(random: &mut Random, now: Instant) -> Self {
        let mut id = [0; 12];
        random.fill(&mut id);
        let transaction = TransactionId(id);
        Self {
            transaction,
            request: write(&Message::binding_request(transaction), None),
            sent: 0,
            due: true,
            next: now,
            done: false,
        }
    }

    /// The datagram to send now, if one is due.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        if !std::mem::take(&mut self.due) || self.done {
            return None;
        }
        let factor = if self.sent.saturating_add(1) >= RC {
            RM
        } else {
            1_u32 << self.sent.min(RC)
        };
        self.sent = self.sent.saturating_add(1);
        self.next = now + RTO.saturating_mul(factor);
        Some(&self.request)
    }

    /// A datagram from the server. `None` if it is no answer to this transaction: then it is somebody else's.
    pub fn handle_datagram(&mut self, bytes: &[u8]) -> Option<BindingOutcome> {
        let received = parse(bytes).ok()?;
        if self.done || received.message.transaction != self.transaction || received.message.method != Method::BINDING {
            return None;
        }
        let outcome = outcome_of(&received)?;
        self.done = true;
        Some(outcome)
    }

    /// The moment of [`BindingClient::poll_wake`] has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<BindingOutcome> {
        if self.done || self.due || now < self.next {
            return None;
        }
        if self.sent >= RC {
            self.done = true;
            return Some(BindingOutcome::TimedOut);
        }
        self.due = true;
        None
    }

    /// When to call [`BindingClient::handle_timeout`]; changes after each transmission.
    pub fn poll_wake(&self) -> Option<Wake> {
        (!self.done && !self.due).then(|| Wake::new(self.next, "STUN retransmission"))
    }
}

fn outcome_of(received: &Received) -> Option<BindingOutcome> {
    let message = &received.message;
    match message.class {
        Class::Request | Class::Indication => None,
        _ if !message.unknown_required().is_empty() => Some(BindingOutcome::Unusable),
        Class::Success => Some(
            message
                .mapped_address()
                .map_or(BindingOutcome::Unusable, BindingOutcome::Mapped),
        ),
        Class::Error => Some(match message.error() {
            Some(error) => BindingOutcome::Refused(error.code),
            None => BindingOutcome::Unusable,
        }),
    }
}

impl Message {
    /// The success answer to a Binding request from `source`.
    pub fn binding_answer(&self, source: SocketAddr) -> Self {
        Self {
            class: Class::Success,
            method: self.method,
            transaction: self.transaction,
            attributes: vec![Attribute::XorMappedAddress(source)],
        }
    }
}
