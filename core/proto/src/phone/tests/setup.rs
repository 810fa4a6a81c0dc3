//! What an account's settings make of its calls: numbers shown, routes, Contact, what is stored.

use super::*;
use crate::account_config::{CallerId, HostPort};

fn invite_with(caller_id: CallerId, target: &str) -> Request {
    let mut config = plain();
    config.caller_id = caller_id;
    config.display_name = Some("Jan".to_owned());
    let mut bench = Bench::with(config);
    bench.dial(target);
    bench.request(Method::Invite)
}

#[test]
fn a_shown_number_is_the_accounts_own() {
    let invite = invite_with(CallerId::Shown, "0201234567");
    let from = invite.from.clone();
    assert_eq!(
        (from.uri.to_string().as_str(), from.display.as_deref()),
        ("sip:1001@pbx.example", Some("Jan"))
    );
    assert!(!invite.headers.has(HeaderName::Privacy));
}

#[test]
fn a_withheld_number_is_in_no_header_that_is_passed_on() {
    let invite = invite_with(CallerId::Withheld, "0201234567");
    assert_eq!(invite.from.uri.to_string(), "sip:anonymous@anonymous.invalid");
    assert_eq!(invite.headers.get(HeaderName::Privacy), Some("id"));
    let preferred = invite.headers.get(HeaderName::PPreferredIdentity).unwrap();
    assert!(
        preferred.contains("sip:1001@pbx.example"),
        "the PBX has to know: {preferred}"
    );
    let contact = invite.headers.contacts().first().unwrap().to_string();
    assert!(!contact.contains("1001") && !contact.contains("Jan"));
}

#[test]
fn a_chosen_number_is_asked_for_by_its_header_or_by_its_prefix() {
    let invite = invite_with(CallerId::Number("+31201112233".to_owned()), "0201234567");
    let preferred = invite.headers.get(HeaderName::PPreferredIdentity).unwrap();
    assert!(preferred.contains("sip:+31201112233@pbx.example"));
    let invite = invite_with(CallerId::Prefix("*31".to_owned()), "0201234567");
    assert_eq!(invite.uri.user().as_deref(), Some("*310201234567"));
}

#[test]
fn an_emergency_call_never_asks_never_hides_and_is_never_prefixed() {
    for wish in [CallerId::Withheld, CallerId::Prefix("*31".to_owned())] {
        let invite = invite_with(wish, "112");
        assert_eq!(invite.uri.to_string(), "sip:112@pbx.example");
        assert_eq!(invite.from.uri.user().as_deref(), Some("1001"));
        assert!(!invite.headers.has(HeaderName::Privacy));
    }
}

#[test]
fn calls_go_through_the_outbound_proxy_and_the_service_route_in_this_order() {
    let mut config = plain();
    config.outbound_proxy = Some(HostPort {
        host: "edge.example".to_owned(),
        port: Some(5061),
    });
    let mut bench = Bench::unregistered();
    bench.granted = vec![("Service-Route", "<sip:orig@core.example;lr>".to_owned())];
    bench.add(config, AccountMemory::default());
    let register = bench.registers[0].headers.get(HeaderName::Route).unwrap().to_owned();
    assert_eq!(register, "<sip:edge.example:5061;transport=tls;lr>");
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let routes: Vec<String> = invite.headers.routes().iter().map(ToString::to_string).collect();
    assert_eq!(routes, [register.as_str(), "<sip:orig@core.example;lr>"]);
}

#[test]
fn a_proxy_that_names_itself_in_the_service_route_is_gone_through_once() {
    let mut config = plain();
    config.outbound_proxy = Some(HostPort {
        host: "edge.example".to_owned(),
        port: Some(5061),
    });
    let mut bench = Bench::unregistered();
    let named = "<sip:edge.example:5061;transport=tls;lr>, <sip:orig@core.example;lr>";
    bench.granted = vec![("Service-Route", named.to_owned())];
    bench.add(config, AccountMemory::default());
    bench.dial("1002");
    assert_eq!(bench.request(Method::Invite).headers.routes().len(), 2);
}

