//! What is heard: recordings scored, by correlation with what was said, never by ear.
//!
//! [`stage`] gives a test a process of its own, with a private sound server if it wants one, so that what it costs can
//! be counted; [`score`] finds words, gaps, levels and pitches in a recording; [`call`] puts two media engines on
//! loopback.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "test equipment: where it breaks, the test must stop and say so"
)]

pub mod call;
pub mod score;
pub mod stage;
