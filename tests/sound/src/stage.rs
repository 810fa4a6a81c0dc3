//! A process for each test, and a private PulseAudio with null sinks for its sound cards.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static STAGE: Mutex<()> = Mutex::new(());

/// Tells the child process that it is on stage.
const MARK: &str = "TOESTEL_STAGE";

/// Runs `play` in a process of its own: this test binary again, with only the test `name`. With `sound_server` a
/// private PulseAudio runs meanwhile, with the sinks `speaker` (the default) and `spare`, and their monitors.
pub fn alone(name: &str, sound_server: bool, play: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return play();
    }
    // One at a time: what they measure is time.
    let _stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = sound_server.then(SoundServer::start);
    let program = std::env::current_exe().expect("a test binary knows where it is");
    let mut child = Command::new(program);
    child
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(MARK, "1");
    match &server {
        Some(server) => child.env("PULSE_SERVER", server.address()),
        // No sound server of the machine's own may take part.
        None => child.env("PULSE_SERVER", "unix:/nonexistent"),
    };
    let status = child.status().expect("the test binary runs again");
    assert!(status.success(), "{name} failed in its own process");
}

/// A file of this test's own.
pub fn file(test: &str, name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("toestel-sound-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    folder.join(name)
}

/// Runs `pactl` against the sound server of this stage.
pub fn pactl(arguments: &[&str]) -> String {
    let output = Command::new("pactl")
        .args(arguments)
        .output()
        .expect("pactl: install pulseaudio-utils");
    assert!(
        output.status.success(),
        "pactl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Removes the sink `name`, as pulling out a headset does.
pub fn unplug(name: &str) {
    let modules = pactl(&["list", "short", "modules"]);
    let module = modules
        .lines()
        .find(|line| line.contains(&format!("sink_name={name} ")));
    let number = module
        .and_then(|line| line.split('\t').next())
        .expect("the sink is there");
    pactl(&["unload-module", number]);
}

/// A running PulseAudio; it ends with this.
struct SoundServer {
    process: Child,
    socket: PathBuf,
}

impl SoundServer {
    fn start() -> Self {
        // A socket's path may have 107 bytes, so the test's name is no part of it.
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("toestel-pulse-{}-{number}", std::process::id()));
        let private = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder);
        private.expect("the temporary folder can be written");
        let socket = folder.join("socket");
        let mut command = Command::new("pulseaudio");
        command
            .args([
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--exit-idle-time=-1",
                "--disable-shm=yes",
            ])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ));
        for sink in ["speaker", "spare"] {
            let module = format!(
                "module-null-sink sink_name={sink} rate=48000 channels=1 sink_properties=device.description=The-{sink}"
            );
            command.args(["-L", &module]);
        }
        // As on a desktop: a device that nobody uses sleeps, and wakes with the latency that its user asks for. A null
        // sink that idles awake instead has rendered up to two seconds ahead, and is deaf and dumb for that long.
        command.args(["-L", "module-suspend-on-idle timeout=0"]);
        let process = command
            .env("HOME", &folder)
            .env("XDG_RUNTIME_DIR", &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio: install it");
        let server = Self { process, socket };
        server.wait();
        server
    }

    fn wait(&self) {
        let started = Instant::now();
        let mut look = Command::new("pactl");
        look.args(["list", "short", "sinks"])
            .env("PULSE_SERVER", self.address())
            .stderr(Stdio::null());
        while started.elapsed() < Duration::from_secs(15) {
            let answer = look.output().expect("pactl: install pulseaudio-utils");
            if String::from_utf8_lossy(&answer.stdout).contains("spare") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the private sound server does not start");
    }

    fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(folder) = self.socket.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// What this process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// When it was looked at.
    at: Instant,
    /// CPU time in seconds.
    cpu: f64,
    /// Voluntary context switches of all threads.
    switches: u64,
}

impl Usage {
    /// Looks now. Threads that have ended are not counted.
    pub fn now() -> Self {
        let (mut cpu, mut switches) = (0.0, 0);
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
            cpu += read("schedstat")
                .split(' ')
                .next()
                .and_then(|nanos| nanos.parse::<f64>().ok())
                .unwrap_or(0.0)
                / 1e9;
            let status = read("status");
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            switches += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        Self {
            at: Instant::now(),
            cpu,
            switches,
        }
    }

    /// Per cent of a core, and wake-ups a second, since then.
    pub fn since(&self) -> (f64, f64) {
        let now = Self::now();
        let seconds = now.at.duration_since(self.at).as_secs_f64();
        (
            (now.cpu - self.cpu) / seconds * 100.0,
            (now.switches - self.switches) as f64 / seconds,
        )
    }
}
