//! The accounts as configured: `accounts.json`.

use super::file::{self, Found, VERSION};
use super::{SettingsError, SettingsWarning};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use toestel_proto::account_config::AccountConfig;
use toestel_proto::ids::AccountId;

/// One account in the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredAccount {
    /// Never given to another account, even after this one is removed.
    pub id: AccountId,
    /// Whether it registers.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// As configured; valid.
    pub config: AccountConfig,
}

const fn enabled() -> bool {
    true
}

/// All accounts, each with its own address and number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Accounts {
    version: u64,
    next_id: u32,
    accounts: Vec<StoredAccount>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            version: VERSION,
            next_id: 1,
            accounts: Vec::new(),
        }
    }
}

impl Accounts {
    /// The accounts in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &StoredAccount> {
        self.accounts.iter()
    }

    /// The account with this number.
    pub fn by_id(&self, id: AccountId) -> Option<&StoredAccount> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The account with this address, `user@domain`.
    pub fn by_address(&self, address: &str) -> Option<&StoredAccount> {
        self.accounts
            .iter()
            .find(|account| account.config.address().eq_ignore_ascii_case(address))
    }

    /// Adds an account.
    ///
    /// # Errors
    /// If it is not valid, or there is one with its address.
    pub fn add(&mut self, config: AccountConfig) -> Result<AccountId, SettingsError> {
        let id = AccountId(self.next_id);
        self.insert(StoredAccount {
            id,
            enabled: true,
            config,
        })?;
        Ok(id)
    }

    /// Replaces the configuration of an account; nothing if there is none with this number.
    ///
    /// # Errors
    /// As [`Accounts::add`].
    pub fn change(&mut self, id: AccountId, config: AccountConfig) -> Result<(), SettingsError> {
        config.validate()?;
        let address = config.address();
        if self.by_address(&address).is_some_and(|other| other.id != id) {
            return Err(SettingsError::Double { address });
        }
        if let Some(account) = self.accounts.iter_mut().find(|account| account.id == id) {
            account.config = config;
        }
        Ok(())
    }

    /// Turns an account on or off.
    pub fn enable(&mut self, id: AccountId, enabled: bool) {
        if let Some(account) = self.accounts.iter_mut().find(|account| account.id == id) {
            account.enabled = enabled;
        }
    }

    /// Removes an account. Its password and what it has learnt are the caller's to forget.
    pub fn remove(&mut self, id: AccountId) -> Option<StoredAccount> {
        let place = self.accounts.iter().position(|account| account.id == id)?;
        Some(self.accounts.remove(place))
    }

    pub(super) fn load(path: &Path) -> Result<(Self, Vec<SettingsWarning>), SettingsError> {
        let document = match file::read(path)? {
            Found::Nothing => return Ok((Self::default(), Vec::new())),
            Found::SetAside(warning) => return Ok((Self::default(), vec![warning])),
            Found::Document(document) => document,
        };
        let Some(Value::Array(entries)) = document.get("accounts") else {
            let warning = file::set_aside(path, "it has no list of accounts".to_owned())?;
            return Ok((Self::default(), vec![warning]));
        };
        let mut accounts = Self::default();
        let mut left_out = Vec::new();
        for (number, entry) in (1_usize..).zip(entries) {
            if let Err(detail) = accounts.take(entry) {
                left_out.push((number, detail));
            }
        }
        let next_id = document
            .get("next_id")
            .and_then(Value::as_u64)
            .and_then(|id| u32::try_from(id).ok());
        accounts.next_id = accounts.next_id.max(next_id.unwrap_or(1));
        Ok((accounts, warnings(path, left_out)?))
    }

    fn take(&mut self, entry: &Value) -> Result<(), String> {
        let account = StoredAccount::deserialize(entry).map_err(|error| error.to_string())?;
        if self.by_id(account.id).is_some() {
            return Err(format!("another account has its number {}", account.id.0));
        }
        self.insert(account).map_err(|error| error.to_string())
    }

    fn insert(&mut self, account: StoredAccount) -> Result<(), SettingsError> {
        account.config.validate()?;
        let address = account.config.address();
        if self.by_address(&address).is_some() {
            return Err(SettingsError::Double { address });
        }
        self.next_id = self.next_id.max(account.id.0.saturating_add(1));
        self.accounts.push(account);
        Ok(())
    }
}

/// A file with accounts left out is copied before anything can replace it.
fn warnings(path: &Path, left_out: Vec<(usize, String)>) -> Result<Vec<SettingsWarning>, SettingsError> {
    if left_out.is_empty() {
        return Ok(Vec::new());
    }
    let kept_as = file::keep_copy(path)?;
    let warning = |(number, detail)| SettingsWarning::LeftOut {
        number,
        detail,
        kept_as: kept_as.clone(),
    };
    Ok(left_out.into_iter().map(warning).collect())
}
