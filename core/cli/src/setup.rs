//! An account of the user's, with what it takes to use it: its state directory and its password.

use crate::accounts;
use crate::error::Failure;
use crate::password::{self, PasswordArgs, VARIABLE};
use std::sync::Arc;
use toestel_core::store::secrets::Secrets;
use toestel_core::store::settings::{SettingsError, StateDir};
use toestel_core::{AccountConfig, AccountSetup, AudioSpec, Parts, Secret};

/// See the module.
pub struct Account {
    directory: Arc<StateDir>,
    config: AccountConfig,
    password: Secret,
}

impl Account {
    /// The account that is wanted, or the first; `None` where there is no wish and no account.
    ///
    /// # Errors
    /// When the wanted account or its password is not there.
    pub async fn find(wanted: Option<&str>, password: &PasswordArgs) -> Result<Option<Self>, Failure> {
        let directory = match StateDir::open_default() {
            Ok(directory) => directory,
            Err(SettingsError::NoDirectory | SettingsError::Unusable { .. }) if wanted.is_none() => return Ok(None),
            Err(error) => return Err(Failure::usage(error)),
        };
        let accounts = accounts::load(&directory)?;
        let account = match wanted {
            Some(wanted) => accounts::pick(&accounts, wanted)?,
            None => match accounts.iter().find(|account| account.enabled) {
                Some(account) => account,
                None => return Ok(None),
            },
        };
        let config = account.config.clone();
        let password = find_password(&config.address(), password).await?;
        Ok(Some(Self {
            directory: Arc::new(directory),
            config,
            password,
        }))
    }

    /// Its address, `user@domain`.
    pub fn address(&self) -> String {
        self.config.address()
    }

    /// The parts of an engine with this account's state, and the account.
    ///
    /// # Errors
    /// When what it learnt cannot be read.
    pub fn prepare(&self, audio: AudioSpec) -> Result<(Parts, AccountSetup), Failure> {
        let (parts, warnings) = Parts::native(Arc::clone(&self.directory), audio).map_err(Failure::usage)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let memory = parts.memory(&self.config);
        let setup = AccountSetup {
            config: self.config.clone(),
            password: self.password.clone(),
            memory,
        };
        Ok((parts, setup))
    }
}

/// The password that is given, else the kept one, else the one that the person types.
async fn find_password(address: &str, args: &PasswordArgs) -> Result<Secret, Failure> {
    if let Some(password) = args.given()? {
        return Ok(password);
    }
    let why = match Secrets::native().read(address).await {
        Ok(Some(password)) => return Ok(password),
        Ok(None) => format!("The key store has no password for {address}."),
        Err(error) => error.to_string(),
    };
    password::ask(&format!("Password of {address}")).await.map_err(|_| {
        Failure::outcome(format!(
            "{why} There is nobody to ask: set the variable {VARIABLE} to the password."
        ))
    })
}
