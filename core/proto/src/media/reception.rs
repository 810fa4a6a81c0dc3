//! What is counted of one remote source: extended sequence numbers (RFC 3550 A.1), loss (A.3) and jitter (A.8).
//!
//! No probation: a source is heard from its first packet, because it is authenticated or comes from the address that
//! signalling named.

#![warn(clippy::arithmetic_side_effects)]

use super::rtcp::ReportBlock;
use crate::time::Instant;

/// A jump forward of as many sequence numbers is a restart (A.1).
const MAX_DROPOUT: u16 = 3_000;
/// A packet as far behind is late; further behind is a restart (A.1).
const MAX_MISORDER: u16 = 100;

/// One source.
#[derive(Clone, Debug)]
pub struct Reception {
    base: u64,
    highest: u64,
    received: u64,
    /// The sequence number that would prove a restart.
    restart_at: Option<u16>,
    expected_before: u64,
    received_before: u64,
    /// The clock rate that `transit` is in.
    clock_rate: u32,
    transit: Option<u32>,
    /// Scaled by 16, as A.8 keeps it.
    jitter_x16: u32,
    /// Loss of the source's earlier sequences, before a restart.
    lost_before_restart: u64,
}

/// What a sequence number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequenced {
    /// It counts, under this extended number.
    At(u64),
    /// The sender restarted; numbers go on from this one.
    Restarted(u64),
    /// A lone number from nowhere: the packet is not used.
    Stray,
}

impl Reception {
    /// A source whose first packet has this number.
    pub fn new(sequence: u16) -> Self {
        // One cycle up, so that stragglers from before the first packet have numbers too.
        let first = u64::from(sequence).saturating_add(1 << 16);
        Self {
            base: first,
            highest: first,
            received: 0,
            restart_at: None,
            expected_before: 0,
            received_before: 0,
            clock_rate: 0,
            transit: None,
            jitter_x16: 0,
            lost_before_restart: 0,
        }
    }

