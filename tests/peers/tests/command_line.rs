//! The command line by itself: the practice exchange, and one clear sentence for everything that is wrong.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use toestel_peers::agent::{Account, Agent, SOON, binary};
use toestel_peers::lab::Lab;
use toestel_peers::process::finish;
use toestel_peers::sound;

#[test]
fn the_practice_call_speaks_and_hears_itself() {
    let lab = Lab::new("practice");
    let heard = lab.file("heard.wav");
    let mut command = lab.home.command(binary());
    command
        .args(["call", "600", "--seconds", "13", "--json", "--play"])
        .arg(sound::speech());
    command.arg("--record").arg(&heard).env("HOME", lab.folder("user"));
    let output = finish(&mut command, Duration::from_secs(40));
    assert!(output.status.success(), "{}", text(&output.stderr));

    let last = text(&output.stdout)
        .lines()
        .last()
        .map(str::to_owned)
        .unwrap_or_default();
    let summary: Value = serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {last}"));
    assert_eq!(summary["state"], "ended");
    assert_eq!(summary["codec"], "opus");
    assert_eq!(summary["lost"], 0);
    assert!(
        summary["suite"].as_str().is_some_and(|suite| suite.starts_with("AE")),
        "{summary}"
    );
    assert!(
        summary["sent"].as_u64() > Some(500) && summary["received"].as_u64() > Some(500),
        "{summary}"
    );
    assert!(summary["mos"].as_f64() > Some(4.0), "{summary}");

    let score = sound::pesq(&sound::speech(), &heard);
    println!("PESQ-WB over the practice exchange: {score}");
    assert!(score >= 3.5, "{score}");
}

#[test]
fn a_practice_call_that_is_not_answered_fails_with_a_sentence() {
    let lab = Lab::new("practice-busy");
    let output = lab
        .home
        .command(binary())
        .args(["call", "604", "--seconds", "5"])
        .current_dir(&lab.folder)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).to_lowercase().contains("busy"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence_and_does_not_hang() {
    let lab = Lab::new("wrong");
    let missing = lab.file("missing.wav").display().to_string();
    for arguments in [
        vec!["call", "600", "--play", &missing, "--seconds", "2"],
        vec!["call", "600", "--record", "/nowhere/at/all.wav", "--seconds", "2"],
        vec!["call", "600", "--account", "nobody"],
        vec!["call", ""],
    ] {
        let mut command = lab.home.command(binary());
        let output = finish(command.args(&arguments).current_dir(&lab.folder), SOON);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!((1..=4).contains(&said.trim().lines().count()), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn an_agent_with_bad_arguments_exits_with_2() {
    let lab = Lab::new("bad-arguments");
    for arguments in [
        vec!["agent"],
        vec!["agent", "--server", "nowhere", "--transport", "pigeon"],
        vec!["agent", "--no-such-option"],
    ] {
        let output = finish(lab.home.command(binary()).args(&arguments), SOON);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_state_directory_in_use_or_unusable_is_exit_2() {
    let lab = Lab::new("state");
    let account = Account::at_asterisk(&lab, "201");
    let _first = Agent::start_in(&lab, &lab.home, &account, "phone");
    let mut in_use = agent_command(&lab, &account, &lab.folder("phone").display().to_string());
    assert_eq!(finish(&mut in_use, SOON).status.code(), Some(2));

    let file = lab.file("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let mut unusable = agent_command(&lab, &account, &file.display().to_string());
    assert_eq!(finish(&mut unusable, SOON).status.code(), Some(2));
}

fn agent_command(lab: &Lab, account: &Account, state: &str) -> Command {
    let mut command = lab.home.command(binary());
    command.args(account.arguments()).args(["--state-dir", state]);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
