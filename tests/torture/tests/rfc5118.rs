//! RFC 5118, "SIP Torture Test Messages for IPv6".
//!
//! The files of the RFC's archive end their lines with LF and their Content-Lengths were counted otherwise, so each
//! is judged as it stands in the archive and as the wire would carry it, with CRLF. `ipv6-in-sdp` promises 268 bytes
//! and has fewer either way: a fault of the archive that RFC 3261 18.3 wants refused; with its length put right it is
//! the valid message of which the RFC speaks.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail and say why"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use toestel_proto::sip::msg::{Message, Method, Request};
use toestel_proto::sip::parse;
use toestel_torture::Verdict::{Admitted, Answered, Refused};
use toestel_torture::{Row, Verdict, judge};

static MESSAGES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| toestel_torture::rfc_messages(5118));

const fn row(name: &'static str, section: &'static str, verdict: Verdict, because: &'static str) -> Row {
    Row {
        name,
        section,
        verdict,
        because,
    }
}

#[rustfmt::skip]
const ROWS: [Row; 12] = [
    row("ipv6-good", "4.1", Answered(405), "well formed; a REGISTER, which a phone does not take"),
    row("ipv6-bad", "4.2", Refused(400), "an address without brackets: should respond with a 400"),
    row("port-ambiguous", "4.3", Answered(405), "from a parsing perspective well formed; a REGISTER"),
    row("port-unambiguous", "4.4", Answered(405), "well formatted; a REGISTER"),
    row("via-received-param-with-delim", "4.5", Admitted, "robust implementations must be able to parse it"),
    row("via-received-param-no-delim", "4.5", Admitted, "valid according to the grammar"),
    row("ipv6-in-sdp", "4.6", Admitted, "valid and well formed"),
    row("mult-ip-in-header", "4.7", Admitted, "valid and well formed"),
    row("mult-ip-in-sdp", "4.8", Admitted, "valid and well formed"),
    row("ipv4-mapped-ipv6", "4.9", Admitted, "well formed"),
    row("ipv6-bug-abnf-3-colons", "4.10", Admitted, "an implementation must tolerate both constructs"),
    row("ipv6-correct-abnf-2-colons", "4.10", Admitted, "the correct syntax"),
];

/// As the wire would carry it.
fn wire(name: &str) -> Vec<u8> {
    let text = String::from_utf8(MESSAGES[name].clone()).unwrap().replace('\n', "\r\n");
    // See the head of this file.
    if name == "ipv6-in-sdp" {
        text.replace("268", "251").into()
    } else {
        text.into()
    }
}

fn request(name: &str) -> Request {
    match parse::datagram(&wire(name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn v6(text: &str) -> Option<IpAddr> {
    Some(IpAddr::V6(text.parse::<Ipv6Addr>().unwrap()))
}

fn target(request: &Request) -> Option<IpAddr> {
    request.uri.host().unwrap().ip()
}

#[test]
fn every_message_gets_the_verdict_of_the_rfc() {
    for row in &ROWS {
        assert_eq!(judge(&wire(row.name)), row.verdict, "{row:?}");
    }
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names, MESSAGES.keys().map(String::as_str).collect());
}

#[test]
fn the_files_of_the_archive_are_taken_as_they_stand() {
    for row in &ROWS {
        let verdict = match row.name {
            // Their bodies are shorter than they promise, by 26 bytes and by one.
            "ipv6-in-sdp" | "mult-ip-in-sdp" => Refused(400),
            _ => row.verdict,
        };
        assert_eq!(judge(&MESSAGES[row.name]), verdict, "{row:?}");
    }
}

#[test]
fn references_are_told_from_ports_by_their_brackets() {
    let good = request("ipv6-good");
    assert_eq!((target(&good), good.uri.port()), (v6("2001:db8::10"), None));
    assert_eq!(good.top_via().unwrap().host.ip(), v6("2001:db8::9:1"));
    let contacts = good.headers.contacts();
    assert_eq!(contacts.first().unwrap().uri.host().unwrap().ip(), v6("2001:db8::1"));
    assert_eq!(contacts.first().unwrap().uri.to_string(), "sip:caller@[2001:db8::1]");

    let ambiguous = request("port-ambiguous");
    assert_eq!(
        (target(&ambiguous), ambiguous.uri.port()),
        (v6("2001:db8::10:5070"), None)
    );
    let unambiguous = request("port-unambiguous");
    assert_eq!(
        (target(&unambiguous), unambiguous.uri.port()),
        (v6("2001:db8::10"), Some(5070))
    );
    assert_eq!(unambiguous.cseq, 98_176);
}

#[test]
fn received_is_read_with_and_without_brackets() {
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let request = request(name);
        let via = request.top_via().unwrap();
        assert_eq!(via.received(), v6("2001:db8::9:255"), "{name}");
        assert_eq!(via.host.ip(), v6("2001:db8::9:1"), "{name}");
        assert!(via.branch().unwrap().starts_with("z9hG4bKas3"), "{name}");
    }
    assert_eq!(request("via-received-param-with-delim").method, Method::Bye);
    assert_eq!(request("via-received-param-no-delim").cseq, 921);
}

#[test]
fn bodies_keep_their_addresses_without_brackets() {
    let in_sdp = request("ipv6-in-sdp");
    assert_eq!((target(&in_sdp), in_sdp.body.len()), (v6("2001:db8::10"), 251));
    assert!(
        String::from_utf8(in_sdp.body.to_vec())
            .unwrap()
            .contains("c=IN IP6 2001:db8::20\r\n")
    );
    let several = request("mult-ip-in-sdp");
    let body = String::from_utf8(several.body.to_vec()).unwrap();
    assert!(body.contains("c=IN IP4 192.0.2.1\r\n") && body.contains("c=IN IP6 2001:db8::1\r\n"));
    assert_eq!((several.cseq, several.body.len()), (8912, 181));
}

#[test]
fn vias_mix_both_families() {
    let mixed = request("mult-ip-in-header");
    let hops: Vec<String> = mixed
        .vias
        .iter()
        .map(|via| format!("{} {}:{}", via.transport, via.host, via.port_or_default()))
        .collect();
    assert_eq!(
        hops,
        [
            "UDP [2001:db8::9:1]:6050",
            "UDP 192.0.2.1:5060",
            "TCP [2001:db8::9:255]:5060"
        ]
    );
    assert_eq!(mixed.vias[2].received().unwrap().to_string(), "192.0.2.200");

    let mapped = request("ipv4-mapped-ipv6");
    let via = mapped.top_via().unwrap();
    assert_eq!((via.host.ip(), via.port), (v6("::ffff:192.0.2.10"), Some(19_823)));
    assert_eq!(mapped.vias[1].host.to_string(), "[::ffff:192.0.2.2]");
    assert_eq!(
        mapped.headers.contacts().first().unwrap().display.as_deref(),
        Some("T. desk phone")
    );
}

#[test]
fn a_third_colon_is_taken_for_two_and_not_repeated() {
    let bug = request("ipv6-bug-abnf-3-colons");
    let correct = request("ipv6-correct-abnf-2-colons");
    assert_eq!((target(&bug), bug.cseq), (v6("2001:db8::192.0.2.1"), 689));
    assert!(bug.uri.equivalent(&correct.uri));
    assert!(!bug.uri.to_string().contains(":::"));
}
