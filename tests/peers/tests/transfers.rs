//! Calls that change hands, with Asterisk, and with baresip through Kamailio.

use std::sync::Arc;

use serde_json::{Value, json};
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::lab::Lab;

#[test]
fn a_caller_is_sent_to_somebody_else_who_answers_and_the_two_talk() {
    let (_lab, _asterisk, [mut us, mut caller, mut other]) = office("blind");
    let ours = called(&mut us, &mut caller);
    us.tell(json!({ "cmd": "transfer", "target": "203" }));
    let theirs = rung(&mut other);
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
    called(&mut callee, &mut us);
    us.tell(json!({ "cmd": "transfer", "target": "203" }));
    rung(&mut other);
    other.order("answer");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    talk(&mut callee, &mut other);
}

#[test]
fn a_caller_who_cannot_be_sent_on_comes_back() {
    let (_lab, _asterisk, [mut us, mut caller, _]) = office("comes-back");
    let ours = called(&mut us, &mut caller);
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
    let first = called(&mut us, &mut caller);
    let second = consult(&mut us, &mut other);
    us.order("join");
    us.event_where("transfer", SOON, |event| event["state"] == "done");
    us.call_is(first, "ended");
    us.call_is(second, "ended");
    talk(&mut caller, &mut other);
}

#[test]
fn two_who_called_us_are_connected_with_each_other() {
    let (_lab, _asterisk, [mut us, mut one, mut two]) = office("join");
    let first = called(&mut us, &mut one);
    let second = called(&mut us, &mut two);
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

/// Three phones at one Asterisk: 201, 202 and 203.
fn office(name: &str) -> (Arc<Lab>, Asterisk, [Agent; 3]) {
    let lab = Lab::new(name);
    let asterisk = Asterisk::start(&lab);
    let phones = ["201", "202", "203"].map(|user| {
        let mut phone = Agent::start_in(&lab, &lab.home, &Account::at_asterisk(&lab, user), user);
        phone.event("registered");
        phone
    });
    (lab, asterisk, phones)
}

/// `caller` calls `us`, who answer; our number of the call.
fn called(us: &mut Agent, caller: &mut Agent) -> i64 {
    let number = us.state()["accounts"][0]["aor"].as_str().unwrap().to_owned();
    let number = number.trim_start_matches("sip:").split('@').next().unwrap().to_owned();
    let theirs = caller.dial(&number);
    let ours = rung(us);
    us.tell(json!({ "cmd": "answer", "call": ours }));
    us.call_is(ours, "active");
    caller.call_is(theirs, "active");
    ours
}

fn consult(us: &mut Agent, other: &mut Agent) -> i64 {
    let answer = us.tell(json!({ "cmd": "consult", "target": "203" }));
    let call = answer["call"].as_i64().unwrap();
    rung(other);
    other.order("answer");
    us.call_is(call, "active");
    call
}

fn rung(phone: &mut Agent) -> i64 {
    phone.event("incoming")["call"].as_i64().unwrap()
}

/// Both hear packets that were sent from now on.
fn talk(one: &mut Agent, two: &mut Agent) {
    for phone in [one, two] {
        let before = received(&phone.stats());
        phone.stats_where(SOON, |stats| received(stats) > before + 50);
    }
}

fn received(stats: &Value) -> u64 {
    stats["received"].as_u64().unwrap()
}
