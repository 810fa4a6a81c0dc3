//! linphone's command line, a phone of a third make: it transfers with and without consultation, and takes the place of
//! a call (RFC 3891). It has no sound card here and plays a file.

use std::fs::{self, File};
use std::io::Write;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::agent::SOON;
use crate::kamailio::{self, Kamailio};
use crate::lab::{Lab, PROXY, write};
use crate::process::poll;
use crate::sound;
use crate::terminal::{give_terminal, listen};

const SETTINGS: &str = "[sip]
verify_server_certs=1
root_ca=@CA@
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
media_encryption=srtp
media_encryption_mandatory=1
default_proxy=0
use_ipv6=0
[proxy_0]
reg_proxy=<sip:@PROXY@:5061;transport=tls>
reg_route=<sip:@PROXY@:5061;transport=tls;lr>
reg_identity=sip:@USER@@@HOST@
reg_expires=300
reg_sendregister=1
[auth_info_0]
username=@USER@
passwd=secret-@USER@
realm=@HOST@
userid=@USER@
[audio_codec_0]
mime=opus
rate=48000
channels=2
enabled=1
[video]
enabled=0
capture=0
display=0
";

/// A running linphonec.
pub struct Linphone {
    child: Child,
    input: File,
    printed: Arc<Mutex<String>>,
    /// How much of what it printed has been waited for.
    seen: usize,
}

impl Linphone {
    /// Starts one for `user` at the lab's Kamailio, in the lab's second home, and waits until it is registered.
    pub fn start(lab: &Lab, kamailio: &Kamailio, user: &str) -> Self {
        let folder = lab.folder(&format!("linphone-{user}"));
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("the lab's folder can be written");
        let ca = lab.authority.certificate.display().to_string();
        let values = [
            ("CA", ca.as_str()),
            ("USER", user),
            ("HOST", kamailio::DOMAIN),
            ("PROXY", PROXY),
        ];
        write(&folder.join("linphonerc"), SETTINGS, &values);
        let mut command = lab.neighbour.command("linphonec");
        command
            .arg("-c")
            .arg(folder.join("linphonerc"))
            .env("HOME", &folder)
            .env("TERM", "dumb");
        let terminal = give_terminal(&mut command);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("linphonec cannot be run: {error}"));
        // The terminal ends with the phone only when we hold no other end of it.
        drop(command);
        let share = || terminal.try_clone().expect("a terminal can be shared");
        let printed = Arc::default();
        listen(Box::new(share()), share(), Arc::clone(&printed));
        let mut phone = Self {
            child,
            input: terminal,
            printed,
            seen: 0,
        };
        // It does so without a word.
        let aor = format!("AoR: {user}");
        if poll(Duration::from_secs(20), || {
            kamailio.registrations().contains(&aor).then_some(())
        })
        .is_none()
        {
            panic!("linphonec is not registered:\n{}", phone.printed());
        }
        phone.say("soundcard use files");
        phone.say(&format!("play {}", sound::speech().display()));
        phone
    }

    /// Types a line: `answer`, `pause`, `transfer 1 sip:303@sip.test`, `transfer 1 --to-call 2`, `terminate`.
    pub fn say(&mut self, line: &str) {
        if writeln!(self.input, "{line}").is_err() {
            panic!("linphonec ended:\n{}", self.printed());
        }
    }

    /// Calls `number`.
    pub fn dial(&mut self, number: &str) {
        self.say(&format!("call sip:{number}@{}", kamailio::DOMAIN));
    }

    /// Waits until the call that it makes is answered.
    pub fn is_answered(&mut self) {
        const TEXT: &str = "Media streams established";
        let found = poll(SOON, || {
            let printed = self.printed();
            let place = printed.get(self.seen..)?.find(TEXT)?;
            Some(self.seen + place + TEXT.len())
        });
        match found {
            Some(place) => self.seen = place,
            None => panic!("linphonec has no call"),
        }
    }

    fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("linphonec printed:\n{}", self.printed());
        }
        let _ = writeln!(self.input, "quit");
        poll(Duration::from_secs(2), || self.child.try_wait().ok().flatten());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
