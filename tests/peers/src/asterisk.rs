//! Asterisk 22 as the PBX, with a configuration of our own (`tests/peers/asterisk`).
//!
//! Every user's password is `secret-` and the user's name. 201 to 203 and 206 speak TLS and SRTP with SDES keys, 204
//! takes SHA-256 only, 205 has session timers of 90 s and 207 has none, 208 takes a codec that we do not speak, 211
//! and 212 speak plain UDP or TCP. The numbers from 600 on are told in `extensions.conf`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::cache;
use crate::lab::{Lab, write};
use crate::process::{Log, Process};
use crate::sound;

/// The domain that the certificate names.
pub const DOMAIN: &str = "pbx.test";

const FILES: [(&str, &str); 6] = [
    ("asterisk.conf", include_str!("../asterisk/asterisk.conf")),
    ("extensions.conf", include_str!("../asterisk/extensions.conf")),
    ("logger.conf", include_str!("../asterisk/logger.conf")),
    ("modules.conf", include_str!("../asterisk/modules.conf")),
    ("rtp.conf", include_str!("../asterisk/rtp.conf")),
    ("voicemail.conf", include_str!("../asterisk/voicemail.conf")),
];
const PJSIP: &str = include_str!("../asterisk/pjsip.conf");

/// User, kind of endpoint, and a line for its login.
const USERS: [(&str, &str, &str); 10] = [
    ("201", "encrypted", ""),
    ("202", "encrypted", ""),
    ("203", "encrypted", ""),
    ("204", "encrypted", "supported_algorithms_uas = SHA-256"),
    ("205", "timed", ""),
    ("206", "encrypted", ""),
    ("207", "untimed", ""),
    ("208", "foreign", ""),
    ("211", "plain", ""),
    ("212", "plain", ""),
];

/// Who has a mailbox: Asterisk tells 201 what waits by itself, and 202 when it is asked.
const MAILBOXES: [(&str, &str, &str); 2] = [
    ("201", "mailboxes = 201@default\n", ""),
    ("202", "", "mailboxes = 202@default\n"),
];

/// The codecs, as Asterisk's tables name them.
const CODECS: [&str; 4] = ["opus", "g722", "alaw", "ulaw"];
const START: Duration = Duration::from_secs(20);

/// A running Asterisk.
pub struct Asterisk {
    process: Process,
    lab: Arc<Lab>,
    folder: PathBuf,
}

impl Asterisk {
    /// Starts it in the lab's namespace for it, and waits until it answers.
    pub fn start(lab: &Arc<Lab>) -> Self {
        Self::start_known_by(lab, None)
    }

    /// As [`Asterisk::start`], with a certificate that names this address too.
    pub fn start_known_by(lab: &Arc<Lab>, address: Option<&str>) -> Self {
        let folder = lab.folder("asterisk");
        // What an earlier run of the same number left in the mailboxes.
        let _ = fs::remove_dir_all(folder.join("spool"));
        for part in ["etc", "db", "spool", "run", "log"] {
            lab.folder(&format!("asterisk/{part}"));
        }
        let etc = folder.join("etc");
        for (name, text) in FILES {
            write(&etc.join(name), text, &[("ARCH", &cache::architecture())]);
        }
        for empty in [
            "acl.conf",
            "ccss.conf",
            "cdr.conf",
            "cel.conf",
            "features.conf",
            "indications.conf",
            "pjproject.conf",
        ] {
            write(&etc.join(empty), "", &[]);
        }
        lab.authority.certify(&etc, DOMAIN, address);
        sound::write_raw(&folder.join("speech.sln16"));
        write_users(&folder, None);
        let mut asterisk = Self {
            process: spawn(lab, &folder),
            lab: Arc::clone(lab),
            folder,
        };
        asterisk.wait_until_ready();
        asterisk
    }

