//! Calls with Asterisk: both directions, both endings, and everything that happens in between.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::baresip::{Baresip, Server};
use toestel_peers::lab::Lab;
use toestel_peers::process::poll;

#[test]
fn an_echo_call_is_encrypted_opus_both_ways_and_we_hang_up() {
    let (_lab, asterisk, mut phone) = registered("echo", "201");
    let log = asterisk.log();
    let call = phone.dial("600");
    let media = phone.event("media");
    phone.call_is(call, "active");
    assert_eq!(media["codec"], "opus");
    assert!(
        media["suite"].as_str().is_some_and(|suite| suite.starts_with("AE")),
        "{media}"
    );

    let stats = phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(100));
    assert!(stats["sent"].as_u64() > Some(100), "{stats}");
    assert_eq!(stats["lost"], 0, "{stats}");
    let (received, sent) = poll(SOON, || asterisk.packets().filter(|(_, sent)| *sent > 100)).unwrap();
    assert!(received > 100 && sent > 100);
    let listed = phone.state()["calls"][0].clone();
    assert_eq!(listed["direction"], "out");
    assert_eq!(listed["suite"], media["suite"]);

    phone.order("hangup");
    phone.call_is(call, "ended");
    log.wait("BYE sip:", SOON);
    assert!(asterisk.command("core show channels").contains("0 active channels"));
}

#[test]
fn the_far_end_hangs_up() {
    let (_lab, _asterisk, mut phone) = registered("far-bye", "201");
    let call = phone.call("607");
    phone.call_is(call, "ended");
    let ended = poll(Duration::from_secs(4), || {
        (phone.state()["calls"] == json!([])).then_some(())
    });
    assert!(ended.is_some(), "an ended call is listed for two seconds and no longer");
}

#[test]
fn an_incoming_call_rings_and_is_answered() {
    let (_lab, asterisk, mut phone) = registered("incoming", "201");
    let incoming = ring(&asterisk, &mut phone, "201");
    let call = incoming["call"].as_i64().unwrap();
    assert_eq!(phone.state()["calls"][0]["state"], "ringing");
    assert_eq!(phone.state()["calls"][0]["direction"], "in");
    phone.order("answer");
    phone.call_is(call, "active");
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    asterisk.command("channel request hangup all");
    phone.call_is(call, "ended");
}

#[test]
fn an_incoming_call_is_rejected_as_busy() {
    let (_lab, asterisk, mut phone) = registered("reject", "201");
    let log = asterisk.log();
    let call = ring(&asterisk, &mut phone, "201")["call"].as_i64().unwrap();
    phone.tell(json!({ "cmd": "reject", "code": 486 }));
    phone.call_is(call, "ended");
    log.wait("SIP/2.0 486", SOON);
}

#[test]
fn a_caller_who_gives_up_ends_the_ringing() {
    let (_lab, asterisk, mut phone) = registered("cancel-in", "201");
    let log = asterisk.log();
    let call = ring(&asterisk, &mut phone, "201")["call"].as_i64().unwrap();
    asterisk.command("channel request hangup all");
    phone.call_is(call, "ended");
    log.wait("SIP/2.0 487", SOON);
}

#[test]
fn we_call_and_are_called_back() {
    let (_lab, _asterisk, mut phone) = registered("back", "201");
    let first = phone.call("601");
    phone.call_is(first, "ended");
    let back = phone.event("incoming");
    assert!(back["from"].as_str().is_some_and(|from| from.contains("601")), "{back}");
    assert_ne!(
        back["call"].as_i64(),
        Some(first),
        "a call's number is never used again"
    );
    phone.order("answer");
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
}

#[test]
fn hold_and_resume_reach_the_exchange_and_sound_comes_back() {
    let (_lab, asterisk, mut phone) = registered("hold", "201");
    let call = phone.call("600");
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));

    let log = asterisk.log();
    phone.order("hold");
    phone.call_is(call, "held");
    log.wait("a=sendonly", SOON);
    assert_eq!(phone.state()["calls"][0]["held_by"], "us");

    let log = asterisk.log();
    phone.order("resume");
    phone.call_is(call, "active");
    log.wait("a=sendrecv", SOON);
    assert_eq!(phone.state()["calls"][0]["held_by"], "none");
    let before = phone.stats()["received"].as_u64();
    phone.stats_where(SOON, |stats| {
        stats["received"].as_u64() > before.map(|count| count + 50)
    });
}

