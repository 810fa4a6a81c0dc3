//! A random walk: both sides do anything at any time, over any network, and every call still ends clean.

use std::time::Duration;

use bytes::Bytes;

use super::world::{ALICE, BOB, Network, World};
use super::{sdp, status};
use crate::random::Random;
use crate::sip::msg::Method;
use crate::sip::session::{Event, Phase, Settings};

const STEPS: usize = 10_000;

/// What the owner of one session remembers.
#[derive(Default)]
struct Owner {
    /// How many events were read.
    read: usize,
    /// The offer that waits for an answer; empty if an offer is asked for.
    pending: Option<Bytes>,
    /// The last answer that went either way.
    agreed: Option<Bytes>,
}

impl Owner {
    fn read(&mut self, events: &[Event]) {
        for event in events.iter().skip(self.read) {
            match event {
                Event::OfferReceived { sdp, .. } => self.pending = Some(sdp.clone()),
                Event::OfferRequested => self.pending = Some(Bytes::new()),
                Event::OfferWithdrawn | Event::Ended(_) => self.pending = None,
                Event::AnswerReceived { sdp, .. }
                | Event::EarlyAnswer {
                    sdp, reliable: true, ..
                }
                | Event::Answered { sdp: Some(sdp), .. } => self.agreed = Some(sdp.clone()),
                _ => {}
            }
        }
        self.read = events.len();
    }
}

