use super::*;
use crate::hex::decode;
use crate::random::Random;
use crate::secret::Secret;
use crate::time::Instant;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 5769 section 2.1.
const REQUEST: &str = "00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae \
    80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74 00 24 00 04 6e 00 01 ff \
    80 29 00 08 93 2f f9 b1 51 26 3b 36 00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20 \
    00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2 80 28 00 04 e5 7a 3b cf";
/// RFC 5769 section 2.2.
const IPV4_ANSWER: &str = "01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae \
    80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20 00 20 00 08 00 01 a1 47 e1 12 a6 43 \
    00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7 80 28 00 04 c0 7d 4c 96";
/// RFC 5769 section 2.3.
const IPV6_ANSWER: &str = "01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae \
    80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20 \
    00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9 \
    00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41 80 28 00 04 c8 fb 0b 4c";
/// RFC 5769 section 2.4.
const LONG_TERM: &str = "00 01 00 60 21 12 a4 42 78 ad 34 33 c6 ad 72 c0 29 da 41 2e \
    00 06 00 12 e3 83 9e e3 83 88 e3 83 aa e3 83 83 e3 82 af e3 82 b9 00 00 \
    00 15 00 1c 66 2f 2f 34 39 39 6b 39 35 34 64 36 4f 4c 33 34 6f 4c 39 46 53 54 76 79 36 34 73 41 \
    00 14 00 0b 65 78 61 6d 70 6c 65 2e 6f 72 67 00 \
    00 08 00 14 f6 70 24 65 6d d6 4a 3e 02 b8 e0 71 2e 85 c9 a2 8c a8 96 66";

