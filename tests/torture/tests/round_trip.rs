//! What was read, written and read again is the same: for messages drawn from the grammar, for drawn noise, and for
//! the messages of the RFCs.

#![expect(clippy::panic, reason = "a test that cannot go on must fail and say why")]

use proptest::prelude::*;
use toestel_proto::sip::framing::{Frame, Side, StreamReader};
use toestel_proto::sip::parse;

/// Accepted, it must come back equal from a datagram and from a stream. Whether it was accepted.
fn comes_back(bytes: &[u8]) -> bool {
    let Ok(message) = parse::datagram(bytes) else {
        return false;
    };
    let written = message.to_bytes();
    assert_eq!(
        parse::datagram(&written).as_ref(),
        Ok(&message),
        "{}",
        String::from_utf8_lossy(bytes)
    );
    let mut reader = StreamReader::new(Side::Server);
    reader.push(&written);
    let Some(Ok(Frame::Message(framed))) = reader.next() else {
        panic!("{}", String::from_utf8_lossy(bytes))
    };
    assert_eq!(parse::framed(&framed), Ok(message));
    assert_eq!(reader.next(), None);
    true
}

const URI_HEADERS: &str = "(\\?[a-z]{1,5}=[a-z0-9]{0,5}(&[a-z]{1,3}=[a-z]{0,3}){0,2})?";

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,5}){0,2}",
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
        any::<[u16; 8]>().prop_map(|groups| format!("[{}]", std::net::Ipv6Addr::from(groups))),
    ]
}

/// `headers` is the pattern of what follows the parameters: nothing in a Request-URI.
fn uri(headers: &'static str) -> impl Strategy<Value = String> {
    let user = "([a-zA-Z0-9_.!~*'()&=+$,;?/#é-]|%[0-9A-F]{2}){1,12}";
    let params = "(;[a-z]{1,6}(=([a-zA-Z0-9:/]|%[0-9a-f]{2}){1,6})?){0,3}";
    let port = proptest::option::of(any::<u16>());
    ("sips?", proptest::option::of(user), host(), port, params, headers).prop_map(
        |(scheme, user, host, port, params, headers)| {
            let user = user.map(|user| format!("{user}@")).unwrap_or_default();
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{scheme}:{user}{host}{port}{params}{headers}")
        },
    )
}

fn address() -> impl Strategy<Value = String> {
    let quoted = "(\"([^\"\\\\\r\n]|\\\\[ -~]){0,12}\" ?)?";
    let params = "( ?; ?[a-z]{1,6}( ?= ?([a-z0-9]{1,6}|\"([^\"\\\\\r\n]|\\\\[ -~]){0,6}\"))?){0,3}";
    (quoted, uri(URI_HEADERS), params).prop_map(|(name, uri, params)| format!("{name}<{uri}>{params}"))
}

fn message() -> impl Strategy<Value = String> {
    let start = (token(), uri(""), 0_u32..1 << 31);
    let via = (token(), host(), "(;branch=z9hG4bK[a-z0-9]{1,8})?(;rport)?");
    let extra = proptest::collection::vec((token(), "[^\r\n]{0,20}"), 0..4);
    (
        start,
        via,
        address(),
        address(),
        proptest::collection::vec(address(), 0..3),
        extra,
        "[ -~\r\n]{0,40}",
    )
        .prop_map(
            |((method, uri, cseq), (transport, host, params), from, to, contacts, extra, body)| {
                let mut text = format!("{method} {uri} SIP/2.0\r\nv :SIP / 2.0/{transport} {host}{params}\r\n");
                text += &format!("f:{from}\r\nTo:\r\n {to}\r\nCall-ID: c@{host}\r\nCSeq: {cseq}\t{method}\r\n");
                if !contacts.is_empty() {
                    text += &format!("Contact: {}\r\n", contacts.join(" ,\r\n\t"));
                }
                for (name, value) in extra {
                    text += &format!("x-{name}: {value}\r\n");
                }
                format!("{text}\r\n{body}")
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_of_the_grammar_are_accepted_and_come_back(text in message()) {
        let verdict = parse::datagram(text.as_bytes());
        prop_assert!(comes_back(text.as_bytes()), "{verdict:?} for\n{text}");
    }

    #[test]
    fn noise_in_a_message_is_refused_or_comes_back(
        text in message(),
        noise in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = text.into_bytes();
        for (place, byte) in noise {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        comes_back(&bytes);
    }

    #[test]
    fn bytes_in_any_order_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        comes_back(&bytes);
    }
}

#[test]
fn the_messages_of_the_rfcs_come_back() {
    let messages = toestel_torture::rfc_messages(4475)
        .into_iter()
        .chain(toestel_torture::rfc_messages(5118));
    let accepted = messages.filter(|(_, bytes)| comes_back(bytes)).count();
    // Of RFC 5118 one is invalid, and two promise more bytes than the files of the archive have.
    assert_eq!(accepted, 29 + 9);
}
