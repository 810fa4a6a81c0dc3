//! Other requests within a call, ours and theirs, and the end by BYE.

use std::time::Duration;

use super::*;
use crate::sip::endpoint::Failure;
use crate::sip::session::{CommandRefused, EndedBy};

fn status_of(method: Method, tune: impl FnOnce(&mut Request)) -> Response {
    let mut bench = Bench::answered();
    let mut request = bench.peer_request(method, None);
    tune(&mut request);
    bench.request(request);
    assert_eq!(bench.ended, 0);
    bench.answer().clone()
}

#[test]
fn options_says_what_we_can() {
    let ok = status_of(Method::Options, |_| {});
    assert_eq!(ok.status, StatusCode::OK);
    assert!(ok.headers.allow().unwrap().contains(&Method::Prack));
    assert!(ok.headers.supports("100rel") && ok.headers.supports("timer"));
    assert_eq!(ok.headers.get(HeaderName::Accept), Some("application/sdp"));
}

#[test]
fn methods_that_do_not_belong_here_get_405_and_unknown_ones_501_with_allow() {
    let message = status_of(Method::Message, |_| {});
    assert_eq!(
        (message.status, message.headers.has(HeaderName::Allow)),
        (status(405), true)
    );
    let unknown = status_of(Method::Other("DANCE".to_owned()), |_| {});
    assert_eq!(
        (unknown.status, unknown.headers.has(HeaderName::Allow)),
        (status(501), true)
    );
}

#[test]
fn an_unknown_requirement_gets_420_and_a_foreign_body_415() {
    let refused = status_of(Method::Info, |request| {
        request.headers.push(HeaderName::Require, "magic")
    });
    assert_eq!(
        (refused.status, refused.headers.get(HeaderName::Unsupported)),
        (status(420), Some("magic"))
    );
    for method in [Method::Invite, Method::Update] {
        let refused = status_of(method, |request| request.set_body("text/plain", "hello"));
        assert_eq!(
            (refused.status, refused.headers.get(HeaderName::Accept)),
            (status(415), Some("application/sdp"))
        );
    }
}

#[test]
fn a_request_out_of_order_gets_500() {
    let refused = status_of(Method::Info, |request| request.cseq = 3);
    assert_eq!(refused.status, status(500));
}

#[test]
fn a_request_of_another_dialog_gets_481() {
    let refused = status_of(Method::Info, |request| request.from.params.set("tag", "stranger"));
    assert_eq!(refused.status, status(481));
}

#[test]
fn info_is_handed_up_and_answered_and_an_unknown_package_is_not() {
    let mut bench = Bench::answered();
    let mut info = bench.peer_request(Method::Info, None);
    info.set_body("application/dtmf-relay", "Signal=5");
    bench.request(info);
    assert_eq!(bench.answer().status, StatusCode::OK);
    assert!(
        bench.has(|event| matches!(event, Event::Info { content_type: Some(kind), body }
        if kind == "application/dtmf-relay" && body == "Signal=5"))
    );
    let refused = status_of(Method::Info, |request| {
        request.headers.push(HeaderName::InfoPackage, "foo")
    });
    assert_eq!(refused.status, status(469));
}

#[test]
fn refer_notify_and_subscribe_are_handed_up_unanswered() {
    for method in [Method::Refer, Method::Notify, Method::Subscribe] {
        let mut bench = Bench::answered();
        let request = bench.peer_request(method.clone(), None);
        let key = bench.request(request);
        assert!(bench.statuses().is_empty());
        assert!(bench.has(|event| matches!(event, Event::Request { key: handed, request } if *handed == key && request.method == method)));
    }
}

#[test]
fn a_probe_says_alive_or_ends_the_call() {
    for (code, alive) in [(200, true), (405, true), (501, true), (481, false), (408, false)] {
        let mut bench = Bench::talking();
        bench.act(|session, now| session.probe(now).unwrap());
        let (id, options) = bench.sent(Method::Options);
        bench.response(id, &Response::to(&options, status(code)));
        assert_eq!(
            (bench.has(|event| *event == Event::Alive), bench.ended),
            (alive, usize::from(!alive)),
            "{code}"
        );
    }
    let mut bench = Bench::talking();
    let id = bench.act(|session, now| session.probe(now).unwrap());
    bench.act(|session, now| session.handle_failed(id, Failure::FlowLost, now));
    assert!(
        !bench.has(|event| *event == Event::Alive),
        "a broken flow proves nothing"
    );
    assert_eq!(bench.ended, 0);
}

