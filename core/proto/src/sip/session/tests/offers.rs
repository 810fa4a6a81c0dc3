//! Offers within a call: re-INVITE and UPDATE, who may when, and what happens when both do.

use std::time::Duration;

use super::*;
use crate::sip::auth::Retry;
use crate::sip::endpoint::Failure;
use crate::sip::session::EndedBy;

fn offering(bench: &mut Bench) -> (RequestId, Request) {
    bench.act(|session, now| session.offer(&sdp("hold"), now).unwrap());
    bench.sent(Method::Invite)
}

fn refused(bench: &Bench) -> Option<(u16, bool)> {
    bench.events().into_iter().rev().find_map(|event| match event {
        Event::OfferRefused { status, retrying, .. } => Some((status.code(), *retrying)),
        _ => None,
    })
}

#[test]
fn hold_and_resume_are_offers_that_come_back_as_answers() {
    let mut bench = Bench::talking();
    for name in ["hold", "resume"] {
        bench.act(|session, now| session.offer(&sdp(name), now).unwrap());
        let (id, reinvite) = bench.sent(Method::Invite);
        assert_eq!(reinvite.body, sdp(name));
        bench.response(id, &reply_sdp(&reinvite, 200, "b", "yes"));
        assert!(bench.has(|event| matches!(event, Event::AnswerReceived { sdp: answer, .. } if *answer == sdp("yes"))));
        assert_eq!(bench.acks()[0].cseq, reinvite.cseq);
        bench.clear();
    }
}

#[test]
fn a_2xx_that_is_repeated_after_the_call_is_over_is_acknowledged_for_64_t1() {
    let mut bench = Bench::talking();
    bench.wait(Duration::from_secs(60));
    let (id, reinvite) = offering(&mut bench);
    let success = reply_sdp(&reinvite, 200, "b", "held");
    bench.response(id, &success);
    bench.act(|session, now| session.hangup(None, now));
    let (bye_id, bye) = bench.sent(Method::Bye);
    bench.response(bye_id, &reply(&bye, 480, "b"));
    assert_eq!((bench.ended, bench.released), (1, 0), "the other side may lack our ACK");
    bench.clear();
    bench.wait(Duration::from_secs(31));
    bench.response(id, &success);
    assert_eq!(bench.acks().len(), 1);
    bench.wait(Duration::from_secs(1));
    bench.assert_released();
}

#[test]
fn a_2xx_that_comes_again_after_the_next_offer_is_acknowledged_too() {
    let mut bench = Bench::talking();
    let (id, hold) = offering(&mut bench);
    let success = reply_sdp(&hold, 200, "b", "held");
    bench.response(id, &success);
    let (next, again) = offering(&mut bench);
    bench.response(next, &reply_sdp(&again, 200, "b", "held"));
    bench.clear();
    bench.response(id, &success);
    assert_eq!(bench.acks().first().map(|ack| ack.cseq), Some(hold.cseq));
}

#[test]
fn the_other_sides_hold_is_answered_by_the_owner_and_acknowledged() {
    let mut bench = Bench::answered();
    let reinvite = bench.peer_request(Method::Invite, Some("hold"));
    bench.request(reinvite.clone());
    assert!(bench.has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("hold"))));
    bench.act(|session, now| session.answer_offer(sdp("held"), now).unwrap());
    assert_eq!(
        (bench.answer().status, bench.answer().body.clone()),
        (StatusCode::OK, sdp("held"))
    );
    bench.ack(&reinvite, None);
    bench.clear();
    bench.wait(Duration::from_secs(10));
    assert!(bench.out.is_empty(), "{:?}", bench.out);
}

#[test]
fn a_reinvite_without_offer_asks_for_ours() {
    let mut bench = Bench::answered();
    let reinvite = bench.peer_request(Method::Invite, None);
    bench.request(reinvite.clone());
    assert!(bench.has(|event| *event == Event::OfferRequested));
    bench.act(|session, now| session.answer_offer(sdp("our offer"), now).unwrap());
    assert_eq!(bench.answer().body, sdp("our offer"));
    bench.ack(&reinvite, Some("their answer"));
    assert!(bench.has(|event| matches!(event, Event::AnswerReceived { .. })));
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    let mut refusal = Response::to(&reinvite, status(488));
    refusal.headers.push(HeaderName::Warning, "305 pbx \"no\"");
    bench.response(id, &refusal);
    assert!(bench.has(
        |event| matches!(event, Event::OfferRefused { retrying: false, warnings, .. } if warnings[0].code == 305)
    ));
    assert_eq!((bench.ended, bench.session.phase()), (0, Phase::Confirmed));

    let reinvite = bench.peer_request(Method::Invite, Some("theirs"));
    bench.request(reinvite);
    bench.act(|session, now| session.refuse_offer(status(488), None, now).unwrap());
    assert_eq!((bench.answer().status, bench.ended), (status(488), 0));
    bench.act(|session, now| session.offer(&sdp("again"), now).unwrap());
    assert_eq!(
        bench.sends(&Method::Invite),
        1,
        "nothing stands in the way of the next offer"
    );
}

