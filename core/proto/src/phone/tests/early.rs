//! What is heard before the answer, with one branch and with several.

use super::*;
use std::net::IpAddr;

/// A description that is heard at this port of the PBX.
fn at(port: u16) -> String {
    ANSWER.replace("20000", &port.to_string())
}

impl Bench {
    fn hear_early(&mut self, call: CallId) {
        let fact = MediaFact::Heard;
        self.input(Input::Media { call, fact });
    }

    /// To which port our media goes.
    fn follows(&self) -> u16 {
        let plans = self.wishes.iter().rev().find_map(|wish| match wish {
            Output::Media { plan, .. } => Some(plan.remote_rtp),
            _ => None,
        });
        let remote = plans.unwrap_or_else(|| panic!("no media: {:?}", self.wishes));
        assert_eq!(remote.ip(), IpAddr::from([192, 0, 2, 1]));
        remote.port()
    }

    fn heard_sounds(&mut self) -> Vec<PhoneSound> {
        self.sounds().into_iter().map(|(_, sound)| sound).collect()
    }
}

fn dialling() -> (Bench, CallId, Request) {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    (bench, call, invite)
}

#[test]
fn ring_back_goes_on_until_a_packet_is_heard() {
    let (mut bench, call, invite) = dialling();
    bench.reply(&invite, 180, "a", Some(&at(20_000)));
    assert_eq!(
        bench.heard_sounds(),
        [PhoneSound::Ringback],
        "a description is no sound"
    );
    bench.run(SECOND * 5);
    assert!(bench.heard_sounds().is_empty());
    bench.hear_early(call);
    assert_eq!(bench.heard_sounds(), [PhoneSound::Silence]);
    bench.reply(&invite, 180, "a", None);
    assert!(bench.heard_sounds().is_empty(), "who is heard is not rung over");
}

#[test]
fn early_media_without_ringing_makes_no_ring_back() {
    let (mut bench, call, invite) = dialling();
    bench.reply(&invite, 183, "a", Some(&at(20_000)));
    assert!(bench.heard_sounds().is_empty());
    assert_eq!(bench.call(call).state, CallState::Early);
    bench.hear_early(call);
    bench.reply(&invite, 180, "b", None);
    assert!(
        bench.heard_sounds().is_empty(),
        "the other branch rings, and the first speaks"
    );
}

#[test]
fn ringing_after_silent_early_media_is_heard() {
    let (mut bench, _, invite) = dialling();
    bench.reply(&invite, 183, "a", Some(&at(20_000)));
    bench.reply(&invite, 180, "a", None);
    assert_eq!(bench.heard_sounds(), [PhoneSound::Ringback]);
}

#[test]
fn who_is_heard_first_is_followed_until_somebody_answers() {
    let (mut bench, call, invite) = dialling();
    bench.reply(&invite, 183, "a", Some(&at(20_000)));
    bench.hear_early(call);
    bench.reply(&invite, 183, "b", Some(&at(30_000)));
    assert_eq!(bench.follows(), 20_000, "the announcement goes on");
    bench.reply(&invite, 200, "b", Some(&at(30_000)));
    assert_eq!(bench.follows(), 30_000);
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_branch_that_is_not_heard_gives_way_to_the_next() {
    let (mut bench, _, invite) = dialling();
    bench.reply(&invite, 183, "a", Some(&at(20_000)));
    bench.reply(&invite, 183, "b", Some(&at(30_000)));
    assert_eq!(bench.follows(), 30_000);
    bench.reply(&invite, 200, "a", Some(&at(20_000)));
    assert_eq!(bench.follows(), 20_000, "whoever answers is heard");
}

#[test]
fn a_branch_that_answers_without_a_word_is_heard_where_it_said_before() {
    let (mut bench, call, invite) = dialling();
    for (tag, port) in [("a", 20_000), ("b", 30_000)] {
        let mut early = reply(&invite, 183, tag, Some(&at(port)));
        early.headers.push(HeaderName::Require, "100rel");
        early.headers.push(HeaderName::RSeq, "1");
        bench.deliver(&early.to_bytes());
        let prack = bench.request(Method::Prack);
        bench.reply(&prack, 200, tag, None);
    }
    assert_eq!(bench.follows(), 30_000);
    bench.reply(&invite, 200, "a", None);
    assert_eq!(bench.call(call).state, CallState::Active);
    assert_eq!(bench.follows(), 20_000);
}

#[test]
fn the_answer_ends_the_ring_back_and_a_redirection_begins_anew() {
    let (mut bench, call, invite) = dialling();
    bench.reply(&invite, 180, "a", None);
    bench.reply(&invite, 180, "b", None);
    assert_eq!(bench.heard_sounds(), [PhoneSound::Ringback], "once for all branches");
    let mut moved = reply(&invite, 302, "a", None);
    moved.headers.set(HeaderName::Contact, "<sip:1009@pbx.example>");
    bench.deliver(&moved.to_bytes());
    assert_eq!(bench.heard_sounds(), [PhoneSound::Silence]);
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 180, "c", None);
    assert_eq!(bench.heard_sounds(), [PhoneSound::Ringback]);
    bench.reply(&invite, 200, "c", Some(ANSWER));
    assert_eq!(bench.heard_sounds(), [PhoneSound::Silence]);
    assert_eq!(bench.call(call).state, CallState::Active);
}
