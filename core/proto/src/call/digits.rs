//! Keys and pauses, sent one after the other: as RFC 4733 events, by INFO (RFC 6086), or as sound.
//!
//! One queue holds them all and gives each its time, so that no receiver loses one: at least 100 ms of tone and 70 ms of
//! silence, whichever way it goes. What cannot go now, because the far end is not listening, waits. Which way a key goes
//! is decided when its turn comes: by the account, else by what the SDP and Allow say then.

use super::{Call, CallError, Output, Turn};
use crate::account_config::DtmfMode;
use crate::event::Event;
use crate::media::dtmf::{Digit, TONE, sender::SHORTEST_GAP};
use crate::sip::endpoint::Failure;
use crate::sip::msg::Response;
use crate::time::{Instant, Wake};
use std::collections::VecDeque;
use std::time::Duration;

/// How long the PBX is to sound a key that is sent by INFO.
const INFO_TONE: Duration = Duration::from_millis(160);

/// How long a pause in a string of keys lasts.
const PAUSE: Duration = Duration::from_secs(2);

/// One thing in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Key(Digit),
    Pause,
}

/// By what a key is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ToneWay {
    Event,
    Info,
    Sound,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Digits {
    mode: DtmfMode,
    waiting: VecDeque<Step>,
    /// What was dialled behind the number: sent once somebody has answered.
    after_answer: Vec<Step>,
    /// What was sent by INFO and is not answered: requests in one dialog may overtake each other.
    under_way: Option<Digit>,
    /// Until when the last one sounds or pauses.
    busy_until: Option<Instant>,
    /// The far end has refused an INFO.
    info_is_refused: bool,
}

impl Digits {
    pub(super) const fn new(mode: DtmfMode) -> Self {
        Self {
            mode,
            waiting: VecDeque::new(),
            after_answer: Vec::new(),
            under_way: None,
            busy_until: None,
            info_is_refused: false,
        }
    }

    pub(super) fn wake(&self) -> Option<Wake> {
        let next = self.busy_until.filter(|_| !self.waiting.is_empty());
        next.map(|at| Wake::new(at, "next key"))
    }

    /// Somebody has answered.
    pub(super) fn handle_answered(&mut self) {
        self.waiting.extend(self.after_answer.drain(..));
    }
}

impl Call {
    /// The user presses keys; `,`, `;`, `p` and `w` are pauses of two seconds. All are checked before the first is sent.
    ///
    /// # Errors
    /// When there is no sound yet, one of them is not a tone, or the far end does not take what the account insists on.
    pub fn send_digits(&mut self, digits: &str, turn: &mut Turn<'_>) -> Result<(), CallError> {
        let steps = steps(digits)?;
        if !self.is_live() || self.sound.plan().is_none() {
            return Err(self.wrong_state());
        }
        match self.tone_way() {
            None => return Err(CallError::NoTones),
            Some(ToneWay::Info) if self.progress.answered_at.is_none() => return Err(self.wrong_state()),
            Some(_) => self.digits.waiting.extend(steps),
        }
        self.settle(turn);
        Ok(())
    }

    /// Keys that are sent once somebody has answered. What is no key is left out.
    pub fn dial_on(&mut self, digits: &str) {
        self.digits.after_answer = digits.chars().filter_map(|c| step(c).ok()).collect();
    }

    /// An INFO was answered, or never will be.
    pub(super) fn handle_digit_sent(&mut self, result: &Result<Box<Response>, Failure>, turn: &mut Turn<'_>) {
        let Some(digit) = self.digits.under_way.take() else {
            return;
        };
        match result.as_ref().map(|response| response.status) {
            Ok(status) if status.is_success() => {}
            // "Not here", "not this", "what is that": the far end hears it as sound.
            Ok(status)
                if self.digits.mode == DtmfMode::Auto && matches!(status.code(), 405 | 415 | 469 | 488 | 501) =>
            {
                self.digits.info_is_refused = true;
                self.digits.waiting.push_front(Step::Key(digit));
            }
            _ => self.give_up_digits(digit),
        }
        self.send_digits_due(turn);
    }

    fn give_up_digits(&mut self, digit: Digit) {
        self.digits.waiting.clear();
        let text = format!(
            "The tone {} could not be sent: the far end does not take it.",
            digit.key()
        );
        self.outputs.push_back(Output::Event(Event::Warning { text }));
    }

    /// Sends the next key, if its time has come and the far end listens.
    pub(super) fn send_digits_due(&mut self, turn: &mut Turn<'_>) {
        self.digits.busy_until.take_if(|at| *at <= turn.now);
        if !self.is_live() || self.digits.busy_until.is_some() || self.digits.under_way.is_some() {
            return;
        }
        let Some(step) = self.digits.waiting.front().copied() else {
            return;
        };
        let lasts = match step {
            Step::Pause => Some(PAUSE),
            Step::Key(digit) => self.send_digit(digit, turn),
        };
        if let Some(lasts) = lasts {
            self.digits.waiting.pop_front();
            self.digits.busy_until = Some(turn.now + lasts);
        }
    }

