//! The INVITE server transaction (RFC 3261 17.2.1, figure 7 as RFC 6026 8.6 redrew it).
//!
//! Proceeding → Completed → Confirmed, or Accepted → Terminated. It answers 100 at once, repeats a refusal until its
//! ACK, and absorbs repeated INVITEs. Repeating a 2xx until its ACK is the dialog's work, not done here.

use super::msg::{Request, Response};
use super::timers::Timers;
use super::transactions::ServerOutput;
use crate::time::{Instant, Wake, earliest};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// One INVITE to be answered.
#[derive(Debug)]
pub(super) struct ServerInvite {
    state: State,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<ServerOutput>,
}

#[derive(Debug)]
enum State {
    /// Undecided; a repeated INVITE earns the last provisional response again.
    Proceeding {
        last: Bytes,
    },
    /// Refused; timer G, with the interval that led to it, repeats the refusal on unreliable transports.
    Completed {
        refusal: Bytes,
        timer_g: Option<(Instant, Duration)>,
        timer_h: Instant,
    },
    /// The refusal was acknowledged; repeated ACKs are absorbed.
    Confirmed {
        timer_i: Instant,
    },
    /// Accepted; repeated INVITEs are absorbed, 2xx from above pass.
    Accepted {
        timer_l: Instant,
    },
    Terminated,
}

impl ServerInvite {
    /// Begins with `trying`, the 100 that goes out at once.
    pub fn new(trying: &Response, timers: Timers, reliable: bool) -> Self {
        let last = trying.to_bytes();
        Self {
            outputs: VecDeque::from([ServerOutput::Send(last.clone())]),
            state: State::Proceeding { last },
            timers,
            reliable,
        }
    }

