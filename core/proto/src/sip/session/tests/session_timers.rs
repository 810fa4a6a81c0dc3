//! Session timers (RFC 4028): who refreshes, how, and what happens when nobody does.

use std::time::Duration;

use super::*;
use crate::sip::session::EndedBy;

const SECOND: Duration = Duration::from_secs(1);

/// A call that we placed; the 2xx grants `session_expires` and allows `allow`.
fn granted(session_expires: &str, allow: &str) -> Bench {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    let mut ok = reply_sdp(&invite, 200, "b", "answer");
    ok.headers.set(HeaderName::Allow, allow);
    ok.headers.push(HeaderName::SessionExpires, session_expires);
    bench.response(id, &ok);
    bench.clear();
    bench
}

/// A call that came in with these header fields, answered and acknowledged; and our 200.
fn asked(headers: &[(HeaderName, &str)]) -> (Bench, Response) {
    let mut invite = incoming_invite(Some("offer"));
    for (name, value) in headers {
        invite.headers.push(name.clone(), value);
    }
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    let ok = bench.answer().clone();
    bench.ack(&invite, None);
    bench.clear();
    (bench, ok)
}

#[test]
fn we_refresh_by_update_at_half_the_interval() {
    let mut bench = granted("90;refresher=uac", "INVITE, UPDATE");
    bench.wait(SECOND * 44);
    assert_eq!(bench.sends(&Method::Update), 0);
    bench.wait(SECOND * 2);
    let (id, update) = bench.sent(Method::Update);
    assert_eq!(update.headers.get(HeaderName::SessionExpires), Some("90;refresher=uac"));
    assert!(update.body.is_empty());
    let mut ok = reply(&update, 200, "b");
    ok.headers.push(HeaderName::SessionExpires, "90;refresher=uac");
    bench.response(id, &ok);
    bench.wait(SECOND * 46);
    assert_eq!((bench.sends(&Method::Update), bench.ended), (1, 0), "the next one");
}

#[test]
fn without_update_we_refresh_by_an_invite_that_repeats_the_description() {
    let mut bench = granted("90;refresher=uac", "INVITE, BYE");
    bench.wait(SECOND * 46);
    let (id, reinvite) = bench.sent(Method::Invite);
    assert_eq!(reinvite.body, sdp("offer"));
    let mut ok = reply_sdp(&reinvite, 200, "b", "answer");
    ok.headers.push(HeaderName::SessionExpires, "90;refresher=uac");
    bench.response(id, &ok);
    assert_eq!(bench.acks().len(), 1);
    bench.wait(SECOND * 40);
    assert_eq!(bench.ended, 0);
}

#[test]
fn an_update_that_is_refused_as_unknown_becomes_an_invite() {
    let mut bench = granted("90;refresher=uac", "INVITE, UPDATE");
    bench.wait(SECOND * 46);
    let (id, update) = bench.sent(Method::Update);
    bench.response(id, &Response::to(&update, status(501)));
    bench.wait(SECOND);
    assert_eq!(bench.sends(&Method::Invite), 1);
}

#[test]
fn a_refresh_that_crosses_an_offer_is_tried_again_without_a_word_to_the_owner() {
    let mut bench = granted("90;refresher=uac", "INVITE");
    bench.wait(SECOND * 46);
    let (id, reinvite) = bench.sent(Method::Invite);
    bench.response(id, &Response::to(&reinvite, status(491)));
    assert!(bench.events().is_empty(), "{:?}", bench.events());
    bench.wait(SECOND * 5);
    assert_eq!(bench.sends(&Method::Invite), 1);
}

#[test]
fn when_they_refresh_we_wait_and_hang_up_before_the_interval_is_over() {
    let mut bench = granted("90;refresher=uas", "INVITE, UPDATE");
    bench.wait(SECOND * 59);
    assert!(bench.out.is_empty(), "{:?}", bench.out);
    bench.wait(SECOND * 2);
    assert_eq!((bench.end().by, bench.sends(&Method::Bye)), (EndedBy::Expired, 1));
}