#[test]
fn after_a_491_the_caller_waits_2_to_4_seconds_and_the_callee_up_to_2() {
    for seed in 0..30 {
        let session = Session::dial(dial_of("alice", Some(sdp("offer"))), &mut Random::seeded(seed));
        let mut bench = Bench::new(session);
        let (id, invite) = bench.sent(Method::Invite);
        bench.response(id, &reply_sdp(&invite, 200, "b", "answer"));
        let (id, reinvite) = offering(&mut bench);
        bench.response(id, &Response::to(&reinvite, status(491)));
        assert_eq!(refused(&bench), Some((491, true)));
        bench.wait(Duration::from_millis(2_090));
        assert_eq!(bench.sends(&Method::Invite), 0, "too early");
        bench.wait(Duration::from_millis(1_920));
        let (_, again) = bench.sent(Method::Invite);
        assert_eq!(again.body, sdp("hold"));
    }
    let mut bench = Bench::answered();
    let (id, reinvite) = offering(&mut bench);
    bench.response(id, &Response::to(&reinvite, status(491)));
    bench.wait(Duration::from_millis(2_010));
    assert_eq!(bench.sends(&Method::Invite), 1);
}

#[test]
fn a_reinvite_that_crosses_ours_gets_491() {
    let mut bench = Bench::talking();
    offering(&mut bench);
    let theirs = bench.peer_request(Method::Invite, Some("theirs"));
    bench.request(theirs);
    assert_eq!(bench.answer().status, status(491));
    let update = bench.peer_request(Method::Update, Some("theirs"));
    bench.request(update);
    assert_eq!(bench.answer().status, status(491));
}

#[test]
fn a_second_offer_before_the_first_is_answered_gets_500_and_a_retry_after() {
    for second in [Method::Invite, Method::Update] {
        let mut bench = Bench::answered();
        let first = bench.peer_request(Method::Invite, Some("first"));
        bench.request(first);
        let second = bench.peer_request(second, Some("second"));
        bench.request(second);
        assert_eq!(bench.answer().status, status(500));
        assert!(
            bench
                .answer()
                .headers
                .retry_after()
                .is_some_and(|seconds| seconds <= 10)
        );
    }
}

#[test]
fn an_offer_that_went_where_the_other_side_is_no_more_is_sent_again() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    let info = bench.peer_request(Method::Info, None);
    bench.request(info);
    bench.response(id, &Response::to(&reinvite, status(408)));
    assert_eq!((refused(&bench), bench.ended), (Some((408, true)), 0));
    let (_, again) = bench.sent(Method::Invite);
    assert_eq!(again.body, reinvite.body);
}

#[test]
fn an_offer_that_a_later_request_overtook_is_sent_again() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    bench.act(|session, now| session.probe(now).unwrap());
    bench.response(id, &Response::to(&reinvite, status(500)));
    assert_eq!(refused(&bench), Some((500, true)));
    let (_, again) = bench.sent(Method::Invite);
    assert!(again.cseq > reinvite.cseq.saturating_add(1));
    assert_eq!(again.body, reinvite.body);
}

#[test]
fn a_500_with_retry_after_is_waited_out_and_one_without_is_not() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    let mut busy = Response::to(&reinvite, status(500));
    busy.headers.push(HeaderName::RetryAfter, 5);
    bench.response(id, &busy);
    bench.wait(Duration::from_millis(4_990));
    assert_eq!(bench.sends(&Method::Invite), 0);
    bench.wait(Duration::from_millis(20));
    let (id, reinvite) = bench.sent(Method::Invite);
    bench.response(id, &Response::to(&reinvite, status(500)));
    assert_eq!(refused(&bench), Some((500, false)));
}

#[test]
fn an_offer_is_not_tried_for_ever() {
    let mut bench = Bench::talking();
    bench.act(|session, now| session.offer(&sdp("hold"), now).unwrap());
    for _ in 0..6 {
        let (id, reinvite) = bench.sent(Method::Invite);
        bench.response(id, &Response::to(&reinvite, status(491)));
        bench.wait(Duration::from_secs(5));
    }
    assert_eq!((refused(&bench), bench.sends(&Method::Invite)), (Some((491, false)), 0));
}

