//! CRLF CRLF over a connection, and CRLF back within 10 s (RFC 5626 4.4.1).

use super::{DeadFlow, KeepaliveOutput, bounds};
use crate::random::Random;
use crate::time::{Instant, Wake};
use std::time::Duration;

/// RFC 5626 4.4.1: how long apart pings are when the server names no Flow-Timer.
const DEFAULT_INTERVAL: (Duration, Duration) = (Duration::from_secs(95), Duration::from_secs(120));
/// RFC 5626 4.4.1: how long a pong may take.
const PONG_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the server owes a pong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pong {
    /// It agreed to RFC 5626 (or RFC 6223): silence means a dead flow.
    Owed,
    /// It did not; Asterisk is such a one. Once it has ponged on this flow, it is held to it.
    Unknown,
}

/// The ping and pong of one connection.
#[derive(Clone, Debug)]
pub struct StreamKeepalive {
    interval: (Duration, Duration),
    pong: Pong,
    state: State,
    output: Option<KeepaliveOutput>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing to do before this moment.
    Idle(Instant),
    /// A pong must come before this moment.
    Pinged {
        deadline: Instant,
        next: Instant,
    },
    Dead,
}

impl StreamKeepalive {
    /// Begins when the flow is open. `flow_timer` is the server's, if it gave one.
    pub fn new(flow_timer: Option<Duration>, pong: Pong, random: &mut Random, now: Instant) -> Self {
        let interval = bounds(flow_timer, DEFAULT_INTERVAL);
        Self {
            interval,
            pong,
            state: State::Idle(now + random.duration(interval.0, interval.1)),
            output: None,
        }
    }

    /// The server's answer to REGISTER said something about keep-alive, perhaps something new.
    pub fn agree(&mut self, flow_timer: Option<Duration>, pong: Pong, random: &mut Random, now: Instant) {
        self.interval = bounds(flow_timer, DEFAULT_INTERVAL);
        if pong == Pong::Owed {
            self.pong = Pong::Owed;
        }
        if let State::Idle(next) = self.state {
            self.state = State::Idle(next.min(now + random.duration(self.interval.0, self.interval.1)));
        }
    }

    /// The framing read a single CRLF between messages.
    pub fn handle_pong(&mut self) {
        self.pong = Pong::Owed;
        self.handle_message();
    }

    /// The framing read a whole message: the flow lives, and the pong may come late behind it.
    pub fn handle_message(&mut self) {
        if let State::Pinged { next, .. } = self.state {
            self.state = State::Idle(next);
        }
    }

    /// Something else suggests that the flow is dead: the ping is sent now, if its pong could tell.
    pub fn doubt(&mut self, random: &mut Random, now: Instant) {
        if self.pong == Pong::Owed && matches!(self.state, State::Idle(_)) {
            self.ping(random, now);
        }
    }

    /// The moment of [`StreamKeepalive::poll_wake`] has come. After a suspended night that is long past: the ping goes
    /// out at once, and the server has its 10 s from now.
    pub fn handle_timeout(&mut self, random: &mut Random, now: Instant) {
        match self.state {
            State::Idle(at) if now >= at => self.ping(random, now),
            State::Pinged { deadline, .. } if now >= deadline => self.unanswered(),
            State::Idle(_) | State::Pinged { .. } | State::Dead => {}
        }
    }

    fn ping(&mut self, random: &mut Random, now: Instant) {
        let next = now + random.duration(self.interval.0, self.interval.1);
        self.output = Some(KeepaliveOutput::Send(b"\r\n\r\n".to_vec()));
        self.state = match self.pong {
            Pong::Owed => State::Pinged {
                deadline: now + PONG_TIMEOUT,
                next: next.max(now + PONG_TIMEOUT),
            },
            Pong::Unknown => State::Idle(next),
        };
    }

    fn unanswered(&mut self) {
        self.state = State::Dead;
        self.output = Some(KeepaliveOutput::FlowDead(DeadFlow::Silent));
    }

    /// What to do now.
    pub fn poll_output(&mut self) -> Option<KeepaliveOutput> {
        self.output.take()
    }

