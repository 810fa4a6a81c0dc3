//! One STUN datagram: what is read is written and read again as the same, whatever it says about its sender, and a
//! transaction ends only with an answer of its own.

use std::net::SocketAddr;
use toestel_proto::nat::stun::{
    Attribute, BindingClient, Class, Credentials, ErrorCode, Message, Method, TransactionId, parse, probe, write,
};
use toestel_proto::random::Random;
use toestel_proto::secret::Secret;
use toestel_proto::time::Instant;

use crate::{mutate, planted};

/// Runs one input; whether it was accepted.
pub fn run(input: &[u8]) -> bool {
    for credentials in [short_term(), long_term()] {
        probe::probe(input, Some(&credentials));
    }
    probe::probe(input, None);
    let mut client = BindingClient::new(&mut Random::seeded(1), Instant::ORIGIN);
    client.poll_transmit(Instant::ORIGIN);
    let concluded = client.handle_datagram(input).is_some();
    let Ok(received) = parse(input) else {
        assert!(!concluded, "a transaction ended by what is not STUN");
        return false;
    };
    planted::in_received(&received.message);
    let signed = write(&received.message, Some(&short_term()));
    let again = parse(&signed).expect("our own message can be read");
    assert_eq!(again.message, received.message);
    assert!(again.fingerprint && again.authenticate(&short_term()).is_ok());
    assert!(received.is_signed() || received.authenticate(&short_term()).is_err());
    let answer = received.message.unknown_attributes_answer();
    assert!(parse(&write(&answer, None)).is_ok(), "our own 420 can be read");
    true
}

fn short_term() -> Credentials {
    Credentials::ShortTerm(Secret::new("VOkJxbRl1RmTxUk/WvJxBt"))
}

fn long_term() -> Credentials {
    Credentials::LongTerm {
        username: "user".to_owned(),
        realm: "example.org".to_owned(),
        password: Secret::new("TheMatrIX"),
    }
}

/// `input` with an edit of its attributes, signed anew.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let others = [
        ice(),
        lasting(),
        error(),
        mapped(),
        vec![unknown(0x0055), unknown(0x8055)],
    ]
    .concat();
    mutate::stun::edit(input, &others, &[short_term(), long_term()], random)
}

/// Every class and attribute, signed in every way, whole and broken.
pub fn seeds() -> Vec<Vec<u8>> {
    let request = message(Class::Request, vec![]);
    let mut seeds = vec![
        write(&request, None),
        write(&message(Class::Request, ice()), Some(&short_term())),
        write(&message(Class::Request, lasting()), Some(&long_term())),
        write(&message(Class::Indication, vec![]), None),
        write(&request.binding_answer(address("192.0.2.1:4000")), None),
        write(
            &request.binding_answer(address("[2001:db8::1]:4000")),
            Some(&short_term()),
        ),
        write(&message(Class::Error, error()), None),
        write(
            &message(Class::Success, vec![Attribute::MappedAddress(address("192.0.2.1:1"))]),
            None,
        ),
        write(&message(Class::Request, vec![unknown(0x0055), unknown(0x8055)]), None),
    ];
    let whole = seeds.get(1).cloned().unwrap_or_default();
    let with = |index: usize, value: u8| {
        let mut broken = whole.clone();
        broken.iter_mut().skip(index).take(1).for_each(|byte| *byte = value);
        broken
    };
    // The first: not STUN by its first bits, cookie, length, fingerprint, an attribute that is too long, a cut.
    seeds.extend([
        with(0, 0x80),
        with(4, 0),
        with(3, 1),
        with(whole.len() - 1, 0),
        with(22, 0xff),
    ]);
    seeds.push(whole.iter().take(19).copied().collect());
    seeds
}

fn message(class: Class, attributes: Vec<Attribute>) -> Message {
    Message {
        class,
        method: Method::BINDING,
        transaction: TransactionId([7; 12]),
        attributes,
    }
}

fn ice() -> Vec<Attribute> {
    vec![
        Attribute::Username("evtj:h6vY".to_owned()),
        Attribute::Priority(0x6e00_01ff),
        Attribute::IceControlling(1),
        Attribute::UseCandidate,
        Attribute::Software("test".to_owned()),
    ]
}

fn lasting() -> Vec<Attribute> {
    vec![
        Attribute::Username("user".to_owned()),
        Attribute::Realm("example.org".to_owned()),
        Attribute::Nonce("nonce".to_owned()),
    ]
}

fn error() -> Vec<Attribute> {
    let code = ErrorCode {
        code: 420,
        reason: "Unknown Attribute".to_owned(),
    };
    vec![
        Attribute::ErrorCode(code),
        Attribute::UnknownAttributes(vec![0x55, 0x56]),
        Attribute::AlternateServer(address("192.0.2.2:3478")),
        Attribute::IceControlled(2),
    ]
}

fn mapped() -> Vec<Attribute> {
    vec![
        Attribute::MappedAddress(address("192.0.2.1:1")),
        Attribute::XorMappedAddress(address("[2001:db8::1]:4000")),
    ]
}

fn unknown(kind: u16) -> Attribute {
    Attribute::Unknown {
        kind,
        value: vec![1, 2, 3],
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
