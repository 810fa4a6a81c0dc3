//! A small internet of one test's own: a switch, and plugged into it two servers' places and two homes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cache;
use crate::certificates::Authority;
use crate::namespace::{Namespace, remove_abandoned};

/// Where Asterisk is.
pub const PBX: &str = "10.99.0.10";
/// Where Kamailio is.
pub const PROXY: &str = "10.99.0.12";
/// Where our phones are, unless a test puts them elsewhere.
pub const HOME: &str = "10.99.0.50";
/// Where the other make of phone is.
pub const NEIGHBOUR: &str = "10.99.0.51";

/// The network and the folder of one test. It is shared with the servers in it and lasts until they have ended.
pub struct Lab {
    /// The number of this lab in this process.
    pub number: usize,
    /// Configurations, logs and recordings; kept where the test fails.
    pub folder: PathBuf,
    /// Who signed the servers' certificates.
    pub authority: Authority,
    /// The namespace at [`PBX`].
    pub pbx: Namespace,
    /// The namespace at [`PROXY`].
    pub proxy: Namespace,
    /// The namespace at [`HOME`].
    pub home: Namespace,
    /// The namespace at [`NEIGHBOUR`].
    pub neighbour: Namespace,
    _switch: Namespace,
}

impl Lab {
    /// A new lab for the test called `name`.
    pub fn new(name: &str) -> Arc<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            remove_abandoned();
        }
        let folder = logs().join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the cache can be written");
        let switch = Namespace::new(number, "switch");
        switch.become_switch();
        let place = |part: &str, address: &str| {
            let namespace = Namespace::new(number, part);
            namespace.plug_into(&switch, &format!("{address}/24"));
            namespace
        };
        Arc::new(Self {
            number,
            authority: Authority::new(&folder, "authority"),
            pbx: place("pbx", PBX),
            proxy: place("proxy", PROXY),
            home: place("home", HOME),
            neighbour: place("neighbour", NEIGHBOUR),
            folder,
            _switch: switch,
        })
    }

    /// A folder of this name in the lab's folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).expect("the lab's folder can be written");
        folder
    }

    /// A file of this name in the lab's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the logs of this test: {}", self.folder.display());
        } else {
            cache::remove(&self.folder);
        }
    }
}

/// Removes the logs that failed tests of earlier runs kept.
pub fn forget_old_logs() {
    cache::remove(&logs());
}

/// Writes `text` into `path`, with each `@NAME@` of `values` replaced.
pub fn write(path: &Path, text: &str, values: &[(&str, &str)]) {
    let filled = values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("@{name}@"), value)
    });
    fs::write(path, filled).expect("the lab's folder can be written");
}

fn logs() -> PathBuf {
    cache::folder().join("peers-logs")
}
