//! Calls that change hands, with Asterisk, and with linphone through Kamailio.

use std::sync::Arc;

use serde_json::json;
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::kamailio::Kamailio;
use toestel_peers::lab::Lab;
use toestel_peers::linphone::Linphone;
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

#[test]
fn another_make_of_phone_is_sent_to_somebody_else() {
    let (lab, kamailio, mut us, mut other) = direct("linphone-sent");
    let mut linphone = Linphone::start(&lab, &kamailio, "302");
    linphone.dial("301");
    let call = us.is_rung();
    us.order("answer");
    us.call_is(call, "active");
    us.tell(json!({ "cmd": "transfer", "target": "303" }));
    other.is_rung();
    us.event_where("transfer", SOON, |event| event["state"] == "trying");
    other.order("answer");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    us.call_is(call, "ended");
    other.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
}

#[test]
fn another_make_of_phone_takes_our_place_in_a_call_with_somebody_else() {
    let (lab, kamailio, mut us, mut other) = direct("linphone-joins");
    let mut linphone = Linphone::start(&lab, &kamailio, "302");
    linphone.dial("301");
    let first = us.is_rung();
    us.order("answer");
    us.call_is(first, "active");
    let second = us.consults(&mut other, "303");
    us.order("join");
    let replaced = other.event_where("incoming", SOON, |event| event["replaces"].is_i64());
    other.call_is(replaced["replaces"].as_i64().unwrap(), "ended");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    us.call_is(first, "ended");
    us.call_is(second, "ended");
    other.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
}

#[test]
fn another_make_of_phone_sends_us_to_somebody_else() {
    let (lab, kamailio, mut us, mut other) = direct("linphone-sends");
    let mut linphone = Linphone::start(&lab, &kamailio, "302");
    linphone.dial("301");
    let first = us.is_rung();
    us.order("answer");
    linphone.is_answered();
    linphone.say("transfer 1 sip:303@sip.test");
    let asked = us.event("transfer_asked");
    assert_eq!(asked["to"], "303");
    us.order("accept_transfer");
    other.is_rung();
    other.order("answer");
    us.call_is(first, "ended");
    talk(&mut us, &mut other);
}

#[test]
fn another_make_of_phone_hands_us_over_after_a_word_with_somebody_else() {
    let (lab, kamailio, mut us, mut other) = direct("linphone-hands-over");
    let mut linphone = Linphone::start(&lab, &kamailio, "302");
    linphone.dial("301");
    let first = us.is_rung();
    us.order("answer");
    linphone.is_answered();
    linphone.say("pause");
    us.call_is(first, "held");
    linphone.dial("303");
    let theirs = other.is_rung();
    other.order("answer");
    linphone.is_answered();
    linphone.say("transfer 1 --to-call 2");
    us.event("transfer_asked");
    us.order("accept_transfer");
    let replaced = other.event_where("incoming", SOON, |event| event["replaces"].is_i64());
    assert_eq!(replaced["replaces"].as_i64(), Some(theirs));
    other.call_is(theirs, "ended");
    us.call_is(first, "ended");
    talk(&mut us, &mut other);
}

/// Our phones 301 and 303 at a Kamailio, through which calls go from one phone to the other.
fn direct(name: &str) -> (Arc<Lab>, Kamailio, Agent, Agent) {
    let lab = Lab::new(name);
    let kamailio = Kamailio::start(&lab);
    let [us, other] = ["301", "303"].map(|user| {
        let mut phone = Agent::start_in(&lab, &lab.home, &Account::at_kamailio(&lab, user), user);
        phone.event("registered");
        phone
    });
    (lab, kamailio, us, other)
}
