//! The first INVITE of a call that we place, its forks and its cancellation (RFC 3261 9.1, 13.2).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::leg::{Flow, Leg, Over};
use super::outbox::{Outbox, Purpose, describe};
use super::output::{Ended, EndedBy, Event, Output, RequestId};
use super::prack::reliable_rseq;
use super::settings::{Dial, description};
use super::timers::write_session_timer;
use super::{Phase, Session};
use bytes::Bytes;

use crate::random::Random;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::Failure;
use crate::sip::msg::{HeaderName, Method, NameAddr, Reason, Request, Response, StatusCode, Uri};
use crate::sip::offer_answer::{Carrier, Meaning, Side};
use crate::time::{Instant, Wake};

/// How often a 422 is followed.
const TRIES: u32 = 4;

/// How often a 3xx is followed.
const REDIRECTS: usize = 5;

/// The preference of a Contact that names none: as good as any (RFC 3261 20.10).
const MOST_WANTED: u16 = 1_000;

/// Our first INVITE.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Dialled {
    pub(super) id: RequestId,
    pub(super) invite: Request,
    /// How often a 422 made us ask again.
    tries: u32,
    /// Where it was sent: first to whom we called, then where a 3xx led.
    places: Vec<Uri>,
    /// Whether a 2xx came.
    answered: bool,
    /// When no further branch can answer: 64*T1 after the first 2xx (13.2.2.4).
    over_at: Option<Instant>,
}

impl Dialled {
    fn new(id: RequestId, invite: Request) -> Self {
        Self {
            id,
            tries: 0,
            places: vec![invite.uri.clone()],
            invite,
            answered: false,
            over_at: None,
        }
    }

    /// The same INVITE for a new transaction. Its password has been counted; the account adds a new one.
    fn anew(&self) -> Request {
        let mut invite = self.invite.clone();
        invite.cseq = invite.cseq.saturating_add(1);
        invite.headers.remove(HeaderName::Authorization);
        invite.headers.remove(HeaderName::ProxyAuthorization);
        invite
    }

    /// Where a 300, 301 or 302 leads that can be dialled and was not tried yet (8.1.3.4). 305 names no place but a
    /// proxy, which only the account's settings may; 380 describes some other service.
    fn next_place(&self, response: &Response) -> Option<Uri> {
        let moved = matches!(
            response.status,
            StatusCode::MULTIPLE_CHOICES | StatusCode::MOVED_PERMANENTLY | StatusCode::MOVED_TEMPORARILY
        );
        if !moved || self.places.len() > REDIRECTS {
            return None;
        }
        let contacts = response.headers.contacts();
        let mut named: Vec<&NameAddr> = contacts.as_slice().iter().collect();
        named.sort_by_key(|contact| Reverse(contact.q().unwrap_or(MOST_WANTED)));
        let mut places = named.into_iter().map(|contact| contact.uri.clone().without_headers());
        places.find(|place| place.is_sip() && !self.places.iter().any(|tried| tried.equivalent(place)))
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.answered
    }

    pub(super) fn wake(&self) -> Option<Wake> {
        self.over_at.map(|at| Wake::new(at, "last branches of the INVITE"))
    }
}

impl Session {
    /// Places a call. Call-ID and tag are drawn from `random`.
    pub fn dial(dial: Dial, random: &mut Random) -> Self {
        let local = dial.from.clone().with_tag(random.token(8));
        let call_id = random.token(16);
        // Room below 2^31 for every request that the dialog may ever see (RFC 3261 8.1.1.5).
        let cseq = u32::try_from(random.below(1 << 16)).unwrap_or(0).saturating_add(1);
        let invite = invite(&dial, &local, &call_id, cseq);
        let mut out = Outbox::new(dial.settings, random);
        let id = out.send("", invite.clone(), Purpose::Dial);
        Self {
            out,
            call_id,
            local,
            phase: Phase::Calling,
            dialled: Some(Dialled::new(id, invite)),
            legs: BTreeMap::new(),
            chosen: None,
            released: false,
        }
    }

