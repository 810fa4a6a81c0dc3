//! Where things are on this machine, and who we are on it.

use std::path::PathBuf;
use std::process::Command;

use crate::shell;

/// The folder of the clone.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// Where everything goes that is made once and kept: the target folder, tools, the servers of the tests.
/// `TOESTEL_CACHE`, else `toestel` in the user's cache folder.
pub fn cache() -> PathBuf {
    if let Some(chosen) = variable("TOESTEL_CACHE") {
        return PathBuf::from(chosen);
    }
    let home = variable("HOME")
        .or_else(|| variable("USERPROFILE"))
        .unwrap_or_else(|| ".".into());
    let home = PathBuf::from(home);
    let caches = match (variable("XDG_CACHE_HOME"), std::env::consts::OS) {
        (Some(chosen), _) => PathBuf::from(chosen),
        (None, "macos") => home.join("Library/Caches"),
        (None, "windows") => variable("LOCALAPPDATA").map_or_else(|| home.join("AppData/Local"), PathBuf::from),
        (None, _) => home.join(".cache"),
    };
    caches.join("toestel")
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else a folder of the cache, shared by every clone of this user.
pub fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from)
}

/// Whether this is a run that nobody watches and that must leave nothing out.
pub fn is_ci() -> bool {
    variable("CI").is_some_and(|value| value == "true" || value == "1")
}

/// Whether we are the administrator: the tests against real servers make network namespaces.
pub fn is_root() -> bool {
    cfg!(unix) && shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// The system's name for itself and its relatives, in lower case: `["ubuntu", "debian"]`.
pub fn system() -> Vec<String> {
    if std::env::consts::OS != "linux" {
        return vec![std::env::consts::OS.to_owned()];
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim_matches('"').to_lowercase()
    };
    let both = format!("{} {}", value("ID="), value("ID_LIKE="));
    both.split_whitespace().map(str::to_owned).collect()
}

/// Whether packages come by apt.
pub fn is_debian() -> bool {
    system().iter().any(|name| name == "debian" || name == "ubuntu")
}

/// An environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
