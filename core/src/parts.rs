//! What an engine is built from: the machine that it runs on, or a stand-in for it.
//!
//! Everything that a test or another platform replaces is here, and small: the clock, randomness, the sound, the
//! look-ups, and where things are stored.

use crate::audio::device::AudioSpec;
use crate::clock::Clock;
use crate::net::dns::Resolver;
use crate::net::watch::NetworkWatch;
use crate::store::settings::{Learnt, SettingsError, SettingsWarning, StateDir};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::AccountConfig;
use toestel_proto::random::{Entropy, Random};

/// See the module.
#[derive(Debug)]
pub struct Parts {
    /// Time, sleep included.
    pub clock: Clock,
    /// The sound card, or files, or nothing.
    pub audio: AudioSpec,
    /// Who looks names up.
    pub resolver: Resolver,
    memory: Memory,
}

/// What the accounts have learnt: stored, or for this run only.
#[derive(Debug, Default)]
struct Memory {
    directory: Option<Arc<StateDir>>,
    learnt: Arc<Mutex<Learnt>>,
}

impl Parts {
    /// This machine, with `directory` for what is learnt.
    ///
    /// # Errors
    /// When what was learnt cannot be read and must not be overwritten.
    pub fn native(directory: Arc<StateDir>, audio: AudioSpec) -> Result<(Self, Vec<SettingsWarning>), SettingsError> {
        let (learnt, warnings) = directory.load_learnt()?;
        let memory = Memory {
            directory: Some(directory),
            learnt: Arc::new(Mutex::new(learnt)),
        };
        Ok((
            Self {
                memory,
                ..Self::forgetful(audio)
            },
            warnings,
        ))
    }

    /// This machine, with nothing stored: for a call to the practice exchange, and for tests.
    pub fn forgetful(audio: AudioSpec) -> Self {
        Self {
            clock: Clock::start(),
            audio,
            resolver: Resolver::system(),
            memory: Memory::default(),
        }
    }

    /// The same with `directory` opened by its path.
    ///
    /// # Errors
    /// When the directory cannot be used, or another phone uses it.
    pub fn in_directory(path: &Path, audio: AudioSpec) -> Result<(Self, Vec<SettingsWarning>), SettingsError> {
        Self::native(Arc::new(StateDir::open(path)?), audio)
    }

    /// What the account learnt in earlier runs.
    pub fn memory(&self, config: &AccountConfig) -> AccountMemory {
        self.memory.lock().account(&config.address())
    }

    /// Randomness that keys may be drawn from.
    pub fn random(&self) -> Random {
        system_random()
    }

    /// The watch over the network under us; without one, changes are noticed when a flow breaks.
    pub(crate) fn watch(&self) -> Option<NetworkWatch> {
        NetworkWatch::new()
            .inspect_err(|error| tracing::warn!(%error, "network changes go unnoticed"))
            .ok()
    }

    /// Stores what an account has learnt. Saving syncs the disk, so it is done on a thread for such work.
    pub(crate) fn remember(
        &self,
        config: &AccountConfig,
        memory: AccountMemory,
    ) -> impl Future<Output = Result<(), SettingsError>> + use<> {
        self.memory.lock().remember(&config.address(), memory);
        let (directory, learnt) = (self.memory.directory.clone(), Arc::clone(&self.memory.learnt));
        async move {
            let Some(directory) = directory else { return Ok(()) };
            let save = move || directory.save_learnt(&learnt.lock().unwrap_or_else(PoisonError::into_inner));
            tokio::task::spawn_blocking(save).await.unwrap_or(Ok(()))
        }
    }
}

impl Memory {
    fn lock(&self) -> std::sync::MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Randomness that keys may be drawn from: the operating system's.
pub(crate) fn system_random() -> Random {
    Random::new(System)
}

/// The operating system's randomness.
struct System;

impl Entropy for System {
    #[expect(
        clippy::panic,
        reason = "a phone without randomness would send guessable keys; it must not run on"
    )]
    fn fill(&mut self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the system gives no randomness: {error}");
        }
    }
}
