//! STUN Binding requests over a UDP flow (RFC 5626 4.4.2), or bare CRLF for servers that know no STUN.

use super::{DeadFlow, KeepaliveOutput, bounds};
use crate::nat::stun::{BindingClient, BindingOutcome};
use crate::random::Random;
use crate::time::{Instant, Wake};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How far apart keep-alives over UDP are by default. RFC 5626 4.4.2 says 24 to 29 s; routers that forget a UDP
/// mapping after 15 s are common enough to stay below that.
pub const UDP_INTERVAL: (Duration, Duration) = (Duration::from_secs(11), Duration::from_secs(14));

/// How a UDP flow is kept open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DatagramMethod {
    /// Binding requests: the server agreed to RFC 5626, so silence means a dead flow.
    Stun,
    /// CRLF CRLF, to which nobody answers.
    Crlf,
}

/// The keep-alive of one UDP flow.
#[derive(Clone, Debug)]
pub struct DatagramKeepalive {
    interval: (Duration, Duration),
    method: DatagramMethod,
    next: Instant,
    binding: Option<BindingClient>,
    /// A SIP message came while the Binding request was under way.
    heard: bool,
    mapped: Option<SocketAddr>,
    dead: bool,
    outputs: VecDeque<KeepaliveOutput>,
}

impl DatagramKeepalive {
    /// Begins when the flow is registered.
    pub fn new(method: DatagramMethod, flow_timer: Option<Duration>, random: &mut Random, now: Instant) -> Self {
        let interval = bounds(flow_timer, UDP_INTERVAL);
        Self {
            interval,
            method,
            next: now + random.duration(interval.0, interval.1),
            binding: None,
            heard: false,
            mapped: None,
            dead: false,
            outputs: VecDeque::new(),
        }
    }

    /// A datagram on the flow that is STUN by its first byte (RFC 7983).
    pub fn handle_stun(&mut self, datagram: &[u8]) {
        let outcome = self
            .binding
            .as_mut()
            .and_then(|binding| binding.handle_datagram(datagram));
        if let Some(outcome) = outcome {
            self.conclude(outcome);
        }
    }

    /// A SIP message came through the flow: it lives, whatever becomes of a Binding request that went out before.
    pub const fn handle_message(&mut self) {
        self.heard = true;
    }

    /// The moment of [`DatagramKeepalive::poll_wake`] has come.
    pub fn handle_timeout(&mut self, random: &mut Random, now: Instant) {
        if let Some(outcome) = self.binding.as_mut().and_then(|binding| binding.handle_timeout(now)) {
            self.conclude(outcome);
        }
        if self.dead {
            return;
        }
        // A request takes longer than the interval to end: the next one follows it in the same moment.
        if self.binding.is_none() && now >= self.next {
            self.next = now + random.duration(self.interval.0, self.interval.1);
            match self.method {
                DatagramMethod::Stun => {
                    self.heard = false;
                    self.binding = Some(BindingClient::new(random, now));
                }
                DatagramMethod::Crlf => self.outputs.push_back(KeepaliveOutput::Send(b"\r\n\r\n".to_vec())),
            }
        }
        let due = self.binding.as_mut().and_then(|binding| binding.poll_transmit(now));
        self.outputs
            .extend(due.map(|bytes| KeepaliveOutput::Send(bytes.to_vec())));
    }

    /// RFC 5626 4.4.2: no answer, and the flow has failed. An error answer still came through the flow. Under another
    /// address than before it is another flow to the server, and open.
    fn conclude(&mut self, outcome: BindingOutcome) {
        self.binding = None;
        match outcome {
            BindingOutcome::Mapped(address) => {
                let before = self.mapped.replace(address);
                if before != Some(address) {
                    self.outputs.push_back(KeepaliveOutput::Mapped { address, before });
                }
            }
            BindingOutcome::TimedOut if !self.heard => self.die(DeadFlow::Silent),
            BindingOutcome::TimedOut | BindingOutcome::Refused(_) | BindingOutcome::Unusable => {}
        }
    }

    fn die(&mut self, reason: DeadFlow) {
        self.dead = true;
        self.outputs.push_back(KeepaliveOutput::FlowDead(reason));
    }

