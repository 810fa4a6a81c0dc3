//! Real phones at the exchange, in simulated time.

mod world;

use crate::media::demux::{self, Kind};
use crate::media::rtp::RtpPacket;
use crate::phone::{CallState, Command, Event, Others};
use std::collections::BTreeSet;
use std::time::Duration;
use world::{SECOND, SPEECH_FRAMES, World};

/// Whether these are numbered frames that a phone said, one after the other.
fn is_voice(heard: &[Vec<u8>]) -> bool {
    let numbers: Vec<u16> = heard
        .iter()
        .filter_map(|frame| match frame[..] {
            [0xf8, b'v', high, low] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        })
        .collect();
    numbers.len() == heard.len() && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

fn is_speech(heard: &[Vec<u8>]) -> bool {
    heard
        .iter()
        .all(|frame| matches!(frame[..], [0xf8, b's', number] if number < SPEECH_FRAMES))
}

/// Nothing is left of a call once it is over and every timer has run out.
fn assert_forgotten(world: &mut World) {
    world.run(SECOND * 60);
    assert_eq!(world.exchange.load(), (0, (0, 0)), "legs and transactions");
}

#[test]
fn what_is_said_to_600_comes_back_under_other_keys() {
    let mut world = World::new(1);
    let alice = world.registered("1001");
    let call = world.dial(alice, "600");
    assert_eq!(world.state(alice, call), CallState::Active);
    world.run(SECOND * 8);
    let heard = world.heard(alice, call);
    assert!(heard.len() > 440 && is_voice(&heard), "{} frames", heard.len());
    let stats = world.stats(alice, call);
    assert_eq!((stats.lost, stats.dropped), (0, 0), "{stats:?}");
    assert_eq!(stats.remote_loss, Some(0.0));
    let round_trip = stats.round_trip_ms.unwrap();
    assert!((19.0..22.0).contains(&round_trip), "{round_trip} ms");
    let rtp = |packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let rtp = packets.iter().filter(|packet| demux::kind(packet) == Kind::Rtp);
        rtp.cloned().collect()
    };
    let [there, back] = world.tapped.each_ref().map(|packets| rtp(packets));
    let (first, echo) = (
        RtpPacket::parse(&there[0]).unwrap(),
        RtpPacket::parse(&back[0]).unwrap(),
    );
    assert_eq!(first.sequence, echo.sequence, "what was lost is still missed");
    assert_ne!(first.ssrc, echo.ssrc, "a source of our own");
    assert_ne!(first.payload, echo.payload, "another key");
    world.hang_up(alice, call);
    assert_forgotten(&mut world);
}

#[test]
fn keys_that_are_pressed_at_600_come_back() {
    let mut world = World::new(2);
    let alice = world.registered("1001");
    let call = world.dial(alice, "600");
    let digits = "0123456789*#".to_owned();
    world.command(
        alice,
        Command::Dtmf {
            call: Some(call),
            digits: digits.clone(),
        },
    );
    world.run(SECOND * 5);
    assert_eq!(world.digits(alice, call), digits);
}

#[test]
fn the_echo_rests_on_hold_and_comes_back_after_it() {
    let mut world = World::new(3);
    let alice = world.registered("1001");
    let call = world.dial(alice, "600");
    world.command(alice, Command::Hold { call: Some(call) });
    world.run(SECOND);
    assert_eq!(world.state(alice, call), CallState::Held);
    world.heard(alice, call);
    let before = world.tapped.each_ref().map(Vec::len);
    world.run(SECOND * 10);
    let during = world.tapped.each_ref().map(Vec::len);
    assert!(during[0] - before[0] > 490, "who holds may play music");
    assert!(during[1] - before[1] < 10, "reports alone come back");
    assert!(world.heard(alice, call).is_empty());
    world.command(alice, Command::Resume { call: Some(call) });
    world.run(SECOND * 2);
    assert_eq!(world.state(alice, call), CallState::Active);
    let heard = world.heard(alice, call);
    assert!(heard.len() > 80 && is_voice(&heard), "{} frames", heard.len());
}

