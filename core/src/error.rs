//! Why the engine did not do what was asked. Each says who erred: the user, the device, or nobody but time.

use crate::clock::ClockError;
use crate::store::settings::SettingsError;
use toestel_proto::account_config::AccountError;
use toestel_proto::phone::Refused;

/// See the module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The phone refused the command; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The account cannot be as it is configured.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The state directory cannot be used.
    #[error(transparent)]
    Store(#[from] SettingsError),
    /// The system gave no timer.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The system gave no thread or no event loop.
    #[error("The system gave no thread for the phone ({0}): close other programs, then start again.")]
    Thread(std::io::Error),
    /// The call has no sound to be counted.
    #[error("The call has no sound yet.")]
    NoMedia,
    /// The engine has stopped.
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl EngineError {
    /// One word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code(),
            Self::Account(_) => "account",
            Self::Store(_) => "store",
            Self::Clock(_) | Self::Thread(_) => "device",
            Self::NoMedia => "no_media",
            Self::Gone(_) => "gone",
        }
    }

    /// Whether what was asked for can never be, as opposed to what happened on the way.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Account(_) | Self::Store(_))
    }
}

/// The engine has stopped: it was shut down, or its thread died.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("The phone has stopped.")]
pub struct Gone;
