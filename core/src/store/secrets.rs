//! Passwords: in the operating system's key store, and nowhere else on disk.
//!
//! [`NativeStore`] is the Secret Service on Linux, the keychain on macOS, the credential manager on Windows. Where
//! there is none, as on a headless machine, a password is kept in memory for this run and that is said aloud
//! ([`Kept::ForThisRun`]); there is deliberately no file (ADR 0005).
//!
//! A key store may ask the person to unlock it and takes as long as they do, so nothing here may run on the loop's
//! thread: [`Secrets`] moves each call to a thread of its own. The store is opened for each use and closed after it: a
//! phone reads a password once, and an open connection would cost memory all day.

use crate::blame::Blame;
use keyring_core::api::CredentialStore;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use toestel_proto::secret::Secret;

/// Under this name the entries stand in the key store.
const SERVICE: &str = "toestel";

/// Keeps secrets by key; an account's key is its address. Calls may block for as long as a person thinks.
pub trait SecretStore: Send + Sync {
    /// The secret, or `None` if none is kept under `key`.
    ///
    /// Some key stores say "none" while they are locked for good. So `None` is no reason to forget an account: ask
    /// for the password instead.
    ///
    /// # Errors
    /// [`SecretError`].
    fn read(&self, key: &str) -> Result<Option<Secret>, SecretError>;

    /// Keeps `secret` in place of any earlier one.
    ///
    /// # Errors
    /// [`SecretError`].
    fn keep(&self, key: &str, secret: &Secret) -> Result<(), SecretError>;

    /// Forgets the secret; well if there is none.
    ///
    /// # Errors
    /// [`SecretError`].
    fn forget(&self, key: &str) -> Result<(), SecretError>;
}

/// Why the key store did not do it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no key store, or it cannot be reached.
    #[error(
        "This device has no key store that answers ({detail}): start one, such as gnome-keyring or KWallet, or give the password at each start."
    )]
    Unavailable {
        /// The library's words.
        detail: String,
    },
    /// The key store is locked and was not unlocked.
    #[error("The key store is locked: unlock it, then try again.")]
    Locked,
    /// Several entries match.
    #[error("The key store has several passwords for {key}: remove all but one, or all, in its own program.")]
    Ambiguous {
        /// The key.
        key: String,
    },
    /// The key store refused this entry.
    #[error("The key store refused the password for {key} ({detail}): enter it again.")]
    Refused {
        /// The key.
        key: String,
        /// The library's words.
        detail: String,
    },
}

impl SecretError {
    /// Who erred.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Locked | Self::Ambiguous { .. } => Blame::User,
            Self::Unavailable { .. } | Self::Refused { .. } => Blame::Device,
        }
    }

    /// Whether the same call may succeed later with nothing changed in the program.
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Locked)
    }
}

/// Where a password went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Into the key store.
    Stored,
    /// Only into memory: it will be asked for at the next start. The reason is for the person to see.
    ForThisRun {
        /// Why the key store did not take it.
        why: SecretError,
    },
}

/// The operating system's key store.
pub struct NativeStore {
    open: fn() -> keyring_core::Result<Arc<CredentialStore>>,
    /// Key stores do not promise to keep the order of calls from several threads.
    turn: Mutex<()>,
}

impl NativeStore {
    /// The key store of this system. It is not touched yet.
    pub const fn new() -> Self {
        Self {
            open: open_native,
            turn: Mutex::new(()),
        }
    }

    fn with_entry<T>(
        &self,
        key: &str,
        action: impl FnOnce(&keyring_core::Entry) -> keyring_core::Result<T>,
    ) -> Result<Option<T>, SecretError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = (self.open)().and_then(|store| action(&store.build(SERVICE, key, None)?));
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(keyring_core::Error::NoEntry) => Ok(None),
            Err(error) => Err(in_words(key, &error)),
        }
    }
}

impl Default for NativeStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretStore for NativeStore {
    fn read(&self, key: &str) -> Result<Option<Secret>, SecretError> {
        self.with_entry(key, |entry| entry.get_secret().map(Secret::new))
    }

