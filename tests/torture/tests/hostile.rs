//! Inputs after the vulnerabilities of other phones: none may crash, hang, or be read as something else.

use std::time::{Duration, Instant};

use toestel_proto::sip::framing::{Side, StreamReader};
use toestel_proto::sip::msg::{ContentType, Message};
use toestel_proto::sip::parse::{self, multipart};

const HEAD: &str = "INVITE sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\nFrom: <sip:b@h.nl>;tag=1\r\n\
    To: <sip:a@h.nl>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:b@h.nl>\r\n";

/// The status of the refusal, or 200.
fn status(message: &[u8]) -> u16 {
    match parse::datagram(message) {
        Ok(_) => 200,
        Err(refusal) => refusal.status.map_or(0, |status| status.code()),
    }
}

fn with(name: &str, value: &str) -> u16 {
    let lines = HEAD.lines().filter(|line| !line.starts_with(&format!("{name}:")));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    status(format!("{head}{name}: {value}\r\n\r\n").as_bytes())
}

/// CVE-2021-33056 (one slash in From, To or Diversion) and CVE-2021-43610, CVE-2021-43611 (a lone backslash).
#[test]
fn a_slash_or_a_backslash_where_an_address_belongs() {
    for name in ["From", "To", "Contact"] {
        for value in [
            "/",
            "\\",
            "\\ <sip:a@h.nl>",
            "\"\\",
            "\"\\\" <sip:a@h.nl>",
            "<sip:a@h.nl>;x=\"\\",
            "<sip:\\@h.nl>",
            "sip:a@h.nl/",
        ] {
            assert_eq!(with(name, value), 400, "{name}: {value}");
        }
    }
    assert_eq!(with("Diversion", "/"), 200, "a field that nobody needs is ignored");
}

/// One Content-Length read in two ways is one message smuggled in another.
#[test]
fn lengths_that_two_readers_could_read_in_two_ways() {
    for length in [
        "-1",
        "-999",
        "+1",
        "0x1",
        "1 1",
        "1,1",
        "1;1",
        " ",
        "1e1",
        "18446744073709551616",
        "4294967297",
        "٣",
    ] {
        assert_eq!(with("Content-Length", length), 400, "{length}");
        let mut reader = StreamReader::new(Side::Client);
        reader.push(format!("{HEAD}Content-Length: {length}\r\n\r\nx").as_bytes());
        assert!(reader.next().unwrap().is_err(), "{length}");
    }
    for pair in [
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1\r\nl: 0",
        "L: 0\r\nCONTENT-LENGTH : 1",
    ] {
        assert_eq!(status(format!("{HEAD}{pair}\r\n\r\nx").as_bytes()), 400, "{pair}");
    }
}

#[test]
fn numbers_beyond_their_range() {
    for cseq in [
        "4294967296 INVITE",
        "2147483648 INVITE",
        "-1 INVITE",
        "1",
        "INVITE",
        "1 INVITE x",
        "1.0 INVITE",
        "0x1 INVITE",
    ] {
        assert_eq!(with("CSeq", cseq), 400, "{cseq}");
    }
    assert_eq!(with("CSeq", "2147483647 INVITE"), 200);
    for port in ["65536", "-1", "99999999999", "", "5060x"] {
        assert_eq!(
            with("Via", &format!("SIP/2.0/UDP h.nl:{port};branch=z9hG4bK1")),
            400,
            "{port}"
        );
        assert_eq!(with("Contact", &format!("<sip:a@h.nl:{port}>")), 400, "{port}");
    }
}

#[test]
fn hosts_that_are_none() {
    for host in [
        "[",
        "]",
        "[]",
        "[::",
        "[:::]",
        "[1::2::3]",
        "[fe80::1%25eth0]",
        "1.2.3",
        "256.1.1.1",
        "1.2.3.4.5",
        "a..b",
        ".",
        "-",
        "2001:db8::1",
    ] {
        let status = with("Contact", &format!("<sip:a@{host}>"));
        assert_eq!(status, if host == "-" { 200 } else { 400 }, "{host}");
    }
}

/// GHSA-x5pq and CVE-2022-21723: parts without end, and parts in parts in parts.
#[test]
fn multipart_bodies_without_end() {
    let kind: ContentType = "multipart/mixed;boundary=b".parse().unwrap();
    for body in [
        "",
        "--b",
        "--b\r\n",
        "--b--",
        "--b\r\n--b\r\n--b",
        "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b",
        "\r\n--b\r\n\r\n",
    ] {
        assert!(multipart::parts(&kind, body.as_bytes()).len() <= 2, "{body}");
    }
    let nested = "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n".repeat(10_000);
    assert!(multipart::parts(&kind, nested.as_bytes()).len() <= 10_000);
}

