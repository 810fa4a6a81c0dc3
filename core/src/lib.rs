//! The engine of Toestel, a softphone: sockets, TLS, sound, storage, and one loop around the pure machines of
//! `toestel-proto`. [`Engine`] is the one door: each method asks something of the phone and says whether it was
//! accepted; what comes of it arrives as an [`Event`].
//!
//! # Example
//!
//! A call from beginning to end, without an account and without a PBX: the practice exchange runs in this process.
//! For an account of your own give [`Engine::add_account`] an [`AccountConfig`], its password as a [`Secret`] and what
//! [`Parts::memory`] remembers of it.
//!
//! ```
//! use toestel_core::{AudioSpec, CallState, Engine, Event, Parts, Practice};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let practice = Practice::start()?;
//!     let (engine, mut events) = Engine::start(Parts::forgetful(AudioSpec::Null))?;
//!     let account = engine.add_account(practice.account("1001")).await?;
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Event::Registered { .. } => {
//!                 let call = engine.dial(Some(account), "600").await?;
//!                 println!("{call} begins");
//!             }
//!             Event::Unregistered { reason, .. } => return Err(reason.into()),
//!             Event::Media { suite, codec, .. } => println!("{codec:?}, protected by {suite:?}"),
//!             Event::Call { call, state: CallState::Active, .. } => engine.hang_up(call).await?,
//!             Event::Call { state: CallState::Ended, .. } => break,
//!             _ => {}
//!         }
//!     }
//!     engine.shut_down().await;
//!     Ok(())
//! }
//! ```

pub mod audio;
pub mod blame;
pub mod clock;
pub mod engine;
pub mod error;
pub mod net;
pub mod parts;
pub mod practice;
pub mod probe;
mod runtime;
pub mod store;
pub mod udp;

pub use audio::device::AudioSpec;
pub use engine::{AccountSetup, CallStats, Engine, Events};
pub use error::{EngineError, Gone};
pub use parts::Parts;
pub use practice::{Practice, PracticeError};
pub use runtime::Levels;
pub use toestel_proto::account::AccountMemory;
pub use toestel_proto::account_config::{
    AccountConfig, AutoAnswer, CallerId, DtmfMode, Feature, HostPort, Roots, Transport,
};
pub use toestel_proto::codec::{Codec, MediaPolicy, Suite};
pub use toestel_proto::hex;
pub use toestel_proto::ids::{AccountId, CallId};
pub use toestel_proto::media::session::MediaStats;
pub use toestel_proto::phone::{Accepted, CallState, Command, Event, Others, Refused, View};
pub use toestel_proto::secret::Secret;

/// The README's example, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
