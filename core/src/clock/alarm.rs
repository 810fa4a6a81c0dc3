//! The alarm: waits until a [`Wake`], and notices sleep, with no wake-up of its own in between.

use super::{Clock, Sleep};
use std::time::Duration;
use toestel_proto::time::Wake;

/// Why [`Alarm::rings`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ring {
    /// The moment has come. The alarm is off until it is set again.
    Due(Wake),
    /// The machine slept this long; the alarm stays set.
    Slept(Duration),
}

/// Why there is no alarm. The device erred; trying again later can help.
#[derive(Debug, thiserror::Error)]
#[error("The system gave no timer ({0}): close other programs, then start again.")]
pub struct ClockError(#[from] std::io::Error);

/// One timer for the whole runtime: set it to the earliest wake-up of all machines.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    wake: Option<Wake>,
    sleep: Sleep,
    timer: timer::Timer,
}

impl Alarm {
    /// An alarm that is off. Must be called inside the tokio runtime that will wait for it.
    ///
    /// # Errors
    /// If the system has no timer left.
    pub fn new(clock: Clock) -> Result<Self, ClockError> {
        Ok(Self {
            clock,
            wake: None,
            sleep: Sleep::start(),
            timer: timer::Timer::new()?,
        })
    }

    /// Sets the alarm to `wake`, or turns it off. Costs nothing where the moment is unchanged.
    pub fn set(&mut self, wake: Option<Wake>) {
        let moved = self.wake.map(|wake| wake.at) != wake.map(|wake| wake.at);
        self.wake = wake;
        if moved || !timer::COUNTS_SLEEP {
            self.timer.set(&self.clock, wake.map(|wake| wake.at));
        }
    }

