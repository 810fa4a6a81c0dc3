//! A line that loses, delays and reorders what goes through it, all from a seed: the stage of number 603, and the
//! network of the simulated world.
//!
//! Loss comes in bursts (Gilbert's model of two states), the delay is drawn evenly between its bounds, and order is
//! kept unless a thing is drawn to overtake those before it. Nothing is damaged: UDP's checksum would have dropped it.

use crate::random::Random;
use crate::time::{Instant, Wake};
use std::collections::BTreeMap;
use std::time::Duration;

/// How bad a line is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quality {
    /// The share of things that are lost, 0 to 1.
    pub loss: f64,
    /// How many are lost in a row on average, 1 or more.
    pub burst: f64,
    /// The shortest time on the way.
    pub delay: Duration,
    /// How much longer it may take.
    pub jitter: Duration,
    /// The share that does not wait its turn, 0 to 1.
    pub reordering: f64,
    /// The share that arrives twice, 0 to 1.
    pub duplication: f64,
}

impl Quality {
    /// Nothing is lost and no time passes.
    pub const PERFECT: Self = Self {
        loss: 0.0,
        burst: 1.0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        reordering: 0.0,
        duplication: 0.0,
    };

    /// A mobile connection on a bad day, each way: 5 % lost two at a time, 40 to 100 ms on the way.
    pub const MOBILE: Self = Self {
        loss: 0.05,
        burst: 2.0,
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(60),
        reordering: 0.02,
        duplication: 0.0,
    };
}

/// One way of a line, with the things that are on it.
#[derive(Debug)]
pub struct BadLine<T> {
    quality: Quality,
    random: Random,
    /// Whether the last thing was lost.
    losing: bool,
    /// When the last thing that waits its turn arrives.
    turn: Instant,
    sent: u64,
    under_way: BTreeMap<(Instant, u64), T>,
}

impl<T: Clone> BadLine<T> {
    /// A line with nothing on it. `random` decides what happens to what.
    pub const fn new(quality: Quality, random: Random) -> Self {
        Self {
            quality,
            random,
            losing: false,
            turn: Instant::ORIGIN,
            sent: 0,
            under_way: BTreeMap::new(),
        }
    }

    /// Sends something off.
    pub fn send(&mut self, thing: T, now: Instant) {
        if self.loses() {
            return;
        }
        if self.happens(self.quality.duplication) {
            self.carry(thing.clone(), now);
        }
        self.carry(thing, now);
    }

    /// The next thing that has arrived.
    #[must_use]
    pub fn receive(&mut self, now: Instant) -> Option<T> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next thing arrives.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let ((at, _), _) = self.under_way.first_key_value()?;
        Some(Wake::new(*at, "arrival on a bad line"))
    }

    /// Gilbert's model: losses end with chance 1/burst, and begin so that their share is `loss`.
    fn loses(&mut self) -> bool {
        let Quality { loss, burst, .. } = self.quality;
        let ends = 1.0 / burst.max(1.0);
        let begins = if loss >= 1.0 { 1.0 } else { loss / (1.0 - loss) * ends };
        self.losing = if self.losing && loss < 1.0 {
            !self.happens(ends)
        } else {
            self.happens(begins)
        };
        self.losing
    }

    fn carry(&mut self, thing: T, now: Instant) {
        let Quality { delay, jitter, .. } = self.quality;
        let at = if self.happens(self.quality.reordering) {
            now + delay
        } else {
            let drawn = now + self.random.duration(delay, delay.saturating_add(jitter));
            self.turn = self.turn.max(drawn);
            self.turn
        };
        self.sent = self.sent.saturating_add(1);
        self.under_way.insert((at, self.sent), thing);
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.unit() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` numbers, one every 20 ms; each with when it arrived.
    fn carried(quality: Quality, seed: u64, count: u64) -> Vec<(u64, Instant)> {
        println!("seed {seed}");
        let mut line = BadLine::new(quality, Random::seeded(seed));
        let mut arrived = Vec::new();
        for number in 0..count {
            line.send(number, Instant::from_millis(number * 20));
        }
        while let Some(wake) = line.poll_wake() {
            while let Some(number) = line.receive(wake.at) {
                arrived.push((number, wake.at));
            }
        }
        arrived
    }

    #[test]
    fn a_perfect_line_changes_nothing() {
        let arrived = carried(Quality::PERFECT, 1, 100);
        let expected: Vec<_> = (0..100)
            .map(|number| (number, Instant::from_millis(number * 20)))
            .collect();
        assert_eq!(arrived, expected);
    }

    #[test]
    fn the_share_and_the_length_of_losses_are_as_asked() {
        let quality = Quality {
            loss: 0.1,
            burst: 3.0,
            ..Quality::PERFECT
        };
        let arrived = carried(quality, 2, 100_000);
        let lost = 100_000 - arrived.len();
        let bursts = arrived.windows(2).filter(|pair| pair[1].0 > pair[0].0 + 1).count();
        assert!((9_000..11_000).contains(&lost), "{lost} lost");
        let length = lost as f64 / bursts as f64;
        assert!((2.7..3.3).contains(&length), "{length} in a row");
    }

    #[test]
    fn delay_stays_between_its_bounds_and_order_holds_unless_something_overtakes() {
        let quality = Quality {
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(60),
            ..Quality::PERFECT
        };
        let arrived = carried(quality, 3, 5_000);
        assert!(arrived.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
        for (number, at) in &arrived {
            let delay = at.since(Instant::from_millis(number * 20));
            assert!(
                (quality.delay..=quality.delay + quality.jitter).contains(&delay),
                "{delay:?}"
            );
        }
        let reordering = Quality {
            reordering: 0.1,
            ..quality
        };
        let arrived = carried(reordering, 3, 5_000);
        let overtaken = arrived.windows(2).filter(|pair| pair[0].0 > pair[1].0).count();
        assert!(overtaken > 50, "{overtaken} overtaken");
    }

    #[test]
    fn everything_is_lost_on_a_dead_line_and_duplicates_come_where_asked() {
        let dead = Quality {
            loss: 1.0,
            ..Quality::PERFECT
        };
        assert!(carried(dead, 4, 1_000).is_empty());
        let double = Quality {
            duplication: 1.0,
            ..Quality::PERFECT
        };
        assert_eq!(carried(double, 5, 1_000).len(), 2_000);
    }

    #[test]
    fn a_seed_repeats_what_happens() {
        assert_eq!(carried(Quality::MOBILE, 6, 500), carried(Quality::MOBILE, 6, 500));
        assert_ne!(carried(Quality::MOBILE, 6, 500), carried(Quality::MOBILE, 7, 500));
    }
}
