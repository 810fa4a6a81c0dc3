//! Licences, bans and sources of every dependency, by `cargo deny`; advisories where their database can be had.

use std::process::Command;

use crate::shell::{self, Result};
use crate::{cargo, machine};

/// The version that is installed when the cache holds none.
const VERSION: &str = "0.20.2";

/// Runs the checks of `deny.toml`. The answer is a remark where the advisories could not be checked.
pub fn check() -> Result<Option<String>> {
    let tool = cargo::tool("cargo-deny", VERSION)?;
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
