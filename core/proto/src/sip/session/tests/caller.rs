//! Placing a call: early media, forks, CANCEL, refusals, reliable provisional responses.

use std::time::Duration;

use super::*;
use crate::sip::auth::Retry;
use crate::sip::endpoint::Failure;
use crate::sip::session::EndedBy;

#[test]
fn the_invite_says_all_that_the_other_side_needs() {
    let mut dial = dial_of("alice", Some(sdp("offer")));
    dial.routes = vec!["<sip:edge.example.org;lr>".parse().unwrap()];
    dial.headers.push(HeaderName::Privacy, "id");
    let mut bench = Bench::new(Session::dial(dial, &mut Random::seeded(1)));
    let (_, invite) = bench.sent(Method::Invite);
    let header = |name| invite.headers.get(name).unwrap_or_default().to_owned();
    assert_eq!(invite.uri.to_string(), "sip:bob@example.org");
    assert_eq!((invite.from.tag().is_some(), invite.to.tag()), (true, None));
    assert_eq!(header(HeaderName::Route), "<sip:edge.example.org;lr>");
    assert_eq!(header(HeaderName::Contact), "<sip:alice@192.0.2.1>");
    assert_eq!(header(HeaderName::Supported), "100rel, timer");
    assert_eq!(header(HeaderName::SessionExpires), "1800");
    assert_eq!(header(HeaderName::Privacy), "id");
    assert!(header(HeaderName::Allow).contains("UPDATE"));
    assert_eq!(invite.body, sdp("offer"));
}

#[test]
fn early_media_of_each_branch_is_reported_with_its_dialog_and_the_answerer_wins() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply_sdp(&invite, 183, "b", "early b"));
    bench.response(id, &reply_sdp(&invite, 183, "c", "early c"));
    bench.response(id, &reply_sdp(&invite, 183, "c", "early c"));
    let early: Vec<_> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::EarlyAnswer {
                sdp,
                dialog,
                reliable: false,
            } => Some((sdp.clone(), dialog.remote_tag.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(
        early,
        [(sdp("early b"), "b".to_owned()), (sdp("early c"), "c".to_owned())]
    );
    bench.response(id, &reply_sdp(&invite, 200, "c", "answer c"));
    assert!(
        bench.has(|event| matches!(event, Event::Answered { dialog, sdp: Some(answer) }
        if dialog.remote_tag == "c" && *answer == sdp("answer c")))
    );
    assert_eq!(bench.session.dialog().unwrap().remote_tag, "c");
}

#[test]
fn a_second_branch_that_answers_is_acknowledged_and_hung_up() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply_sdp(&invite, 200, "b", "answer b"));
    bench.clear();
    bench.response(id, &reply_sdp(&invite, 200, "c", "answer c"));
    assert_eq!(bench.acks()[0].to.tag(), Some("c"));
    let (bye_id, bye) = bench.sent(Method::Bye);
    assert_eq!(bye.to.tag(), Some("c"));
    assert!(
        bench.events().is_empty(),
        "the call with b goes on: {:?}",
        bench.events()
    );
    bench.response(bye_id, &Response::to(&bye, StatusCode::OK));
    bench.clear();
    bench.response(id, &reply_sdp(&invite, 200, "c", "answer c"));
    assert_eq!(
        (bench.acks().len(), bench.sends(&Method::Bye)),
        (1, 0),
        "a repeated 2xx is only acknowledged"
    );
    assert_eq!(bench.ended, 0);
}

#[test]
fn a_branch_that_answers_after_the_call_is_over_is_hung_up_before_the_session_is_released() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply_sdp(&invite, 200, "b", "answer"));
    bench.act(|session, now| session.hangup(None, now));
    let (bye_id, bye) = bench.sent(Method::Bye);
    bench.response(bye_id, &Response::to(&bye, StatusCode::OK));
    assert_eq!((bench.ended, bench.released), (1, 0));
    bench.clear();
    bench.response(id, &reply_sdp(&invite, 200, "c", "answer"));
    assert_eq!(bench.acks().len(), 1);
    let (bye_id, bye) = bench.sent(Method::Bye);
    bench.response(bye_id, &Response::to(&bye, StatusCode::OK));
    bench.wait(Duration::from_secs(33));
    bench.assert_released();
}

