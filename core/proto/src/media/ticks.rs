//! Media time in 48ths of a millisecond: every codec's clock divides 48 kHz, so nothing is rounded.

use crate::time::Instant;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment or a length of media time; signed, and all arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Ticks(i64);

impl Ticks {
    /// None.
    pub const ZERO: Self = Self(0);

    /// That many milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(48))
    }

    /// `units` of a clock of `rate` Hz; an unknown rate counts as 48 kHz.
    pub fn from_units(units: i64, rate: u32) -> Self {
        Self(units.saturating_mul(48_000_i64.checked_div(i64::from(rate)).unwrap_or(1)))
    }

    /// When it is on the runtime's clock.
    pub fn from_instant(instant: Instant) -> Self {
        Self::from_duration(instant.since_origin())
    }

    /// A length.
    pub fn from_duration(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos().saturating_mul(48) / 1_000_000).unwrap_or(i64::MAX))
    }

    /// As a length; a negative one is none.
    pub fn duration(self) -> Duration {
        let nanos = u128::try_from(self.0).unwrap_or(0).saturating_mul(1_000_000) / 48;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// In milliseconds.
    pub fn millis(self) -> f64 {
        self.duration().as_secs_f64() * 1_000.0
    }

    /// A fraction of it.
    pub fn divided_by(self, divisor: i64) -> Self {
        Self(self.0.checked_div(divisor).unwrap_or(self.0))
    }

    /// Rounded up to whole steps of 2.5 ms, what every codec can make up.
    pub fn rounded_up(self) -> Self {
        Self(self.0.saturating_add(119).div_euclid(120).saturating_mul(120))
    }
}

impl Add for Ticks {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Ticks {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Ticks {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_fits_without_rounding() {
        assert_eq!(Ticks::from_units(960, 48_000), Ticks::from_millis(20));
        assert_eq!(Ticks::from_units(160, 8_000), Ticks::from_millis(20));
        assert_eq!(Ticks::from_millis(20).duration(), Duration::from_millis(20));
        assert_eq!(Ticks::from_duration(Duration::from_millis(7)), Ticks::from_millis(7));
        assert_eq!(Ticks::from_millis(3).rounded_up(), Ticks(240));
        assert_eq!((Ticks::ZERO - Ticks::from_millis(1)).duration(), Duration::ZERO);
    }
}