    /// Kills it as a crash does, and starts it again. It forgets the registrations whose connections it lost.
    pub fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.lab, &self.folder);
        self.wait_until_ready();
    }

    /// Kills it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Leaves a message in `user`'s mailbox, heard or not.
    pub fn leave_message(&self, user: &str, is_new: bool) {
        let place = if is_new { "INBOX" } else { "Old" };
        let folder = self.folder.join(format!("spool/voicemail/default/{user}/{place}"));
        fs::create_dir_all(&folder).expect("the lab's folder can be written");
        let count = fs::read_dir(&folder).expect("it is there").count();
        let text = "[message]\norigmailbox=201\ncontext=lab\ncallerid=\"Anna\" <203>\nduration=2\n";
        fs::write(folder.join(format!("msg{count:04}.txt")), text).expect("the lab's folder can be written");
    }

    /// Runs a command of its command line.
    pub fn command(&self, text: &str) -> String {
        cache::output(&mut self.remote(text))
    }

    /// How many RTP packets it has received from its only call, and sent to it.
    pub fn packets(&self) -> Option<(u64, u64)> {
        let stats = self.command("pjsip show channelstats");
        let row = stats
            .lines()
            .find(|line| CODECS.iter().any(|codec| line.contains(codec)))?;
        let fields: Vec<&str> = row
            .split_whitespace()
            .skip_while(|field| !CODECS.contains(field))
            .collect();
        Some((fields.get(1)?.parse().ok()?, fields.get(5)?.parse().ok()?))
    }

    /// Whether `user` has at least one registered contact.
    pub fn knows(&self, user: &str) -> bool {
        self.contacts(user) > 0
    }

    /// How many contacts `user` has.
    pub fn contacts(&self, user: &str) -> usize {
        self.command("pjsip show contacts")
            .matches(&format!(" {user}/sip:"))
            .count()
    }

    /// Its log, with every SIP message, from now on.
    pub fn log(&self) -> Log {
        Log::from_now(&self.log_file())
    }

    /// Gives `user` another password, from the next restart or [`Asterisk::reload`] on.
    pub fn set_password(&self, user: &str, password: &str) {
        write_users(&self.folder, Some((user, password)));
    }

    /// Reads the users again, while calls go on.
    pub fn reload(&self) {
        let log = self.log();
        self.command("module reload res_pjsip.so");
        log.wait("Reloading module 'res_pjsip.so'", START);
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log/full")
    }

    fn wait_until_ready(&mut self) {
        let mut look = self.remote("core waitfullybooted");
        let booted = || {
            look.output()
                .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("fully booted"))
        };
        self.process.ready(START, booted);
    }

    fn remote(&self, text: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.process.id()))
            .args(["--mount", "--net", "chroot"]);
        command
            .arg(cache::asterisk())
            .args(["/usr/sbin/asterisk", "-C", "/lab/etc/asterisk.conf", "-rx", text]);
        command
    }
}

/// In a mount namespace of its own, so that every lab's folder can be `/lab` of the one chroot.
fn spawn(lab: &Lab, folder: &Path) -> Process {
    const SCRIPT: &str = "mkdir -p $1/lab && mount -t proc proc $1/proc && mount --rbind /dev $1/dev \
        && mount --bind $2 $1/lab && exec chroot $1 /usr/sbin/asterisk -f -C /lab/etc/asterisk.conf";
    let mut command = lab.pbx.command("unshare");
    command
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(cache::asterisk())
        .arg(folder);
    Process::start("asterisk", &mut command, &folder.join("log/output"))
}

/// Writes every user; `changed` has another password than its own.
fn write_users(folder: &Path, changed: Option<(&str, &str)>) {
    let users = USERS.iter().map(|(name, kind, login)| {
        let own = format!("secret-{name}");
        let password = changed
            .filter(|(user, _)| user == name)
            .map_or(own.as_str(), |(_, password)| password);
        let mailbox = MAILBOXES.iter().find(|(user, ..)| user == name);
        let (told, asked) = mailbox.map_or(("", ""), |(_, told, asked)| (told, asked));
        format!(
            "\n[{name}]({kind})\n{told}auth = {name}\naors = {name}\ncallerid = User {name} <{name}>\n\
             [{name}](login)\nusername = {name}\npassword = {password}\n{login}\n[{name}](aor)\n{asked}"
        )
    });
    let text = format!("{PJSIP}{}", users.collect::<String>());
    fs::write(folder.join("etc/pjsip.conf"), text).expect("the lab's folder can be written");
}
