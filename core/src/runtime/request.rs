//! What the handles may ask of the loop, and in what form it answers.

use crate::audio::device::DeviceChoice;
use crate::error::EngineError;
use std::time::Duration;
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::AccountConfig;
use toestel_proto::codec::{Codec, Suite};
use toestel_proto::ids::{AccountId, CallId};
use toestel_proto::media::session::MediaStats;
use toestel_proto::phone::{Accepted, Command, Refused, View};
use toestel_proto::secret::Secret;
use tokio::sync::oneshot;

/// How long a clean end may take: hang up, unregister, close (the far ends may be gone).
pub const FAREWELL: Duration = Duration::from_millis(1_500);

/// An account to run, with what the phone needs beside its settings.
#[derive(Debug)]
pub struct AccountSetup {
    /// The settings; they must pass [`AccountConfig::validate`].
    pub config: AccountConfig,
    /// Its password.
    pub password: Secret,
    /// What it learnt in earlier runs.
    pub memory: AccountMemory,
}

/// What a handle may ask, each with the way back for its answer.
#[derive(Debug)]
pub enum Request {
    /// Add an account.
    AddAccount(Box<AccountSetup>, oneshot::Sender<Result<AccountId, EngineError>>),
    /// Carry a command out.
    Command(Command, oneshot::Sender<Result<Accepted, Refused>>),
    /// Say where everything stands, to the millisecond.
    View(oneshot::Sender<View>),
    /// The figures of a call.
    Stats(Option<CallId>, oneshot::Sender<Result<CallStats, EngineError>>),
    /// Measure how loud it is, or do not.
    Meter(bool),
    /// Sound through these devices.
    UseDevices(DeviceChoice),
    /// Stop; answered when the farewell is said.
    ShutDown(oneshot::Sender<()>),
}

/// The figures of a call's sound, with what was agreed about it.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct CallStats {
    /// Which call.
    pub call: CallId,
    /// What is spoken.
    pub codec: Codec,
    /// How it is protected; `null` means not.
    pub suite: Option<Suite>,
    /// The figures.
    #[serde(flatten)]
    pub media: MediaStats,
}
