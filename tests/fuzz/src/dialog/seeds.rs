//! Conversations to start from: calls both ways, early media, hold, refreshes, lost media, and what breaks them.

mod transferred;

use super::SEPARATOR;
use crate::media;
use toestel_proto::media::rtcp::{Compound, ReportBlock, SenderInfo};
use toestel_proto::nat::stun::{Class, Message, Method, TransactionId, write};

/// Settings: TLS and keys required; UDP, no keys, outbound; TCP, keys preferred.
const TLS: u8 = 0;
const UDP: u8 = 1 | 2 << 2 | 0x10;
const TCP: u8 = 2 | 1 << 2;
const LAZY: u8 = 0x20;
const LATE_PATHS: u8 = 0x40;

/// Conversations, most of them answered.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        incoming(),
        outgoing(),
        held(),
        two(),
        transferred::seeds(),
        lasting(),
        unanswered(),
    ]
    .concat()
}

/// They call and we answer.
fn incoming() -> Vec<Vec<u8>> {
    let sound = [speech(), vec![tone(5), reports()]].concat();
    vec![
        input(TLS, &[&taken(""), &sound, &[ours("INFO", ""), ours("BYE", "")]]),
        input(
            UDP,
            &[
                &[invite("", &plain()), user("a"), ack("")],
                &sound,
                &keep_alive(),
                &[user("h")],
            ],
        ),
        // Without an offer: ours is in the 200, theirs in the ACK.
        input(
            TLS,
            &[
                &[invite("", ""), user("a"), ack(&secure("sendrecv"))],
                &sound,
                &[user("h")],
            ],
        ),
        // Reliable early answers, the path only later.
        input(
            TLS | LATE_PATHS,
            &[&[
                invite("Require: 100rel\r\n", &secure("sendrecv")),
                happens("p"),
                ours("PRACK", "RAck: \x07\r\n"),
                user("a"),
                ack(""),
                ours("OPTIONS", ""),
                user("h"),
            ]],
        ),
        input(
            TCP,
            &[
                &[invite("", &plain()), user("a"), ack("")],
                &sound,
                &[user("t12#"), ours("BYE", "")],
            ],
        ),
    ]
}

/// We call and they answer.
fn outgoing() -> Vec<Vec<u8>> {
    let ok = answer(200, "OK", &secure("sendrecv"));
    let challenge = "401 Unauthorized\r\n\x01WWW-Authenticate: Digest realm=\"pbx.example\", nonce=\"n\", \
                     algorithm=SHA-256, qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
    vec![
        input(
            TLS,
            &[
                &[user("d600"), answer(100, "Trying", ""), ok.clone()],
                &speech(),
                &[reports(), user("h")],
            ],
        ),
        input(
            TLS,
            &[&[
                user("d600"),
                from(&format!("SIP/2.0 {challenge}")),
                ok.clone(),
                ours("BYE", ""),
            ]],
        ),
        // Early media by a reliable 183, and a fork that answers.
        input(
            TLS,
            &[&[
                user("d0201234567"),
                reliable(&secure("sendrecv")),
                from("SIP/2.0 200 OK\r\n\x01Content-Length: 0\r\n\r\n"),
                from(&answer_text("\x02", 180, "Ringing", "")),
                from(&answer_text("\x0e", 200, "OK", "")),
                user("h"),
            ]],
        ),
        input(
            UDP,
            &[&[
                user("d600"),
                answer(180, "Ringing", ""),
                answer(200, "OK", &plain()),
                passes(5),
                user("h"),
            ]],
        ),
        // Their answer crosses our CANCEL.
        input(
            TLS | LAZY,
            &[&[user("d600"), answer(180, "Ringing", ""), user("h"), ok, passes(6)]],
        ),
    ]
}

/// Hold by both, offers that cross, another path.
fn held() -> Vec<Vec<u8>> {
    let again = |direction: &str| ours_with("INVITE", "", &secure(direction));
    vec![
        input(
            TLS,
            &[
                &taken(""),
                &[again("sendonly"), ack(""), again("sendrecv"), ack(""), user("h")],
            ],
        ),
        input(
            TLS,
            &[
                &taken(""),
                &[
                    user("o"),
                    answer(200, "OK", &secure("recvonly")),
                    user("e"),
                    answer(491, "Request Pending", ""),
                ],
                &[passes(4), answer(200, "OK", &secure("sendrecv")), user("h")],
            ],
        ),
        input(
            TLS,
            &[
                &taken(""),
                &[
                    user("o"),
                    again("sendonly"),
                    answer(491, "Request Pending", ""),
                    passes(4),
                ],
            ],
        ),
        input(
            TLS,
            &[
                &taken(""),
                &[
                    ours_with("UPDATE", "", &secure("inactive")),
                    happens("c"),
                    answer(200, "OK", &secure("sendrecv")),
                ],
            ],
        ),
    ]
}

