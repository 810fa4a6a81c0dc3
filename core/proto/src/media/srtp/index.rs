//! Packet indices: the rollover counter guessed from a sequence number (RFC 3711 3.3.1), and the replay window (3.3.2).

#![warn(clippy::arithmetic_side_effects)]

/// How far behind the highest index a packet may be.
pub(super) const WINDOW: u64 = 128;
/// The first index that SRTP cannot have (RFC 3711 9.2).
pub(super) const RTP_LIMIT: u64 = 1 << 48;
/// The first index that SRTCP cannot have.
pub(super) const RTCP_LIMIT: u64 = 1 << 31;

/// Which indices of one source were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    highest: u64,
    /// Bit n: `highest - n` was seen.
    window: u128,
}

/// What a window says of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Novelty {
    New,
    Replayed,
    TooOld,
}

impl Seen {
    /// A source of which `index` is the first that was seen.
    pub const fn first(index: u64) -> Self {
        Self {
            highest: index,
            window: 1,
        }
    }

    /// The index that `sequence` most likely has: the nearest to the highest. `None` before the first rollover.
    pub fn guess(self, sequence: u16) -> Option<u64> {
        let rollover = self.highest >> 16;
        let last = i32::from(
            self.highest
                .to_le_bytes()
                .first_chunk::<2>()
                .map_or(0, |low| u16::from_le_bytes(*low)),
        );
        let ahead = i32::from(sequence).saturating_sub(last);
        let rollover = match ahead {
            32_769.. => rollover.checked_sub(1)?,
            ..=-32_769 => rollover.checked_add(1)?,
            _ => rollover,
        };
        Some((rollover << 16) | u64::from(sequence))
    }

    /// Whether `index` may be taken.
    pub fn novelty(self, index: u64) -> Novelty {
        let Some(behind) = self.highest.checked_sub(index) else {
            return Novelty::New;
        };
        if behind >= WINDOW {
            Novelty::TooOld
        } else if (self.window >> behind) & 1 == 1 {
            Novelty::Replayed
        } else {
            Novelty::New
        }
    }

    /// Takes `index`, once its packet proved authentic.
    pub fn mark(&mut self, index: u64) {
        if let Some(behind) = self.highest.checked_sub(index) {
            if behind < WINDOW {
                self.window |= 1 << behind;
            }
            return;
        }
        let ahead = index.saturating_sub(self.highest);
        self.window = u32::try_from(ahead)
            .ok()
            .and_then(|shift| self.window.checked_shl(shift))
            .unwrap_or(0)
            | 1;
        self.highest = index;
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small test figures")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_rollover_counter_is_guessed_on_both_sides_of_a_wrap() {
        let before = Seen::first(0x1_ffff);
        assert_eq!(before.guess(0xfffe), Some(0x1_fffe));
        assert_eq!(before.guess(0), Some(0x2_0000));
        let after = Seen::first(0x2_0001);
        assert_eq!(after.guess(0xfff0), Some(0x1_fff0), "a straggler from before the wrap");
        assert_eq!(
            after.guess(0x8001),
            Some(0x2_8001),
            "half the range ahead is still ahead"
        );
        assert_eq!(
            Seen::first(1).guess(0xfff0),
            None,
            "there is nothing before the beginning"
        );
    }

    proptest! {
        #[test]
        fn the_window_takes_each_index_once_like_a_set_that_forgets_the_old(
            steps in proptest::collection::vec(0_u64..400, 1..300),
        ) {
            let mut seen = Seen::first(1_000);
            let mut model = BTreeSet::from([1_000]);
            for (round, step) in steps.into_iter().enumerate() {
                let index = 900 + step + round as u64;
                let highest = *model.last().unwrap();
                let expected = if index + WINDOW <= highest {
                    Novelty::TooOld
                } else if model.contains(&index) {
                    Novelty::Replayed
                } else {
                    Novelty::New
                };
                prop_assert_eq!(seen.novelty(index), expected);
                if expected == Novelty::New {
                    seen.mark(index);
                    model.insert(index);
                }
            }
        }
    }
}
