//! Registering at Asterisk: who is trusted, what a password is worth, and what outlives a server's death.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::certificates::Authority;
use toestel_peers::lab::Lab;
use toestel_peers::process::{Log, poll};

/// An attempt to log in is a REGISTER with an answer to a challenge.
const ATTEMPT: &str = "Authorization: Digest";

#[test]
fn registers_over_tls_with_its_authority_and_is_gone_after_quit() {
    let lab = Lab::new("register");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();

    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");
    assert_eq!(phone.state()["registered"], true);
    assert_eq!(asterisk.contacts("201"), 1);
    let contact = log.wait("Contact: <sip:", SOON);
    assert!(contact.contains(";transport=tls"), "{contact}");

    assert!(phone.quit().success());
    assert_eq!(asterisk.contacts("201"), 0);
}

#[test]
fn end_of_input_and_both_signals_unregister_too() {
    let lab = Lab::new("ends");
    let asterisk = Asterisk::start(&lab);
    let ends: [fn(Agent) -> std::process::ExitStatus; 3] = [
        Agent::close_input,
        |phone| phone.signal(Signal::TERM),
        |phone| phone.signal(Signal::INT),
    ];
    for end in ends {
        let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
        phone.event("registered");
        assert!(end(phone).success());
        assert_eq!(asterisk.contacts("201"), 0);
    }
}

#[test]
fn a_server_signed_by_a_stranger_is_refused_and_never_sees_a_login() {
    let lab = Lab::new("stranger");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();
    let stranger = Authority::new(&lab.folder, "stranger");
    let account = Account {
        ca: stranger.certificate,
        ..Account::at_asterisk(&lab, "201")
    };

    let mut phone = Agent::start(&lab, &account);
    let refused = phone.event("unregistered");
    let reason = refused["reason"].as_str().unwrap().to_lowercase();
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(phone.state()["registered"], false);
    assert_eq!(log.count("REGISTER sip:"), 0);
}

#[test]
fn a_certificate_for_another_name_is_refused_unless_that_name_is_configured() {
    let lab = Lab::new("name");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();
    let other = Account {
        domain: "elsewhere.test",
        ..Account::at_asterisk(&lab, "201")
    };

    let mut phone = Agent::start(&lab, &other);
    let reason = phone.event("unregistered")["reason"].as_str().unwrap().to_lowercase();
    assert!(reason.contains("elsewhere.test"), "{reason}");
    assert_eq!(log.count("REGISTER sip:"), 0);
    drop(phone);

    let named = Account {
        tls_name: Some("pbx.test".into()),
        ..other
    };
    let _phone = Agent::start_in(&lab, &lab.home, &named, "named");
    log.wait("REGISTER sip:elsewhere.test", SOON);
}

#[test]
fn registers_over_udp_and_over_tcp() {
    let lab = Lab::new("plain");
    let asterisk = Asterisk::start(&lab);
    for (user, transport) in [("211", "udp"), ("212", "tcp")] {
        let account = Account::plain(&lab, user, transport);
        let mut phone = Agent::start_in(&lab, &lab.home, &account, user);
        phone.event("registered");
        assert_eq!(asterisk.contacts(user), 1, "over {transport}");
        assert!(phone.quit().success());
        assert_eq!(asterisk.contacts(user), 0, "over {transport}");
    }
}

#[test]
fn answers_a_server_that_takes_sha_256_only() {
    let lab = Lab::new("sha-256");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "204"));
    phone.event("registered");
    let login = log.wait(ATTEMPT, SOON);
    assert!(login.contains("algorithm=SHA-256"), "{login}");
}

#[test]
fn a_wrong_password_is_tried_once_and_then_asked_for() {
    let lab = Lab::new("wrong");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();
    let account = Account {
        password: "not this".into(),
        ..Account::at_asterisk(&lab, "201")
    };

    let mut phone = Agent::start(&lab, &account);
    let refused = phone.event("unregistered");
    assert!(refused["retry_in_ms"].is_null(), "{refused}");
    let reason = refused["reason"].as_str().unwrap().to_lowercase();
    assert!(reason.contains("password"), "{reason}");
    phone.no_event_for("registered", Duration::from_secs(8));
    assert_eq!(
        log.count(ATTEMPT),
        1,
        "a password that was never accepted is offered once"
    );
    assert!(!phone.log().contains("not this"), "the password is in the log");
}

