//! Calls that we place.

use super::*;

#[test]
fn a_call_is_offered_rings_is_answered_talks_and_is_hung_up() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:1002@pbx.example");
    assert_eq!(invite.from.uri.to_string(), "sip:1001@pbx.example");
    assert_eq!(invite.headers.contacts().first().unwrap().uri, bench.contact());
    assert!(
        std::str::from_utf8(&invite.body)
            .unwrap()
            .contains("m=audio 40000 RTP/AVP")
    );
    bench.reply(&invite, 100, "", None);
    bench.reply(&invite, 180, "b", None);
    assert_eq!(bench.sounds(), [(call, PhoneSound::Ringback)]);
    bench.reply(&invite, 200, "b", Some(ANSWER));
    let ack = bench.request(Method::Ack);
    assert_eq!(ack.uri.to_string(), "sip:b@192.0.2.1:5061;transport=tls");
    assert_eq!(bench.sounds(), [(call, PhoneSound::Silence)]);
    assert_eq!(
        bench.states(),
        [CallState::Dialing, CallState::Ringing, CallState::Active]
    );
    bench.command(Command::Hangup { call: Some(call) }).unwrap();
    let bye = bench.request(Method::Bye);
    bench.reply(&bye, 200, "b", None);
    assert_eq!(bench.end(), (None, None));
    assert_eq!(bench.count(|wish| matches!(wish, Output::ClosePath(_))), 1);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn the_media_starts_before_the_call_is_called_active() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let bytes = reply(&invite, 200, "b", Some(ANSWER)).to_bytes();
    let flow = bench.flow;
    bench.phone.handle(Input::Received { flow, bytes: &bytes }, bench.now);
    let order: Vec<&str> = std::iter::from_fn(|| bench.phone.poll_output())
        .filter_map(|output| match output {
            Output::Media { .. } => Some("plan"),
            Output::Event(Event::Media { .. }) => Some("media"),
            Output::Event(Event::Call { .. }) => Some("active"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["plan", "media", "active"]);
}

#[test]
fn early_media_is_heard_and_silences_the_ringback_and_the_answer_agrees_nothing_new() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 180, "b", None);
    bench.reply(&invite, 183, "b", Some(ANSWER));
    let fact = MediaFact::Heard;
    bench.input(Input::Media { call, fact });
    assert_eq!(
        bench.sounds(),
        [(call, PhoneSound::Ringback), (call, PhoneSound::Silence)]
    );
    bench.reply(&invite, 180, "b", None);
    bench.reply(&invite, 200, "b", Some(ANSWER));
    assert_eq!(bench.sounds(), [(call, PhoneSound::Silence)]);
    let media = bench.events.iter().filter(|event| matches!(event, Event::Media { .. }));
    assert_eq!(media.count(), 1, "{:?}", bench.events);
    assert_eq!(
        bench.states(),
        [
            CallState::Dialing,
            CallState::Ringing,
            CallState::Early,
            CallState::Active
        ]
    );
}

