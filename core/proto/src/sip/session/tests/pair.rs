//! Whole calls between two sessions.

use std::time::Duration;

use super::world::{ALICE, BOB, Network, World};
use super::{sdp, status};
use crate::sip::msg::{Method, Reason};
use crate::sip::session::{EndedBy, Event, Phase};

const SECOND: Duration = Duration::from_secs(1);

/// A call that Bob has answered, on `network`.
fn talking(network: Network, seed: u64) -> World {
    let mut world = World::new(network, seed);
    world.dial(Some(sdp("a1")));
    settle_until(&mut world, |world| world.phones[BOB].session.is_some());
    world.act(BOB, |bob, now| bob.ring(now)).unwrap();
    world.run(SECOND);
    world.act(BOB, |bob, now| bob.answer(sdp("b1"), now)).unwrap();
    settle_until(&mut world, |world| {
        world.phones[BOB].has(|event| *event == Event::Confirmed)
    });
    world
}

/// Runs until `done`, for at most 40 s.
fn settle_until(world: &mut World, done: impl Fn(&World) -> bool) {
    for _ in 0..400 {
        if done(world) {
            return;
        }
        world.run(SECOND / 10);
    }
    panic!(
        "it never happened: {:?} / {:?}",
        world.phones[ALICE].events, world.phones[BOB].events
    );
}

fn assert_over(world: &mut World) {
    world.run(SECOND * 120);
    for phone in &world.phones {
        assert_eq!(phone.ends(), 1, "{:?}", phone.events);
        assert!(phone.released, "{:?}", phone.session);
    }
}

#[test]
fn a_call_is_answered_and_either_side_hangs_up() {
    for hangs_up in [ALICE, BOB] {
        let mut world = talking(Network::PERFECT, 1);
        assert!(
            world.phones[ALICE]
                .has(|event| matches!(event, Event::Answered { sdp: Some(answer), .. } if *answer == sdp("b1")))
        );
        assert!(
            world.phones[BOB]
                .has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("a1")))
        );
        world.act(hangs_up, |session, now| session.hangup(None, now));
        world.run(SECOND);
        let by = |side: usize| {
            world.phones[side].events.iter().find_map(|event| match event {
                Event::Ended(ended) => Some(ended.by),
                _ => None,
            })
        };
        assert_eq!(by(hangs_up), Some(EndedBy::Us));
        assert_eq!(by(1 - hangs_up), Some(EndedBy::Them));
        assert_over(&mut world);
    }
}

#[test]
fn calls_survive_a_network_that_loses_a_fifth_of_everything() {
    for seed in 0..40 {
        let mut world = talking(Network::BAD, seed);
        world.act(ALICE, |alice, now| alice.offer(&sdp("hold"), now)).unwrap();
        settle_until(&mut world, |world| {
            world.phones[BOB]
                .has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("hold")))
        });
        world.act(BOB, |bob, now| bob.answer_offer(sdp("held"), now)).unwrap();
        settle_until(&mut world, |world| {
            world.phones[ALICE]
                .has(|event| matches!(event, Event::AnswerReceived { sdp: answer, .. } if *answer == sdp("held")))
        });
        world.act(BOB, |bob, now| bob.hangup(None, now));
        assert_over(&mut world);
    }
}

#[test]
fn an_offer_in_the_200_is_answered_in_the_ack() {
    let mut world = World::new(Network::BAD, 3);
    world.dial(None);
    settle_until(&mut world, |world| {
        world.phones[BOB].has(|event| *event == Event::OfferRequested)
    });
    world.act(BOB, |bob, now| bob.answer(sdp("b1"), now)).unwrap();
    settle_until(&mut world, |world| {
        world.phones[ALICE].has(|event| matches!(event, Event::OfferReceived { .. }))
    });
    world
        .act(ALICE, |alice, now| alice.answer_offer(sdp("a1"), now))
        .unwrap();
    settle_until(&mut world, |world| {
        world.phones[BOB]
            .has(|event| matches!(event, Event::AnswerReceived { sdp: answer, .. } if *answer == sdp("a1")))
    });
    world.act(ALICE, |alice, now| alice.hangup(None, now));
    assert_over(&mut world);
}

#[test]
fn reliable_early_media_is_acknowledged_and_the_200_needs_no_description() {
    for network in [Network::PERFECT, Network::BAD] {
        let mut world = World::new(network, 4);
        world.dial(Some(sdp("a1")));
        settle_until(&mut world, |world| world.phones[BOB].session.is_some());
        world.act(BOB, |bob, now| bob.progress(sdp("b1"), now)).unwrap();
        world.act(BOB, |bob, now| bob.answer(sdp("b1"), now)).unwrap();
        settle_until(&mut world, |world| {
            world.phones[BOB].has(|event| *event == Event::Confirmed)
        });
        let alice = &world.phones[ALICE];
        assert!(
            alice.has(|event| matches!(event, Event::EarlyAnswer { reliable: true, .. })),
            "{:?}",
            alice.events
        );
        assert!(
            alice.has(|event| matches!(event, Event::Answered { sdp: None, .. })),
            "{:?}",
            alice.events
        );
        assert!(world.phones[BOB].received.contains(&Method::Prack));
        world.act(ALICE, |alice, now| alice.hangup(None, now));
        assert_over(&mut world);
    }
}