#[test]
fn a_password_that_was_accepted_before_is_tried_again_after_minutes() {
    let lab = Lab::new("changed");
    let asterisk = Asterisk::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");

    asterisk.set_password("201", "another");
    asterisk.reload();
    let log = asterisk.log();
    phone.order("register");
    let refused = phone.event("unregistered");
    let wait = refused["retry_in_ms"].as_u64().expect("it is to be tried again");
    assert!((240_000..=360_000).contains(&wait), "about five minutes, not {wait} ms");
    phone.no_event_for("registered", Duration::from_secs(5));
    // One for the nonce it knew, one for the new nonce; the second refusal is the verdict.
    assert!(log.count(ATTEMPT) <= 2, "{} attempts", log.count(ATTEMPT));
}

#[test]
fn an_unreachable_server_is_an_event_and_the_phone_registers_when_it_comes() {
    let lab = Lab::new("later");
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    let refused = phone.event("unregistered");
    assert!(refused["retry_in_ms"].is_u64(), "{refused}");
    assert_eq!(phone.state()["registered"], false);

    let asterisk = Asterisk::start(&lab);
    phone.event_where("registered", Duration::from_secs(90), |_| true);
    assert_eq!(asterisk.contacts("201"), 1);
}

#[test]
fn a_server_that_is_killed_and_comes_back_has_the_phone_again() {
    let lab = Lab::new("killed");
    let mut asterisk = Asterisk::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");

    asterisk.kill();
    phone.event("unregistered");
    asterisk.restart();
    phone.event_where("registered", Duration::from_secs(90), |_| true);
    assert_eq!(asterisk.contacts("201"), 1);

    // And it can be called: the new flow works both ways.
    asterisk.command("channel originate PJSIP/201 application Echo");
    phone.event("incoming");
    phone.order("answer");
    phone.event("media");
}

#[test]
fn a_start_after_a_crash_leaves_one_contact() {
    let lab = Lab::new("crash");
    let asterisk = Asterisk::start(&lab);
    let account = Account::at_asterisk(&lab, "201");
    let mut phone = Agent::start(&lab, &account);
    phone.event("registered");
    phone.kill();
    // The same state folder: it knows what it was.
    let mut phone = Agent::start(&lab, &account);
    phone.event("registered");
    let one = poll(SOON, || (asterisk.contacts("201") == 1).then_some(()));
    assert!(one.is_some(), "{}", asterisk.command("pjsip show contacts"));
}

#[test]
fn the_binding_is_refreshed_before_it_ends() {
    let lab = Lab::new("refresh");
    let asterisk = Asterisk::start(&lab);
    let log = asterisk.log();
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");
    let granted = expires(&log);
    if granted <= 120 {
        // Refreshed at 50 to 80 % of what was granted.
        let before = log.count("REGISTER sip:");
        let again = poll(Duration::from_secs(granted), || {
            (log.count("REGISTER sip:") > before).then_some(())
        });
        assert!(again.is_some(), "no refresh within {granted} s");
        assert!(asterisk.knows("201"));
    }
    phone.order("unregister");
    phone.event("unregistered");
    assert_eq!(asterisk.contacts("201"), 0);
    phone.order("register");
    phone.event("registered");
}

#[test]
fn commands_that_are_none_are_refused_by_the_contract() {
    let lab = Lab::new("contract");
    let _asterisk = Asterisk::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");
    for refused in [
        json!({ "cmd": "answer" }),
        json!({ "cmd": "hold" }),
        json!({ "cmd": "stats" }),
        json!({ "cmd": "sing" }),
        json!({ "cmd": "dial" }),
        json!({ "cmd": "dial", "target": "" }),
        json!({ "cmd": "hangup", "call": 4711 }),
    ] {
        let answer = phone.ask(refused.clone());
        assert_eq!(answer["ok"], false, "{refused}: {answer}");
        assert!(
            answer["error"].as_str().is_some_and(|error| error.len() > 5),
            "{refused}: {answer}"
        );
        assert!(answer["code"].is_string(), "{refused}: {answer}");
    }
    // With no call there is nothing to end, which is what was asked for.
    assert_eq!(phone.ask(json!({ "cmd": "hangup" }))["ok"], true);
    assert_eq!(phone.state()["calls"], json!([]));
}

#[test]
fn what_does_not_come_down_the_flow_is_not_heard() {
    let lab = Lab::new("ghost");
    let _asterisk = Asterisk::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");
    // Nobody listens for SIP at the phone's address: a scanner finds no port.
    let open = lab.neighbour.enter(|| {
        [5060, 5061]
            .into_iter()
            .filter(|port| {
                let address = std::net::SocketAddr::from(([10, 99, 0, 50], *port));
                std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            })
            .count()
    });
    assert_eq!(open, 0);
    phone.no_event_for("incoming", Duration::from_millis(500));
}

/// What the registrar granted, in seconds.
fn expires(log: &Log) -> u64 {
    let contact = log.wait(";expires=", SOON);
    let number = contact.rsplit(";expires=").next().unwrap_or_default();
    number
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap_or(u64::MAX)
}