#[test]
fn of_two_branches_the_first_to_answer_gets_the_call_and_the_other_is_hung_up() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 183, "b", Some(ANSWER));
    bench.reply(&invite, 180, "c", None);
    let other = ANSWER.replace("20000", "22222");
    bench.reply(&invite, 200, "c", Some(&other));
    assert_eq!(bench.request(Method::Ack).to.tag(), Some("c"));
    let ports: Vec<u16> = bench
        .wishes
        .iter()
        .filter_map(|wish| match wish {
            Output::Media { plan, .. } => Some(plan.remote_rtp.port()),
            _ => None,
        })
        .collect();
    assert_eq!(ports, [20_000, 22_222]);
    bench.reply(&invite, 200, "b", Some(ANSWER));
    assert_eq!(bench.request(Method::Ack).to.tag(), Some("b"));
    let bye = bench.request(Method::Bye);
    assert_eq!(bye.to.tag(), Some("b"));
    bench.reply(&bye, 200, "b", None);
    assert_eq!(bench.call(call).state, CallState::Active);
    bench.command(Command::Hangup { call: None }).unwrap();
    let bye = bench.request(Method::Bye);
    assert_eq!(bye.to.tag(), Some("c"));
    bench.reply(&bye, 200, "c", None);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn a_hang_up_before_the_answer_cancels_and_an_answer_that_crosses_it_is_hung_up() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.command(Command::Hangup { call: None }).unwrap();
    assert_eq!(bench.end(), (None, None));
    assert!(bench.says_nothing(), "CANCEL waits for a provisional response");
    bench.reply(&invite, 180, "b", None);
    let cancel = bench.request(Method::Cancel);
    bench.reply(&invite, 200, "b", Some(ANSWER));
    bench.reply(&cancel, 200, "b", None);
    bench.request(Method::Ack);
    let bye = bench.request(Method::Bye);
    bench.reply(&bye, 200, "b", None);
    assert_eq!(bench.count(|wish| matches!(wish, Output::Media { .. })), 0);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn a_busy_line_is_heard_for_as_long_as_the_ended_call_is_listed() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 486, "b", None);
    bench.request(Method::Ack);
    assert_eq!(bench.end(), (Some(486), Some("The line is busy.".to_owned())));
    assert_eq!(bench.sounds().last(), Some(&(call, PhoneSound::Busy)));
    bench.run(SECOND);
    assert_eq!(bench.call(call).state, CallState::Ended);
    assert_eq!(bench.sounds(), []);
    bench.run(SECOND);
    assert!(bench.phone.view(bench.now).calls.is_empty());
    assert_eq!(bench.sounds(), [(call, PhoneSound::Silence)]);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn a_call_that_fails_is_heard_to_fail_but_not_one_that_we_gave_up() {
    let mut bench = Bench::new();
    let failed = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 503, "b", None);
    assert_eq!(bench.sounds().last(), Some(&(failed, PhoneSound::Failed)));
    let given_up = bench.dial("1003");
    assert_eq!(
        bench.sounds(),
        [(failed, PhoneSound::Silence)],
        "a new call is not disturbed"
    );
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 180, "c", None);
    bench.command(Command::Hangup { call: Some(given_up) }).unwrap();
    bench.reply(&invite, 487, "c", None);
    let after: Vec<PhoneSound> = bench.sounds().into_iter().map(|(_, sound)| sound).collect();
    assert_eq!(after, [PhoneSound::Ringback, PhoneSound::Silence]);
}

#[test]
fn the_far_ends_hang_up_is_not_heard_as_a_failure() {
    let (mut bench, call, dialog) = talking();
    let bye = bench.inside(Method::Bye, &dialog, 1);
    bench.ask(&bye);
    assert_eq!(bench.final_response().status, StatusCode::OK);
    assert_eq!(bench.sounds(), [(call, PhoneSound::Silence)]);
    assert_eq!(bench.end(), (None, None));
}

#[test]
fn a_path_that_takes_three_seconds_delays_the_offer_and_nothing_else() {
    let mut bench = Bench::new();
    bench.paths = false;
    let call = bench.dial("1002");
    bench.run(SECOND * 3);
    assert!(bench.says_nothing());
    let path = path(41_000);
    bench.input(Input::PathReady { call, path });
    let invite = bench.request(Method::Invite);
    assert!(std::str::from_utf8(&invite.body).unwrap().contains("m=audio 41000 "));
}

#[test]
fn a_call_without_a_path_ends_with_the_reason_and_nobody_was_asked() {
    let mut bench = Bench::new();
    bench.paths = false;
    let call = bench.dial("1002");
    let why = "No port is free.".to_owned();
    bench.input(Input::PathFailed { call, why });
    assert!(bench.says_nothing());
    assert_eq!(bench.end(), (None, Some("No port is free.".to_owned())));
    bench.run(SECOND * 3);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn a_path_that_moves_while_the_far_end_rings_is_offered_once_somebody_has_answered() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 180, "b", None);
    let path = path(41_000);
    bench.input(Input::PathChanged { call, path });
    bench.reply(&invite, 200, "b", Some(ANSWER));
    bench.request(Method::Ack);
    let again = bench.request(Method::Invite);
    assert!(std::str::from_utf8(&again.body).unwrap().contains("m=audio 41000 "));
}

#[test]
fn a_challenge_to_the_invite_is_answered_and_so_is_the_next_with_another_nonce() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let first = bench.request(Method::Invite);
    challenge(&mut bench, &first, "n1", "");
    let second = bench.request(Method::Invite);
    assert!(authorization(&second).contains("nonce=\"n1\""));
    assert_eq!((&second.call_id, second.cseq), (&first.call_id, first.cseq + 1));
    challenge(&mut bench, &second, "n2", ", stale=true");
    let third = bench.request(Method::Invite);
    assert!(authorization(&third).contains("nonce=\"n2\""));
    bench.reply(&third, 200, "b", Some(ANSWER));
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_password_that_is_refused_for_a_call_ends_the_call_and_is_not_tried_again() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let first = bench.request(Method::Invite);
    challenge(&mut bench, &first, "n1", "");
    let second = bench.request(Method::Invite);
    challenge(&mut bench, &second, "n2", "");
    bench.request(Method::Ack);
    assert!(bench.says_nothing());
    assert_eq!(bench.end().0, Some(401));
}