#[test]
fn a_broken_flow_in_a_call_delays_the_offer_and_does_not_end_the_call() {
    let mut bench = Bench::talking();
    let (id, _) = offering(&mut bench);
    bench.act(|session, now| session.handle_failed(id, Failure::FlowLost, now));
    assert_eq!((refused(&bench), bench.ended), (Some((503, true)), 0));
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.sends(&Method::Invite), 1);
}

#[test]
fn a_later_wish_replaces_the_one_that_waits() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    bench.act(|session, now| session.offer(&sdp("second"), now).unwrap());
    bench.act(|session, now| session.offer(&sdp("third"), now).unwrap());
    assert_eq!(bench.sends(&Method::Invite), 0, "one INVITE at a time");
    bench.response(id, &reply_sdp(&reinvite, 200, "b", "yes"));
    let (_, next) = bench.sent(Method::Invite);
    assert_eq!(next.body, sdp("third"));
}

#[test]
fn an_offer_that_waits_is_given_back_when_the_other_sides_overtakes_it() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    bench.response(id, &Response::to(&reinvite, status(491)));
    let theirs = bench.peer_request(Method::Invite, Some("theirs"));
    bench.request(theirs);
    bench.act(|session, now| session.answer_offer(sdp("answer"), now).unwrap());
    assert_eq!(refused(&bench), Some((491, false)));
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.sends(&Method::Invite), 0, "a stale description is not sent");
}

#[test]
fn a_cancelled_reinvite_is_withdrawn_and_the_call_goes_on() {
    let mut bench = Bench::answered();
    let reinvite = bench.peer_request(Method::Invite, Some("hold"));
    let key = bench.request(reinvite.clone());
    let cancel = Request {
        method: Method::Cancel,
        ..reinvite
    };
    bench.act(|session, now| session.handle_cancel(key, &cancel, now));
    assert_eq!((bench.answer().status, bench.ended), (status(487), 0));
    assert!(bench.has(|event| *event == Event::OfferWithdrawn));
    let again = bench.peer_request(Method::Invite, Some("hold"));
    bench.clear();
    bench.request(again);
    assert!(bench.has(|event| matches!(event, Event::OfferReceived { .. })));
}

#[test]
fn a_reinvite_before_the_ack_counts_as_ack_unless_that_owes_an_answer() {
    let mut bench = Bench::ringing(incoming_invite(Some("offer")));
    bench.act(|session, now| session.answer(sdp("answer"), now).unwrap());
    let reinvite = bench.peer_request(Method::Invite, Some("hold"));
    bench.request(reinvite);
    assert!(bench.has(|event| *event == Event::Confirmed));
    assert!(bench.has(|event| matches!(event, Event::OfferReceived { sdp: offer, .. } if *offer == sdp("hold"))));

    let mut bench = Bench::ringing(incoming_invite(None));
    bench.act(|session, now| session.answer(sdp("our offer"), now).unwrap());
    let reinvite = bench.peer_request(Method::Invite, Some("hold"));
    bench.request(reinvite);
    assert_eq!(bench.answer().status, status(491));
}

#[test]
fn an_update_with_an_offer_is_answered_in_its_200_and_one_without_at_once() {
    let mut bench = Bench::answered();
    let update = bench.peer_request(Method::Update, None);
    bench.request(update);
    assert_eq!(
        (bench.answer().status, bench.answer().body.is_empty()),
        (StatusCode::OK, true)
    );
    let update = bench.peer_request(Method::Update, Some("theirs"));
    bench.clear();
    bench.request(update);
    assert!(bench.statuses().is_empty());
    bench.act(|session, now| session.answer_offer(sdp("ours"), now).unwrap());
    assert_eq!(
        (bench.answer().cseq.method.clone(), bench.answer().body.clone()),
        (Method::Update, sdp("ours"))
    );
}

#[test]
fn a_new_contact_in_an_update_moves_the_remote_target() {
    let mut bench = Bench::answered();
    let mut update = bench.peer_request(Method::Update, None);
    update.headers.set(HeaderName::Contact, "<sip:alice@198.51.100.7>");
    bench.request(update);
    assert!(
        bench.has(
            |event| matches!(event, Event::RemoteTargetChanged(uri) if uri.to_string() == "sip:alice@198.51.100.7")
        )
    );
    bench.act(|session, now| session.hangup(None, now));
    assert_eq!(bench.sent(Method::Bye).1.uri.to_string(), "sip:alice@198.51.100.7");
}