    /// Sends a key. How long it takes with the gap after it; `None` if it has to wait.
    fn send_digit(&mut self, digit: Digit, turn: &mut Turn<'_>) -> Option<Duration> {
        let way = self.tone_way()?;
        let plan = self.sound.plan()?;
        let (sends, frame) = (plan.direction.sends(), plan.send.ptime);
        match way {
            ToneWay::Info => {
                self.progress.answered_at?;
                self.send_info(digit, turn).then_some(INFO_TONE + SHORTEST_GAP)
            }
            ToneWay::Event | ToneWay::Sound if !sends => None,
            ToneWay::Event => {
                self.outputs.push_back(Output::Digit(digit));
                Some(time_in_frames(frame))
            }
            ToneWay::Sound => {
                self.outputs.push_back(Output::Tone(digit));
                Some(time_in_frames(frame))
            }
        }
    }

    fn send_info(&mut self, digit: Digit, turn: &mut Turn<'_>) -> bool {
        let Some(session) = &mut self.session else { return false };
        let body = format!("Signal={}\r\nDuration={}\r\n", digit.key(), INFO_TONE.as_millis());
        let sent = session.info("application/dtmf-relay", body.into(), turn.now).is_ok();
        self.digits.under_way = sent.then_some(digit);
        sent
    }

    /// By what the next key goes; `None` if the far end does not take what the account insists on.
    fn tone_way(&self) -> Option<ToneWay> {
        let takes_events = !self.sound.plan()?.send_events.is_empty();
        match self.digits.mode {
            DtmfMode::Info => Some(ToneWay::Info),
            DtmfMode::Inband => Some(ToneWay::Sound),
            DtmfMode::Auto | DtmfMode::Rfc4733 if takes_events => Some(ToneWay::Event),
            DtmfMode::Rfc4733 => None,
            DtmfMode::Auto if self.takes_info() => Some(ToneWay::Info),
            DtmfMode::Auto => Some(ToneWay::Sound),
        }
    }

    fn takes_info(&self) -> bool {
        let is_allowed = self.session.as_ref().is_none_or(|session| !session.refuses_info());
        is_allowed && !self.digits.info_is_refused
    }
}

/// How long a key and the gap after it take in packets of `frame`, which begin when they like: each part lasts whole
/// packets.
fn time_in_frames(frame: Duration) -> Duration {
    let millis = u32::try_from(frame.as_millis()).unwrap_or(u32::MAX).max(1);
    let whole = |time: Duration| {
        let time = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        time.div_ceil(millis).saturating_mul(millis)
    };
    let total = whole(TONE).saturating_add(whole(SHORTEST_GAP)).saturating_add(millis);
    Duration::from_millis(u64::from(total))
}

fn steps(text: &str) -> Result<Vec<Step>, CallError> {
    text.chars().map(step).collect()
}

fn step(c: char) -> Result<Step, CallError> {
    match c {
        ',' | ';' | 'p' | 'P' | 'w' | 'W' => Ok(Step::Pause),
        _ => Digit::try_from(c).map(Step::Key).map_err(|_| CallError::NotATone(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dtmf::sender::{Clocks, ToneSender};

    #[test]
    fn whatever_the_packet_time_a_key_is_over_before_the_next_is_due() {
        let clocks = Clocks {
            speech: 8_000,
            event: 8_000,
        };
        for millis in [10_u32, 20, 30, 40, 60] {
            let mut sender = ToneSender::default();
            let frame = Duration::from_millis(u64::from(millis));
            let mut now = Duration::ZERO;
            let mut due = Duration::ZERO;
            let (mut pushed, mut most) = (0, 0);
            while pushed < 100 || sender.is_busy() {
                if now >= due && pushed < 100 {
                    most += u32::from(sender.is_busy());
                    assert!(sender.push(Digit::from_event(5).unwrap(), TONE));
                    pushed += 1;
                    due += time_in_frames(frame);
                }
                sender.frame(0, millis * 8, clocks);
                now += frame;
            }
            assert_eq!(most, 0, "at {millis} ms the media's queue grows");
        }
    }

    #[test]
    fn every_way_gives_a_key_its_hundred_and_its_gap_its_seventy() {
        for millis in [10, 20, 30, 60] {
            assert!(time_in_frames(Duration::from_millis(millis)) >= TONE + SHORTEST_GAP);
        }
        assert!(TONE >= crate::media::dtmf::sender::SHORTEST_TONE && INFO_TONE >= TONE);
    }
}
