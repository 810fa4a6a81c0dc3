//! A conference that our phone mixes, of calls through Asterisk.

use std::f64::consts::TAU;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::lab::Lab;
use toestel_peers::process::poll;
use toestel_peers::sound;

const RATE: u32 = 48_000;

#[test]
fn two_who_are_brought_together_hear_each_other_and_not_themselves_and_leave_one_by_one() {
    let lab = Lab::new("conference");
    let _asterisk = Asterisk::start(&lab);
    let tone = lab.file("tone.wav");
    let samples = (0..RATE * 60).map(|place| ((f64::from(place) / 48.0 * TAU).sin() * 8_000.0) as i16);
    sound::write_wav(&tone, RATE, samples);
    let silence = lab.file("silence.wav");
    sound::write_wav(&silence, RATE, (0..RATE).map(|_| 0));
    let (listens, speaks) = (lab.file("listens.wav"), lab.file("speaks.wav"));
    let mut us = phone(&lab, Account::at_asterisk(&lab, "201"), "us");
    let mut listener = phone(
        &lab,
        Account::at_asterisk(&lab, "202").with_files(&silence, &listens),
        "listener",
    );
    let mut speaker = phone(
        &lab,
        Account::at_asterisk(&lab, "203").with_files(&tone, &speaks),
        "speaker",
    );

    us.calls(&mut listener, "202");
    us.calls(&mut speaker, "203");
    let (first, second) = (1, 2);
    us.call_is(first, "held");
    us.tell(json!({ "cmd": "conference" }));
    let told = us.event("conference");
    assert_eq!(told["calls"], json!([first, second]));
    assert_eq!(us.state()["conference"], json!([first, second]));
    let heard = poll(SOON, || (last_second(&listens) > 2_000.0).then_some(()));
    assert!(heard.is_some(), "the listener hears {}", last_second(&listens));
    assert!(last_second(&speaks) < 100.0, "the speaker hears itself");

    us.tell(json!({ "cmd": "hangup", "call": second }));
    us.call_is(second, "ended");
    assert_eq!(us.state()["conference"], json!([]));
    assert_eq!(us.state()["calls"][0]["state"], "active");
    let quiet = poll(Duration::from_secs(5), || (last_second(&listens) < 100.0).then_some(()));
    assert!(quiet.is_some(), "who has left is still heard");
}

fn phone(lab: &Lab, account: Account, name: &str) -> Agent {
    let mut phone = Agent::start_in(lab, &lab.home, &account, name);
    phone.event("registered");
    phone
}

/// The level of the newest second of a recording that is being made.
fn last_second(recording: &Path) -> f64 {
    let samples = sound::read_wav(recording).0;
    let begin = samples.len().saturating_sub(RATE as usize);
    sound::level(samples.get(begin..).unwrap_or_default())
}
