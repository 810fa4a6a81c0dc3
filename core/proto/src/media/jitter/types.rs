//! What goes into the jitter buffer, and the figures that come out.

use crate::codec::Codec;
use crate::media::ticks::Ticks;
use crate::time::Instant;
use bytes::Bytes;

/// A packet as it arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its extended sequence number.
    pub sequence: u64,
    /// Its timestamp.
    pub timestamp: u32,
    /// The clock of the timestamp in Hz.
    pub clock_rate: u32,
    /// When it came.
    pub at: Instant,
    /// What is in it.
    pub content: Content,
}

/// What a packet holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A frame, or several.
    Speech {
        /// How it is encoded.
        codec: Codec,
        /// The encoded sound.
        payload: Bytes,
        /// How long it lasts.
        length: Ticks,
    },
    /// Comfort noise of this level in -dBov.
    ComfortNoise(u8),
    /// No sound: a telephone event, a keep-alive, something unknown. It only takes a sequence number.
    Nothing,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// It waits for its moment.
    Kept,
    /// It is there already.
    Duplicate,
    /// Its moment is over.
    Late,
}

/// What was played so far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Played {
    /// Sound that was played, silence before the first packet left out.
    pub total: Ticks,
    /// Of that, made up.
    pub concealed: Ticks,
    /// Of that, restored from repair copies.
    pub repaired: Ticks,
    /// Speech that came but was dropped to shorten the delay.
    pub skipped: Ticks,
    /// Packets that came too late.
    pub late: u64,
    /// The share of made-up sound lately, 0 to 1.
    pub recent_loss: f64,
}
