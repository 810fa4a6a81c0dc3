//! RFC 4475, "SIP Torture Test Messages": a verdict for each message, and the decoded fields of each valid one.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail and say why"
)]

mod fields;
mod verdicts;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use toestel_proto::sip::msg::{Message, Request, Response};
use toestel_proto::sip::parse;

static MESSAGES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| toestel_torture::rfc_messages(4475));

fn bytes(name: &str) -> &'static [u8] {
    MESSAGES
        .get(name)
        .map(Vec::as_slice)
        .unwrap_or_else(|| panic!("the archive has no {name}"))
}

fn request(name: &str) -> Request {
    match parse::datagram(bytes(name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn response(name: &str) -> Response {
    match parse::datagram(bytes(name)) {
        Ok(Message::Response(response)) => response,
        other => panic!("{name}: {other:?}"),
    }
}
