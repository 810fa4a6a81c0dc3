//! What the sessions tell, and what the exchange makes of it: answers, hold, the other phone, and the end.

use super::hunt::{Wanted, media_settings};
use super::leg::{Activity, FirstOffer, Leg, Role, Service};
use super::{Exchange, LegId, Output, Speech};
use crate::call::{Sound, SoundError, refusal_of};
use crate::codec::{Codec, Direction};
use crate::sdp::parse;
use crate::sip::endpoint::Failure;
use crate::sip::msg::{NameAddr, Reason, Request, StatusCode, Uri};
use crate::sip::session::{self, Event, Phase, Session};
use crate::time::Instant;
use bytes::Bytes;
use std::time::Duration;

/// How long 601 stays on the line before it hangs up to call back.
const BRIEFLY: Duration = Duration::from_secs(1);
/// How soon it calls back.
const CALLS_BACK_AFTER: Duration = Duration::from_secs(2);

impl Exchange {
    pub(super) fn handle_session(&mut self, leg: LegId, output: session::Output, now: Instant) {
        match output {
            session::Output::Send { id, request } => self.ask(leg, id, request, now),
            session::Output::Cancel { id, reason } => {
                let asked = self.asked.iter().find(|(_, asker)| **asker == (leg, id));
                if let Some(key) = asked.map(|(key, _)| *key) {
                    self.endpoint.cancel(&key, reason.map(|reason| reason.to_string()), now);
                }
            }
            session::Output::Ack { request } => {
                if let Some(flow) = self.flow_of(leg) {
                    let _ = self.endpoint.send_ack(request, &flow, &mut self.random);
                }
            }
            session::Output::Respond { key, response } => {
                if let Err(error) = self.endpoint.respond(&key, &response, now) {
                    tracing::debug!(%error, "a response had nobody to go to");
                }
            }
            // A phone that asks an exchange for a password gets none.
            session::Output::Challenge { id, .. } => self.with_session(leg, |session| session.give_up(id, now)),
            session::Output::Event(event) => self.handle_event(leg, event, now),
            session::Output::Released => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.released = true;
                }
            }
        }
    }

    fn ask(&mut self, leg: LegId, id: session::RequestId, request: Request, now: Instant) {
        let sent = self
            .flow_of(leg)
            .and_then(|flow| self.endpoint.send_request(request, &flow, now, &mut self.random).ok());
        match sent {
            Some(key) => drop(self.asked.insert(key, (leg, id))),
            None => {
                self.with_session(leg, |session| session.handle_failed(id, Failure::FlowLost, now));
            }
        }
    }

    fn handle_event(&mut self, leg: LegId, event: Event, now: Instant) {
        match event {
            Event::Progress { status, .. } => {
                if let (StatusCode::RINGING, Some(Role::Called(hunt))) = (status, self.role_of(leg)) {
                    self.pass_ringing(hunt, now);
                }
            }
            Event::EarlyAnswer { sdp, reliable, .. } if reliable => self.accept(leg, &sdp, now),
            Event::Answered { sdp, .. } => self.handle_answered(leg, sdp.as_ref(), now),
            Event::AnswerReceived { sdp, .. } => self.accept(leg, &sdp, now),
            Event::OfferReceived { sdp, .. } => self.handle_offer(leg, Some(sdp), now),
            Event::OfferRequested => self.handle_offer(leg, None, now),
            Event::OfferWithdrawn => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.offer = FirstOffer::None;
                }
            }
            Event::OfferRefused { status, retrying, .. } => self.handle_offer_refused(leg, status, retrying),
            Event::Request { key, request } => self.answer(key, &request, StatusCode::FORBIDDEN, now),
            Event::Info { content_type, body } => self.pass_info(leg, content_type.as_deref(), body, now),
            Event::Ended(ended) => self.end(leg, ended.status, now),
            Event::EarlyAnswer { .. }
            | Event::Redirected
            | Event::Confirmed
            | Event::RemoteTargetChanged(_)
            | Event::Outcome { .. }
            | Event::Alive
            | Event::Unproven => {}
        }
    }

    /// The other leg of a call between phones.
    pub(super) fn peer_of(&self, leg: LegId) -> Option<LegId> {
        match self.role_of(leg)? {
            Role::Bridged(peer) => Some(peer),
            _ => None,
        }
    }

    fn role_of(&self, leg: LegId) -> Option<Role> {
        self.legs.get(&leg).map(|leg| leg.role)
    }

    /// A phone that we rang took the call.
    fn handle_answered(&mut self, id: LegId, sdp: Option<&Bytes>, now: Instant) {
        if let Some(sdp) = sdp {
            self.accept(id, sdp, now);
        }
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.ended) else {
            return;
        };
        leg.answered = true;
        match leg.role {
            Role::Called(hunt) => self.hand_over(hunt, id, now),
            Role::Service(_) | Role::Unanswered | Role::Caller(_) | Role::Bridged(_) => {}
        }
    }

    /// An answer to our offer.
    fn accept(&mut self, id: LegId, sdp: &[u8], now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let accepted = leg.sound.as_mut().map(|sound| sound.accept(sdp));
        match accepted {
            Some(Ok(())) if leg.answered => self.begin_or_follow(id, now),
            Some(Ok(())) | None => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "an answer makes no call");
                self.hang_up(id, None, now);
            }
        }
    }

    /// An offer, or the wish for ours: the first one is kept until the call is answered, a later one is answered now.
    fn handle_offer(&mut self, id: LegId, sdp: Option<Bytes>, now: Instant) {
        let rings = |leg: &Leg| {
            leg.session
                .as_ref()
                .is_some_and(|session| session.phase() == Phase::Ringing)
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if !leg.answered && rings(leg) {
            return self.handle_first_offer(id, sdp, now);
        }
        let Some(sound) = &mut leg.sound else { return };
        let reply = match &sdp {
            Some(offer) => sound.answer(offer, leg.wish, &mut self.random),
            None => sound.offer(leg.wish, &mut self.random),
        };
        let Some(session) = &mut leg.session else { return };
        match reply {
            Ok(reply) => {
                let _ = session.answer_offer(reply, now);
                self.begin_or_follow(id, now);
                self.pass_hold(id);
            }
            Err(error) => refuse(session, &error, now),
        }
    }

    fn handle_first_offer(&mut self, id: LegId, sdp: Option<Bytes>, now: Instant) {
        let flow = self.flow_of(id);
        let (Some(leg), Some(flow)) = (self.legs.get_mut(&id), flow) else {
            return;
        };
        let known = match leg.role {
            Role::Service(Service::Speech | Service::Mailbox) => Speech::CODECS.to_vec(),
            _ => vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu],
        };
        leg.codecs = match &sdp {
            Some(offer) => in_their_order(offer, &known),
            None => known,
        };
        let settings = media_settings(leg.codecs.clone(), &flow);
        let sound = leg.sound.insert(Sound::new(settings, &mut self.random));
        let refused = sdp.as_ref().and_then(|offer| sound.check(offer).err());
        leg.offer = sdp.map_or(FirstOffer::Ours, FirstOffer::Theirs);
        if let (Some(refusal), Some(session)) = (refused, &mut leg.session) {
            refuse(session, &SoundError::Refused(refusal), now);
        }
    }

    fn handle_offer_refused(&mut self, id: LegId, status: StatusCode, retrying: bool) {
        let Some(leg) = self.legs.get_mut(&id).filter(|_| !retrying) else {
            return;
        };
        let Some(sound) = &mut leg.sound else { return };
        sound.rollback();
        // 491: their own offer overtook ours, and the wish still stands.
        if status != StatusCode::REQUEST_PENDING {
            leg.wish = sound.wish();
        }
    }

    /// What can go on now: a call to be placed on its path, an answer that waited for it, another direction.
    pub(super) fn advance(&mut self, id: LegId, now: Instant) -> bool {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.ended) else {
            return false;
        };
        if leg.path.is_some() && leg.dial.is_some() {
            return self.place(id, now);
        }
        if leg.path.is_some() && !leg.answered && !matches!(leg.offer, FirstOffer::None) {
            return match leg.role {
                Role::Service(_) => self.take(id, now),
                Role::Bridged(peer) => {
                    self.speak_like(id, peer);
                    self.take(id, now)
                }
                Role::Unanswered | Role::Caller(_) | Role::Called(_) => false,
            };
        }
        let (Some(sound), Some(session)) = (&mut leg.sound, &mut leg.session) else {
            return false;
        };
        let changed_its_mind = leg.answered && sound.wish() != leg.wish && !sound.offer_is_pending();
        if !changed_its_mind {
            return false;
        }
        let offer = sound.offer(leg.wish, &mut self.random);
        let offered = offer.is_ok_and(|offer| session.offer(&offer, now).is_ok());
        if !offered {
            sound.rollback();
        }
        offered
    }

    fn place(&mut self, id: LegId, now: Instant) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else {
            return false;
        };
        let (Some(mut dial), Some(path), Some(sound)) = (leg.dial.take(), leg.path.clone(), leg.sound.as_mut()) else {
            return false;
        };
        sound.set_path(path);
        match sound.offer(leg.wish, &mut self.random) {
            Ok(offer) => {
                dial.offer = Some(offer);
                leg.session = Some(Session::dial(dial, &mut self.random));
            }
            Err(error) => {
                tracing::debug!(%error, "a call is not placed");
                self.hang_up(id, None, now);
            }
        }
        true
    }

    /// The caller gets the one codec that the phone it reached has chosen: nothing here can change one into another.
    fn speak_like(&mut self, id: LegId, peer: LegId) {
        let agreed = self.legs.get(&peer).and_then(|leg| leg.sound.as_ref()?.agreed());
        let flow = self.flow_of(id);
        if let (Some((_, codec)), Some(flow), Some(leg)) = (agreed, flow, self.legs.get_mut(&id)) {
            let settings = media_settings(vec![codec], &flow);
            leg.sound = Some(Sound::new(settings, &mut self.random));
        }
    }

    /// Answers a caller, now that everything is there.
    fn take(&mut self, id: LegId, now: Instant) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else {
            return false;
        };
        let (Some(sound), Some(path), Some(session)) = (&mut leg.sound, &leg.path, &mut leg.session) else {
            return false;
        };
        sound.set_path(path.clone());
        let description = match std::mem::replace(&mut leg.offer, FirstOffer::None) {
            FirstOffer::Theirs(offer) => sound.answer(&offer, leg.wish, &mut self.random),
            FirstOffer::Ours => sound.offer(leg.wish, &mut self.random),
            FirstOffer::None => return false,
        };
        match description {
            Ok(sdp) => {
                leg.answered = session.answer(sdp, now).is_ok();
                if leg.role == Role::Service(Service::CallBack) {
                    leg.hang_up_at = Some(now + BRIEFLY);
                }
                self.begin_or_follow(id, now);
            }
            Err(error) => refuse(session, &error, now),
        }
        true
    }

    /// Sound as it was agreed last; the first time it begins.
    fn begin_or_follow(&mut self, id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (speech, quality) = (&self.settings.speech, self.settings.bad_line);
        let role = leg.role;
        let mut seed = crate::random::Random::seeded(self.random.u64());
        let activity = || match role {
            Role::Service(Service::Echo | Service::CallBack) => Activity::Echo,
            Role::Service(Service::BadLine) => Activity::bad_echo(quality, &mut seed),
            Role::Service(Service::Speech) => Activity::say(speech.clone(), true),
            Role::Service(Service::Mailbox) => Activity::say(speech.clone(), false),
            Role::Unanswered | Role::Caller(_) | Role::Called(_) | Role::Bridged(_) => Activity::Relay,
        };
        leg.follow_plan(activity, now, &mut self.random);
    }

    /// A phone that holds the other one is not to be spoken to; the other is told.
    fn pass_hold(&mut self, id: LegId) {
        let held = self
            .legs
            .get(&id)
            .and_then(|leg| leg.sound.as_ref())
            .is_some_and(Sound::held_by_them);
        let peer = self.peer_of(id).and_then(|peer| self.legs.get_mut(&peer));
        if let Some(peer) = peer {
            peer.wish = if held { Direction::SendOnly } else { Direction::SendRecv };
        }
    }

    fn pass_info(&mut self, leg: LegId, content_type: Option<&str>, body: Bytes, now: Instant) {
        if let (Some(peer), Some(content_type)) = (self.peer_of(leg), content_type) {
            self.with_session(peer, |session| {
                // Refused only where that call is over already.
                let _ = session.info(content_type, body, now);
            });
        }
    }

    /// Ends the call with a leg's phone, whatever its state. Where nothing was sent yet, nothing is owed.
    pub(super) fn hang_up(&mut self, id: LegId, reason: Option<Reason>, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match &mut leg.session {
            Some(session) => session.hangup(reason, now),
            None => {
                leg.released = true;
                self.end(id, None, now);
            }
        }
    }

    /// The call with this leg's phone is over.
    fn end(&mut self, id: LegId, status: Option<StatusCode>, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.ended) else {
            return;
        };
        leg.ended = true;
        leg.hang_up_at = None;
        leg.dial = None;
        let (media, user) = (leg.media.take(), leg.user.clone());
        let answered = leg.answered;
        if leg.role.speaks() {
            self.outputs.push_back(Output::ClosePath(id));
        }
        match leg.role {
            Role::Bridged(peer) => self.hang_up(peer, None, now),
            Role::Caller(hunt) => self.end_hunt(hunt, StatusCode::REQUEST_TERMINATED, now),
            Role::Called(hunt) => self.drop_out(hunt, id, status, now),
            Role::Service(Service::CallBack) if answered => self.call_backs.push((now + CALLS_BACK_AFTER, user)),
            Role::Service(Service::Mailbox) if media.is_some_and(|media| media.has_finished()) => {
                if self.mailbox.hear(&user) {
                    self.notify_of_messages(&user, None, now);
                }
            }
            Role::Service(_) | Role::Unanswered => {}
        }
    }

    /// 601 calls whoever it promised to.
    pub(super) fn call_back_whoever_is_due(&mut self, now: Instant) {
        let (due, later) = std::mem::take(&mut self.call_backs)
            .into_iter()
            .partition(|(at, _)| now >= *at);
        self.call_backs = later;
        let due: Vec<(Instant, String)> = due;
        for (_, user) in due {
            let hunt = self.next_hunt();
            let from = NameAddr::new(Uri::sip("601", self.domain())).with_display("Practice");
            let wanted = Wanted {
                caller: None,
                from,
                number: "601".to_owned(),
                user,
                codecs: Speech::CODECS.to_vec(),
            };
            self.hunt(hunt, &wanted, now);
        }
    }
}

fn refuse(session: &mut Session, error: &SoundError, now: Instant) {
    let (status, warning) = refusal_of(error);
    let _ = session.refuse_offer(status, warning, now);
}

/// Those of `known` that the offer has, in its order; all of them where it cannot be read, since it is refused then.
fn in_their_order(offer: &[u8], known: &[Codec]) -> Vec<Codec> {
    let Ok(description) = parse::parse(offer) else {
        return known.to_vec();
    };
    let audio = description.media.iter().find(|media| media.kind == "audio");
    let offered = audio.into_iter().flat_map(|media| {
        let types = media.formats.iter().filter_map(|format| format.parse().ok());
        types.filter_map(|payload_type| media.rtp_map(payload_type)?.codec())
    });
    let mut codecs: Vec<Codec> = Vec::new();
    for codec in offered.filter(|codec| known.contains(codec)) {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    if codecs.is_empty() { known.to_vec() } else { codecs }
}
