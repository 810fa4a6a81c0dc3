//! `toestel agent` without a PBX: each sentence of its contract that needs none.
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

use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Agent, Folder, Options, PASSWORD, finish, text, toestel};

/// A port that refuses connections.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server that takes connections and never says anything.
fn silent() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn alone() -> Agent {
    Agent::start(&Options::tcp(nobody()))
}

fn exits_with_2_and_one_sentence(command: &mut Command, input: &str) {
    let output = finish(command, input);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.starts_with("toestel: ") && said.trim().ends_with('.'), "{said}");
}

#[test]
fn bad_arguments_exit_with_2_and_say_nothing_on_standard_output() {
    for arguments in [
        &["agent"][..],
        &[
            "agent",
            "--server",
            "x:5061",
            "--domain",
            "x",
            "--user",
            "u",
            "--state-dir",
            "/tmp/x",
        ],
        &[
            "agent",
            "--password-stdin",
            "--password-env",
            "X",
            "--server",
            "x",
            "--domain",
            "x",
            "--user",
            "u",
            "--state-dir",
            "/tmp/x",
        ],
    ] {
        let output = finish(toestel().args(arguments), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    let folder = Folder::new();
    for (name, value) in [
        ("--server", "host:port"),
        ("--server", "h:0"),
        ("--domain", "no domain"),
        ("--user", "a b"),
        ("--tls-name", ""),
        ("--ca", "/nowhere/ca.pem"),
        ("--ca", "/dev/null"),
    ] {
        let mut options = Options::tcp(nobody()).command(&folder.file("state"));
        // The first --server of a command line is not replaced by a second one, so each case is built anew.
        options = rebuilt(&options, name, value);
        exits_with_2_and_one_sentence(&mut options, &format!("{PASSWORD}\n"));
    }
}

/// The same command line with one option changed, quietly, over TLS.
fn rebuilt(command: &Command, name: &str, value: &str) -> Command {
    let mut arguments: Vec<String> = command
        .get_args()
        .skip(1)
        .map(|arg| arg.to_str().unwrap().to_owned())
        .collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--transport") {
        arguments[at + 1] = "tls".to_owned();
    }
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => arguments[at + 1] = value.to_owned(),
        None => arguments.extend([name.to_owned(), value.to_owned()]),
    }
    let mut changed = toestel();
    changed.args(arguments);
    changed
}

#[test]
fn a_state_directory_that_is_in_use_or_unusable_exits_with_2() {
    let options = Options::tcp(nobody());
    let first = Agent::start(&options);
    let mut second = rebuilt(&options.command(&first.folder.file("state")), "--user", "202");
    exits_with_2_and_one_sentence(&mut second, &format!("{PASSWORD}\n"));
    let folder = Folder::new();
    std::fs::write(folder.file("state"), "a file").unwrap();
    let mut unusable = rebuilt(&options.command(&folder.file("state")), "--user", "202");
    exits_with_2_and_one_sentence(&mut unusable, &format!("{PASSWORD}\n"));
}

#[test]
fn a_password_that_is_not_where_it_should_be_exits_with_2() {
    let folder = Folder::new();
    let command = Options::tcp(nobody()).command(&folder.file("state"));
    exits_with_2_and_one_sentence(&mut rebuilt(&command, "--user", "201"), "");
    let mut variable = toestel();
    variable.args([
        "agent",
        "--server",
        "x:5061",
        "--domain",
        "x",
        "--user",
        "u",
        "--password-env",
        "TOESTEL_NOT_SET",
    ]);
    variable.arg("--state-dir").arg(folder.file("state"));
    exits_with_2_and_one_sentence(&mut variable, "");
}

#[test]
fn what_is_no_command_is_answered_once_under_null_and_changes_nothing() {
    let mut agent = alone();
    let before = agent.tell(json!({"cmd": "state"}));
    for line in [
        "",
        "hello",
        "[]",
        "{",
        "7",
        "null",
        r#"{"cmd":"state"}"#,
        r#"{"id":1}"#,
        r#"{"id":1.5,"cmd":"state"}"#,
        r#"{"id":{},"cmd":"state"}"#,
        r#"{"id":null,"cmd":"quit"}"#,
        "{\"id\":1,\"cmd\":\"state\"",
        "\u{0}",
    ] {
        let answer = agent.answer_to(line);
        assert_eq!(
            (&answer["id"], &answer["ok"]),
            (&Value::Null, &json!(false)),
            "{line}: {answer}"
        );
        assert!(answer["error"].is_string() && answer["code"].is_string(), "{answer}");
    }
    let after = agent.tell(json!({"cmd": "state"}));
    assert_eq!(before["calls"], after["calls"]);
    assert_eq!(before["accounts"][0]["aor"], after["accounts"][0]["aor"]);
}