const TRANSACTION: TransactionId = TransactionId([0xb7, 0xe7, 0xa7, 1, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);

fn bytes(hex: &str) -> Vec<u8> {
    decode(hex).unwrap()
}

fn short_term() -> Credentials {
    Credentials::ShortTerm(Secret::new("VOkJxbRl1RmTxUk/WvJxBt"))
}

fn long_term(username: &str) -> Credentials {
    Credentials::LongTerm {
        username: username.to_owned(),
        realm: "example.org".to_owned(),
        password: Secret::new("TheMatrIX"),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Signs hand-made attributes with a right length and fingerprint.
fn message_of(attributes: Vec<Attribute>) -> Vec<u8> {
    let message = Message {
        attributes,
        ..Message::binding_request(TRANSACTION)
    };
    write(&message, None)
}

#[test]
fn the_request_of_rfc_5769_is_read_and_verified() {
    let received = parse(&bytes(REQUEST)).unwrap();
    assert_eq!(
        (received.message.class, received.message.method),
        (Class::Request, Method::BINDING)
    );
    assert_eq!(received.message.transaction, TRANSACTION);
    assert_eq!(
        received.message.attributes,
        [
            Attribute::Software("STUN test client".to_owned()),
            Attribute::Priority(0x6e00_01ff),
            Attribute::IceControlled(0x932f_f9b1_5126_3b36),
            Attribute::Username("evtj:h6vY".to_owned()),
        ]
    );
    assert!(received.fingerprint);
    assert_eq!(received.authenticate(&short_term()), Ok(()));
    let wrong = Credentials::ShortTerm(Secret::new("wrong"));
    assert_eq!(received.authenticate(&wrong), Err(IntegrityError::Wrong));
}

#[test]
fn the_answers_of_rfc_5769_carry_both_address_families() {
    for (hex, expected) in [
        (IPV4_ANSWER, "192.0.2.1:32853"),
        (IPV6_ANSWER, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let received = parse(&bytes(hex)).unwrap();
        assert_eq!(received.message.class, Class::Success);
        assert_eq!(received.message.mapped_address(), Some(address(expected)));
        assert_eq!(received.authenticate(&short_term()), Ok(()));
    }
}

#[test]
fn the_long_term_request_of_rfc_5769_verifies_for_its_user_alone() {
    let received = parse(&bytes(LONG_TERM)).unwrap();
    let user = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
    assert_eq!(received.authenticate(&long_term(user)), Ok(()));
    assert_eq!(received.authenticate(&long_term("someone")), Err(IntegrityError::Wrong));
    assert!(!received.fingerprint, "this one has none");
}

#[test]
fn a_signature_for_another_realm_is_told_from_a_wrong_one() {
    let named = Message {
        attributes: vec![Attribute::Username("bob".to_owned())],
        ..Message::binding_request(TRANSACTION)
    };
    let received = parse(&write(&named, Some(&long_term("alice")))).unwrap();
    assert_eq!(
        received.authenticate(&long_term("alice")),
        Err(IntegrityError::OtherUser)
    );
}

#[test]
fn every_bit_up_to_the_signature_is_protected() {
    let original = bytes(REQUEST);
    let before_fingerprint = original.len() - 8;
    for position in 0..before_fingerprint * 8 {
        let mut changed = original.clone();
        changed[position / 8] ^= 1 << (position % 8);
        let taken = parse(&changed).is_ok_and(|received| received.authenticate(&short_term()).is_ok());
        assert!(!taken, "bit {position} may be changed unnoticed");
    }
}

#[test]
fn a_message_with_a_sha256_signature_is_verified_and_its_truncation_bounded() {
    let signed = |tag_len: usize| {
        let mut out = write(&Message::binding_request(TRANSACTION), None);
        out.truncate(HEADER_LEN);
        let length = u16::try_from(tag_len + 4).unwrap();
        out[2..4].copy_from_slice(&length.to_be_bytes());
        let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(b"VOkJxbRl1RmTxUk/WvJxBt").unwrap();
        hmac::Mac::update(&mut mac, &out);
        let tag = hmac::Mac::finalize(mac).into_bytes();
        out.extend_from_slice(&attribute::MESSAGE_INTEGRITY_SHA256.to_be_bytes());
        out.extend_from_slice(&u16::try_from(tag_len).unwrap().to_be_bytes());
        out.extend_from_slice(&tag[..tag_len]);
        parse(&out).unwrap()
    };
    assert_eq!(signed(32).authenticate(&short_term()), Ok(()));
    assert_eq!(signed(16).authenticate(&short_term()), Ok(()));
    assert_eq!(signed(12).authenticate(&short_term()), Err(IntegrityError::Wrong));
    assert_eq!(signed(0).authenticate(&short_term()), Err(IntegrityError::Wrong));
}

#[test]
fn what_is_written_is_read_the_same() {
    let attributes = vec![
        Attribute::MappedAddress(address("192.0.2.1:1")),
        Attribute::XorMappedAddress(address("[2001:db8::1]:65535")),
        Attribute::Username("a:b".to_owned()),
        Attribute::Realm(String::new()),
        Attribute::Nonce("n".to_owned()),
        Attribute::ErrorCode(ErrorCode {
            code: 487,
            reason: "Role Conflict".to_owned(),
        }),
        Attribute::UnknownAttributes(vec![1, 0x7fff]),
        Attribute::AlternateServer(address("192.0.2.2:3478")),
        Attribute::UseCandidate,
        Attribute::IceControlling(u64::MAX),
        Attribute::Unknown {
            kind: 0xc057,
            value: vec![1, 2, 3],
        },
    ];
    for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
        for method in [1, 3, 0xfff] {
            let message = Message {
                class,
                method: Method(method),
                transaction: TRANSACTION,
                attributes: attributes.clone(),
            };
            let received = parse(&write(&message, Some(&short_term()))).unwrap();
            assert_eq!(received.message, message);
            assert!(received.fingerprint);
            assert_eq!(received.authenticate(&short_term()), Ok(()));
        }
    }
}

#[test]
fn an_unsigned_message_authenticates_nobody() {
    let received = parse(&write(&Message::binding_request(TRANSACTION), None)).unwrap();
    assert!(!received.is_signed());
    assert_eq!(received.authenticate(&short_term()), Err(IntegrityError::Missing));
}

#[test]
fn attributes_behind_the_signature_do_not_count() {
    let mut out = bytes(LONG_TERM);
    out.extend_from_slice(&[0x00, 0x20, 0x00, 0x08, 0, 1, 0, 0, 1, 2, 3, 4]);
    out[3] += 12;
    let received = parse(&out).unwrap();
    assert_eq!(received.message.mapped_address(), None);
    assert!(
        received
            .authenticate(&long_term("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}"))
            .is_ok()
    );
}

#[test]
fn what_is_not_quite_stun_is_refused() {
    let good = bytes(REQUEST);
    assert_eq!(parse(&[]).unwrap_err(), StunError::Short);
    assert_eq!(parse(&good[..19]).unwrap_err(), StunError::Short);
    assert_eq!(parse(&good[..good.len() - 4]).unwrap_err(), StunError::Length);
    assert_eq!(parse(&[&good[..], &[0; 4]].concat()).unwrap_err(), StunError::Length);
    let with = |index: usize, value: u8| {
        let mut changed = good.clone();
        changed[index] = value;
        parse(&changed).unwrap_err()
    };
    assert_eq!(with(0, 0x80), StunError::NotStun);
    assert_eq!(with(4, 0), StunError::NotStun);
    assert_eq!(with(3, 0x59), StunError::Length);
    assert_eq!(with(good.len() - 1, 0), StunError::Fingerprint);
    assert_eq!(with(22, 0xff), StunError::Truncated);
    let mut followed = message_of(Vec::new());
    followed.extend_from_slice(&[0x80, 0x22, 0, 0]);
    followed[3] += 4;
    assert_eq!(parse(&followed).unwrap_err(), StunError::Fingerprint);
}

#[test]
fn malformed_values_are_refused_and_named() {
    let raw = |kind: u16, value: &[u8]| {
        parse(&message_of(vec![Attribute::Unknown {
            kind,
            value: value.to_vec(),
        }]))
        .unwrap_err()
    };
    for (kind, value) in [
        (attribute::ERROR_CODE, &[][..]),
        (attribute::ERROR_CODE, &[0, 0, 4]),
        (attribute::ERROR_CODE, &[0, 0, 7, 0]),
        (attribute::ERROR_CODE, &[0, 0, 4, 100]),
        (attribute::XOR_MAPPED_ADDRESS, &[0, 1, 0, 0, 1, 2, 3]),
        (attribute::XOR_MAPPED_ADDRESS, &[0, 3, 0, 0, 1, 2, 3, 4]),
        (attribute::MAPPED_ADDRESS, &[0, 2, 0, 0, 1, 2, 3, 4]),
        (attribute::PRIORITY, &[1]),
        (attribute::USE_CANDIDATE, &[1]),
        (attribute::UNKNOWN_ATTRIBUTES, &[1]),
        (attribute::USERNAME, &[0xff]),
        (attribute::USERNAME, &[b'a'; 509]),
        (attribute::SOFTWARE, &[b'a'; 764]),
    ] {
        assert_eq!(raw(kind, value), StunError::Attribute(kind), "{kind:#x} {value:?}");
    }
}

#[test]
fn a_flood_of_attributes_is_refused() {
    let flood = vec![
        Attribute::Unknown {
            kind: 0xc000,
            value: Vec::new()
        };
        65
    ];
    assert_eq!(parse(&message_of(flood)).unwrap_err(), StunError::TooMany);
}

#[test]
fn an_unknown_attribute_that_must_be_understood_is_answered_with_420_naming_it() {
    let optional = Attribute::Unknown {
        kind: 0x8055,
        value: Vec::new(),
    };
    let required = Attribute::Unknown {
        kind: 0x0055,
        value: Vec::new(),
    };
    let request = parse(&message_of(vec![optional, required])).unwrap().message;
    assert_eq!(request.unknown_required(), [0x55]);
    let answer = request.unknown_attributes_answer();
    assert_eq!(
        (answer.class, answer.error().map(|error| error.code)),
        (Class::Error, Some(420))
    );
    assert!(answer.attributes.contains(&Attribute::UnknownAttributes(vec![0x55])));
}

mod client {
    use super::*;

    /// The moments in milliseconds at which requests were sent, and how it ended.
    fn run_unanswered() -> (Vec<u128>, BindingOutcome, Instant) {
        let mut now = Instant::from_millis(1_000);
        let mut client = BindingClient::new(&mut Random::seeded(1), now);
        let mut sent = Vec::new();
        loop {
            if client.poll_transmit(now).is_some() {
                sent.push((now - Instant::from_millis(1_000)).as_millis());
            }
            now = client.poll_wake().unwrap().at;
            if let Some(outcome) = client.handle_timeout(now) {
                return (sent, outcome, now);
            }
        }
    }

    #[test]
    fn an_unanswered_request_is_sent_seven_times_and_given_up_after_39_5_seconds() {
        let (sent, outcome, now) = run_unanswered();
        assert_eq!(sent, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(outcome, BindingOutcome::TimedOut);
        assert_eq!(now - Instant::from_millis(1_000), Duration::from_millis(39_500));
    }

    #[test]
    fn only_the_answer_to_this_transaction_ends_it() {
        let now = Instant::ORIGIN;
        let mut client = BindingClient::new(&mut Random::seeded(1), now);
        let request = parse(client.poll_transmit(now).unwrap()).unwrap().message;
        assert_eq!(
            client.handle_datagram(&bytes(IPV4_ANSWER)),
            None,
            "another transaction's"
        );
        assert_eq!(client.handle_datagram(b"\r\n"), None);
        assert_eq!(
            client.handle_datagram(&write(&request, None)),
            None,
            "our own request, reflected"
        );
        let mapped = address("203.0.113.5:5060");
        let answer = write(&request.binding_answer(mapped), None);
        assert_eq!(client.handle_datagram(&answer), Some(BindingOutcome::Mapped(mapped)));
        assert_eq!(client.handle_datagram(&answer), None, "a duplicate");
        assert_eq!(client.poll_wake(), None);
    }

    #[test]
    fn errors_and_useless_answers_end_the_transaction_too() {
        let end = |attributes: Vec<Attribute>, class| {
            let mut client = BindingClient::new(&mut Random::seeded(1), Instant::ORIGIN);
            let request = parse(client.poll_transmit(Instant::ORIGIN).unwrap()).unwrap().message;
            client.handle_datagram(&write(
                &Message {
                    class,
                    attributes,
                    ..request
                },
                None,
            ))
        };
        let error = Attribute::ErrorCode(ErrorCode {
            code: 401,
            reason: String::new(),
        });
        assert_eq!(end(vec![error], Class::Error), Some(BindingOutcome::Refused(401)));
        assert_eq!(end(Vec::new(), Class::Error), Some(BindingOutcome::Unusable));
        assert_eq!(end(Vec::new(), Class::Success), Some(BindingOutcome::Unusable));
        let unknown = Attribute::Unknown {
            kind: 0x0055,
            value: Vec::new(),
        };
        let mapped = Attribute::XorMappedAddress(address("203.0.113.5:5060"));
        assert_eq!(
            end(vec![unknown, mapped], Class::Success),
            Some(BindingOutcome::Unusable)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_bytes_make_the_reader_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), kind in any::<u16>()) {
        let _ = parse(&tail);
        let mut framed = kind.to_be_bytes().to_vec();
        framed.extend_from_slice(&u16::try_from(tail.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        framed.extend_from_slice(&TRANSACTION.0);
        framed.extend_from_slice(&tail);
        if let Ok(received) = parse(&framed) {
            let _ = received.authenticate(&short_term());
            let again = parse(&write(&received.message, None)).unwrap();
            prop_assert_eq!(again.message, received.message);
        }
    }
}