#[test]
fn every_repeated_2xx_gets_the_same_ack() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    let ok = reply_sdp(&invite, 200, "b", "answer");
    for _ in 0..3 {
        bench.response(id, &ok);
    }
    let acks = bench.acks();
    assert_eq!(acks.len(), 3);
    assert!(acks.iter().all(|ack| *ack == acks[0] && ack.cseq == invite.cseq));
}

#[test]
fn an_offer_in_the_2xx_delays_the_ack_until_it_is_answered() {
    let (mut bench, id, invite) = Bench::dialling(None);
    let ok = reply_sdp(&invite, 200, "b", "their offer");
    bench.response(id, &ok);
    bench.response(id, &ok);
    assert!(bench.acks().is_empty());
    assert!(
        bench.has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("their offer")))
    );
    bench.act(|session, now| session.answer_offer(sdp("our answer"), now).unwrap());
    bench.response(id, &ok);
    assert_eq!(
        bench.acks().iter().map(|ack| ack.body.clone()).collect::<Vec<_>>(),
        [sdp("our answer"), sdp("our answer")]
    );
}

#[test]
fn an_offer_in_the_2xx_that_is_refused_is_still_acknowledged_and_the_call_hung_up() {
    let (mut bench, id, invite) = Bench::dialling(None);
    bench.response(id, &reply_sdp(&invite, 200, "b", "their offer"));
    bench.act(|session, now| session.refuse_offer(status(488), None, now).unwrap());
    assert_eq!(bench.acks().len(), 1);
    assert_eq!(bench.sends(&Method::Bye), 1);
    assert_eq!((bench.end().by, bench.end().status), (EndedBy::Us, Some(status(488))));
}

#[test]
fn a_2xx_without_answer_ends_the_call_unless_an_early_answer_came() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply(&invite, 200, "b"));
    assert!(matches!(bench.end().by, EndedBy::Protocol(_)));
    assert_eq!((bench.acks().len(), bench.sends(&Method::Bye)), (1, 1));

    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply_sdp(&invite, 183, "b", "early"));
    bench.response(id, &reply(&invite, 200, "b"));
    assert!(bench.has(|event| matches!(event, Event::Answered { sdp: Some(answer), .. } if *answer == sdp("early"))));
    assert_eq!(bench.ended, 0);
}

#[test]
fn a_cancelled_call_ends_at_once_and_is_released_when_its_487_comes() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply(&invite, 180, "b"));
    bench.act(|session, now| session.cancel(None, now).unwrap());
    assert!(bench.out.contains(&Output::Cancel { id, reason: None }));
    assert_eq!((bench.end().by, bench.released), (EndedBy::Us, 0));
    bench.response(id, &reply(&invite, 487, "b"));
    bench.assert_released();
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply(&invite, 180, "b"));
    bench.act(|session, now| session.hangup(None, now));
    bench.response(id, &reply_sdp(&invite, 200, "b", "answer"));
    assert_eq!(bench.acks().len(), 1);
    let (bye_id, bye) = bench.sent(Method::Bye);
    assert!(!bench.has(|event| matches!(event, Event::Answered { .. })));
    bench.response(bye_id, &Response::to(&bye, StatusCode::OK));
    bench.wait(Duration::from_secs(33));
    bench.assert_released();
}

#[test]
fn a_refusal_brings_its_status_reasons_warnings_and_targets() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    let mut moved = Response::to(&invite, status(305)).with_to_tag("b");
    moved.headers.push(
        HeaderName::Contact,
        "<sip:carol@example.org>;q=0.8, <sip:dave@example.org>",
    );
    moved.headers.push(HeaderName::Reason, "Q.850;cause=16;text=\"Normal\"");
    moved.headers.push(HeaderName::Warning, "399 pbx \"Forwarded\"");
    bench.response(id, &moved);
    let end = bench.end().clone();
    assert_eq!((end.by, end.status), (EndedBy::Them, Some(status(305))));
    assert_eq!(
        end.targets
            .iter()
            .map(|target| target.uri.to_string())
            .collect::<Vec<_>>(),
        ["sip:carol@example.org", "sip:dave@example.org"]
    );
    assert_eq!((end.reasons[0].cause, end.warnings[0].code), (Some(16), 399));
    bench.assert_released();
}

