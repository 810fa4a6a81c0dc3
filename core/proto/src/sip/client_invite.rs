//! The INVITE client transaction (RFC 3261 17.1.1, figure 5 as RFC 6026 8.4 redrew it).
//!
//! Calling → Proceeding → Completed or Accepted → Terminated. It retransmits the INVITE, acknowledges refusals, and
//! passes every 2xx up, also those of other branches of a fork. ACKs to a 2xx are the dialog's work, not done here.

use super::msg::{Method, Request, Response};
use super::timers::Timers;
use super::transactions::{ClientOutput, on_same_hop};
use crate::time::{Instant, Wake, earliest};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One INVITE on its way.
#[derive(Debug)]
pub(super) struct ClientInvite {
    state: State,
    request: Arc<Request>,
    wire: Bytes,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<ClientOutput>,
}

#[derive(Debug)]
enum State {
    /// No response yet. Timer A, with the interval that led to it, runs on unreliable transports alone.
    Calling {
        timer_a: Option<(Instant, Duration)>,
        timer_b: Instant,
    },
    /// A provisional response came; nothing limits the wait, whoever loses patience cancels. `abandoned` is when an
    /// INVITE that was cancelled is given up (9.1).
    Proceeding {
        abandoned: Option<Instant>,
    },
    /// Refused and acknowledged; repeated refusals earn the same ACK.
    Completed {
        ack: Bytes,
        timer_d: Instant,
    },
    /// Accepted; further 2xx pass.
    Accepted {
        timer_m: Instant,
    },
    Terminated,
}

impl ClientInvite {
    /// Sends `request`, which has its Via.
    pub fn new(request: Arc<Request>, timers: Timers, reliable: bool, now: Instant) -> Self {
        let wire = request.to_bytes();
        let timer_a = (!reliable).then(|| (now + timers.timer_a(), timers.timer_a()));
        Self {
            state: State::Calling {
                timer_a,
                timer_b: now + timers.timer_b(),
            },
            outputs: VecDeque::from([ClientOutput::Send(wire.clone())]),
            request,
            wire,
            timers,
            reliable,
        }
    }

    /// A response that matches this transaction (17.1.3).
    pub fn handle_response(&mut self, response: Response, now: Instant) {
        match self.state {
            State::Calling { .. } => self.calling(response, now),
            State::Proceeding { .. } => self.proceeding(response, now),
            State::Completed { .. } => self.completed(&response),
            State::Accepted { .. } => self.accepted(response),
            State::Terminated => {}
        }
    }

    /// A CANCEL for this INVITE was just sent: without a final response within 64*T1 it is given up (9.1).
    pub fn cancelled(&mut self, now: Instant) {
        if let State::Proceeding { abandoned } = &mut self.state {
            abandoned.get_or_insert(now + self.timers.timer_b());
        }
    }

