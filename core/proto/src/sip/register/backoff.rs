//! How long to wait after a failure (RFC 5626 4.5), and after a connection that broke.
//!
//! Every wait has a random part: a PBX that restarts loses all its phones in the same moment, and must not see them all
//! again in one.

use crate::random::Random;
use std::time::Duration;

/// The first wait is between half of twice this and twice this: all flows have failed, for there is one.
const BASE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(1_800);

/// Nobody shall be unreachable for days because of one header field.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// A connection that lived this long was no accident: its loss is repaired soon.
const LONG_LIVED: Duration = Duration::from_secs(60);
/// Within this time, at a random moment: a few hundred handshakes a second for a large PBX, and hardly a gap for one
/// phone.
const SOON: Duration = Duration::from_secs(2);
const LONGEST_AFTER_SHORT_LIFE: Duration = Duration::from_secs(30);

/// Failures in a row.
#[derive(Debug, Default)]
pub(in crate::sip) struct Backoff {
    failures: u32,
    short_lives: u32,
}

impl Backoff {
    /// A registration failed: the time to the next attempt.
    pub fn failed(&mut self, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let upper = BASE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        random.duration(upper / 2, upper)
    }

    /// The server refused and perhaps said for how long (Retry-After). Its word counts, up to an hour and with a
    /// tenth of jitter, so that not all phones come back in the same second; "at once" it may say once in a row.
    pub fn refused(&mut self, asked: Option<Duration>, random: &mut Random) -> Duration {
        let is_first = self.failures == 0;
        let wait = self.failed(random);
        match asked.map(|asked| asked.min(LONGEST_ASKED)) {
            Some(Duration::ZERO) if !is_first => wait,
            Some(asked) => random.duration(asked, asked.mul_f64(1.1)),
            None => wait,
        }
    }

    /// A registration succeeded.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A flow that had a binding for `lived` is gone: the time to the next flow. A server that takes every
    /// registration and closes every connection is asked less and less often.
    pub fn lost_after(&mut self, lived: Duration, random: &mut Random) -> Duration {
        if lived >= LONG_LIVED {
            self.short_lives = 0;
            return random.duration(Duration::ZERO, SOON);
        }
        let upper = SOON.saturating_mul(2_u32.saturating_pow(self.short_lives));
        let upper = upper.min(LONGEST_AFTER_SHORT_LIFE);
        let is_first = self.short_lives == 0;
        self.short_lives = self.short_lives.saturating_add(1);
        random.duration(if is_first { Duration::ZERO } else { upper / 2 }, upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_rfc_5626_section_4_5() {
        let mut random = Random::seeded(3);
        for _ in 0..50 {
            let mut backoff = Backoff::default();
            for upper in [60, 120, 240, 480, 960, 1_800, 1_800, 1_800] {
                let wait = backoff.failed(&mut random).as_secs_f64();
                assert!(
                    f64::from(upper) / 2.0 <= wait && wait <= f64::from(upper),
                    "{wait} of {upper}"
                );
            }
            backoff.succeeded();
            assert!(backoff.failed(&mut random) <= Duration::from_secs(60));
        }
    }

    #[test]
    fn the_servers_word_counts_within_reason() {
        let mut random = Random::seeded(4);
        let mut backoff = Backoff::default();
        let seconds = |wait: Duration| wait.as_secs_f64();
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(backoff.refused(asked(0), &mut random), Duration::ZERO);
        assert!(
            seconds(backoff.refused(asked(0), &mut random)) >= 60.0,
            "the second failure in a row"
        );
        let wait = seconds(backoff.refused(asked(120), &mut random));
        assert!((120.0..=132.0).contains(&wait), "{wait}");
        let wait = seconds(backoff.refused(asked(u64::from(u32::MAX)), &mut random));
        assert!((3_600.0..=3_960.0).contains(&wait), "{wait}");
    }

    #[test]
    fn short_lived_flows_come_back_ever_more_slowly_and_long_lived_ones_soon() {
        let mut random = Random::seeded(5);
        let mut backoff = Backoff::default();
        let mut wait = |lived| {
            backoff
                .lost_after(Duration::from_secs(lived), &mut random)
                .as_secs_f64()
        };
        for (from, to) in [
            (0.0, 2.0),
            (2.0, 4.0),
            (4.0, 8.0),
            (8.0, 16.0),
            (15.0, 30.0),
            (15.0, 30.0),
        ] {
            let wait = wait(5);
            assert!((from..=to).contains(&wait), "{wait}");
        }
        assert!(wait(60) <= 2.0);
        assert!(wait(59) <= 2.0, "the row begins anew");
        assert!(wait(59) >= 2.0);
    }
}