#[test]
fn every_prefix_of_a_message_is_refused_and_none_is_read_as_another() {
    let whole = format!("{HEAD}Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n");
    let start = HEAD.find("\r\n").unwrap();
    for end in start..whole.len() {
        let cut = &whole.as_bytes()[..end];
        let is_complete_head = cut.ends_with(b"\r\n") && end < whole.find("Content-Length").unwrap() + 19;
        if parse::datagram(cut).is_ok() {
            assert!(is_complete_head, "cut at {end}");
        }
        let mut reader = StreamReader::new(Side::Client);
        reader.push(cut);
        assert_eq!(reader.next(), None, "cut at {end}");
    }
    assert_eq!(status(whole.as_bytes()), 200);
}

#[test]
fn any_byte_may_be_replaced_by_any_other_without_harm() {
    let whole = format!("{HEAD}Route: <sip:p.h.nl;lr>, \"x\\\"\" <sip:q@[::1]:5?a=b>\r\nContent-Length: 0\r\n\r\n")
        .into_bytes();
    let mut accepted = 0;
    for place in 0..whole.len() {
        for byte in 0..=255 {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            if let Ok(message) = parse::datagram(&bytes) {
                accepted += 1;
                assert_eq!(
                    parse::datagram(&message.to_bytes()).as_ref(),
                    Ok(&message),
                    "{byte} at {place}"
                );
            }
        }
    }
    assert!(accepted > 10_000, "{accepted}: the mutations hardly reach anything");
}

/// Each of these is as long as a datagram may be; a reader that looks back would need minutes.
#[test]
fn a_full_datagram_of_the_worst_is_read_in_linear_time() {
    let room = parse::MAX_DATAGRAM - HEAD.len() - 64;
    let fill = |unit: &str| unit.repeat(room / unit.len());
    let inputs = [
        format!("{HEAD}Contact: {}\r\n\r\n", fill("\"")),
        format!("{HEAD}Contact: {}\r\n\r\n", fill("<")),
        format!("{HEAD}Contact: {}\r\n\r\n", fill("\\\"")),
        format!("{HEAD}Contact: \"{}\r\n\r\n", fill("\\\\")),
        format!("{HEAD}Contact: {}<sip:a@h.nl>\r\n\r\n", fill("<sip:a@h.nl>,")),
        format!("{HEAD}Contact: <sip:a@h.nl>{}\r\n\r\n", fill(";a")),
        format!("{HEAD}Contact: <sip:a@h.nl{}>\r\n\r\n", fill(";a=b")),
        format!("{HEAD}Contact: <sip:a@h.nl?{}a=b>\r\n\r\n", fill("a=b&")),
        format!("{HEAD}Contact: <sip:{}@h.nl>\r\n\r\n", fill("%41")),
        format!("{HEAD}Contact: <sip:a@{}nl>\r\n\r\n", fill("a.")),
        format!("{HEAD}Subject: x\r\n{}\r\n\r\n", fill(" \r\n")),
        format!("{HEAD}Subject: {}\r\n\r\n", fill(" ")),
        format!(
            "{HEAD}Via: {}SIP/2.0/UDP h.nl\r\n\r\n",
            fill("SIP/2.0/UDP h.nl;branch=z9hG4bK1,")
        ),
        format!("{HEAD}{}\r\n", fill("X:y\r\n")),
        fill("\r\n"),
    ];
    for input in inputs {
        let start = Instant::now();
        let _ = parse::datagram(input.as_bytes());
        let spent = start.elapsed();
        assert!(
            spent < Duration::from_secs(2),
            "{spent:?} for {:?}…",
            input.get(HEAD.len()..HEAD.len() + 30)
        );
    }
}

/// What is accepted and written again must not change its meaning: ES2020-01 and Zoom 2022 were two readings of one
/// message.
#[test]
fn a_header_in_a_name_stays_in_the_name() {
    let text = format!("{HEAD}Subject: x\r\n\tVia: SIP/2.0/UDP evil.nl\r\n\r\n");
    let Ok(Message::Request(request)) = parse::datagram(text.as_bytes()) else {
        panic!()
    };
    assert_eq!(request.vias.len(), 1);
    assert_eq!(parse::datagram(&request.to_bytes()), Ok(Message::Request(request)));
}
