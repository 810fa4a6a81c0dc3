//! `toestel agent` at the practice exchange: each sentence of its contract that needs a PBX.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Agent, Folder, Options, SOON};
use toestel_core::practice::{DOMAIN, Practice};

/// An exchange, and the folder in which its root certificate lies.
struct Place {
    practice: Practice,
    folder: Folder,
}

impl Place {
    fn new() -> Self {
        let (practice, folder) = (Practice::start().unwrap(), Folder::new());
        std::fs::write(folder.file("ca.pem"), practice.root_pem()).unwrap();
        Self { practice, folder }
    }

    fn options(&self, user: &str) -> Options {
        let password = self.practice.password(user).unwrap();
        Options {
            transport: "tls",
            domain: DOMAIN.to_owned(),
            user: user.to_owned(),
            password: String::from_utf8(password.expose().to_vec()).unwrap(),
            ca: Some(self.folder.file("ca.pem")),
            ..Options::tcp(self.practice.address())
        }
    }

    fn phone(&self, user: &str) -> Agent {
        let mut agent = Agent::start(&self.options(user));
        agent.event("registered");
        agent
    }
}

fn dial(agent: &mut Agent, target: &str) -> Value {
    let call = agent.tell(json!({"cmd": "dial", "target": target}))["call"].clone();
    assert!(call.is_u64(), "{call}");
    call
}

fn answered(agent: &mut Agent, target: &str) -> Value {
    let call = dial(agent, target);
    agent.call_is(&call, "active");
    call
}

fn call_in(state: &Value, call: &Value) -> Option<Value> {
    let calls = state["calls"].as_array().unwrap();
    calls.iter().find(|listed| listed["id"] == *call).cloned()
}

fn state_of(agent: &mut Agent, call: &Value) -> Option<Value> {
    call_in(&agent.tell(json!({"cmd": "state"})), call)
}

