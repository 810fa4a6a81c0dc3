//! The transaction layer and the transport-facing core of SIP (RFC 3261 8, 17 and 18, RFC 3581, RFC 6026).
//!
//! Requests go out with [`Endpoint::send_request`] and come in as [`Output::Request`]; what is retransmitted, absorbed,
//! acknowledged hop by hop or matched happens in here. Flows are opened and closed elsewhere and named with each call.
//! Answered here, without asking: CANCEL (9.2), merged requests (482), too many requests (503), malformed ones.
//! Not done here: 2xx to an INVITE are repeated, and acknowledged, by the dialog.

mod incoming;
mod outgoing;

use super::msg::{Message, Request, Response, Transport};
use super::timers::Timers;
pub use super::transactions::{ClientKey, ServerKey};
use super::transactions::{ClientMachine, ClientMatch, Merge, ServerMachine, ServerMatch};
use crate::ids::FlowId;
use crate::random::Random;
use crate::time::{Instant, Wake, earliest};
use bytes::Bytes;
pub use incoming::RespondError;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// The largest request that goes by datagram while the path MTU is unknown (18.1.1).
pub const DATAGRAM_LIMIT: usize = 1_300;

/// How many requests may be answered at a time before further ones get 503.
pub const SERVER_LIMIT: usize = 64;

/// A connection that messages go through: a TLS or TCP stream, or a UDP socket with one far end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Which one.
    pub id: FlowId,
    /// What Via says.
    pub transport: Transport,
    /// Our end, `sent-by` in Via.
    pub local: SocketAddr,
    /// The far end.
    pub remote: SocketAddr,
    /// The largest request that may go by datagram; `usize::MAX` once TCP was tried in vain. Streams have no limit.
    pub datagram_limit: usize,
}

impl Flow {
    /// A flow whose path MTU is unknown.
    pub fn new(id: FlowId, transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            id,
            transport,
            local,
            remote,
            datagram_limit: DATAGRAM_LIMIT,
        }
    }

    /// Whether the transport retransmits by itself.
    pub fn is_reliable(&self) -> bool {
        self.transport.is_reliable()
    }
}

/// The request does not fit a datagram: take a stream, or raise [`Flow::datagram_limit`] if there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the request has {size} bytes, more than the {limit} that may go by datagram")]
pub struct TooLarge {
    /// Its size with the Via, in bytes.
    pub size: usize,
    /// The flow's limit.
    pub limit: usize,
}

/// Why a request got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody answered for 64*T1. Counts as 408 (8.1.3.1).
    #[error("no answer came in time")]
    Timeout,
    /// The connection broke. Counts as 503 (8.1.3.1).
    #[error("the connection was lost")]
    FlowLost,
}

/// What the endpoint wants done, or has to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send `bytes` through the flow.
    Transmit {
        /// Which flow.
        flow: FlowId,
        /// Where to, if not to the flow's far end: only responses by UDP to a client without `rport` (18.2.2).
        to: Option<SocketAddr>,
        /// The message.
        bytes: Bytes,
    },
    /// A new request: answer it with [`Endpoint::respond`]. Its top Via holds `received` and `rport` (18.2.1).
    Request {
        /// What to answer it by.
        key: ServerKey,
        /// Where it came from.
        flow: FlowId,
        /// The request; never ACK or CANCEL.
        request: Request,
    },
    /// A response to our request: each provisional one, one final one, and every 2xx to an INVITE.
    Response {
        /// What was asked.
        key: ClientKey,
        /// The request with its Via, as it was sent: what a digest answers and a CANCEL or ACK repeats.
        request: Arc<Request>,
        /// The response; its Via tells what address the far end saw (`received`, `rport`).
        response: Response,
    },
    /// Our request gets no final response any more.
    Failed {
        /// What was asked.
        key: ClientKey,
        /// The request with its Via.
        request: Arc<Request>,
        /// Why.
        why: Failure,
    },
    /// An ACK to a 2xx, for the dialog that sent it.
    Ack {
        /// Where it came from.
        flow: FlowId,
        /// The ACK.
        request: Request,
    },
    /// An undecided INVITE was cancelled; the CANCEL is answered, the INVITE must be: 487 (9.2).
    Cancelled {
        /// The INVITE.
        key: ServerKey,
        /// The CANCEL, whose Reason may say that the call was answered elsewhere (RFC 3326).
        cancel: Request,
    },
    /// The flow that an undecided request came by is gone: no answer can reach its sender.
    Stranded {
        /// The request; its key answers nothing any more.
        key: ServerKey,
    },
}

