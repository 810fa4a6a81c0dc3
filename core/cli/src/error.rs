//! How a command fails: with one sentence on standard error, and an exit code that says whose turn it is.

use std::fmt;
use std::process::ExitCode;
use toestel_core::EngineError;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    sentence: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The call, the network or the PBX.
    Outcome,
    /// The arguments, or a state directory that cannot be used.
    Usage,
}

impl Failure {
    /// What was asked for was understood and did not come about.
    pub fn outcome(sentence: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Outcome,
            sentence: sentence.to_string(),
        }
    }

    /// What was asked for cannot be.
    pub fn usage(sentence: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Usage,
            sentence: sentence.to_string(),
        }
    }

    /// The machine lacks something.
    pub fn device(error: impl fmt::Display) -> Self {
        Self::outcome(format!("This machine cannot run the phone: {error}."))
    }

    /// 1 for an outcome, 2 for a usage.
    pub fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Outcome => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        if error.is_usage() {
            Self::usage(error)
        } else {
            Self::outcome(error)
        }
    }
}