    /// What to do now.
    pub fn poll_output(&mut self) -> Option<KeepaliveOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`DatagramKeepalive::handle_timeout`]; changes after every call of a `handle_*`.
    pub fn poll_wake(&self) -> Option<Wake> {
        if self.dead {
            return None;
        }
        match &self.binding {
            Some(binding) => binding.poll_wake(),
            None => Some(Wake::new(self.next, "UDP keep-alive")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::stun::{parse, write};

    struct Flow {
        keepalive: DatagramKeepalive,
        random: Random,
        now: Instant,
    }

    impl Flow {
        fn new(method: DatagramMethod, flow_timer: Option<u64>) -> Self {
            let mut random = Random::seeded(3);
            let flow_timer = flow_timer.map(Duration::from_secs);
            let keepalive = DatagramKeepalive::new(method, flow_timer, &mut random, Instant::ORIGIN);
            Self {
                keepalive,
                random,
                now: Instant::ORIGIN,
            }
        }

        fn wake(&mut self) -> Option<KeepaliveOutput> {
            self.now = self.keepalive.poll_wake().unwrap().at;
            self.keepalive.handle_timeout(&mut self.random, self.now);
            let next = self.keepalive.poll_wake();
            assert!(next.is_none_or(|next| next.at > self.now), "due again at once");
            self.keepalive.poll_output()
        }

        /// One round in which the server sees us at `address`.
        fn round(&mut self, address: &str) -> Option<KeepaliveOutput> {
            let Some(KeepaliveOutput::Send(request)) = self.wake() else {
                panic!("no request")
            };
            let answer = parse(&request)
                .unwrap()
                .message
                .binding_answer(address.parse().unwrap());
            self.keepalive.handle_stun(&write(&answer, None));
            self.keepalive.poll_output()
        }
    }

    #[test]
    fn a_mapping_that_a_15_s_router_holds_is_refreshed_before_it_forgets() {
        let mut flow = Flow::new(DatagramMethod::Crlf, None);
        let mut last = Instant::ORIGIN;
        for _ in 0..100 {
            assert_eq!(flow.wake(), Some(KeepaliveOutput::Send(b"\r\n\r\n".to_vec())));
            assert!(flow.now - last < Duration::from_secs(15));
            last = flow.now;
        }
    }

    #[test]
    fn a_flow_timer_sets_the_pace() {
        let mut flow = Flow::new(DatagramMethod::Crlf, Some(25));
        flow.wake();
        let gap = (flow.now - Instant::ORIGIN).as_secs_f64();
        assert!((20.0..=25.0).contains(&gap), "{gap}");
    }

    #[test]
    fn the_address_is_reported_once_and_again_when_it_changes() {
        let mut flow = Flow::new(DatagramMethod::Stun, None);
        let mapped = |address: &str, before: Option<&str>| {
            Some(KeepaliveOutput::Mapped {
                address: address.parse().unwrap(),
                before: before.map(|before| before.parse().unwrap()),
            })
        };
        assert_eq!(flow.round("203.0.113.5:1000"), mapped("203.0.113.5:1000", None));
        assert_eq!(flow.round("203.0.113.5:1000"), None);
        let change = mapped("203.0.113.5:2000", Some("203.0.113.5:1000"));
        assert_eq!(flow.round("203.0.113.5:2000"), change);
        assert_eq!(flow.round("203.0.113.5:2000"), None, "the flow lives on under it");
    }

    #[test]
    fn a_silent_server_is_asked_seven_times_before_the_flow_is_given_up() {
        let mut flow = Flow::new(DatagramMethod::Stun, None);
        for _ in 0..7 {
            assert!(matches!(flow.wake(), Some(KeepaliveOutput::Send(_))));
        }
        assert_eq!(flow.wake(), Some(KeepaliveOutput::FlowDead(DeadFlow::Silent)));
    }

    #[test]
    fn a_server_that_answered_sip_meanwhile_is_asked_again_and_the_flow_lives() {
        let mut flow = Flow::new(DatagramMethod::Stun, None);
        for _ in 0..7 {
            flow.wake();
        }
        flow.keepalive.handle_message();
        for _ in 0..7 {
            let sent = flow.wake();
            assert!(
                matches!(sent, Some(KeepaliveOutput::Send(_))),
                "the flow lives: {sent:?}"
            );
        }
        let dead = Some(KeepaliveOutput::FlowDead(DeadFlow::Silent));
        assert_eq!(flow.wake(), dead, "what was heard before the request proves nothing");
    }

    #[test]
    fn answers_that_nobody_asked_for_change_nothing() {
        let mut flow = Flow::new(DatagramMethod::Stun, None);
        let request = crate::nat::stun::Message::binding_request(crate::nat::stun::TransactionId([0; 12]));
        let answer = request.binding_answer("203.0.113.66:6".parse().unwrap());
        flow.keepalive.handle_stun(&write(&answer, None));
        flow.keepalive.handle_stun(b"not stun");
        assert_eq!(flow.keepalive.poll_output(), None);
    }
}
