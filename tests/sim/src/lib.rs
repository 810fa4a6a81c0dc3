//! The simulated world: phones, exchange, network and clock, all from one seed.
//!
//! [`World`] holds real [`Phone`](toestel_proto::phone::Phone)s, a model PBX ([`exchange`]) and what lies between them:
//! a network that loses, delays and reorders, NATs that forget, connections that break, a clock that jumps. Nothing
//! sleeps: time goes from one event to the next. Each message that a phone sends is judged ([`audit`]), and each move
//! of the [`walk`] is compared with what a reference model says that must be seen afterwards.
//!
//! What is found wrong becomes a complaint, and a test without an [`interposer`] has none.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test equipment: where it breaks, the test must stop and say so"
)]

pub mod audit;
pub mod errors;
pub mod exchange;
pub mod host;
pub mod interposer;

pub mod model;
pub mod network;
pub mod numbers;

pub mod walk;
pub mod world;

pub use walk::{Tally, Transition, Walk};
pub use world::{Setup, World};
