//! Being called: ringing, early media, answering, refusing, and what the caller may do meanwhile.

use std::time::Duration;

use super::*;
use crate::sip::session::{CommandRefused, EndedBy};

fn supporting_100rel(offer: Option<&str>) -> Request {
    let mut invite = incoming_invite(offer);
    invite.headers.push(HeaderName::Supported, "100rel");
    invite
}

fn prack_for(bench: &mut Bench, invite: &Request, rseq: u32, body: Option<&str>) -> Request {
    let mut prack = bench.peer_request(Method::Prack, body);
    prack
        .headers
        .push(HeaderName::RAck, format!("{rseq} {} INVITE", invite.cseq));
    prack
}

fn refusal_of(invite: Request) -> Response {
    let refused = Session::incoming(
        settings("bob"),
        ServerKey(1),
        invite,
        Instant::ORIGIN,
        &mut Random::seeded(2),
    );
    *refused.expect_err("refused")
}

#[test]
fn an_invite_that_asks_for_what_nobody_understands_is_refused() {
    let mut invite = incoming_invite(Some("offer"));
    invite.headers.push(HeaderName::Require, "100rel, teleportation");
    let refusal = refusal_of(invite);
    assert_eq!(
        (refusal.status, refusal.headers.get(HeaderName::Unsupported)),
        (status(420), Some("teleportation"))
    );
    assert!(refusal.to.tag().is_some());

    let mut invite = incoming_invite(None);
    invite.set_body("text/html", "<p>");
    let refusal = refusal_of(invite);
    assert_eq!(
        (refusal.status, refusal.headers.get(HeaderName::Accept)),
        (status(415), Some("application/sdp"))
    );

    let mut invite = incoming_invite(Some("offer"));
    invite.headers.push(HeaderName::Supported, "timer");
    invite.headers.push(HeaderName::SessionExpires, "60");
    let refusal = refusal_of(invite);
    assert_eq!((refusal.status, refusal.headers.min_se()), (status(422), Some(90)));

    let mut invite = incoming_invite(Some("offer"));
    invite.headers.remove(HeaderName::Contact);
    assert_eq!(refusal_of(invite).status, status(400));
}

#[test]
fn a_description_inside_a_multipart_body_is_found() {
    let mut invite = incoming_invite(None);
    let body =
        "--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n";
    invite.set_body("multipart/mixed;boundary=x", body);
    let bench = Bench::ringing(invite);
    assert!(bench.has(|event| matches!(event, Event::OfferReceived { sdp, .. } if sdp.starts_with(b"v=0"))));
}

#[test]
fn the_200_is_repeated_until_its_ack_and_then_never_again() {
    let invite = incoming_invite(Some("offer"));
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    // At 0.5, 1.5, 3.5, 7.5 and then each 4 s (RFC 3261 13.3.1.4).
    bench.wait(Duration::from_secs(12));
    assert_eq!(bench.statuses(), [200, 200, 200, 200, 200, 200]);
    assert!(bench.responses().iter().all(|response| response.body == sdp("answer")));
    assert_eq!(bench.session.phase(), Phase::Confirmed);
    bench.ack(&invite, None);
    bench.clear();
    bench.wait(Duration::from_secs(20));
    assert_eq!(bench.statuses(), [0; 0]);
}

#[test]
fn without_ack_the_call_is_hung_up_after_32_seconds() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    bench.wait(Duration::from_millis(31_900));
    assert_eq!(bench.ended, 0);
    bench.wait(Duration::from_millis(200));
    assert_eq!(bench.end().by, EndedBy::NoAck);
    let (id, bye) = bench.sent(Method::Bye);
    bench.response(id, &Response::to(&bye, status(481)));
    bench.assert_released();
}

#[test]
fn a_hang_up_before_the_ack_waits_for_it_with_the_bye() {
    let invite = incoming_invite(Some("offer"));
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    bench.act(|session, now| session.hangup(None, now));
    assert_eq!((bench.end().by, bench.sends(&Method::Bye)), (EndedBy::Us, 0));
    bench.ack(&invite, None);
    let (id, bye) = bench.sent(Method::Bye);
    bench.response(id, &Response::to(&bye, StatusCode::OK));
    bench.assert_released();
}

#[test]
fn an_invite_without_offer_is_answered_with_ours_and_the_ack_brings_the_answer() {
    let invite = incoming_invite(None);
    let mut bench = Bench::ringing(invite.clone());
    assert!(bench.has(|event| *event == Event::OfferRequested));
    bench.act(|session, now| session.answer(sdp("our offer"), now).unwrap());
    assert_eq!(bench.answer().body, sdp("our offer"));
    bench.ack(&invite, Some("their answer"));
    assert!(
        bench.has(|event| matches!(event, Event::AnswerReceived { sdp: answer, .. } if *answer == sdp("their answer")))
    );
    assert_eq!(bench.ended, 0);
}

