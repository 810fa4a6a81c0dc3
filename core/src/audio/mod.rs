//! Sound: devices, codecs, tones, and the one thread that carries the frames of all calls.
//!
//! [`MediaEngine`] is the door; behind it one OS thread, alive only while there is something to hear or say, owns a
//! [`card::Card`] and a media session with its sockets for each call. Nothing here knows SIP.

pub mod card;
pub mod codec;
pub mod device;
mod engine;
mod keys;
mod leg;
mod mixer;
mod pipeline;
#[cfg(target_os = "linux")]
mod pulse;
pub mod resample;
mod ring;
mod stream;
mod thread;
pub mod tones;
mod wavdev;

pub use engine::{AudioEvent, MediaEngine};
#[cfg(target_os = "linux")]
pub use pulse::PulseError;
pub use stream::StreamError;
pub use wavdev::FileCardError;