#[test]
fn a_refresh_of_theirs_starts_the_interval_anew() {
    let (mut bench, _) = asked(&[
        (HeaderName::Supported, "timer"),
        (HeaderName::SessionExpires, "90;refresher=uac"),
    ]);
    for _ in 0..5 {
        bench.wait(SECOND * 45);
        let mut update = bench.peer_request(Method::Update, None);
        update.headers.push(HeaderName::Supported, "timer");
        update.headers.push(HeaderName::SessionExpires, "90;refresher=uac");
        bench.request(update);
        assert_eq!(
            bench.answer().headers.get(HeaderName::SessionExpires),
            Some("90;refresher=uac")
        );
        assert!(bench.answer().headers.requires("timer"));
    }
    assert_eq!(bench.ended, 0);
    bench.wait(SECOND * 61);
    assert_eq!(bench.end().by, EndedBy::Expired);
}

#[test]
fn a_refresh_that_nobody_answers_ends_the_call_in_time() {
    let mut bench = granted("90;refresher=uac", "INVITE, UPDATE");
    bench.wait(SECOND * 61);
    assert_eq!(bench.end().by, EndedBy::Expired);
    assert_eq!(bench.sends(&Method::Bye), 1);
}

#[test]
fn the_refresher_is_whom_the_caller_names_and_else_the_caller() {
    let timer = (HeaderName::Supported, "timer");
    let cases = [
        ("600;refresher=uac", "600;refresher=uac"),
        ("600;refresher=uas", "600;refresher=uas"),
        ("600", "600;refresher=uac"),
    ];
    for (asks, grants) in cases {
        let (_, ok) = asked(&[timer.clone(), (HeaderName::SessionExpires, asks)]);
        assert_eq!(ok.headers.get(HeaderName::SessionExpires), Some(grants));
        assert!(ok.headers.requires("timer"));
    }
    let (_, ok) = asked(&[timer]);
    assert_eq!(
        ok.headers.get(HeaderName::SessionExpires),
        Some("1800;refresher=uac"),
        "our own wish"
    );
    let (_, ok) = asked(&[]);
    assert!(
        !ok.headers.has(HeaderName::SessionExpires),
        "no timer for a caller that knows none"
    );
}

#[test]
fn a_timer_that_a_proxy_asks_for_is_refreshed_by_us() {
    let (mut bench, ok) = asked(&[(HeaderName::SessionExpires, "120"), (HeaderName::MinSe, "100")]);
    assert_eq!(ok.headers.get(HeaderName::SessionExpires), Some("120;refresher=uas"));
    assert!(!ok.headers.requires("timer"));
    bench.wait(SECOND * 61);
    assert_eq!(bench.sends(&Method::Update), 1);
}

#[test]
fn a_422_to_a_refresh_is_followed() {
    let mut bench = granted("90;refresher=uac", "INVITE, UPDATE");
    bench.wait(SECOND * 46);
    let (id, update) = bench.sent(Method::Update);
    let mut too_small = Response::to(&update, status(422));
    too_small.headers.push(HeaderName::MinSe, 300);
    bench.response(id, &too_small);
    bench.wait(SECOND);
    let (_, again) = bench.sent(Method::Update);
    assert_eq!(
        (
            again.headers.session_expires().unwrap().interval,
            again.headers.min_se()
        ),
        (300, Some(300))
    );
}

#[test]
fn an_interval_that_is_absurdly_short_is_not_taken_at_its_word() {
    let mut bench = granted("1;refresher=uac", "INVITE, UPDATE");
    bench.wait(SECOND * 40);
    assert_eq!((bench.sends(&Method::Update), bench.ended), (0, 0));
}

#[test]
fn a_2xx_without_session_expires_stops_the_timer() {
    let mut bench = granted("90;refresher=uac", "INVITE, UPDATE");
    bench.wait(SECOND * 46);
    let (id, update) = bench.sent(Method::Update);
    bench.response(id, &reply(&update, 200, "b"));
    bench.wait(SECOND * 600);
    assert_eq!((bench.sends(&Method::Update), bench.ended), (0, 0));
}
