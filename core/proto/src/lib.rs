//! Every state machine of the phone, without input or output of its own.
//!
//! Bytes, commands and time come in; bytes, events and wake-ups come out. The loop that drives any machine of this
//! crate has five steps:
//!
//! 1. hand it what happened: `machine.handle_*(input, now)`;
//! 2. drain what it wants done: `while let Some(output) = machine.poll_output() { … }`;
//! 3. ask when it must be called again: `machine.poll_wake()`, a [`time::Wake`] that also says why;
//! 4. wait for input or for that moment, whichever is first;
//! 5. at the moment: `machine.handle_timeout(now)`, and back to 2.
//!
//! Time is always an argument ([`time::Instant`]) and randomness is injected ([`random::Random`]), so that a seed and
//! a list of inputs repeat a whole day of calls exactly. The crate's manifest and `clippy.toml` keep it that way.

pub mod account;
pub mod account_config;
pub mod call;
pub mod codec;
pub mod event;
pub mod hex;
pub mod ids;
pub mod lines;
pub mod master_key;
pub mod media;
pub mod nat;
pub mod phone;
pub mod policy;
pub mod practice;
pub mod probe;
pub mod random;
pub mod sdp;
pub mod secret;
pub mod sip;
pub mod time;
pub mod view;