#[test]
fn a_hundred_digits_reach_the_dial_plan_none_lost_or_doubled() {
    let (_lab, asterisk, mut phone) = registered("dtmf", "201");
    let log = asterisk.log();
    phone.call("606");
    let digits = "11233455*D".repeat(10);
    phone.tell(json!({ "cmd": "dtmf", "digits": digits }));
    log.wait(&format!("digits read: {digits}"), Duration::from_secs(90));
}

#[test]
fn digits_of_the_far_end_are_events() {
    let (_lab, _asterisk, mut phone) = registered("dtmf-in", "201");
    phone.call("609");
    let digits: String = (0..16)
        .map(|_| phone.event("dtmf")["digit"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(digits, "1234567890*#ABCD");
    phone.no_event_for("dtmf", Duration::from_secs(1));
}

#[test]
fn busy_no_answer_and_a_number_that_does_not_exist() {
    let (_lab, asterisk, mut phone) = registered("refusals", "201");
    let log = asterisk.log();
    let busy = phone.dial("604");
    let ended = phone.call_is(busy, "ended");
    assert_eq!(ended["code"], 486, "{ended}");

    let nowhere = phone.dial("699");
    let ended = phone.call_is(nowhere, "ended");
    assert_eq!(ended["code"], 404, "{ended}");

    let unanswered = phone.dial("605");
    phone.call_is(unanswered, "ringing");
    phone.no_event_for("media", Duration::from_secs(2));
    phone.order("hangup");
    phone.call_is(unanswered, "ended");
    log.wait("CANCEL sip:", SOON);
}

#[test]
fn speech_before_the_answer_is_early_media() {
    let (_lab, _asterisk, mut phone) = registered("early", "201");
    let call = phone.dial("608");
    phone.call_is(call, "early");
    phone.event("media");
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    phone.order("hangup");
    phone.call_is(call, "ended");
}

#[test]
fn muted_means_silence_and_not_a_broken_line() {
    let (_lab, asterisk, mut phone) = registered("mute", "201");
    phone.call("600");
    phone.tell(json!({ "cmd": "mute", "on": true }));
    assert_eq!(phone.state()["calls"][0]["muted"], true);
    let before = asterisk.packets().map_or(0, |(received, _)| received);
    let more = poll(Duration::from_secs(25), || {
        asterisk.packets().filter(|(received, _)| *received > before)
    });
    assert!(more.is_some(), "no packet in 25 s: a firewall would forget the call");
}

#[test]
fn every_device_of_an_extension_rings_and_the_first_answer_takes_the_call() {
    let lab = Lab::new("devices");
    let asterisk = Asterisk::start(&lab);
    let account = Account::at_asterisk(&lab, "201");
    let mut desk = Agent::start_in(&lab, &lab.home, &account, "desk");
    let mut pocket = Agent::start_in(&lab, &lab.home, &account, "pocket");
    desk.event("registered");
    pocket.event("registered");
    assert_eq!(asterisk.contacts("201"), 2);

    let mut caller = Agent::start_in(&lab, &lab.neighbour, &Account::at_asterisk(&lab, "202"), "caller");
    caller.event("registered");
    let call = caller.dial("201");
    let at_desk = desk.event("incoming")["call"].as_i64().unwrap();
    pocket.event("incoming");
    pocket.order("answer");
    caller.call_is(call, "active");
    desk.call_is(at_desk, "ended");
    caller.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    pocket.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
}

#[test]
fn baresip_and_we_call_each_other_through_asterisk() {
    let lab = Lab::new("baresip");
    let _asterisk = Asterisk::start(&lab);
    let mut baresip = Baresip::start(&lab, Server::Asterisk, "202", true);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");

    let out = phone.call("202");
    baresip.event("CALL_ESTABLISHED", SOON);
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    baresip.hang_up();
    phone.call_is(out, "ended");
    baresip.event("CALL_CLOSED", SOON);

    baresip.dial("201");
    let back = phone.event("incoming")["call"].as_i64().unwrap();
    phone.order("answer");
    baresip.event("CALL_ESTABLISHED", SOON);
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    phone.order("hangup");
    phone.call_is(back, "ended");
    baresip.event("CALL_CLOSED", SOON);
}

#[test]
fn baresip_puts_us_on_hold_and_takes_us_back() {
    let lab = Lab::new("held");
    let _asterisk = Asterisk::start(&lab);
    let mut baresip = Baresip::start(&lab, Server::Asterisk, "202", true);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");
    let call = phone.call("202");
    baresip.event("CALL_ESTABLISHED", SOON);
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));

    baresip.hold(true);
    phone.call_is(call, "held");
    assert_eq!(phone.state()["calls"][0]["held_by"], "them");
    baresip.hold(false);
    phone.call_is(call, "active");
    assert_eq!(phone.state()["calls"][0]["held_by"], "none");
    let before = phone.stats()["received"].as_u64();
    phone.stats_where(SOON, |stats| {
        stats["received"].as_u64() > before.map(|count| count + 100)
    });
}

