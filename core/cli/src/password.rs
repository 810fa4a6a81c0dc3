//! Where a password comes from: the environment, standard input, or a person who types it unseen. Never an argument:
//! every user of a machine can read those.

use crate::error::Failure;
use crate::signals::Signals;
use clap::Args;
use std::io::BufRead;
use toestel_core::Secret;

/// The variable that is looked at where no option names one.
pub const VARIABLE: &str = "TOESTEL_PASSWORD";

/// Where to look.
#[derive(Args, Debug, Default)]
pub struct PasswordArgs {
    /// The first line of standard input is the password
    #[arg(long, conflicts_with = "password_env")]
    password_stdin: bool,
    /// The password is in this environment variable [default: TOESTEL_PASSWORD, if it is set]
    #[arg(long, value_name = "VAR")]
    password_env: Option<String>,
}

impl PasswordArgs {
    /// The password that was given without anybody being asked.
    ///
    /// # Errors
    /// When the place that was named has none.
    pub fn given(&self) -> Result<Option<Secret>, Failure> {
        if self.password_stdin {
            return first_line().map(Some);
        }
        let name = self.password_env.as_deref();
        match (std::env::var_os(name.unwrap_or(VARIABLE)), name) {
            (Some(value), _) => Ok(Some(Secret::new(value.into_encoded_bytes()))),
            (None, None) => Ok(None),
            (None, Some(name)) => Err(Failure::usage(format!(
                "The environment variable {name} is not set: set it, or use --password-stdin."
            ))),
        }
    }
}

fn first_line() -> Result<Secret, Failure> {
    let mut line = Vec::new();
    let read = std::io::stdin()
        .lock()
        .read_until(b'\n', &mut line)
        .map_err(Failure::device)?;
    trim(&mut line);
    if read == 0 {
        return Err(Failure::usage(
            "Standard input holds no password: write it as the first line.",
        ));
    }
    Ok(Secret::new(line))
}

fn trim(line: &mut Vec<u8>) {
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
}

/// Asks the person at the terminal; what is typed is not shown.
///
/// # Errors
/// When there is no terminal, or the person gives up.
pub async fn ask(question: &str) -> Result<Secret, Failure> {
    let mut signals = Signals::listen()?;
    let (answer_in, answer) = tokio::sync::oneshot::channel();
    let terminal = terminal::Quiet::open(question).map_err(|_| {
        Failure::usage(format!(
            "There is no terminal to ask for the password: use --password-stdin or the variable {VARIABLE}."
        ))
    })?;
    let mut reader = terminal.reader().map_err(Failure::device)?;
    std::thread::spawn(move || {
        let mut line = Vec::new();
        if matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            trim(&mut line);
            let _ = answer_in.send(Secret::new(line));
        }
    });
    let stopped = || Failure::outcome("No password was given.");
    tokio::select! {
        answer = answer => answer.map_err(|_| stopped()),
        () = signals.next() => Err(stopped()),
    }
}

#[cfg(unix)]
mod terminal {
    //! The terminal that the program was started from, with its echo off until the end.

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use std::fs::File;
    use std::io::{self, BufReader, Write};

    pub struct Quiet {
        terminal: File,
        before: Termios,
    }

    impl Quiet {
        pub fn open(question: &str) -> io::Result<Self> {
            let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            quiet.local_modes.insert(LocalModes::ECHONL);
            tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
            let asked = write!(terminal, "{question}: ").and_then(|()| terminal.flush());
            let this = Self { terminal, before };
            asked.map(|()| this)
        }

        pub fn reader(&self) -> io::Result<BufReader<File>> {
            Ok(BufReader::new(self.terminal.try_clone()?))
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    //! Without a way to turn the echo off nobody is asked.

    use std::io::{self, BufReader, Stdin};

    pub struct Quiet;

    impl Quiet {
        pub fn open(_question: &str) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn reader(&self) -> io::Result<BufReader<Stdin>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
