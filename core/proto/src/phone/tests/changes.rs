//! Calls that change: hold, resume, offers of both sides, a path that moves, tones.

use super::*;

fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

#[test]
fn a_call_is_held_and_resumed_by_us_and_the_far_end_follows() {
    let (mut bench, call, _) = talking();
    bench.command(Command::Hold { call: None }).unwrap();
    let hold = bench.request(Method::Invite);
    assert!(body(&hold).contains("a=sendonly"));
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    bench.request(Method::Ack);
    assert_eq!(
        (bench.call(call).state, bench.call(call).held_by),
        (CallState::Held, HeldBy::Us)
    );
    assert_eq!(
        bench.command(Command::Hold { call: None }),
        Err(Refused::WrongState("held"))
    );
    bench.command(Command::Resume { call: None }).unwrap();
    let resume = bench.request(Method::Invite);
    assert!(!body(&resume).contains("a=sendonly"));
    bench.reply(&resume, 200, "b", Some(ANSWER));
    bench.request(Method::Ack);
    assert_eq!(bench.states(), [CallState::Held, CallState::Active]);
}

#[test]
fn the_far_end_holds_by_direction_or_by_a_zero_address_and_both_can_hold() {
    for hold in [
        described("sendonly"),
        ANSWER.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0"),
    ] {
        let (mut bench, call, dialog) = talking();
        let mut request = bench.inside(Method::Invite, &dialog, 1);
        request.set_body("application/sdp", hold);
        bench.ask(&request);
        let ok = bench.final_response();
        assert_eq!(ok.status, StatusCode::OK);
        let ack = bench.inside(Method::Ack, &dialog, 1);
        bench.ask(&ack);
        assert_eq!(bench.call(call).held_by, HeldBy::Them);
        bench.command(Command::Hold { call: None }).unwrap();
        let ours = bench.request(Method::Invite);
        bench.reply(&ours, 200, "b", Some(&described("inactive")));
        assert_eq!(bench.call(call).held_by, HeldBy::Both);
    }
}

#[test]
fn a_hold_that_is_refused_leaves_the_call_as_it_was_and_says_so() {
    let (mut bench, call, _) = talking();
    bench.command(Command::Hold { call: None }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 488, "b", None);
    bench.request(Method::Ack);
    assert_eq!(bench.call(call).held_by, HeldBy::None);
    assert!(bench.says_nothing(), "it is not asked again");
    assert_eq!(
        bench.warnings(),
        ["The call could not be put on hold: the PBX refused it (488)."]
    );
}

#[test]
fn a_hold_while_the_connection_is_gone_is_made_good_when_it_is_back() {
    let (mut bench, call, _) = talking();
    bench.lose_flow_for_good();
    bench.command(Command::Hold { call: None }).unwrap();
    assert!(bench.says_nothing());
    bench.reachable = vec![Transport::Tls];
    bench.input(Input::NetworkChanged);
    bench.run(SECOND * 10);
    let (hold, flow) = bench.request_and_flow(Method::Invite);
    assert_eq!(flow, bench.flow);
    assert!(body(&hold).contains("a=sendonly"));
    assert_eq!(hold.headers.contacts().first().unwrap().uri, bench.contact());
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    assert_eq!(bench.call(call).held_by, HeldBy::Us);
    assert!(bench.warnings().is_empty());
}

#[test]
fn offers_that_cross_are_both_refused_and_ours_comes_again() {
    let (mut bench, call, dialog) = talking();
    bench.command(Command::Hold { call: None }).unwrap();
    let ours = bench.request(Method::Invite);
    let mut theirs = bench.inside(Method::Invite, &dialog, 1);
    theirs.set_body("application/sdp", described("sendrecv"));
    bench.ask(&theirs);
    assert_eq!(bench.final_response().status.code(), 491);
    bench.reply(&ours, 491, "b", None);
    bench.request(Method::Ack);
    assert!(bench.says_nothing());
    bench.run(SECOND * 4);
    let again = bench.request(Method::Invite);
    assert!(body(&again).contains("a=sendonly"));
    bench.reply(&again, 200, "b", Some(&described("recvonly")));
    assert_eq!(bench.call(call).held_by, HeldBy::Us);
    assert_eq!(bench.warnings(), [""; 0]);
}

