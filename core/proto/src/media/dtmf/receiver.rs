//! Which event packets are one press of a key (RFC 4733 2.5.2).
//!
//! A press is known by the timestamp that its packets share; it counts at the first packet that arrives, whichever
//! that is, so that loss and reordering neither lose nor double it. A segment that continues a long tone is no press.

#![warn(clippy::arithmetic_side_effects)]

use super::Digit;
use super::event::EventPayload;
use std::collections::VecDeque;

/// Presses remembered, for packets that arrive late.
const REMEMBERED: usize = 32;

/// The presses heard from one source.
#[derive(Default, Debug)]
pub struct ToneReceiver {
    heard: VecDeque<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    timestamp: u32,
    event: u8,
    /// The longest duration told so far, in timestamp units.
    duration: u32,
    ended: bool,
}

impl ToneReceiver {
    /// A packet with this timestamp and marker; `rate` is the clock in Hz of both timestamp and duration. Gives the
    /// key if this is the first that is heard of it.
    pub fn hear(&mut self, timestamp: u32, marker: bool, payload: EventPayload, rate: u32) -> Option<Digit> {
        let duration = u32::from(payload.duration);
        if let Some(press) = self.heard.iter_mut().find(|press| press.timestamp == timestamp) {
            press.duration = press.duration.max(duration);
            press.ended |= payload.end;
            return None;
        }
        let continues = !marker
            && self
                .heard
                .iter()
                .any(|press| press.continued_by(timestamp, payload.event, rate));
        if self.heard.len() >= REMEMBERED {
            self.heard.pop_front();
        }
        self.heard.push_back(Press {
            timestamp,
            event: payload.event,
            duration,
            ended: payload.end,
        });
        if continues {
            None
        } else {
            Digit::from_event(payload.event)
        }
    }
}

impl Press {
    /// Whether an event at `timestamp` is a further segment of this one: it begins where this one ended, or up to
    /// 50 ms later if this one's last packets were lost; the gap between two presses is longer.
    fn continued_by(&self, timestamp: u32, event: u8, rate: u32) -> bool {
        let distance = timestamp.wrapping_sub(self.timestamp);
        let slack = rate / 20;
        event == self.event
            && !self.ended
            && distance >= self.duration
            && distance <= self.duration.saturating_add(slack)
    }
}
