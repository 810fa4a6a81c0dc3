//! `toestel accounts` and `toestel register`: what is kept, where, and one sentence for what is wrong.
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

use serde_json::Value;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use support::{Folder, PASSWORD, finish, text, toestel};

/// A machine of its own: no key store, and settings in `home`.
fn at(home: &Folder, arguments: &[&str]) -> Command {
    let mut command = toestel();
    command
        .args(arguments)
        .env_remove("XDG_DATA_HOME")
        .env("HOME", home.path())
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    command
}

fn add(home: &Folder, arguments: &[&str]) -> Output {
    let arguments = [&["accounts", "add", "--password-stdin"], arguments].concat();
    finish(&mut at(home, &arguments), &format!("{PASSWORD}\n"))
}

fn list(home: &Folder) -> Value {
    let output = finish(&mut at(home, &["accounts", "list", "--json"]), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_account_is_added_listed_and_removed_and_its_password_is_in_no_file() {
    let home = Folder::new();
    let added = add(
        &home,
        &[
            "201@pbx.test",
            "--display-name",
            "Reception",
            "--server",
            "127.0.0.1:5061",
        ],
    );
    let said = text(&added.stderr);
    assert!(added.status.success(), "{said}");
    assert!(said.contains("The password is not kept."), "{said}");
    let listed = list(&home);
    assert_eq!(listed[0]["config"]["user"], "201");
    assert_eq!(listed[0]["config"]["display_name"], "Reception");
    for (place, content) in files(home.path()) {
        assert!(!text(&content).contains(PASSWORD), "{place}");
    }
    let removed = finish(&mut at(&home, &["accounts", "remove", "201"]), "");
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    assert_eq!(list(&home), serde_json::json!([]));
}

fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn a_malformed_account_is_refused_in_one_sentence_and_nothing_is_kept() {
    let home = Folder::new();
    for arguments in [
        &["201"][..],
        &["@pbx.test"],
        &["a b@pbx.test"],
        &["201@pbx test"],
        &["201@pbx.test", "--country", "Netherlands"],
        &["201@pbx.test", "--ca", "/nowhere/ca.pem"],
        &["201@pbx.test", "--tls-name", ""],
        &["201@pbx.test", "--expires", "1"],
        &["201@pbx.test", "--caller-id", "number:0;x"],
        &["201@pbx.test", "--codecs", "opus,opus"],
    ] {
        let output = add(&home, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert!(said.trim().ends_with('.'), "{said}");
    }
    assert_eq!(list(&home), serde_json::json!([]));
    assert!(add(&home, &["201@pbx.test"]).status.success());
    let double = add(&home, &["201@pbx.test"]);
    assert_eq!(double.status.code(), Some(2));
    assert!(text(&double.stderr).contains("already"));
}

#[test]
fn what_is_told_of_an_account_is_kept() {
    let home = Folder::new();
    let mut arguments = vec!["201@pbx.test", "--expires", "120", "--caller-id", "prefix:*31"];
    arguments.extend(["--codecs", "pcma,opus", "--dtmf", "info"]);
    arguments.extend(["--feature-code", "park=*68", "--feature-code", "group_pickup=*8"]);
    let output = add(&home, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let kept = &list(&home)[0]["config"];
    assert_eq!(kept["expires"], 120);
    assert_eq!(kept["caller_id"], serde_json::json!({"prefix": "*31"}));
    assert_eq!(kept["codecs"], serde_json::json!(["pcma", "opus"]));
    assert_eq!(kept["dtmf"], "info");
    assert_eq!(
        kept["feature_codes"],
        serde_json::json!({"park": "*68", "group_pickup": "*8"})
    );
}

#[test]
fn an_account_that_is_not_there_is_said_with_the_way_to_add_it() {
    let home = Folder::new();
    for arguments in [
        &["register"][..],
        &["register", "--account", "x"],
        &["accounts", "remove", "x"],
    ] {
        let output = finish(&mut at(&home, arguments), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("toestel accounts add"), "{arguments:?}");
    }
}

#[test]
fn registering_at_an_unreachable_server_fails_with_the_reason() {
    let home = Folder::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(
        add(&home, &["201@pbx.test", "--server", &port.to_string()])
            .status
            .success()
    );
    let mut command = at(&home, &["register", "--json"]);
    let output = finish(command.env("TOESTEL_PASSWORD", PASSWORD), "");
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["registered"], false);
    assert!(text(&output.stderr).contains(line["reason"].as_str().unwrap()));
}

#[test]
fn without_a_password_or_anybody_to_ask_the_way_to_give_one_is_said() {
    let home = Folder::new();
    assert!(add(&home, &["201@pbx.test"]).status.success());
    let mut command = Command::new("setsid");
    let inner = at(&home, &["register"]);
    command.arg("--wait").arg(inner.get_program()).args(inner.get_args());
    command
        .env("HOME", home.path())
        .env_remove("TOESTEL_PASSWORD")
        .env_remove("XDG_DATA_HOME");
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let output = finish(&mut command, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("TOESTEL_PASSWORD"),
        "{}",
        text(&output.stderr)
    );
}

/// `script` gives the command a terminal of its own, and repeats what is shown there.
#[test]
fn a_typed_password_is_not_shown() {
    let home = Folder::new();
    let binary = env!("CARGO_BIN_EXE_toestel");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command"]);
    command
        .arg(format!("{binary} accounts add 201@pbx.test"))
        .arg("/dev/null");
    command
        .env("HOME", home.path())
        .env_remove("XDG_DATA_HOME")
        .env_remove("TOESTEL_PASSWORD");
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut terminal = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    while !text(&shown).contains("Password of 201@pbx.test: ") {
        let mut byte = [0];
        terminal.read_exact(&mut byte).unwrap();
        shown.push(byte[0]);
    }
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    terminal.read_to_end(&mut shown).unwrap();
    let shown = text(&shown);
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains("Added 201@pbx.test"), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
}
