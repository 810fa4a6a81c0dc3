//! `toestel probe stun`: one datagram, with no transaction outstanding.

use super::{Attribute, Class, Credentials, Message, Method, Received, parse};
use crate::hex;
use crate::probe::{Report, Verdict};
use serde::Serialize;
use std::net::SocketAddr;

/// What was read of a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Decoded {
    /// `request`, `indication`, `success` or `error`.
    pub class: &'static str,
    /// The method's number; 1 is Binding.
    pub method: u16,
    /// The transaction in hexadecimal.
    pub transaction: String,
    /// USERNAME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// REALM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// SOFTWARE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_address: Option<SocketAddr>,
    /// The number in ERROR-CODE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u16>,
    /// PRIORITY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// USE-CANDIDATE.
    pub use_candidate: bool,
    /// Attributes that would have to be understood, and are not.
    pub unknown: Vec<u16>,
    /// Whether it has a FINGERPRINT; a wrong one is a rejection.
    pub fingerprint: bool,
    /// Whether it is signed, rightly or not.
    pub signed: bool,
}

/// Judges one datagram. Without credentials only the fingerprint, if there is one, is checked.
pub fn probe(datagram: &[u8], credentials: Option<&Credentials>) -> Report<Decoded> {
    let received = match parse(datagram) {
        Ok(received) => received,
        Err(error) => return Report::reject(error),
    };
    let (verdict, why) = judge(&received, credentials);
    Report::new(verdict, why, decode(&received))
}

fn judge(received: &Received, credentials: Option<&Credentials>) -> (Verdict, String) {
    let message = &received.message;
    if let Some(Err(error)) = credentials.map(|credentials| received.authenticate(credentials)) {
        return (Verdict::Reject, error.to_string());
    }
    match message.class {
        Class::Success | Class::Error => (Verdict::Drop, "no transaction is outstanding".to_owned()),
        _ if message.method != Method::BINDING => (Verdict::Drop, "the method is unknown".to_owned()),
        Class::Request if !message.unknown_required().is_empty() => {
            (Verdict::Reject, "420: an attribute is unknown".to_owned())
        }
        Class::Indication if !message.unknown_required().is_empty() => {
            (Verdict::Drop, "an attribute is unknown".to_owned())
        }
        Class::Request => (Verdict::Accept, "a Binding request".to_owned()),
        Class::Indication => (Verdict::Accept, "a Binding indication".to_owned()),
    }
}

fn decode(received: &Received) -> Decoded {
    let message = &received.message;
    let mut decoded = Decoded {
        class: class_name(message),
        method: message.method.0,
        transaction: hex::encode(&message.transaction.0),
        username: None,
        realm: None,
        software: None,
        mapped_address: message.mapped_address(),
        error_code: message.error().map(|error| error.code),
        priority: None,
        use_candidate: message.attributes.contains(&Attribute::UseCandidate),
        unknown: message.unknown_required(),
        fingerprint: received.fingerprint,
        signed: received.is_signed(),
    };
    for attribute in &message.attributes {
        match attribute {
            Attribute::Username(text) => decoded.username = Some(text.clone()),
            Attribute::Realm(text) => decoded.realm = Some(text.clone()),
            Attribute::Software(text) => decoded.software = Some(text.clone()),
            Attribute::Priority(priority) => decoded.priority = Some(*priority),
            _ => {}
        }
    }
    decoded
}

const fn class_name(message: &Message) -> &'static str {
    match message.class {
        Class::Request => "request",
        Class::Indication => "indication",
        Class::Success => "success",
        Class::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::stun::{TransactionId, write};
    use crate::secret::Secret;

    #[test]
    fn verdicts_follow_class_signature_and_unknown_attributes() {
        let key = Credentials::ShortTerm(Secret::new("key"));
        let request = Message::binding_request(TransactionId([7; 12]));
        let verdict = |message: &Message, sign: bool, check: bool| {
            probe(&write(message, sign.then_some(&key)), check.then_some(&key)).verdict
        };
        assert_eq!(verdict(&request, false, false), Verdict::Accept);
        assert_eq!(verdict(&request, true, true), Verdict::Accept);
        assert_eq!(verdict(&request, false, true), Verdict::Reject);
        let answer = request.binding_answer("192.0.2.1:1".parse().unwrap());
        assert_eq!(verdict(&answer, true, true), Verdict::Drop);
        let mut strange = request.clone();
        strange.attributes.push(Attribute::Unknown {
            kind: 0x55,
            value: Vec::new(),
        });
        assert_eq!(verdict(&strange, false, false), Verdict::Reject);
        strange.class = Class::Indication;
        assert_eq!(verdict(&strange, false, false), Verdict::Drop);
        assert_eq!(probe(b"\x80\x08rtp", None).decoded, None);
    }
}
