//! Licences, bans and sources of every dependency, by `cargo deny`; advisories where their database can be had.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Result};
use crate::{cargo, machine};

/// The version that is installed when the cache holds none.
const VERSION: &str = "0.20.2";

/// Runs the checks of `deny.toml`. The answer is a remark where the advisories could not be checked.
pub fn check() -> Result<Option<String>> {
    let tool = install()?;
    let deny = || {
        let mut command = Command::new(&tool);
        command
            .current_dir(machine::root())
            .args(["--color", "never", "--locked", "--workspace"]);
        command
    };
    shell::run(deny().args(["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    if !shell::succeeds(deny().args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0")) {
        return Ok(Some(
            "advisories not checked: their database cannot be fetched from here".into(),
        ));
    }
    shell::run(deny().args(["check", "advisories"]))?;
    Ok(None)
}

/// The tool, built once into the cache. Without optimisation: it runs for a second and would build for minutes.
fn install() -> Result<PathBuf> {
    let folder = machine::cache().join("tools").join(format!("cargo-deny-{VERSION}"));
    let tool = folder
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !tool.exists() {
        let mut install = cargo::cargo("install");
        install
            .args(["--debug", "--locked", "--version", VERSION, "--root"])
            .arg(&folder)
            .arg("cargo-deny");
        shell::run(install.env("CARGO_TARGET_DIR", machine::target().join("tools")))?;
    }
    Ok(tool)
}
