//! The state directory: the accounts as configured, and what each has learnt, in two JSON files.
//!
//! One process uses a directory at a time, by a lock that ends with the process. A file is replaced as a whole
//! (written beside, synced, renamed), so that a full disk or a power cut leaves the old one. What cannot be read is
//! set aside under another name and said, never overwritten; one bad account does not take the others with it.
//! Unknown fields in an account are refused, because a misspelt `pins` must not pass for no pins; in learnt state they
//! are ignored. A file of a later version is not touched.
//!
//! Saving syncs the disk and may take a while: not on the loop's thread. No password is ever here.

mod accounts;
mod file;
mod learnt;

pub use accounts::{Accounts, StoredAccount};
pub use learnt::Learnt;

use crate::blame::Blame;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use toestel_proto::account_config::AccountError;

const LOCK: &str = "lock";
const ACCOUNTS: &str = "accounts.json";
const LEARNT: &str = "learnt.json";

/// Why settings cannot be used or saved.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Another process has the directory.
    #[error("{} is in use by another Toestel: close that one, or give this one another state directory.", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be made, read or locked.
    #[error("The state directory {} cannot be used ({detail}): check that it is a directory of yours.", .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        detail: String,
    },
    /// There is no place for one.
    #[error("This device does not say where settings belong: give a state directory.")]
    NoDirectory,
    /// The disk did not take a file; the old one is intact.
    #[error("{} could not be saved ({detail}), the old one is kept: free some disk space, then try again.", .path.display())]
    NotSaved {
        /// The file.
        path: PathBuf,
        /// The system's words.
        detail: String,
    },
    /// A later program wrote the file.
    #[error("{} was written by a later Toestel (version {version}): update this one; the file is left as it is.", .path.display())]
    LaterVersion {
        /// The file.
        path: PathBuf,
        /// The file's version.
        version: u64,
    },
    /// The account is not valid.
    #[error("{0}")]
    Account(#[from] AccountError),
    /// There is such an account already.
    #[error("There is already an account {address}: change that one, or remove it first.")]
    Double {
        /// The account's address.
        address: String,
    },
}

impl SettingsError {
    /// Who erred.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::InUse { .. } | Self::Account(_) | Self::Double { .. } | Self::LaterVersion { .. } => Blame::User,
            Self::Unusable { .. } | Self::NoDirectory | Self::NotSaved { .. } => Blame::Device,
        }
    }

    /// Whether the same call may succeed later.
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::NotSaved { .. })
    }
}

/// What was wrong with a file but did not stop the phone; a sentence for the person.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsWarning {
    /// The whole file is unreadable and was set aside.
    #[error("{} could not be read ({detail}): it was kept as {}, and Toestel starts without it.", .path.display(), .kept_as.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// Its new name.
        kept_as: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// One account is unusable; the file as it was is kept.
    #[error("Account number {number} was left out ({detail}): correct it in {} and add it again.", .kept_as.display())]
    LeftOut {
        /// Its place in the file, from 1.
        number: usize,
        /// What is wrong with it.
        detail: String,
        /// The copy of the file.
        kept_as: PathBuf,
    },
}

/// A state directory that is ours until this is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Opens `path`, making it if need be, and locks it.
    ///
    /// # Errors
    /// [`SettingsError::InUse`] and [`SettingsError::Unusable`].
    pub fn open(path: &Path) -> Result<Self, SettingsError> {
        let unusable = |error: std::io::Error| SettingsError::Unusable {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        make_private_dir(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(SettingsError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// Opens the directory that is usual on this system.
    ///
    /// # Errors
    /// As [`StateDir::open`], and [`SettingsError::NoDirectory`].
    pub fn open_default() -> Result<Self, SettingsError> {
        Self::open(&default_dir(|name| env::var_os(name)).ok_or(SettingsError::NoDirectory)?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configured accounts; none where there is no file yet.
    ///
    /// # Errors
    /// [`SettingsError::LaterVersion`] and [`SettingsError::Unusable`].
    pub fn load_accounts(&self) -> Result<(Accounts, Vec<SettingsWarning>), SettingsError> {
        Accounts::load(&self.path.join(ACCOUNTS))
    }

    /// Replaces the configured accounts.
    ///
    /// # Errors
    /// [`SettingsError::NotSaved`].
    pub fn save_accounts(&self, accounts: &Accounts) -> Result<(), SettingsError> {
        file::save(&self.path.join(ACCOUNTS), accounts)
    }

    /// What the accounts have learnt; nothing where there is no file yet.
    ///
    /// # Errors
    /// As [`StateDir::load_accounts`].
    pub fn load_learnt(&self) -> Result<(Learnt, Vec<SettingsWarning>), SettingsError> {
        Learnt::load(&self.path.join(LEARNT))
    }

    /// Replaces what the accounts have learnt.
    ///
    /// # Errors
    /// [`SettingsError::NotSaved`].
    pub fn save_learnt(&self, learnt: &Learnt) -> Result<(), SettingsError> {
        file::save(&self.path.join(LEARNT), learnt)
    }
}

/// Only its owner may look in: the files tell whom a person calls through.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The usual place: XDG's data directory, `Application Support` on Apple's systems, `%APPDATA%` on Windows.
fn default_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return Some(set("APPDATA")?.join("Toestel"));
    }
    if cfg!(target_vendor = "apple") {
        return Some(set("HOME")?.join("Library/Application Support/Toestel"));
    }
    match set("XDG_DATA_HOME") {
        Some(data) => Some(data.join("toestel")),
        None => Some(set("HOME")?.join(".local/share/toestel")),
    }
}

#[cfg(test)]
mod tests;
