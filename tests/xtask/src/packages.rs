//! The system packages that building and testing need, and how each kind of system gets them.

use std::process::Command;

use crate::machine;
use crate::shell::{self, Result, fail};

/// A need, and the packages that fill it on each kind of system.
#[derive(Clone, Copy)]
pub struct Need {
    what: &'static str,
    apt: &'static [&'static str],
    dnf: &'static [&'static str],
    pacman: &'static [&'static str],
    zypper: &'static [&'static str],
    brew: &'static [&'static str],
    winget: &'static [&'static str],
    /// Whether the need is filled, however that came about.
    filled: fn() -> bool,
}

/// What building the phone needs: a C and C++ compiler and CMake for libopus, and the headers of the sound system.
pub const BUILD: Need = Need {
    what: "the build",
    apt: &["build-essential", "cmake", "pkg-config", "libasound2-dev"],
    dnf: &[
        "gcc",
        "gcc-c++",
        "make",
        "cmake",
        "pkgconf-pkg-config",
        "alsa-lib-devel",
    ],
    pacman: &["base-devel", "cmake", "pkgconf", "alsa-lib"],
    zypper: &["gcc", "gcc-c++", "make", "cmake", "pkgconf-pkg-config", "alsa-devel"],
    brew: &["cmake"],
    winget: &["Kitware.CMake", "Microsoft.VisualStudio.2022.BuildTools"],
    filled: can_build,
};

/// What the tests against real servers and clients need; they run on Debian and its relatives only.
pub const PEERS: Need = Need {
    what: "the suite of real peers",
    apt: &[
        "baresip-core",
        "iproute2",
        "kamailio",
        "kamailio-outbound-modules",
        "kamailio-tls-modules",
        "linphone-cli",
        "mmdebstrap",
        "pulseaudio",
        "pulseaudio-utils",
        "python3-dev",
        "python3-venv",
        "util-linux",
    ],
    dnf: &[],
    pacman: &[],
    zypper: &[],
    brew: &[],
    winget: &[],
    filled: || false,
};

/// What the bench needs besides: the other phones and their way to the sound server.
pub const BENCH: Need = Need {
    what: "the bench of peers",
    apt: &["libasound2-plugins"],
    dnf: &[],
    pacman: &[],
    zypper: &[],
    brew: &[],
    winget: &[],
    filled: || false,
};

/// Installs what is missing for `needs` where packages come by apt; elsewhere names the packages and goes on if the
/// need is filled all the same.
pub fn ensure(needs: &[Need]) -> Result<()> {
    if machine::is_debian() {
        return apt(needs);
    }
    let system = machine::system();
    let lacking = needs.iter().filter(|need| !(need.filled)());
    let told: Vec<_> = lacking
        .map(|need| format!("{} needs packages. {}", need.what, by_hand(need, &system)))
        .collect();
    if told.is_empty() { Ok(()) } else { fail(told.join("\n")) }
}

/// The command that a person types to fill `need`.
fn by_hand(need: &Need, system: &[String]) -> String {
    let is = |names: &[&str]| system.iter().any(|name| names.contains(&name.as_str()));
    let (tool, packages) = if is(&["fedora", "rhel", "centos"]) {
        ("sudo dnf install", need.dnf)
    } else if is(&["arch"]) {
        ("sudo pacman -S --needed", need.pacman)
    } else if is(&["suse", "opensuse"]) {
        ("sudo zypper install", need.zypper)
    } else if is(&["macos"]) {
        ("xcode-select --install; brew install", need.brew)
    } else if is(&["windows"]) {
        ("winget install", need.winget)
    } else {
        return format!("Under Debian's names they are: {}", need.apt.join(" "));
    };
    match packages {
        [] => format!("They are only known under Debian's names: {}", need.apt.join(" ")),
        some => format!("Install them with: {tool} {}", some.join(" ")),
    }
}

fn can_build() -> bool {
    let has = |program: &str, flag: &str| shell::succeeds(Command::new(program).arg(flag));
    let sound =
        || std::env::consts::OS != "linux" || shell::succeeds(Command::new("pkg-config").args(["--exists", "alsa"]));
    has("cmake", "--version") && (cfg!(windows) || has("cc", "--version")) && sound()
}

fn apt(needs: &[Need]) -> Result<()> {
    let wanted = needs.iter().flat_map(|need| need.apt);
    let missing: Vec<&str> = wanted.copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing packages: {}", missing.join(" "));
    let privileged = machine::is_root() || shell::succeeds(Command::new("sudo").arg("--version"));
    if !privileged {
        return fail(format!(
            "as root: apt-get install --no-install-recommends {}",
            missing.join(" ")
        ));
    }
    if !has_lists() {
        shell::run(apt_get().arg("update"))?;
    }
    let install = || {
        shell::run(
            apt_get()
                .args(["install", "--yes", "--no-install-recommends"])
                .args(&missing),
        )
    };
    // Old lists name versions that the mirror no longer has: once more with new ones.
    install().or_else(|_| {
        shell::run(apt_get().arg("update"))?;
        install()
    })
}

fn is_installed(package: &str) -> bool {
    let query = shell::output(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
    query.is_ok_and(|status| status == "installed")
}

fn has_lists() -> bool {
    let lists = std::fs::read_dir("/var/lib/apt/lists");
    lists.is_ok_and(|mut lists| {
        lists.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("_Packages")))
    })
}

fn apt_get() -> Command {
    let settings = [
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
    ];
    let mut command = Command::new(if machine::is_root() { "env" } else { "sudo" });
    if !machine::is_root() {
        command.arg("env");
    }
    command.args(settings);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_is_told_its_own_packages() {
        let told = |name: &str| by_hand(&BUILD, &[name.to_owned()]);
        assert!(told("fedora").contains("dnf install") && told("fedora").contains("alsa-lib-devel"));
        assert!(told("arch").contains("pacman -S --needed base-devel"));
        assert!(told("macos").contains("brew install cmake"));
        assert!(told("plan9").contains("libasound2-dev"));
    }
}
