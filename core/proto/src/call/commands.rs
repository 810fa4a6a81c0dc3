//! What the user may do with a call.

use super::{Call, FirstOffer, Output, PhoneSound, Turn};
use crate::codec::Direction;
use crate::sip::msg::StatusCode;
use crate::view::{CallEnd, CallState};

/// Why a command does not fit the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallError {
    /// Not in this state.
    #[error("the call is {0}")]
    WrongState(&'static str),
    /// Not a tone.
    #[error("'{0}' is not a tone")]
    NotATone(char),
    /// The account sends tones in one way only, and the far end does not take that one.
    #[error("the far end takes no tones of the kind that the account sends")]
    NoTones,
}

/// What a user can wish for a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    is_held: bool,
    is_muted: bool,
}

impl Call {
    /// The user takes the call.
    ///
    /// # Errors
    /// When it does not ring here.
    pub fn answer(&mut self, turn: &mut Turn<'_>) -> Result<(), CallError> {
        if !self.rings_here() || self.answer_wanted {
            return Err(self.wrong_state());
        }
        self.outputs.push_back(Output::Sound(PhoneSound::Silence));
        if self.sound.has_path() {
            self.take(turn);
        } else {
            self.answer_wanted = true;
        }
        self.settle(turn);
        Ok(())
    }

    /// The user refuses the call.
    ///
    /// # Errors
    /// When it does not ring here.
    pub fn reject(&mut self, status: StatusCode, turn: &mut Turn<'_>) -> Result<(), CallError> {
        if !self.rings_here() {
            return Err(self.wrong_state());
        }
        if let Some(session) = &mut self.session {
            let _ = session.reject(status, None, turn.now);
        }
        self.let_go = Some(CallEnd::Refused);
        self.ended(Some(status.code()), None, turn.now);
        self.settle(turn);
        Ok(())
    }

    /// The user ends the call, in whatever state it is.
    pub fn hang_up(&mut self, turn: &mut Turn<'_>) {
        if self.rings_here() {
            let _ = self.reject(StatusCode::BUSY_HERE, turn);
            return;
        }
        if let Some(session) = &mut self.session {
            session.hangup(None, turn.now);
        }
        self.ended(None, None, turn.now);
        self.settle(turn);
    }

    /// The user holds the far end, or takes it back.
    ///
    /// # Errors
    /// When nobody has answered, or it is so already.
    pub fn hold(&mut self, on: bool, turn: &mut Turn<'_>) -> Result<(), CallError> {
        let answered = matches!(self.state(), CallState::Active | CallState::Held);
        if !answered || self.held_by_us == on {
            return Err(self.wrong_state());
        }
        self.held_by_us = on;
        self.settle(turn);
        Ok(())
    }

    /// The user closes the microphone towards the far end, or opens it.
    ///
    /// # Errors
    /// When the call is over.
    pub fn mute(&mut self, on: bool) -> Result<(), CallError> {
        if !self.is_live() {
            return Err(self.wrong_state());
        }
        self.muted = on;
        self.close_microphone();
        Ok(())
    }

    /// What the user has wished for this call.
    pub fn manner(&self) -> Manner {
        Manner {
            is_held: self.held_by_us,
            is_muted: self.muted,
        }
    }

    /// Answers in place of another call that the user has answered or placed already.
    pub fn take_over(&mut self, manner: Manner, turn: &mut Turn<'_>) {
        self.held_by_us = manner.is_held;
        if manner.is_muted {
            let _ = self.mute(true);
        }
        let _ = self.answer(turn);
    }

    /// The path is ready and the user wants the call: answers their offer, or offers if they did not.
    pub(super) fn take(&mut self, turn: &mut Turn<'_>) {
        let wish = self.wished_direction();
        let description = match std::mem::replace(&mut self.offer, FirstOffer::None) {
            FirstOffer::Theirs(offer) => self.sound.answer(&offer, wish, turn.random),
            FirstOffer::Ours | FirstOffer::OursToRing => self.sound.offer(wish, turn.random),
            FirstOffer::Made(offer) => Ok(offer),
            FirstOffer::None => return,
        };
        let Some(session) = &mut self.session else { return };
        match description {
            Ok(sdp) => {
                if session.answer(sdp, turn.now).is_ok() {
                    self.progress.answered_at = Some(turn.now);
                    self.start_media();
                }
            }
            Err(error) => {
                let _ = session.reject(StatusCode::NOT_ACCEPTABLE_HERE, None, turn.now);
                self.ended(
                    Some(488),
                    Some(format!("The call could not be answered: {error}.")),
                    turn.now,
                );
            }
        }
    }

    pub(super) const fn wished_direction(&self) -> Direction {
        if self.held_by_us {
            Direction::SendOnly
        } else {
            Direction::SendRecv
        }
    }

    pub(super) fn wrong_state(&self) -> CallError {
        CallError::WrongState(self.state().name())
    }
}