#[test]
fn an_ack_without_the_answer_it_owes_ends_the_call() {
    let invite = incoming_invite(None);
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.answer(sdp("our offer"), now).unwrap());
    bench.ack(&invite, None);
    assert!(matches!(bench.end().by, EndedBy::Protocol(_)));
    assert_eq!(bench.sends(&Method::Bye), 1);
}

#[test]
fn a_rejected_call_says_why_and_owes_nothing() {
    for code in [302, 480, 486, 488, 603] {
        let mut bench = Bench::ringing(incoming_invite(Some("offer")));
        let reason = "Q.850;cause=17;text=\"User busy\"".parse().unwrap();
        bench.act(|session, now| session.reject(status(code), Some(reason), now).unwrap());
        assert_eq!((bench.answer().status, bench.end().by), (status(code), EndedBy::Us));
        assert_eq!(bench.answer().headers.reasons()[0].cause, Some(17));
        bench.assert_released();
    }
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    let refused = bench.act(|session, now| session.reject(StatusCode::OK, None, now));
    assert_eq!(refused, Err(CommandRefused::NotARefusal(StatusCode::OK)));
}

#[test]
fn an_unacceptable_first_offer_is_refused_with_a_warning() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    let warning = "305 phone \"Incompatible media format\"".parse().unwrap();
    bench.act(|session, now| session.refuse_offer(status(488), Some(warning), now).unwrap());
    assert_eq!(
        (bench.answer().status, bench.answer().headers.warnings()[0].code),
        (status(488), 305)
    );
    bench.assert_released();
}

#[test]
fn a_cancel_ends_a_ringing_call_with_487_and_its_reason() {
    let invite = incoming_invite(Some("offer"));
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.ring(now).unwrap());
    let mut cancel = Request {
        method: Method::Cancel,
        ..invite
    };
    cancel
        .headers
        .push(HeaderName::Reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    bench.act(|session, now| session.handle_cancel(ServerKey(1), &cancel, now));
    assert_eq!(bench.statuses(), [180, 487]);
    assert_eq!(
        (bench.end().by, bench.end().reasons[0].cause),
        (EndedBy::Them, Some(200))
    );
    bench.assert_released();
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let invite = incoming_invite(Some("offer"));
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    let cancel = Request {
        method: Method::Cancel,
        ..invite
    };
    bench.act(|session, now| session.handle_cancel(ServerKey(1), &cancel, now));
    assert_eq!((bench.statuses(), bench.ended), (vec![200], 0));
}

#[test]
fn a_bye_before_the_answer_ends_the_call_with_487_to_the_invite() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    let bye = bench.peer_request(Method::Bye, None);
    bench.request(bye);
    let mut statuses = bench.statuses();
    statuses.sort_unstable();
    assert_eq!((statuses, bench.end().by), (vec![200, 487], EndedBy::Them));
    bench.assert_released();
}

#[test]
fn a_bye_instead_of_the_ack_stops_the_200() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    let bye = bench.peer_request(Method::Bye, None);
    bench.request(bye);
    bench.assert_released();
}

#[test]
fn a_flow_that_breaks_while_it_rings_ends_the_call() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    bench.act(|session, now| session.handle_stranded(ServerKey(1), now));
    assert_eq!(bench.end().by, EndedBy::FlowLost);
    bench.assert_released();
}

#[test]
fn ringing_is_repeated_each_minute_and_an_invite_that_expires_is_given_up() {
    let mut invite = incoming_invite(Some("offer"));
    invite.headers.push(HeaderName::Expires, 150);
    let mut bench = Bench::ringing(invite);
    bench.act(|session, now| session.ring(now).unwrap());
    bench.wait(Duration::from_secs(140));
    assert_eq!(bench.statuses(), [180, 180, 180]);
    bench.wait(Duration::from_secs(20));
    assert_eq!(
        (bench.statuses().last(), bench.end().by),
        (Some(&487), EndedBy::Unanswered)
    );
    bench.assert_released();
}

#[test]
fn early_media_is_reliable_where_the_caller_supports_it_and_plain_where_not() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    bench.act(|session, now| session.progress(sdp("early"), now).unwrap());
    assert_eq!(
        (bench.answer().headers.rseq(), bench.answer().body.clone()),
        (None, sdp("early"))
    );

    let mut bench = Bench::ringing(supporting_100rel(Some("offer")));
    bench.act(|session, now| session.ring(now).unwrap());
    assert_eq!(bench.answer().headers.rseq(), None, "a 180 is not worth a PRACK");
    bench.act(|session, now| session.progress(sdp("early"), now).unwrap());
    assert!(bench.answer().headers.requires("100rel"));
    assert_eq!(bench.answer().headers.rseq(), Some(1));

    let mut required = incoming_invite(Some("offer"));
    required.headers.push(HeaderName::Require, "100rel");
    let mut bench = Bench::ringing(required);
    bench.act(|session, now| session.ring(now).unwrap());
    assert!(bench.answer().headers.requires("100rel"), "required for every 1xx");
}