    /// Whether a provisional response was the last word so far.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether no response came yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// The transport is gone; whether that fails the transaction.
    pub fn handle_transport_error(&mut self) -> bool {
        let undecided = self.is_calling() || self.is_proceeding();
        self.state = State::Terminated;
        undecided
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Calling { timer_a, timer_b } => {
                if timer_b <= now {
                    self.give_up();
                } else if let Some((at, interval)) = timer_a
                    && at <= now
                {
                    self.retransmit(interval, timer_b, now);
                }
            }
            State::Proceeding { abandoned } => {
                if abandoned.is_some_and(|at| at <= now) {
                    self.give_up();
                }
            }
            State::Completed { timer_d: at, .. } | State::Accepted { timer_m: at } => {
                if at <= now {
                    self.state = State::Terminated;
                }
            }
            State::Terminated => {}
        }
    }

    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        match self.state {
            State::Calling { timer_a, timer_b } => earliest([
                timer_a.map(|(at, _)| Wake::new(at, "timer_a")),
                Some(Wake::new(timer_b, "timer_b")),
            ]),
            State::Proceeding { abandoned } => abandoned.map(|at| Wake::new(at, "cancelled INVITE")),
            State::Completed { timer_d, .. } => Some(Wake::new(timer_d, "timer_d")),
            State::Accepted { timer_m } => Some(Wake::new(timer_m, "timer_m")),
            State::Terminated => None,
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    fn calling(&mut self, response: Response, now: Instant) {
        self.decide(response, now);
    }

    fn proceeding(&mut self, response: Response, now: Instant) {
        self.decide(response, now);
    }

    fn completed(&mut self, response: &Response) {
        if let State::Completed { ack, .. } = &self.state
            && response.status.is_failure()
        {
            self.outputs.push_back(ClientOutput::Send(ack.clone()));
        }
    }

    fn accepted(&mut self, response: Response) {
        if response.status.is_success() {
            self.outputs.push_back(ClientOutput::Response(response));
        }
    }

    /// Calling and Proceeding treat a response alike (17.1.1.2).
    fn decide(&mut self, response: Response, now: Instant) {
        if response.status.is_provisional() {
            if self.is_calling() {
                self.state = State::Proceeding { abandoned: None };
            }
        } else if response.status.is_success() {
            self.state = State::Accepted {
                timer_m: now + self.timers.timer_m(),
            };
        } else {
            let ack = on_same_hop(&self.request, Method::Ack, response.to.clone()).to_bytes();
            self.outputs.push_back(ClientOutput::Send(ack.clone()));
            self.state = match self.timers.timer_d(self.reliable) {
                Duration::ZERO => State::Terminated,
                timer_d => State::Completed {
                    ack,
                    timer_d: now + timer_d,
                },
            };
        }
        self.outputs.push_back(ClientOutput::Response(response));
    }

    /// Timer A: again, and wait twice as long. After a suspended clock there is one retransmission, not a burst.
    fn retransmit(&mut self, interval: Duration, timer_b: Instant, now: Instant) {
        let doubled = interval.saturating_mul(2);
        self.outputs.push_back(ClientOutput::Send(self.wire.clone()));
        self.state = State::Calling {
            timer_a: Some((now + doubled, doubled)),
            timer_b,
        };
    }

    fn give_up(&mut self) {
        self.state = State::Terminated;
        self.outputs.push_back(ClientOutput::TimedOut);
    }
}

#[cfg(test)]
mod tests {
    use super::super::transactions::tests::{invite, kinds, millis, response_to, sent};
    use super::*;

    fn machine(reliable: bool) -> ClientInvite {
        let mut machine = ClientInvite::new(Arc::new(invite()), Timers::default(), reliable, Instant::ORIGIN);
        assert_eq!(kinds(drain(&mut machine)), ["INVITE"]);
        machine
    }

    fn drain(machine: &mut ClientInvite) -> Vec<ClientOutput> {
        std::iter::from_fn(|| machine.poll_output()).collect()
    }

    /// Runs every timer up to `until`; when and what it put out.
    fn run(machine: &mut ClientInvite, until: u64) -> Vec<(u64, String)> {
        let mut log = Vec::new();
        while let Some(wake) = machine.poll_wake().filter(|wake| wake.at <= millis(until)) {
            machine.handle_timeout(wake.at);
            let at = u64::try_from(wake.at.since_origin().as_millis()).unwrap();
            log.extend(kinds(drain(machine)).into_iter().map(|kind| (at, kind)));
        }
        log
    }

    fn hear(machine: &mut ClientInvite, status: u16, at: u64) -> Vec<String> {
        let response = response_to(&machine.request, status);
        machine.handle_response(response, millis(at));
        kinds(drain(machine))
    }