#[test]
fn number_601_hangs_up_and_calls_back_with_speech() {
    let mut world = World::new(4);
    let alice = world.registered("1001");
    let call = world.dial(alice, "601");
    assert_eq!(world.state(alice, call), CallState::Ended);
    world.run(SECOND * 2);
    let (back, from) = world.incoming(alice).expect("it calls back");
    assert!(from.contains("601"), "{from}");
    world.command(
        alice,
        Command::Answer {
            call: Some(back),
            others: Others::Hold,
        },
    );
    world.run(SECOND * 4);
    let heard = world.heard(alice, back);
    assert!(heard.len() > 180 && is_speech(&heard), "{} frames", heard.len());
    world.hang_up(alice, back);
    assert_forgotten(&mut world);
}

#[test]
fn number_602_speaks_and_begins_anew_at_the_end() {
    let mut world = World::new(5);
    let alice = world.registered("1001");
    let call = world.dial(alice, "602");
    world.run(SECOND * 4);
    let heard = world.heard(alice, call);
    assert!(heard.len() > 250 && is_speech(&heard), "{} frames", heard.len());
    let distinct: BTreeSet<u8> = heard.iter().map(|frame| frame[2]).collect();
    assert_eq!(distinct.len(), usize::from(SPEECH_FRAMES));
}

#[test]
fn number_603_loses_and_delays() {
    let mut world = World::new(6);
    let alice = world.registered("1001");
    let call = world.dial(alice, "603");
    world.run(SECOND * 60);
    let stats = world.stats(alice, call);
    let loss = stats.lost as f64 / (stats.lost + stats.received) as f64;
    assert!((0.05..0.15).contains(&loss), "{loss} lost on both ways together");
    let there = stats.remote_loss.unwrap();
    assert!(there < 0.2, "{there} lost on the way there");
    let round_trip = stats.round_trip_ms.unwrap();
    assert!((100.0..220.0).contains(&round_trip), "{round_trip} ms");
}

#[test]
fn number_604_is_busy_and_an_unknown_one_not_found() {
    let mut world = World::new(7);
    let alice = world.registered("1001");
    for (number, code) in [("604", 486), ("999", 404), ("1003", 480)] {
        let call = world.dial(alice, number);
        let (status, reason) = world.end(alice, call).expect("refused");
        assert_eq!(status, Some(code), "{number}");
        assert!(reason.is_some());
    }
    assert_forgotten(&mut world);
}

#[test]
fn number_605_rings_until_the_caller_gives_up() {
    let mut world = World::new(8);
    let alice = world.registered("1001");
    let call = world.dial(alice, "605");
    world.run(SECOND * 40);
    assert_eq!(world.state(alice, call), CallState::Ringing);
    world.hang_up(alice, call);
    assert_eq!(world.state(alice, call), CallState::Ended);
    assert_forgotten(&mut world);
}

#[test]
fn the_mailbox_plays_its_message_once_and_hangs_up() {
    let mut world = World::new(9);
    let alice = world.registered("1001");
    let call = world.dial(alice, "*97");
    let heard = world.heard(alice, call);
    assert!(is_speech(&heard) && !heard.is_empty());
    assert_eq!(world.state(alice, call), CallState::Active);
    world.run(SECOND);
    assert_eq!(world.end(alice, call), Some((None, None)), "an ordinary hang-up");
    assert_forgotten(&mut world);
}

#[test]
fn two_extensions_talk_and_hold_each_other() {
    let mut world = World::new(10);
    let (alice, bob) = (world.registered("1001"), world.registered("1002"));
    let call = world.dial(alice, "1002");
    assert_eq!(world.state(alice, call), CallState::Ringing);
    let (theirs, from) = world.incoming(bob).expect("it rings");
    assert!(from.contains("1001"), "{from}");
    world.command(
        bob,
        Command::Answer {
            call: Some(theirs),
            others: Others::Hold,
        },
    );
    world.run(SECOND * 3);
    for (phone, call) in [(alice, call), (bob, theirs)] {
        assert_eq!(world.state(phone, call), CallState::Active);
        let heard = world.heard(phone, call);
        assert!(heard.len() > 130 && is_voice(&heard), "{} frames", heard.len());
    }
    world.command(alice, Command::Hold { call: Some(call) });
    world.run(SECOND);
    assert_eq!(world.state(bob, theirs), CallState::Held, "he is told");
    world.heard(alice, call);
    world.run(SECOND);
    assert!(world.heard(alice, call).is_empty());
    world.command(alice, Command::Resume { call: Some(call) });
    world.run(SECOND * 2);
    assert_eq!(world.state(bob, theirs), CallState::Active);
    assert!(world.heard(bob, theirs).len() > 50 && world.heard(alice, call).len() > 50);
    world.hang_up(bob, theirs);
    assert_eq!(world.end(alice, call), Some((None, None)));
    assert_forgotten(&mut world);
}

