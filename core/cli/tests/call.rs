//! `toestel call` at the practice exchange: its last line, its exit code, and one sentence for what is wrong.
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

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Folder, end_of, finish, text, toestel};

/// Without accounts, without sound devices, in `home`.
fn at(home: &Folder, arguments: &[&str]) -> Command {
    let mut command = toestel();
    command.args(arguments).current_dir(home.path());
    command.env_remove("XDG_DATA_HOME").env("HOME", home.path());
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    command
}

fn last_line(output: &[u8]) -> Value {
    let said = text(output);
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn a_practice_call_without_a_sound_device_speaks_and_writes_what_came_back() {
    let home = Folder::new();
    let output = finish(&mut at(&home, &["call", "600", "--seconds", "3", "--json"]), "");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let last = last_line(&output.stdout);
    assert_eq!(
        (&last["state"], &last["codec"]),
        (&"ended".into(), &"opus".into()),
        "{last}"
    );
    assert!(
        last["suite"].as_str().is_some_and(|suite| suite.starts_with("AE")),
        "{last}"
    );
    assert!(
        last["sent"].as_u64() > Some(30) && last["received"].as_u64() > Some(30),
        "{last}"
    );
    assert!(last["mos"].as_f64() > Some(3.5) && last["lost"].is_u64(), "{last}");
    assert!(
        said.contains("bundled voice") && said.contains("toestel-heard.wav"),
        "{said}"
    );
    // An unoptimised build reads the voice slowly, so the counts are modest. The bundled voice came back: the file holds more than silence.
    let heard = std::fs::read(home.file("toestel-heard.wav")).unwrap();
    let samples = heard[44..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|sample| i16::from_le_bytes(*sample));
    assert!(
        heard.len() > 60_000 && samples.clone().any(|sample| sample.abs() > 1_000),
        "{}",
        heard.len()
    );
}

#[test]
fn a_call_that_is_not_answered_exits_with_1_and_the_reason() {
    let home = Folder::new();
    for (number, reason) in [("604", "busy"), ("999", ".")] {
        let output = finish(&mut at(&home, &["call", number, "--json"]), "");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(last_line(&output.stdout)["received"], 0);
        let said = text(&output.stderr);
        assert!(said.lines().last().unwrap().contains(reason), "{said}");
    }
}

#[test]
fn an_interrupt_hangs_up_and_a_good_call_stays_good() {
    let home = Folder::new();
    let mut command = at(&home, &["call", "600", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut live = BufReader::new(child.stderr.take().unwrap()).lines();
    // The first figures of a call come some seconds after its answer.
    let figures = live
        .find(|line| line.as_ref().unwrap().contains("MOS"))
        .unwrap()
        .unwrap();
    for part in ["active 00:0", "you [", "they [", "loss ", "jitter ", "delay "] {
        assert!(figures.contains(part), "{figures}");
    }
    let begun = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said: Vec<String> = live.map_while(Result::ok).collect();
    let mut last = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut last)
        .unwrap();
    let status = end_of(&mut child, Duration::from_secs(5)).expect("it ends");
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(last_line(last.as_bytes())["state"], "ended");
}

#[test]
fn what_cannot_be_used_is_said_in_one_sentence_before_anybody_is_called() {
    let home = Folder::new();
    std::fs::write(home.file("noise.wav"), "not a sound").unwrap();
    for arguments in [
        &["call", "600", "--play", "/nowhere/play.wav"][..],
        &["call", "600", "--play", "noise.wav"],
        &["call", "600", "--record", "/nowhere/heard.wav"],
        &["call", "600", "--record", "/dev/full"],
        &["call", "600", "--account", "nobody"],
    ] {
        let output = finish(&mut at(&home, arguments), "");
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
}

#[test]
fn practice_says_how_to_connect_and_a_phone_connects_so() {
    let home = Folder::new();
    let mut command = at(&home, &["practice", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let place: Value = serde_json::from_str(&line).unwrap();
    let user = place["accounts"][0]["user"].as_str().unwrap();
    let address = format!("{user}@{}", place["domain"].as_str().unwrap());
    let (server, ca) = (place["server"].as_str().unwrap(), place["ca"].as_str().unwrap());
    let password = place["accounts"][0]["password"].as_str().unwrap();
    let add = [
        "accounts",
        "add",
        &address,
        "--server",
        server,
        "--ca",
        ca,
        "--password-stdin",
    ];
    let added = finish(&mut at(&home, &add), &format!("{password}\n"));
    assert!(added.status.success(), "{}", text(&added.stderr));

    let registered = finish(at(&home, &["register"]).env("TOESTEL_PASSWORD", password), "");
    assert!(registered.status.success(), "{}", text(&registered.stderr));
    let refused = finish(at(&home, &["register"]).env("TOESTEL_PASSWORD", "wrong"), "");
    assert_eq!(refused.status.code(), Some(1));
    let call = [
        "call",
        "600",
        "--seconds",
        "2",
        "--record",
        "heard.wav",
        "--account",
        user,
    ];
    let called = finish(at(&home, &call).env("TOESTEL_PASSWORD", password), "");
    assert!(called.status.success(), "{}", text(&called.stderr));

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(end_of(&mut child, Duration::from_secs(5)).unwrap().code(), Some(0));
}
