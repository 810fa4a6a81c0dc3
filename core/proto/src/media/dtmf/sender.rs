//! Keys waiting to be sent and the one that sounds (RFC 4733 2.5.1).
//!
//! The microphone's frames are the clock: at each the sender says whether the packet of that time is speech or event.
//! A key sounds for 100 ms or more, its last packet goes three times (2.5.1.4), and 70 ms or more pass before the next.
//! The timestamp stays that of the tone's beginning; a tone too long for the 16-bit duration goes on as a new segment
//! with neither E nor M bit (2.5.1.3).

#![warn(clippy::arithmetic_side_effects)]

use super::Digit;
use super::event::EventPayload;
use std::collections::VecDeque;
use std::time::Duration;

/// The shortest tone that every receiver must know (ITU-T Q.24 asks 40 ms; some gateways want 100).
pub const SHORTEST_TONE: Duration = Duration::from_millis(100);
/// The longest tone; a key held for longer helps nobody.
pub const LONGEST_TONE: Duration = Duration::from_secs(6);
/// The shortest silence between two tones.
pub const SHORTEST_GAP: Duration = Duration::from_millis(70);
const QUEUE_LIMIT: usize = 256;
const END_PACKETS: u8 = 3;
/// -10 dBm0, what most telephones send.
const VOLUME: u8 = 10;

/// An event packet to send now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPacket {
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Its marker bit: the first packet of a key.
    pub marker: bool,
    /// Its payload.
    pub payload: EventPayload,
}

/// The clocks at play, in Hz.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clocks {
    /// The speech codec's, which counts the timestamps.
    pub speech: u32,
    /// The telephone event's, which counts the durations; the same unless the far end offered no matching one.
    pub event: u32,
}

/// The queue and the sounding key.
#[derive(Default, Debug)]
pub struct ToneSender {
    queue: VecDeque<(Digit, Duration)>,
    state: State,
}

#[derive(Default, Debug)]
enum State {
    #[default]
    Idle,
    Sounding(Tone),
    /// The end packet went out; it goes out again, and the gap runs.
    Ending {
        last: EventPacket,
        repeats: u8,
        gap: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Tone {
    digit: Digit,
    length: u32,
    elapsed: u32,
    segment_timestamp: u32,
    segment_elapsed: u32,
}

impl ToneSender {
    /// Queues a key; false if too many wait.
    pub fn push(&mut self, digit: Digit, duration: Duration) -> bool {
        let room = self.queue.len() < QUEUE_LIMIT;
        if room {
            self.queue
                .push_back((digit, duration.clamp(SHORTEST_TONE, LONGEST_TONE)));
        }
        room
    }

    /// Forgets everything, as when the call is put on hold.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether a key sounds or waits.
    pub fn is_busy(&self) -> bool {
        !self.queue.is_empty() || !matches!(self.state, State::Idle)
    }

    /// A frame of `units` begins at `timestamp`: the event to send in its place, or `None` to send the speech.
    pub fn frame(&mut self, timestamp: u32, units: u32, clocks: Clocks) -> Option<EventPacket> {
        match &mut self.state {
            State::Idle => {
                let (digit, duration) = self.queue.pop_front()?;
                let tone = Tone {
                    digit,
                    length: in_units(duration, clocks.speech),
                    elapsed: 0,
                    segment_timestamp: timestamp,
                    segment_elapsed: 0,
                };
                Some(self.sound(tone, units, clocks))
            }
            State::Sounding(tone) => {
                let tone = *tone;
                Some(self.sound(tone, units, clocks))
            }
            State::Ending { last, repeats, gap } => {
                *gap = gap.saturating_add(units);
                let packet = (*repeats > 0).then_some(*last);
                *repeats = repeats.saturating_sub(1);
                if *repeats == 0 && *gap >= in_units(SHORTEST_GAP, clocks.speech) {
                    self.state = State::Idle;
                }
                packet
            }
        }
    }

    fn sound(&mut self, mut tone: Tone, units: u32, clocks: Clocks) -> EventPacket {
        let marker = tone.elapsed == 0;
        if scaled(tone.segment_elapsed.saturating_add(units), clocks) > u32::from(u16::MAX) {
            tone.segment_timestamp = tone.segment_timestamp.wrapping_add(tone.segment_elapsed);
            tone.segment_elapsed = 0;
        }
        tone.elapsed = tone.elapsed.saturating_add(units);
        tone.segment_elapsed = tone.segment_elapsed.saturating_add(units);
        let end = tone.elapsed >= tone.length;
        let packet = EventPacket {
            timestamp: tone.segment_timestamp,
            marker,
            payload: EventPayload {
                event: tone.digit.event(),
                end,
                volume: VOLUME,
                duration: u16::try_from(scaled(tone.segment_elapsed, clocks)).unwrap_or(u16::MAX),
            },
        };
        self.state = if end {
            let last = EventPacket {
                marker: false,
                ..packet
            };
            State::Ending {
                last,
                repeats: END_PACKETS.saturating_sub(1),
                gap: 0,
            }
        } else {
            State::Sounding(tone)
        };
        packet
    }
}

fn in_units(duration: Duration, rate: u32) -> u32 {
    u32::try_from(duration.as_millis().saturating_mul(u128::from(rate)) / 1_000).unwrap_or(u32::MAX)
}

fn scaled(units: u32, clocks: Clocks) -> u32 {
    let events = u64::from(units).saturating_mul(u64::from(clocks.event));
    events
        .checked_div(u64::from(clocks.speech))
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or(u32::MAX)
}