#[test]
fn an_early_dialog_is_changed_by_update_both_ways() {
    let mut world = World::new(Network::PERFECT, 5);
    world.dial(Some(sdp("a1")));
    world.run(SECOND);
    world.act(BOB, |bob, now| bob.progress(sdp("b1"), now)).unwrap();
    world.run(SECOND);
    for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
        world
            .act(from, |session, now| session.offer(&sdp("moved"), now))
            .unwrap();
        world.run(SECOND);
        world
            .act(to, |session, now| session.answer_offer(sdp("seen"), now))
            .unwrap();
        world.run(SECOND);
        assert!(
            world.phones[from]
                .has(|event| matches!(event, Event::AnswerReceived { sdp: answer, .. } if *answer == sdp("seen")))
        );
        assert!(world.phones[to].received.contains(&Method::Update));
    }
    world.act(BOB, |bob, now| bob.answer(sdp("b1"), now)).unwrap();
    world.run(SECOND);
    assert_eq!(world.phones[ALICE].session.as_ref().unwrap().phase(), Phase::Confirmed);
    world.act(ALICE, |alice, now| alice.hangup(None, now));
    assert_over(&mut world);
}

#[test]
fn a_cancel_reaches_the_callee_with_its_reason() {
    let mut world = World::new(Network::BAD, 6);
    world.dial(Some(sdp("a1")));
    settle_until(&mut world, |world| world.phones[BOB].session.is_some());
    world.act(BOB, |bob, now| bob.ring(now)).unwrap();
    world.run(SECOND * 3);
    let reason: Reason = "SIP;cause=200;text=\"Call completed elsewhere\"".parse().unwrap();
    world
        .act(ALICE, |alice, now| alice.cancel(Some(reason.clone()), now))
        .unwrap();
    assert_over(&mut world);
    assert!(world.phones[BOB].has(|event| matches!(event, Event::Ended(ended)
        if ended.by == EndedBy::Them && ended.reasons == [reason.clone()])));
}

#[test]
fn a_cancel_and_a_200_that_cross_leave_no_call_behind() {
    for seed in 0..40 {
        let mut world = World::new(
            Network {
                stream: seed % 2 == 0,
                ..Network::BAD
            },
            seed,
        );
        world.dial(Some(sdp("a1")));
        settle_until(&mut world, |world| world.phones[BOB].session.is_some());
        world.act(BOB, |bob, now| bob.ring(now)).unwrap();
        world.run(SECOND);
        world.act(BOB, |bob, now| bob.answer(sdp("b1"), now)).unwrap();
        world.run(Duration::from_millis(seed * 20));
        world.act(ALICE, |alice, now| alice.hangup(None, now));
        assert_over(&mut world);
    }
}

#[test]
fn offers_that_cross_are_both_made_in_the_end() {
    for seed in 0..20 {
        let mut world = talking(Network::PERFECT, seed);
        world.act(ALICE, |alice, now| alice.offer(&sdp("a2"), now)).unwrap();
        world.act(BOB, |bob, now| bob.offer(&sdp("b2"), now)).unwrap();
        world.run(SECOND / 10);
        for side in [ALICE, BOB] {
            assert!(world.phones[side].has(|event| matches!(event, Event::OfferRefused { status: code, retrying: true, .. } if *code == status(491))));
        }
        // Bob's back-off is the shorter one.
        settle_until(&mut world, |world| {
            world.phones[ALICE]
                .has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("b2")))
        });
        world
            .act(ALICE, |alice, now| alice.answer_offer(sdp("a3"), now))
            .unwrap();
        world.run(SECOND);
        assert!(
            world.phones[ALICE].has(|event| matches!(event, Event::OfferRefused { retrying: false, .. })),
            "overtaken"
        );
        world.act(ALICE, |alice, now| alice.offer(&sdp("a4"), now)).unwrap();
        settle_until(&mut world, |world| {
            world.phones[BOB]
                .has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("a4")))
        });
        world.act(BOB, |bob, now| bob.answer_offer(sdp("b4"), now)).unwrap();
        world.run(SECOND);
        world.act(BOB, |bob, now| bob.hangup(None, now));
        assert_over(&mut world);
    }
}

#[test]
fn byes_that_cross_end_the_call_once_on_each_side() {
    let mut world = talking(Network::PERFECT, 8);
    world.act(ALICE, |alice, now| alice.hangup(None, now));
    world.act(BOB, |bob, now| bob.hangup(None, now));
    assert_over(&mut world);
}

#[test]
fn a_long_call_is_refreshed_and_a_dead_peer_ends_it() {
    let mut world = World::new(Network::PERFECT, 9);
    world.tune = |settings| settings.session_interval = Some(Duration::from_secs(90));
    world.dial(Some(sdp("a1")));
    world.run(SECOND);
    world.act(BOB, |bob, now| bob.answer(sdp("b1"), now)).unwrap();
    world.run(SECOND * 600);
    assert_eq!(world.phones[BOB].ends(), 0, "refreshed for ten minutes");
    let refreshes = world.phones[BOB]
        .received
        .iter()
        .filter(|method| **method == Method::Update)
        .count();
    assert!((12..=14).contains(&refreshes), "{refreshes} refreshes at half of 90 s");
    world.network = Network {
        loss: 100,
        stream: false,
        ..Network::BAD
    };
    world.run(SECOND * 91);
    assert!(world.phones[BOB].has(|event| matches!(event, Event::Ended(ended) if ended.by == EndedBy::Expired)));
    assert_over(&mut world);
}
