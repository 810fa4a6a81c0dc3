//! RTCP between two parties (RFC 3550 6.2 to 6.4): when to report, and what their reports say of us.
//!
//! With two members the interval is always the minimum of five seconds (half of it for the first report), drawn from
//! 0.5 to 1.5 times that and divided by e - 3/2; reconsideration changes nothing then and is left out.

use crate::codec::Codec;
use crate::media::rtcp::{ReportBlock, SenderInfo};
use crate::random::Random;
use crate::time::Instant;
use std::time::Duration;

const MINIMUM_INTERVAL: Duration = Duration::from_secs(5);
/// e - 3/2: makes up for timer reconsideration (6.3.1).
const COMPENSATION: f64 = 1.218_28;

#[derive(Debug)]
pub(super) struct Reports {
    pub next_at: Instant,
    /// The middle of the NTP time in their last sender report, and when it came.
    last_sr: Option<(u32, Instant)>,
    pub round_trip: Option<Duration>,
    pub remote_loss: Option<f64>,
    /// In timestamp units.
    pub remote_jitter: Option<u32>,
}

impl Reports {
    pub fn new(now: Instant, random: &mut Random) -> Self {
        Self {
            next_at: now + interval(MINIMUM_INTERVAL / 2, random),
            last_sr: None,
            round_trip: None,
            remote_loss: None,
            remote_jitter: None,
        }
    }

    /// A report goes out now; the next one is drawn.
    pub fn sent(&mut self, now: Instant, random: &mut Random) {
        self.next_at = now + interval(MINIMUM_INTERVAL, random);
    }

    /// Their sender report came.
    pub fn heard_sender(&mut self, info: &SenderInfo, now: Instant) {
        self.last_sr = Some((middle(info.ntp), now));
    }

    /// Their report about us came.
    pub fn heard_block(&mut self, block: &ReportBlock, now: Instant) {
        self.remote_loss = Some(f64::from(block.fraction_lost) / 256.0);
        self.remote_jitter = Some(block.jitter);
        if block.last_sr == 0 {
            return;
        }
        let units = middle(ntp(now))
            .wrapping_sub(block.last_sr)
            .wrapping_sub(block.delay_since_last_sr);
        // A clock or report that is off makes this "negative", which is more than half the range.
        if units < 1 << 31 {
            self.round_trip = Some(Duration::from_nanos(
                u64::from(units).saturating_mul(1_000_000_000) >> 16,
            ));
        }
    }

    /// For our next block: the middle of their last report's time and how long ago that came, in 1/65536 s.
    pub fn last_sr(&self, now: Instant) -> (u32, u32) {
        let Some((last_sr, at)) = self.last_sr else {
            return (0, 0);
        };
        let ago = now.since(at).as_nanos().saturating_mul(1 << 16) / 1_000_000_000;
        (last_sr, u32::try_from(ago).unwrap_or(u32::MAX))
    }

    pub fn remote_jitter_ms(&self, codec: Codec) -> Option<f64> {
        let units = self.remote_jitter?;
        Some(f64::from(units) * 1_000.0 / f64::from(codec.clock_rate()))
    }
}

/// The runtime's clock in NTP's format. It counts from its own origin: the far end only gives it back to us.
pub(super) fn ntp(now: Instant) -> u64 {
    let since = now.since_origin();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() << 32) | fraction
}

fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & u64::from(u32::MAX)).unwrap_or(0)
}

fn interval(minimum: Duration, random: &mut Random) -> Duration {
    minimum.mul_f64((0.5 + random.unit()) / COMPENSATION)
}
