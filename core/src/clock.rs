//! The runtime's clock and alarm, which both count the time that the machine spends asleep.
//!
//! A laptop that slept for an hour must notice that its registration ran out. `std::time::Instant` stops while a
//! Linux or Apple machine is suspended; so [`Clock`] reads CLOCK_BOOTTIME on Linux and Android, CLOCK_MONOTONIC on
//! Apple's systems (which is `mach_continuous_time` there), and on Windows the performance counter behind
//! `std::time::Instant`, which goes on counting through sleep.
//!
//! [`Alarm`] waits for a [`Wake`](toestel_proto::time::Wake) without ever polling. On Linux and Android it is a timer of the kernel on the same
//! clock: a moment that passed during sleep rings at resume, and a resume is itself noticed at once. Elsewhere it is
//! tokio's timer, which does not count sleep on Apple's systems: there the shell's "did wake" notice, or the change of
//! network that comes with it, must make the runtime set the alarm anew; [`Alarm::set`] then rings at once.

mod alarm;

pub use alarm::{Alarm, ClockError, Ring};

use std::time::Duration;
use toestel_proto::time::Instant;

/// The time since the runtime started, sleep included.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Duration,
}

impl Clock {
    /// A clock that begins to count now.
    pub fn start() -> Self {
        Self { origin: system_time() }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        Instant::from_origin(system_time().saturating_sub(self.origin))
    }

    /// When on the system's clock this moment is; only the kernel's timer needs it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const fn on_system_clock(&self, moment: Instant) -> Duration {
        self.origin.saturating_add(moment.since_origin())
    }
}

/// How long the machine slept since it was last asked.
///
/// One clock counts sleep and one does not; what the first gains on the second was spent asleep.
#[derive(Clone, Copy, Debug)]
struct Sleep {
    lead: Duration,
}

/// Less than this is the noise of reading two clocks one after the other.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

impl Sleep {
    fn start() -> Self {
        Self {
            lead: system_time().saturating_sub(awake_time()),
        }
    }

    fn since_last_asked(&mut self) -> Option<Duration> {
        self.gained(system_time(), awake_time())
    }

    fn gained(&mut self, with_sleep: Duration, without_sleep: Duration) -> Option<Duration> {
        let lead = with_sleep.saturating_sub(without_sleep);
        let slept = lead.saturating_sub(self.lead);
        if slept < SHORTEST_SLEEP {
            return None;
        }
        self.lead = lead;
        Some(slept)
    }
}

/// A clock that counts sleep.
#[cfg(unix)]
fn system_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const WITH_SLEEP: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const WITH_SLEEP: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    read(WITH_SLEEP)
}

/// A clock that stops during sleep.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn awake_time() -> Duration {
    read(rustix::time::ClockId::Monotonic)
}

#[cfg(unix)]
fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A clock that counts sleep.
#[cfg(windows)]
fn system_time() -> Duration {
    process_start().elapsed()
}

/// A clock that stops during sleep, where the system has one that is safe to read; else the one that counts it, and
/// no sleep is ever noticed by comparing.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn awake_time() -> Duration {
    process_start().elapsed()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn process_start() -> std::time::Instant {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    *START.get_or_init(std::time::Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_at_its_origin_and_never_goes_back() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(first.since_origin() < Duration::from_secs(5));
        assert!((0..1_000).map(|_| clock.now()).is_sorted());
    }

    #[test]
    fn what_one_clock_gains_on_the_other_was_sleep_and_is_told_once() {
        let at = Duration::from_secs;
        let mut sleep = Sleep { lead: at(100) };
        assert_eq!(sleep.gained(at(150), at(50)), None, "awake for a while");
        assert_eq!(sleep.gained(at(3_760), at(60)), Some(at(3_600)));
        assert_eq!(sleep.gained(at(3_770), at(70)), None, "told already");
        let jitter = Duration::from_millis(3);
        assert_eq!(
            sleep.gained(at(3_780) + jitter, at(80)),
            None,
            "reading two clocks takes time"
        );
        assert_eq!(sleep.gained(at(3_790), at(90) + jitter), None);
    }

    #[test]
    fn short_sleeps_add_up_until_they_matter() {
        let mut sleep = Sleep { lead: Duration::ZERO };
        let half = Duration::from_millis(600);
        assert_eq!(sleep.gained(half, Duration::ZERO), None);
        assert_eq!(sleep.gained(half * 2, Duration::ZERO), Some(half * 2));
    }
}
