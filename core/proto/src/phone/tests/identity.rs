//! Who calls, through whom, and how it is to ring.

use super::*;
use crate::account_config::AutoAnswer;
use crate::event::RingKind;

/// A call that came in with these header fields.
fn ringing_with(lines: &[(&str, &str)]) -> (Bench, CallId) {
    ringing_at(Bench::new(), lines)
}

fn ringing_at(mut bench: Bench, lines: &[(&str, &str)]) -> (Bench, CallId) {
    let mut invite = bench.invite("in", Some(ANSWER));
    for (name, value) in lines {
        invite.headers.push(HeaderName::new(name), value);
    }
    bench.ask(&invite);
    let call = bench.phone.view(bench.now).calls.last().unwrap().id;
    (bench, call)
}

fn intercom(policy: AutoAnswer) -> Bench {
    let mut config = plain();
    config.auto_answer = policy;
    Bench::with(config)
}

const AUTO: [(&str, &str); 1] = [("Call-Info", "<sip:pbx.example>;answer-after=0")];

impl Bench {
    fn incoming(&self) -> &Event {
        let is_incoming = |event: &&Event| matches!(event, Event::Incoming { .. });
        self.events.iter().find(is_incoming).unwrap()
    }
}

#[test]
fn a_call_names_who_the_pbx_says_it_is_and_who_sent_it_on() {
    let (bench, call) = ringing_with(&[
        ("P-Asserted-Identity", "\"Piet\" <sip:1003@pbx.example>"),
        (
            "Diversion",
            "\"Front\u{202e} desk\" <sip:1000@pbx.example>;reason=no-answer",
        ),
    ]);
    let Event::Incoming {
        from, withheld, via, ..
    } = bench.incoming()
    else {
        unreachable!()
    };
    assert_eq!((from.as_str(), *withheld), ("Piet <1003>", false));
    assert_eq!(via, &["Front desk <1000>"]);
    let view = bench.call(call);
    assert_eq!((view.remote.as_str(), view.withheld), ("Piet <1003>", false));
    assert_eq!(view.via, ["Front desk <1000>"]);
}

#[test]
fn a_withheld_number_is_not_shown_even_where_the_pbx_lets_it_through() {
    let (bench, call) = ringing_with(&[
        ("P-Asserted-Identity", "\"Piet\" <sip:1003@pbx.example>"),
        ("Privacy", "id"),
    ]);
    assert_eq!(bench.call(call).remote, "Anonymous");
    assert!(bench.call(call).withheld);
    let told = format!("{:?}", bench.incoming());
    assert!(told.contains("withheld: true") && !told.contains("1003"), "{told}");
}

#[test]
fn whoever_the_far_end_becomes_is_told_once_by_each_kind_of_message() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let mut answer = reply(&invite, 200, "b", Some(ANSWER));
    let piet = "\"Piet\" <sip:1003@pbx.example>";
    answer.headers.push(HeaderName::PAssertedIdentity, piet);
    bench.deliver(&answer.to_bytes());
    let dialog = Dialog::placed(&invite, "b");
    let mut told = vec!["Piet <1003>"];
    for (cseq, method, header, value, shown) in [
        (2, Method::Update, "P-Asserted-Identity", piet, None),
        (
            3,
            Method::Update,
            "P-Asserted-Identity",
            "\"Karin\" <sip:1004@pbx.example>",
            Some("Karin <1004>"),
        ),
        (
            4,
            Method::Invite,
            "Remote-Party-ID",
            "<sip:0201234567@pbx.example>;party=calling;privacy=off",
            Some("0201234567"),
        ),
    ] {
        let mut request = bench.inside(method.clone(), &dialog, cseq);
        request.headers.push(HeaderName::new(header), value);
        if method == Method::Invite {
            request.set_body("application/sdp", ANSWER.to_owned());
        }
        bench.ask(&request);
        told.extend(shown);
    }
    let remotes: Vec<&str> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Remote { remote, .. } => Some(remote.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(remotes, told);
    assert_eq!(bench.call(call).remote, "0201234567");
}

#[test]
fn an_internal_call_rings_as_one_and_knocks_as_any() {
    let internal = [("Alert-Info", "<http://pbx.example/>;info=alert-internal")];
    let (mut bench, call) = ringing_with(&internal);
    assert_eq!(bench.sounds(), [(call, PhoneSound::RingInternal)]);
    assert!(matches!(
        bench.incoming(),
        Event::Incoming {
            ring: Some(RingKind::Internal),
            ..
        }
    ));
    let (mut bench, call) = ringing_with(&[]);
    assert_eq!(bench.sounds(), [(call, PhoneSound::Ring)]);
    let (bench, ..) = talking();
    let (mut bench, call) = ringing_at(bench, &internal);
    assert_eq!(bench.sounds(), [(call, PhoneSound::CallWaiting)]);
}

#[test]
fn nothing_answers_itself_unless_the_account_says_so() {
    let (bench, call) = ringing_at(intercom(AutoAnswer::Off), &AUTO);
    assert_eq!(bench.call(call).state, CallState::Ringing);
    let (bench, call) = ringing_at(intercom(AutoAnswer::TwoWay), &[]);
    assert_eq!(bench.call(call).state, CallState::Ringing);
}

#[test]
fn a_call_that_answers_itself_hears_us_only_where_the_account_says_two_way() {
    for (policy, is_muted) in [(AutoAnswer::Muted, true), (AutoAnswer::TwoWay, false)] {
        let (mut bench, call) = ringing_at(intercom(policy), &AUTO);
        assert_eq!(bench.call(call).state, CallState::Active);
        assert_eq!(bench.call(call).muted, is_muted);
        let closed = bench.count(|wish| matches!(wish, Output::Mute { on: true, .. })) == 1;
        assert_eq!(closed, is_muted, "{policy:?}");
        assert_eq!(bench.final_response().status, StatusCode::OK);
    }
}

#[test]
fn nothing_answers_itself_during_another_call_or_before_its_time() {
    let mut config = plain();
    config.auto_answer = AutoAnswer::TwoWay;
    let (bench, first, _) = talking_on(Bench::with(config.clone()));
    let (bench, second) = ringing_at(bench, &AUTO);
    assert_eq!(bench.call(second).state, CallState::Ringing);
    assert_eq!(bench.call(first).state, CallState::Active);
    let later = [("Call-Info", "<sip:pbx.example>;answer-after=5")];
    let (mut bench, call) = ringing_at(Bench::with(config), &later);
    bench.run(SECOND * 4);
    assert_eq!(bench.call(call).state, CallState::Ringing);
    bench.run(SECOND * 2);
    assert_eq!(bench.call(call).state, CallState::Active);
}