    /// A provisional response to our INVITE.
    pub(super) fn dial_progress(&mut self, response: &Response) {
        if self.phase != Phase::Calling || response.status == StatusCode::TRYING {
            return;
        }
        let tag = response.to.tag().and_then(|_| self.branch(response));
        let leg = tag.as_ref().and_then(|tag| self.legs.get_mut(tag));
        self.out.event(Event::Progress {
            status: response.status,
            reason: response.reason.clone(),
            dialog: leg.as_ref().map(|leg| leg.dialog.id()),
        });
        if let (Some(leg), Some(dialled)) = (leg, &self.dialled) {
            leg.take_early(&mut self.out, &dialled.invite, response);
        }
    }

    /// The branch that a response comes from, by its tag; its leg is made if it is new.
    fn branch(&mut self, response: &Response) -> Option<String> {
        let invite = &self.dialled.as_ref()?.invite;
        let tag = response.to.tag().unwrap_or_default().to_owned();
        if !self.legs.contains_key(&tag) {
            let leg = Leg::calling(Dialog::uac(invite, response), invite);
            self.legs.insert(tag.clone(), leg);
        }
        Some(tag)
    }

    /// A 2xx to our INVITE: the first decides, every other branch is acknowledged and hung up (13.2.2.4), and so is
    /// the first if it crossed our CANCEL.
    pub(super) fn dial_success(&mut self, response: &Response, now: Instant) {
        let Some(tag) = self.branch(response) else {
            return;
        };
        let (Some(dialled), Some(leg)) = (&mut self.dialled, self.legs.get_mut(&tag)) else {
            return;
        };
        let (id, invite) = (dialled.id, dialled.invite.clone());
        if leg.acked.is_some() {
            leg.repeat_ack(&mut self.out, id);
            return;
        }
        if !dialled.answered {
            dialled.answered = true;
            dialled.over_at = Some(now + self.out.settings.patience());
        }
        let brought = leg.invite_succeeded(&mut self.out, id, invite, response, now);
        if self.phase != Phase::Calling {
            leg.wind_up(&mut self.out);
            leg.hang_up(&mut self.out, None);
            return;
        }
        self.phase = Phase::Confirmed;
        self.chosen = Some(tag.clone());
        self.with_leg(&tag, |leg, out| match brought {
            Ok((meaning, sdp)) => {
                leg.report_answered(out, meaning, sdp);
                Flow::Continue(())
            }
            Err(misplaced) => Over::with_bye(Ended::by(EndedBy::Protocol(misplaced))),
        });
    }

    /// Our INVITE was refused, or got no response.
    pub(super) fn dial_failure(&mut self, response: &Response, failure: Option<Failure>) {
        let Some(dialled) = self.dialled.take_if(|dialled| !dialled.answered) else {
            return;
        };
        if self.phase != Phase::Calling {
            return;
        }
        self.forget_branches();
        if response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL
            && dialled.tries < TRIES
            && let Some(min_se) = response.headers.min_se()
        {
            self.dial_longer(dialled, min_se);
            return;
        }
        if let Some(place) = dialled.next_place(response) {
            self.dial_elsewhere(dialled, place);
            return;
        }
        let by = match failure {
            Some(Failure::Timeout) => EndedBy::NoResponse,
            Some(Failure::FlowLost) => EndedBy::FlowLost,
            None => EndedBy::Them,
        };
        let ended = match failure {
            Some(_) => Ended::by(by),
            None => Ended::with_response(by, response),
        };
        if let Flow::Break(over) = Over::silent(ended) {
            self.finish(over);
        }
    }

    /// A final refusal ends all early dialogs with it (13.2.2.3).
    pub(super) fn forget_branches(&mut self) {
        self.legs.clear();
        self.out.requests.retain(|_, pending| pending.tag.is_empty());
    }

    /// Asks again with the Session-Expires that the 422 demands (RFC 4028 7.3).
    fn dial_longer(&mut self, mut dialled: Dialled, min_se: u32) {
        let mut invite = dialled.anew();
        let seconds = self.out.settings.interval_seconds().unwrap_or(min_se);
        write_session_timer(&self.out.settings, &mut invite.headers, seconds, Some(min_se), None);
        dialled.tries = dialled.tries.saturating_add(1);
        self.send_invite(dialled, invite);
    }

    /// Places the same call where its number has moved, by the same route: what may be called there is the server's
    /// decision, as it was here.
    fn dial_elsewhere(&mut self, mut dialled: Dialled, place: Uri) {
        let mut invite = dialled.anew();
        invite.uri = place.clone();
        dialled.places.push(place);
        self.out.event(Event::Redirected);
        self.send_invite(dialled, invite);
    }

