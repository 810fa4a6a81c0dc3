//! What the PBX does itself: an announcement that speaks before it answers, and calls to phones that leave the first
//! offer to them (RFC 3261 13.2.1, 3960; reliable where [`Rules::reliable`](super::Rules::reliable) says so, RFC 3262).
//!
//! The dialogs are the product's [`Session`]s, the descriptions its [`Negotiation`]s; judged is the phone at the other
//! end. A desk does nothing by itself: it picks up and hangs up when it is told to.

use super::{DOMAIN, Exchange, Rules};
use crate::numbers;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use toestel_proto::codec::{Direction, MediaPolicy};
use toestel_proto::random::Random;
use toestel_proto::sdp::negotiate::{LocalPath, MediaSettings, Negotiated, Negotiation};
use toestel_proto::sip::endpoint::{ClientKey, Failure, ServerKey};
use toestel_proto::sip::msg::{HeaderName, Headers, NameAddr, Request, Response, StatusCode, Uri};
use toestel_proto::sip::session::{Dial, Event, Output, Phase, RequestId, Session, Settings};
use toestel_proto::time::{Instant, Wake, earliest};

/// Which dialog of the desk.
pub(super) type LegId = u64;

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    legs: BTreeMap<LegId, Leg>,
    last: LegId,
    asked: BTreeMap<ClientKey, Asker>,
    outputs: VecDeque<(LegId, Output)>,
    random: Random,
}

/// Who sent a request.
pub(super) type Asker = (LegId, RequestId);

/// One dialog with a phone.
#[derive(Debug)]
struct Leg {
    /// The phone's extension.
    user: String,
    session: Session,
    negotiation: Negotiation,
    path: LocalPath,
    /// Our early answer, for the 200.
    answer: Option<Vec<u8>>,
    over: bool,
}

/// What the desk can be told to do.
impl Exchange {
    /// Calls a phone, and leaves the first offer to it.
    pub fn call_without_offer(&mut self, user: &str, now: Instant) {
        let contact = self
            .registrar
            .bindings(user, now)
            .first()
            .map(|binding| binding.contact.clone());
        if let Some(contact) = contact {
            self.desk.call(user.to_owned(), contact, &self.rules, now);
        }
        self.settle(now);
    }

    /// Answers a phone that hears the announcement.
    pub fn pick_up(&mut self, user: &str, now: Instant) {
        self.desk.pick_up(user, now);
        self.settle(now);
    }

    /// Ends its own call with a phone.
    pub fn hang_up(&mut self, user: &str, now: Instant) {
        self.desk.hang_up(user, now);
        self.settle(now);
    }

    /// Whether it has a call of its own with a phone.
    pub fn is_busy_with(&self, user: &str) -> bool {
        self.desk.is_busy_with(user)
    }

    /// What was agreed about the sound of its own call with a phone, and where it listens; `None` while there is none.
    pub fn agreed(&self, user: &str) -> Option<(&Negotiated, SocketAddr)> {
        self.desk.agreed(user)
    }
}

impl Desk {
    /// A desk that nobody has called yet.
    pub(super) fn new(random: Random) -> Self {
        Self {
            legs: BTreeMap::new(),
            last: 0,
            asked: BTreeMap::new(),
            outputs: VecDeque::new(),
            random,
        }
    }

    /// How many dialogs are not finished.
    pub(super) fn len(&self) -> usize {
        self.legs.len()
    }

    /// Whether it calls a phone, is called by it or talks with it.
    pub(super) fn is_busy_with(&self, user: &str) -> bool {
        self.legs.values().any(|leg| leg.user == user && !leg.over)
    }

    /// What was agreed with a phone, and where the desk listens; `None` while nothing is.
    pub(super) fn agreed(&self, user: &str) -> Option<(&Negotiated, SocketAddr)> {
        let leg = self.legs.values().find(|leg| leg.user == user && !leg.over)?;
        Some((leg.negotiation.current()?, leg.path.rtp))
    }

    /// A phone called the announcement: it is heard at once, and answered later.
    pub(super) fn announce(&mut self, key: ServerKey, request: Request, user: String, rules: &Rules, now: Instant) {
        match Session::incoming(settings(rules), key, request, now, &mut self.random) {
            Ok(session) => self.admit(user, session, rules, now),
            Err(refusal) => {
                let response = *refusal;
                self.outputs.push_back((0, Output::Respond { key, response }));
            }
        }
    }

    /// Calls a phone without an offer.
    pub(super) fn call(&mut self, user: String, target: Uri, rules: &Rules, now: Instant) {
        let mut headers = Headers::new();
        if rules.reliable {
            headers.push(HeaderName::Require, "100rel");
        }
        let dial = Dial {
            settings: settings(rules),
            target,
            from: contact(),
            routes: Vec::new(),
            offer: None,
            headers,
        };
        let session = Session::dial(dial, &mut self.random);
        self.admit(user, session, rules, now);
    }

    fn admit(&mut self, user: String, session: Session, rules: &Rules, now: Instant) {
        self.last += 1;
        let port = 30_000 + u16::try_from(self.last % 10_000).unwrap_or(0) * 2;
        let media = MediaSettings {
            policy: rules.media,
            secure_signalling: rules.media != MediaPolicy::Off,
            ..MediaSettings::default()
        };
        let leg = Leg {
            user,
            session,
            negotiation: Negotiation::new(media, &mut self.random),
            path: LocalPath::plain(SocketAddr::from((crate::world::SERVERS[0], port))),
            answer: None,
            over: false,
        };
        self.legs.insert(self.last, leg);
        self.settle(now);
    }