    /// A repeated INVITE.
    pub fn handle_repeated(&mut self) {
        match &self.state {
            State::Proceeding { last: wire } | State::Completed { refusal: wire, .. } => {
                self.outputs.push_back(ServerOutput::Send(wire.clone()));
            }
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// An ACK that matches this transaction (17.2.3).
    pub fn handle_ack(&mut self, ack: Request, now: Instant) {
        match self.state {
            State::Completed { .. } => {
                self.state = match self.timers.timer_i(self.reliable) {
                    Duration::ZERO => State::Terminated,
                    timer_i => State::Confirmed { timer_i: now + timer_i },
                };
            }
            State::Accepted { .. } => self.outputs.push_back(ServerOutput::Ack(ack)),
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => {}
        }
    }

    /// A response from above; whether the state allows it.
    pub fn respond(&mut self, response: &Response, now: Instant) -> bool {
        match self.state {
            State::Proceeding { .. } => self.proceeding(response, now),
            State::Accepted { .. } if response.status.is_success() => {
                self.outputs.push_back(ServerOutput::Send(response.to_bytes()));
            }
            State::Accepted { .. } | State::Completed { .. } | State::Confirmed { .. } | State::Terminated => {
                return false;
            }
        }
        true
    }

    /// Whether it still waits for a final response from above.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Completed {
                refusal,
                timer_g,
                timer_h,
            } => {
                if *timer_h <= now {
                    tracing::debug!("no ACK came for a refused INVITE");
                    self.state = State::Terminated;
                } else if let Some((at, interval)) = timer_g
                    && *at <= now
                {
                    *interval = interval.saturating_mul(2).min(self.timers.t2);
                    *at = now + *interval;
                    self.outputs.push_back(ServerOutput::Send(refusal.clone()));
                }
            }
            State::Confirmed { timer_i: at } | State::Accepted { timer_l: at } => {
                if *at <= now {
                    self.state = State::Terminated;
                }
            }
            State::Proceeding { .. } | State::Terminated => {}
        }
    }

    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        self.outputs.pop_front()
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        match self.state {
            State::Completed { timer_g, timer_h, .. } => earliest([
                timer_g.map(|(at, _)| Wake::new(at, "timer_g")),
                Some(Wake::new(timer_h, "timer_h")),
            ]),
            State::Confirmed { timer_i } => Some(Wake::new(timer_i, "timer_i")),
            State::Accepted { timer_l } => Some(Wake::new(timer_l, "timer_l")),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    fn proceeding(&mut self, response: &Response, now: Instant) {
        let wire = response.to_bytes();
        self.outputs.push_back(ServerOutput::Send(wire.clone()));
        self.state = if response.status.is_provisional() {
            State::Proceeding { last: wire }
        } else if response.status.is_success() {
            State::Accepted {
                timer_l: now + self.timers.timer_l(),
            }
        } else {
            let timer_g = self.timers.timer_g();
            State::Completed {
                refusal: wire,
                timer_g: (!self.reliable).then(|| (now + timer_g, timer_g)),
                timer_h: now + self.timers.timer_h(),
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::transactions::tests::{ack_of, invite, millis, response_to, server_kinds};
    use super::*;

    fn machine(reliable: bool) -> ServerInvite {
        let mut machine = ServerInvite::new(&response_to(&invite(), 100), Timers::default(), reliable);
        assert_eq!(drain(&mut machine), ["100"]);
        machine
    }

    fn drain(machine: &mut ServerInvite) -> Vec<String> {
        server_kinds(std::iter::from_fn(|| machine.poll_output()).collect())
    }

    fn say(machine: &mut ServerInvite, status: u16, at: u64) -> Vec<String> {
        machine.respond(&response_to(&invite(), status), millis(at));
        drain(machine)
    }

    fn repeat(machine: &mut ServerInvite) -> Vec<String> {
        machine.handle_repeated();
        drain(machine)
    }

    fn acknowledge(machine: &mut ServerInvite, at: u64) -> Vec<String> {
        machine.handle_ack(ack_of(&invite()), millis(at));
        drain(machine)
    }

    fn run(machine: &mut ServerInvite, until: u64) -> Vec<u64> {
        let mut log = Vec::new();
        while let Some(wake) = machine.poll_wake().filter(|wake| wake.at <= millis(until)) {
            machine.handle_timeout(wake.at);
            let at = u64::try_from(wake.at.since_origin().as_millis()).unwrap();
            log.extend(drain(machine).into_iter().map(|_| at));
        }
        log
    }

    #[test]
    fn a_repeated_invite_earns_the_last_provisional_response() {
        let mut machine = machine(false);
        assert_eq!(repeat(&mut machine), ["100"]);
        assert_eq!(say(&mut machine, 180, 10), ["180"]);
        assert_eq!(repeat(&mut machine), ["180"]);
        assert_eq!(
            acknowledge(&mut machine, 20),
            [""; 0],
            "an ACK before any final response"
        );
        assert!(machine.is_undecided());
    }

    #[test]
    fn a_refusal_is_repeated_by_timer_g_until_timer_h() {
        let mut machine = machine(false);
        assert_eq!(say(&mut machine, 486, 0), ["486"]);
        let times = run(&mut machine, 60_000);
        assert_eq!(
            times,
            [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
        );
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_sends_a_refusal_once_and_still_waits_for_its_ack() {
        let mut machine = machine(true);
        say(&mut machine, 486, 0);
        assert_eq!(machine.poll_wake(), Some(Wake::new(millis(32_000), "timer_h")));
        assert_eq!(repeat(&mut machine), ["486"]);
        acknowledge(&mut machine, 100);
        assert!(machine.is_terminated(), "timer I is zero");
    }

    #[test]
    fn an_ack_stops_the_repetitions_and_timer_i_absorbs_more_of_them() {
        let mut machine = machine(false);
        say(&mut machine, 486, 0);
        assert_eq!(acknowledge(&mut machine, 700), [""; 0]);
        assert_eq!(acknowledge(&mut machine, 800), [""; 0]);
        assert_eq!(repeat(&mut machine), [""; 0]);
        assert_eq!(machine.poll_wake(), Some(Wake::new(millis(5_700), "timer_i")));
        assert!(run(&mut machine, 5_700).is_empty());
        assert!(machine.is_terminated());
    }

    #[test]
    fn after_a_2xx_invites_are_absorbed_and_the_2xx_of_the_dialog_pass_until_timer_l() {
        for reliable in [false, true] {
            let mut machine = machine(reliable);
            assert_eq!(say(&mut machine, 200, 0), ["200"]);
            assert_eq!(repeat(&mut machine), [""; 0]);
            assert_eq!(say(&mut machine, 200, 500), ["200"]);
            assert_eq!(acknowledge(&mut machine, 600), ["ACK"]);
            assert_eq!(machine.poll_wake(), Some(Wake::new(millis(32_000), "timer_l")));
            assert!(run(&mut machine, 32_000).is_empty());
            assert!(machine.is_terminated());
        }
    }

    #[test]
    fn nothing_follows_a_final_response() {
        let mut refused = machine(false);
        say(&mut refused, 486, 0);
        let mut accepted = machine(false);
        say(&mut accepted, 200, 0);
        assert!(!refused.respond(&response_to(&invite(), 180), millis(1)));
        for status in [180, 486] {
            assert!(!accepted.respond(&response_to(&invite(), status), millis(1)));
        }
        assert_eq!((drain(&mut refused).len(), drain(&mut accepted).len()), (0, 0));
        assert!(!refused.respond(&response_to(&invite(), 200), millis(1)));
    }
}
