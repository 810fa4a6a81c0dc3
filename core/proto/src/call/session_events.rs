//! What the session tells, and what the call makes of it.

use super::{Call, FirstOffer, GIVE_UP_AFTER, Output, PhoneSound, SoundError, Turn, ending};
use crate::codec::Direction;
use crate::event::Event;
use crate::sdp::negotiate::Refusal;
use crate::sip::endpoint::{Failure, ServerKey};
use crate::sip::msg::{Method, Request, Response, StatusCode, Warning};
use crate::sip::session::{self, CommandRefused, Ended, Event as SessionEvent, Phase, Session};
use crate::view::CallEnd;
use bytes::Bytes;

impl Call {
    /// Our phone rings: the path is made now, so that an answer is heard at once.
    pub(super) fn ring(&mut self, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session
            && session.ring(turn.now) == Err(CommandRefused::OfferDue)
        {
            self.offer = FirstOffer::OursToRing;
        }
        self.outputs.push_back(Output::OpenPath);
        self.drain_session(turn);
    }

    /// The path is ready: an offer that the ringing waits for can be made.
    pub(super) fn ring_with_offer(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.offer, FirstOffer::OursToRing) {
            return;
        }
        let offer = self.sound.offer(Direction::SendRecv, turn.random);
        let Some(session) = &mut self.session else { return };
        match offer {
            Ok(sdp) => {
                let _ = session.ring_with_offer(sdp.clone(), turn.now);
                self.offer = FirstOffer::Made(sdp);
            }
            Err(error) => self.end_with(format!("The call could not be offered: {error}."), turn),
        }
    }

    /// Deals with everything that the session has to say, and offers again where the user wishes otherwise by now.
    pub(super) fn drain_session(&mut self, turn: &mut Turn<'_>) {
        loop {
            while let Some(output) = self.session.as_mut().and_then(Session::poll_output) {
                match output {
                    session::Output::Event(event) => self.handle_session_event(event, turn),
                    session::Output::Released => self.progress.released = true,
                    other => self.tell_endpoint(other),
                }
            }
            let has_more_to_say = (self.owes_an_offer() && self.offer_again(turn)) || self.send_refer(turn);
            if !has_more_to_say {
                return;
            }
        }
    }

    /// Whether the far end knows less than it should: what the user wishes, where we hear, or where we are reached.
    fn owes_an_offer(&self) -> bool {
        let talks = self.is_live() && self.progress.answered_at.is_some() && self.sound.plan().is_some();
        let differs = self.sound.wish() != self.wished_direction() || self.sound.has_moved() || self.has_moved;
        talks && differs && !self.sound.offer_is_pending()
    }

    fn handle_session_event(&mut self, event: SessionEvent, turn: &mut Turn<'_>) {
        match event {
            SessionEvent::Progress { status, .. } if status == StatusCode::RINGING => self.handle_ringing(),
            SessionEvent::EarlyAnswer { sdp, dialog, .. } => self.handle_early_answer(sdp, &dialog.remote_tag),
            SessionEvent::Redirected => {
                tracing::info!(call = %self.id, "the number has moved, and is called where it is now");
                self.forget_early();
            }
            SessionEvent::Answered { sdp, dialog } => self.handle_answered(sdp.as_ref(), &dialog.remote_tag, turn),
            SessionEvent::AnswerReceived { sdp, .. } => self.handle_answer(&sdp, turn),
            SessionEvent::OfferReceived { sdp, .. } => self.handle_offer(sdp, turn),
            SessionEvent::OfferRequested => self.handle_offer_requested(turn),
            SessionEvent::OfferWithdrawn if self.offers_first() => {}
            SessionEvent::OfferWithdrawn => self.offer = FirstOffer::None,
            SessionEvent::OfferRefused { status, retrying, .. } => self.handle_offer_refused(status, retrying),
            SessionEvent::Request { key, request } => self.handle_usage(key, &request, turn),
            SessionEvent::Info { content_type, body } => self.handle_info(content_type.as_deref(), &body),
            SessionEvent::Ended(ended) => self.handle_ended(&ended, turn),
            SessionEvent::Alive => self.proven_at = Some(turn.now),
            SessionEvent::Unproven => self.handle_unproven(turn),
            SessionEvent::Outcome { method, result, .. } => self.handle_outcome(&method, &result, turn),
            SessionEvent::Progress { .. } | SessionEvent::Confirmed | SessionEvent::RemoteTargetChanged(_) => {}
        }
    }

    fn handle_answered(&mut self, sdp: Option<&Bytes>, branch: &str, turn: &mut Turn<'_>) {
        if !self.is_live() {
            return;
        }
        self.outputs.push_back(Output::Sound(PhoneSound::Silence));
        if let Err(error) = self.adopt_branch(branch, sdp) {
            self.end_with(format!("The call was answered, but {error}."), turn);
            return;
        }
        self.progress.answered_at = Some(turn.now);
        self.digits.handle_answered();
        self.start_media();
    }

    fn handle_answer(&mut self, sdp: &Bytes, turn: &mut Turn<'_>) {
        match self.sound.accept(sdp) {
            Ok(()) => {
                self.has_moved = false;
                self.start_media();
            }
            Err(error) => self.end_with(format!("The call cannot go on: {error}."), turn),
        }
    }

    /// Their offer: the first one is kept until the user answers, a later one is answered at once.
    fn handle_offer(&mut self, sdp: Bytes, turn: &mut Turn<'_>) {
        if self.progress.answered_at.is_none()
            && !self.offers_first()
            && self
                .session
                .as_ref()
                .is_some_and(|session| session.phase() == Phase::Ringing)
        {
            match self.sound.check(&sdp) {
                Ok(()) => self.offer = FirstOffer::Theirs(sdp),
                Err(refusal) => self.refuse_call(refusal, turn),
            }
            return;
        }
        self.yield_to_their_offer();
        let wish = self.wished_direction();
        let answer = self.sound.answer(&sdp, wish, turn.random);
        let Some(session) = &mut self.session else { return };
        match answer {
            Ok(sdp) => {
                let _ = session.answer_offer(sdp, turn.now);
                self.has_moved = false;
                self.start_media();
            }
            Err(error) => {
                let (status, warning) = refusal_of(&error);
                let _ = session.refuse_offer(status, warning, turn.now);
            }
        }
    }

    fn handle_offer_requested(&mut self, turn: &mut Turn<'_>) {
        if self.progress.answered_at.is_none() {
            self.offer = FirstOffer::Ours;
            return;
        }
        self.yield_to_their_offer();
        let wish = self.wished_direction();
        let offer = self.sound.offer(wish, turn.random);
        let Some(session) = &mut self.session else { return };
        match offer {
            Ok(sdp) => drop(session.answer_offer(sdp, turn.now)),
            Err(error) => {
                let (status, warning) = refusal_of(&error);
                let _ = session.refuse_offer(status, warning, turn.now);
            }
        }
    }

    /// Whether the first offer was ours and went out with the ringing: theirs, if any, comes after it.
    const fn offers_first(&self) -> bool {
        matches!(self.offer, FirstOffer::Made(_))
    }

    /// The session lets their offer in only where ours is not under way: it waits out a 491, and is outdated now.
    fn yield_to_their_offer(&mut self) {
        if self.sound.offer_is_pending() {
            let _ = self.sound.rollback();
        }
    }

    /// Our offer was refused. 491 says that their own overtook it: the wish still stands, and is offered again.
    fn handle_offer_refused(&mut self, status: StatusCode, retrying: bool) {
        if retrying {
            return;
        }
        let refused = self.sound.rollback();
        // What the user wishes by now may not be what was refused; then it is offered next.
        let is_outdated = refused.is_some_and(|wish| wish != self.wished_direction());
        if status == StatusCode::REQUEST_PENDING || is_outdated || !self.is_live() {
            return;
        }
        let what = if self.sound.wish() == self.wished_direction() {
            self.has_moved = false;
            self.sound.stay();
            "The sound of the call could not be moved"
        } else if self.held_by_us {
            "The call could not be put on hold"
        } else {
            "The call could not be taken off hold"
        };
        self.held_by_us = self.sound.wish() == Direction::SendOnly;
        let text = format!("{what}: the PBX refused it ({}).", status.code());
        self.outputs.push_back(Output::Event(Event::Warning { text }));
    }

    /// Offers anew on the path as it is now: to hold, to resume, or because the path moved. Whether an offer is under
    /// way after it.
    pub(super) fn offer_again(&mut self, turn: &mut Turn<'_>) -> bool {
        let wish = self.wished_direction();
        let Ok(sdp) = self.sound.offer(wish, turn.random) else {
            return false;
        };
        let offered = self
            .session
            .as_mut()
            .is_some_and(|session| session.offer(&sdp, turn.now).is_ok());
        if !offered {
            let _ = self.sound.rollback();
        }
        offered
    }

    /// Hands the newest plan to the media side, and tells of it when what people care about is new.
    pub(super) fn start_media(&mut self) {
        // An answer that crossed the hang-up must not open the microphone again, nor one that came while our phone rings.
        if !self.is_live() || self.rings_here() {
            return;
        }
        let (Some(plan), Some((suite, codec))) = (self.sound.take_new_plan(), self.sound.agreed()) else {
            return;
        };
        self.outputs.push_back(Output::Media(Box::new(plan)));
        if self.told_media.replace((suite, codec)) != Some((suite, codec)) {
            self.outputs.push_back(Output::Event(Event::Media {
                call: self.id,
                suite,
                codec,
            }));
        }
    }

    fn refuse_call(&mut self, refusal: Refusal, turn: &mut Turn<'_>) {
        let (status, warning) = refusal_of(&SoundError::Refused(refusal));
        if let Some(session) = &mut self.session {
            let _ = session.refuse_offer(status, warning, turn.now);
        }
        let text = format!("A call from {} was refused: {refusal}.", self.party.shown);
        self.outputs.push_back(Output::Event(Event::Warning { text }));
        self.ended(Some(status.code()), None, turn.now);
    }

    /// A request of another usage of the dialog than the call itself.
    fn handle_usage(&mut self, key: ServerKey, request: &Request, turn: &mut Turn<'_>) {
        let status = match request.method {
            Method::Refer => return self.handle_refer(key, request, turn),
            Method::Notify => self.handle_notify(request, turn),
            _ => StatusCode::FORBIDDEN,
        };
        let response = Response::to(request, status);
        self.tell_endpoint(session::Output::Respond { key, response });
    }

    fn handle_outcome(&mut self, method: &Method, result: &Result<Box<Response>, Failure>, turn: &mut Turn<'_>) {
        match method {
            Method::Info => self.handle_digit_sent(result, turn),
            Method::Refer => self.handle_refer_answered(result, turn),
            Method::Notify => self.handle_notified(result, turn),
            _ => {}
        }
    }

    /// A tone by INFO (`application/dtmf-relay`, or the bare `application/dtmf`).
    fn handle_info(&mut self, content_type: Option<&str>, body: &Bytes) {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let signal = match content_type.map(str::trim) {
            Some("application/dtmf-relay") => text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
            }),
            Some("application/dtmf") => Some(text.trim()),
            _ => None,
        };
        let mut chars = signal.unwrap_or_default().chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && let Ok(digit) = crate::media::dtmf::Digit::try_from(c)
        {
            self.outputs.push_back(Output::Event(Event::Dtmf {
                call: self.id,
                digit: digit.key(),
            }));
        }
    }

    /// Neither sound nor signalling: for a while that may be a network on its way back, then it is over.
    fn handle_unproven(&mut self, turn: &mut Turn<'_>) {
        let proven_at = self.proven_at.max(self.progress.answered_at);
        if proven_at.is_some_and(|at| turn.now - at >= GIVE_UP_AFTER) {
            let why = "The connection to the PBX was lost and the sound with it. Call again when it is back.";
            self.end_with(why.to_owned(), turn);
        }
    }

    pub(super) fn handle_ended(&mut self, ended: &Ended, turn: &mut Turn<'_>) {
        if self.is_placed_anew(ended, turn.now) || self.is_transferred(ended, turn) {
            return;
        }
        let answered = self.progress.answered_at.is_some();
        if ending::is_elsewhere(ended) {
            self.let_go = Some(CallEnd::Elsewhere);
        }
        let was_live = self.is_live();
        let reason = ending::sentence(ended, answered);
        self.ended(ended.status.map(StatusCode::code), reason, turn.now);
        let tone = ending::tone(ended).filter(|_| was_live && !answered && self.is_outgoing());
        if let Some(tone) = tone {
            self.fails_aloud = true;
            self.outputs.push_back(Output::Sound(tone));
        }
    }
}

/// The status and Warning with which an offer is refused.
pub(crate) fn refusal_of(error: &SoundError) -> (StatusCode, Option<Warning>) {
    let SoundError::Refused(refusal) = error else {
        return (StatusCode::NOT_ACCEPTABLE_HERE, None);
    };
    let status = StatusCode::new(refusal.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
    let warning = refusal.warning().map(|(code, text)| Warning {
        code,
        agent: "toestel".to_owned(),
        text: text.to_owned(),
    });
    (status, warning)
}