#[test]
fn a_reinvite_without_an_offer_gets_ours_and_its_answer_counts() {
    let (mut bench, _, dialog) = talking();
    let request = bench.inside(Method::Invite, &dialog, 1);
    bench.ask(&request);
    let ok = bench.final_response();
    assert!(std::str::from_utf8(&ok.body).unwrap().contains("m=audio 40000 "));
    let mut ack = bench.inside(Method::Ack, &dialog, 1);
    ack.set_body("application/sdp", ANSWER.replace("20000", "23456"));
    bench.ask(&ack);
    let moved = |wish: &Output| matches!(wish, Output::Media { plan, .. } if plan.remote_rtp.port() == 23_456);
    assert_eq!(bench.count(moved), 1);
}

#[test]
fn an_offer_that_cannot_be_taken_is_refused_with_a_warning_and_the_call_goes_on() {
    let (mut bench, call, dialog) = talking();
    let mut request = bench.inside(Method::Invite, &dialog, 1);
    let unknown = ANSWER
        .replace("RTP/AVP 8 101", "RTP/AVP 18")
        .replace("a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n", "");
    request.set_body("application/sdp", unknown);
    bench.ask(&request);
    let refused = bench.final_response();
    assert_eq!(refused.status.code(), 488);
    assert!(refused.headers.get(HeaderName::Warning).unwrap().starts_with("305 "));
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_refresh_that_changes_nothing_is_answered_and_nobody_hears_of_it() {
    let (mut bench, _, dialog) = talking();
    for cseq in [1, 2] {
        // The first makes their numbers ours.
        bench.events.clear();
        bench.wishes.clear();
        let mut request = bench.inside(Method::Invite, &dialog, cseq);
        request.set_body("application/sdp", ANSWER);
        bench.ask(&request);
        assert_eq!(bench.final_response().status, StatusCode::OK);
        let ack = bench.inside(Method::Ack, &dialog, cseq);
        bench.ask(&ack);
        assert!(bench.events.is_empty(), "{:?}", bench.events);
    }
    assert_eq!(bench.count(|wish| matches!(wish, Output::Media { .. })), 0);
}

#[test]
fn a_path_that_moves_is_offered_and_one_that_stays_is_not() {
    let (mut bench, call, _) = talking();
    let same = path(40_000);
    bench.input(Input::PathChanged { call, path: same });
    assert!(bench.says_nothing());
    let moved = path(41_000);
    bench.input(Input::PathChanged { call, path: moved });
    let offer = bench.request(Method::Invite);
    assert!(body(&offer).contains("m=audio 41000 "));
    bench.reply(&offer, 200, "b", Some(ANSWER));
    bench.request(Method::Ack);
    assert!(bench.says_nothing());
}

#[test]
fn a_path_that_moves_while_an_offer_is_under_way_is_offered_after_it() {
    let (mut bench, call, _) = talking();
    bench.command(Command::Hold { call: None }).unwrap();
    let hold = bench.request(Method::Invite);
    let moved = path(41_000);
    bench.input(Input::PathChanged { call, path: moved });
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    bench.request(Method::Ack);
    let again = bench.request(Method::Invite);
    assert!(body(&again).contains("m=audio 41000 ") && body(&again).contains("a=sendonly"));
}

#[test]
fn a_hold_while_another_offer_is_refused_is_offered_after_it() {
    let (mut bench, call, _) = talking();
    let moved = path(41_000);
    bench.input(Input::PathChanged { call, path: moved });
    let offer = bench.request(Method::Invite);
    bench.command(Command::Hold { call: None }).unwrap();
    bench.reply(&offer, 480, "b", None);
    let hold = bench.request(Method::Invite);
    assert!(body(&hold).contains("m=audio 41000 ") && body(&hold).contains("a=sendonly"));
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    assert_eq!(bench.call(call).held_by, HeldBy::Us);
    assert!(bench.warnings().is_empty());
}

#[test]
fn a_moved_path_that_is_refused_is_told_once_and_not_asked_for_ever() {
    let (mut bench, call, _) = talking();
    let moved = path(41_000);
    bench.input(Input::PathChanged { call, path: moved });
    let offer = bench.request(Method::Invite);
    bench.reply(&offer, 488, "b", None);
    bench.request(Method::Ack);
    assert!(bench.says_nothing());
    assert_eq!(
        bench.warnings(),
        ["The sound of the call could not be moved: the PBX refused it (488)."]
    );
}

#[test]
fn tones_go_by_rtp_where_agreed_and_come_from_there() {
    let (mut bench, call, _) = talking();
    let digits = "1*#".to_owned();
    bench.command(Command::Dtmf { call: None, digits }).unwrap();
    bench.run(SECOND);
    assert_eq!(bench.count(|wish| matches!(wish, Output::Digit { .. })), 3);
    let fact = MediaFact::Digit(crate::media::dtmf::Digit::try_from('5').unwrap());
    bench.input(Input::Media { call, fact });
    assert_eq!(bench.events, [Event::Dtmf { call, digit: '5' }]);
    let digits = "12x".to_owned();
    let refused = bench.command(Command::Dtmf { call: None, digits });
    assert_eq!(refused, Err(Refused::Digit('x')));
    assert_eq!(bench.count(|wish| matches!(wish, Output::Digit { .. })), 3);
}

#[test]
fn tones_by_info_go_one_after_the_other() {
    let mut config = plain();
    config.dtmf = crate::account_config::DtmfMode::Info;
    let (mut bench, _, _) = talking_on(Bench::with(config));
    let digits = "12".to_owned();
    bench.command(Command::Dtmf { call: None, digits }).unwrap();
    let first = bench.request(Method::Info);
    assert!(body(&first).starts_with("Signal=1\r\n"));
    assert!(bench.says_nothing(), "the second waits for the first");
    bench.reply(&first, 200, "b", None);
    bench.run(SECOND);
    let second = bench.request(Method::Info);
    assert!(body(&second).starts_with("Signal=2\r\n"));
    bench.reply(&second, 200, "b", None);
    assert!(bench.says_nothing());
}

#[test]
fn a_silent_far_end_is_asked_and_only_signalling_that_fails_too_ends_the_call() {
    let (mut bench, call, _) = talking();
    for seconds in [60, 120, 300] {
        let fact = MediaFact::NothingFor(SECOND * seconds);
        bench.input(Input::Media { call, fact });
        let options = bench.request(Method::Options);
        bench.reply(&options, 200, "b", None);
    }
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_flow_that_breaks_just_after_the_far_end_was_proven_does_not_end_the_call() {
    let (mut bench, call, _) = talking();
    bench.run(SECOND * 119);
    let fact = MediaFact::NothingFor(SECOND * 60);
    bench.input(Input::Media { call, fact });
    let options = bench.request(Method::Options);
    bench.reply(&options, 200, "b", None);
    bench.run(SECOND);
    bench.lose_flow_for_good();
    let fact = MediaFact::NothingFor(SECOND * 120);
    bench.input(Input::Media { call, fact });
    assert_eq!(bench.call(call).state, CallState::Active);
    bench.run(SECOND * 180);
    let fact = MediaFact::NothingFor(SECOND * 300);
    bench.input(Input::Media { call, fact });
    assert_eq!(bench.call(call).state, CallState::Ended);
}
