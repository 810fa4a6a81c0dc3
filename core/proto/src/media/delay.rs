//! How long to hold packets: a target from the spread of their transit times.
//!
//! Over the last four seconds of arrivals, the fastest packet is the base and the 98 % quantile plus a margin is the
//! target. One long stall must not keep the delay up for seconds, so packets that are later than everything plausible
//! are not counted, unless the path stays that slow: then the path has changed and counting begins anew. Drift between
//! the two clocks moves base and quantile alike.
//!
//! Sizes are in [`Ticks`]. Peaks are not foreseen and trends not followed yet.

use super::ticks::Ticks;
use std::collections::VecDeque;

/// How much of the past counts.
const WINDOW: Ticks = Ticks::from_millis(4_000);
/// The target before anything is known. It decides how soon the far end is heard, and on a clean path how late for the
/// whole call; a path that needs more shows it within a few packets.
const FIRST_TARGET: Ticks = Ticks::from_millis(20);
const LOWEST_TARGET: Ticks = Ticks::from_millis(10);
const HIGHEST_TARGET: Ticks = Ticks::from_millis(400);
/// Added to the quantile: the grain of the sound card's clock.
const MARGIN: Ticks = Ticks::from_millis(10);
/// Later than the fastest by more than this is a stall, not jitter.
const STALL: Ticks = Ticks::from_millis(400);
/// A stall that lasts longer is the path's new length.
const ROUTE_CHANGE: Ticks = Ticks::from_millis(1_000);
/// Packets that must have been seen before the quantile is believed.
const ENOUGH: usize = 25;
const QUANTILE_PERCENT: usize = 98;

/// The estimator.
#[derive(Debug, Default)]
pub struct DelayEstimator {
    window: VecDeque<Sample>,
    /// Since when every packet has been a stall.
    stalled_since: Option<Ticks>,
    sorted: Vec<Ticks>,
    target: Option<Ticks>,
    base: Option<Ticks>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    arrival: Ticks,
    transit: Ticks,
}

impl DelayEstimator {
    /// A packet of media time `media` arrived.
    pub fn observe(&mut self, arrival: Ticks, media: Ticks) {
        let transit = arrival - media;
        // A stall is over only with the first packet that comes in time: its backlog comes ever less late.
        let in_time = if self.is_stalled() { self.target() } else { STALL };
        if self.base.is_some_and(|base| transit - base > in_time) {
            let since = *self.stalled_since.get_or_insert(arrival);
            if arrival - since < ROUTE_CHANGE {
                return;
            }
            self.restart();
        }
        self.stalled_since = None;
        self.window.push_back(Sample { arrival, transit });
        while self
            .window
            .front()
            .is_some_and(|sample| arrival - sample.arrival > WINDOW)
        {
            self.window.pop_front();
        }
        self.estimate();
    }

    /// Forgets everything: another source, or a new time base.
    pub fn restart(&mut self) {
        self.window.clear();
        self.stalled_since = None;
        self.base = None;
        self.target = None;
    }

    fn estimate(&mut self) {
        self.sorted.clear();
        self.sorted.extend(self.window.iter().map(|sample| sample.transit));
        self.sorted.sort_unstable();
        self.base = self.sorted.first().copied();
        let rank = self.sorted.len().saturating_mul(QUANTILE_PERCENT) / 100;
        if let (Some(base), Some(quantile)) = (self.base, self.sorted.get(rank)) {
            let target = (*quantile - base + MARGIN).clamp(LOWEST_TARGET, HIGHEST_TARGET);
            let believed = if self.sorted.len() < ENOUGH {
                target.max(FIRST_TARGET)
            } else {
                target
            };
            self.target = Some(believed);
        }
    }

    /// How long after the fastest packet's moment sound should be played.
    pub fn target(&self) -> Ticks {
        self.target.unwrap_or(FIRST_TARGET)
    }

    /// The transit time of the fastest packet; `None` before the first.
    pub const fn base(&self) -> Option<Ticks> {
        self.base
    }

    /// Whether the last packets have all been stalls.
    pub const fn is_stalled(&self) -> bool {
        self.stalled_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn observe(estimator: &mut DelayEstimator, packet: i64, delay_ms: i64) {
        let media = Ticks::from_millis(packet * 20);
        estimator.observe(media + Ticks::from_millis(1_000 + delay_ms), media);
    }

    #[test]
    fn a_clean_path_needs_only_the_margin() {
        let mut estimator = DelayEstimator::default();
        for packet in 0..100 {
            observe(&mut estimator, packet, 30);
        }
        assert_eq!(estimator.target(), LOWEST_TARGET);
    }

    #[test]
    fn the_target_covers_the_jitter_that_is_there() {
        let mut random = Random::seeded(3);
        let mut estimator = DelayEstimator::default();
        for packet in 0..400 {
            observe(&mut estimator, packet, i64::try_from(random.below(60)).unwrap());
        }
        let target = estimator.target().millis();
        assert!((60.0..=70.0).contains(&target), "{target}");
    }

    #[test]
    fn one_long_stall_and_its_burst_leave_the_target_where_it_was() {
        let mut estimator = DelayEstimator::default();
        for packet in 0..300 {
            observe(&mut estimator, packet, 30);
        }
        for late in 0..75 {
            observe(&mut estimator, 300 + late, 30 + 1_500 - late * 20);
        }
        for packet in 375..600 {
            observe(&mut estimator, packet, 30);
        }
        assert_eq!(estimator.target(), LOWEST_TARGET);
    }

    #[test]
    fn a_path_that_stays_longer_becomes_the_new_base() {
        let mut estimator = DelayEstimator::default();
        for packet in 0..300 {
            observe(&mut estimator, packet, 30);
        }
        for packet in 300..400 {
            observe(&mut estimator, packet, 630);
        }
        assert_eq!(estimator.base(), Some(Ticks::from_millis(1_630)));
        assert!(estimator.target() <= FIRST_TARGET);
    }

    #[test]
    fn the_target_never_leaves_its_bounds() {
        let mut random = Random::seeded(9);
        let mut estimator = DelayEstimator::default();
        for packet in 0..5_000 {
            observe(&mut estimator, packet, i64::try_from(random.below(3_000)).unwrap());
            assert!((LOWEST_TARGET..=HIGHEST_TARGET).contains(&estimator.target()));
        }
    }
}
