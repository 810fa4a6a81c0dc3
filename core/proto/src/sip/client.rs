//! The non-INVITE client transaction (RFC 3261 17.1.2, figure 6).
//!
//! Trying → Proceeding → Completed → Terminated. RFC 4320's advice on the server's side changes nothing here.

use super::msg::{Request, Response};
use super::timers::Timers;
use super::transactions::ClientOutput;
use crate::time::{Instant, Wake, earliest};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// One request other than INVITE and ACK on its way.
#[derive(Debug)]
pub(super) struct Client {
    state: State,
    wire: Bytes,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<ClientOutput>,
}

#[derive(Debug)]
enum State {
    /// No response yet. Timer E, with the interval that led to it, runs on unreliable transports alone.
    Trying {
        timer_e: TimerE,
        timer_f: Instant,
    },
    /// A provisional response came: retransmissions go on every T2.
    Proceeding {
        timer_e: TimerE,
        timer_f: Instant,
    },
    /// Answered; repeated answers are absorbed.
    Completed {
        timer_k: Instant,
    },
    Terminated,
}

type TimerE = Option<(Instant, Duration)>;

impl Client {
    /// Sends `request`, which has its Via.
    pub fn new(request: &Request, timers: Timers, reliable: bool, now: Instant) -> Self {
        let wire = request.to_bytes();
        let timer_e = (!reliable).then(|| (now + timers.timer_e(), timers.timer_e()));
        Self {
            state: State::Trying {
                timer_e,
                timer_f: now + timers.timer_f(),
            },
            outputs: VecDeque::from([ClientOutput::Send(wire.clone())]),
            wire,
            timers,
            reliable,
        }
    }

    /// A response that matches this transaction (17.1.3).
    pub fn handle_response(&mut self, response: Response, now: Instant) {
        match self.state {
            State::Trying { timer_e, timer_f } => self.trying(response, timer_e, timer_f, now),
            State::Proceeding { .. } => self.proceeding(response, now),
            State::Completed { .. } | State::Terminated => {}
        }
    }

