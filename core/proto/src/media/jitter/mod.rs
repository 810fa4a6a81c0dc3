//! The jitter buffer: packets in as they arrive, one instruction out whenever the sound card wants more.
//!
//! The sound card is the clock. Each packet has a place on a line of media time ([`timeline`]); the cursor is the end of
//! what was played. A frame that is missing at its moment is repaired from the packet after it if that holds a copy
//! (Opus in-band FEC), else made up; a frame that comes after its moment is played if nothing later was, which moves the
//! delay up, and a buffer that holds too much lets go of frames, which moves it down. In silence the delay is set anew
//! at no cost: the next speech simply waits for its moment.
//!
//! Time is not stretched here yet: [`Stretch`] tells whoever can, and whole frames are dropped or made up only when the
//! delay is off by more than a frame and 20 ms. How well it does on hard paths is later work.

#[cfg(test)]
mod tests;
mod timeline;
mod types;

pub use types::*;

use super::delay::DelayEstimator;
use super::payload;
use super::session::{Play, Playout, Stretch};
use super::ticks::Ticks;
use crate::codec::Codec;
use crate::time::Instant;
use std::collections::BTreeMap;
use timeline::Timeline;

/// Packets held at most, ten seconds of 20 ms; more is an attack or a fault.
const CAPACITY: usize = 500;
/// Made-up sound fades into silence after this.
const CONCEAL_LIMIT: Ticks = Ticks::from_millis(120);
/// After as much made-up sound the buffer fills anew.
const STARVED: Ticks = Ticks::from_millis(1_000);
/// A packet that comes this much earlier than the fastest has a new timestamp base.
const LEAP_FORWARD: Ticks = Ticks::from_millis(500);
/// A new packet whose timestamp is this far behind the newest has a new timestamp base.
const LEAP_BACK: Ticks = Ticks::from_millis(200);
/// Off the target by more than a frame and this, whole frames are dropped or made up.
const TOLERANCE: Ticks = Ticks::from_millis(20);
/// Above the target by more than this, frames are dropped at once rather than now and then, and all that are too many:
/// one gap is heard less than a row of them.
const FAR_TOO_FULL: Ticks = Ticks::from_millis(200);
/// The time between two dropped or made-up frames.
const BETWEEN_CORRECTIONS: Ticks = Ticks::from_millis(200);
/// Off the target by more than this, a stretch is asked for.
const STRETCH_ABOVE: Ticks = Ticks::from_millis(10);
/// The time constant of the recent share of made-up sound.
const RECENT_SECONDS: f64 = 10.0;

#[derive(Debug)]
struct Entry {
    media: Ticks,
    arrival: Ticks,
    content: Content,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing was played yet, or the stream began anew: the next packet waits for its moment.
    Filling,
    /// Frames follow each other.
    Speaking,
    /// The far end is silent on purpose; `noise` if it said so rather than sent tones.
    Quiet { noise: bool, level: Option<u8> },
}

/// The buffer. See the module.
#[derive(Debug)]
pub struct JitterBuffer {
    entries: BTreeMap<u64, Entry>,
    timeline: Option<Timeline>,
    delay: DelayEstimator,
    state: State,
    /// The end of the last frame played.
    cursor: Ticks,
    /// What was played in place of missing frames since.
    filled: Ticks,
    /// The last sequence number that was played or passed.
    last: Option<u64>,
    highest: Option<u64>,
    codec: Codec,
    frame: Ticks,
    /// How far behind the fastest packet's moment we play, smoothed.
    lag: Option<Ticks>,
    /// How long packets wait here, smoothed.
    held: Ticks,
    corrected_at: Ticks,
    played: Played,
}

impl JitterBuffer {
    /// An empty one; `codec` and `frame` are what is expected first.
    pub fn new(codec: Codec, frame: Ticks) -> Self {
        Self {
            entries: BTreeMap::new(),
            timeline: None,
            delay: DelayEstimator::default(),
            state: State::Filling,
            cursor: Ticks::ZERO,
            filled: Ticks::ZERO,
            last: None,
            highest: None,
            codec,
            frame,
            lag: None,
            held: Ticks::ZERO,
            corrected_at: Ticks::ZERO,
            played: Played::default(),
        }
    }

