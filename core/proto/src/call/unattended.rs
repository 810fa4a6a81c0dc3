//! What happens to a call that rings while nobody touches the phone: it answers itself, or goes elsewhere.

use super::{Call, Turn};
use crate::event::RingKind;
use crate::sip::msg::{Headers, StatusCode};
use crate::time::{Instant, Wake, earliest};
use crate::view::CallEnd;
use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unattended {
    /// It answers itself then.
    answers_at: Option<Instant>,
    /// It goes elsewhere then.
    leaves: Option<(Instant, Elsewhere)>,
}

/// Where a call goes that nobody takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// What the 302 says: Contact and Diversion.
    pub headers: Headers,
    /// For people.
    pub shown: String,
}

impl Unattended {
    pub(super) fn wake(&self) -> Option<Wake> {
        earliest([
            self.answers_at.map(|at| Wake::new(at, "call answers itself")),
            self.leaves
                .as_ref()
                .map(|(at, _)| Wake::new(*at, "forward on no answer")),
        ])
    }
}

impl Call {
    /// Answers a call that wants to be answered by itself, as the account allows: without a microphone, unless it says
    /// otherwise.
    pub fn answer_by_itself(&mut self, after: Duration, is_muted: bool, turn: &mut Turn<'_>) {
        if is_muted {
            let _ = self.mute(true);
        }
        self.unattended.answers_at = Some(turn.now + after);
        self.run_unattended(turn);
        self.settle(turn);
    }

    /// Sends the call elsewhere if nobody takes it for so long.
    pub fn leave_after(&mut self, patience: Duration, elsewhere: Elsewhere, now: Instant) {
        self.unattended.leaves = Some((now + patience, elsewhere));
    }

    /// How it is to ring.
    pub const fn set_ring(&mut self, ring: Option<RingKind>) {
        self.ring = ring;
    }

    /// How it is to ring; `None` where the PBX does not say.
    pub const fn ring_kind(&self) -> Option<RingKind> {
        self.ring
    }

    pub(super) fn run_unattended(&mut self, turn: &mut Turn<'_>) {
        if !self.wants_ring() {
            self.unattended = Unattended::default();
            return;
        }
        if self.unattended.answers_at.take_if(|at| *at <= turn.now).is_some() {
            let _ = self.answer(turn);
            self.unattended = Unattended::default();
        } else if let Some((_, elsewhere)) = self.unattended.leaves.take_if(|(at, _)| *at <= turn.now) {
            self.leave(elsewhere, turn);
        }
    }

    fn leave(&mut self, elsewhere: Elsewhere, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            let _ = session.redirect(&elsewhere.headers, turn.now);
        }
        self.let_go = Some(CallEnd::Forwarded);
        let why = format!("Forwarded to {}.", elsewhere.shown);
        self.ended(Some(StatusCode::MOVED_TEMPORARILY.code()), Some(why), turn.now);
    }
}