    /// The same INVITE goes out again with credentials, as a new transaction (RFC 3261 22.2).
    pub(super) fn dial_again(&mut self, mut invite: Request) -> RequestId {
        invite.cseq = invite.cseq.saturating_add(1);
        let dialled = self.dialled.take();
        let dialled = dialled.unwrap_or_else(|| Dialled::new(RequestId(0), invite.clone()));
        self.send_invite(dialled, invite)
    }

    fn send_invite(&mut self, dialled: Dialled, invite: Request) -> RequestId {
        let id = self.out.send("", invite.clone(), Purpose::Dial);
        self.dialled = Some(Dialled { id, invite, ..dialled });
        id
    }

    /// Nobody wants the call any more: the INVITE is cancelled, as soon as that is allowed (9.1).
    pub(super) fn cancel_dial(&mut self, reason: Option<Reason>) {
        let requests = &self.out.requests;
        // An INVITE that was refused with a challenge is over already.
        self.dialled
            .take_if(|dialled| !dialled.answered && !requests.contains_key(&dialled.id));
        if let Some(Dialled { id, .. }) = self.dialled.as_ref().filter(|dialled| !dialled.answered) {
            self.out.push(Output::Cancel { id: *id, reason });
        }
    }

    /// Stops waiting for branches that never said anything.
    pub(super) fn run_dial_timers(&mut self, now: Instant) {
        let over = |dialled: &mut Dialled| dialled.over_at.is_some_and(|at| at <= now);
        self.dialled.take_if(over);
    }
}

impl Leg {
    /// A branch of our INVITE.
    fn calling(dialog: Dialog, invite: &Request) -> Self {
        let mut leg = Self::new(dialog, true);
        let offers = !invite.body.is_empty();
        // The first message of the dialog: nothing can be in its way.
        let _ = leg.exchange.carry(Side::Us, Carrier::Invite, offers);
        leg.offered = offers.then(|| (invite.body.clone(), 0));
        leg
    }

    /// A 101 to 199 of this branch: perhaps early media, perhaps to be acknowledged.
    fn take_early(&mut self, out: &mut Outbox, invite: &Request, response: &Response) {
        self.peer.learn(&response.headers);
        self.dialog.refresh_target(response.headers.contacts().first());
        let dialog = self.dialog.id();
        if reliable_rseq(response).is_some() {
            match self.take_reliable(out, invite, response) {
                Some((Meaning::Answer, Some(sdp))) => {
                    self.settle_offer();
                    let reliable = true;
                    out.event(Event::EarlyAnswer { sdp, dialog, reliable });
                }
                Some((meaning, sdp)) => self.report(out, meaning, sdp),
                None => {}
            }
            return;
        }
        let sdp = description(&response.headers, &response.body).unwrap_or_default();
        let previews = self.exchange.meaning(Side::Them, Carrier::Provisional) == Some(Meaning::Preview);
        if let Some(sdp) = sdp.filter(|sdp| previews && self.preview.as_ref() != Some(sdp)) {
            self.preview = Some(sdp.clone());
            let reliable = false;
            out.event(Event::EarlyAnswer { sdp, dialog, reliable });
        }
    }

    /// Tells what the deciding 2xx brought.
    fn report_answered(&mut self, out: &mut Outbox, meaning: Meaning, sdp: Option<Bytes>) {
        let dialog = self.dialog.id();
        if meaning == Meaning::Answer {
            self.settle_offer();
            out.event(Event::Answered { dialog, sdp });
        } else {
            out.event(Event::Answered { dialog, sdp: None });
            self.report(out, meaning, sdp);
        }
    }
}

/// Our first INVITE.
fn invite(dial: &Dial, local: &NameAddr, call_id: &str, cseq: u32) -> Request {
    let to = NameAddr::new(dial.target.clone());
    let uri = dial.target.clone().without_headers();
    let mut request = Request::new(Method::Invite, uri, local.clone(), to, call_id, cseq);
    for route in &dial.routes {
        request.headers.push(HeaderName::Route, route);
    }
    dial.settings.write_capabilities(&mut request.headers);
    if let Some(seconds) = dial.settings.interval_seconds() {
        write_session_timer(&dial.settings, &mut request.headers, seconds, None, None);
    }
    for (name, value) in dial.headers.iter() {
        request.headers.push(name.clone(), value);
    }
    describe(&mut request, dial.offer.clone());
    request
}
