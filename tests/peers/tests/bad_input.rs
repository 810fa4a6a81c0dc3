//! What is wrong is said in one sentence that names what to do: by `toestel call` on standard error and with an exit code,
//! by `toestel agent` as an event. Nothing hangs, and nothing that was kept before is lost.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};
use toestel_peers::agent::{Account, Agent, binary};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::certificates::Authority;
use toestel_peers::lab::{Lab, PBX};
use toestel_peers::process::finish;
use toestel_peers::sound;

/// How long a command may take to say that it cannot be done: a server that is silent takes the longest.
const SAID: Duration = Duration::from_secs(45);

/// What a home keeps between two commands, and where it is run.
struct User {
    lab: Arc<Lab>,
    home: PathBuf,
}

impl User {
    fn new(lab: &Arc<Lab>) -> Self {
        Self {
            lab: Arc::clone(lab),
            home: lab.folder("user"),
        }
    }

    /// `toestel` with these arguments; there is no sound, no key store and nobody to ask.
    fn toestel(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.home.command(binary());
        command.args(arguments).current_dir(&self.home);
        command.env("HOME", &self.home).env_remove("XDG_DATA_HOME");
        command.env("XDG_RUNTIME_DIR", &self.home).env_remove("PULSE_SERVER");
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        command
    }

    fn add(&self, account: &Account) {
        let address = format!("{}@{}", account.user, account.domain);
        let ca = account.ca.display().to_string();
        let add = ["accounts", "add", &address, "--server", &account.server, "--ca", &ca];
        let added = finish(self.toestel(&add).env("TOESTEL_PASSWORD", &account.password), SAID);
        assert!(added.status.success(), "{}", text(&added.stderr));
    }

    /// Calls with the account that was added; the call must fail with one sentence.
    fn fails_to_call(&self, arguments: &[&str], password: &str) -> String {
        let mut all = vec!["call"];
        all.extend(arguments);
        let output = finish(self.toestel(&all).env("TOESTEL_PASSWORD", password), SAID);
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
        one_sentence(&output)
    }
}