#[test]
fn an_early_update_waits_for_the_answer_and_falls_back_to_the_invite() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reply(&invite, 180, "b"));
    bench.act(|session, now| session.offer(&sdp("moved"), now).unwrap());
    assert_eq!(bench.sends(&Method::Update), 0, "our first offer is still open");
    bench.response(id, &reliable(&invite, 1, Some("early")));
    let (update_id, update) = bench.sent(Method::Update);
    assert_eq!(update.body, sdp("moved"));
    bench.response(update_id, &Response::to(&update, status(501)));
    assert_eq!(bench.sends(&Method::Update), 0);
    bench.response(id, &reply(&invite, 200, "b"));
    let (_, reinvite) = bench.sent(Method::Invite);
    assert_eq!(reinvite.body, sdp("moved"));
}

#[test]
fn a_200_that_repeats_the_answer_while_our_update_is_open_does_not_disturb_it() {
    let (mut bench, id, invite) = Bench::dialling(Some(sdp("offer")));
    bench.response(id, &reliable(&invite, 1, Some("early")));
    bench.act(|session, now| session.offer(&sdp("moved"), now).unwrap());
    let (update_id, update) = bench.sent(Method::Update);
    bench.response(id, &reply_sdp(&invite, 200, "b", "early"));
    assert_eq!((bench.session.phase(), bench.acks().len()), (Phase::Confirmed, 1));
    bench.response(update_id, &reply_sdp(&update, 200, "b", "seen"));
    assert!(bench.has(|event| matches!(event, Event::AnswerReceived { sdp: answer, .. } if *answer == sdp("seen"))));
    assert_eq!(bench.ended, 0);
}

#[test]
fn a_408_or_481_within_the_call_ends_it() {
    for (code, byes) in [(481, 0), (408, 1)] {
        let mut bench = Bench::talking();
        let (id, reinvite) = offering(&mut bench);
        bench.response(id, &Response::to(&reinvite, status(code)));
        assert_eq!((bench.end().by, bench.sends(&Method::Bye)), (EndedBy::Gone, byes));
    }
    let mut bench = Bench::talking();
    let (id, _) = offering(&mut bench);
    bench.act(|session, now| session.handle_failed(id, Failure::Timeout, now));
    assert_eq!(bench.end().by, EndedBy::Gone);
}

#[test]
fn a_200_to_a_reinvite_that_crosses_our_bye_is_still_acknowledged() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    bench.act(|session, now| session.hangup(None, now));
    assert!(bench.out.contains(&Output::Cancel { id, reason: None }));
    let (bye_id, bye) = bench.sent(Method::Bye);
    bench.response(bye_id, &Response::to(&bye, StatusCode::OK));
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.released, 0, "the INVITE has no final response yet");
    bench.response(id, &reply_sdp(&reinvite, 200, "b", "yes"));
    assert_eq!(bench.acks().len(), 1);
    bench.wait(Duration::from_secs(32));
    bench.assert_released();
}

#[test]
fn an_invite_answered_in_a_reliable_1xx_still_holds_back_the_next_one() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    bench.response(id, &reliable(&reinvite, 1, Some("yes")));
    bench.act(|session, now| session.offer(&sdp("resume"), now).unwrap());
    assert_eq!(bench.sends(&Method::Invite), 0, "one INVITE at a time (RFC 3261 14.1)");
    bench.response(id, &reply(&reinvite, 200, "b"));
    assert_eq!(bench.sends(&Method::Invite), 1);
}

#[test]
fn a_challenged_reinvite_goes_on_under_its_new_name() {
    let mut bench = Bench::talking();
    let (id, reinvite) = offering(&mut bench);
    bench.response(id, &Response::to(&reinvite, status(401)));
    bench.act(|session, now| {
        session
            .retry_with(id, &Retry::of(HeaderName::Authorization, "Digest x"), now)
            .unwrap()
    });
    let (id, again) = bench.sent(Method::Invite);
    assert_eq!((again.cseq, again.body.clone()), (reinvite.cseq + 1, sdp("hold")));
    bench.response(id, &reply_sdp(&again, 200, "b", "yes"));
    assert!(bench.has(|event| matches!(event, Event::AnswerReceived { .. })));
    bench.act(|session, now| session.offer(&sdp("resume"), now).unwrap());
    assert_eq!(bench.sends(&Method::Invite), 1);
}
