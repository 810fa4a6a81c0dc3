//! Kamailio as the edge: outbound, flow timer, re-registration, and baresip at the far end.

use std::time::Duration;

use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::baresip::{Baresip, Server};
use toestel_peers::kamailio::Kamailio;
use toestel_peers::lab::Lab;
use toestel_peers::process::poll;

#[test]
fn registers_with_outbound_and_keeps_the_flow_alive() {
    let lab = Lab::new("outbound");
    let kamailio = Kamailio::start(&lab);
    let log = kamailio.log();
    let mut phone = Agent::start(&lab, &Account::at_kamailio(&lab, "301"));
    phone.event("registered");
    let known = kamailio.registrations();
    for part in ["AoR: 301", "Instance: <urn:uuid:", "Reg-Id: 1"] {
        assert!(known.contains(part), "no {part} in {known}");
    }
    // The registrar asks for a sign of life every 25 s and grants a minute: one keep-alive and one refresh.
    phone.no_event_for("unregistered", Duration::from_secs(62));
    assert!(log.count("request REGISTER") >= 3, "a challenge, a login and a refresh");
    assert!(kamailio.registrations().contains("301"));
}

#[test]
fn a_killed_edge_is_noticed_and_registered_at_again() {
    let lab = Lab::new("edge");
    let mut kamailio = Kamailio::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_kamailio(&lab, "301"));
    phone.event("registered");
    kamailio.kill();
    phone.event("unregistered");
    let kamailio = Kamailio::start(&lab);
    phone.event_where("registered", Duration::from_secs(120), |_| true);
    let known = poll(SOON, || kamailio.registrations().contains("301").then_some(()));
    assert!(known.is_some(), "{}", kamailio.registrations());
}

#[test]
fn baresip_and_we_call_each_other_through_kamailio() {
    let lab = Lab::new("both");
    let _kamailio = Kamailio::start(&lab);
    let mut baresip = Baresip::start(&lab, Server::Kamailio, "302", true);
    let mut phone = Agent::start(&lab, &Account::at_kamailio(&lab, "301"));
    phone.event("registered");

    let out = phone.call("302");
    baresip.event("CALL_ESTABLISHED", SOON);
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    phone.order("hangup");
    phone.call_is(out, "ended");
    baresip.event("CALL_CLOSED", SOON);

    baresip.dial("301");
    let back = phone.event("incoming")["call"].as_i64().unwrap();
    phone.order("answer");
    baresip.event("CALL_ESTABLISHED", SOON);
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    baresip.hang_up();
    phone.call_is(back, "ended");
}

#[test]
fn two_of_ours_speak_with_each_other_over_the_edge() {
    let lab = Lab::new("ours");
    let _kamailio = Kamailio::start(&lab);
    let mut one = Agent::start_in(&lab, &lab.home, &Account::at_kamailio(&lab, "301"), "one");
    let mut other = Agent::start_in(&lab, &lab.neighbour, &Account::at_kamailio(&lab, "302"), "other");
    one.event("registered");
    other.event("registered");
    let call = one.dial("302");
    other.event("incoming");
    one.call_is(call, "ringing");
    other.order("answer");
    one.call_is(call, "active");
    one.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
    other.stats_where(SOON, |stats| stats["received"].as_u64() > Some(50));
}
