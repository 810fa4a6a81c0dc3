//! What waits in an account's mailbox, and whether it must be asked for.
//!
//! Most PBXs tell without being asked, as soon as a phone registers; only where nothing comes is the state subscribed to,
//! and no more once something does. Both say how many there are, not how many came, so the last word counts.

use super::Watcher;
use crate::random::Random;
use crate::sip::subscribe::Way;
use crate::time::{Instant, Wake};
use crate::view::Messages;
use std::time::Duration;

/// How long a PBX is given to tell by itself.
const GRACE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));

/// See the module.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub watcher: Watcher,
    /// How requests of the account go, while it is registered.
    pub way: Option<Way>,
    /// Whether it may be asked for at all.
    asks: bool,
    /// The PBX tells by itself.
    pub is_told: bool,
    pub messages: Option<Messages>,
    ask_at: Option<Instant>,
}

impl Mailbox {
    pub fn new(watcher: Watcher, asks: bool) -> Self {
        Self {
            watcher,
            way: None,
            asks,
            is_told: false,
            messages: None,
            ask_at: None,
        }
    }

    pub fn connect(&mut self, way: Way, now: Instant, random: &mut Random) {
        let is_first = self.way.replace(way).is_none();
        if is_first && self.asks && !self.is_told {
            self.ask_at = Some(now + random.duration(GRACE.0, GRACE.1));
        }
    }

    pub fn disconnect(&mut self) {
        self.way = None;
        self.ask_at = None;
    }

    /// The PBX told by itself: it need not be asked.
    pub fn handle_told(&mut self) {
        self.is_told = true;
        self.ask_at = None;
    }

    /// Whether it is to be asked for now.
    pub fn due(&mut self, now: Instant) -> bool {
        self.ask_at.take_if(|at| *at <= now).is_some()
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        self.ask_at.map(|at| Wake::new(at, "waiting messages"))
    }
}