/// A disk with room for `kilobytes`, as long as this value lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(lab: &Lab, kilobytes: u32) -> Self {
        let folder = lab.folder("small-disk");
        let size = std::ffi::CString::new(format!("size={kilobytes}k")).unwrap();
        mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), size.as_c_str()).expect("we are root");
        Self(folder)
    }

    fn fill(&self) {
        let mut rest = File::create(self.0.join("rest")).expect("a name takes no room");
        while rest.write_all(&[0; 512]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// What a failed command said on standard error: one line, a sentence, and no more.
fn one_sentence(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    let said = said.trim_start_matches("toestel: ");
    is_a_sentence(said);
    said.to_owned()
}

fn is_a_sentence(said: &str) {
    assert!(said.ends_with('.') && said.len() < 400, "{said}");
    assert!(
        said.starts_with(|first: char| first.is_uppercase() || first == '/') && !said.contains("panicked"),
        "{said}"
    );
}

/// The text of an event, which must be a sentence with one of these words in it.
fn says(event: &Value, key: &str, words: &[&str]) {
    let said = event[key].as_str().unwrap_or_else(|| panic!("no {key} in {event}"));
    is_a_sentence(said);
    names(said, words);
}

fn names(said: &str, words: &[&str]) {
    let lower = said.to_lowercase();
    assert!(words.iter().any(|word| lower.contains(word)), "{said}");
}

#[test]
fn an_unreachable_server_is_said_and_what_to_check() {
    let lab = Lab::new("unreachable");
    // One refuses, the other is silent.
    for (name, server) in [
        ("refused", format!("{PBX}:5061")),
        ("silent", "10.99.0.99:5061".to_owned()),
    ] {
        let account = Account {
            server,
            ..Account::at_asterisk(&lab, "201")
        };
        let mut phone = Agent::start_in(&lab, &lab.home, &account, name);
        let event = phone.event_where("unregistered", SAID, |_| true);
        says(&event, "reason", &["check"]);
        assert!(event["retry_in_ms"].is_u64(), "{event}");
        assert!(phone.quit().success());

        let user = User {
            home: lab.folder(&format!("{name}-user")),
            lab: Arc::clone(&lab),
        };
        user.add(&account);
        let said = user.fails_to_call(&["600", "--record", "heard.wav"], &account.password);
        names(&said, &["check"]);
    }
}

#[test]
fn an_untrusted_certificate_is_said_and_whose_root_is_missing() {
    let lab = Lab::new("untrusted");
    let _asterisk = Asterisk::start(&lab);
    let stranger = Authority::new(&lab.folder, "stranger");
    let account = Account {
        ca: stranger.certificate,
        ..Account::at_asterisk(&lab, "201")
    };
    let mut phone = Agent::start(&lab, &account);
    says(&phone.event("unregistered"), "reason", &["certificate"]);

    let user = User::new(&lab);
    user.add(&account);
    let said = user.fails_to_call(&["600", "--record", "heard.wav"], &account.password);
    names(&said, &["certificate"]);
}

#[test]
fn a_codec_that_the_pbx_refuses_is_said_and_where_to_look() {
    let lab = Lab::new("codec");
    let _asterisk = Asterisk::start(&lab);
    let account = Account::at_asterisk(&lab, "208");
    let mut phone = Agent::start(&lab, &account);
    phone.event("registered");
    let call = phone.dial("600");
    let ended = phone.call_is(call, "ended");
    assert_eq!(ended["code"], 488, "{ended}");
    says(&ended, "reason", &["codec"]);
    assert!(phone.quit().success());

    let user = User::new(&lab);
    user.add(&account);
    let said = user.fails_to_call(&["600", "--record", "heard.wav"], &account.password);
    names(&said, &["codec"]);
}

#[test]
fn a_disk_that_fills_in_a_call_cuts_the_recording_and_not_the_call() {
    let lab = Lab::new("disk");
    let _asterisk = Asterisk::start(&lab);
    let disk = SmallDisk::new(&lab, 300);
    let recording = disk.0.join("heard.wav").display().to_string();
    let account = Account::at_asterisk(&lab, "201").with_files(&sound::speech(), Path::new(&recording));
    let mut phone = Agent::start(&lab, &account);
    phone.event("registered");
    let call = phone.call("600");
    says(&phone.event("warning"), "text", &["heard.wav"]);
    let before = phone.stats()["received"].as_u64();
    phone.stats_where(SAID, |stats| stats["received"].as_u64() > before);
    phone.tell(json!({"cmd": "hangup", "call": call}));
    assert!(phone.quit().success());
    // What was written before is whole.
    assert!(sound::read_wav(Path::new(&recording)).0.len() > 48_000);
    fs::remove_file(&recording).unwrap();

    let user = User::new(&lab);
    user.add(&account);
    let arguments = ["600", "--seconds", "7", "--record", &recording];
    let said = user.fails_to_call(&arguments, &account.password);
    names(&said, &["disk"]);
}

#[test]
fn an_account_that_finds_no_room_is_not_added_and_the_others_stay() {
    let lab = Lab::new("no-room");
    let disk = SmallDisk::new(&lab, 512);
    let user = User {
        home: disk.0.join("user"),
        lab: Arc::clone(&lab),
    };
    fs::create_dir(&user.home).unwrap();
    let account = Account::at_asterisk(&lab, "201");
    user.add(&account);
    let listed = || text(&finish(&mut user.toestel(&["accounts", "list", "--json"]), SAID).stdout);
    let before = listed();
    disk.fill();
    let mut second = user.toestel(&["accounts", "add", "202@pbx.test", "--display-name"]);
    second.arg("n".repeat(60)).env("TOESTEL_PASSWORD", "secret");
    let output = finish(&mut second, SAID);
    assert!(!output.status.success());
    names(&one_sentence(&output), &["space", "disk"]);
    assert_eq!(listed(), before);
}

#[test]
fn a_missing_sound_device_is_said_and_what_to_do_instead() {
    let lab = Lab::new("no-sound");
    let _asterisk = Asterisk::start(&lab);
    let mut account = Account::at_asterisk(&lab, "201");
    let user = User::new(&lab);
    user.add(&account);
    // A person is not called by a voice that is not ours.
    let said = user.fails_to_call(&["600"], &account.password);
    names(&said, &["no sound device"]);
    names(&said, &["--play"]);
    user.fails_to_call(&["600", "--microphone", "Headset"], &account.password);

    "device".clone_into(&mut account.audio);
    let silent = [("XDG_RUNTIME_DIR", user.home.display().to_string())];
    let mut phone = Agent::start_with(&lab, &account, &silent);
    phone.event("registered");
    let call = phone.call("600");
    says(&phone.event("warning"), "text", &["sound"]);
    phone.tell(json!({"cmd": "hangup", "call": call}));
}

#[test]
fn a_malformed_account_is_said_and_its_file_is_kept() {
    let lab = Lab::new("malformed");
    let user = User::new(&lab);
    let account = Account::at_asterisk(&lab, "201");
    user.add(&account);
    let file = settings_of(&user.home);
    let good = fs::read_to_string(&file).unwrap();

    for (wrong, right) in [("\"pbx test\"", "\"pbx.test\""), ("\"pigeon\"", "\"tls\""), ("{", "[")] {
        let broken = good.replace(right, wrong);
        assert_ne!(broken, good, "{right} is in {good}");
        fs::write(&file, &broken).unwrap();
        let mut call = user.toestel(&["call", "600", "--account", "201", "--record", "heard.wav"]);
        let output = finish(call.env("TOESTEL_PASSWORD", &account.password), SAID);
        assert!(!output.status.success(), "{wrong}: {}", text(&output.stdout));
        for line in text(&output.stderr).lines() {
            is_a_sentence(line.trim_start_matches("toestel: "));
        }
        let kept = kept_in(file.parent().unwrap());
        assert!(kept.contains(&broken), "what was written by hand is there: {kept:?}");
        fs::write(&file, &good).unwrap();
    }

    let mut phone = user.toestel(&["agent", "--domain", "pbx test", "--user", "201", "--password-env", "P"]);
    phone.args([
        "--server",
        "10.99.0.10:5061",
        "--transport",
        "tls",
        "--media",
        "required",
    ]);
    phone.args(["--audio", "null", "--state-dir"]).arg(lab.folder("phone"));
    phone.arg("--ca").arg(&account.ca).env("P", "secret");
    let output = finish(&mut phone, SAID);
    assert_eq!(output.status.code(), Some(2));
    names(&one_sentence(&output), &["domain"]);
}

/// The file of the accounts below `home`.
fn settings_of(home: &Path) -> PathBuf {
    let folder = home.join(".local/share/toestel");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = files.map(|entry| entry.unwrap().path());
    files
        .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("pbx.test")))
        .expect("the account is kept in a file")
}

/// What the files of `folder` hold.
fn kept_in(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter_map(|path| fs::read_to_string(path).ok()).collect()
}
