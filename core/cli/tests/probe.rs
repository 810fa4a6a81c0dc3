//! `toestel probe`: the form of its line, and its exit codes.
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
use support::{Folder, finish, text, toestel};

#[test]
fn a_verdict_is_one_compact_line_and_exit_0_whatever_it_is() {
    for (kind, input, verdict) in [
        ("dial", "0201234567\n", "accept"),
        ("sip", "GET / HTTP/1.1\r\n\r\n", "reject"),
        ("sip", "\r\n\r\n", "drop"),
    ] {
        let output = finish(toestel().args(["probe", kind]), input);
        let line = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            line.starts_with(&format!("{{\"verdict\":\"{verdict}\",\"why\":\"")),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert!(value["decoded"].is_object(), "{line}");
    }
}

#[test]
fn a_file_is_read_in_place_of_standard_input() {
    let folder = Folder::new();
    std::fs::write(folder.file("typed"), "112").unwrap();
    let output = finish(toestel().args(["probe", "dial"]).arg(folder.file("typed")), "");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["decoded"]["kind"], "emergency");
    assert_eq!(value["decoded"]["confirm"], serde_json::json!([]));
}

#[test]
fn a_wrong_question_is_an_error_and_prints_no_verdict() {
    for (arguments, input) in [
        (&["probe", "pigeon"][..], ""),
        (&["probe", "sip", "/nowhere"], ""),
        (&["probe", "sip", "--key", "k"], ""),
        (&["probe", "srtp-sequence"], "{"),
        (&["probe", "stun", "--key", "{\"username\":\"u\"}"], ""),
    ] {
        let output = finish(toestel().args(arguments), input);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}