    /// Counts a packet and extends its number.
    pub fn count(&mut self, sequence: u16) -> Sequenced {
        let highest = u16::try_from(self.highest & 0xffff).unwrap_or(0);
        let ahead = sequence.wrapping_sub(highest);
        let behind = highest.wrapping_sub(sequence);
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.saturating_add(u64::from(ahead));
            self.arrived(self.highest)
        } else if behind <= MAX_MISORDER {
            let number = self.highest.saturating_sub(u64::from(behind));
            self.base = self.base.min(number);
            self.arrived(number)
        } else if self.restart_at == Some(sequence) {
            self.restart(sequence)
        } else {
            self.restart_at = Some(sequence.wrapping_add(1));
            Sequenced::Stray
        }
    }

    fn arrived(&mut self, number: u64) -> Sequenced {
        self.received = self.received.saturating_add(1);
        self.restart_at = None;
        Sequenced::At(number)
    }

    /// Two consecutive numbers far off: the sender began anew (A.1). Extended numbers keep growing.
    fn restart(&mut self, sequence: u16) -> Sequenced {
        self.lost_before_restart = self.lost();
        let cycle = (self.highest >> 16).saturating_add(1) << 16;
        self.base = cycle | u64::from(sequence);
        self.highest = self.base;
        self.received = 1;
        self.expected_before = 0;
        self.received_before = 0;
        self.restart_at = None;
        self.transit = None;
        Sequenced::Restarted(self.base)
    }

    /// Follows the jitter with a packet of speech (A.8).
    pub fn measure(&mut self, timestamp: u32, clock_rate: u32, arrival: Instant) {
        let nanos = arrival.since_origin().as_nanos().saturating_mul(u128::from(clock_rate));
        let low_bits = (nanos / 1_000_000_000) & u128::from(u32::MAX);
        let transit = u32::try_from(low_bits).unwrap_or(0).wrapping_sub(timestamp);
        if self.clock_rate != clock_rate {
            self.clock_rate = clock_rate;
            self.transit = None;
        }
        if let Some(before) = self.transit {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // More than ten seconds is a new timestamp base, not jitter.
            if difference < clock_rate.saturating_mul(10) {
                let decay = self.jitter_x16.saturating_add(8) >> 4;
                self.jitter_x16 = self.jitter_x16.saturating_add(difference).saturating_sub(decay);
            }
        }
        self.transit = Some(transit);
    }

    /// Packets expected and not received, never below zero (A.3).
    pub fn lost(&self) -> u64 {
        self.expected()
            .saturating_sub(self.received)
            .saturating_add(self.lost_before_restart)
    }

    /// Packets received, duplicates included, since the last restart.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The highest extended number so far.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// The jitter in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        if self.clock_rate == 0 {
            return 0.0;
        }
        f64::from(self.jitter_x16 >> 4) * 1_000.0 / f64::from(self.clock_rate)
    }

    fn expected(&self) -> u64 {
        self.highest.saturating_sub(self.base).saturating_add(1)
    }

    /// The report block about this source, and the start of the next interval of the loss fraction.
    pub fn report(&mut self, ssrc: u32, last_sr: u32, delay_since_last_sr: u32) -> ReportBlock {
        let expected = self.expected().saturating_sub(self.expected_before);
        let received = self.received.saturating_sub(self.received_before);
        self.expected_before = self.expected();
        self.received_before = self.received;
        let fraction = expected
            .saturating_sub(received)
            .saturating_mul(256)
            .checked_div(expected);
        let lost = i64::try_from(self.expected())
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(self.received).unwrap_or(i64::MAX));
        ReportBlock {
            ssrc,
            fraction_lost: fraction.and_then(|value| u8::try_from(value).ok()).unwrap_or(0),
            cumulative_lost: i32::try_from(lost.clamp(-0x80_0000, 0x7f_ffff)).unwrap_or(0),
            // The extra cycle of `new` is not told.
            highest_sequence: u32::try_from(self.highest.saturating_sub(1 << 16) & u64::from(u32::MAX)).unwrap_or(0),
            jitter: self.jitter_x16 >> 4,
            last_sr,
            delay_since_last_sr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_extend_across_a_wrap_and_stragglers_keep_their_place() {
        let mut reception = Reception::new(65_534);
        assert_eq!(reception.count(65_534), Sequenced::At(0x1_fffe));
        assert_eq!(reception.count(1), Sequenced::At(0x2_0001));
        assert_eq!(reception.count(65_535), Sequenced::At(0x1_ffff));
        assert_eq!(reception.lost(), 1, "number 0");
    }

    #[test]
    fn a_restart_is_believed_at_the_second_consecutive_number() {
        let mut reception = Reception::new(10);
        reception.count(10);
        assert_eq!(reception.count(30_000), Sequenced::Stray);
        assert_eq!(reception.count(11), Sequenced::At(0x1_000b));
        assert_eq!(reception.count(30_000), Sequenced::Stray);
        assert_eq!(reception.count(30_001), Sequenced::Restarted(0x2_7531));
        assert_eq!(reception.count(30_002), Sequenced::At(0x2_7532));
    }

    #[test]
    fn loss_is_counted_as_a_3_does_in_total_and_for_each_interval() {
        let mut reception = Reception::new(0);
        for sequence in (0..100).filter(|sequence| sequence % 4 != 1) {
            reception.count(sequence);
        }
        let block = reception.report(7, 0, 0);
        assert_eq!((block.cumulative_lost, block.fraction_lost), (25, 64));
        for sequence in 100..200 {
            reception.count(sequence);
        }
        let block = reception.report(7, 0, 0);
        assert_eq!((block.cumulative_lost, block.fraction_lost), (25, 0));
        assert_eq!(block.highest_sequence, 199);
    }

    #[test]
    fn duplicates_make_the_cumulative_loss_negative_but_never_the_count() {
        let mut reception = Reception::new(5);
        for _ in 0..3 {
            reception.count(5);
        }
        assert_eq!(reception.report(7, 0, 0).cumulative_lost, -2);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn jitter_settles_at_the_mean_difference_of_transit_times() {
        let mut reception = Reception::new(0);
        for packet in 0_u32..1_000 {
            let wobble = if packet % 2 == 0 { 0 } else { 10 };
            let arrival = Instant::from_millis(u64::from(packet) * 20 + wobble);
            reception.measure(packet * 160, 8_000, arrival);
        }
        assert!((reception.jitter_ms() - 10.0).abs() < 0.3, "{}", reception.jitter_ms());
    }

    #[test]
    fn jitter_ignores_a_new_timestamp_base() {
        let mut reception = Reception::new(0);
        for packet in 0_u32..10 {
            let base = if packet < 5 { 0 } else { 2_000_000_000 };
            reception.measure(base + packet * 160, 8_000, Instant::from_millis(u64::from(packet) * 20));
        }
        assert_eq!(reception.jitter_ms(), 0.0);
    }
}
