//! Tests of the INVITE usage: a session alone against messages made by hand, two sessions over a bad network, and a
//! random walk.

mod callee;
mod caller;
mod offers;
mod pair;
mod requests;
mod session_timers;
mod stranger;
mod walk;
mod world;

use bytes::Bytes;

use super::{Dial, Event, Output, Phase, RequestId, Session, Settings};
use crate::random::Random;
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{HeaderName, Headers, Method, NameAddr, Request, Response, StatusCode};
use crate::time::Instant;
use std::time::Duration;

/// A description; its name tells it from the others.
fn sdp(name: &str) -> Bytes {
    Bytes::from(format!("v=0\r\ns={name}\r\n"))
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

fn settings(user: &str) -> Settings {
    Settings::new(format!("<sip:{user}@192.0.2.1>").parse().unwrap())
}

fn dial_of(user: &str, offer: Option<Bytes>) -> Dial {
    Dial {
        settings: settings(user),
        target: "sip:bob@example.org".parse().unwrap(),
        from: format!("<sip:{user}@example.org>").parse().unwrap(),
        routes: Vec::new(),
        offer,
        headers: Headers::new(),
    }
}

/// One session, its clock, and what it said since the last look.
struct Bench {
    session: Session,
    now: Instant,
    out: Vec<Output>,
    /// Everything that it ever said.
    ended: usize,
    released: usize,
    /// The CSeq of the last request that the other side sent, and of its keys.
    peer_cseq: u32,
}

impl Bench {
    fn new(session: Session) -> Self {
        let mut bench = Self {
            session,
            now: Instant::from_millis(1_000),
            out: Vec::new(),
            ended: 0,
            released: 0,
            peer_cseq: 100,
        };
        bench.drain();
        bench
    }

    /// A call that we place, and its INVITE.
    fn dialling(offer: Option<Bytes>) -> (Self, RequestId, Request) {
        let mut bench = Self::new(Session::dial(dial_of("alice", offer), &mut Random::seeded(1)));
        let (id, invite) = bench.sent(Method::Invite);
        (bench, id, invite)
    }

    /// A call that we placed and bob answered.
    fn talking() -> Self {
        let (mut bench, id, invite) = Self::dialling(Some(sdp("offer")));
        let mut ok = reply(&invite, 200, "b");
        ok.set_body("application/sdp", sdp("answer"));
        bench.response(id, &ok);
        assert_eq!(bench.session.phase(), Phase::Confirmed);
        bench.clear();
        bench
    }

    /// A call that comes in.
    fn ringing(invite: Request) -> Self {
        let session = Session::incoming(
            settings("bob"),
            ServerKey(1),
            invite,
            Instant::ORIGIN,
            &mut Random::seeded(2),
        );
        Self::new(session.unwrap())
    }

    /// A call that came in, was answered and acknowledged.
    fn answered() -> Self {
        let invite = incoming_invite(Some("offer"));
        let mut bench = Self::ringing(invite.clone());
        bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
        bench.ack(&invite, None);
        bench.clear();
        bench
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Session, Instant) -> T) -> T {
        let result = act(&mut self.session, self.now);
        self.drain();
        result
    }

    fn response(&mut self, id: RequestId, response: &Response) {
        self.act(|session, now| session.handle_response(id, response, now));
    }

    fn request(&mut self, request: Request) -> ServerKey {
        let key = ServerKey(u64::from(request.cseq));
        self.act(|session, now| session.handle_request(key, request, now));
        key
    }

    /// A request of the other side, next in its order.
    fn peer_request(&mut self, method: Method, body: Option<&str>) -> Request {
        let dialog = self.session.dialog().unwrap();
        self.peer_cseq += 1;
        let from: NameAddr = "<sip:peer@example.org>".parse().unwrap();
        let mut request = Request::new(
            method,
            "sip:us@192.0.2.1".parse().unwrap(),
            from.with_tag(dialog.remote_tag),
            self.session.local().clone(),
            dialog.call_id,
            self.peer_cseq,
        );
        request.headers.push(HeaderName::Contact, "<sip:peer@192.0.2.2>");
        if let Some(name) = body {
            request.set_body("application/sdp", sdp(name));
        }
        request
    }

    fn ack(&mut self, invite: &Request, body: Option<&str>) {
        let mut ack = Request {
            method: Method::Ack,
            to: self.session.local().clone(),
            body: Bytes::new(),
            headers: Headers::new(),
            ..invite.clone()
        };
        if let Some(name) = body {
            ack.set_body("application/sdp", sdp(name));
        }
        self.act(|session, now| session.handle_ack(&ack, now));
    }

    /// Lets time pass, and wakes the session whenever it asks for it.
    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(wake) = self.session.poll_wake().filter(|wake| wake.at <= until) {
            assert!(wake.at >= self.now, "{} is in the past", wake.why);
            self.now = wake.at;
            self.act(|session, now| session.handle_timeout(now));
            let next = self.session.poll_wake();
            assert_ne!(next, Some(wake), "the same wake-up again: a busy loop");
        }
        self.now = until;
        self.act(|session, now| session.handle_timeout(now));
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            assert_eq!(self.released, 0, "nothing comes after Released: {output:?}");
            match &output {
                Output::Event(Event::Ended(_)) => self.ended += 1,
                Output::Released => self.released += 1,
                _ => {}
            }
            self.out.push(output);
        }
        assert!(self.ended <= 1, "ended twice");
    }

    fn clear(&mut self) {
        self.out.clear();
    }

    /// The one request with `method` among what was said; the rest stays.
    fn sent(&mut self, method: Method) -> (RequestId, Request) {
        let is_it = |output: &Output| matches!(output, Output::Send { request, .. } if request.method == method);
        let at = self.out.iter().position(is_it);
        match self
            .out
            .remove(at.unwrap_or_else(|| panic!("no {method} in {:?}", self.out)))
        {
            Output::Send { id, request } => (id, request),
            _ => unreachable!(),
        }
    }

    fn sends(&self, method: &Method) -> usize {
        let is_it = |output: &&Output| matches!(output, Output::Send { request, .. } if request.method == *method);
        self.out.iter().filter(is_it).count()
    }

    fn acks(&self) -> Vec<&Request> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Ack { request } => Some(request),
                _ => None,
            })
            .collect()
    }

    fn responses(&self) -> Vec<&Response> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Respond { response, .. } => Some(response),
                _ => None,
            })
            .collect()
    }

    /// The status of every response that was said, in order.
    fn statuses(&self) -> Vec<u16> {
        self.responses().iter().map(|response| response.status.code()).collect()
    }

    /// The last response.
    fn answer(&self) -> &Response {
        self.responses().last().copied().expect("a response")
    }

    fn events(&self) -> Vec<&Event> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events().into_iter().any(wanted)
    }

    fn end(&self) -> &super::Ended {
        self.events()
            .into_iter()
            .find_map(|event| match event {
                Event::Ended(ended) => Some(ended),
                _ => None,
            })
            .expect("the call ended")
    }

    /// The call is over, and nothing is owed any more.
    fn assert_released(&self) {
        assert_eq!((self.ended, self.released), (1, 1));
        assert_eq!(self.session.poll_wake(), None);
    }
}