    fn keep(&self, key: &str, secret: &Secret) -> Result<(), SecretError> {
        match self.with_entry(key, |entry| entry.set_secret(secret.expose()))? {
            Some(()) => Ok(()),
            None => Err(SecretError::Refused {
                key: key.to_owned(),
                detail: "it was not kept".to_owned(),
            }),
        }
    }

    fn forget(&self, key: &str) -> Result<(), SecretError> {
        self.with_entry(key, |entry| entry.delete_credential()).map(drop)
    }
}

/// Errors that hold what was read are never formatted with their content.
fn in_words(key: &str, error: &keyring_core::Error) -> SecretError {
    let key = key.to_owned();
    match error {
        keyring_core::Error::NoStorageAccess(_) => SecretError::Locked,
        keyring_core::Error::Ambiguous(_) => SecretError::Ambiguous { key },
        keyring_core::Error::BadEncoding(_) | keyring_core::Error::BadDataFormat(..) => SecretError::Refused {
            key,
            detail: "it is not readable".to_owned(),
        },
        keyring_core::Error::TooLong(..) | keyring_core::Error::Invalid(..) => SecretError::Refused {
            key,
            detail: error.to_string(),
        },
        other => SecretError::Unavailable {
            detail: other.to_string(),
        },
    }
}

#[cfg(target_os = "linux")]
fn open_native() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open_native() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open_native() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn open_native() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(keyring_core::Error::NotSupportedByStore(
        "the shell must bring a store".to_owned(),
    ))
}

/// Secrets in memory, for a run whose passwords come from elsewhere, and for tests.
#[derive(Default)]
pub struct MemoryStore(Mutex<BTreeMap<String, Secret>>);

impl SecretStore for MemoryStore {
    fn read(&self, key: &str) -> Result<Option<Secret>, SecretError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn keep(&self, key: &str, secret: &Secret) -> Result<(), SecretError> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.to_owned(), secret.clone());
        Ok(())
    }

    fn forget(&self, key: &str) -> Result<(), SecretError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }
}

/// A store as the runtime uses it: off its thread, and with memory to fall back on. Clones share both.
#[derive(Clone)]
pub struct Secrets {
    store: Arc<dyn SecretStore>,
    this_run: Arc<MemoryStore>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// The operating system's key store.
    pub fn native() -> Self {
        Self::of(NativeStore::new())
    }

    /// Memory alone: nothing is ever stored.
    pub fn in_memory() -> Self {
        Self::of(MemoryStore::default())
    }

    /// Another store, such as a phone's.
    pub fn of(store: impl SecretStore + 'static) -> Self {
        Self {
            store: Arc::new(store),
            this_run: Arc::default(),
        }
    }

    /// The secret under `key`: the one given for this run, else the stored one.
    ///
    /// # Errors
    /// See [`SecretStore::read`].
    pub async fn read(&self, key: &str) -> Result<Option<Secret>, SecretError> {
        match self.this_run.read(key)? {
            Some(secret) => Ok(Some(secret)),
            None => self.blocking(key, |store, key| store.read(key)).await,
        }
    }

    /// Keeps `secret`, in memory only if the key store does not take it; then say so to the person.
    pub async fn keep(&self, key: &str, secret: &Secret) -> Kept {
        let copy = secret.clone();
        match self.blocking(key, move |store, key| store.keep(key, &copy)).await {
            Ok(()) => {
                let _ = self.this_run.forget(key);
                Kept::Stored
            }
            Err(why) => {
                self.keep_for_this_run(key, secret);
                tracing::info!(%why, "a password is kept for this run only");
                Kept::ForThisRun { why }
            }
        }
    }

    /// Keeps `secret` in memory alone: it was given for this run.
    pub fn keep_for_this_run(&self, key: &str, secret: &Secret) {
        let _ = self.this_run.keep(key, secret);
    }