    /// The announcement is over, and the call is answered.
    pub(super) fn pick_up(&mut self, user: &str, now: Instant) {
        for leg in self.legs.values_mut().filter(|leg| leg.user == user) {
            if let Some(answer) = leg.answer.take() {
                let _ = leg.session.answer(answer.into(), now);
            }
        }
        self.settle(now);
    }

    /// Ends what it has with a phone.
    pub(super) fn hang_up(&mut self, user: &str, now: Instant) {
        for leg in self.legs.values_mut().filter(|leg| leg.user == user) {
            leg.session.hangup(None, now);
        }
        self.settle(now);
    }

    /// Whether this request belongs to a dialog of the desk.
    pub(super) fn owns(&self, request: &Request) -> bool {
        self.legs.values().any(|leg| leg.session.owns(request))
    }

    /// Whether this request was sent by the desk.
    pub(super) fn asked(&self, key: ClientKey) -> bool {
        self.asked.contains_key(&key)
    }

    pub(super) fn handle_request(&mut self, key: ServerKey, request: Request, now: Instant) {
        if let Some(leg) = self.legs.values_mut().find(|leg| leg.session.owns(&request)) {
            leg.session.handle_request(key, request, now);
        }
        self.settle(now);
    }

    pub(super) fn handle_ack(&mut self, ack: &Request, now: Instant) {
        if let Some(leg) = self.legs.values_mut().find(|leg| leg.session.owns(ack)) {
            leg.session.handle_ack(ack, now);
        }
        self.settle(now);
    }

    pub(super) fn handle_response(&mut self, key: ClientKey, response: &Response, now: Instant) {
        if let Some((id, request)) = self.asked.get(&key)
            && let Some(leg) = self.legs.get_mut(id)
        {
            leg.session.handle_response(*request, response, now);
        }
        self.settle(now);
    }

    pub(super) fn handle_failed(&mut self, key: ClientKey, why: Failure, now: Instant) {
        if let Some((id, request)) = self.asked.get(&key)
            && let Some(leg) = self.legs.get_mut(id)
        {
            leg.session.handle_failed(*request, why, now);
        }
        self.settle(now);
    }

    /// A phone cancelled its INVITE, or is gone before it was answered. Others have no such key.
    pub(super) fn handle_void(&mut self, key: ServerKey, cancel: Option<&Request>, now: Instant) {
        for leg in self.legs.values_mut() {
            match cancel {
                Some(cancel) => leg.session.handle_cancel(key, cancel, now),
                None => leg.session.handle_stranded(key, now),
            }
        }
        self.settle(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for leg in self.legs.values_mut() {
            leg.session.handle_timeout(now);
        }
        self.settle(now);
    }

    pub(super) fn poll_wake(&self) -> Option<Wake> {
        earliest(self.legs.values().map(|leg| leg.session.poll_wake()))
    }

    /// What is to be sent, answered or cancelled.
    pub(super) fn poll_output(&mut self) -> Option<(LegId, Output)> {
        self.outputs.pop_front()
    }

    /// A request was sent; without a key there was no way to its phone.
    pub(super) fn sent(&mut self, asker: Asker, key: Option<ClientKey>, now: Instant) {
        match key {
            Some(key) => drop(self.asked.insert(key, asker)),
            None => {
                if let Some(leg) = self.legs.get_mut(&asker.0) {
                    leg.session.handle_failed(asker.1, Failure::FlowLost, now);
                }
                self.settle(now);
            }
        }
    }

    /// How a request was sent.
    pub(super) fn key_of(&self, asker: Asker) -> Option<ClientKey> {
        let asked = self.asked.iter().find(|(_, other)| **other == asker);
        asked.map(|(key, _)| *key)
    }

    fn settle(&mut self, now: Instant) {
        let mut released = Vec::new();
        for (id, leg) in &mut self.legs {
            while let Some(output) = leg.session.poll_output() {
                match output {
                    Output::Event(event) => leg.handle_event(event, &mut self.random, now),
                    Output::Challenge { id, .. } => leg.session.give_up(id, now),
                    Output::Released => released.push(*id),
                    output => self.outputs.push_back((*id, output)),
                }
            }
        }
        for id in released {
            self.legs.remove(&id);
            self.asked.retain(|_, (leg, _)| *leg != id);
        }
    }
}

impl Leg {
    fn handle_event(&mut self, event: Event, random: &mut Random, now: Instant) {
        match event {
            Event::OfferReceived { sdp, .. } => self.handle_offer(&sdp, random, now),
            Event::OfferRequested => {
                let offer = self.negotiation.offer(&self.path, Direction::SendRecv, random);
                if let Ok(offer) = offer {
                    let _ = self.session.answer_offer(offer.into(), now);
                }
            }
            Event::AnswerReceived { sdp, .. } => drop(self.negotiation.accept_answer(&sdp)),
            Event::Ended(_) => self.over = true,
            _ => {}
        }
    }

    fn handle_offer(&mut self, offer: &[u8], random: &mut Random, now: Instant) {
        let answer = self.negotiation.answer(offer, &self.path, Direction::SendRecv, random);
        let Ok((answer, _)) = answer else {
            let _ = self.session.refuse_offer(StatusCode::NOT_ACCEPTABLE_HERE, None, now);
            return;
        };
        if self.session.phase() == Phase::Ringing {
            self.answer = Some(answer.clone());
            let _ = self.session.progress(answer.into(), now);
        } else {
            let _ = self.session.answer_offer(answer.into(), now);
        }
    }
}

fn settings(rules: &Rules) -> Settings {
    let mut settings = Settings::new(contact());
    settings.reliable_early_media = rules.reliable;
    settings
}

/// Where the phones find it.
fn contact() -> NameAddr {
    let text = format!("<sip:{}@{DOMAIN}>", numbers::ANNOUNCEMENT);
    text.parse().expect("an address")
}
