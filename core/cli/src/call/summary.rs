//! How a call went: the last line of `--json`, and the exit code.

use crate::error::Failure;
use serde::Serialize;
use std::io::Write;
use toestel_core::{Codec, MediaStats, Suite};

/// See the module.
#[derive(Debug, Default)]
pub struct Summary {
    answered: bool,
    reason: Option<String>,
    agreed: Option<(Option<Suite>, Codec)>,
    figures: MediaStats,
}

/// The line itself; its form is a contract.
#[derive(Serialize)]
struct Line {
    state: &'static str,
    sent: u64,
    received: u64,
    lost: u64,
    suite: Option<Suite>,
    codec: Option<Codec>,
    mos: Option<f64>,
}

impl Summary {
    /// Somebody answered.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    /// The call is over.
    pub fn ended(&mut self, reason: Option<&str>) {
        self.reason = reason.map(str::to_owned);
    }

    /// What was agreed about the sound.
    pub fn agreed(&mut self, suite: Option<Suite>, codec: Codec) {
        self.agreed = Some((suite, codec));
    }

    /// The latest figures.
    pub fn figures(&mut self, figures: MediaStats) {
        self.figures = figures;
    }

    /// Prints the line.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn print(&self) -> Result<(), Failure> {
        let line = Line {
            state: "ended",
            sent: self.figures.sent,
            received: self.figures.received,
            lost: self.figures.lost,
            suite: self.agreed.and_then(|(suite, _)| suite),
            codec: self.agreed.map(|(_, codec)| codec),
            mos: self.figures.mos.map(|mos| (mos * 100.0).round() / 100.0),
        };
        let json = serde_json::to_string(&line).map_err(Failure::device)?;
        writeln!(std::io::stdout().lock(), "{json}").map_err(Failure::device)
    }

    /// Whether the call was answered and sound ran both ways.
    ///
    /// # Errors
    /// Where it did not.
    pub fn verdict(&self) -> Result<(), Failure> {
        let because = |default: &str| Failure::outcome(self.reason.clone().unwrap_or_else(|| default.to_owned()));
        match (self.answered, self.figures.sent, self.figures.received) {
            (false, ..) => Err(because("The call was not answered.")),
            (true, 0, _) => Err(Failure::outcome("The call was answered, but nothing was sent. Check the microphone.")),
            (true, _, 0) => Err(Failure::outcome(
                "The call was answered, but nothing was heard: a firewall or router stops the sound.",
            )),
            (true, ..) => Ok(()),
        }
    }
}
