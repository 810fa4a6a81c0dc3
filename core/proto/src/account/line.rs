//! The one outbound flow of an account: look up, connect, fail over, close (RFC 3263).
//!
//! A line connects when it is told to, tries each target that the look-up found, and says what came of it. When to try
//! again is the registration's business (RFC 5626 4.5). It knows nothing of SIP messages: bytes pass by it, and whoever
//! reads them says when the flow failed. Each way down names what happened in a sentence, which is what people see
//! beside a grey lamp.

use crate::account_config::Transport;
use crate::ids::FlowId;
use crate::time::{Instant, Wake};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long one target may take to accept a connection, handshake included, before the next one is tried. Four silent
/// targets fit in the 32 seconds of RFC 3261's timer B.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// What to look up (RFC 3263).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// A domain, a host name, or an address.
    pub host: String,
    /// If given, no SRV and no NAPTR look-up.
    pub port: Option<u16>,
    /// The transport that must be used.
    pub transport: Transport,
    /// Look addresses up only, at the transport's default port if `port` is not given.
    pub addresses_only: bool,
}

/// Where to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// By what.
    pub transport: Transport,
    /// To where.
    pub address: SocketAddr,
}

/// An open flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Its number.
    pub id: FlowId,
    /// Where it leads.
    pub target: Target,
    /// Our end of it.
    pub local: SocketAddr,
}

/// What the line wants done, or tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Look this up and call [`Line::handle_resolved`].
    Resolve(Query),
    /// Connect, and call [`Line::handle_opened`] or [`Line::handle_closed`].
    Connect(FlowId, Target),
    /// Close a flow; nothing more is wanted of it.
    Close(FlowId),
    /// The flow is open: register.
    Up(Flow),
    /// The open flow is gone, for the reason that the sentence gives.
    Down(FlowId, String),
    /// No target could be connected to, for the reason that the sentence gives.
    Failed(String),
}

/// Numbers flows; one for the whole phone.
#[derive(Debug, Default)]
pub struct FlowNumbers(u32);

impl FlowNumbers {
    pub(super) fn next(&mut self) -> FlowId {
        self.0 = self.0.wrapping_add(1);
        FlowId(self.0)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Line {
    query: Query,
    state: State,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// Nobody wants it, or everything failed.
    Idle,
    /// A look-up runs.
    Resolving,
    /// A connection is being made; `rest` are the targets after it.
    Connecting {
        flow: FlowId,
        target: Target,
        rest: VecDeque<Target>,
        deadline: Instant,
    },
    /// Bytes pass; `rest` are the targets that were not needed.
    Open { flow: Flow, rest: VecDeque<Target> },
    /// The next of `rest` is to be tried, at once.
    Leaving { rest: VecDeque<Target>, since: Instant },
}

impl Line {
    /// A line that leads where `query` says, not yet wanted.
    pub fn new(query: Query) -> Self {
        Self {
            query,
            state: State::Idle,
            outputs: VecDeque::new(),
        }
    }

    /// Its flow, open or being opened.
    pub fn flow(&self) -> Option<FlowId> {
        match &self.state {
            State::Connecting { flow, .. } => Some(*flow),
            State::Open { flow, .. } => Some(flow.id),
            State::Idle | State::Resolving | State::Leaving { .. } => None,
        }
    }

    /// Whether `flow` is this line's, open or being opened.
    pub fn owns(&self, flow: FlowId) -> bool {
        self.flow() == Some(flow)
    }

    /// Whether it is on its way to a server, or about to be without being told.
    pub const fn is_under_way(&self) -> bool {
        match self.state {
            State::Resolving | State::Connecting { .. } | State::Leaving { .. } => true,
            State::Idle | State::Open { .. } => false,
        }
    }

    /// Connects, unless it is up or on its way.
    pub fn connect(&mut self) {
        if matches!(self.state, State::Idle) {
            self.state = State::Resolving;
            self.outputs.push_back(Output::Resolve(self.query.clone()));
        }
    }

    /// The line is not wanted any more, or what is open is stale; nothing is told but that a flow is to be closed.
    pub fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Connecting { flow, .. } => self.outputs.push_back(Output::Close(flow)),
            State::Open { flow, .. } => self.outputs.push_back(Output::Close(flow.id)),
            State::Idle | State::Resolving | State::Leaving { .. } => {}
        }
    }

