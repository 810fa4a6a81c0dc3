//! What may come in outside of calls, and what is answered to it.

use super::*;

fn asked(method: Method) -> Response {
    let mut bench = Bench::new();
    let request = bench.outside(method, "x");
    bench.ask(&request);
    assert!(bench.events.is_empty(), "{:?}", bench.events);
    bench.final_response()
}

#[test]
fn a_request_for_a_user_that_is_not_ours_is_not_found() {
    for method in [Method::Invite, Method::Options, Method::Notify, Method::Refer] {
        let mut bench = Bench::new();
        let mut request = bench.outside(method, "x");
        request.uri = "sip:100@198.51.100.9".parse().unwrap();
        bench.ask(&request);
        assert_eq!(bench.final_response().status, StatusCode::NOT_FOUND);
        assert!(bench.events.is_empty());
    }
}

#[test]
fn a_request_for_the_accounts_own_user_is_served_like_one_for_its_contact() {
    let mut bench = Bench::new();
    let mut request = bench.outside(Method::Options, "x");
    request.uri = "sip:1001@198.51.100.9".parse().unwrap();
    bench.ask(&request);
    assert_eq!(bench.final_response().status, StatusCode::OK);
}

#[test]
fn options_tells_what_we_can() {
    let ok = asked(Method::Options);
    assert_eq!(ok.status, StatusCode::OK);
    assert!(ok.headers.allow().unwrap().contains(&Method::Invite));
    assert_eq!(ok.headers.get(HeaderName::Accept), Some("application/sdp"));
    assert!(ok.headers.supports("timer"));
}

#[test]
fn a_transfer_out_of_nowhere_is_forbidden() {
    assert_eq!(asked(Method::Refer).status, StatusCode::FORBIDDEN);
}

#[test]
fn waiting_messages_may_be_told_unasked_and_nothing_else_may() {
    for (event, status) in [
        ("message-summary", 200),
        ("check-sync", 481),
        ("talk", 481),
        ("refer", 481),
    ] {
        let mut bench = Bench::new();
        let mut notify = bench.outside(Method::Notify, "x");
        notify.headers.push(HeaderName::Event, event);
        bench.ask(&notify);
        assert_eq!(bench.final_response().status.code(), status, "{event}");
    }
}

#[test]
fn what_is_said_in_a_dialog_that_does_not_exist_is_answered_so() {
    for method in [
        Method::Bye,
        Method::Invite,
        Method::Options,
        Method::Info,
        Method::Update,
    ] {
        let mut bench = Bench::new();
        let mut request = bench.outside(method, "x");
        request.to = request.to.with_tag("gone");
        bench.ask(&request);
        assert_eq!(bench.final_response().status, StatusCode::NO_SUCH_CALL);
    }
    assert_eq!(asked(Method::Bye).status, StatusCode::NO_SUCH_CALL);
}

#[test]
fn a_method_that_is_not_served_is_refused_with_those_that_are() {
    for method in [Method::Subscribe, Method::Message, Method::Publish, Method::Register] {
        let refused = asked(method);
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(refused.headers.has(HeaderName::Allow));
    }
}

#[test]
fn another_accounts_pbx_cannot_end_the_call_even_if_it_knows_its_tags() {
    let (mut bench, call, dialog) = talking();
    let mut second = plain();
    second.domain = "other.example".to_owned();
    bench.add(second, AccountMemory::default());
    let bye = bench.inside(Method::Bye, &dialog, 1);
    bench.ask(&bye);
    assert_eq!(bench.final_response().status, StatusCode::NO_SUCH_CALL);
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_subscription_inside_a_call_is_not_allowed_and_the_call_goes_on() {
    let (mut bench, call, dialog) = talking();
    let subscribe = bench.inside(Method::Subscribe, &dialog, 1);
    bench.ask(&subscribe);
    assert_eq!(bench.final_response().status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn what_is_not_sip_closes_the_flow_and_a_new_one_is_opened() {
    let mut bench = Bench::new();
    let before = bench.flow;
    bench.deliver(b"GET / HTTP/1.1\r\nHost: phone\r\n\r\n");
    assert!(!bench.flows.contains_key(&before));
    bench.run(SECOND * 2);
    assert!(bench.flow > before);
    assert!(bench.phone.view(bench.now).registered);
}

/// What the rule says, and how a response breaks it.
type Breach = (&'static str, fn(&mut Response));

#[test]
fn a_response_that_breaks_the_rules_is_discarded() {
    let mut bench = Bench::new();
    let call = bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let good = reply(&invite, 200, "b", Some(ANSWER));
    let broken: [Breach; 4] = [
        ("two Vias: it was meant for somebody else (8.1.3.3)", |it| {
            it.vias.push(it.vias[0].clone())
        }),
        ("a sent-by that is not ours (18.1.2)", |it| {
            it.vias[0].host = "203.0.113.1".parse().unwrap()
        }),
        ("a branch that is not ours (17.1.3)", |it| {
            it.vias[0].params.set("branch", "z9hG4bKguessed")
        }),
        ("a CSeq of another method (17.1.3)", |it| {
            it.cseq.method = Method::Options
        }),
    ];
    for (rule, break_it) in broken {
        let mut response = good.clone();
        break_it(&mut response);
        bench.deliver(&response.to_bytes());
        assert_eq!(bench.call(call).state, CallState::Dialing, "{rule}");
        assert!(bench.says_nothing(), "{rule}");
    }
    bench.deliver(&good.to_bytes());
    assert_eq!(bench.call(call).state, CallState::Active);
}