    #[test]
    fn timer_a_doubles_until_timer_b_gives_up_after_32_seconds() {
        let mut machine = machine(false);
        let log = run(&mut machine, 60_000);
        let times: Vec<_> = log.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500, 32_000]);
        assert!(log[..6].iter().all(|(_, kind)| kind == "INVITE"));
        assert_eq!(log[6].1, "timed out");
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_is_not_helped_with_retransmissions() {
        let mut machine = machine(true);
        assert_eq!(run(&mut machine, 60_000), [(32_000, "timed out".to_owned())]);
    }

    #[test]
    fn a_provisional_response_stops_both_timers_for_good() {
        let mut machine = machine(false);
        assert_eq!(hear(&mut machine, 180, 400), ["180"]);
        assert_eq!(hear(&mut machine, 183, 900), ["183"]);
        assert_eq!(machine.poll_wake(), None);
        machine.handle_timeout(millis(3_600_000));
        assert!(machine.is_proceeding());
    }

    #[test]
    fn a_refusal_is_acknowledged_passed_up_once_and_absorbed_until_timer_d() {
        for provisional in [false, true] {
            let mut machine = machine(false);
            if provisional {
                hear(&mut machine, 100, 10);
            }
            assert_eq!(hear(&mut machine, 486, 1_000), ["ACK", "486"]);
            assert_eq!(hear(&mut machine, 486, 1_500), ["ACK"], "a repeated refusal");
            assert_eq!(hear(&mut machine, 180, 1_600), [""; 0], "a late provisional");
            assert_eq!(hear(&mut machine, 200, 1_700), [""; 0], "a 2xx after the refusal");
            assert_eq!(machine.poll_wake(), Some(Wake::new(millis(33_000), "timer_d")));
            assert!(run(&mut machine, 33_000).is_empty());
            assert!(machine.is_terminated());
        }
    }

    #[test]
    fn on_a_reliable_transport_a_refusal_ends_it_at_once() {
        let mut machine = machine(true);
        assert_eq!(hear(&mut machine, 603, 5), ["ACK", "603"]);
        assert!(machine.is_terminated());
    }

    #[test]
    fn every_2xx_passes_until_timer_m_and_none_is_acknowledged_here() {
        for reliable in [false, true] {
            let mut machine = machine(reliable);
            assert_eq!(hear(&mut machine, 200, 1_000), ["200"]);
            assert_eq!(
                hear(&mut machine, 200, 1_500),
                ["200"],
                "a retransmission or another branch"
            );
            assert_eq!(hear(&mut machine, 180, 1_600), [""; 0]);
            assert_eq!(hear(&mut machine, 487, 1_700), [""; 0]);
            assert_eq!(machine.poll_wake(), Some(Wake::new(millis(33_000), "timer_m")));
            assert!(run(&mut machine, 33_000).is_empty());
            assert!(machine.is_terminated());
        }
    }

    #[test]
    fn the_ack_of_a_refusal_is_built_as_section_17_1_1_3_says() {
        let mut machine = machine(false);
        let mut response = response_to(&machine.request, 404);
        response.to = response.to.with_tag("far");
        machine.handle_response(response, millis(1));
        let outputs = drain(&mut machine);
        let ack = sent(&outputs[0]);
        let invite = invite();
        let via = invite.vias[0].to_string();
        assert!(ack.starts_with(&format!("ACK {} SIP/2.0\r\n", invite.uri)), "{ack}");
        assert!(ack.contains(&format!("Via: {via}\r\n")), "{ack}");
        assert_eq!(ack.matches("Via:").count(), 1);
        assert!(ack.contains(";tag=far\r\n"), "{ack}");
        assert!(ack.contains(&format!("CSeq: {} ACK\r\n", invite.cseq)), "{ack}");
        assert!(ack.contains("Route: <sip:edge.example;lr>\r\n"), "{ack}");
        assert!(ack.contains("Max-Forwards: 70\r\n"), "{ack}");
    }

    #[test]
    fn a_cancelled_invite_without_final_response_is_given_up_after_64_t1() {
        let mut machine = machine(true);
        hear(&mut machine, 180, 100);
        machine.cancelled(millis(2_000));
        machine.cancelled(millis(9_000));
        hear(&mut machine, 180, 10_000);
        assert_eq!(run(&mut machine, 60_000), [(34_000, "timed out".to_owned())]);
    }

    #[test]
    fn a_lost_transport_fails_it_only_while_undecided() {
        let mut undecided = machine(true);
        assert!(undecided.handle_transport_error());
        let mut accepted = machine(true);
        hear(&mut accepted, 200, 1);
        assert!(!accepted.handle_transport_error());
        assert!(accepted.is_terminated());
    }

    #[test]
    fn after_a_suspended_clock_there_is_one_retransmission_or_none() {
        let mut slept = machine(false);
        slept.handle_timeout(millis(20_000));
        assert_eq!(kinds(drain(&mut slept)), ["INVITE"]);
        slept.handle_timeout(millis(50_000));
        assert_eq!(kinds(drain(&mut slept)), ["timed out"]);
    }
}
