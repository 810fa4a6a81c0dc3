//! Terminals for programs that want one.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Gives `command` a terminal, and returns the user's side of it.
pub fn give_terminal(command: &mut Command) -> File {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the system has terminals");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it can be opened");
    let share = || theirs.try_clone().expect("a terminal can be shared");
    command.stdin(share()).stdout(share()).stderr(share());
    File::from(ours)
}

/// Keeps what the phone prints. Asterisk asks every client for a certificate, and linphonec then asks its user for the
/// password of one that it does not have.
pub fn listen(mut output: Box<dyn Read + Send>, mut answers: File, printed: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read) = output.read(&mut bytes)
            && read > 0
        {
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if text.contains("Password for (null)") {
                let _ = writeln!(answers, "none");
            }
            printed.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    });
}