/// The transaction layer of one phone or exchange.
#[derive(Debug)]
pub struct Endpoint {
    timers: Timers,
    server_limit: usize,
    last_key: u64,
    tags: TagSource,
    clients: BTreeMap<ClientKey, Asking>,
    client_matches: BTreeMap<ClientMatch, ClientKey>,
    servers: BTreeMap<ServerKey, Answering>,
    server_matches: BTreeMap<ServerMatch, ServerKey>,
    outputs: VecDeque<Output>,
}

/// A client transaction and what belongs to it.
#[derive(Debug)]
struct Asking {
    machine: ClientMachine,
    flow: Flow,
    request: Arc<Request>,
    /// A CANCEL that waits for the first provisional response (9.1), with its Reason.
    cancel: Option<Cancel>,
    /// Our own CANCEL: nobody waits for its outcome.
    silent: bool,
}

#[derive(Debug)]
enum Cancel {
    Waiting(Option<String>),
    Sent,
}

/// A server transaction and what belongs to it.
#[derive(Debug)]
struct Answering {
    machine: ServerMachine,
    flow: FlowId,
    to: Option<SocketAddr>,
    matches: ServerMatch,
    merge: Option<Merge>,
    /// The tag in To of what we answered so far.
    tag: Option<String>,
}

/// Tags for the answers that are given without asking: a random salt and a count.
#[derive(Debug)]
struct TagSource {
    salt: String,
    given: u64,
}

impl TagSource {
    fn next(&mut self) -> String {
        self.given = self.given.saturating_add(1);
        format!("{}.{:x}", self.salt, self.given)
    }
}

impl Endpoint {
    /// An endpoint without transactions.
    pub fn new(timers: Timers, random: &mut Random) -> Self {
        Self {
            timers,
            server_limit: SERVER_LIMIT,
            last_key: 0,
            tags: TagSource {
                salt: random.token(8),
                given: 0,
            },
            clients: BTreeMap::new(),
            client_matches: BTreeMap::new(),
            servers: BTreeMap::new(),
            server_matches: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The same with another limit than [`SERVER_LIMIT`], for an exchange that serves many phones.
    #[must_use]
    pub fn with_server_limit(mut self, limit: usize) -> Self {
        self.server_limit = limit;
        self
    }

    /// A message that came by `flow`.
    pub fn handle_message(&mut self, flow: &Flow, message: Message, now: Instant) {
        match message {
            Message::Request(request) => self.handle_request(flow, request, now),
            Message::Response(response) => self.handle_response(response, now),
        }
    }

    /// The connection is gone: what was undecided on it fails, what was decided is forgotten.
    pub fn handle_flow_lost(&mut self, flow: FlowId, _now: Instant) {
        for (key, asking) in &mut self.clients {
            if asking.flow.id == flow && asking.machine.handle_transport_error() && !asking.silent {
                self.outputs.push_back(Output::Failed {
                    key: *key,
                    request: Arc::clone(&asking.request),
                    why: Failure::FlowLost,
                });
            }
        }
        for (key, answering) in &self.servers {
            if answering.flow == flow && answering.machine.is_undecided() {
                self.outputs.push_back(Output::Stranded { key: *key });
            }
        }
        self.servers.retain(|_, answering| answering.flow != flow);
        self.forget_terminated();
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let clients: Vec<_> = self.clients.keys().copied().collect();
        for key in clients {
            if let Some(asking) = self.clients.get_mut(&key) {
                asking.machine.handle_timeout(now);
                self.drain_client(key);
            }
        }
        let servers: Vec<_> = self.servers.keys().copied().collect();
        for key in servers {
            if let Some(answering) = self.servers.get_mut(&key) {
                answering.machine.handle_timeout(now);
                self.drain_server(key);
            }
        }
        self.forget_terminated();
    }

    /// What is to be done next. Poll until `None` after each call.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] must be called. May change with every call.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let clients = self.clients.values().map(|asking| asking.machine.poll_wake());
        let servers = self.servers.values().map(|answering| answering.machine.poll_wake());
        earliest(clients.chain(servers))
    }

    /// How many transactions live, ours and theirs: for tests of leaks and for the support log.
    pub fn transactions(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len())
    }

    fn next_key(&mut self) -> u64 {
        self.last_key = self.last_key.saturating_add(1);
        self.last_key
    }

    fn transmit(&mut self, flow: FlowId, to: Option<SocketAddr>, bytes: Bytes) {
        self.outputs.push_back(Output::Transmit { flow, to, bytes });
    }

    fn forget_terminated(&mut self) {
        self.clients.retain(|_, asking| !asking.machine.is_terminated());
        self.servers.retain(|_, answering| !answering.machine.is_terminated());
        self.client_matches.retain(|_, key| self.clients.contains_key(key));
        self.server_matches.retain(|_, key| self.servers.contains_key(key));
    }
}

#[cfg(test)]
mod lossy;
#[cfg(test)]
mod tests;
