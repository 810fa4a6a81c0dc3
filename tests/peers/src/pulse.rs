//! A PulseAudio of the lab's own, with null sinks for sound cards.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::cache;
use crate::lab::Lab;
use crate::process::Process;

/// A running PulseAudio with a `speaker` and a `microphone`, the latter fed by whoever plays into the sink `mouth`.
pub struct Pulse {
    process: Process,
    socket: PathBuf,
}

impl Pulse {
    /// Starts it and waits until it answers.
    pub fn start(lab: &Lab) -> Self {
        let folder = lab.folder("pulse");
        let socket = folder.join("socket");
        let mut command = Command::new("pulseaudio");
        // Shared memory of PulseAudio 16 has aborted it under clients that come and go.
        command.args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--disable-shm=yes",
        ]);
        command
            .env("HOME", &folder)
            .env("XDG_RUNTIME_DIR", lab.folder("pulse/run"));
        for module in [
            format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ),
            "module-null-sink sink_name=speaker rate=48000 channels=1 sink_properties=device.description=speaker"
                .to_owned(),
            "module-null-sink sink_name=mouth rate=48000 channels=1".to_owned(),
            "module-remap-source source_name=microphone master=mouth.monitor channels=1 \
             source_properties=device.description=microphone"
                .to_owned(),
        ] {
            command.args(["-L", &module]);
        }
        let mut pulse = Self {
            process: Process::start("pulseaudio", &mut command, &folder.join("log")),
            socket,
        };
        let mut look = pulse.control(&["set-default-source", "microphone"]);
        pulse.process.ready(Duration::from_secs(15), || {
            look.output().is_ok_and(|output| output.status.success())
        });
        cache::run(&mut pulse.control(&["set-default-sink", "speaker"]));
        pulse
    }

    /// The environment variable by which a client finds it.
    pub fn variable(&self) -> (&'static str, String) {
        ("PULSE_SERVER", format!("unix:{}", self.socket.display()))
    }

    /// A command of `pactl`.
    pub fn control(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("pactl");
        command.args(arguments);
        command
    }

    /// `program`, which will find it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let (name, value) = self.variable();
        command.env(name, value);
        command
    }
}
