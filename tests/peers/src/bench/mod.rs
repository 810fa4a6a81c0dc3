//! The phones side by side: ours, baresip and linphonec of Debian 12, in one run, at the same Asterisk, on the same
//! null devices of one PulseAudio. `cargo xtask bench peers` runs it; docs/bench.md tells how to read it.
//!
//! Times are from the start of a program or a command to a line in Asterisk's log or a sample at the loudspeaker's
//! monitor. Costs are the kernel's own counters of the phone's process. Nothing asks a phone about itself.

mod delay;
mod ear;
mod measure;
mod phone;
mod report;
mod settings;
pub mod usage;

use std::path::PathBuf;
use std::time::Duration;

pub use measure::Bench;
pub use phone::Kind;
pub use report::{Report, Row, Verdict};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Starts and dialled calls of each phone.
    pub runs: usize,
    /// How long each idles, and calls.
    pub window: Duration,
    /// Calls that are scored.
    pub scored: usize,
    /// Only rows whose group is named; all, where this is empty.
    pub only: Vec<String>,
    /// A folder for what was heard in the scored calls.
    pub keep: Option<PathBuf>,
}

impl Extent {
    /// What the figures are taken with.
    pub const fn full() -> Self {
        Self {
            runs: 9,
            window: Duration::from_secs(60),
            scored: 3,
            only: Vec::new(),
            keep: None,
        }
    }

    /// Enough to see that everything works.
    pub const fn quick() -> Self {
        Self {
            runs: 3,
            window: Duration::from_secs(10),
            scored: 1,
            only: Vec::new(),
            keep: None,
        }
    }

    fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == group)
    }
}