    /// Another source speaks: its numbers and timestamps mean nothing here. The figures go on.
    pub fn restart(&mut self) {
        let fresh = Self::new(self.codec, self.frame);
        *self = Self {
            played: self.played,
            ..fresh
        };
    }

    /// A packet came.
    pub fn insert(&mut self, packet: Arrival) -> Inserted {
        if self.last.is_some_and(|last| packet.sequence <= last) {
            self.played.late = self.played.late.saturating_add(1);
            return Inserted::Late;
        }
        if self.entries.contains_key(&packet.sequence) {
            return Inserted::Duplicate;
        }
        let arrival = Ticks::from_instant(packet.at);
        let media = match packet.content {
            Content::Nothing => Ticks::ZERO,
            Content::Speech { length, .. } => self.place(&packet, arrival, length),
            Content::ComfortNoise(_) => self.place(&packet, arrival, Ticks::ZERO),
        };
        self.highest = self.highest.max(Some(packet.sequence));
        self.entries.insert(
            packet.sequence,
            Entry {
                media,
                arrival,
                content: packet.content,
            },
        );
        while self.entries.len() > CAPACITY {
            self.entries.pop_first();
        }
        Inserted::Kept
    }

    /// Where the packet is on the line of media time; begins a new line if its timestamp fits nowhere.
    fn place(&mut self, packet: &Arrival, arrival: Ticks, length: Ticks) -> Ticks {
        let (timestamp, rate) = (packet.timestamp, packet.clock_rate);
        let newest = self.highest.is_none_or(|highest| packet.sequence > highest);
        let leapt = self
            .timeline
            .is_some_and(|line| newest && self.leapt(&line, line.place(timestamp, rate), arrival));
        if leapt {
            tracing::debug!(timestamp, "timestamps leapt: playing begins anew");
            self.entries.clear();
            self.delay.restart();
            self.timeline = None;
            self.state = State::Filling;
            self.lag = None;
        }
        let line = self.timeline.get_or_insert(Timeline::starting_at(timestamp, rate));
        let media = line.place(timestamp, rate);
        if newest {
            line.advance(timestamp, rate, length);
        }
        self.delay.observe(arrival, media);
        media
    }

    fn leapt(&self, line: &Timeline, media: Ticks, arrival: Ticks) -> bool {
        let early = self
            .delay
            .base()
            .is_some_and(|base| base - (arrival - media) > LEAP_FORWARD);
        early || line.newest() - media > LEAP_BACK
    }

    /// What to play now.
    pub fn next(&mut self, now: Instant) -> Playout {
        let now = Ticks::from_instant(now);
        self.pass_soundless(now);
        self.let_go(now);
        match self.state {
            State::Filling | State::Quiet { .. } => self.wait(now),
            State::Speaking => self.follow(now),
        }
    }

    /// Whether a frame waits to be played.
    pub fn holds_speech(&self) -> bool {
        self.entries
            .values()
            .any(|entry| matches!(entry.content, Content::Speech { .. }))
    }

    /// How long packets wait here, in milliseconds.
    pub fn delay_ms(&self) -> f64 {
        self.held.millis()
    }

    /// How far behind the fastest packet's moment we play.
    pub fn lag(&self) -> Ticks {
        self.lag.unwrap_or_default()
    }

    /// The delay aimed for, in milliseconds.
    pub fn target_delay_ms(&self) -> f64 {
        self.delay.target().millis()
    }

    /// What was played so far.
    pub const fn played(&self) -> Played {
        self.played
    }

    /// The packets without sound whose turn it is: after them the far end is silent.
    fn pass_soundless(&mut self, now: Ticks) {
        while let Some(first) = self.entries.first_entry() {
            let consecutive = self.last.is_none_or(|last| *first.key() == last.saturating_add(1));
            let due = now - first.get().arrival >= self.delay.target();
            if first.get().content != Content::Nothing || !(consecutive || due) {
                return;
            }
            self.last = Some(*first.key());
            first.remove();
            if self.state == State::Speaking {
                self.state = State::Quiet {
                    noise: false,
                    level: None,
                };
            }
        }
    }

