//! The far end transfers us: its REFER asks that we call somebody else (RFC 3515, RFC 5589).
//!
//! Nothing is called because a message says so: the account's policy asks the user first, unless it was told otherwise.
//! Until then, and while the new call rings, the far end is kept informed by NOTIFY. The new call is placed by the
//! phone, through the one way by which any call is; here is only what the far end is told of it.

use super::{Call, CallError, Output, Turn};
use crate::account_config::TransferPolicy;
use crate::event::Event;
use crate::sip::endpoint::{Failure, ServerKey};
use crate::sip::msg::{HeaderName, Method, Request, Response, StatusCode, Uri};
use crate::sip::session;
use crate::sip::transfer::{self, Wanted};
use crate::time::{Instant, Wake};
use std::time::Duration;

/// How long the user may think about it.
const DECISION: Duration = Duration::from_secs(60);

/// How long the new call may take to be answered; the subscription lasts as long.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long whoever transferred us may take to hang up; then we do.
const FAREWELL: Duration = Duration::from_secs(10);

/// How often the far end is told again what it refused for its place in the order.
const TRIES: u8 = 5;

/// A REFER that was accepted, until it is over.
#[derive(Debug)]
pub(super) struct Referred {
    wanted: Wanted,
    stage: Stage,
    until: Instant,
    /// The far end was on hold before the new call was placed.
    was_held: bool,
    /// How often the far end can still be told again.
    tries: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The user is asked.
    Asked,
    /// The new call is under way, and this was told of it last.
    Followed(StatusCode),
    /// The new call was answered.
    Done,
    /// The new call came to nothing, or was not wanted: this was told last.
    Failed(StatusCode),
}

impl Stage {
    /// What the far end is to know.
    const fn status(self) -> StatusCode {
        match self {
            Self::Asked => StatusCode::TRYING,
            Self::Followed(status) | Self::Failed(status) => status,
            Self::Done => StatusCode::OK,
        }
    }

    const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }
}

impl Referred {
    pub(super) const fn wake(&self) -> Option<Wake> {
        Some(Wake::new(self.until, "being transferred"))
    }
}

impl Call {
    /// A REFER in the dialog.
    pub(super) fn handle_refer(&mut self, key: ServerKey, request: &Request, turn: &mut Turn<'_>) {
        let wanted = match self.judge_refer(request) {
            Ok(wanted) => wanted,
            Err(status) => {
                let response = Response::to(request, status);
                return self.tell_endpoint(session::Output::Respond { key, response });
            }
        };
        let mut response = Response::to(request, StatusCode::ACCEPTED);
        if !wanted.subscribes {
            response.headers.push(HeaderName::ReferSub, "false");
        }
        self.tell_endpoint(session::Output::Respond { key, response });
        let to = wanted.target.user().unwrap_or_default().into_owned();
        self.referred = Some(Referred {
            wanted,
            stage: Stage::Asked,
            until: turn.now + DECISION,
            was_held: self.held_by_us,
            tries: TRIES,
        });
        self.notify(turn);
        if self.transfers == TransferPolicy::Follow {
            self.outputs.push_back(Output::Follow);
        } else {
            self.outputs
                .push_back(Output::Event(Event::TransferAsked { call: self.id, to }));
        }
    }

