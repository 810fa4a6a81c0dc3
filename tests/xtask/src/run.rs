//! `cargo xtask run`: from a fresh machine to a spoken call, without an account.

use std::process::Command;

use crate::shell::{Result, run as shell_run};
use crate::{cargo, machine, packages};

/// Sets up, builds the `toestel` command and calls the echo of the practice exchange, which `toestel` starts itself.
/// `arguments` are added to the call.
pub fn run(arguments: &[&str]) -> Result<()> {
    packages::ensure(&[packages::BUILD])?;
    shell_run(cargo::cargo("build").args(["--release", "--locked", "--package", "toestel-cli"]))?;
    let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
    let toestel = machine::target()
        .join("release")
        .join(format!("toestel{}", std::env::consts::EXE_SUFFIX));
    become_it(Command::new(toestel).args(["call", "600"]).args(arguments))
}

/// On Unix the call takes our place, so that Ctrl-C reaches it once and its exit code is ours.
#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    crate::shell::fail(format!(
        "{} cannot be run: {error}",
        command.get_program().to_string_lossy()
    ))
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result<()> {
    shell_run(command)
}