#[test]
fn every_final_refusal_ends_the_call_once() {
    for code in [300, 403, 404, 408, 480, 481, 486, 488, 491, 500, 503, 600, 603] {
        let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
        bench.response(id, &reply(&invite, 180, "b"));
        bench.response(id, &Response::to(&invite, status(code)).with_to_tag("b"));
        assert_eq!(bench.end().status, Some(status(code)));
        bench.assert_released();
    }
}

#[test]
fn silence_and_a_broken_flow_end_the_call_with_their_own_cause() {
    for (failure, by) in [
        (Failure::Timeout, EndedBy::NoResponse),
        (Failure::FlowLost, EndedBy::FlowLost),
    ] {
        let (mut bench, id, _) = Bench::dialling(Some(sdp("offer")));
        bench.act(|session, now| session.handle_failed(id, failure, now));
        assert_eq!(bench.end().by, by);
        bench.assert_released();
    }
}

#[test]
fn a_422_is_followed_with_the_interval_it_demands() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    let mut too_small = Response::to(&invite, status(422));
    too_small.headers.push(HeaderName::MinSe, 3600);
    bench.response(id, &too_small);
    let (_, again) = bench.sent(Method::Invite);
    assert_eq!((again.cseq, again.call_id == invite.call_id), (invite.cseq + 1, true));
    assert_eq!(
        (
            again.headers.session_expires().unwrap().interval,
            again.headers.min_se()
        ),
        (3600, Some(3600))
    );
    assert_eq!(bench.ended, 0);
}

#[test]
fn a_challenge_is_the_owners_and_the_ack_carries_the_credentials() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    let challenge = Response::to(&invite, status(407)).with_to_tag("proxy");
    bench.response(id, &challenge);
    assert!(bench.out.contains(&Output::Challenge {
        id,
        response: challenge
    }));
    let new =
        bench.act(|session, now| session.retry_with(id, &Retry::of(HeaderName::ProxyAuthorization, "Digest x"), now));
    let (sent, again) = bench.sent(Method::Invite);
    assert_eq!(
        (Some(sent), again.cseq, again.body.clone()),
        (new, invite.cseq + 1, sdp("offer"))
    );
    assert_eq!(again.headers.get(HeaderName::ProxyAuthorization), Some("Digest x"));
    bench.response(sent, &reply_sdp(&again, 200, "b", "answer"));
    assert_eq!(
        bench.acks()[0].headers.get(HeaderName::ProxyAuthorization),
        Some("Digest x")
    );
    assert_eq!(bench.acks()[0].cseq, again.cseq);
}

#[test]
fn of_several_places_the_preferred_is_called_first_and_each_once() {
    let (mut bench, mut id, mut invite) = Bench::dialling(Some(sdp("offer")));
    let mut called = Vec::new();
    loop {
        let mut moved = Response::to(&invite, status(300)).with_to_tag("b");
        let places = "<sip:carol@example.org>;q=0.8, <sip:dave@example.org>, <sip:erin@example.org>;q=0.9";
        moved.headers.push(HeaderName::Contact, places);
        bench.response(id, &moved);
        if bench.ended > 0 {
            break;
        }
        (id, invite) = bench.sent(Method::Invite);
        called.push(invite.uri.to_string());
    }
    assert_eq!(
        called,
        ["sip:dave@example.org", "sip:erin@example.org", "sip:carol@example.org"]
    );
    bench.assert_released();
}

#[test]
fn an_invite_that_is_asked_for_anew_leaves_its_counted_password_behind() {
    for (code, name, value) in [
        (422, HeaderName::MinSe, "3600"),
        (302, HeaderName::Contact, "<sip:carol@example.org>"),
    ] {
        let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
        bench.response(id, &Response::to(&invite, status(407)));
        let retry = Retry::of(HeaderName::ProxyAuthorization, "Digest x");
        bench.act(|session, now| session.retry_with(id, &retry, now));
        let (id, again) = bench.sent(Method::Invite);
        let mut elsewhere = Response::to(&again, status(code)).with_to_tag("b");
        elsewhere.headers.push(name, value);
        bench.response(id, &elsewhere);
        let (_, anew) = bench.sent(Method::Invite);
        assert_eq!((anew.cseq, anew.body), (again.cseq + 1, sdp("offer")));
        assert!(!anew.headers.has(HeaderName::ProxyAuthorization), "{code}");
    }
}

