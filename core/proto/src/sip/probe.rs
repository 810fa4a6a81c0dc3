//! `toestel probe sip` and `toestel probe sip-stream`: a datagram, or a stream, through the reader of a call.
//!
//! The verdict is that of RFC 3261 on the message: `reject` is malformed, or asks for what no extension or scheme
//! here can give (416, 420); `drop` is a response that was meant for somebody else, or a keep-alive. What a phone
//! would answer because it is a phone (405, 406, 415, 501) leaves the message accepted and stands in `answer`. This is
//! a contract with those who run the probe (`docs/agent.md`).

use serde::Serialize;

use super::admission::{self, Capabilities, Rejection};
use super::framing::{self, Frame, Side, StreamReader};
use super::msg::{Contacts, Message, Request, Response, StatusCode};
use super::parse::{self, Refusal};
use crate::probe::{Report, Verdict};

mod decoded;
pub use decoded::{AddressFields, Answer, CSeqFields, Decoded, UriFields, ViaFields};

/// Judges one datagram.
pub fn datagram(bytes: &[u8]) -> Report<Decoded> {
    if framing::is_keep_alive(bytes) {
        return Report {
            verdict: Verdict::Drop,
            why: "a keep-alive".to_owned(),
            decoded: None,
        };
    }
    judge(parse::datagram(bytes))
}

fn judge(read: Result<Message, Refusal>) -> Report<Decoded> {
    match read {
        Ok(Message::Request(request)) => judge_request(&request),
        Ok(Message::Response(response)) => judge_response(&response),
        Err(refusal) => refused(&refusal),
    }
}

fn judge_request(request: &Request) -> Report<Decoded> {
    let rejection = admission::admit(request, &Capabilities::PHONE).err();
    let verdict = match &rejection {
        Some(rejection) if !is_a_phones_choice(rejection.status) => Verdict::Reject,
        _ => Verdict::Accept,
    };
    let why = rejection
        .as_ref()
        .map_or("a well-formed request", |rejection| rejection.why);
    Report::new(verdict, why, Decoded::request(request, rejection.as_ref().map(answer)))
}

fn judge_response(response: &Response) -> Report<Decoded> {
    let decoded = Decoded::response(response);
    match admission::admit_response(response) {
        Ok(()) => Report::new(Verdict::Accept, "a well-formed response", decoded),
        Err(why) => Report::new(Verdict::Drop, why, decoded),
    }
}

fn refused(refusal: &Refusal) -> Report<Decoded> {
    let status = refusal.status.filter(|_| refusal.response("").is_some());
    Report::new(
        Verdict::Reject,
        refusal.why,
        Decoded::refused(refusal, status.map(Answer::from)),
    )
}

/// Codes that say something about the element and not about the message.
fn is_a_phones_choice(status: StatusCode) -> bool {
    use StatusCode as Code;
    let choices = [
        Code::METHOD_NOT_ALLOWED,
        Code::NOT_ACCEPTABLE,
        Code::UNSUPPORTED_MEDIA_TYPE,
        Code::NOT_IMPLEMENTED,
    ];
    choices.contains(&status)
}

fn answer(rejection: &Rejection) -> Answer {
    Answer::from(rejection.status)
}

/// What was read of a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DecodedStream {
    /// Each message, judged by itself.
    pub messages: Vec<Report<Decoded>>,
    /// Keep-alives that are to be answered.
    pub pings: usize,
    /// Answers to keep-alives.
    pub pongs: usize,
    /// Whether the stream ends within a message.
    pub is_unfinished: bool,
    /// Whether framing was lost, so that the flow is closed.
    pub is_closed: bool,
}