    /// Drops frames while the buffer holds more than it needs and the delay is too high.
    fn let_go(&mut self, now: Ticks) {
        let mut at_once = false;
        while let Some((lag, first_media)) = self.lag_now(now) {
            let over = lag - self.delay.target();
            let spare = self.timeline.map_or(Ticks::ZERO, |line| line.end()) - first_media;
            let rested = now - self.corrected_at >= BETWEEN_CORRECTIONS;
            at_once |= over > FAR_TOO_FULL;
            let too_full = if at_once {
                over > self.frame
            } else {
                rested && over > self.frame + TOLERANCE
            };
            if !too_full || spare <= self.delay.target() + self.frame {
                return;
            }
            self.corrected_at = now;
            self.lag = None;
            self.skip(first_media);
        }
    }

    /// How late the next sound is, if there is any to play now; and where the first packet begins.
    fn lag_now(&self, now: Ticks) -> Option<(Ticks, Ticks)> {
        let (_, first) = self.entries.first_key_value()?;
        if self.state != State::Speaking || first.content == Content::Nothing {
            return None;
        }
        let head = first.media.min(self.cursor + self.filled);
        Some((now - head - self.delay.base()?, first.media))
    }

    /// Drops what is missing before the first packet, or, if nothing is, the packet.
    fn skip(&mut self, first_media: Ticks) {
        if first_media > self.cursor + self.filled {
            self.cursor = first_media;
        } else if let Some((sequence, entry)) = self.entries.pop_first() {
            let length = self.length(&entry.content);
            self.last = Some(sequence);
            self.cursor = entry.media + length;
            self.played.skipped += length;
        }
        self.filled = Ticks::ZERO;
    }

    /// Filling, or the far end is silent: the next packet is played at its moment.
    fn wait(&mut self, now: Ticks) -> Playout {
        let Some((_, first)) = self.entries.first_key_value() else {
            return self.stay_quiet(self.frame);
        };
        let (Some(base), false) = (self.delay.base(), first.content == Content::Nothing) else {
            return self.stay_quiet(self.frame);
        };
        let contiguous = self.state != State::Filling && self.filled == Ticks::ZERO && first.media == self.cursor;
        let due = first.media + base + self.delay.target();
        if contiguous || now >= due {
            return self.play(now);
        }
        let until_due = (due - now).rounded_up().max(Ticks::from_millis(5));
        self.stay_quiet(until_due.min(self.frame))
    }

    fn stay_quiet(&mut self, length: Ticks) -> Playout {
        self.filled += length;
        let play = match self.state {
            State::Quiet { noise: true, level } => Play::ComfortNoise {
                codec: self.codec,
                level,
            },
            _ => Play::Silence,
        };
        if self.state != State::Filling {
            self.account(length, Ticks::ZERO);
        }
        playout(play, length, Stretch::Keep)
    }

    /// Frames follow each other: the next is there, or was lost, or has not come yet.
    fn follow(&mut self, now: Ticks) -> Playout {
        let Some((sequence, first)) = self.entries.first_key_value() else {
            return self.starve();
        };
        let missing = first.media - self.cursor - self.filled;
        let none_lost = self.last.is_some_and(|last| *sequence == last.saturating_add(1));
        let half = self.frame.divided_by(2);
        if missing <= half {
            return if self.should_lengthen(now, first.media) {
                self.lengthen(now)
            } else {
                self.play(now)
            };
        }
        if none_lost || missing > STARVED {
            self.state = if none_lost {
                State::Quiet {
                    noise: true,
                    level: None,
                }
            } else {
                State::Filling
            };
            return self.wait(now);
        }
        match &first.content {
            Content::Speech { codec, payload, .. }
                if missing <= self.frame + half && payload::may_hold_fec(*codec, payload) =>
            {
                let play = Play::Fec {
                    codec: *codec,
                    payload: payload.clone(),
                };
                self.filled += self.frame;
                self.played.repaired += self.frame;
                self.account(self.frame, Ticks::ZERO);
                playout(play, self.frame, Stretch::Keep)
            }
            _ => self.conceal(),
        }
    }