/// A second call comes while the first is held.
fn two() -> Vec<Vec<u8>> {
    vec![input(
        TLS,
        &[
            &taken(""),
            &[
                user("o"),
                answer(200, "OK", &secure("recvonly")),
                invite("", &secure("sendrecv")),
                user("a2"),
                ack(""),
                user("h1"),
                user("h2"),
            ],
        ],
    )]
}

/// Refreshes, silence, lost flows, sleep.
fn lasting() -> Vec<Vec<u8>> {
    let timer = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\nMin-SE: 90\r\n";
    vec![
        input(
            TLS,
            &[
                &taken(timer),
                &[passes(7), answer(200, "OK", &secure("sendrecv")), passes(8), passes(6)],
            ],
        ),
        input(
            TLS,
            &[
                &taken(""),
                &speech(),
                &[passes(7), happens("q"), answer(481, "No Such Call", "")],
            ],
        ),
        input(TLS, &[&taken(""), &[happens("n"), ours("BYE", "")]]),
        input(TLS, &[&taken(""), &[happens("x"), passes(5), happens("s"), user("h")]]),
        input(TLS | LAZY, &[&taken(""), &[happens("f"), user("u"), passes(6)]]),
        input(
            TLS,
            &[
                &taken(""),
                &[
                    ours("REFER", "Refer-To: <sip:2@pbx.example>\r\n"),
                    ours("NOTIFY", "Event: refer\r\n"),
                    user("k"),
                ],
            ],
        ),
    ]
}

/// What no call comes of.
fn unanswered() -> Vec<Vec<u8>> {
    let cancel = "CANCEL sip:1001@pbx.example SIP/2.0\r\n\x06From: <sip:600@pbx.example>;tag=x\r\n\
                  To: <sip:1001@pbx.example>\r\nCall-ID: in\r\nCSeq: \x05 CANCEL\r\nContent-Length: 0\r\n\r\n";
    vec![
        input(TLS, &[&[invite("", &secure("sendrecv")), from(cancel)]]),
        input(TLS, &[&[invite("", &secure("sendrecv")), user("r")]]),
        input(TLS, &[&[invite("", &plain())]]),
        input(TLS, &[&[invite("Require: nothing\r\n", "")]]),
        input(TLS, &[&[user("d604"), answer(486, "Busy Here", "")]]),
        input(TLS, &[&[user("d605"), answer(302, "Moved", ""), passes(6)]]),
        input(UDP | LAZY, &[&[user("d600"), passes(6)], &keep_alive()]),
        input(UDP, &[&[from("\r\n\r\n"), from("GET / HTTP/1.1\r\n\r\n")]]),
        input(
            TLS,
            &[&[ours("BYE", ""), from("GET / HTTP/1.1\r\n\r\n"), passes(9), passes(11)]],
        ),
        input(TLS, &[&[passes(9), user("u"), user("g"), passes(10)]]),
    ]
}

fn input(settings: u8, steps: &[&[Vec<u8>]]) -> Vec<u8> {
    [vec![settings], steps.concat().join(&SEPARATOR)].concat()
}

fn from(text: &str) -> Vec<u8> {
    [b"<", text.as_bytes()].concat()
}

fn user(what: &str) -> Vec<u8> {
    [b"!", what.as_bytes()].concat()
}

fn happens(what: &str) -> Vec<u8> {
    [b"@", what.as_bytes()].concat()
}

fn passes(jump: u8) -> Vec<u8> {
    vec![b'+', jump]
}

/// An INVITE with `more` header fields and an offer, if that is not empty.
fn invite(more: &str, sdp: &str) -> Vec<u8> {
    from(&format!(
        "INVITE sip:c0ffee@198.51.100.7 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bKx\x04\r\n\
         From: \"B\" <sip:600@pbx.example>;tag=x\r\nTo: <sip:1001@pbx.example>\r\nCall-ID: in\x05\r\n\
         CSeq: \x05 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:600@192.0.2.1:5061;transport=tls>\r\n{more}{}",
        body(sdp)
    ))
}

