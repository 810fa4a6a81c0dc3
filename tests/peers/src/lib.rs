//! Real servers and clients in network namespaces, and a driver for our own command among them.
//!
//! A [`lab::Lab`] is a small internet private to one test: Asterisk and Kamailio as servers, baresip and linphone as
//! other makes of phone, PulseAudio as a sound card, a cable that loses and delays packets, and `toestel agent` driven
//! by JSON lines. Nothing listens outside the lab's namespaces and nothing is left behind, except the logs of a test that
//! failed.
//!
//! What takes long to make (Asterisk from Debian sid in a chroot, a Python with PESQ) is made once by
//! `peers-prepare`, into the cache. The tests need root and Linux, and run by `cargo xtask test peers`.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "test equipment: where it breaks, the test must stop and say so"
)]

pub mod agent;
pub mod asterisk;
pub mod baresip;
pub mod bench;
pub mod cable;
pub mod cache;
pub mod certificates;
pub mod kamailio;
pub mod lab;
pub mod linphone;
pub mod namespace;
pub mod office;
pub mod process;
pub mod pulse;
pub mod sound;
pub mod terminal;