    /// When to call [`StreamKeepalive::handle_timeout`]; changes after every call of a `handle_*`.
    pub const fn poll_wake(&self) -> Option<Wake> {
        match self.state {
            State::Idle(at) => Some(Wake::new(at, "CRLF ping")),
            State::Pinged { deadline, .. } => Some(Wake::new(deadline, "CRLF pong overdue")),
            State::Dead => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn keepalive(flow_timer: Option<u64>, pong: Pong, seed: u64) -> (StreamKeepalive, Random) {
        let mut random = Random::seeded(seed);
        let flow_timer = flow_timer.map(Duration::from_secs);
        let keepalive = StreamKeepalive::new(flow_timer, pong, &mut random, Instant::ORIGIN);
        (keepalive, random)
    }

    /// Lets time pass to the next wake-up.
    fn wake(keepalive: &mut StreamKeepalive, random: &mut Random) -> (Instant, Option<KeepaliveOutput>) {
        let at = keepalive.poll_wake().unwrap().at;
        keepalive.handle_timeout(random, at);
        (at, keepalive.poll_output())
    }

    fn ping() -> Option<KeepaliveOutput> {
        Some(KeepaliveOutput::Send(b"\r\n\r\n".to_vec()))
    }

    #[test]
    fn pings_are_95_to_120_s_apart_without_a_flow_timer_and_within_80_to_100_percent_of_one() {
        for seed in 0..50 {
            for (flow_timer, low, high) in [(None, 95.0, 120.0), (Some(25), 20.0, 25.0), (Some(600), 480.0, 600.0)] {
                let (mut keepalive, mut random) = keepalive(flow_timer, Pong::Owed, seed);
                let mut last = Instant::ORIGIN;
                for _ in 0..5 {
                    let (at, output) = wake(&mut keepalive, &mut random);
                    assert_eq!(output, ping());
                    let gap = (at - last).as_secs_f64();
                    assert!((low..=high).contains(&gap), "seed {seed}: {gap} s");
                    keepalive.handle_pong();
                    last = at;
                }
            }
        }
    }

    #[test]
    fn a_pong_that_is_owed_and_does_not_come_in_10_s_means_a_dead_flow_once() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Owed, 1);
        let (pinged, _) = wake(&mut keepalive, &mut random);
        let (dead, output) = wake(&mut keepalive, &mut random);
        assert_eq!(dead - pinged, Duration::from_secs(10));
        assert_eq!(output, Some(KeepaliveOutput::FlowDead(DeadFlow::Silent)));
        assert_eq!(keepalive.poll_wake(), None);
        keepalive.handle_timeout(&mut random, dead + HOUR);
        assert_eq!(keepalive.poll_output(), None);
    }

    #[test]
    fn a_pong_or_any_message_within_10_s_keeps_the_flow() {
        for pong in [true, false] {
            let (mut keepalive, mut random) = keepalive(None, Pong::Owed, 1);
            wake(&mut keepalive, &mut random);
            if pong {
                keepalive.handle_pong()
            } else {
                keepalive.handle_message()
            }
            assert_eq!(wake(&mut keepalive, &mut random).1, ping());
        }
    }

    #[test]
    fn a_server_that_never_ponged_is_not_called_dead_but_one_that_once_did_is() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Unknown, 1);
        for _ in 0..10 {
            assert_eq!(wake(&mut keepalive, &mut random).1, ping());
        }
        keepalive.handle_pong();
        assert_eq!(wake(&mut keepalive, &mut random).1, ping());
        let dead = wake(&mut keepalive, &mut random).1;
        assert_eq!(dead, Some(KeepaliveOutput::FlowDead(DeadFlow::Silent)));
    }

    #[test]
    fn after_a_suspended_night_the_ping_goes_out_first_and_the_pong_has_its_10_s() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Owed, 1);
        let morning = Instant::ORIGIN + HOUR * 9;
        keepalive.handle_timeout(&mut random, morning);
        assert_eq!(keepalive.poll_output(), ping());
        assert_eq!(keepalive.poll_wake().unwrap().at, morning + Duration::from_secs(10));
    }

    #[test]
    fn a_doubt_is_settled_by_a_ping_of_its_own_within_10_s_and_once() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Owed, 1);
        let doubted = Instant::ORIGIN + Duration::from_secs(7);
        keepalive.doubt(&mut random, doubted);
        assert_eq!(keepalive.poll_output(), ping());
        keepalive.doubt(&mut random, doubted + Duration::from_secs(1));
        assert_eq!(keepalive.poll_output(), None, "its pong is awaited already");
        let (dead, output) = wake(&mut keepalive, &mut random);
        assert_eq!(dead - doubted, Duration::from_secs(10));
        assert_eq!(output, Some(KeepaliveOutput::FlowDead(DeadFlow::Silent)));
    }

    #[test]
    fn a_server_that_owes_no_pong_is_not_asked_for_one() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Unknown, 1);
        let next = keepalive.poll_wake();
        keepalive.doubt(&mut random, Instant::ORIGIN);
        assert_eq!((keepalive.poll_output(), keepalive.poll_wake()), (None, next));
    }

    #[test]
    fn a_flow_timer_learnt_later_brings_the_next_ping_forward() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Unknown, 1);
        keepalive.agree(Some(Duration::from_secs(25)), Pong::Owed, &mut random, Instant::ORIGIN);
        assert!(keepalive.poll_wake().unwrap().at <= Instant::ORIGIN + Duration::from_secs(25));
    }

    #[test]
    fn an_idle_hour_over_tls_costs_fewer_than_40_wake_ups() {
        let (mut keepalive, mut random) = keepalive(None, Pong::Owed, 1);
        let mut wakes = 0;
        while keepalive.poll_wake().unwrap().at < Instant::ORIGIN + HOUR {
            wake(&mut keepalive, &mut random);
            keepalive.handle_pong();
            wakes += 1;
        }
        assert!((30..40).contains(&wakes), "{wakes}");
    }

    #[test]
    fn a_flow_timer_of_zero_does_not_spin() {
        let (mut keepalive, mut random) = keepalive(Some(0), Pong::Unknown, 1);
        let (first, _) = wake(&mut keepalive, &mut random);
        let (second, _) = wake(&mut keepalive, &mut random);
        assert!(second - first >= Duration::from_millis(800));
    }
}
