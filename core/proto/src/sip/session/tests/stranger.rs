//! A peer that keeps no rule at all: whatever it sends, the session neither panics nor stays.

use std::time::Duration;

use super::*;
use crate::sip::auth::Retry;
use crate::sip::endpoint::Failure;

const METHODS: [Method; 12] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Options,
    Method::Info,
    Method::Prack,
    Method::Update,
    Method::Refer,
    Method::Message,
    Method::Notify,
    Method::Cancel,
    Method::Register,
];
const CODES: [u16; 18] = [
    100, 180, 183, 183, 183, 200, 200, 200, 202, 302, 401, 407, 408, 422, 481, 488, 491, 500,
];
const TAGS: [&str; 4] = ["a", "b", "c", ""];

/// The dice, and the requests that were sent and may be answered, several times over.
struct Stranger {
    dice: Random,
    sent: Vec<(RequestId, Request)>,
    keys: u64,
    cseq: u32,
    invites: Vec<(ServerKey, Request)>,
}

impl Stranger {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(u64::try_from(bound).unwrap())).unwrap()
    }

    fn dress(&mut self, headers: &mut Headers) -> Option<Bytes> {
        for (name, values) in [
            (HeaderName::Contact, &["<sip:x@192.0.2.7>", "<sip:y@192.0.2.8>"][..]),
            (HeaderName::Require, &["100rel", "timer", "magic"]),
            (HeaderName::RSeq, &["1", "2", "3", "4294967295"]),
            (HeaderName::Supported, &["timer", "100rel"]),
            (HeaderName::Allow, &["INVITE, UPDATE", "INVITE"]),
            (
                HeaderName::SessionExpires,
                &["90;refresher=uac", "90;refresher=uas", "1", "4294967295"],
            ),
            (HeaderName::MinSe, &["90", "4294967295"]),
            (HeaderName::RetryAfter, &["0", "9", "4294967295"]),
            (HeaderName::RecordRoute, &["<sip:p;lr>", "<sip:p>"]),
            (HeaderName::RAck, &["1 100 INVITE", "1 101 INVITE", "2 100 INVITE"]),
        ] {
            if self.below(3) == 0 {
                let value = values[self.below(values.len())];
                headers.push(name, value);
            }
        }
        match self.below(5) {
            0 | 1 => {
                headers.push(HeaderName::ContentType, "application/sdp");
                Some(sdp("any"))
            }
            2 if self.below(4) == 0 => {
                headers.push(HeaderName::ContentType, "text/plain");
                Some(Bytes::from_static(b"hello"))
            }
            _ => None,
        }
    }

    fn respond(&mut self, bench: &mut Bench) {
        if self.sent.is_empty() {
            return;
        }
        let at = self.below(self.sent.len());
        let (id, request) = self.sent[at].clone();
        let (code, tag) = (CODES[self.below(CODES.len())], TAGS[self.below(TAGS.len())]);
        let mut response = Response::to(&request, status(code));
        if !tag.is_empty() {
            response = response.with_to_tag(tag);
        }
        if let Some(body) = self.dress(&mut response.headers) {
            response.body = body;
        }
        bench.response(id, &response);
    }

    fn ask(&mut self, bench: &mut Bench) {
        let method = METHODS[self.below(METHODS.len())].clone();
        let tag = TAGS[self.below(3)];
        self.keys += 1;
        self.cseq += u32::try_from(self.below(3)).unwrap();
        let from: NameAddr = "<sip:x@example.org>".parse().unwrap();
        let to = bench.session.local().clone();
        let call_id = bench.session.call_id().to_owned();
        let uri = "sip:us@192.0.2.1".parse().unwrap();
        let mut request = Request::new(method.clone(), uri, from.with_tag(tag), to, call_id, self.cseq);
        if let Some(body) = self.dress(&mut request.headers) {
            request.body = body;
        }
        let key = ServerKey(self.keys);
        match method {
            Method::Ack => bench.act(|session, now| session.handle_ack(&request, now)),
            Method::Cancel => {
                if let Some((key, invite)) = self.invites.pop() {
                    let cancel = Request { method, ..invite };
                    bench.act(|session, now| session.handle_cancel(key, &cancel, now));
                }
            }
            _ => {
                self.invites.push((key, request.clone()));
                bench.act(|session, now| session.handle_request(key, request, now));
            }
        }
    }

    fn command(&mut self, bench: &mut Bench) {
        let choice = self.below(10);
        bench.act(|session, now| match choice {
            0 => _ = session.ring(now),
            1 => _ = session.progress(sdp("early"), now),
            2 => _ = session.answer(sdp("answer"), now),
            3 | 4 => _ = session.offer(&sdp("offer"), now),
            5 | 6 => _ = session.answer_offer(sdp("answer"), now),
            7 => _ = session.refuse_offer(status(488), None, now),
            8 => _ = session.probe(now),
            _ => _ = session.info("text/plain", Bytes::new(), now),
        });
    }

    /// Remembers what was sent, and answers a challenge one way or the other.
    fn look(&mut self, bench: &mut Bench) {
        for output in std::mem::take(&mut bench.out) {
            match output {
                Output::Send { id, request } => self.sent.push((id, request)),
                Output::Challenge { id, .. } if self.below(2) == 0 => {
                    bench.act(|session, now| session.retry_with(id, &Retry::of(HeaderName::Authorization, "x"), now));
                }
                Output::Challenge { id, .. } => bench.act(|session, now| session.give_up(id, now)),
                _ => {}
            }
        }
    }
}

#[test]
fn no_peer_however_lawless_can_break_or_keep_a_session() {
    for seed in 0..3_000 {
        println!("seed {seed}");
        let mut dice = Random::seeded(seed);
        let offer = (dice.below(2) == 0).then(|| sdp("offer"));
        let mut bench = if dice.below(2) == 0 {
            Bench::new(Session::dial(dial_of("alice", offer), &mut dice))
        } else {
            let mut invite = incoming_invite(offer.map(|_| "offer"));
            invite.headers.push(HeaderName::Supported, "100rel");
            Bench::ringing(invite)
        };
        let mut stranger = Stranger {
            dice,
            sent: Vec::new(),
            keys: 1,
            cseq: 100,
            invites: Vec::new(),
        };
        for _ in 0..60 {
            stranger.look(&mut bench);
            if bench.released > 0 {
                break;
            }
            match stranger.below(4) {
                0 => stranger.command(&mut bench),
                1 => stranger.ask(&mut bench),
                2 => stranger.respond(&mut bench),
                _ => bench.wait(Duration::from_millis(stranger.dice.below(9).pow(4))),
            }
        }
        bench.act(|session, now| session.hangup(None, now));
        for _ in 0..40 {
            stranger.look(&mut bench);
            for (id, _) in std::mem::take(&mut stranger.sent) {
                bench.act(|session, now| session.handle_failed(id, Failure::Timeout, now));
            }
            bench.wait(Duration::from_secs(10));
        }
        bench.assert_released();
    }
}
