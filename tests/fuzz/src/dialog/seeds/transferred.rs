//! Calls that change hands, both ways: by REFER, by INVITE with Replaces, after a consultation.

use super::{TLS, ack, answer, from, input, invite, ours, secure, taken, user};

/// See the module.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        sent_away(&[news("active;expires=60", "180 Ringing"), news("terminated", "200 OK")]),
        sent_away(&[
            news("terminated", "486 Busy Here"),
            answer(200, "OK", &secure("sendrecv")),
            user("h"),
        ]),
        sent_by_them(),
        replaced(),
        joined(),
    ]
    .into()
}

/// We send them to somebody else, and this comes of it.
fn sent_away(outcome: &[Vec<u8>]) -> Vec<u8> {
    let asked = [user("f1003"), on_hold(), answer(202, "Accepted", "")];
    input(TLS, &[&taken(""), &asked, outcome])
}

/// They want us to call somebody else, in place of a call of theirs.
fn sent_by_them() -> Vec<u8> {
    let target = "Refer-To: <sip:2@pbx.example?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>\r\n";
    let followed = [
        ours("REFER", target),
        user("y"),
        answer(180, "Ringing", ""),
        answer(200, "OK", &secure("sendrecv")),
        user("h"),
    ];
    input(TLS, &[&taken(""), &followed])
}

/// Somebody takes the place of whom we talk with.
fn replaced() -> Vec<u8> {
    let in_their_place = invite("Replaces: \x08\r\nRequire: replaces\r\n", &secure("sendrecv"));
    input(TLS, &[&taken(""), &[in_their_place, ack(""), user("h")]])
}

/// A word with somebody, a conference with both, and then they talk without us.
fn joined() -> Vec<u8> {
    let consulted = [user("l1004"), on_hold(), answer(200, "OK", &secure("sendrecv"))];
    let together = [user("c"), on_hold(), user("j"), on_hold(), answer(202, "Accepted", "")];
    input(TLS, &[&taken(""), &consulted, &together])
}

fn on_hold() -> Vec<u8> {
    answer(200, "OK", &secure("recvonly"))
}

/// What has become of our REFER.
fn news(state: &str, status: &str) -> Vec<u8> {
    from(&format!(
        "NOTIFY sip:c0ffee@198.51.100.7 SIP/2.0\r\n\x03CSeq: \x04 NOTIFY\r\nEvent: refer\r\n\
         Subscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\nContent-Length: \x0b\r\n\r\n\
         SIP/2.0 {status}\r\n"
    ))
}
