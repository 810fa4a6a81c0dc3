//! Timestamps laid out on one line of media time, across their wrap and across a change of clock.

use crate::media::ticks::Ticks;

/// The newest packet's place on the line, from which others are reckoned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    rate: u32,
    timestamp: u32,
    media: Ticks,
    end: Ticks,
}

impl Timeline {
    /// A line on which `timestamp` is at zero.
    pub const fn starting_at(timestamp: u32, rate: u32) -> Self {
        Self {
            rate,
            timestamp,
            media: Ticks::ZERO,
            end: Ticks::ZERO,
        }
    }

    /// Where `timestamp` is. With another clock than before it follows the newest packet (RFC 7160 has nothing better
    /// before a sender report).
    pub fn place(&self, timestamp: u32, rate: u32) -> Ticks {
        if rate != self.rate {
            return self.end;
        }
        let distance = timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.media + Ticks::from_units(i64::from(distance), rate)
    }

    /// The newest packet is here, and lasts `length`.
    pub fn advance(&mut self, timestamp: u32, rate: u32, length: Ticks) {
        let media = self.place(timestamp, rate);
        *self = Self {
            rate,
            timestamp,
            media,
            end: media + length,
        };
    }

    /// Where the newest packet begins.
    pub const fn newest(&self) -> Ticks {
        self.media
    }

    /// Where the newest packet ends.
    pub const fn end(&self) -> Ticks {
        self.end
    }
}