/// A call of theirs that we answered.
fn taken(more: &str) -> Vec<Vec<u8>> {
    vec![invite(more, &secure("sendrecv")), user("a"), ack("")]
}

fn ack(sdp: &str) -> Vec<u8> {
    from(&format!(
        "ACK sip:c0ffee@198.51.100.7 SIP/2.0\r\n\x03CSeq: \x05 ACK\r\n{}",
        body(sdp)
    ))
}

/// A request of theirs in the dialog.
fn ours(method: &str, more: &str) -> Vec<u8> {
    ours_with(method, more, "")
}

fn ours_with(method: &str, more: &str, sdp: &str) -> Vec<u8> {
    from(&format!(
        "{method} sip:c0ffee@198.51.100.7 SIP/2.0\r\n\x03CSeq: \x04 {method}\r\n\
         Contact: <sip:600@192.0.2.1:5061>\r\n{more}{}",
        body(sdp)
    ))
}

fn answer(code: u16, phrase: &str, sdp: &str) -> Vec<u8> {
    from(&answer_text("\x01", code, phrase, sdp))
}

fn answer_text(head: &str, code: u16, phrase: &str, sdp: &str) -> String {
    format!(
        "SIP/2.0 {code} {phrase}\r\n{head}Contact: <sip:600@192.0.2.1:5061>\r\n{}",
        body(sdp)
    )
}

fn reliable(sdp: &str) -> Vec<u8> {
    from(&format!(
        "SIP/2.0 183 Session Progress\r\n\x01Contact: <sip:600@192.0.2.1>\r\nRequire: 100rel\r\nRSeq: 7\r\n{}",
        body(sdp)
    ))
}

fn body(sdp: &str) -> String {
    let kind = if sdp.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!("{kind}Content-Length: \x0b\r\n\r\n{sdp}")
}

/// A description with a key, good as offer and as answer: the tag is that of our own offer.
fn secure(direction: &str) -> String {
    format!(
        "{}m=audio 6000 RTP/SAVP 111 8 101\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\na=rtcp-mux\r\n\
         a={direction}\r\n",
        head()
    )
}

fn plain() -> String {
    format!(
        "{}m=audio 6000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:6001\r\n",
        head()
    )
}

fn head() -> &'static str {
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
}

fn packet(bytes: &[u8]) -> Vec<u8> {
    [b"*", bytes].concat()
}

/// Speech, in order and out of it.
fn speech() -> Vec<Vec<u8>> {
    [1_u16, 2, 4, 3]
        .map(|number| packet(&media::packet(8, number, u32::from(number) * 160, &[0x55; 40])))
        .into()
}

fn tone(event: u8) -> Vec<u8> {
    packet(&media::packet(101, 5, 800, &[event, 0x8a, 3, 0x20]))
}

/// A compound of a sender report, a name and BYE.
fn reports() -> Vec<u8> {
    let info = SenderInfo {
        ntp: 0x0123_4567_89ab_cdef,
        rtp_timestamp: 160,
        packets: 4,
        octets: 160,
    };
    let block = ReportBlock {
        ssrc: 7,
        fraction_lost: 3,
        cumulative_lost: 1,
        ..ReportBlock::default()
    };
    packet(
        &Compound::report(7, Some(info), &[block])
            .description(7, "me")
            .bye(7)
            .into_bytes(),
    )
}

/// Requests of ours to the STUN server, answered: with an address, with another, with nothing.
fn keep_alive() -> Vec<Vec<u8>> {
    let answer = |address: &str| {
        let request = Message {
            class: Class::Request,
            method: Method::BINDING,
            transaction: TransactionId([0; 12]),
            attributes: vec![],
        };
        let bytes = write(&request.binding_answer(address.parse().expect("an address")), None);
        // Without header, which the world writes, and fingerprint, which would be wrong.
        [b"?\x01", &bytes[20..bytes.len() - 8]].concat()
    };
    let same = answer("198.51.100.7:4000");
    vec![
        passes(5),
        same.clone(),
        passes(5),
        same,
        passes(5),
        b"?\x02\0\x09\0\x04\0\0\x04\x14".to_vec(),
        passes(5),
        answer("192.0.2.1:9"),
    ]
}
