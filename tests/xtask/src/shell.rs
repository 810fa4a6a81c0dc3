//! Running other programs, and the one error of this crate.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Why a command of ours cannot go on: a sentence for the person at the terminal.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What most functions here return.
pub type Result<T> = std::result::Result<T, Failure>;

/// A [`Failure`] as a `Result`.
pub fn fail<T>(why: impl Into<String>) -> Result<T> {
    Err(Failure(why.into()))
}

/// Runs `command` with our own input and output; an exit code other than 0 is a failure.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", line(command));
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        fail(format!("{} ended with {status}", line(command)))
    }
}

/// Runs `command`, shows its standard output as it comes and hands each line to `seen`; says whether it succeeded.
pub fn tee(command: &mut Command, mut seen: impl FnMut(&str)) -> Result<bool> {
    println!("$ {}", line(command));
    let spawned = command.stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| cannot_start(command, &error))?;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n') {
            let Ok(bytes) = text else { break };
            let text = String::from_utf8_lossy(&bytes);
            println!("{text}");
            seen(&text);
        }
    }
    let status = child.wait().map_err(|error| cannot_start(command, &error))?;
    Ok(status.success())
}

/// The standard output of `command`; its error output is shown only in the failure.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        fail(format!(
            "{} ended with {}: {}",
            line(command),
            output.status,
            why.trim()
        ))
    }
}

/// Whether `command` starts and exits with 0; what it prints is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure(format!(
        "{} cannot be run: {error}",
        command.get_program().to_string_lossy()
    ))
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