    fn judge_refer(&self, request: &Request) -> Result<Wanted, StatusCode> {
        let wanted = Wanted::read(request).map_err(|unfit| {
            tracing::debug!(%unfit, "transfer refused");
            unfit.status()
        })?;
        if self.transfers == TransferPolicy::Refuse {
            return Err(StatusCode::DECLINE);
        }
        if !self.is_answered() {
            return Err(StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        let is_under_way = self.referred.as_ref().is_some_and(|referred| !referred.stage.is_over());
        if is_under_way || self.transfer.is_some() {
            return Err(StatusCode::REQUEST_PENDING);
        }
        Ok(wanted)
    }

    /// The user, or the policy, agrees: what is to be called.
    ///
    /// # Errors
    /// When nothing of the kind was asked.
    pub fn follow(&mut self, turn: &mut Turn<'_>) -> Result<Wanted, CallError> {
        let not_asked = self.not_asked();
        let referred = self.referred.as_mut().filter(|referred| referred.stage == Stage::Asked);
        let referred = referred.ok_or(not_asked)?;
        referred.stage = Stage::Followed(StatusCode::TRYING);
        referred.was_held = self.held_by_us;
        referred.until = turn.now + PATIENCE;
        Ok(referred.wanted.clone())
    }

    /// The user does not want to be transferred.
    ///
    /// # Errors
    /// When nothing of the kind was asked.
    pub fn stay(&mut self, turn: &mut Turn<'_>) -> Result<(), CallError> {
        if !self.is_asked() {
            return Err(self.not_asked());
        }
        self.handle_followed(StatusCode::DECLINE, turn);
        Ok(())
    }

    /// Whether the far end wants us to call somebody else, and nobody has decided yet.
    pub fn is_asked(&self) -> bool {
        self.referred
            .as_ref()
            .is_some_and(|referred| referred.stage == Stage::Asked)
    }

    /// Whom the far end wants us to call, as long as nobody has decided.
    pub fn asked_to(&self) -> Option<Uri> {
        let referred = self.referred.as_ref().filter(|referred| referred.stage == Stage::Asked);
        referred.map(|referred| referred.wanted.target.clone())
    }

    const fn not_asked(&self) -> CallError {
        CallError::WrongState("not being transferred")
    }

    /// How far the call is that we place in place of this one.
    pub fn handle_followed(&mut self, status: StatusCode, turn: &mut Turn<'_>) {
        let Some(referred) = &mut self.referred else { return };
        if referred.stage.is_over() || referred.stage == Stage::Followed(status) {
            return;
        }
        referred.stage = if status.is_success() {
            Stage::Done
        } else if status.is_final() {
            Stage::Failed(status)
        } else {
            Stage::Followed(status)
        };
        if referred.stage.is_over() {
            referred.until = turn.now + FAREWELL;
        }
        if status.is_failure() {
            self.held_by_us = referred.was_held;
        }
        self.notify(turn);
        self.settle(turn);
    }

    /// What was to happen by now has not: nobody decided, the new call was never answered, or the far end never left.
    pub(super) fn run_referred(&mut self, turn: &mut Turn<'_>) {
        let Some(stage) = self
            .referred
            .as_ref()
            .filter(|referred| turn.now >= referred.until)
            .map(|referred| referred.stage)
        else {
            return;
        };
        match stage {
            Stage::Asked => self.handle_followed(StatusCode::DECLINE, turn),
            Stage::Followed(_) => self.handle_followed(StatusCode::REQUEST_TIMEOUT, turn),
            Stage::Done => self.hang_up(turn),
            Stage::Failed(_) => self.referred = None,
        }
    }

    /// A NOTIFY of ours was answered. One that another request of ours overtook is refused for its number (RFC 3261
    /// 12.2.2), and whoever missed the last one would wait for ever: they are told again.
    pub(super) fn handle_notified(&mut self, result: &Result<Box<Response>, Failure>, turn: &mut Turn<'_>) {
        let was_overtaken = result
            .as_ref()
            .is_ok_and(|response| response.status == StatusCode::SERVER_INTERNAL_ERROR);
        let Some(referred) = self.referred.as_mut().filter(|_| was_overtaken) else {
            return;
        };
        if let Some(left) = referred.tries.checked_sub(1) {
            referred.tries = left;
            self.notify(turn);
        }
    }

    fn notify(&mut self, turn: &mut Turn<'_>) {
        let (Some(referred), Some(session)) = (&self.referred, &mut self.session) else {
            return;
        };
        if !referred.wanted.subscribes {
            return;
        }
        let (cseq, status) = (referred.wanted.cseq, referred.stage.status());
        let (headers, content_type, body) = transfer::notify(cseq, status, referred.until - turn.now);
        // Refused only where the dialog is gone, and then nobody listens.
        let _ = session.request(Method::Notify, headers, Some((content_type, body.into())), turn.now);
    }
}
