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

    /// The latest figures came in.
    pub fn measured(&mut self, figures: MediaStats) {
        self.figures = figures;
    }

    /// The latest figures.
    pub const fn figures(&self) -> &MediaStats {
        &self.figures
    }

    /// Prints the line.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn print(&self) -> Result<(), Failure> {
        let line = self.line().map_err(Failure::device)?;
        writeln!(std::io::stdout().lock(), "{line}").map_err(Failure::device)
    }

    fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Line {
            state: "ended",
            sent: self.figures.sent,
            received: self.figures.received,
            lost: self.figures.lost,
            suite: self.agreed.and_then(|(suite, _)| suite),
            codec: self.agreed.map(|(_, codec)| codec),
            mos: self.figures.mos.map(|mos| (mos * 100.0).round() / 100.0),
        })
    }

    /// Whether the call was answered and sound ran both ways.
    ///
    /// # Errors
    /// Where it did not.
    pub fn verdict(&self) -> Result<(), Failure> {
        let because = |default: &str| Failure::outcome(self.reason.clone().unwrap_or_else(|| default.to_owned()));
        match (self.answered, self.figures.sent, self.figures.received) {
            (false, ..) => Err(because("The call was not answered.")),
            (true, 0, _) => Err(Failure::outcome(
                "The call was answered, but nothing was sent: check the microphone, or give --play.",
            )),
            (true, _, 0) => Err(Failure::outcome(
                "The call was answered, but nothing was heard: look for a firewall or router that stops the sound.",
            )),
            (true, ..) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sent: u64, received: u64) -> MediaStats {
        MediaStats {
            sent,
            received,
            ..MediaStats::default()
        }
    }

    #[test]
    fn a_call_succeeds_only_if_it_was_answered_and_sound_ran_both_ways() {
        for (answered, sent, received, good) in [
            (true, 9, 9, true),
            (true, 9, 0, false),
            (true, 0, 9, false),
            (false, 9, 9, false),
        ] {
            let mut summary = Summary::default();
            if answered {
                summary.answered();
            }
            summary.measured(figures(sent, received));
            assert_eq!(summary.verdict().is_ok(), good, "{answered} {sent} {received}");
        }
    }

    #[test]
    fn a_refused_call_fails_with_the_reason_that_was_given() {
        let mut summary = Summary::default();
        summary.ended(Some("They are busy."));
        assert_eq!(summary.verdict().unwrap_err().to_string(), "They are busy.");
    }

    #[test]
    fn the_last_line_has_the_form_of_the_contract() {
        let mut summary = Summary::default();
        summary.agreed(Some(Suite::AES_CM_128_HMAC_SHA1_80), Codec::Opus);
        summary.measured(MediaStats {
            lost: 1,
            mos: Some(4.314),
            ..figures(500, 498)
        });
        assert_eq!(
            summary.line().unwrap(),
            r#"{"state":"ended","sent":500,"received":498,"lost":1,"suite":"AES_CM_128_HMAC_SHA1_80","codec":"opus","mos":4.31}"#
        );
    }
}
