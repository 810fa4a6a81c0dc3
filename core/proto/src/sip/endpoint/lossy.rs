//! Two endpoints and a network that loses, doubles and delays datagrams: every transaction must still end, and end the
//! same on both sides. The seed of a failing run is in its message.

use super::*;
use crate::sip::msg::{HeaderName, Method, NameAddr, StatusCode};
use crate::sip::parse;
use std::time::Duration;

/// One direction's datagrams: when they arrive, and where.
struct Network {
    random: Random,
    /// In percent.
    loss: u64,
    in_flight: Vec<(Instant, usize, Bytes)>,
}

impl Network {
    fn send(&mut self, to: usize, bytes: &Bytes, now: Instant) {
        let copies = if self.random.below(100) < 5 { 2 } else { 1 };
        for _ in 0..copies {
            if self.random.below(100) >= self.loss {
                let delay = Duration::from_millis(5 + self.random.below(300));
                self.in_flight.push((now + delay, to, bytes.clone()));
            }
        }
    }
}

/// Side 0 asks, side 1 answers every request with `status`.
struct World {
    sides: [Endpoint; 2],
    flows: [Flow; 2],
    network: Network,
    now: Instant,
    status: u16,
    /// How often side 1 was told of the request.
    told: usize,
    final_responses: Vec<u16>,
    timeouts: usize,
}

impl World {
    fn new(seed: u64, loss: u64, status: u16) -> Self {
        let mut random = Random::seeded(seed);
        let flow =
            |near: &str, far: &str| Flow::new(FlowId(1), Transport::Udp, near.parse().unwrap(), far.parse().unwrap());
        Self {
            sides: [(); 2].map(|()| Endpoint::new(Timers::default(), &mut random)),
            flows: [
                flow("192.0.2.1:5060", "192.0.2.2:5060"),
                flow("192.0.2.2:5060", "192.0.2.1:5060"),
            ],
            network: Network {
                random,
                loss,
                in_flight: Vec::new(),
            },
            now: Instant::ORIGIN,
            status,
            told: 0,
            final_responses: Vec::new(),
            timeouts: 0,
        }
    }

    fn ask(&mut self, method: Method) -> ClientKey {
        let address = |text: &str| NameAddr::new(text.parse().unwrap());
        let from = address("sip:100@pbx.example").with_tag("near");
        let to = address("sip:200@pbx.example");
        let mut request = Request::new(method, "sip:200@pbx.example".parse().unwrap(), from, to, "call", 1);
        request.headers.push(HeaderName::UserAgent, "Toestel");
        let key = self.sides[0]
            .send_request(request, &self.flows[0], self.now, &mut self.network.random)
            .unwrap();
        self.settle();
        key
    }

    fn settle(&mut self) {
        for side in 0..2 {
            while let Some(output) = self.sides[side].poll_output() {
                self.act(side, output);
            }
        }
    }

    fn act(&mut self, side: usize, output: Output) {
        match output {
            Output::Transmit { bytes, .. } => self.network.send(1 - side, &bytes, self.now),
            Output::Request { key, request, .. } => {
                self.told += 1;
                let response = Response::to(&request, StatusCode::new(self.status).unwrap()).with_to_tag("far");
                self.sides[side].respond(&key, &response, self.now).unwrap();
            }
            Output::Response { response, .. } if response.status.is_final() => {
                self.final_responses.push(response.status.code());
            }
            Output::Failed { .. } => self.timeouts += 1,
            Output::Response { .. } | Output::Ack { .. } | Output::Cancelled { .. } | Output::Stranded { .. } => {}
        }
    }

    fn run(&mut self) {
        loop {
            let arrival = self.network.in_flight.iter().map(|(at, ..)| *at).min();
            let wakes = self.sides.each_ref().map(|side| side.poll_wake().map(|wake| wake.at));
            let Some(next) = wakes.into_iter().flatten().chain(arrival).min() else {
                return;
            };
            self.now = self.now.max(next);
            let now = self.now;
            let (due, later) = std::mem::take(&mut self.network.in_flight)
                .into_iter()
                .partition(|(at, ..)| *at <= now);
            self.network.in_flight = later;
            let due: Vec<(Instant, usize, Bytes)> = due;
            for (_, side, bytes) in due {
                let message = parse::datagram(&bytes).unwrap();
                self.sides[side].handle_message(&self.flows[side], message, now);
            }
            for side in &mut self.sides {
                side.handle_timeout(now);
            }
            self.settle();
        }
    }
}

#[test]
fn every_transaction_ends_on_both_sides_whatever_is_lost() {
    for seed in 0..150 {
        for loss in [0, 30, 60, 90, 100] {
            for (method, status) in [(Method::Invite, 486), (Method::Options, 200)] {
                let mut world = World::new(seed, loss, status);
                let key = world.ask(method.clone());
                world.run();
                // An INVITE that was told to wait waits for ever; whoever loses patience cancels it.
                world.sides[0].cancel(&key, None, world.now);
                world.settle();
                world.run();
                let name = format!("seed {seed}, loss {loss} %, {method}");
                assert_eq!(
                    world.sides.each_ref().map(Endpoint::transactions),
                    [(0, 0); 2],
                    "{name}"
                );
                assert_eq!(world.final_responses.len() + world.timeouts, 1, "{name}");
                assert!(world.told <= 1 || loss > 0, "{name}: told {} times", world.told);
                if loss == 0 {
                    assert_eq!(world.final_responses, [status], "{name}");
                }
            }
        }
    }
}

#[test]
fn a_third_of_all_datagrams_lost_hardly_ever_costs_a_transaction() {
    let answered = (0..400)
        .filter(|seed| {
            let mut world = World::new(*seed, 33, 200);
            world.ask(Method::Options);
            world.run();
            world.told == 1 && world.final_responses == [200]
        })
        .count();
    assert!(answered >= 398, "{answered} of 400");
}
