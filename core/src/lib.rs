//! The engine of Toestel.

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
pub use toestel_proto::account_config::{AccountConfig, HostPort, Roots, Transport};
pub use toestel_proto::codec::{Codec, MediaPolicy, Suite};
pub use toestel_proto::hex;
pub use toestel_proto::ids::{AccountId, CallId};
pub use toestel_proto::media::session::MediaStats;
pub use toestel_proto::phone::{Accepted, CallState, Command, Event, Refused, View};
pub use toestel_proto::secret::Secret;
