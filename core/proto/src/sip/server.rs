//! The non-INVITE server transaction (RFC 3261 17.2.2, figure 8).
//!
//! Trying → Proceeding → Completed → Terminated. It repeats its last response to a repeated request and is silent
//! before it has one.

use super::msg::Response;
use super::timers::Timers;
use super::transactions::ServerOutput;
use crate::time::{Instant, Wake};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// One request other than INVITE and ACK to be answered.
#[derive(Debug)]
pub(super) struct Server {
    state: State,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<ServerOutput>,
}

#[derive(Debug)]
enum State {
    /// No response yet: repeated requests are absorbed.
    Trying,
    /// A provisional response went out.
    Proceeding {
        last: Bytes,
    },
    /// Answered.
    Completed {
        answer: Bytes,
        timer_j: Instant,
    },
    Terminated,
}

impl Server {
    pub fn new(timers: Timers, reliable: bool) -> Self {
        Self {
            state: State::Trying,
            timers,
            reliable,
            outputs: VecDeque::new(),
        }
    }

    /// A repeated request.
    pub fn handle_repeated(&mut self) {
        match &self.state {
            State::Proceeding { last: wire } | State::Completed { answer: wire, .. } => {
                self.outputs.push_back(ServerOutput::Send(wire.clone()));
            }
            State::Trying | State::Terminated => {}
        }
    }

    /// A response from above; whether the state allows it.
    pub fn respond(&mut self, response: &Response, now: Instant) -> bool {
        if !self.is_undecided() {
            return false;
        }
        let wire = response.to_bytes();
        self.outputs.push_back(ServerOutput::Send(wire.clone()));
        self.state = if response.status.is_provisional() {
            State::Proceeding { last: wire }
        } else {
            match self.timers.timer_j(self.reliable) {
                Duration::ZERO => State::Terminated,
                timer_j => State::Completed {
                    answer: wire,
                    timer_j: now + timer_j,
                },
            }
        };
        true
    }

    /// Whether it still waits for a final response from above.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding { .. })
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Completed { timer_j, .. } = self.state
            && timer_j <= now
        {
            self.state = State::Terminated;
        }
    }

    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        self.outputs.pop_front()
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        match self.state {
            State::Completed { timer_j, .. } => Some(Wake::new(timer_j, "timer_j")),
            State::Trying | State::Proceeding { .. } | State::Terminated => None,
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::transactions::tests::{millis, options, response_to, server_kinds};
    use super::*;

    fn drain(machine: &mut Server) -> Vec<String> {
        server_kinds(std::iter::from_fn(|| machine.poll_output()).collect())
    }

    fn say(machine: &mut Server, status: u16, at: u64) -> Vec<String> {
        machine.respond(&response_to(&options(), status), millis(at));
        drain(machine)
    }

    fn repeat(machine: &mut Server) -> Vec<String> {
        machine.handle_repeated();
        drain(machine)
    }

    #[test]
    fn a_repeated_request_is_absorbed_then_answered_as_before() {
        let mut machine = Server::new(Timers::default(), false);
        assert_eq!(repeat(&mut machine), [""; 0]);
        assert_eq!(say(&mut machine, 100, 0), ["100"]);
        assert_eq!(repeat(&mut machine), ["100"]);
        assert_eq!(say(&mut machine, 200, 1_000), ["200"]);
        assert_eq!(repeat(&mut machine), ["200"]);
        assert_eq!(say(&mut machine, 500, 1_100), [""; 0], "a second final response");
        assert_eq!(repeat(&mut machine), ["200"]);
    }

    #[test]
    fn timer_j_ends_it_64_t1_after_the_answer() {
        let mut machine = Server::new(Timers::default(), false);
        say(&mut machine, 404, 1_000);
        assert_eq!(machine.poll_wake(), Some(Wake::new(millis(33_000), "timer_j")));
        machine.handle_timeout(millis(32_999));
        assert!(!machine.is_terminated());
        machine.handle_timeout(millis(33_000));
        assert!(machine.is_terminated());
    }

    #[test]
    fn on_a_reliable_transport_the_answer_ends_it_at_once() {
        let mut machine = Server::new(Timers::default(), true);
        assert_eq!(say(&mut machine, 200, 0), ["200"]);
        assert!(machine.is_terminated());
    }
}