    /// Waits until the moment comes or the machine has slept; for ever, if the alarm is off and it does not sleep.
    /// Nothing is lost when the future is dropped.
    pub async fn rings(&mut self) -> Ring {
        loop {
            self.timer.wait().await;
            if let Some(slept) = self.sleep.since_last_asked() {
                return Ring::Slept(slept);
            }
            match self.wake {
                Some(wake) if wake.at <= self.clock.now() => {
                    self.set(None);
                    return Ring::Due(wake);
                }
                wake => self.timer.set(&self.clock, wake.map(|wake| wake.at)),
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod timer {
    //! Two timers of the kernel: one on CLOCK_BOOTTIME for the wake-up; one on CLOCK_REALTIME that never expires but
    //! is cancelled when the machine resumes or the wall clock is set (`TFD_TIMER_CANCEL_ON_SET`).

    use super::Clock;
    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;
    use toestel_proto::time::Instant;
    use tokio::io::unix::AsyncFd;

    pub(super) const COUNTS_SLEEP: bool = true;

    const OFF: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    /// So far away that only its cancellation will ever be heard.
    const FAR_AWAY: Timespec = Timespec {
        tv_sec: 1 << 40,
        tv_nsec: 0,
    };

    #[derive(Debug)]
    pub(super) struct Timer {
        due: AsyncFd<OwnedFd>,
        resumed: AsyncFd<OwnedFd>,
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = Self {
                due: watched(timerfd_create(TimerfdClockId::Boottime, flags)?)?,
                resumed: watched(timerfd_create(TimerfdClockId::Realtime, flags)?)?,
            };
            watch_for_resume(timer.resumed.get_ref())?;
            Ok(timer)
        }

        pub(super) fn set(&mut self, clock: &Clock, at: Option<Instant>) {
            let spec = at.filter(|at| *at != Instant::NEVER).map_or(OFF, |at| {
                let moment = clock.on_system_clock(at);
                i64::try_from(moment.as_secs()).map_or(OFF, |seconds| Timespec {
                    tv_sec: seconds.min(FAR_AWAY.tv_sec),
                    tv_nsec: moment.subsec_nanos().max(1).into(),
                })
            });
            if let Err(error) = arm(self.due.get_ref(), TimerfdTimerFlags::ABSTIME, spec) {
                tracing::error!(%error, "the kernel refused to set the alarm");
            }
        }

        pub(super) async fn wait(&mut self) {
            let due = self.due.async_io(tokio::io::Interest::READABLE, expirations);
            let resumed = self.resumed.async_io(tokio::io::Interest::READABLE, expirations);
            let result = tokio::select! {
                result = due => result,
                result = resumed => match result {
                    Err(error) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => {
                        watch_for_resume(self.resumed.get_ref())
                    }
                    other => other,
                },
            };
            if let Err(error) = result {
                // A timer that cannot be read would spin; a pause of a second keeps the phone usable.
                tracing::error!(%error, "the kernel's timer failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    #[expect(
        unsafe_code,
        reason = "tokio cannot know that an owned descriptor stays open and stays the same"
    )]
    fn watched(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
        // SAFETY: `OwnedFd` is valid, closes only when dropped, and always names the same descriptor.
        Ok(unsafe { AsyncFd::register(timer) }?)
    }

    fn arm(timer: &OwnedFd, flags: TimerfdTimerFlags, at: Timespec) -> io::Result<()> {
        timerfd_settime(
            timer,
            flags,
            &Itimerspec {
                it_interval: OFF,
                it_value: at,
            },
        )?;
        Ok(())
    }

    fn watch_for_resume(timer: &OwnedFd) -> io::Result<()> {
        arm(
            timer,
            TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET,
            FAR_AWAY,
        )
    }

    /// Takes the count of expirations out of the timer, so that it is quiet again.
    fn expirations(timer: &OwnedFd) -> io::Result<()> {
        let mut count = [0; 8];
        rustix::io::read(timer, &mut count)?;
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod timer {
    //! Tokio's timer. It may stop during sleep: the runtime sets the alarm anew whenever something tells it of a wake.

    use super::Clock;
    use std::io;
    use std::pin::Pin;
    use toestel_proto::time::Instant;
    use tokio::time::{Sleep, sleep};

    pub(super) const COUNTS_SLEEP: bool = false;

    #[derive(Debug)]
    pub(super) struct Timer {
        due: Option<Pin<Box<Sleep>>>,
    }

    impl Timer {
        #[expect(clippy::unnecessary_wraps, reason = "the kernel's timer can fail")]
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self { due: None })
        }

        pub(super) fn set(&mut self, clock: &Clock, at: Option<Instant>) {
            let at = at.filter(|at| *at != Instant::NEVER);
            self.due = at.map(|at| Box::pin(sleep(at.since(clock.now()))));
        }

        pub(super) async fn wait(&mut self) {
            match &mut self.due {
                Some(due) => due.await,
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toestel_proto::time::Instant;
    use tokio::time::timeout;

    const MOMENT: Duration = Duration::from_millis(30);

    fn alarm() -> Alarm {
        Alarm::new(Clock::start()).unwrap()
    }

    #[tokio::test]
    async fn the_alarm_rings_once_at_its_moment_and_says_why() {
        let mut alarm = alarm();
        let wake = Wake::new(alarm.clock.now() + MOMENT, "timer_b");
        alarm.set(Some(wake));
        assert_eq!(alarm.rings().await, Ring::Due(wake));
        assert!(alarm.clock.now() >= wake.at);
        timeout(MOMENT, alarm.rings()).await.expect_err("it must be off now");
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_rings_at_once() {
        let mut alarm = alarm();
        let wake = Wake::new(Instant::ORIGIN, "registration refresh");
        alarm.set(Some(wake));
        let rang = timeout(Duration::from_secs(5), alarm.rings()).await.unwrap();
        assert_eq!(rang, Ring::Due(wake));
    }

    #[tokio::test]
    async fn an_earlier_moment_replaces_a_later_one_and_none_turns_it_off() {
        let mut alarm = alarm();
        alarm.set(Some(Wake::new(Instant::NEVER, "never")));
        timeout(MOMENT, alarm.rings()).await.expect_err("never must not come");
        alarm.set(Some(Wake::new(alarm.clock.now() + Duration::from_secs(3_600), "late")));
        let soon = Wake::new(alarm.clock.now() + MOMENT, "soon");
        alarm.set(Some(soon));
        assert_eq!(alarm.rings().await, Ring::Due(soon));
        alarm.set(Some(Wake::new(alarm.clock.now() + MOMENT, "dropped")));
        alarm.set(None);
        timeout(MOMENT * 3, alarm.rings()).await.expect_err("it was turned off");
    }

    #[tokio::test]
    async fn a_dropped_wait_loses_nothing() {
        let mut alarm = alarm();
        let wake = Wake::new(alarm.clock.now() + MOMENT, "timer_f");
        alarm.set(Some(wake));
        timeout(MOMENT / 10, alarm.rings()).await.expect_err("too early");
        assert_eq!(alarm.rings().await, Ring::Due(wake));
    }
}
