//! What is made once and kept: Asterisk's chroot, the Python that scores sound.
//!
//! Everything lies below `TOESTEL_CACHE`, else `toestel` in the user's cache folder. A folder appears under its name
//! only when it is complete, so an interrupted run leaves nothing that looks finished.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

/// The packages of the chroot; what they need comes with them.
const ASTERISK_PACKAGES: &str = "ca-certificates,asterisk,asterisk-modules,asterisk-core-sounds-en-g722";
const MIRROR: &str = "http://deb.debian.org/debian";

/// The folder that everything is in.
pub fn folder() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = || variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    variable("TOESTEL_CACHE")
        .or_else(|| caches().map(|caches| caches.join("toestel")))
        .expect("HOME is set")
}

/// Asterisk 22 of Debian sid, in a chroot. Keeping the folder pins the version.
pub fn asterisk() -> PathBuf {
    made("asterisk-22", |folder| {
        let mirror = debian_mirror();
        let mut make = Command::new("mmdebstrap");
        // The suite moves on every day, so the mirror's lists may be older than they say they are valid.
        make.args([
            "--variant=minbase",
            "--skip=check/empty",
            "--aptopt=Acquire::Check-Valid-Until \"false\"",
        ]);
        make.arg(format!("--include={ASTERISK_PACKAGES}"))
            .arg("sid")
            .arg(folder)
            .arg(mirror);
        run(&mut make);
    })
}

/// A Python in which `pesq`, `numpy` and `scipy` can be imported.
pub fn python() -> PathBuf {
    let folder = folder().join("python");
    let python = folder.join("bin/python");
    let _one_at_a_time = lock("python");
    let complete = folder.join("complete");
    if !complete.exists() {
        // A virtual environment cannot be moved, so this one is made in its place and marked when it is whole.
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "pesq==0.0.4", "numpy", "scipy"]));
        File::create(complete).expect("the cache can be written");
    }
    python
}

/// The file `name` in the cache, made by `make` where it is missing.
pub fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let _one_at_a_time = lock(name);
    let done = folder().join(name);
    if !done.exists() {
        let unfinished = folder().join(format!("{name}.unfinished"));
        remove(&unfinished);
        make(&unfinished);
        fs::rename(&unfinished, &done).expect("the cache can be written");
    }
    done
}

/// Removes a file or a folder, if it is there.
pub fn remove(path: &Path) {
    let _ = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
}

/// Runs `command` to its end; it must succeed.
pub fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    assert!(status.success(), "{command:?} ended with {status}");
}

/// What `command` prints; it must succeed.
pub fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// The name that Debian gives this architecture in library paths, such as `x86_64-linux-gnu`.
pub fn architecture() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// The mirror that this machine's own apt uses, where it is Debian's; else Debian's main one.
fn debian_mirror() -> String {
    let sources = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let own = sources
        .filter(|path| path.extension() == Some(OsStr::new("sources")))
        .find_map(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let uris = text.lines().filter_map(|line| line.strip_prefix("URIs:"));
            uris.flat_map(str::split_whitespace)
                .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
                .map(str::to_owned)
        });
    own.unwrap_or_else(|| MIRROR.to_owned())
}

fn lock(name: &str) -> File {
    fs::create_dir_all(folder()).expect("the cache can be made");
    let file = File::create(folder().join(format!("{name}.lock"))).expect("the cache can be written");
    flock(&file, FlockOperation::LockExclusive).expect("a file can be locked");
    file
}