#[test]
fn an_id_is_any_string_or_integer_and_comes_back_as_it_was() {
    let mut agent = alone();
    for id in [
        r#""a b""#,
        r#""""#,
        r#""é\u0041\n""#,
        "0",
        "-3",
        "18446744073709551616",
        "-99999999999999999999999",
    ] {
        agent.write(&format!(r#"{{"id":{id},"cmd":"state"}}"#));
        let line = loop {
            let line = agent.raw_line();
            if !line.contains("\"event\"") {
                break line;
            }
        };
        assert!(line.starts_with(&format!(r#"{{"id":{id},"ok":true,"#)), "{line}");
    }
}

#[test]
fn commands_without_a_call_are_errors_but_hangup_is_not() {
    let mut agent = alone();
    agent.tell(json!({"cmd": "hangup"}));
    for command in [
        json!({"cmd": "answer"}),
        json!({"cmd": "reject"}),
        json!({"cmd": "hold"}),
        json!({"cmd": "resume"}),
        json!({"cmd": "dtmf", "digits": "1"}),
        json!({"cmd": "mute", "on": true}),
        json!({"cmd": "stats"}),
    ] {
        assert_eq!(agent.ask(command.clone())["code"], "no_call", "{command}");
    }
    for command in [
        json!({"cmd": "fly"}),
        json!({"cmd": "dial"}),
        json!({"cmd": "dial", "target": 600}),
        json!({"cmd": "mute"}),
        json!({"cmd": "hold", "call": "one"}),
        json!({"cmd": "probe", "kind": "pigeon", "text": ""}),
        json!({"cmd": "probe", "kind": "sip"}),
    ] {
        let answer = agent.ask(command.clone());
        assert_eq!(answer["ok"], false, "{command}: {answer}");
    }
}

#[test]
fn the_state_names_the_account_and_why_it_is_not_registered() {
    let mut agent = alone();
    let event = agent.event("unregistered");
    assert!(
        event["reason"].as_str().is_some_and(|reason| reason.ends_with('.')),
        "{event}"
    );
    assert!(event["retry_in_ms"].is_u64(), "{event}");
    let state = agent.tell(json!({"cmd": "state"}));
    assert_eq!(state["registered"], false);
    assert_eq!(state["calls"], json!([]));
    let account = &state["accounts"][0];
    assert_eq!(
        account["aor"].as_str().map(|aor| aor.trim_start_matches("sip:")),
        Some("201@pbx.test")
    );
    assert_eq!(
        (&account["registered"], &account["last_proven_ms"]),
        (&json!(false), &Value::Null)
    );
    assert!(account["reason"].is_string() && account["id"].is_u64(), "{account}");
}

#[test]
fn register_tries_again_at_once() {
    let address = nobody();
    let mut agent = Agent::start(&Options::tcp(address));
    assert!(
        agent.event("unregistered")["retry_in_ms"].as_u64() > Some(5_000),
        "too soon to tell a try from this one"
    );
    let server = TcpListener::bind(address).unwrap();
    agent.tell(json!({"cmd": "register"}));
    let (stream, _) = server.accept().unwrap();
    let request = std::io::BufRead::lines(std::io::BufReader::new(stream))
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(request, "REGISTER sip:pbx.test SIP/2.0");
}

#[test]
fn a_server_that_does_not_speak_tls_is_an_event() {
    let listener = silent();
    let mut options = Options::tcp(listener.local_addr().unwrap());
    options.transport = "tls";
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 64];
        let _ = stream.read(&mut hello);
        stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    });
    let mut agent = Agent::start(&options);
    let event = agent.event("unregistered");
    assert!(event["reason"].as_str().unwrap().contains("TLS"), "{event}");
    server.join().unwrap();
    agent.tell(json!({"cmd": "state"}));
}

/// How an agent is ended.
type Way = fn(&mut Agent);

#[test]
fn every_way_of_ending_exits_with_0_within_2_seconds_wherever_the_server_is() {
    let ways: [(&str, Way); 4] = [
        ("end of input", Agent::close_input),
        ("quit", |agent| {
            assert_eq!(agent.ask(json!({"cmd": "quit"}))["ok"], true)
        }),
        ("SIGTERM", |agent| agent.signal(Signal::TERM)),
        ("SIGINT", |agent| agent.signal(Signal::INT)),
    ];
    let deaf = silent();
    for server in [nobody(), deaf.local_addr().unwrap(), "192.0.2.1:5061".parse().unwrap()] {
        for (name, end) in ways {
            let mut agent = Agent::start(&Options::tcp(server));
            end(&mut agent);
            let (status, took, errors) = agent.end();
            assert_eq!(status.code(), Some(0), "{name} at {server}: {errors}");
            assert!(took < Duration::from_secs(2), "{name} at {server} took {took:?}");
        }
    }
}

#[test]
fn commands_before_the_end_of_input_are_answered_before_the_end() {
    let folder = Folder::new();
    let mut command = Options::tcp(nobody()).command(&folder.file("state"));
    let lines: String = (0..200)
        .map(|id| format!("{{\"id\":{id},\"cmd\":\"state\"}}\n"))
        .collect();
    let output = finish(&mut command, &format!("{PASSWORD}\n{lines}"));
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0], json!({"event": "ready"}));
    let ids: Vec<u64> = answers.iter().filter_map(|answer| answer["id"].as_u64()).collect();
    assert_eq!(ids, (0..200).collect::<Vec<u64>>());
}