    /// Forgets the secret under `key` everywhere.
    ///
    /// # Errors
    /// See [`SecretStore::forget`].
    pub async fn forget(&self, key: &str) -> Result<(), SecretError> {
        self.this_run.forget(key)?;
        self.blocking(key, |store, key| store.forget(key)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        key: &str,
        action: impl FnOnce(&dyn SecretStore, &str) -> Result<T, SecretError> + Send + 'static,
    ) -> Result<T, SecretError> {
        let (store, key) = (Arc::clone(&self.store), key.to_owned());
        tokio::task::spawn_blocking(move || action(&*store, &key))
            .await
            .unwrap_or_else(|error| {
                Err(SecretError::Unavailable {
                    detail: error.to_string(),
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyring_core::mock;

    fn mocked() -> keyring_core::Result<Arc<CredentialStore>> {
        static STORE: Mutex<Option<Arc<mock::Store>>> = Mutex::new(None);
        let mut store = STORE.lock().unwrap();
        if store.is_none() {
            *store = Some(mock::Store::new()?);
        }
        Ok(store.clone().unwrap())
    }

    fn no_bus() -> keyring_core::Result<Arc<CredentialStore>> {
        Err(keyring_core::Error::PlatformFailure("no session bus".into()))
    }

    fn locked() -> keyring_core::Result<Arc<CredentialStore>> {
        Err(keyring_core::Error::NoStorageAccess("NoResult".into()))
    }

    fn native(open: fn() -> keyring_core::Result<Arc<CredentialStore>>) -> NativeStore {
        NativeStore {
            open,
            turn: Mutex::new(()),
        }
    }

    fn password() -> Secret {
        Secret::new("correct horse")
    }

    #[test]
    fn a_password_is_kept_replaced_and_forgotten() {
        let memory = MemoryStore::default();
        for store in [&native(mocked) as &dyn SecretStore, &memory] {
            assert_eq!(store.read("100@pbx"), Ok(None));
            store.keep("100@pbx", &Secret::new("old")).unwrap();
            store.keep("100@pbx", &password()).unwrap();
            assert_eq!(store.read("100@pbx"), Ok(Some(password())));
            assert_eq!(store.read("101@pbx"), Ok(None));
            store.forget("100@pbx").unwrap();
            assert_eq!(store.read("100@pbx"), Ok(None));
            store.forget("100@pbx").unwrap();
        }
    }

    #[test]
    fn no_key_store_and_a_locked_one_are_told_apart_from_no_password() {
        let error = native(no_bus).read("100@pbx").unwrap_err();
        assert!(
            matches!(&error, SecretError::Unavailable { detail } if detail.contains("no session bus")),
            "{error}"
        );
        assert_eq!(native(locked).read("100@pbx"), Err(SecretError::Locked));
        assert_eq!(native(locked).keep("100@pbx", &password()), Err(SecretError::Locked));
    }

    #[test]
    fn an_error_never_shows_what_was_read() {
        let unreadable = [
            keyring_core::Error::BadEncoding(b"hunter2".to_vec()),
            keyring_core::Error::BadDataFormat(b"hunter2".to_vec(), "bad".into()),
        ];
        for error in unreadable {
            let error = in_words("100@pbx", &error);
            let bytes = format!("{:?}", b"hunter2");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
            assert!(!format!("{error} {error:?}").contains(&bytes));
        }
    }

    #[tokio::test]
    async fn without_a_key_store_a_password_lasts_for_this_run_and_that_is_said() {
        let secrets = Secrets::of(native(no_bus));
        let kept = secrets.keep("100@pbx", &password()).await;
        assert!(matches!(
            kept,
            Kept::ForThisRun {
                why: SecretError::Unavailable { .. }
            }
        ));
        assert_eq!(secrets.read("100@pbx").await, Ok(Some(password())));
        assert!(
            Secrets::of(native(no_bus)).read("100@pbx").await.is_err(),
            "another run must ask again"
        );
    }

    #[tokio::test]
    async fn a_password_given_for_this_run_hides_the_stored_one_and_is_not_stored() {
        let store = Arc::new(MemoryStore::default());
        store.keep("100@pbx", &Secret::new("stored")).unwrap();
        let secrets = Secrets {
            store: Arc::clone(&store) as Arc<dyn SecretStore>,
            this_run: Arc::default(),
        };
        secrets.keep_for_this_run("100@pbx", &password());
        assert_eq!(secrets.read("100@pbx").await, Ok(Some(password())));
        assert_eq!(store.read("100@pbx"), Ok(Some(Secret::new("stored"))));
        assert_eq!(secrets.keep("100@pbx", &Secret::new("new")).await, Kept::Stored);
        assert_eq!(secrets.read("100@pbx").await, Ok(Some(Secret::new("new"))));
    }
}