#[test]
fn every_phone_of_an_extension_rings_and_the_first_to_answer_has_the_call() {
    let mut world = World::new(11);
    let alice = world.registered("1001");
    let (desk, mobile) = (world.registered("1002"), world.registered("1002"));
    assert_eq!(world.exchange.registered("1002"), 2);
    let call = world.dial(alice, "1002");
    let (at_desk, _) = world.incoming(desk).expect("the desk rings");
    let (at_mobile, _) = world.incoming(mobile).expect("the mobile rings");
    world.command(
        mobile,
        Command::Answer {
            call: Some(at_mobile),
            others: Others::Hold,
        },
    );
    world.run(SECOND);
    assert_eq!(world.state(alice, call), CallState::Active);
    let (_, reason) = world.end(desk, at_desk).expect("the desk stops ringing");
    assert_eq!(reason.as_deref(), Some("Answered elsewhere."));
}

#[test]
fn a_call_that_the_other_phone_refuses_ends_with_its_reason() {
    let mut world = World::new(12);
    let (alice, bob) = (world.registered("1001"), world.registered("1002"));
    let call = world.dial(alice, "1002");
    let (theirs, _) = world.incoming(bob).unwrap();
    let reject = Command::Reject {
        call: Some(theirs),
        code: Some(603),
    };
    world.command(bob, reject);
    world.run(SECOND);
    assert_eq!(world.end(alice, call).unwrap().0, Some(603));
    let again = world.dial(alice, "1002");
    let (theirs, _) = world.incoming(bob).unwrap();
    world.hang_up(alice, again);
    assert_eq!(world.state(bob, theirs), CallState::Ended);
    assert_forgotten(&mut world);
}

#[test]
fn nobody_answers_for_a_minute_and_the_caller_is_told() {
    let mut world = World::new(13);
    let (alice, bob) = (world.registered("1001"), world.registered("1002"));
    let call = world.dial(alice, "1002");
    world.run(SECOND * 61);
    assert_eq!(world.end(alice, call).unwrap().0, Some(480));
    let (theirs, _) = world.incoming(bob).unwrap();
    assert_eq!(world.state(bob, theirs), CallState::Ended);
    assert_forgotten(&mut world);
}

#[test]
fn a_wrong_password_is_refused_and_nothing_is_bound() {
    let mut world = World::new(14);
    let mallory = world.phone("1001", "guessed");
    assert!(world.has(mallory, |event| matches!(
        event,
        Event::Unregistered { retry_in_ms: None, .. }
    )));
    assert_eq!(world.exchange.registered("1001"), 0);
}

#[test]
fn a_phone_comes_back_after_its_connection_was_cut_and_its_call_goes_on() {
    let mut world = World::new(15);
    let alice = world.registered("1001");
    let call = world.dial(alice, "600");
    world.cut(alice);
    assert_eq!(world.exchange.registered("1001"), 0);
    world.run(Duration::from_secs(90));
    assert_eq!(world.exchange.registered("1001"), 1);
    assert_eq!(world.state(alice, call), CallState::Active);
    world.heard(alice, call);
    world.run(SECOND);
    assert!(is_voice(&world.heard(alice, call)));
    world.hang_up(alice, call);
    assert_forgotten(&mut world);
}

#[test]
fn a_registered_phone_stays_registered_for_a_day() {
    let mut world = World::new(16);
    let alice = world.registered("1001");
    world.run(Duration::from_secs(86_400));
    assert_eq!(world.exchange.registered("1001"), 1);
    assert!(!world.has(alice, |event| matches!(event, Event::Unregistered { .. })));
    let unregister = Command::Unregister { account: None };
    world.command(alice, unregister);
    world.run(SECOND);
    assert_eq!(world.exchange.registered("1001"), 0);
}