#[test]
fn a_reader_that_does_not_read_cannot_keep_it_from_ending() {
    let folder = Folder::new();
    let mut command = Options::tcp(nobody()).command(&folder.file("state"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = "{\"id\":1,\"cmd\":\"state\"}\n".repeat(2_000);
    std::io::Write::write_all(&mut input, format!("{PASSWORD}\n{lines}").as_bytes()).unwrap();
    let unread = child.stdout.as_ref().unwrap();
    let begun = std::time::Instant::now();
    while rustix::io::ioctl_fionread(unread).unwrap() < 60_000 {
        assert!(begun.elapsed() < support::SOON, "the pipe does not fill");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let status = support::end_of(&mut child, Duration::from_secs(3));
    let _ = child.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn a_signal_before_the_password_ends_it_too() {
    let folder = Folder::new();
    let mut command = Options::tcp(nobody()).command(&folder.file("state"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The lock is there once signals are listened to.
    let begun = std::time::Instant::now();
    while !folder.file("state").join("lock").exists() && begun.elapsed() < support::SOON {
        std::thread::yield_now();
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let status = support::end_of(&mut child, Duration::from_secs(3));
    let _ = child.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn the_password_is_in_no_file_no_log_and_no_argument() {
    let mut agent = alone();
    agent.event("unregistered");
    let command_line = std::fs::read(format!("/proc/{}/cmdline", agent.child.id())).unwrap();
    assert!(!text(&command_line).contains(PASSWORD));
    agent.tell(json!({"cmd": "quit"}));
    let (_, _, errors) = agent.end();
    assert!(
        errors.contains("DEBUG"),
        "the log says nothing, so this proves nothing: {errors}"
    );
    assert!(!errors.contains(PASSWORD), "{errors}");
    assert!(!any_file_holds(agent.folder.path(), PASSWORD.as_bytes()));
}

fn any_file_holds(folder: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return any_file_holds(&path, wanted);
        }
        std::fs::read(&path)
            .unwrap()
            .windows(wanted.len())
            .any(|window| window == wanted)
    })
}

#[test]
fn a_probe_is_answered_as_on_the_command_line() {
    let mut agent = alone();
    let answer = agent.tell(json!({"cmd": "probe", "kind": "dial", "text": "020 123 45 67"}));
    let output = finish(toestel().args(["probe", "dial"]), "020 123 45 67\n");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    for field in ["verdict", "why", "decoded"] {
        assert_eq!(answer[field], line[field], "{field}");
    }
    let by_hex = agent.tell(json!({"cmd": "probe", "kind": "sip", "hex": "0d 0a 0d0a"}));
    assert_eq!(by_hex["verdict"], "drop");
}
