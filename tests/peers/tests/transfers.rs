//! Calls that change hands, with Asterisk, and with baresip through Kamailio.

use serde_json::json;
use toestel_peers::agent::SOON;
use toestel_peers::office::{office, talk};

#[test]
fn a_caller_is_sent_to_somebody_else_who_answers_and_the_two_talk() {
    let (_lab, _asterisk, [mut us, mut caller, mut other]) = office("blind");
    let ours = caller.calls(&mut us, "201");
    us.tell(json!({ "cmd": "transfer", "target": "203" }));
    let theirs = other.is_rung();
    us.event_where("transfer", SOON, |event| event["state"] == "trying");
    other.order("answer");
    other.call_is(theirs, "active");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    us.call_is(ours, "ended");
    talk(&mut caller, &mut other);
}

#[test]
fn whoever_we_called_is_sent_to_somebody_else() {
    let (_lab, _asterisk, [mut us, mut callee, mut other]) = office("blind-callee");
    us.calls(&mut callee, "202");
    us.tell(json!({ "cmd": "transfer", "target": "203" }));
    other.is_rung();
    other.order("answer");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    talk(&mut callee, &mut other);
}

#[test]
fn a_caller_who_cannot_be_sent_on_comes_back() {
    let (_lab, _asterisk, [mut us, mut caller, _]) = office("comes-back");
    let ours = caller.calls(&mut us, "201");
    us.tell(json!({ "cmd": "transfer", "target": "999" }));
    us.call_is(ours, "held");
    let failed = us.event_where("transfer", SOON, |event| event["state"] == "failed");
    assert!(
        failed["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("still here")),
        "{failed}"
    );
    us.call_is(ours, "active");
    talk(&mut caller, &mut us);
}

#[test]
fn a_caller_is_handed_over_after_a_word_with_whoever_takes_the_call() {
    let (_lab, _asterisk, [mut us, mut caller, mut other]) = office("attended");
    let first = caller.calls(&mut us, "201");
    let second = us.consults(&mut other, "203");
    us.order("join");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    us.call_is(first, "ended");
    us.call_is(second, "ended");
    talk(&mut caller, &mut other);
}

#[test]
fn two_who_called_us_are_connected_with_each_other() {
    let (_lab, _asterisk, [mut us, mut one, mut two]) = office("join");
    let first = one.calls(&mut us, "201");
    let second = two.calls(&mut us, "201");
    us.call_is(first, "held");
    us.tell(json!({ "cmd": "join", "call": first, "with": second }));
    us.call_is(first, "ended");
    us.call_is(second, "ended");
    talk(&mut one, &mut two);
}

#[test]
fn the_exchange_sends_us_elsewhere_once_we_agree() {
    let (_lab, _asterisk, [mut us, ..]) = office("sent-elsewhere");
    let first = us.call("611");
    let asked = us.event("transfer_asked");
    assert_eq!(
        (asked["call"].as_i64(), asked["to"].as_str()),
        (Some(first), Some("600")),
        "{asked}"
    );
    let second = us.order("accept_transfer")["call"].as_i64().unwrap();
    us.call_is(second, "active");
    us.call_is(first, "ended");
    us.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
}
