//! The first INVITE of a call that comes in: judged, taken, cancelled (RFC 3261 8.2, 9.2, 13.3).

use std::collections::BTreeMap;
use std::time::Duration;

use super::invite::InviteIn;
use super::leg::{Flow, Leg, Over, Owed};
use super::outbox::{Outbox, not_sdp};
use super::output::{Ended, EndedBy, Event};
use super::settings::{Settings, description};
use super::timers::too_small;
use super::{Phase, Session};
use crate::random::Random;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{HeaderName, Request, Response, StatusCode};
use crate::time::Instant;

impl Session {
    /// Takes an INVITE that starts a call. Nothing is sent yet but an event about its offer; then the owner says
    /// [`Session::ring`], [`Session::answer`] or [`Session::reject`].
    ///
    /// # Errors
    /// The response that refuses the INVITE, if it asks for what is not understood.
    pub fn incoming(
        settings: Settings,
        key: ServerKey,
        request: Request,
        now: Instant,
        random: &mut Random,
    ) -> Result<Self, Box<Response>> {
        let local_tag = random.token(8);
        let refuse = |response: Response| Box::new(response.with_to_tag(local_tag.clone()));
        if let Some(refusal) = judge(&settings, &request) {
            return Err(refuse(refusal));
        }
        let bad_request = || Response::to(&request, StatusCode::BAD_REQUEST);
        let dialog = Dialog::uas(&request, &local_tag).map_err(|_| refuse(bad_request()))?;
        let sdp = description(&request.headers, &request.body).map_err(|_| refuse(not_sdp(&request)))?;
        let mut out = Outbox::new(settings, random);
        let mut leg = Leg::new(dialog, false);
        leg.peer.learn(&request.headers);
        let (call_id, local) = (request.call_id.clone(), leg.dialog.local().clone());
        let expires = request
            .headers
            .expires()
            .map(|seconds| Duration::from_secs(seconds.into()));
        leg.invite_in = Some(InviteIn {
            expires_at: expires.map(|expires| now + expires),
            ..InviteIn::new(key, request, true)
        });
        leg.open_invite(&mut out, sdp);
        Ok(Self {
            out,
            call_id,
            local,
            phase: Phase::Ringing,
            dialled: None,
            chosen: Some(leg.tag.clone()),
            legs: BTreeMap::from([(leg.tag.clone(), leg)]),
            released: false,
        })
    }

    /// The other side cancelled its INVITE `key`, the first or a later one. The endpoint has answered the CANCEL.
    pub fn handle_cancel(&mut self, key: ServerKey, cancel: &Request, now: Instant) {
        self.invite_void(key, Ended::with_request(cancel));
        self.settle(now);
    }

    /// The flow that the request `key` came by broke before it was answered: no answer can reach its sender.
    pub fn handle_stranded(&mut self, key: ServerKey, now: Instant) {
        self.invite_void(key, Ended::by(EndedBy::FlowLost));
        if let Some(tag) = self.chosen.clone() {
            self.with_leg(&tag, |leg, out| {
                leg.forget_request(out, key);
                Flow::Continue(())
            });
        }
        self.settle(now);
    }

    /// The INVITE `key` is not to be answered any more: the call ends with it if it started the call.
    fn invite_void(&mut self, key: ServerKey, ended: Ended) {
        let Some(tag) = self.chosen.clone() else {
            return;
        };
        self.with_leg(&tag, |leg, out| match &leg.invite_in {
            Some(invite) if invite.key == key && invite.first => {
                leg.refuse_invite(out, StatusCode::REQUEST_TERMINATED, None);
                Over::silent(ended)
            }
            Some(invite) if invite.key == key => {
                leg.cancel_reinvite(out);
                Flow::Continue(())
            }
            Some(_) | None => Flow::Continue(()),
        });
    }
}

impl Leg {
    /// Nobody waits for the answer to this request any more.
    fn forget_request(&mut self, out: &mut Outbox, gone: ServerKey) {
        let waits = |owed: &mut Owed| matches!(owed, Owed::InRequest { key, .. } if *key == gone);
        if self.owed.take_if(waits).is_some() {
            self.exchange.abandon();
            out.event(Event::OfferWithdrawn);
        }
    }
}

/// The refusal of an INVITE that asks for what we do not understand.
fn judge(settings: &Settings, request: &Request) -> Option<Response> {
    let unsupported = settings.not_understood(&request.headers);
    if unsupported.is_empty() {
        return too_small(settings, request);
    }
    let mut response = Response::to(request, StatusCode::BAD_EXTENSION);
    response.headers.push(HeaderName::Unsupported, unsupported.join(", "));
    Some(response)
}
