//! Our transfers: the far end is put on hold, asked by REFER to call somebody else, and comes back to us if that fails
//! (RFC 5589 6 and 7).
//!
//! Hold comes first because many PBXs refuse to move a call whose sound still flows, and because the far end should hear
//! its hold music rather than us. Once somebody else has answered the call ends here.

use super::{Call, CallError, Turn, ending};
use crate::event::{Event, TransferState};
use crate::sip::endpoint::Failure;
use crate::sip::msg::{HeaderName, Headers, Method, NameAddr, Request, Response, StatusCode};
use crate::sip::session::{Ended, EndedBy, Session};
use crate::sip::transfer::{Outcome, Referral, Step};
use crate::time::Wake;

/// What a REFER of ours says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refer {
    /// Refer-To: whom the far end is to call, with the call to be taken over if there is one.
    pub to: NameAddr,
    /// Referred-By: we.
    pub by: NameAddr,
}

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    refer: Refer,
    /// Nothing until the far end is on hold and the REFER has gone out.
    referral: Option<Referral>,
    /// The user had put the far end on hold before.
    was_held: bool,
    told: Option<StatusCode>,
}

impl Transfer {
    pub(super) fn wake(&self) -> Option<Wake> {
        self.referral?.poll_wake()
    }
}

impl Call {
    /// The user sends the far end to somebody else. What becomes of it is told by [`Event::Transfer`].
    ///
    /// # Errors
    /// When nobody has answered, or the far end is being transferred already.
    pub fn refer(&mut self, refer: Refer, turn: &mut Turn<'_>) -> Result<(), CallError> {
        if !self.is_answered() {
            return Err(self.wrong_state());
        }
        if self.transfer.is_some() {
            return Err(CallError::WrongState("being transferred"));
        }
        self.transfer = Some(Transfer {
            refer,
            referral: None,
            was_held: self.held_by_us,
            told: None,
        });
        self.held_by_us = true;
        self.settle(turn);
        Ok(())
    }

    /// Sends the REFER, once the far end is on hold or has refused to be. Whether it did.
    pub(super) fn send_refer(&mut self, turn: &mut Turn<'_>) -> bool {
        let is_due = self.is_live() && !self.sound.offer_is_pending();
        let waiting = self
            .transfer
            .as_mut()
            .filter(|transfer| is_due && transfer.referral.is_none());
        let (Some(transfer), Some(session)) = (waiting, &mut self.session) else {
            return false;
        };
        let mut headers = Headers::new();
        headers.push(HeaderName::ReferTo, &transfer.refer.to);
        headers.push(HeaderName::ReferredBy, &transfer.refer.by);
        transfer.referral = Some(Referral::new(turn.now));
        if session.request(Method::Refer, headers, None, turn.now).is_err() {
            self.finish_transfer(Outcome::NoResponse(Failure::FlowLost), turn);
        }
        true
    }

    /// The answer to our REFER.
    pub(super) fn handle_refer_answered(&mut self, result: &Result<Box<Response>, Failure>, turn: &mut Turn<'_>) {
        let result = result.as_ref().map(|response| &**response).map_err(|why| *why);
        let step = self.referral().and_then(|referral| referral.handle_response(result));
        self.take_step(step, turn);
    }

    /// A NOTIFY in the dialog; the status to answer it with.
    pub(super) fn handle_notify(&mut self, request: &Request, turn: &mut Turn<'_>) -> StatusCode {
        if request.headers.event().is_none_or(|event| event.package != "refer") {
            return StatusCode::NO_SUCH_CALL;
        }
        let Some(referral) = self.referral() else {
            return StatusCode::NO_SUCH_CALL;
        };
        match referral.handle_notify(request, turn.now) {
            Ok(step) => {
                self.take_step(step, turn);
                StatusCode::OK
            }
            Err(status) => status,
        }
    }

    /// Gives up waiting for news.
    pub(super) fn run_transfer(&mut self, turn: &mut Turn<'_>) {
        let step = self.referral().and_then(|referral| referral.handle_timeout(turn.now));
        self.take_step(step, turn);
    }

    /// Whether the end of the call is how the transfer ended: many PBXs take the far end away without another word.
    pub(super) fn is_transferred(&mut self, ended: &Ended, turn: &mut Turn<'_>) -> bool {
        let is_taken = self.referral().is_some_and(|referral| referral.is_taken());
        if ended.by != EndedBy::Them || !is_taken {
            return false;
        }
        self.finish_transfer(Outcome::TakenOver, turn);
        true
    }

    fn referral(&mut self) -> Option<&mut Referral> {
        self.transfer.as_mut()?.referral.as_mut()
    }

    fn take_step(&mut self, step: Option<Step>, turn: &mut Turn<'_>) {
        match step {
            Some(Step::Progress(status)) => {
                let is_news = self
                    .transfer
                    .as_mut()
                    .is_some_and(|transfer| transfer.told.replace(status) != Some(status));
                if is_news {
                    self.tell_transfer(TransferState::Trying, Some(status), None);
                }
            }
            Some(Step::Over(outcome)) => self.finish_transfer(outcome, turn),
            None => {}
        }
    }

    fn finish_transfer(&mut self, outcome: Outcome, turn: &mut Turn<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        let (status, reason) = match outcome {
            Outcome::Answered | Outcome::TakenOver => {
                self.tell_transfer(TransferState::Done, None, None);
                if let Some(session) = &mut self.session {
                    Session::hangup(session, None, turn.now);
                }
                self.ended(None, Some("Transferred.".to_owned()), turn.now);
                return;
            }
            Outcome::Refused(status) => (Some(status), ending::refused_transfer(status)),
            Outcome::NoResponse(_) => (None, "The PBX did not answer. The call is still here.".to_owned()),
            Outcome::Unknown => (
                None,
                "The PBX never said what became of the transfer. The call is still here.".to_owned(),
            ),
        };
        self.held_by_us = transfer.was_held;
        self.tell_transfer(TransferState::Failed, status, Some(reason));
    }

    fn tell_transfer(&mut self, state: TransferState, status: Option<StatusCode>, reason: Option<String>) {
        self.outputs.push_back(super::Output::Event(Event::Transfer {
            call: self.id,
            state,
            code: status.map(StatusCode::code),
            reason,
        }));
    }
}
