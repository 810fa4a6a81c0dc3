//! What a call is told: by its path and media, by the transaction layer, by its account, and by time.

use super::{Call, LINGER, MediaFact, Output, PROBE_AFTER, Placing, Turn, Way};
use crate::event::Event;
use crate::sdp::negotiate::LocalPath;
use crate::sip::auth::Retry;
use crate::sip::endpoint::{Failure, ServerKey};
use crate::sip::msg::{Method, Request, Response};
use crate::sip::session::RequestId;
use crate::time::Instant;

impl Call {
    /// The path that was asked for is there, or has moved.
    pub fn handle_path(&mut self, path: LocalPath, turn: &mut Turn<'_>) {
        if !self.is_live() {
            return;
        }
        self.sound.set_path(path);
        self.place(turn);
        if std::mem::take(&mut self.answer_wanted) {
            self.take(turn);
        } else {
            self.ring_with_offer(turn);
        }
        self.settle(turn);
    }

    /// The account is reached at another Contact now, or by another way: the far end is told, so that what is on the
    /// way learns it, and a path over a network that is gone is made anew.
    pub fn handle_moved(&mut self, way: &Way, turn: &mut Turn<'_>) {
        if !self.is_live() || self.waits_for_connection() {
            return;
        }
        if let Some(session) = &mut self.session {
            session.move_to(way.settings.contact.clone());
            self.has_moved = true;
        }
        if let Placing::Path(_, old) = &mut self.placing {
            **old = way.clone();
        }
        if self.sound.address().is_some_and(|address| address.ip() != way.local) {
            self.outputs.push_back(Output::OpenPath);
        }
        self.settle(turn);
    }

    /// There is no path: without one there is no call.
    pub fn handle_path_failed(&mut self, why: &str, turn: &mut Turn<'_>) {
        self.end_with(why.to_owned(), turn);
        self.settle(turn);
    }

    /// The media side has something to tell.
    pub fn handle_media(&mut self, fact: MediaFact, turn: &mut Turn<'_>) {
        match fact {
            MediaFact::Heard => {
                self.proven_at = Some(turn.now);
                self.handle_heard();
            }
            MediaFact::Stats(stats) => self.figures = Some(stats),
            MediaFact::Digit(digit) => {
                self.outputs.push_back(Output::Event(Event::Dtmf {
                    call: self.id,
                    digit: digit.key(),
                }));
            }
            MediaFact::NothingFor(silence) if silence < PROBE_AFTER => {}
            MediaFact::NothingFor(silence) => {
                let heard_at = turn.now.since_origin().saturating_sub(silence);
                self.proven_at = self.proven_at.max(Some(Instant::from_origin(heard_at)));
                if let Some(session) = &mut self.session {
                    // Refused only where there is no dialog, and then there is nobody to ask.
                    let _ = session.probe(turn.now);
                }
            }
        }
        self.settle(turn);
    }

    /// A request of its dialog.
    pub fn handle_request(&mut self, key: ServerKey, request: Request, turn: &mut Turn<'_>) {
        if matches!(request.method, Method::Invite | Method::Update) {
            self.hear_of_party(&request.headers);
        }
        if let Some(session) = &mut self.session {
            session.handle_request(key, request, turn.now);
        }
        self.settle(turn);
    }

    /// The caller gave up: a CANCEL for the INVITE with this key.
    pub fn handle_cancelled(&mut self, key: ServerKey, cancel: &Request, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_cancel(key, cancel, turn.now);
        }
        self.settle(turn);
    }

    /// The flow that a request of this call came by is gone before the request was answered.
    pub fn handle_stranded(&mut self, key: ServerKey, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_stranded(key, turn.now);
        }
        self.settle(turn);
    }

    /// The ACK of our 2xx.
    pub fn handle_ack(&mut self, ack: &Request, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_ack(ack, turn.now);
        }
        self.settle(turn);
    }

    /// A response to a request of its dialog.
    pub fn handle_response(&mut self, id: RequestId, response: &Response, turn: &mut Turn<'_>) {
        self.unheard = None;
        let is_theirs = matches!(response.cseq.method, Method::Invite | Method::Update);
        if is_theirs && !response.status.is_failure() && response.to.tag().is_some() {
            self.hear_of_party(&response.headers);
        }
        if let Some(session) = &mut self.session {
            session.handle_response(id, response, turn.now);
        }
        self.settle(turn);
    }

    /// A request of its dialog got no response.
    pub fn handle_failed(&mut self, id: RequestId, why: Failure, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.handle_failed(id, why, turn.now);
        }
        self.settle(turn);
    }

    /// The challenge to this request can be answered with these credentials, or not at all.
    pub fn handle_credentials(&mut self, id: RequestId, retry: Option<&Retry>, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            match retry {
                Some(retry) => drop(session.retry_with(id, retry, turn.now)),
                None => session.give_up(id, turn.now),
            }
        }
        self.settle(turn);
    }

    /// A moment that [`Call::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.run_placing(turn);
        self.run_transfer(turn);
        self.run_referred(turn);
        self.run_unattended(turn);
        if let Some(session) = &mut self.session {
            session.handle_timeout(turn.now);
        }
        if self.is_listed && self.progress.ended_at.is_some_and(|ended| turn.now >= ended + LINGER) {
            self.is_listed = false;
            self.hush();
        }
        self.settle(turn);
    }
}
