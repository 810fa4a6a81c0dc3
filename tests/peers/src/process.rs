//! Child processes with a log and a deadline: they end with the value that holds them.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often something that gives no sign of its own is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server or a client that runs until this value is dropped.
pub struct Process {
    child: Child,
    /// Its name in messages.
    pub name: String,
    /// What it printed.
    pub log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the lab's folder can be written");
        let errors = output.try_clone().expect("a file can be shared");
        // A group of its own, so that a server's workers end with it.
        let command = command.process_group(0).stdin(Stdio::null());
        let child = command.stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} cannot be started ({command:?}): {error}"));
        Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as a crash does: it cannot say goodbye to anyone.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.group(), Signal::KILL);
        let _ = self.child.wait();
    }

    /// Interrupts it as Ctrl-C does, and waits for its end.
    pub fn interrupt(mut self) {
        kill_process(self.group(), Signal::INT).expect("it runs");
        let _ = self.child.wait();
    }

    fn group(&self) -> Pid {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("it has a process id")
    }

    /// Waits until `ready` says so; panics with the end of the log where the process ends first or takes too long.
    pub fn ready(&mut self, within: Duration, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + within;
        while !ready() {
            let why = match (self.runs(), Instant::now() < deadline) {
                (true, true) => {
                    thread::sleep(LOOK_EVERY);
                    continue;
                }
                (true, false) => format!("is not ready after {within:?}"),
                (false, _) => "ended".to_owned(),
            };
            panic!("{} {why}:\n{}", self.name, end_of(&self.log));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `command` without input to its end; panics where it has none within the time.
pub fn finish(command: &mut Command, within: Duration) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let id = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("it has a process id");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(within) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => {
            let _ = kill_process(id, Signal::KILL);
            panic!("{command:?} has not ended within {within:?}")
        }
    }
}

/// Waits until `look` finds something; `None` where it has not within the time.
pub fn poll<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A log that grows, read from a point on.
pub struct Log {
    path: PathBuf,
    from: usize,
}

impl Log {
    /// The log from its present end on.
    pub fn from_now(path: &Path) -> Self {
        let from = fs::metadata(path).map_or(0, |data| usize::try_from(data.len()).unwrap_or(0));
        Self {
            path: path.to_owned(),
            from,
        }
    }

    /// What has been written since.
    pub fn text(&self) -> String {
        let bytes = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.from..).unwrap_or_default()).into_owned()
    }

    /// How many lines since then hold `part`.
    pub fn count(&self, part: &str) -> usize {
        self.text().lines().filter(|line| line.contains(part)).count()
    }

    /// The first line since then that holds `part`; panics with the end of the log where none comes in time.
    pub fn wait(&self, part: &str, within: Duration) -> String {
        let found = poll(within, || {
            self.text().lines().find(|line| line.contains(part)).map(str::to_owned)
        });
        found.unwrap_or_else(|| {
            panic!(
                "no \"{part}\" in {} within {within:?}:\n{}",
                self.path.display(),
                end_of(&self.path)
            )
        })
    }
}

/// The last lines of a log, for the message of a failed test.
pub fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(40)..)
        .unwrap_or_default()
        .join("\n")
}