fn challenge(bench: &mut Bench, request: &Request, nonce: &str, more: &str) {
    let mut response = reply(request, 401, "pbx", None);
    let value = format!("Digest realm=\"pbx.example\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\"{more}");
    response.headers.push(HeaderName::WwwAuthenticate, value);
    bench.deliver(&response.to_bytes());
}

fn authorization(request: &Request) -> &str {
    request.headers.get(HeaderName::Authorization).unwrap()
}

#[test]
fn the_call_limit_holds_for_everybody_but_those_in_need() {
    let mut bench = Bench::new();
    for _ in 0..CALL_LIMIT {
        bench.dial("1002");
    }
    let target = "1002".to_owned();
    let refused = bench.command(Command::Dial { target, account: None });
    assert_eq!(refused, Err(Refused::TooManyCalls(CALL_LIMIT)));
    let invite = bench.invite("one-more", Some(ANSWER));
    bench.said.clear();
    bench.ask(&invite);
    assert_eq!(bench.final_response().status, StatusCode::BUSY_HERE);
    bench.dial("112");
    assert_eq!(bench.request(Method::Invite).uri.user().as_deref(), Some("112"));
}

#[test]
fn without_an_account_named_the_first_that_is_connected_calls() {
    let mut bench = Bench::new();
    bench.lose_flow_for_good();
    let mut second = plain();
    second.user = "2001".to_owned();
    bench.reachable = vec![Transport::Tls];
    bench.add(second, AccountMemory::default());
    bench.dial("1002");
    assert_eq!(bench.request(Method::Invite).from.uri.user().as_deref(), Some("2001"));
}

#[test]
fn every_call_is_hung_up_at_once_and_each_is_told_its_way() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let calling = bench.request(Method::Invite);
    bench.reply(&calling, 180, "b", None);
    bench.dial("1003");
    let answered = bench.request(Method::Invite);
    bench.reply(&answered, 200, "c", Some(ANSWER));
    let incoming = bench.invite("in", Some(ANSWER));
    bench.ask(&incoming);
    bench.said.clear();
    bench.command(Command::Hangup { call: None }).unwrap();
    let mut told: Vec<String> = bench
        .said
        .iter()
        .map(|said| match &said.message {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => response.status.code().to_string(),
        })
        .collect();
    told.sort();
    assert_eq!(told, ["486", "BYE", "CANCEL"]);
    assert!(
        bench
            .phone
            .view(bench.now)
            .calls
            .iter()
            .all(|call| call.state == CallState::Ended)
    );
    assert_eq!(bench.command(Command::Hangup { call: None }), Ok(Accepted::default()));
}

#[test]
fn the_figures_of_a_call_outlive_it_for_as_long_as_it_is_listed() {
    let (mut bench, call, _) = talking();
    bench.command(Command::Hangup { call: None }).unwrap();
    assert_eq!(bench.phone.figures(call), None);
    let stats = crate::media::session::MediaStats {
        sent: 50,
        ..Default::default()
    };
    let fact = MediaFact::Stats(stats);
    bench.input(Input::Media { call, fact });
    assert_eq!(bench.phone.figures(call), Some(stats));
    assert!(bench.phone.agreed(call).is_some());
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.figures(call), None);
}

