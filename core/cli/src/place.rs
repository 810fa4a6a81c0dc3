//! What a call goes through: an account of the user's, or the practice exchange where there is none.

use crate::error::Failure;
use crate::password::PasswordArgs;
use crate::setup::Account;
use toestel_core::practice::Practice;
use toestel_core::{AccountSetup, AudioSpec, Parts};

/// The practice exchange's extension that we are.
const EXTENSION: &str = "1001";

/// See the module.
pub enum Place {
    /// An account that is configured.
    Account(Box<Account>),
    /// An exchange in this process.
    Practice(Practice),
}

impl Place {
    /// The account that is wanted; without a wish the first, and without any the practice exchange.
    ///
    /// # Errors
    /// When the wanted account or its password is not there, or the practice exchange cannot start.
    pub async fn find(wanted: Option<&str>, password: &PasswordArgs) -> Result<Self, Failure> {
        match Account::find(wanted, password).await? {
            Some(account) => Ok(Self::Account(Box::new(account))),
            None => Practice::start().map(Self::Practice).map_err(Failure::outcome),
        }
    }

    /// The parts of an engine here, and its one account.
    ///
    /// # Errors
    /// When what the account learnt cannot be read.
    pub fn prepare(&self, audio: AudioSpec) -> Result<(Parts, AccountSetup), Failure> {
        match self {
            Self::Account(account) => account.prepare(audio),
            Self::Practice(practice) => Ok((Parts::forgetful(audio), practice.account(EXTENSION))),
        }
    }

    /// Whether nobody but a machine of ours can be reached here.
    pub const fn is_practice(&self) -> bool {
        matches!(self, Self::Practice(_))
    }

    /// What to tell the person about it.
    pub fn name(&self) -> String {
        match self {
            Self::Account(account) => account.address(),
            Self::Practice(_) => "the practice exchange".to_owned(),
        }
    }
}
