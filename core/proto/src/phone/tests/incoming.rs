//! Calls that come in.

use super::*;

#[test]
fn a_call_rings_is_answered_talks_and_the_far_end_hangs_up() {
    let mut bench = Bench::new();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    assert_eq!(bench.response().status, StatusCode::TRYING);
    assert_eq!(bench.response().status, StatusCode::RINGING);
    let call = CallId(1);
    assert_eq!(
        bench.events,
        [Event::Incoming {
            call,
            account: bench.account,
            from: "Anna <1002>".to_owned(),
            withheld: false,
            via: Vec::new(),
            ring: None,
            answers_itself: false,
            replaces: None,
        }]
    );
    assert_eq!(bench.sounds(), [(call, PhoneSound::Ring)]);
    assert_eq!(bench.call(call).state, CallState::Ringing);
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    let ok = bench.final_response();
    assert_eq!(ok.status, StatusCode::OK);
    assert_eq!(ok.headers.contacts().first().unwrap().uri, bench.contact());
    assert_eq!(bench.sounds(), [(call, PhoneSound::Silence)]);
    let dialog = Dialog::taken(&ok);
    let ack = bench.inside(Method::Ack, &dialog, 1);
    bench.ask(&ack);
    let bye = bench.inside(Method::Bye, &dialog, 2);
    bench.ask(&bye);
    assert_eq!(bench.final_response().status, StatusCode::OK);
    assert_eq!(bench.states(), [CallState::Active, CallState::Ended]);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn an_answer_before_the_path_is_given_when_the_path_is_there() {
    let mut bench = Bench::new();
    bench.paths = false;
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    bench.said.clear();
    bench.run(SECOND * 3);
    assert!(bench.says_nothing());
    assert_eq!(
        bench.command(Command::Answer {
            call: None,
            others: Others::Hold
        }),
        Err(Refused::WrongState("ringing"))
    );
    let (call, path) = (CallId(1), path(41_000));
    bench.input(Input::PathReady { call, path });
    assert_eq!(bench.final_response().status, StatusCode::OK);
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_path_that_fails_while_our_phone_rings_ends_the_call_for_both() {
    let mut bench = Bench::new();
    bench.paths = false;
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    let (call, why) = (CallId(1), "No port is free.".to_owned());
    bench.input(Input::PathFailed { call, why });
    assert_eq!(bench.final_response().status.code(), 480);
    assert_eq!(bench.end().1.as_deref(), Some("No port is free."));
    let sounds = bench.sounds();
    assert_eq!(sounds.last(), Some(&(call, PhoneSound::Silence)));
}

#[test]
fn the_microphone_may_be_opened_ahead_only_for_calls_that_we_place() {
    let mut bench = Bench::new();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    bench.dial("1003");
    let placed: Vec<bool> = bench
        .wishes
        .iter()
        .filter_map(|wish| match wish {
            Output::OpenPath { placed_here, .. } => Some(*placed_here),
            _ => None,
        })
        .collect();
    assert_eq!(placed, [false, true]);
}

#[test]
fn a_caller_that_gives_up_stops_the_ringing_and_a_reason_says_who_took_it() {
    for (reason, told) in [
        (None, "The caller hung up."),
        (Some("SIP;cause=200"), "Answered elsewhere."),
    ] {
        let mut bench = Bench::new();
        let invite = bench.invite("in", Some(ANSWER));
        bench.ask(&invite);
        bench.said.clear();
        let mut cancel = invite.clone();
        cancel.method = Method::Cancel;
        cancel.body = Default::default();
        if let Some(reason) = reason {
            cancel.headers.push(HeaderName::Reason, reason);
        }
        bench.ask(&cancel);
        let mut answers = [bench.final_response(), bench.final_response()].map(|answer| answer.status.code());
        answers.sort_unstable();
        assert_eq!(answers, [200, 487]);
        assert_eq!(bench.end().1.as_deref(), Some(told));
        assert_eq!(bench.sounds().last(), Some(&(CallId(1), PhoneSound::Silence)));
        assert_eq!(bench.phone.load().ringing, 0);
    }
}

#[test]
fn a_call_that_nobody_can_take_is_refused_with_a_warning_and_told_in_one_sentence() {
    let mut bench = Bench::new();
    let offer = ANSWER.replace("RTP/AVP", "RTP/SAVP");
    let invite = bench.invite("in", Some(&offer));
    bench.ask(&invite);
    let refused = bench.final_response();
    assert_eq!(refused.status.code(), 488);
    assert!(refused.headers.has(HeaderName::Warning));
    assert_eq!(bench.sounds(), []);
    assert!(
        matches!(bench.events.as_slice(), [Event::Warning { text }] if text.contains("Anna <1002>")),
        "a call that nobody was told of does not end: {:?}",
        bench.events
    );
    assert!(bench.phone.view(bench.now).calls.is_empty());
    assert_eq!(bench.count(|wish| matches!(wish, Output::OpenPath { .. })), 0);
}

#[test]
fn an_invite_that_demands_what_we_do_not_know_is_refused_in_silence() {
    let mut bench = Bench::new();
    let mut invite = bench.invite("in", Some(ANSWER));
    invite.headers.push(HeaderName::Require, "teleport");
    bench.ask(&invite);
    let refused = bench.final_response();
    assert_eq!(refused.status.code(), 420);
    assert_eq!(refused.headers.get(HeaderName::Unsupported), Some("teleport"));
    assert!(bench.events.is_empty());
}

#[test]
fn a_second_call_knocks_softly_and_rings_aloud_once_the_first_is_over() {
    let (mut bench, talking, _) = talking();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    let knocking = CallId(talking.0 + 1);
    assert_eq!(bench.sounds(), [(knocking, PhoneSound::CallWaiting)]);
    bench.command(Command::Hangup { call: Some(talking) }).unwrap();
    assert_eq!(
        bench.sounds(),
        [(talking, PhoneSound::Silence), (knocking, PhoneSound::Ring)]
    );
    bench
        .command(Command::Reject {
            call: None,
            code: Some(603),
        })
        .unwrap();
    assert_eq!(bench.sounds(), [(knocking, PhoneSound::Silence)]);
}

#[test]
fn a_call_without_an_offer_gets_ours_with_the_answer() {
    let mut bench = Bench::new();
    let invite = bench.invite("in", None);
    bench.ask(&invite);
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    let ok = bench.final_response();
    assert!(std::str::from_utf8(&ok.body).unwrap().contains("m=audio 40000 "));
    let dialog = Dialog::taken(&ok);
    let mut ack = bench.inside(Method::Ack, &dialog, 1);
    ack.set_body("application/sdp", ANSWER);
    bench.ask(&ack);
    assert_eq!(bench.count(|wish| matches!(wish, Output::Media { .. })), 1);
    assert_eq!(bench.call(CallId(1)).state, CallState::Active);
}

/// A call without offer, from a caller who acknowledges each response: the INVITE, and our offer with the ringing.
fn rung_with_our_offer(bench: &mut Bench) -> (Dialog, Response) {
    let mut invite = bench.invite("in", None);
    invite.headers.push(HeaderName::Require, "100rel");
    bench.ask(&invite);
    assert_eq!(bench.response().status, StatusCode::TRYING);
    let ringing = bench.response();
    assert_eq!(ringing.status, StatusCode::RINGING);
    assert!(ringing.headers.requires("100rel"));
    assert!(std::str::from_utf8(&ringing.body).unwrap().contains("m=audio 40000 "));
    (Dialog::taken(&ringing), ringing)
}

fn acknowledge(bench: &mut Bench, dialog: &Dialog, ringing: &Response) {
    let mut prack = bench.inside(Method::Prack, dialog, 2);
    let rack = format!("{} {} INVITE", ringing.headers.rseq().unwrap(), ringing.cseq.number);
    prack.headers.push(HeaderName::RAck, rack);
    prack.set_body("application/sdp", ANSWER);
    bench.ask(&prack);
}

#[test]
fn ringing_that_is_to_be_acknowledged_brings_the_offer_that_the_invite_left_to_us() {
    let mut bench = Bench::new();
    let (dialog, ringing) = rung_with_our_offer(&mut bench);
    acknowledge(&mut bench, &dialog, &ringing);
    assert_eq!(bench.final_response().status, StatusCode::OK);
    assert_eq!(
        bench.count(|wish| matches!(wish, Output::Media { .. })),
        0,
        "nobody has answered: the microphone stays closed"
    );
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    let ok = bench.final_response();
    assert_eq!((ok.status, ok.body.is_empty()), (StatusCode::OK, true));
    assert_eq!(bench.count(|wish| matches!(wish, Output::Media { .. })), 1);
    assert_eq!(bench.call(CallId(1)).state, CallState::Active);
}

#[test]
fn who_answers_before_the_ringing_is_acknowledged_talks_once_it_is() {
    let mut bench = Bench::new();
    let (dialog, ringing) = rung_with_our_offer(&mut bench);
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    assert!(bench.says_nothing(), "RFC 3262 3: the 200 waits");
    acknowledge(&mut bench, &dialog, &ringing);
    let answers = [bench.final_response(), bench.final_response()];
    assert!(answers.iter().any(|answer| answer.cseq.method == Method::Invite));
    assert_eq!(bench.count(|wish| matches!(wish, Output::Media { .. })), 1);
}

#[test]
fn the_ringing_that_brings_our_offer_waits_for_the_path_and_a_later_offer_is_answered_at_once() {
    let mut bench = Bench::new();
    bench.paths = false;
    let mut invite = bench.invite("in", None);
    invite.headers.push(HeaderName::Require, "100rel");
    bench.ask(&invite);
    assert_eq!(bench.response().status, StatusCode::TRYING);
    assert!(bench.says_nothing());
    let (call, path) = (CallId(1), path(41_000));
    bench.input(Input::PathReady { call, path });
    let ringing = bench.response();
    let dialog = Dialog::taken(&ringing);
    acknowledge(&mut bench, &dialog, &ringing);
    assert_eq!(bench.final_response().cseq.method, Method::Prack);
    let mut update = bench.inside(Method::Update, &dialog, 3);
    update.set_body("application/sdp", described("sendonly"));
    bench.ask(&update);
    let answer = bench.final_response();
    assert_eq!((answer.cseq.method, answer.status), (Method::Update, StatusCode::OK));
    assert!(!answer.body.is_empty());
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    assert!(bench.final_response().body.is_empty());
}

#[test]
fn a_call_is_rejected_with_the_users_status_and_with_no_other() {
    for code in [486, 480, 603] {
        let mut bench = Bench::new();
        let invite = bench.invite("in", Some(ANSWER));
        bench.ask(&invite);
        let refused = bench.command(Command::Reject {
            call: None,
            code: Some(404),
        });
        assert_eq!(refused, Err(Refused::RejectCode(404)));
        bench
            .command(Command::Reject {
                call: None,
                code: Some(code),
            })
            .unwrap();
        assert_eq!(bench.final_response().status.code(), code);
        assert_eq!(bench.end(), (Some(code), None));
    }
}

#[test]
fn a_call_that_rings_when_the_connection_breaks_stops_ringing() {
    let mut bench = Bench::new();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    bench.lose_flow();
    assert_eq!(bench.call(CallId(1)).state, CallState::Ended);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn a_bye_right_after_the_answer_waits_for_its_acknowledgement_and_so_does_the_farewell() {
    let mut bench = Bench::new();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    bench
        .command(Command::Answer {
            call: None,
            others: Others::Hold,
        })
        .unwrap();
    let ok = bench.final_response();
    bench.phone.say_farewell(bench.now);
    bench.drain();
    assert!(!bench.phone.is_quiet(), "a BYE is owed");
    let dialog = Dialog::taken(&ok);
    let ack = bench.inside(Method::Ack, &dialog, 1);
    bench.ask(&ack);
    let bye = bench.request(Method::Bye);
    assert!(!bench.phone.is_quiet(), "the BYE is not answered");
    bench.reply(&bye, 200, "anna", None);
    assert!(bench.phone.is_quiet());
}
