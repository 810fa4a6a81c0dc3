//! Tones, sent as RFC 4733 events in the media, or by INFO where the account says so or the far end takes nothing else.

use super::{Call, CallError, Output, Turn};
use crate::event::Event;
use crate::media::dtmf::Digit;
use crate::sip::endpoint::Failure;
use crate::sip::msg::Response;
use std::collections::VecDeque;

/// What is to be sent by INFO, one after the other: requests in one dialog may overtake each other.
#[derive(Debug)]
pub(super) struct Digits {
    always_by_info: bool,
    waiting: VecDeque<Digit>,
    under_way: Option<Digit>,
}

impl Digits {
    pub(super) const fn new(always_by_info: bool) -> Self {
        Self {
            always_by_info,
            waiting: VecDeque::new(),
            under_way: None,
        }
    }
}

impl Call {
    /// The user presses keys. All are checked before the first is sent.
    ///
    /// # Errors
    /// When there is no sound yet, or one of them is not a tone.
    pub fn send_digits(&mut self, digits: &str, turn: &mut Turn<'_>) -> Result<(), CallError> {
        let digits: Vec<Digit> = digits
            .chars()
            .map(|c| Digit::try_from(c).map_err(|_| CallError::NotATone(c)))
            .collect::<Result<_, _>>()?;
        let Some(plan) = self.sound.plan().filter(|_| self.is_live()) else {
            return Err(self.wrong_state());
        };
        if !self.digits.always_by_info && !plan.send_events.is_empty() {
            self.outputs.extend(digits.into_iter().map(Output::Digit));
        } else if self.progress.answered_at.is_none() {
            return Err(self.wrong_state());
        } else {
            self.digits.waiting.extend(digits);
            self.send_next_digit(turn);
        }
        self.settle(turn);
        Ok(())
    }

    /// An INFO was answered, or never will be.
    pub(super) fn handle_digit_sent(&mut self, result: &Result<Box<Response>, Failure>, turn: &mut Turn<'_>) {
        let taken = result.as_ref().is_ok_and(|response| response.status.is_success());
        if let Some(digit) = self.digits.under_way.take().filter(|_| !taken) {
            self.digits.waiting.clear();
            let text = format!(
                "The tone {} could not be sent: the far end does not take it.",
                digit.key()
            );
            self.outputs.push_back(Output::Event(Event::Warning { text }));
        }
        self.send_next_digit(turn);
    }

    fn send_next_digit(&mut self, turn: &mut Turn<'_>) {
        let (None, Some(session)) = (self.digits.under_way, &mut self.session) else {
            return;
        };
        if let Some(digit) = self.digits.waiting.pop_front() {
            let body = format!("Signal={}\r\nDuration=160\r\n", digit.key());
            let sent = session.info("application/dtmf-relay", body.into(), turn.now);
            self.digits.under_way = sent.ok().map(|_| digit);
        }
    }
}