#[test]
fn a_challenge_that_is_given_up_or_outlived_ends_the_call() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &Response::to(&invite, status(401)));
    bench.act(|session, now| session.give_up(id, now));
    assert_eq!(bench.end().status, Some(status(401)));
    bench.assert_released();

    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &Response::to(&invite, status(401)));
    bench.act(|session, now| session.hangup(None, now));
    bench.assert_released();
    assert_eq!(
        bench.act(|session, now| session.retry_with(id, &Retry::of(HeaderName::Authorization, "x"), now)),
        None
    );
}

#[test]
fn a_challenged_bye_is_answered_even_after_the_end() {
    let mut bench = Bench::talking();
    bench.act(|session, now| session.hangup(None, now));
    let (id, bye) = bench.sent(Method::Bye);
    bench.response(id, &Response::to(&bye, status(407)));
    bench.act(|session, now| {
        session
            .retry_with(id, &Retry::of(HeaderName::ProxyAuthorization, "Digest x"), now)
            .unwrap()
    });
    let (id, again) = bench.sent(Method::Bye);
    assert_eq!(again.cseq, bye.cseq + 1);
    bench.response(id, &Response::to(&again, StatusCode::OK));
    bench.wait(Duration::from_secs(33));
    bench.assert_released();
}

#[test]
fn reliable_responses_are_acknowledged_once_and_in_order() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reliable(&invite, 5, Some("early")));
    let (_, prack) = bench.sent(Method::Prack);
    assert_eq!(
        prack.headers.get(HeaderName::RAck),
        Some(format!("5 {} INVITE", invite.cseq).as_str())
    );
    assert!(bench.has(|event| matches!(event, Event::EarlyAnswer { reliable: true, .. })));
    bench.response(id, &reliable(&invite, 5, Some("early")));
    bench.response(id, &reliable(&invite, 7, None));
    assert_eq!(
        bench.sends(&Method::Prack),
        0,
        "neither a repetition nor one before its turn"
    );
    bench.response(id, &reliable(&invite, 6, None));
    let (_, second) = bench.sent(Method::Prack);
    assert_eq!(second.cseq, prack.cseq + 1);
    bench.response(id, &reply_sdp(&invite, 200, "b", "another"));
    assert!(
        bench.has(|event| matches!(event, Event::Answered { sdp: None, .. })),
        "the reliable answer holds"
    );
}

#[test]
fn a_prack_that_was_lost_is_sent_anew_when_the_response_is_repeated() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reliable(&invite, 1, Some("early")));
    let (prack, _) = bench.sent(Method::Prack);
    bench.act(|session, now| session.handle_failed(prack, Failure::FlowLost, now));
    bench.response(id, &reliable(&invite, 1, Some("early")));
    assert_eq!(bench.sends(&Method::Prack), 1);
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_the_prack() {
    let (mut bench, id, invite) = Bench::dialling(None);
    bench.response(id, &reliable(&invite, 1, Some("their offer")));
    assert_eq!(bench.sends(&Method::Prack), 0);
    bench.act(|session, now| session.answer_offer(sdp("our answer"), now).unwrap());
    let (_, prack) = bench.sent(Method::Prack);
    assert_eq!(prack.body, sdp("our answer"));
}

#[test]
fn a_bye_of_the_callee_ends_the_call_even_if_its_200_is_still_on_the_way() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply(&invite, 180, "b"));
    let mut bye = Request::new(
        Method::Bye,
        invite.uri.clone(),
        invite.to.clone().with_tag("b"),
        invite.from.clone(),
        invite.call_id.clone(),
        1,
    );
    bye.headers.push(HeaderName::Reason, "Q.850;cause=31");
    bench.request(bye);
    assert_eq!((bench.answer().status, bench.end().by), (StatusCode::OK, EndedBy::Them));
    assert_eq!(bench.end().reasons[0].cause, Some(31));
    bench.clear();
    bench.response(id, &reply_sdp(&invite, 200, "b", "answer"));
    assert_eq!(bench.acks().len(), 1, "the late 200 is acknowledged");
}