/// Asks until `condition` holds of the figures.
fn stats_until(agent: &mut Agent, condition: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let stats = agent.ask(json!({"cmd": "stats"}));
        if stats["ok"] == true && condition(&stats) {
            return stats;
        }
        assert!(begun.elapsed() < SOON, "{stats}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn a_call_rings_is_answered_sounds_both_ways_and_ends() {
    let place = Place::new();
    let mut agent = place.phone("1001");
    let state = agent.tell(json!({"cmd": "state"}));
    assert_eq!(
        (&state["registered"], &state["accounts"][0]["registered"]),
        (&json!(true), &json!(true))
    );
    assert!(state["accounts"][0]["last_proven_ms"].is_u64(), "{state}");

    let call = dial(&mut agent, "600");
    agent.call_is(&call, "dialing");
    agent.call_is(&call, "ringing");
    agent.call_is(&call, "active");
    let media = agent.event("media");
    assert_eq!((&media["call"], &media["codec"]), (&call, &json!("opus")));
    let stats = stats_until(&mut agent, |stats| stats["received"].as_u64() > Some(50));
    for field in [
        "codec",
        "suite",
        "sent",
        "received",
        "lost",
        "jitter_ms",
        "round_trip_ms",
        "mos",
    ] {
        assert!(stats.get(field).is_some(), "{field}: {stats}");
    }
    assert_eq!(stats["suite"], media["suite"]);
    let listed = state_of(&mut agent, &call).unwrap();
    assert_eq!(
        (
            &listed["direction"],
            &listed["state"],
            &listed["held_by"],
            &listed["muted"],
            &listed["suite"]
        ),
        (
            &json!("out"),
            &json!("active"),
            &json!("none"),
            &json!(false),
            &media["suite"]
        )
    );
    assert!(
        listed["remote"].as_str().is_some_and(|remote| remote.contains("600")),
        "{listed}"
    );

    agent.tell(json!({"cmd": "hangup", "call": call}));
    agent.call_is(&call, "ended");
    assert_eq!(state_of(&mut agent, &call).unwrap()["state"], "ended");
    let ended = Instant::now();
    while state_of(&mut agent, &call).is_some() {
        assert!(
            ended.elapsed() < Duration::from_secs(4),
            "it stays listed for longer than two seconds"
        );
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(
        ended.elapsed() > Duration::from_millis(1_500),
        "it was listed for {:?}",
        ended.elapsed()
    );
    assert_ne!(dial(&mut agent, "600"), call, "a number is never used again");
}

#[test]
fn a_call_is_held_resumed_and_muted() {
    let place = Place::new();
    let mut agent = place.phone("1001");
    let call = answered(&mut agent, "600");
    agent.tell(json!({"cmd": "hold"}));
    agent.call_is(&call, "held");
    assert_eq!(state_of(&mut agent, &call).unwrap()["held_by"], "us");
    agent.tell(json!({"cmd": "resume"}));
    agent.call_is(&call, "active");
    assert_eq!(state_of(&mut agent, &call).unwrap()["held_by"], "none");
    agent.tell(json!({"cmd": "mute", "on": true}));
    assert_eq!(state_of(&mut agent, &call).unwrap()["muted"], true);
    let muted = stats_until(&mut agent, |stats| stats["sent"].as_u64() > Some(20))["sent"].as_u64();
    stats_until(&mut agent, |stats| stats["sent"].as_u64() > muted);
    agent.tell(json!({"cmd": "mute", "on": false}));
    assert_eq!(state_of(&mut agent, &call).unwrap()["muted"], false);
}

#[test]
fn two_phones_call_each_other_press_keys_and_refuse() {
    let place = Place::new();
    let (mut here, mut there) = (place.phone("1001"), place.phone("1002"));
    let out = dial(&mut here, "1002");
    let incoming = there.event("incoming");
    assert!(
        incoming["from"].as_str().is_some_and(|from| from.contains("1001")),
        "{incoming}"
    );
    let call = incoming["call"].clone();
    let listed = state_of(&mut there, &call).unwrap();
    assert_eq!(
        (&listed["direction"], &listed["state"]),
        (&json!("in"), &json!("ringing"))
    );
    there.tell(json!({"cmd": "answer"}));
    here.call_is(&out, "active");
    there.call_is(&call, "active");
    stats_until(&mut here, |stats| stats["received"].as_u64() > Some(10));
    here.tell(json!({"cmd": "dtmf", "digits": "19*#"}));
    for digit in ["1", "9", "*", "#"] {
        let heard = there.event("dtmf");
        assert_eq!((&heard["call"], &heard["digit"]), (&call, &json!(digit)));
    }
    assert_eq!(here.ask(json!({"cmd": "dtmf", "digits": "1x"}))["code"], "digit");
    there.tell(json!({"cmd": "hangup"}));
    here.call_is(&out, "ended");

    for (code, status) in [(None, 486), (Some(480), 480), (Some(603), 603)] {
        let out = dial(&mut here, "1002");
        there.event("incoming");
        assert_eq!(there.ask(json!({"cmd": "reject", "code": 404}))["ok"], false);
        let mut reject = json!({"cmd": "reject"});
        if let Some(code) = code {
            reject["code"] = json!(code);
        }
        there.tell(reject);
        let ended = here.call_is(&out, "ended");
        assert_eq!(ended["code"], status, "{ended}");
    }
}

#[test]
fn the_exchange_calls_back_and_the_call_is_incoming() {
    let place = Place::new();
    let mut agent = place.phone("1001");
    dial(&mut agent, "601");
    let call = agent.event("incoming")["call"].clone();
    agent.tell(json!({"cmd": "answer", "call": call}));
    agent.call_is(&call, "active");
    stats_until(&mut agent, |stats| stats["received"].as_u64() > Some(10));
}

#[test]
fn busy_and_unknown_numbers_end_with_their_code_and_a_reason() {
    let place = Place::new();
    let mut agent = place.phone("1001");
    for (target, code) in [("604", 486), ("999", 404)] {
        let call = dial(&mut agent, target);
        let ended = agent.call_is(&call, "ended");
        assert_eq!(ended["code"], code);
        assert!(
            ended["reason"].as_str().is_some_and(|reason| reason.ends_with('.')),
            "{ended}"
        );
    }
}

#[test]
fn with_two_calls_a_command_must_say_which_and_hangup_ends_both() {
    let place = Place::new();
    let mut agent = place.phone("1001");
    let first = answered(&mut agent, "600");
    let second = answered(&mut agent, "602");
    assert_eq!(agent.ask(json!({"cmd": "stats"}))["code"], "which_call");
    agent.tell(json!({"cmd": "hangup"}));
    agent.call_is(&first, "ended");
    agent.call_is(&second, "ended");
}

#[test]
fn recordings_are_valid_while_they_grow_and_each_call_has_its_own() {
    let place = Place::new();
    let record = place.folder.file("heard.wav");
    let play = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/voice.wav");
    let mut options = place.options("1001");
    options.audio = format!("file:{play},{}", record.display());
    let mut agent = Agent::start(&options);
    agent.event("registered");
    answered(&mut agent, "600");
    stats_until(&mut agent, |stats| stats["played_ms"].as_u64() > Some(2_500));
    let seconds = wav_seconds(&record);
    assert!(seconds >= 1.4, "{seconds} s are written after 2.5 s");
    agent.tell(json!({"cmd": "hangup"}));
    let second = answered(&mut agent, "600");
    stats_until(&mut agent, |stats| stats["played_ms"].as_u64() > Some(1_500));
    agent.tell(json!({"cmd": "hangup"}));
    agent.call_is(&second, "ended");
    assert!(wav_seconds(&place.folder.file("heard.wav.2")) >= 0.4);
}

/// How long a 48 kHz mono WAV is by its own header, which may not promise more than is there.
fn wav_seconds(path: &Path) -> f64 {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!((&bytes[..4], &bytes[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((number(22) & 0xffff, number(24)), (1, 48_000));
    let data = bytes.windows(4).position(|window| window == b"data").unwrap();
    let length = number(data + 4);
    assert!(
        data + 8 + length as usize <= bytes.len(),
        "the header promises more than is there"
    );
    f64::from(length) / 96_000.0
}

#[test]
fn a_server_under_another_authority_is_an_event_and_never_registers() {
    let (place, other) = (Place::new(), Place::new());
    let mut options = place.options("1001");
    options.ca = Some(other.folder.file("ca.pem"));
    let mut agent = Agent::start(&options);
    let event = agent.event("unregistered");
    assert!(
        event["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("certificate")),
        "{event}"
    );
    assert_eq!(agent.tell(json!({"cmd": "state"}))["registered"], false);
}

#[test]
fn a_certificate_for_another_name_is_an_event() {
    let place = Place::new();
    let mut options = place.options("1001");
    "elsewhere.invalid".clone_into(&mut options.domain);
    let mut agent = Agent::start(&options);
    let event = agent.event("unregistered");
    assert!(
        event["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("certificate")),
        "{event}"
    );
}

#[test]
fn a_wrong_password_is_an_event_that_waits_for_the_user() {
    let place = Place::new();
    let mut options = place.options("1001");
    "wrong".clone_into(&mut options.password);
    let mut agent = Agent::start(&options);
    let event = agent.event("unregistered");
    assert_eq!(event["retry_in_ms"], Value::Null, "{event}");
}

#[test]
fn a_full_disk_is_a_warning_and_the_call_goes_on() {
    let place = Place::new();
    let mut options = place.options("1001");
    let play = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/voice.wav");
    options.audio = format!("file:{play},/dev/full");
    let mut agent = Agent::start(&options);
    agent.event("registered");
    answered(&mut agent, "600");
    let warning = agent.event_that("warning", |event| event["text"].as_str().unwrap().contains("/dev/full"));
    assert!(warning["text"].as_str().unwrap().ends_with('.'), "{warning}");
    stats_until(&mut agent, |stats| stats["received"].as_u64() > Some(10));
}

#[test]
fn a_missing_sound_device_is_a_warning_and_the_call_goes_on() {
    let place = Place::new();
    let mut options = place.options("1001");
    "device".clone_into(&mut options.audio);
    let mut agent = Agent::start(&options);
    agent.event("registered");
    let call = answered(&mut agent, "600");
    let warning = agent.event("warning");
    assert!(
        warning["text"].as_str().is_some_and(|text| text.contains("sound")),
        "{warning}"
    );
    agent.tell(json!({"cmd": "hangup"}));
    agent.call_is(&call, "ended");
}

#[test]
fn quit_in_a_call_hangs_up_and_unregisters() {
    let place = Place::new();
    let (mut here, mut there) = (place.phone("1001"), place.phone("1002"));
    let out = dial(&mut here, "1002");
    let call = there.event("incoming")["call"].clone();
    there.tell(json!({"cmd": "answer"}));
    here.call_is(&out, "active");
    here.tell(json!({"cmd": "quit"}));
    let (status, took, _) = here.end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    there.call_is(&call, "ended");
    // Nobody is there any more: the binding was taken back.
    let again = dial(&mut there, "1001");
    let ended = there.call_is(&again, "ended");
    assert!(matches!(ended["code"].as_u64(), Some(404 | 480)), "{ended}");
}

#[test]
fn unregister_takes_the_binding_back_and_register_brings_it_again() {
    let place = Place::new();
    let mut agent = place.phone("1001");
    agent.tell(json!({"cmd": "unregister"}));
    assert_eq!(agent.event("unregistered")["retry_in_ms"], Value::Null);
    assert_eq!(agent.tell(json!({"cmd": "state"}))["registered"], false);
    agent.tell(json!({"cmd": "register"}));
    agent.event("registered");
}