/// Judges what a server sent on a stream: rejected if framing is lost, if it ends within a message, or if one of its
/// messages is rejected.
pub fn stream(bytes: &[u8]) -> Report<DecodedStream> {
    let mut reader = StreamReader::new(Side::Client);
    reader.push(bytes);
    let mut read = DecodedStream {
        messages: Vec::new(),
        pings: 0,
        pongs: 0,
        is_unfinished: false,
        is_closed: false,
    };
    let (mut lost, mut skipped) = (None, None);
    while let Some(frame) = reader.next() {
        match frame {
            Ok(Frame::Message(message)) => read.messages.push(judge(parse::framed(&message))),
            Ok(Frame::Ping) => read.pings = read.pings.saturating_add(1),
            Ok(Frame::Pong) => read.pongs = read.pongs.saturating_add(1),
            Ok(Frame::Skipped(refusal)) => skipped = Some(refusal.why),
            Err(refusal) => lost = Some(refusal.why),
        }
    }
    read.is_closed = lost.is_some();
    read.is_unfinished = reader.is_within_message();
    let rejected = read.messages.iter().find(|message| message.verdict == Verdict::Reject);
    let (verdict, why) = match (lost.or(skipped), rejected) {
        (Some(why), _) => (Verdict::Reject, why.to_owned()),
        (None, Some(message)) => (Verdict::Reject, message.why.clone()),
        (None, None) if read.is_unfinished => (Verdict::Reject, "the stream ends within a message".to_owned()),
        (None, None) => (Verdict::Accept, format!("{} messages", read.messages.len())),
    };
    Report::new(verdict, why, read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "INVITE sip:a@h.nl;x=%41 SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:5;branch=z9hG4bK1\r\nFrom: Al <sip:b@h.nl>;tag=1\r\n\
        To: <sip:a@h.nl>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:b@h.nl:7>;q=0.5\r\nl: 0\r\n";

    #[test]
    fn an_accepted_request_is_told_field_by_field() {
        let report = datagram(format!("{HEAD}\r\n").as_bytes());
        assert_eq!(report.verdict, Verdict::Accept);
        let decoded = report.decoded.unwrap();
        assert_eq!((decoded.kind, decoded.method.as_deref()), ("request", Some("INVITE")));
        let uri = decoded.request_uri.unwrap();
        assert_eq!(
            (uri.user.as_deref(), uri.host.as_deref(), uri.params["x"].as_deref()),
            (Some("a"), Some("h.nl"), Some("A"))
        );
        assert_eq!((decoded.via[0].host.as_str(), decoded.via[0].port), ("[::1]", Some(5)));
        let from = decoded.from.unwrap();
        assert_eq!((from.display.as_deref(), from.tag.as_deref()), (Some("Al"), Some("1")));
        assert_eq!(decoded.contact[0].uri.port, Some(7));
        assert_eq!(decoded.answer, None);
    }

    #[test]
    fn codes_that_the_message_earns_reject_it_and_codes_that_a_phone_gives_do_not() {
        let verdict = |from: &str, to: &str| {
            let report = datagram(format!("{}\r\n", HEAD.replace(from, to)).as_bytes());
            (
                report.verdict,
                report.decoded.unwrap().answer.map(|answer| answer.status),
            )
        };
        assert_eq!(verdict("Contact: <", "Contact: <<"), (Verdict::Reject, Some(400)));
        assert_eq!(verdict("SIP/2.0\r", "SIP/7.0\r"), (Verdict::Reject, Some(505)));
        assert_eq!(verdict("INVITE sip:", "INVITE http:"), (Verdict::Reject, Some(416)));
        assert_eq!(verdict("l: 0", "Require: x\r\nl: 0"), (Verdict::Reject, Some(420)));
        assert_eq!(verdict("INVITE", "REGISTER"), (Verdict::Accept, Some(405)));
        assert_eq!(verdict("INVITE", "ODD"), (Verdict::Accept, Some(501)));
        assert_eq!(verdict("l: 0", "Accept: a/b\r\nl: 0"), (Verdict::Accept, Some(406)));
    }

    #[test]
    fn what_is_for_nobody_here_is_dropped() {
        let text = HEAD.replace("INVITE sip:a@h.nl;x=%41 SIP/2.0", "SIP/2.0 200 OK");
        let two_vias = text.replace("From:", "Via: SIP/2.0/UDP h.nl;branch=z9hG4bK2\r\nFrom:");
        assert_eq!(datagram(format!("{text}\r\n").as_bytes()).verdict, Verdict::Accept);
        assert_eq!(datagram(format!("{two_vias}\r\n").as_bytes()).verdict, Verdict::Drop);
        assert_eq!(datagram(b"\r\n\r\n").verdict, Verdict::Drop);
        assert_eq!(datagram(b"GET / HTTP/1.1\r\n\r\n").decoded.unwrap().answer, None);
    }

    #[test]
    fn a_stream_is_judged_by_its_framing_and_its_messages() {
        let whole = format!("{HEAD}\r\n\r\n{HEAD}\r\n\r\n\r\n");
        let report = stream(whole.as_bytes());
        assert_eq!(report.verdict, Verdict::Accept, "{}", report.why);
        let read = report.decoded.unwrap();
        assert_eq!((read.messages.len(), read.pongs, read.pings), (2, 1, 1));

        let cut = stream(HEAD.as_bytes());
        assert_eq!(
            (cut.verdict, cut.decoded.unwrap().is_unfinished),
            (Verdict::Reject, true)
        );
        let lost = stream(format!("{}\r\n", HEAD.replace("l: 0", "l: -1")).as_bytes());
        assert_eq!((lost.verdict, lost.decoded.unwrap().is_closed), (Verdict::Reject, true));
        let bad = stream(format!("{}\r\n", HEAD.replace("1 INVITE", "1 BYE")).as_bytes());
        assert_eq!((bad.verdict, bad.decoded.unwrap().is_closed), (Verdict::Reject, false));
    }
}
