//! What each account has drawn or learnt and must know after a restart: `learnt.json`. Losing it costs one stale
//! registration and some caution, never a call; so it is never a reason not to start.

use super::file::{self, Found, VERSION};
use super::{SettingsError, SettingsWarning};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use toestel_proto::account::AccountMemory;

/// What all accounts know, by address (`user@domain`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Learnt {
    version: u64,
    accounts: BTreeMap<String, AccountMemory>,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            version: VERSION,
            accounts: BTreeMap::new(),
        }
    }
}

impl Learnt {
    /// What the account with this address knows; empty if it is new.
    pub fn account(&self, address: &str) -> AccountMemory {
        self.accounts.get(address).cloned().unwrap_or_default()
    }

    /// The account with this address has learnt something.
    pub fn remember(&mut self, address: &str, memory: AccountMemory) {
        self.accounts.insert(address.to_owned(), memory);
    }

    /// Forgets an account.
    pub fn forget(&mut self, address: &str) {
        self.accounts.remove(address);
    }

    pub(super) fn load(path: &Path) -> Result<(Self, Vec<SettingsWarning>), SettingsError> {
        match file::read(path)? {
            Found::Nothing => Ok((Self::default(), Vec::new())),
            Found::SetAside(warning) => Ok((Self::default(), vec![warning])),
            Found::Document(document) => match Self::deserialize(document) {
                Ok(learnt) => Ok((learnt, Vec::new())),
                Err(error) => Ok((Self::default(), vec![file::set_aside(path, error.to_string())?])),
            },
        }
    }
}