#[test]
fn a_reliable_response_is_repeated_until_its_prack_and_the_200_waits_for_it() {
    let invite = supporting_100rel(Some("offer"));
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.progress(sdp("early"), now).unwrap());
    bench.act(|session, now| session.answer(sdp("early"), now).unwrap());
    bench.wait(Duration::from_millis(3_600));
    assert_eq!(
        bench.statuses(),
        [183, 183, 183, 183],
        "at 0, 0.5, 1.5 and 3.5 s, and no 200"
    );
    let prack = prack_for(&mut bench, &invite, 1, None);
    bench.request(prack);
    assert_eq!(bench.statuses(), [183, 183, 183, 183, 200, 200]);
    let ok = bench.answer();
    assert_eq!(
        (ok.cseq.method.clone(), ok.body.is_empty()),
        (Method::Invite, true),
        "the answer went reliably"
    );
}

#[test]
fn without_prack_the_call_is_refused_after_32_seconds() {
    let mut bench = Bench::ringing(supporting_100rel(Some("offer")));
    bench.act(|session, now| session.progress(sdp("early"), now).unwrap());
    bench.wait(Duration::from_secs(33));
    assert_eq!((bench.answer().status, bench.end().by), (status(504), EndedBy::NoPrack));
    bench.assert_released();
}

#[test]
fn a_prack_for_nothing_is_refused_and_a_second_1xx_waits_for_the_first() {
    let mut required = incoming_invite(Some("offer"));
    required.headers.push(HeaderName::Require, "100rel");
    let mut bench = Bench::ringing(required.clone());
    bench.act(|session, now| session.ring(now).unwrap());
    bench.act(|session, now| session.progress(sdp("early"), now).unwrap());
    assert_eq!(bench.statuses(), [180]);
    let wrong = prack_for(&mut bench, &required, 9, None);
    bench.request(wrong);
    assert_eq!(bench.statuses(), [180, 481]);
    let right = prack_for(&mut bench, &required, 1, None);
    bench.request(right);
    assert_eq!(bench.statuses(), [180, 481, 200, 183]);
    assert_eq!(bench.answer().headers.rseq(), Some(2));
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let invite = supporting_100rel(Some("offer"));
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.progress(sdp("early"), now).unwrap());
    let prack = prack_for(&mut bench, &invite, 1, Some("second offer"));
    bench.clear();
    bench.request(prack);
    assert!(
        bench.has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("second offer")))
    );
    assert!(bench.statuses().is_empty());
    bench.act(|session, now| session.answer_offer(sdp("second answer"), now).unwrap());
    assert_eq!(
        (bench.answer().cseq.method.clone(), bench.answer().body.clone()),
        (Method::Prack, sdp("second answer"))
    );
}

#[test]
fn an_update_before_the_answer_starts_no_session_timer() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    let mut update = bench.peer_request(Method::Update, None);
    update.headers.push(HeaderName::Supported, "timer");
    update.headers.push(HeaderName::SessionExpires, 90);
    bench.request(update);
    assert!(!bench.answer().headers.has(HeaderName::SessionExpires));
    bench.wait(Duration::from_secs(120));
    assert_eq!(bench.ended, 0);
}

#[test]
fn our_offer_in_a_reliable_response_is_answered_by_the_prack() {
    let invite = supporting_100rel(None);
    let mut bench = Bench::ringing(invite.clone());
    bench.act(|session, now| session.progress(sdp("our offer"), now).unwrap());
    assert_eq!(bench.answer().body, sdp("our offer"));
    let prack = prack_for(&mut bench, &invite, 1, Some("their answer"));
    bench.request(prack);
    assert!(bench.has(|event| matches!(event, Event::AnswerReceived { .. })));
    bench.act(|session, now| session.answer(sdp("left out"), now).unwrap());
    assert!(bench.answer().body.is_empty());
}

#[test]
fn where_the_caller_wants_our_offer_and_every_response_reliably_the_ringing_brings_it() {
    let mut invite = incoming_invite(None);
    invite.headers.push(HeaderName::Require, "100rel");
    let mut bench = Bench::ringing(invite);
    let refused = bench.act(|session, now| session.ring(now));
    assert_eq!(
        (refused, bench.responses().len()),
        (Err(CommandRefused::OfferDue), 0),
        "RFC 3262 5"
    );
    bench.act(|session, now| session.ring_with_offer(sdp("our offer"), now).unwrap());
    assert_eq!(
        (bench.answer().status, bench.answer().body.clone()),
        (StatusCode::RINGING, sdp("our offer"))
    );
    bench.act(|session, now| session.ring(now).unwrap());
}

#[test]
fn an_offer_cannot_go_into_an_unreliable_response() {
    let mut bench = Bench::ringing(incoming_invite(None));
    let refused = bench.act(|session, now| session.progress(sdp("our offer"), now));
    assert_eq!(refused, Err(CommandRefused::NoPlaceForOffer));
    assert!(bench.answer().body.is_empty(), "the 183 went out without it");
}
