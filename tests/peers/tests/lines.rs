//! Lamps, presence and waiting messages, as Asterisk tells them.

use serde_json::{Value, json};
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::lab::Lab;
use toestel_peers::office::office;

#[test]
fn a_lamp_follows_a_colleague_through_a_call() {
    let (_lab, _asterisk, [mut us, mut colleague, mut caller]) = office("lines-lamp");
    watch(&mut us, "dialog", "202");
    lamp_is(&mut us, "202", "idle");
    let theirs = caller.dial("202");
    lamp_is(&mut us, "202", "ringing");
    colleague.event("incoming");
    colleague.order("answer");
    lamp_is(&mut us, "202", "busy");
    caller.call_is(theirs, "active");
    caller.order("hangup");
    lamp_is(&mut us, "202", "idle");
}

#[test]
fn a_colleague_who_is_not_there_is_away_by_presence() {
    let (_lab, _asterisk, [mut us, colleague, _caller]) = office("lines-presence");
    for kind in ["presence", "dialog"] {
        watch(&mut us, kind, "202");
        us.event_where("lamp", SOON, |event| event["kind"] == kind && event["state"] == "idle");
    }
    assert!(colleague.quit().success());
    us.event_where("lamp", SOON, |event| {
        event["kind"] == "presence" && event["state"] == "away"
    });
    // By its dialogs Asterisk calls whoever is not there free.
    let lamps = us.state()["lamps"].clone();
    let shown = (lamps[0]["kind"].as_str(), lamps[0]["state"].as_str());
    assert_eq!(shown, (Some("dialog"), Some("idle")), "{lamps}");
}

#[test]
fn a_list_of_the_exchange_makes_a_lamp_of_each_member() {
    let (_lab, asterisk, [mut us, mut colleague, mut caller]) = office("lines-list");
    let log = asterisk.log();
    watch(&mut us, "dialog", "desk");
    lamp_is(&mut us, "202", "idle");
    lamp_is(&mut us, "203", "busy_or_idle");
    caller.dial("202");
    lamp_is(&mut us, "202", "ringing");
    colleague.event("incoming");
    assert_eq!(
        log.text().matches("SUBSCRIBE sip:desk@").count(),
        1,
        "one request for all"
    );
}

#[test]
fn whoever_the_exchange_does_not_know_is_unknown() {
    let (_lab, _asterisk, [mut us, ..]) = office("lines-nobody");
    watch(&mut us, "dialog", "999");
    let event = lamp_is(&mut us, "999", "unknown");
    let told = us.event_where("lamp", SOON, |event| event["reason"].is_string());
    assert_eq!(told["reason"], "The PBX knows nobody of that name.", "{event}");
}

#[test]
fn lamps_come_back_with_the_exchange() {
    let (_lab, mut asterisk, [mut us, ..]) = office("lines-back");
    watch(&mut us, "dialog", "203");
    lamp_is(&mut us, "203", "idle");
    asterisk.restart();
    lamp_is(&mut us, "203", "not_connected");
    // The first try may find it still starting.
    us.event_where("registered", SOON * 5, |_| true);
    us.event_where("lamp", SOON * 2, |event| {
        event["target"] == "203" && matches!(event["state"].as_str(), Some("idle" | "busy"))
    });
}

#[test]
fn messages_are_told_unasked_and_are_not_asked_for() {
    let lab = Lab::new("messages-told");
    let asterisk = Asterisk::start(&lab);
    asterisk.leave_message("201", true);
    let log = asterisk.log();
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    messages_are(&mut phone, 1, 0);
    asterisk.leave_message("201", false);
    messages_are(&mut phone, 1, 1);
    phone.no_event_where("messages", std::time::Duration::from_secs(6), |event| {
        event["waiting"] == true
    });
    assert_eq!(log.text().matches("SUBSCRIBE sip:201@").count(), 0);
    assert_eq!(phone.state()["accounts"][0]["messages"]["new"], 1);
}

#[test]
fn messages_are_asked_for_where_they_are_not_told() {
    let lab = Lab::new("messages-asked");
    let asterisk = Asterisk::start(&lab);
    asterisk.leave_message("202", true);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "202"));
    messages_are(&mut phone, 1, 0);
    asterisk.leave_message("202", true);
    messages_are(&mut phone, 2, 0);
}

#[test]
fn an_account_without_a_mailbox_hears_nothing_of_it() {
    let lab = Lab::new("messages-none");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "203"));
    phone.event("registered");
    phone.no_event_where("lamp", std::time::Duration::from_secs(8), |_| true);
    assert_eq!(log.text().matches("Event: message-summary").count(), 1, "asked once");
    assert!(phone.state()["accounts"][0]["messages"].is_null());
}

fn watch(phone: &mut Agent, kind: &str, target: &str) {
    phone.tell(json!({ "cmd": "subscribe", "kind": kind, "target": target }));
}

fn lamp_is(phone: &mut Agent, target: &str, state: &str) -> Value {
    phone.event_where("lamp", SOON, |event| {
        event["target"] == target && state.split("_or_").any(|state| event["state"] == state)
    })
}

fn messages_are(phone: &mut Agent, new: u64, old: u64) {
    phone.event_where("messages", SOON, |event| event["new"] == new && event["old"] == old);
}
