//! Time as an argument: a point on the runtime's clock, and the reason for waking up.
//!
//! The runtime's clock counts the time that a laptop spends asleep, which `std::time::Instant` does not; so the
//! machines use their own [`Instant`]. It has no `now()`: only the runtime, or a test, makes one.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment on the runtime's clock, counted from that clock's origin. All arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// Where the clock began to count.
    pub const ORIGIN: Self = Self(Duration::ZERO);
    /// A moment that never comes.
    pub const NEVER: Self = Self(Duration::MAX);

    /// The moment `since_origin` after the clock's origin.
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The moment `millis` milliseconds after the clock's origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// How long after the clock's origin this moment is.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.0.as_secs_f64())
    }
}

/// When a machine must be called again, and why: "why did the phone wake at night" is a line in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wake {
    /// Call `handle_timeout` at this moment, or as soon after it as possible.
    pub at: Instant,
    /// The timer's name, as the RFC or the machine calls it: `timer_b`, `registration refresh`.
    pub why: &'static str,
}

impl Wake {
    /// A wake-up at `at`, because of `why`.
    pub const fn new(at: Instant, why: &'static str) -> Self {
        Self { at, why }
    }
}

/// The first of several wake-ups; the first named wins a tie.
pub fn earliest(wakes: impl IntoIterator<Item = Option<Wake>>) -> Option<Wake> {
    wakes
        .into_iter()
        .flatten()
        .reduce(|first, next| if next.at < first.at { next } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_wake_wins_and_keeps_its_reason() {
        let wakes = [
            None,
            Some(Wake::new(Instant::from_millis(9), "late")),
            Some(Wake::new(Instant::from_millis(3), "soon")),
        ];
        assert_eq!(earliest(wakes), Some(Wake::new(Instant::from_millis(3), "soon")));
        assert_eq!(earliest([None, None]), None);
    }

    #[test]
    fn arithmetic_saturates_instead_of_overflowing() {
        assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
        assert_eq!(Instant::ORIGIN - Duration::from_secs(1), Instant::ORIGIN);
        assert_eq!(Instant::ORIGIN - Instant::from_millis(5), Duration::ZERO);
    }
}
