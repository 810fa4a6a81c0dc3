//! The cargo that started us, set up alike for every command.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::Result;
use crate::{machine, shell};

/// `cargo SUBCOMMAND` in the clone, with our target folder and the lock file as it is.
pub fn cargo(subcommand: &str) -> Command {
    let cargo = machine::variable("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(machine::root())
        .env("CARGO_TARGET_DIR", machine::target())
        .env("TOESTEL_CACHE", machine::cache())
        .arg(subcommand);
    command
}

/// Sees to a part of the toolchain that not every installation has: `rustfmt`, whose subcommand is `fmt`, or `clippy`.
pub fn component(name: &str, subcommand: &str) -> Result<()> {
    if shell::succeeds(cargo(subcommand).arg("--version")) {
        return Ok(());
    }
    shell::run(Command::new("rustup").args(["component", "add", name]))
}

/// A tool from the registry, built once into the cache. Without optimisation: it runs briefly and would build for
/// minutes.
pub fn tool(name: &str, version: &str) -> Result<PathBuf> {
    let folder = machine::cache().join("tools").join(format!("{name}-{version}"));
    let tool = folder
        .join("bin")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !tool.exists() {
        let mut install = cargo("install");
        install
            .args(["--debug", "--locked", "--version", version, "--root"])
            .arg(&folder)
            .arg(name);
        shell::run(install.env("CARGO_TARGET_DIR", machine::target().join("tools")))?;
    }
    Ok(tool)
}

/// What the test harness counted, from its lines `test result: ok. 12 passed; 0 failed; …`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that were not run, although they are there.
    pub ignored: usize,
    /// The names of those that failed.
    pub failures: Vec<String>,
}

impl Counts {
    /// Adds what one line of output says, if it is a result line.
    pub fn read(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counted = |what: &str| {
            let part = result.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
            part.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(0)
        };
        self.passed += counted(" passed");
        self.failed += counted(" failed");
        self.ignored += counted(" ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up_and_others_do_not_count() {
        let mut counts = Counts::default();
        counts.read("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s");
        counts.read("test a_line_that_says_5_passed ... ok");
        counts.read("test wrong::and_named ... FAILED");
        counts.read("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(
            counts,
            Counts {
                passed: 15,
                failed: 2,
                ignored: 1,
                failures: vec!["wrong::and_named".to_owned()],
            }
        );
    }
}