    /// The delay is far below the target, and nothing was corrected lately.
    fn should_lengthen(&self, now: Ticks, media: Ticks) -> bool {
        let Some(base) = self.delay.base() else {
            return false;
        };
        let short = self.delay.target() - (now - media - base);
        short > self.frame + TOLERANCE && now - self.corrected_at >= BETWEEN_CORRECTIONS && !self.delay.is_stalled()
    }

    fn lengthen(&mut self, now: Ticks) -> Playout {
        self.corrected_at = now;
        self.conceal()
    }

    /// Nothing is there: made-up sound, then silence, and after a second the buffer fills anew.
    fn starve(&mut self) -> Playout {
        let playout = self.conceal();
        if self.filled >= STARVED {
            self.state = State::Filling;
            self.lag = None;
        }
        playout
    }

    fn conceal(&mut self) -> Playout {
        let play = if self.filled < CONCEAL_LIMIT {
            Play::Conceal { codec: self.codec }
        } else {
            Play::Silence
        };
        self.filled += self.frame;
        self.account(self.frame, self.frame);
        playout(play, self.frame, Stretch::Keep)
    }

    /// The first packet's moment has come.
    fn play(&mut self, now: Ticks) -> Playout {
        let Some((sequence, entry)) = self.entries.pop_first() else {
            return self.stay_quiet(self.frame);
        };
        let length = self.length(&entry.content);
        self.last = Some(sequence);
        self.cursor = entry.media + length;
        self.filled = Ticks::ZERO;
        self.account(length, Ticks::ZERO);
        self.held += (now - entry.arrival - self.held).divided_by(16);
        match entry.content {
            Content::Speech { codec, payload, .. } => {
                let silent = payload::is_silence(codec, &payload);
                self.state = if silent {
                    State::Quiet {
                        noise: true,
                        level: None,
                    }
                } else {
                    State::Speaking
                };
                self.codec = codec;
                self.frame = length;
                let stretch = self.stretch(now, entry.media);
                playout(Play::Decode { codec, payload }, length, stretch)
            }
            Content::ComfortNoise(level) => {
                self.state = State::Quiet {
                    noise: true,
                    level: Some(level),
                };
                playout(
                    Play::ComfortNoise {
                        codec: self.codec,
                        level: Some(level),
                    },
                    length,
                    Stretch::Keep,
                )
            }
            Content::Nothing => playout(Play::Silence, length, Stretch::Keep),
        }
    }

    /// Follows the delay, and says which way it should move.
    fn stretch(&mut self, now: Ticks, media: Ticks) -> Stretch {
        let lag = now - media - self.delay.base().unwrap_or_default();
        let smooth = self.lag.map_or(lag, |before| before + (lag - before).divided_by(16));
        self.lag = Some(smooth);
        let target = self.delay.target();
        if self.delay.is_stalled() {
            Stretch::Keep
        } else if smooth > target + STRETCH_ABOVE {
            Stretch::Shorten
        } else if target > smooth + STRETCH_ABOVE {
            Stretch::Lengthen
        } else {
            Stretch::Keep
        }
    }

    const fn length(&self, content: &Content) -> Ticks {
        match content {
            Content::Speech { length, .. } => *length,
            Content::ComfortNoise(_) | Content::Nothing => self.frame,
        }
    }

    fn account(&mut self, length: Ticks, concealed: Ticks) {
        self.played.total += length;
        self.played.concealed += concealed;
        let weight = (length.millis() / (RECENT_SECONDS * 1_000.0)).min(1.0);
        let share = if concealed > Ticks::ZERO { 1.0 } else { 0.0 };
        self.played.recent_loss += (share - self.played.recent_loss) * weight;
    }
}

fn playout(play: Play, length: Ticks, stretch: Stretch) -> Playout {
    Playout {
        play,
        duration: length.duration(),
        stretch,
    }
}
