//! baresip, the phone of another make, driven over its control socket.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cache;
use crate::lab::{Lab, PBX, PROXY};
use crate::namespace::Namespace;
use crate::process::{Process, end_of, poll};
use crate::{asterisk, kamailio};

const CONTROL: &str = "127.0.0.1:4444";
const CONFIGURATION: &str = "poll_method epoll
sip_cafile @LAB@/authority.crt
call_local_timeout 120
call_max_calls 4
audio_source ausine,440
audio_player aufile,@FOLDER@/heard.wav
audio_alert aufile,/dev/null
audio_level no
ausrc_srate 48000
auplay_srate 48000
module_path /usr/lib/baresip/modules
module opus.so
module g711.so
module ausine.so
module aufile.so
module srtp.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:4444
";

/// The server that a baresip registers at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The lab's Asterisk.
    Asterisk,
    /// The lab's Kamailio, with RFC 5626 outbound.
    Kamailio,
}

/// A running baresip. It answers at once where it was started to.
pub struct Baresip {
    process: Process,
    control: TcpStream,
    lines: Receiver<Value>,
    events: VecDeque<Value>,
    host: &'static str,
    /// What its loudspeaker plays.
    pub heard: PathBuf,
}

impl Baresip {
    /// Starts one for `user` in the lab's second home, over TLS with SRTP required, and waits until it is registered.
    pub fn start(lab: &Lab, server: Server, user: &str, answers: bool) -> Self {
        Self::start_in(lab, &lab.neighbour, server, user, answers)
    }

    /// As [`Baresip::start`], in a namespace of choice; one in each.
    pub fn start_in(lab: &Lab, place: &Namespace, server: Server, user: &str, answers: bool) -> Self {
        let folder = lab.folder(&format!("baresip-{user}"));
        let (host, address, outbound) = match server {
            Server::Asterisk => (asterisk::DOMAIN, PBX, ""),
            Server::Kamailio => (kamailio::DOMAIN, PROXY, ";sipnat=outbound"),
        };
        let text = CONFIGURATION.replace("@LAB@", &lab.folder.display().to_string());
        let text = text.replace("@FOLDER@", &folder.display().to_string());
        let mode = if answers { "auto" } else { "manual" };
        let account = format!(
            "<sip:{user}@{host};transport=tls>;auth_pass=secret-{user};audio_codecs=opus/48000/2,pcma;regint=60\
             ;mediaenc=srtp-mand;answermode={mode}{outbound};outbound=\"sip:{address}:5061;transport=tls\"\n"
        );
        for (name, text) in [("config", text), ("accounts", account), ("contacts", String::new())] {
            fs::write(folder.join(name), text).expect("the lab's folder can be written");
        }
        // The certificate is checked against the name, so the name must lead to the address.
        let mut command = place.command("unshare");
        let script = "echo \"$1 $2\" > $3/hosts && mount --bind $3/hosts /etc/hosts && exec baresip -4 -f $3";
        command
            .args(["--mount", "sh", "-c", script, "sh", address, host])
            .arg(&folder)
            .env("HOME", &folder);
        let process = Process::start("baresip", &mut command, &folder.join("log"));
        let control = poll(Duration::from_secs(10), || {
            place.enter(|| TcpStream::connect(CONTROL)).ok()
        });
        let control = control.unwrap_or_else(|| panic!("baresip does not listen:\n{}", end_of(&process.log)));
        let lines = read_messages(control.try_clone().expect("a socket can be shared"));
        let heard = folder.join("heard.wav");
        // Its event may have gone before we listened; its log has not.
        let registered = poll(Duration::from_secs(15), || {
            end_of(&process.log).contains(" 200 OK (").then_some(())
        });
        assert!(
            registered.is_some(),
            "baresip is not registered:\n{}",
            end_of(&process.log)
        );
        Self {
            process,
            control,
            lines,
            events: VecDeque::new(),
            host,
            heard,
        }
    }

    /// Calls `number`.
    pub fn dial(&mut self, number: &str) {
        let target = format!("sip:{number}@{}", self.host);
        self.command("dial", &target);
    }

    /// Answers the call that rings.
    pub fn answer(&mut self) {
        self.command("accept", "");
    }

    /// Ends the call.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts the call on hold, or takes it back.
    pub fn hold(&mut self, on: bool) {
        self.command(if on { "hold" } else { "resume" }, "");
    }

    /// Its next event of this type (`CALL_ESTABLISHED`, `CALL_CLOSED`, …).
    pub fn event(&mut self, kind: &str, within: Duration) -> Value {
        let deadline = Instant::now() + within;
        loop {
            let known = self.events.iter().position(|event| event["type"] == kind);
            if let Some(event) = known.and_then(|place| self.events.remove(place)) {
                return event;
            }
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(message) => self.events.push_back(message),
                Err(_) => panic!(
                    "no {kind} from baresip within {within:?}, but {:?}\n{}",
                    self.events,
                    end_of(&self.process.log)
                ),
            }
        }
    }

    fn command(&mut self, name: &str, parameter: &str) {
        let text = json!({ "command": name, "params": parameter }).to_string();
        // Messages are netstrings.
        let framed = format!("{}:{text},", text.len());
        self.control.write_all(framed.as_bytes()).expect("baresip still runs");
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        self.command("quit", "");
        poll(Duration::from_secs(2), || (!self.process.runs()).then_some(()));
        if std::thread::panicking() {
            return;
        }
        cache::remove(&self.heard);
    }
}

fn read_messages(socket: TcpStream) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(socket);
        while let Some(message) = read_message(&mut reader) {
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    receiver
}

fn read_message(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = Vec::new();
    reader.read_until(b':', &mut length).ok()?;
    let length: usize = String::from_utf8(length).ok()?.trim_end_matches(':').parse().ok()?;
    let mut body = vec![0; length + 1];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(body.get(..length)?).ok()
}