/// One call of the walk.
struct Walk {
    world: World,
    owners: [Owner; 2],
    dice: Random,
    names: usize,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut dice = Random::seeded(seed ^ 0xfeed);
        let network = match dice.below(3) {
            0 => Network::PERFECT,
            1 => Network {
                stream: true,
                ..Network::BAD
            },
            _ => Network::BAD,
        };
        let mut world = World::new(network, seed);
        world.tune = [plain, unreliable, short_timer][usize::try_from(dice.below(3)).unwrap()];
        let offer = (dice.below(4) > 0).then(|| sdp("first"));
        world.dial(offer);
        Self {
            world,
            owners: Default::default(),
            dice,
            names: 0,
        }
    }

    fn name(&mut self) -> Bytes {
        self.names += 1;
        sdp(&format!("offer {}", self.names))
    }

    fn read(&mut self) {
        for side in [ALICE, BOB] {
            self.owners[side].read(&self.world.phones[side].events);
        }
    }

    fn phase(&self, side: usize) -> Option<Phase> {
        self.world.phones[side].session.as_ref().map(|session| session.phase())
    }

    /// Any command on any side, and some time.
    fn step(&mut self) {
        let side = usize::try_from(self.dice.below(2)).unwrap();
        let Some(phase) = self.phase(side) else {
            self.world.run(Duration::from_millis(500));
            return self.read();
        };
        let now_and_then = self.dice.below(100);
        match self.dice.below(12) {
            0 | 1 => {
                let name = self.name();
                self.world.attempt(side, |session, now| session.offer(&name, now));
            }
            2..=5 => self.reply(side),
            6 if phase == Phase::Ringing => self.world.attempt(side, |session, now| session.ring(now)),
            6 => self.world.attempt(side, |session, now| {
                session.info("text/plain", Bytes::from_static(b"x"), now)
            }),
            7 => self.world.attempt(side, |session, now| session.probe(now)),
            8 if phase == Phase::Ringing => self.early_media(side),
            9 => self.world.attempt(side, |session, now| {
                session.request(Method::Refer, crate::sip::msg::Headers::new(), None, now)
            }),
            10 if now_and_then < 4 => self.world.act(side, |session, now| session.hangup(None, now)),
            11 if now_and_then < 2 => self
                .world
                .attempt(side, |session, now| session.reject(status(486), None, now)),
            11 if now_and_then < 4 => self.world.attempt(side, |session, now| session.cancel(None, now)),
            _ => {}
        }
        let pause = self.dice.below(8).pow(4);
        self.world.run(Duration::from_millis(pause));
        self.read();
    }

    /// Early media; sent reliably it is the answer, or the offer, for good.
    fn early_media(&mut self, side: usize) {
        let Some(description) = self.description(side) else {
            return;
        };
        let sent = description.clone();
        self.world.attempt(side, |session, now| session.progress(sent, now));
        let session = self.world.phones[side].session.as_ref().unwrap();
        let for_good = session.live_leg().is_some_and(|leg| leg.owed.is_none());
        if for_good && self.owners[side].pending.take().is_some_and(|offer| !offer.is_empty()) {
            self.owners[side].agreed = Some(description);
        }
    }

    /// The answer to what waits on `side`, or the offer that is asked for.
    fn description(&mut self, side: usize) -> Option<Bytes> {
        let pending = self.owners[side].pending.clone()?;
        if pending.is_empty() {
            return Some(self.name());
        }
        Some(Bytes::from([b"re: ", &pending[..]].concat()))
    }

    /// Answers what waits on `side`, or sometimes refuses it.
    fn reply(&mut self, side: usize) {
        let refuses = self.dice.below(6) == 0 && self.phase(side) == Some(Phase::Confirmed);
        if refuses && self.owners[side].pending.take().is_some() {
            self.world
                .attempt(side, |session, now| session.refuse_offer(status(488), None, now));
        } else if !refuses {
            self.accept(side);
        }
    }

    fn accept(&mut self, side: usize) {
        let Some(description) = self.description(side) else {
            if self.phase(side) == Some(Phase::Ringing) {
                // The answer went early already; the one here is left out.
                self.world
                    .attempt(side, |session, now| session.answer(sdp("left out"), now));
            }
            return;
        };
        let answers = self.owners[side]
            .pending
            .as_ref()
            .is_some_and(|offer| !offer.is_empty());
        let sent = description.clone();
        let ringing = self.phase(side) == Some(Phase::Ringing);
        let accepted = self.world.act(side, |session, now| {
            session.answer_offer(sent.clone(), now).or_else(|refused| {
                if ringing {
                    session.answer(sent, now)
                } else {
                    Err(refused)
                }
            })
        });
        if accepted.is_ok() {
            self.owners[side].pending = None;
            if answers {
                self.owners[side].agreed = Some(description);
            }
        }
    }

    /// Answers everything until nothing moves any more, then compares what both sides believe.
    fn assert_agreement(&mut self) -> bool {
        for _ in 0..60 {
            for side in [ALICE, BOB] {
                self.accept(side);
            }
            self.world.run(Duration::from_secs(1));
            self.read();
        }
        if [ALICE, BOB]
            .iter()
            .any(|side| self.phase(*side) != Some(Phase::Confirmed))
        {
            return false;
        }
        for side in [ALICE, BOB] {
            let session = self.world.phones[side].session.as_ref().unwrap();
            let leg = session.live_leg().unwrap();
            assert!(leg.exchange.is_stable(), "{side}: {leg:?}");
            assert!(
                leg.owed.is_none() && leg.wanted.is_none() && leg.accepted.is_none(),
                "{side}: {leg:?}"
            );
        }
        assert_eq!(
            self.owners[ALICE].agreed, self.owners[BOB].agreed,
            "both believe the same answer"
        );
        true
    }

    fn assert_clean_end(&mut self) {
        let side = usize::try_from(self.dice.below(2)).unwrap();
        for side in [side, 1 - side] {
            if self.phase(side).is_some() {
                self.world.act(side, |session, now| session.hangup(None, now));
            }
        }
        self.world.run(Duration::from_secs(200));
        for phone in self.world.phones.iter().filter(|phone| phone.session.is_some()) {
            assert_eq!(phone.ends(), 1, "{:?}", phone.events);
            assert!(phone.released, "{:?}", phone.session);
            assert_eq!(
                phone.acks, phone.successes,
                "every 2xx is acknowledged, and nothing else"
            );
            assert_eq!(phone.session.as_ref().unwrap().poll_wake(), None);
        }
    }
}

fn plain(_: &mut Settings) {}

fn unreliable(settings: &mut Settings) {
    settings.reliable_early_media = false;
}

fn short_timer(settings: &mut Settings) {
    settings.session_interval = Some(Duration::from_secs(90));
}

#[test]
fn whatever_both_sides_do_every_call_ends_once_on_each_and_both_agree() {
    let (mut steps, mut agreements) = (0, 0);
    for seed in 0.. {
        let mut walk = Walk::new(seed);
        let length = walk.dice.below(60);
        for _ in 0..length {
            walk.step();
            steps += 1;
        }
        agreements += usize::from(walk.assert_agreement());
        walk.assert_clean_end();
        if steps >= STEPS {
            break;
        }
    }
    println!("{steps} steps, {agreements} agreements");
    assert!(
        agreements > 200,
        "only {agreements} calls lived long enough to be compared"
    );
}
