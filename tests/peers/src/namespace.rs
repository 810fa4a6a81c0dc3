//! Network namespaces of our own, joined by a bridge.
//!
//! Their names carry our process id, so that what a killed run left behind is known and removed by the next one.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cache::run;

const PREFIX: &str = "toestel";
const FOLDER: &str = "/run/netns";

/// One network namespace; it goes when the value goes.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one for `part` of the lab with the number `lab`, with its loopback up.
    pub fn new(lab: usize, part: &str) -> Self {
        let name = format!("{PREFIX}-{}-{lab}-{part}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// `program`, to be run in this namespace, a little before the machine's other work.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "nice", "-n", "-10"])
            .arg(program);
        command
    }

    /// Runs `ip` on this namespace.
    pub fn ip(&self, arguments: &[&str]) {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments));
    }

    /// Turns this namespace into a switch, to which others are plugged.
    pub fn become_switch(&self) {
        self.ip(&["link", "add", "bridge", "type", "bridge"]);
        self.ip(&["link", "set", "bridge", "up"]);
    }

    /// Plugs this namespace into `switch` as `eth0` with `address` (with its prefix length).
    pub fn plug_into(&self, switch: &Self, address: &str) {
        let port = self.name.rsplit('-').next().unwrap_or_default().to_owned();
        switch.ip(&[
            "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &self.name,
        ]);
        switch.ip(&["link", "set", &port, "master", "bridge", "up"]);
        self.ip(&["address", "add", address, "dev", "eth0"]);
        self.ip(&["link", "set", "eth0", "up"]);
    }

    /// Runs `work` on a thread inside this namespace: the sockets that it opens stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new(FOLDER).join(&self.name)).expect("the namespace is there");
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("we are root");
                work()
            });
            inside.join().expect("the work in the namespace does not panic")
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// Removes the namespaces of runs that are no more.
pub fn remove_abandoned() {
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        let ours = parts.next() == Some(PREFIX);
        let owner = parts.next().and_then(|id| id.parse::<u32>().ok());
        if ours && owner.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            delete(&name);
        }
    }
}

fn delete(name: &str) {
    let _ = Command::new("ip")
        .args(["netns", "delete", name])
        .stderr(Stdio::null())
        .status();
}