#[test]
fn what_was_muted_before_the_sound_began_is_muted_when_it_begins() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.command(Command::Mute { call: None, on: true }).unwrap();
    bench.reply(&invite, 200, "b", Some(ANSWER));
    let order: Vec<&str> = bench
        .wishes
        .iter()
        .filter_map(|wish| match wish {
            Output::Mute { on: true, .. } => Some("mute"),
            Output::Media { .. } => Some("plan"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["mute", "plan"]);
    assert!(bench.call(call).muted);
}

#[test]
fn who_is_on_hold_does_not_hear_our_microphone_and_a_muted_one_stays_closed_after_it() {
    let (mut bench, ..) = talking();
    let closed = |bench: &mut Bench| {
        let wishes = std::mem::take(&mut bench.wishes);
        let mutes = wishes.iter().filter_map(|wish| match wish {
            Output::Mute { on, .. } => Some(*on),
            _ => None,
        });
        mutes.collect::<Vec<bool>>()
    };
    bench.command(Command::Hold { call: None }).unwrap();
    assert_eq!(closed(&mut bench), [true]);
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    bench.command(Command::Mute { call: None, on: true }).unwrap();
    bench.command(Command::Resume { call: None }).unwrap();
    assert_eq!(closed(&mut bench), [] as [bool; 0]);
    bench.command(Command::Mute { call: None, on: false }).unwrap();
    assert_eq!(closed(&mut bench), [false]);
    // A hold that is refused leaves the far end in the call, and so the microphone open.
    let resume = bench.request(Method::Invite);
    bench.reply(&resume, 200, "b", Some(ANSWER));
    bench.command(Command::Hold { call: None }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 488, "b", None);
    assert_eq!(closed(&mut bench), [true, false]);
}

/// A refusal that names these places.
fn redirect(bench: &mut Bench, invite: &Request, places: &[&str]) {
    let mut response = reply(invite, 302, "r", None);
    response.headers.remove(HeaderName::Contact);
    for place in places {
        response.headers.push(HeaderName::Contact, *place);
    }
    bench.deliver(&response.to_bytes());
}

#[test]
fn a_call_follows_the_pbx_to_where_the_number_has_moved() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let first = bench.request(Method::Invite);
    bench.reply(&first, 180, "b", None);
    let places = [
        "<tel:+31201234567>",
        "<sip:1003@pbx.example?Subject=x>",
        "<sip:1004@pbx.example>",
    ];
    redirect(&mut bench, &first, &places);
    let second = bench.request(Method::Invite);
    assert_eq!(second.uri.to_string(), "sip:1003@pbx.example");
    assert_eq!(
        (&second.to, &second.call_id, second.cseq),
        (&first.to, &first.call_id, first.cseq + 1)
    );
    assert_eq!(second.body, first.body);
    assert_eq!(bench.call(call).state, CallState::Dialing);
    assert_eq!(
        bench.sounds(),
        [(call, PhoneSound::Ringback), (call, PhoneSound::Silence)]
    );
    bench.reply(&second, 180, "c", None);
    assert_eq!(bench.sounds(), [(call, PhoneSound::Ringback)]);
    bench.reply(&second, 200, "c", Some(ANSWER));
    bench.request(Method::Ack);
    assert_eq!(bench.call(call).state, CallState::Active);
    bench.command(Command::Hangup { call: None }).unwrap();
    let bye = bench.request(Method::Bye);
    bench.reply(&bye, 200, "c", None);
    bench.run(SECOND * 60);
    assert_eq!(bench.phone.load(), Load::default());
}

#[test]
fn a_number_that_moves_in_circles_or_nowhere_ends_the_call_with_a_reason() {
    for places in [&["<sip:1003@pbx.example>"][..], &["<tel:+31201234567>"], &[]] {
        let mut bench = Bench::new();
        bench.dial("1002");
        for _ in 0..20 {
            if bench.said.is_empty() {
                break;
            }
            let invite = bench.request(Method::Invite);
            redirect(&mut bench, &invite, places);
            bench.request(Method::Ack);
        }
        let (code, reason) = bench.end();
        assert_eq!(code, Some(302));
        assert!(reason.unwrap().contains("has moved"));
    }
}

#[test]
fn a_call_is_led_on_five_times_at_most() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let mut asked = 0;
    while !bench.said.is_empty() {
        let invite = bench.request(Method::Invite);
        asked += 1;
        redirect(&mut bench, &invite, &[&format!("<sip:{}@pbx.example>", 2000 + asked)]);
        bench.request(Method::Ack);
    }
    assert_eq!((asked, bench.end().0), (6, Some(302)));
}

#[test]
fn a_call_that_was_given_up_is_led_nowhere() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    bench.reply(&invite, 180, "b", None);
    bench.command(Command::Hangup { call: None }).unwrap();
    redirect(&mut bench, &invite, &["<sip:1003@pbx.example>"]);
    assert!(
        bench
            .said
            .iter()
            .all(|said| !matches!(&said.message, Message::Request(request) if request.method == Method::Invite))
    );
}