#[test]
fn plain_calls_over_udp_and_tcp() {
    let lab = Lab::new("plain-calls");
    let asterisk = Asterisk::start(&lab);
    for (user, transport) in [("211", "udp"), ("212", "tcp")] {
        let account = Account::plain(&lab, user, transport);
        let mut phone = Agent::start_in(&lab, &lab.home, &account, user);
        phone.event("registered");
        let log = asterisk.log();
        phone.call("600");
        phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
        assert_eq!(log.count("a=crypto"), 0, "over {transport}");
        assert!(
            !phone.state()["calls"][0]["suite"].to_string().contains("AE"),
            "over {transport}"
        );
        assert!(phone.quit().success());
    }
}

#[test]
fn a_phone_that_requires_encryption_refuses_a_call_without_keys() {
    let lab = Lab::new("no-keys");
    let asterisk = Asterisk::start(&lab);
    // 211 is a plain endpoint; we reach it over TLS and require keys all the same.
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "211"));
    phone.event("registered");
    let log = asterisk.log();
    asterisk.command("channel originate PJSIP/211 application Echo");
    log.wait("SIP/2.0 488", SOON);
    phone.no_event_for("incoming", Duration::from_millis(500));
}

#[test]
fn a_call_whose_server_died_ends_with_a_reason() {
    let (_lab, mut asterisk, mut phone) = registered("died", "207");
    let call = phone.call("600");
    asterisk.kill();
    let ended = phone.call_is_within(call, "ended", Duration::from_secs(150));
    assert!(
        ended["reason"].as_str().is_some_and(|reason| reason.len() > 5),
        "{ended}"
    );
}

#[test]
fn quitting_in_a_call_hangs_up_first() {
    let (_lab, asterisk, mut phone) = registered("quit", "201");
    phone.call("600");
    let log = asterisk.log();
    assert!(phone.quit().success());
    log.wait("BYE sip:", SOON);
    assert_eq!(asterisk.contacts("201"), 0);
}

#[test]
fn a_session_of_ninety_seconds_is_refreshed_and_lives_on() {
    let (_lab, asterisk, mut phone) = registered("session", "205");
    let log = asterisk.log();
    let call = ring(&asterisk, &mut phone, "205")["call"].as_i64().unwrap();
    log.wait("Session-Expires: 90", SOON);
    phone.order("answer");
    phone.call_is(call, "active");
    let before = log.count("Session-Expires: 90");
    phone.no_event_where("call", Duration::from_secs(100), |event| event["state"] == "ended");
    assert_eq!(phone.state()["calls"][0]["state"], "active");
    assert!(
        log.count("Session-Expires: 90") > before + 1,
        "the session was not refreshed"
    );
    let received = phone.stats()["received"].as_u64();
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > received);
    phone.order("hangup");
    phone.call_is(call, "ended");
}

/// A lab with Asterisk, and our phone registered as `user`.
fn registered(name: &str, user: &str) -> (Arc<Lab>, Asterisk, Agent) {
    let lab = Lab::new(name);
    let asterisk = Asterisk::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, user));
    phone.event("registered");
    (lab, asterisk, phone)
}

/// Has Asterisk call `user`, and waits until it rings.
fn ring(asterisk: &Asterisk, phone: &mut Agent, user: &str) -> serde_json::Value {
    asterisk.command(&format!("channel originate PJSIP/{user} application Echo"));
    phone.event("incoming")
}
