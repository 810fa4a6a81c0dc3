//! One of the phones that are compared: started, dialled and ended as its user would.
//!
//! Each runs in the lab's first home, started straight into it, so that nothing but the phone itself is timed. The
//! other makes have a terminal, as they expect; ours has pipes, as its contract says (docs/agent.md).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::settings;
use super::usage::Usage;
use crate::agent;
use crate::lab::{Lab, PBX};
use crate::process::poll;
use crate::pulse::Pulse;
use crate::terminal::{give_terminal, listen};

/// Which phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Toestel,
    /// baresip 1.0 of Debian 12.
    Baresip,
    /// linphonec 5.1 of Debian 12.
    Linphone,
}

impl Kind {
    /// Those that are compared, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Toestel, Self::Baresip, Self::Linphone];

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Toestel => "toestel",
            Self::Baresip => "baresip",
            Self::Linphone => "linphone",
        }
    }

    /// Its user at the lab's Asterisk.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Toestel => "201",
            Self::Baresip => "202",
            Self::Linphone => "203",
        }
    }
}

/// A running phone.
pub struct Phone {
    kind: Kind,
    child: Child,
    input: File,
    printed: Arc<Mutex<String>>,
    /// When it was started, by the clock that Asterisk's log shows.
    pub started: SystemTime,
}

impl Phone {
    /// Starts one; it registers by itself.
    pub fn start(lab: &Lab, pulse: &Pulse, kind: Kind) -> Self {
        let folder = lab.folder(&format!("bench-{}", kind.name()));
        let alsa = lab.file("asound.conf");
        settings::write_alsa(&alsa);
        let program = match kind {
            Kind::Toestel => agent::binary().into_os_string(),
            Kind::Baresip => "baresip".into(),
            Kind::Linphone => "linphonec".into(),
        };
        let mut command = Command::new(program);
        command
            .args(settings::prepare(lab, kind, &folder))
            .envs([pulse.variable()]);
        command
            .env("HOME", &folder)
            .env("ALSA_CONFIG_PATH", alsa)
            .env("PULSE_SINK", "speaker")
            .env("PULSE_SOURCE", "microphone")
            .env("TERM", "dumb");
        let terminal = match kind {
            Kind::Toestel => None,
            Kind::Baresip | Kind::Linphone => Some(give_terminal(&mut command)),
        };
        if terminal.is_none() {
            let log = File::create(folder.join("log")).expect("the lab's folder can be written");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        }
        let (started, child) = lab.home.enter(|| (SystemTime::now(), command.spawn()));
        let mut child = child.unwrap_or_else(|error| panic!("{} cannot be run: {error}", kind.name()));
        // The terminal ends with the phone only when we hold no other end of it.
        drop(command);
        let (mut input, output): (File, Box<dyn Read + Send>) = match terminal {
            Some(terminal) => {
                let output = terminal.try_clone().expect("a terminal can be shared");
                (terminal, Box::new(output))
            }
            None => {
                let input = child.stdin.take().expect("its input is ours");
                let output = child.stdout.take().expect("its output is ours");
                (File::from(OwnedFd::from(input)), Box::new(output))
            }
        };
        if kind == Kind::Toestel {
            writeln!(input, "secret-{}", kind.user()).expect("it reads its password");
        }
        let printed = Arc::default();
        let answers = input.try_clone().expect("a file can be shared");
        listen(output, answers, Arc::clone(&printed));
        Self {
            kind,
            child,
            input,
            printed,
            started,
        }
    }

    /// Has it call `number`.
    pub fn dial(&mut self, number: &str) {
        self.say(&match self.kind {
            Kind::Toestel => format!(r#"{{"id":1,"cmd":"dial","target":"{number}"}}"#),
            Kind::Baresip => format!("/dial sip:{number}@{PBX}:5061;transport=tls"),
            Kind::Linphone => format!("call sip:{number}@{PBX}"),
        });
    }

    /// Has it end its call.
    pub fn hang_up(&mut self) {
        self.say(match self.kind {
            Kind::Toestel => r#"{"id":2,"cmd":"hangup"}"#,
            Kind::Baresip => "/hangup",
            Kind::Linphone => "terminate",
        });
    }

    /// What it has cost so far.
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id()).unwrap_or_else(|| panic!("{} ended:\n{}", self.kind.name(), self.printed()))
    }

    /// Has it unregister and end.
    pub fn quit(mut self) {
        self.say(match self.kind {
            Kind::Toestel => r#"{"id":3,"cmd":"quit"}"#,
            Kind::Baresip => "/quit",
            Kind::Linphone => "quit",
        });
        poll(Duration::from_secs(5), || self.child.try_wait().ok().flatten());
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&mut self, line: &str) {
        if writeln!(self.input, "{line}").is_err() {
            panic!("{} ended:\n{}", self.kind.name(), self.printed());
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