    /// Nobody answers by the open flow, or only to say that somebody else should (RFC 3263 4.3): it is closed, and the
    /// next target is tried if the look-up gave one.
    pub fn leave(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open { flow, rest } => {
                self.outputs.push_back(Output::Close(flow.id));
                if !rest.is_empty() {
                    self.state = State::Leaving { rest, since: now };
                }
            }
            other => self.state = other,
        }
    }

    /// A connection that is on its way is begun anew: what it was begun with is stale. One that is open is not touched.
    pub fn restart(&mut self) {
        if matches!(self.state, State::Connecting { .. } | State::Resolving) {
            self.close();
            self.connect();
        }
    }

    /// The look-up ended: the targets in the order in which they are to be tried, or a sentence that says why not.
    pub fn handle_resolved(&mut self, found: Result<Vec<Target>, String>, numbers: &mut FlowNumbers, now: Instant) {
        if !matches!(self.state, State::Resolving) {
            return;
        }
        match found {
            Ok(targets) => self.try_next(targets.into(), "The server has no address.", numbers, now),
            Err(why) => self.fail(why),
        }
    }

    /// The connection asked for is open.
    pub fn handle_opened(&mut self, flow: FlowId, local: SocketAddr) {
        if let State::Connecting {
            flow: expected,
            target,
            rest,
            ..
        } = &mut self.state
            && *expected == flow
        {
            let flow = Flow {
                id: flow,
                target: *target,
                local,
            };
            let rest = std::mem::take(rest);
            self.state = State::Open { flow, rest };
            self.outputs.push_back(Output::Up(flow));
        }
    }

    /// The connection failed, or ended. `why` is a sentence.
    pub fn handle_closed(&mut self, flow: FlowId, why: &str, numbers: &mut FlowNumbers, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Connecting { flow: own, rest, .. } if own == flow => self.try_next(rest, why, numbers, now),
            State::Open { flow: own, .. } if own.id == flow => {
                self.outputs.push_back(Output::Down(flow, why.to_owned()));
            }
            other => self.state = other,
        }
    }

    /// The flow is open but of no use: no pong, no answer, a server that says 503. The next target is tried at once if
    /// the look-up gave one.
    pub fn handle_useless(&mut self, why: &str, numbers: &mut FlowNumbers, now: Instant) {
        if let State::Open { flow, rest } = std::mem::replace(&mut self.state, State::Idle) {
            self.outputs.push_back(Output::Close(flow.id));
            self.outputs.push_back(Output::Down(flow.id, why.to_owned()));
            if !rest.is_empty() {
                self.try_next(rest, why, numbers, now);
            }
        }
    }

    /// A moment that [`Line::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, numbers: &mut FlowNumbers, now: Instant) {
        if let State::Leaving { rest, .. } = &mut self.state {
            let rest = std::mem::take(rest);
            self.try_next(rest, "The server does not answer.", numbers, now);
        } else if let State::Connecting { flow, deadline, .. } = &self.state
            && *deadline <= now
        {
            let flow = *flow;
            self.outputs.push_back(Output::Close(flow));
            self.handle_closed(flow, "The server does not answer.", numbers, now);
        }
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Line::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        match &self.state {
            State::Connecting { deadline, .. } => Some(Wake::new(*deadline, "connection time-out")),
            State::Leaving { since, .. } => Some(Wake::new(*since, "next server")),
            State::Idle | State::Resolving | State::Open { .. } => None,
        }
    }

    fn try_next(&mut self, mut rest: VecDeque<Target>, why: &str, numbers: &mut FlowNumbers, now: Instant) {
        match rest.pop_front() {
            Some(target) => {
                let flow = numbers.next();
                self.state = State::Connecting {
                    flow,
                    target,
                    rest,
                    deadline: now + CONNECT_TIMEOUT,
                };
                self.outputs.push_back(Output::Connect(flow, target));
            }
            None => self.fail(why.to_owned()),
        }
    }

    fn fail(&mut self, why: String) {
        self.state = State::Idle;
        self.outputs.push_back(Output::Failed(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        line: Line,
        numbers: FlowNumbers,
    }

    impl Rig {
        fn connecting(addresses: &[&str]) -> Self {
            let query = Query {
                host: "pbx.example".to_owned(),
                port: None,
                transport: Transport::Tls,
                addresses_only: false,
            };
            let mut rig = Self {
                line: Line::new(query),
                numbers: FlowNumbers::default(),
            };
            rig.line.connect();
            assert!(matches!(rig.line.poll_output(), Some(Output::Resolve(_))));
            let targets = addresses.iter().map(|address| Target {
                transport: Transport::Tls,
                address: address.parse().unwrap(),
            });
            rig.line
                .handle_resolved(Ok(targets.collect()), &mut rig.numbers, Instant::ORIGIN);
            rig
        }

        fn connect_output(&mut self) -> (FlowId, SocketAddr) {
            match self.line.poll_output() {
                Some(Output::Connect(flow, target)) => (flow, target.address),
                other => panic!("expected a connection, got {other:?}"),
            }
        }

        fn closed(&mut self, flow: FlowId) {
            self.line
                .handle_closed(flow, "Refused.", &mut self.numbers, Instant::ORIGIN);
        }
    }

    #[test]
    fn a_refused_target_is_followed_by_the_next_at_once_and_the_last_by_a_sentence() {
        let mut rig = Rig::connecting(&["192.0.2.1:5061", "192.0.2.2:5061"]);
        let (first, _) = rig.connect_output();
        rig.closed(first);
        let (second, address) = rig.connect_output();
        assert_eq!(address, "192.0.2.2:5061".parse().unwrap());
        rig.closed(second);
        assert_eq!(rig.line.poll_output(), Some(Output::Failed("Refused.".to_owned())));
        assert_eq!(rig.line.poll_wake(), None);
    }

    #[test]
    fn a_silent_target_is_given_up_after_its_time() {
        let mut rig = Rig::connecting(&["192.0.2.1:5061", "192.0.2.2:5061"]);
        let (silent, _) = rig.connect_output();
        let deadline = rig.line.poll_wake().unwrap().at;
        assert_eq!(deadline, Instant::ORIGIN + CONNECT_TIMEOUT);
        rig.line.handle_timeout(&mut rig.numbers, deadline);
        assert_eq!(rig.line.poll_output(), Some(Output::Close(silent)));
        assert_eq!(rig.connect_output().1, "192.0.2.2:5061".parse().unwrap());
    }

    #[test]
    fn an_answer_for_a_flow_that_was_given_up_changes_nothing() {
        let mut rig = Rig::connecting(&["192.0.2.1:5061"]);
        let (flow, _) = rig.connect_output();
        rig.closed(flow);
        assert!(matches!(rig.line.poll_output(), Some(Output::Failed(_))));
        rig.line.handle_opened(flow, "192.0.2.9:40000".parse().unwrap());
        assert!(!rig.line.owns(flow));
        assert_eq!(rig.line.poll_output(), None);
    }

    #[test]
    fn a_flow_that_is_of_no_use_gives_way_to_the_next_target() {
        let mut rig = Rig::connecting(&["192.0.2.1:5061", "192.0.2.2:5061"]);
        let (flow, _) = rig.connect_output();
        rig.line.handle_opened(flow, "192.0.2.9:40000".parse().unwrap());
        assert!(matches!(rig.line.poll_output(), Some(Output::Up(_))));
        rig.line.handle_useless("No pong.", &mut rig.numbers, Instant::ORIGIN);
        assert_eq!(rig.line.poll_output(), Some(Output::Close(flow)));
        assert_eq!(rig.line.poll_output(), Some(Output::Down(flow, "No pong.".to_owned())));
        assert_eq!(rig.connect_output().1, "192.0.2.2:5061".parse().unwrap());
    }

    #[test]
    fn a_line_that_nobody_wants_is_closed_and_told_no_more() {
        let mut rig = Rig::connecting(&["192.0.2.1:5061"]);
        let (flow, _) = rig.connect_output();
        rig.line.close();
        assert_eq!(rig.line.poll_output(), Some(Output::Close(flow)));
        rig.closed(flow);
        assert_eq!((rig.line.poll_output(), rig.line.poll_wake()), (None, None));
    }
}