#[test]
fn a_probe_that_got_lost_ends_nothing_once_the_other_side_has_asked_something_itself() {
    for (code, ended) in [(408, 0), (481, 1)] {
        let mut bench = Bench::talking();
        bench.act(|session, now| session.probe(now).unwrap());
        let (id, options) = bench.sent(Method::Options);
        let reinvite = bench.peer_request(Method::Invite, Some("moved"));
        bench.request(reinvite);
        bench.response(id, &Response::to(&options, status(code)));
        assert_eq!(bench.ended, ended, "{code}");
    }
}

#[test]
fn an_info_of_ours_comes_back_as_its_outcome() {
    let mut bench = Bench::talking();
    let id = bench.act(|session, now| {
        session
            .info("application/dtmf-relay", Bytes::from_static(b"Signal=1"), now)
            .unwrap()
    });
    let (sent, info) = bench.sent(Method::Info);
    assert_eq!((sent, info.body.clone()), (id, Bytes::from_static(b"Signal=1")));
    bench.response(id, &Response::to(&info, status(415)));
    assert!(bench.has(|event| matches!(event, Event::Outcome { id: of, result: Ok(response), .. } if *of == id && response.status == status(415))));
}

#[test]
fn commands_that_do_not_fit_change_nothing() {
    let mut bench = Bench::talking();
    let refused = [
        bench.act(|session, now| session.ring(now)),
        bench.act(|session, now| session.answer(sdp("x"), now)),
        bench.act(|session, now| session.reject(status(486), None, now)),
        bench.act(|session, now| session.cancel(None, now)),
        bench.act(|session, now| session.answer_offer(sdp("x"), now)),
        bench.act(|session, now| session.refuse_offer(status(488), None, now)),
    ];
    use CommandRefused::{NoOffer, NotCalling, NotRinging};
    assert_eq!(
        refused.map(Result::unwrap_err),
        [NotRinging, NotRinging, NotRinging, NotCalling, NoOffer, NoOffer]
    );
    assert!(bench.out.is_empty());
    bench.act(|session, now| session.hangup(None, now));
    assert_eq!(
        bench.act(|session, now| session.offer(&sdp("x"), now)),
        Err(CommandRefused::NoDialog)
    );
    assert_eq!(
        bench.act(|session, now| session.probe(now)),
        Err(CommandRefused::NoDialog)
    );
}

#[test]
fn our_bye_carries_its_reason_and_everything_after_it_gets_481() {
    let mut bench = Bench::talking();
    let reason = "Q.850;cause=16".parse().unwrap();
    bench.act(|session, now| session.hangup(Some(reason), now));
    let (id, bye) = bench.sent(Method::Bye);
    assert_eq!(bye.headers.get(HeaderName::Reason), Some("Q.850;cause=16"));
    let late = bench.peer_request(Method::Info, None);
    bench.request(late);
    assert_eq!(bench.answer().status, status(481));
    let crossing = bench.peer_request(Method::Bye, None);
    bench.request(crossing);
    assert_eq!(bench.answer().status, StatusCode::OK, "BYEs may cross");
    bench.response(id, &Response::to(&bye, StatusCode::OK));
    bench.wait(Duration::from_secs(33));
    bench.assert_released();
}

#[test]
fn a_bye_answers_what_was_open_with_487() {
    let mut bench = Bench::answered();
    let reinvite = bench.peer_request(Method::Invite, Some("hold"));
    bench.request(reinvite);
    let mut bye = bench.peer_request(Method::Bye, None);
    bye.headers.push(HeaderName::Reason, "SIP;cause=480");
    bench.request(bye);
    let mut statuses = bench.statuses();
    statuses.sort_unstable();
    assert_eq!((statuses, bench.end().by), (vec![200, 487], EndedBy::Them));
    assert_eq!(bench.end().reasons[0].cause, Some(480));
    bench.assert_released();
}

#[test]
fn a_bye_whose_flow_broke_is_sent_again_on_the_next_one() {
    let mut bench = Bench::talking();
    bench.act(|session, now| session.hangup(None, now));
    let (id, bye) = bench.sent(Method::Bye);
    bench.act(|session, now| session.handle_failed(id, Failure::FlowLost, now));
    bench.wait(Duration::from_secs(4));
    let (id, again) = bench.sent(Method::Bye);
    assert_eq!(again.cseq, bye.cseq + 1);
    bench.act(|session, now| session.handle_failed(id, Failure::Timeout, now));
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.sends(&Method::Bye), 0, "nobody answered: enough");
    bench.assert_released();
}