#[test]
fn a_gruu_is_given_out_where_the_registrar_assigned_one() {
    let mut bench = Bench::unregistered();
    let gruu = "sip:1001@pbx.example;gr=urn:uuid:x";
    bench.registrar = false;
    bench.add(plain(), AccountMemory::default());
    let register = bench.registers[0].clone();
    let mut ok = Response::to(&register, StatusCode::OK).with_to_tag("r");
    let contact = register.headers.contacts().first().unwrap().clone();
    ok.headers
        .push(HeaderName::Contact, format!("{contact};pub-gruu=\"{gruu}\""));
    bench.deliver(&ok.to_bytes());
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    assert_eq!(invite.headers.contacts().first().unwrap().uri.to_string(), gruu);
}

#[test]
fn a_contact_that_only_its_flow_reaches_says_so() {
    let mut bench = Bench::unregistered();
    bench.granted = vec![("Require", "outbound".to_owned())];
    bench.add(plain(), AccountMemory::default());
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let contact = invite.headers.contacts().first().unwrap().uri.clone();
    assert!(contact.params().has("ob"), "RFC 5626 4.3: {contact}");
}

#[test]
fn behind_a_nat_the_address_that_the_pbx_sees_is_registered_and_given_out() {
    let mut bench = Bench::unregistered();
    bench.registrar = false;
    bench.add(plain(), AccountMemory::default());
    let first = bench.registers[0].clone();
    let mut ok = Response::to(&first, StatusCode::OK).with_to_tag("r");
    let contact = first.headers.contacts().first().unwrap().clone();
    ok.headers.push(HeaderName::Contact, contact);
    ok.vias[0].params.set("received", "203.0.113.5");
    ok.vias[0].params.set("rport", "33333");
    bench.registrar = true;
    bench.deliver(&ok.to_bytes());
    let repaired = bench.contact();
    assert!(repaired.to_string().contains("@203.0.113.5:33333"), "{repaired}");
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    assert_eq!(invite.headers.contacts().first().unwrap().uri, repaired);
}

#[test]
fn what_was_learnt_is_stored_and_used_at_the_next_start() {
    let stored = |bench: &Bench| {
        bench.wishes.iter().rev().find_map(|wish| match wish {
            Output::Remember { memory, .. } => Some(AccountMemory::clone(memory)),
            _ => None,
        })
    };
    let first = Bench::new();
    let memory = stored(&first).unwrap();
    assert_eq!(memory.last_contacts, [first.contact().to_string()]);
    let mut second = Bench::unregistered();
    // Another draw of everything that is not remembered.
    second.phone = Phone::new(Random::seeded(99));
    second.add(plain(), memory.clone());
    let register = &second.registers[0];
    assert_eq!(second.contact().user(), first.contact().user());
    assert!(
        register
            .headers
            .contacts()
            .first()
            .unwrap()
            .to_string()
            .contains(&memory.instance_id)
    );
    second.phone.say_farewell(second.now);
    second.drain();
    assert!(
        stored(&second).unwrap().last_contacts.is_empty(),
        "nothing is bound any more"
    );
}

#[test]
fn a_start_after_a_crash_removes_the_contact_that_was_left_behind() {
    let left = "sip:abcdefgh@198.51.100.77:50000;transport=tls";
    let memory = AccountMemory {
        last_contacts: vec![left.to_owned()],
        ..AccountMemory::default()
    };
    let mut bench = Bench::unregistered();
    bench.add(plain(), memory);
    let removed = |register: &Request| {
        let contacts = register.headers.contacts();
        contacts
            .as_slice()
            .iter()
            .any(|contact| contact.uri.to_string() == left && contact.expires() == Some(0))
    };
    assert!(bench.registers.iter().any(removed));
}
