//! Our own phone as others use it: `toestel agent`, driven by the lines of its contract (docs/agent.md).

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::lab::{Lab, PBX, PROXY};
use crate::namespace::Namespace;
use crate::process::{end_of, poll};
use crate::{asterisk, kamailio};

/// How long an outcome may take where the test sets no bound of its own: generous, for machines that do other work.
pub const SOON: Duration = Duration::from_secs(15);
/// How long the contract gives the agent to answer a command, and some for a busy machine.
const ANSWER: Duration = Duration::from_secs(3);

/// What an agent is started with.
#[derive(Clone, Debug)]
pub struct Account {
    /// `--server`.
    pub server: String,
    /// `--transport`.
    pub transport: &'static str,
    /// `--domain`.
    pub domain: &'static str,
    /// `--user`.
    pub user: String,
    /// The first line of its input.
    pub password: String,
    /// `--ca`.
    pub ca: PathBuf,
    /// `--media`.
    pub media: &'static str,
    /// `--audio`.
    pub audio: String,
    /// `--tls-name`.
    pub tls_name: Option<String>,
}

impl Account {
    /// `user` at the lab's Asterisk over TLS, encryption required, sending silence.
    pub fn at_asterisk(lab: &Lab, user: &str) -> Self {
        Self {
            server: format!("{PBX}:5061"),
            transport: "tls",
            domain: asterisk::DOMAIN,
            user: user.to_owned(),
            password: format!("secret-{user}"),
            ca: lab.authority.certificate.clone(),
            media: "required",
            audio: "null".to_owned(),
            tls_name: None,
        }
    }

    /// `user` at the lab's Asterisk without any encryption, over `udp` or `tcp`.
    pub fn plain(lab: &Lab, user: &str, transport: &'static str) -> Self {
        Self {
            server: format!("{PBX}:5060"),
            transport,
            media: "off",
            ..Self::at_asterisk(lab, user)
        }
    }

    /// `user` at the lab's Kamailio over TLS, encryption required, sending silence.
    pub fn at_kamailio(lab: &Lab, user: &str) -> Self {
        Self {
            server: format!("{PROXY}:5061"),
            domain: kamailio::DOMAIN,
            ..Self::at_asterisk(lab, user)
        }
    }

    /// Plays `play` into every call and records what comes back.
    pub fn with_files(self, play: &Path, record: &Path) -> Self {
        Self {
            audio: format!("file:{},{}", play.display(), record.display()),
            ..self
        }
    }

    /// The command line, without the password and the state folder.
    pub fn arguments(&self) -> Vec<String> {
        let ca = self.ca.display().to_string();
        let pairs = [
            ("--server", self.server.as_str()),
            ("--transport", self.transport),
            ("--domain", self.domain),
            ("--user", &self.user),
            ("--media", self.media),
            ("--audio", &self.audio),
            ("--ca", &ca),
        ];
        let named = self.tls_name.as_deref().map(|name| ("--tls-name", name));
        let pairs = pairs.into_iter().chain(named).flat_map(|(name, value)| [name, value]);
        ["agent", "--password-stdin"]
            .into_iter()
            .chain(pairs)
            .map(str::to_owned)
            .collect()
    }
}

/// A running `toestel agent`.
pub struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<(Instant, Value)>,
    /// Events that no test step has taken yet, in the order in which they came.
    events: Vec<Value>,
    log: PathBuf,
    next_id: u64,
}

impl Agent {
    /// Starts it in the lab's first home.
    pub fn start(lab: &Lab, account: &Account) -> Self {
        Self::start_in(lab, &lab.home, account, "phone")
    }

    /// Starts it in `place`, with `name` for its state folder and its log; then waits until it is ready.
    pub fn start_in(lab: &Lab, place: &Namespace, account: &Account, name: &str) -> Self {
        Self::spawn(place.command(binary()), &lab.folder(name), account)
    }

    /// Starts it in the lab's first home with these environment variables.
    pub fn start_with(lab: &Lab, account: &Account, variables: &[(&str, String)]) -> Self {
        let mut command = lab.home.command(binary());
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Self::spawn(command, &lab.folder("phone"), account)
    }

    fn spawn(mut command: Command, state: &Path, account: &Account) -> Self {
        let log = state.with_extension("log");
        let errors = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the lab's folder can be written");
        command.args(account.arguments()).arg("--state-dir").arg(state);
        // What it decided, for the message of a test that fails.
        command.arg("-vv");
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
        let lines = read_lines(child.stdout.take().expect("its output is ours"));
        let mut input = child.stdin.take();
        if let Some(input) = &mut input {
            writeln!(input, "{}", account.password).expect("it reads its password");
        }
        let mut agent = Self {
            child,
            input,
            lines,
            events: Vec::new(),
            log,
            next_id: 1,
        };
        agent.event("ready");
        agent
    }

