//! `toestel` as its users run it: a process with arguments, lines in and lines out.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long an outcome may take on a machine that does other work; what the contract bounds has its own bound.
pub const SOON: Duration = Duration::from_secs(20);
/// The password of every agent here; it must turn up nowhere.
pub const PASSWORD: &str = "canary-4711-password";

/// The command under test.
pub fn toestel() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toestel"));
    command
        .env_remove("TOESTEL_PASSWORD")
        .env_remove("TOESTEL_LOG")
        .env_remove("RUST_LOG")
        // No test may sound through the devices of the machine, or depend on them.
        .env("PULSE_SERVER", "unix:/nowhere")
        .env("ALSA_CONFIG_PATH", "/nowhere");
    command
}

/// A directory of a test's own, removed at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("toestel-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a command to its end; one that hangs is ended and fails the test.
pub fn finish(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || all(&mut out));
    let err = std::thread::spawn(move || all(&mut err));
    let status = end_of(&mut child, SOON * 2).unwrap_or_else(|| {
        let _ = child.kill();
        panic!("{command:?} does not end");
    });
    Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    }
}

fn all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    bytes
}

/// How a process ended, if it does so in time.
pub fn end_of(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    None
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `toestel agent`.
pub struct Agent {
    pub child: Child,
    pub folder: Folder,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    waiting: Vec<Value>,
    errors: Option<std::thread::JoinHandle<Vec<u8>>>,
    next_id: u64,
}

/// What an agent is started with.
pub struct Options {
    pub server: String,
    pub transport: &'static str,
    pub domain: String,
    pub user: String,
    pub password: String,
    pub ca: Option<PathBuf>,
    pub audio: String,
}

impl Options {
    /// A server that need not be there, over TCP.
    pub fn tcp(server: impl ToString) -> Self {
        Self {
            server: server.to_string(),
            transport: "tcp",
            domain: "pbx.test".to_owned(),
            user: "201".to_owned(),
            password: PASSWORD.to_owned(),
            ca: None,
            audio: "null".to_owned(),
        }
    }

    /// The command line, with its state in `state`.
    pub fn command(&self, state: &Path) -> Command {
        let mut command = toestel();
        command.args(["-vvv", "agent", "--password-stdin", "--server", &self.server]);
        command.args([
            "--transport",
            self.transport,
            "--domain",
            &self.domain,
            "--user",
            &self.user,
        ]);
        command.args(["--audio", &self.audio]).arg("--state-dir").arg(state);
        if let Some(ca) = &self.ca {
            command.arg("--ca").arg(ca);
        }
        command
    }
}

impl Agent {
    /// Starts it, gives it its password, and waits until it is ready.
    pub fn start(options: &Options) -> Self {
        Self::start_in(Folder::new(), options)
    }

    /// The same, with its state in `folder`.
    pub fn start_in(folder: Folder, options: &Options) -> Self {
        let mut command = options.command(&folder.file("state"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{}", options.password).unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut err = child.stderr.take().unwrap();
        let (lines_in, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = lines_in.send(line);
            }
        });
        let errors = std::thread::spawn(move || all(&mut err));
        let mut agent = Self {
            child,
            folder,
            input: Some(input),
            lines,
            waiting: Vec::new(),
            errors: Some(errors),
            next_id: 1,
        };
        agent.event("ready");
        agent
    }

    /// Writes a line as it is.
    pub fn write(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line, whatever it is; `None` when there is none in time, or none any more.
    pub fn line(&mut self, within: Duration) -> Option<Value> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// The next line exactly as it was written.
    pub fn raw_line(&mut self) -> String {
        self.lines.recv_timeout(SOON).expect("there is a line")
    }

    /// Writes a line and returns its answer; events before it are kept.
    pub fn answer_to(&mut self, line: &str) -> Value {
        self.write(line);
        let asked = Instant::now();
        loop {
            let answer = self.line(SOON).unwrap_or_else(|| panic!("no answer to {line}"));
            if answer.get("event").is_some() {
                self.waiting.push(answer);
                continue;
            }
            // The contract says one second; the test's own machine may add to that.
            assert!(
                asked.elapsed() < Duration::from_secs(3),
                "{line} took {:?}",
                asked.elapsed()
            );
            return answer;
        }
    }

    /// Asks with an id that must come back.
    pub fn ask(&mut self, mut command: Value) -> Value {
        let id = json!(self.next_id);
        self.next_id += 1;
        command["id"] = id.clone();
        let answer = self.answer_to(&command.to_string());
        assert_eq!(answer["id"], id, "{command}: {answer}");
        if answer["ok"] == false {
            assert!(
                answer["error"].as_str().is_some_and(|error| error.ends_with('.')),
                "{answer}"
            );
            assert!(
                answer["code"].as_str().is_some_and(|code| !code.contains(' ')),
                "{answer}"
            );
        }
        answer
    }

    /// Asks what must be accepted.
    pub fn tell(&mut self, command: Value) -> Value {
        let answer = self.ask(command.clone());
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }

    /// The next event called `name`.
    pub fn event(&mut self, name: &str) -> Value {
        self.event_that(name, |_| true)
    }

    /// The next event called `name` of which `condition` holds.
    pub fn event_that(&mut self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let wanted = |event: &Value| event["event"] == name && condition(event);
        if let Some(at) = self.waiting.iter().position(wanted) {
            return self.waiting.remove(at);
        }
        let deadline = Instant::now() + SOON;
        while let Some(line) = self.line(deadline.saturating_duration_since(Instant::now())) {
            assert!(line.get("event").is_some(), "an answer to nothing: {line}");
            if wanted(&line) {
                return line;
            }
            self.waiting.push(line);
        }
        panic!("no {name} in time; before it: {:#?}", self.waiting);
    }

    /// The next event that says that `call` is in `state`.
    pub fn call_is(&mut self, call: &Value, state: &str) -> Value {
        self.event_that("call", |event| event["call"] == *call && event["state"] == state)
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: how it ended, after how long, and what it wrote to standard error.
    pub fn end(&mut self) -> (ExitStatus, Duration, String) {
        let begun = Instant::now();
        let status = end_of(&mut self.child, SOON).expect("the agent ends");
        let took = begun.elapsed();
        let errors = self.errors.take().unwrap().join().unwrap();
        (status, took, text(&errors))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