/// A response of the peer with `tag`, its Contact, and every method allowed.
fn reply(request: &Request, code: u16, tag: &str) -> Response {
    let mut response = Response::to(request, status(code)).with_to_tag(tag);
    response.headers.push(HeaderName::Contact, "<sip:bob@192.0.2.2>");
    response
        .headers
        .push(HeaderName::Allow, "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK");
    response
}

fn reply_sdp(request: &Request, code: u16, tag: &str, name: &str) -> Response {
    let mut response = reply(request, code, tag);
    response.set_body("application/sdp", sdp(name));
    response
}

/// A reliable provisional response.
fn reliable(request: &Request, rseq: u32, body: Option<&str>) -> Response {
    let mut response = reply(request, 183, "b");
    response.headers.push(HeaderName::Require, "100rel");
    response.headers.push(HeaderName::RSeq, rseq);
    if let Some(name) = body {
        response.set_body("application/sdp", sdp(name));
    }
    response
}

fn incoming_invite(offer: Option<&str>) -> Request {
    let mut invite = Request::new(
        Method::Invite,
        "sip:bob@192.0.2.1".parse().unwrap(),
        "\"Alice\" <sip:alice@example.org>;tag=a".parse().unwrap(),
        "<sip:bob@example.org>".parse().unwrap(),
        "call",
        100,
    );
    invite.headers.push(HeaderName::Contact, "<sip:alice@192.0.2.2>");
    invite
        .headers
        .push(HeaderName::Allow, "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK");
    if let Some(name) = offer {
        invite.set_body("application/sdp", sdp(name));
    }
    invite
}