    /// Sends a command and returns its answer, whether it was accepted or not.
    pub fn ask(&mut self, mut command: Value) -> Value {
        let id = json!(self.next_id);
        self.next_id += 1;
        command["id"] = id.clone();
        self.write(&command.to_string());
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.next(deadline) {
                Some(line) if line.get("event").is_some() => self.events.push(line),
                Some(line) if line["id"] == id => return line,
                Some(line) => panic!("an answer to nothing: {line}"),
                None => self.give_up(&format!("no answer to {command} within {ANSWER:?}")),
            }
        }
    }

    /// Sends a command that must be accepted, and returns its answer.
    pub fn tell(&mut self, command: Value) -> Value {
        let answer = self.ask(command.clone());
        if answer["ok"] != true {
            self.give_up(&format!("{command} was refused: {answer}"));
        }
        answer
    }

    /// Sends the command `name`, which has no arguments and must be accepted.
    pub fn order(&mut self, name: &str) -> Value {
        self.tell(json!({ "cmd": name }))
    }

    /// Calls `target` and returns the call's number.
    pub fn dial(&mut self, target: &str) -> i64 {
        let answer = self.tell(json!({ "cmd": "dial", "target": target }));
        answer["call"].as_i64().unwrap_or_else(|| panic!("no call in {answer}"))
    }

    /// Calls `target` and waits until it is answered.
    pub fn call(&mut self, target: &str) -> i64 {
        let call = self.dial(target);
        self.call_is(call, "active");
        call
    }

    /// The next event of this name.
    pub fn event(&mut self, name: &str) -> Value {
        self.event_where(name, SOON, |_| true)
    }

    /// The next event of this name that `fits`, which must come `within` that time.
    pub fn event_where(&mut self, name: &str, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let wanted = |event: &Value| event["event"] == name && fits(event);
        let deadline = Instant::now() + within;
        loop {
            if let Some(place) = self.events.iter().position(wanted) {
                return self.events.remove(place);
            }
            match self.next(deadline) {
                Some(line) if line.get("event").is_some() => self.events.push(line),
                Some(line) => panic!("an answer to nothing: {line}"),
                None => self.give_up(&format!("no fitting event {name} within {within:?}")),
            }
        }
    }

    /// Waits until the event says that `call` is in `state`.
    pub fn call_is(&mut self, call: i64, state: &str) -> Value {
        self.call_is_within(call, state, SOON)
    }

    /// As [`Agent::call_is`], with a bound of the test's own.
    pub fn call_is_within(&mut self, call: i64, state: &str, within: Duration) -> Value {
        self.event_where("call", within, |event| event["call"] == call && event["state"] == state)
    }

    /// Lets `time` pass and fails if an event of this name comes, or came before and was not taken.
    pub fn no_event_for(&mut self, name: &str, time: Duration) {
        self.no_event_where(name, time, |_| true);
    }

    /// As [`Agent::no_event_for`], for events that `fit`.
    pub fn no_event_where(&mut self, name: &str, time: Duration, fits: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + time;
        while let Some(line) = self.next(deadline) {
            self.events.push(line);
        }
        if let Some(event) = self.events.iter().find(|event| event["event"] == name && fits(event)) {
            self.give_up(&format!("there was to be no {name}, but: {event}"));
        }
    }

    /// The answer to `state`.
    pub fn state(&mut self) -> Value {
        self.order("state")
    }

    /// The answer to `stats` for the only call.
    pub fn stats(&mut self) -> Value {
        self.order("stats")
    }

    /// Asks for `stats` until they `fit`.
    pub fn stats_where(&mut self, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + within;
        loop {
            let stats = self.stats();
            if fits(&stats) {
                return stats;
            }
            if Instant::now() > deadline {
                self.give_up(&format!("the stats do not fit within {within:?}: {stats}"));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Tells it to quit; it must unregister and end within two seconds, and some for a busy machine.
    pub fn quit(mut self) -> ExitStatus {
        self.order("quit");
        self.ended()
    }

    /// Closes its input, which means the same as `quit`.
    pub fn close_input(mut self) -> ExitStatus {
        self.input = None;
        self.ended()
    }

    /// Sends it a signal that means the same as `quit`.
    pub fn signal(mut self, signal: Signal) -> ExitStatus {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("it has a process id");
        kill_process(id, signal).expect("it runs");
        self.ended()
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn ended(&mut self) -> ExitStatus {
        let status = poll(Duration::from_secs(4), || self.child.try_wait().ok().flatten());
        status.unwrap_or_else(|| self.give_up("it did not end within 4 s"))
    }

    fn write(&mut self, line: &str) {
        let written = self
            .input
            .as_mut()
            .map(|input| writeln!(input, "{line}").and_then(|()| input.flush()));
        if !matches!(written, Some(Ok(()))) {
            self.give_up("its input is closed");
        }
    }

    fn next(&self, deadline: Instant) -> Option<Value> {
        match self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok((_, line)) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => self.give_up("it ended"),
        }
    }

    fn give_up(&self, why: &str) -> ! {
        let events: Vec<String> = self.events.iter().map(Value::to_string).collect();
        panic!(
            "toestel: {why}\nevents not taken:\n{}\nits log:\n{}",
            events.join("\n"),
            end_of(&self.log)
        )
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command as it is shipped: `TOESTEL_BIN`, else the release build beside the tests' own.
pub fn binary() -> PathBuf {
    if let Some(chosen) = std::env::var_os("TOESTEL_BIN") {
        return PathBuf::from(chosen);
    }
    // Tests run as target/debug/deps/NAME.
    let tests = std::env::current_exe().expect("a running program has a path");
    let target = tests.ancestors().nth(3).expect("tests run below the target folder");
    let binary = target.join("release/toestel");
    assert!(
        binary.exists(),
        "there is no {}: run this by cargo xtask test peers",
        binary.display()
    );
    binary
}

fn read_lines(output: impl std::io::Read + Send + 'static) -> Receiver<(Instant, Value)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "not_json": line }));
            if sender.send((Instant::now(), value)).is_err() {
                break;
            }
        }
    });
    receiver
}