    /// The transport is gone; whether that fails the transaction.
    pub fn handle_transport_error(&mut self) -> bool {
        let undecided = matches!(self.state, State::Trying { .. } | State::Proceeding { .. });
        self.state = State::Terminated;
        undecided
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Trying { timer_e, timer_f } => {
                let doubled = timer_e.map_or(self.timers.t2, |(_, interval)| interval.saturating_mul(2));
                if let Some(timer_e) = self.retransmit(timer_e, timer_f, doubled, now) {
                    self.state = State::Trying { timer_e, timer_f };
                }
            }
            State::Proceeding { timer_e, timer_f } => {
                if let Some(timer_e) = self.retransmit(timer_e, timer_f, self.timers.t2, now) {
                    self.state = State::Proceeding { timer_e, timer_f };
                }
            }
            State::Completed { timer_k } => {
                if timer_k <= now {
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
            State::Trying { timer_e, timer_f } | State::Proceeding { timer_e, timer_f } => earliest([
                timer_e.map(|(at, _)| Wake::new(at, "timer_e")),
                Some(Wake::new(timer_f, "timer_f")),
            ]),
            State::Completed { timer_k } => Some(Wake::new(timer_k, "timer_k")),
            State::Terminated => None,
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    fn trying(&mut self, response: Response, timer_e: TimerE, timer_f: Instant, now: Instant) {
        if response.status.is_provisional() {
            self.state = State::Proceeding { timer_e, timer_f };
            self.outputs.push_back(ClientOutput::Response(response));
        } else {
            self.complete(response, now);
        }
    }

    fn proceeding(&mut self, response: Response, now: Instant) {
        if response.status.is_provisional() {
            self.outputs.push_back(ClientOutput::Response(response));
        } else {
            self.complete(response, now);
        }
    }

    fn complete(&mut self, response: Response, now: Instant) {
        self.state = match self.timers.timer_k(self.reliable) {
            Duration::ZERO => State::Terminated,
            timer_k => State::Completed { timer_k: now + timer_k },
        };
        self.outputs.push_back(ClientOutput::Response(response));
    }

    /// Timer F ends the transaction, timer E sends again; the next timer E, `next` but at most T2 later, if the
    /// transaction goes on.
    fn retransmit(&mut self, timer_e: TimerE, timer_f: Instant, next: Duration, now: Instant) -> Option<TimerE> {
        if timer_f <= now {
            self.state = State::Terminated;
            self.outputs.push_back(ClientOutput::TimedOut);
            return None;
        }
        match timer_e {
            Some((at, _)) if at <= now => {
                let interval = next.min(self.timers.t2);
                self.outputs.push_back(ClientOutput::Send(self.wire.clone()));
                Some(Some((now + interval, interval)))
            }
            unchanged => Some(unchanged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::transactions::tests::{kinds, millis, options, response_to};
    use super::*;

    fn machine(reliable: bool) -> Client {
        let mut machine = Client::new(&options(), Timers::default(), reliable, Instant::ORIGIN);
        assert_eq!(kinds(drain(&mut machine)), ["OPTIONS"]);
        machine
    }

    fn drain(machine: &mut Client) -> Vec<ClientOutput> {
        std::iter::from_fn(|| machine.poll_output()).collect()
    }

    fn run(machine: &mut Client, until: u64) -> Vec<(u64, String)> {
        let mut log = Vec::new();
        while let Some(wake) = machine.poll_wake().filter(|wake| wake.at <= millis(until)) {
            machine.handle_timeout(wake.at);
            let at = u64::try_from(wake.at.since_origin().as_millis()).unwrap();
            log.extend(kinds(drain(machine)).into_iter().map(|kind| (at, kind)));
        }
        log
    }

    fn hear(machine: &mut Client, status: u16, at: u64) -> Vec<String> {
        machine.handle_response(response_to(&options(), status), millis(at));
        kinds(drain(machine))
    }

    #[test]
    fn timer_e_doubles_up_to_t2_until_timer_f_gives_up() {
        let mut machine = machine(false);
        let log = run(&mut machine, 60_000);
        let times: Vec<_> = log.iter().map(|(at, _)| *at).collect();
        assert_eq!(
            times,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000
            ]
        );
        assert_eq!(log.last().unwrap().1, "timed out");
        assert!(machine.is_terminated());
    }

    #[test]
    fn after_a_provisional_response_retransmissions_go_on_every_t2() {
        let mut machine = machine(false);
        assert_eq!(hear(&mut machine, 100, 100), ["100"]);
        let times: Vec<_> = run(&mut machine, 13_000).iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [500, 4_500, 8_500, 12_500]);
        assert_eq!(
            run(&mut machine, 60_000).last().unwrap(),
            &(32_000, "timed out".to_owned())
        );
    }

    #[test]
    fn a_reliable_transport_waits_for_timer_f_alone_in_both_states() {
        let mut trying = machine(true);
        assert_eq!(run(&mut trying, 60_000), [(32_000, "timed out".to_owned())]);
        let mut proceeding = machine(true);
        hear(&mut proceeding, 100, 10);
        assert_eq!(run(&mut proceeding, 60_000), [(32_000, "timed out".to_owned())]);
    }

    #[test]
    fn the_answer_passes_once_and_is_absorbed_until_timer_k() {
        for status in [200, 302, 404, 500, 600] {
            let mut machine = machine(false);
            assert_eq!(hear(&mut machine, status, 1_000), [status.to_string()]);
            assert_eq!(hear(&mut machine, status, 1_500), [""; 0]);
            assert_eq!(machine.poll_wake(), Some(Wake::new(millis(6_000), "timer_k")));
            assert!(run(&mut machine, 6_000).is_empty());
            assert!(machine.is_terminated());
        }
    }

    #[test]
    fn an_answer_after_provisional_ones_completes_it() {
        let mut machine = machine(false);
        assert_eq!(hear(&mut machine, 100, 10), ["100"]);
        assert_eq!(hear(&mut machine, 183, 20), ["183"]);
        assert_eq!(hear(&mut machine, 200, 30), ["200"]);
        assert_eq!(hear(&mut machine, 100, 40), [""; 0]);
    }

    #[test]
    fn on_a_reliable_transport_the_answer_ends_it_at_once() {
        let mut machine = machine(true);
        assert_eq!(hear(&mut machine, 200, 5), ["200"]);
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_lost_transport_fails_it_only_while_undecided() {
        assert!(machine(true).handle_transport_error());
        let mut answered = machine(false);
        hear(&mut answered, 200, 1);
        assert!(!answered.handle_transport_error());
    }
}
