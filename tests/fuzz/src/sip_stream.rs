//! A byte stream: the frames are the same wherever the pieces fall, and what was written is what comes out.
//!
//! The first byte of the input is the size of the pieces.

use std::sync::LazyLock;
use toestel_proto::random::Random;
use toestel_proto::sip::framing::{Frame, MAX_STREAM_MESSAGE, Side, StreamReader};
use toestel_proto::sip::parse::{self, Refusal};
use toestel_proto::sip::probe;

use crate::mutate::text::{Grammar, with_right_lengths};
use crate::sip;

/// Runs one input; whether it was accepted: at least one message, and framing never lost.
pub fn run(input: &[u8]) -> bool {
    let Some((size, stream)) = input.split_first() else {
        return false;
    };
    probe::stream(stream);
    for side in [Side::Client, Side::Server] {
        let whole = messages(side, stream, stream.len().max(1));
        assert_eq!(
            messages(side, stream, usize::from(*size).max(1)),
            whole,
            "the pieces decide what is read"
        );
    }
    let frames = messages(Side::Client, stream, stream.len().max(1));
    let read = |frame: &Result<Frame, Refusal>| match frame {
        Ok(Frame::Message(message)) => {
            assert!(message.len() <= MAX_STREAM_MESSAGE);
            parse::framed(message).is_ok()
        }
        _ => false,
    };
    frames.iter().any(read) && frames.iter().all(Result::is_ok)
}

/// The messages, and the error that ended the flow. Keep-alives depend on when they arrive and are left out.
fn messages(side: Side, stream: &[u8], size: usize) -> Vec<Result<Frame, Refusal>> {
    let mut reader = StreamReader::new(side);
    let mut frames = Vec::new();
    for piece in stream.chunks(size) {
        reader.push(piece);
        frames.extend(std::iter::from_fn(|| reader.next()));
    }
    frames.retain(|frame| !matches!(frame, Ok(Frame::Ping | Frame::Pong)));
    frames
}

/// `input` with an edit, and mostly with the right lengths.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
        let streams: Vec<_> = seeds().iter().map(|seed| seed[1..].to_vec()).collect();
        Grammar::new(&[streams, sip::seeds()].concat(), None)
    });
    let (size, stream) = input.split_first()?;
    let edited = GRAMMAR.edit(stream, random);
    let is_mended = random.below(8) > 0;
    let edited = if is_mended { with_right_lengths(&edited) } else { edited };
    Some([&[*size], edited.as_slice()].concat())
}

/// Flows as exchanges fill them, whole, cut and foreign.
pub fn seeds() -> Vec<Vec<u8>> {
    let with = |size: u8, text: &str| [&[size], text.as_bytes()].concat();
    let one = sip::request("OPTIONS", "", "");
    let two = sip::request("INVITE", "Content-Type: application/sdp\r\n", "v=0\r\n");
    let mut seeds = vec![
        with(1, &one),
        with(7, &format!("{one}{two}")),
        with(255, &format!("\r\n{one}\r\n\r\n{two}\r\n")),
        with(3, &format!("\r\n\r\n\r\n{two}{two}{two}")),
        with(2, &format!("{two}{}", &one[..40])),
        with(64, &two.replace("Content-Length", "l ")),
        with(0, &format!("{one}{}", two.replace("\r\nv=0", "\r\nv=\0"))),
        with(
            16,
            &format!("\r\n\r\n{}\r\n\r\n{two}", message(&format!("\r\n\r\n{one}"))),
        ),
        with(
            31,
            &format!("{}{one}", one.replace("Max-Forwards: 70", "Subject: a\r\n b\r\n\tc")),
        ),
        with(
            4,
            &format!("{two}{}", two.replace("Length: 5", "Length: 5\r\nContent-Length: 5")),
        ),
    ];
    seeds.extend(talks().iter().zip([2, 20, 100, 1]).map(|(talk, size)| with(size, talk)));
    seeds.extend(broken(&one, &two).iter().map(|stream| with(5, stream)));
    seeds
}

/// What a server says in the course of a registration, a call each way, and news between them.
fn talks() -> [String; 4] {
    let answer = |start: &str, more: &str| sip::response(start, more);
    let expires = "Contact: <sip:a@192.0.2.7;transport=tcp>;expires=60\r\nFlow-Timer: 30\r\n";
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    let reliable = "Require: 100rel\r\nRSeq: 1\r\nContact: <sip:b@h.nl>\r\n";
    let news = "Event: message-summary\r\nSubscription-State: active\r\n\
                Content-Type: application/simple-message-summary\r\n";
    let (ack, bye) = (sip::request("ACK", "", ""), sip::request("BYE", "", ""));
    [
        answer("401 Unauthorized", challenge) + &answer("200 OK", expires) + "\r\n",
        answer("100 Trying", "")
            + &answer("183 Session Progress", reliable)
            + "\r\n"
            + &answer("200 OK", reliable)
            + &bye,
        sip::request("INVITE", "Supported: timer\r\n", "")
            + "\r\n\r\n"
            + &ack
            + &answer("481 ", "")
            + "\r\n\r\n"
            + &bye,
        sip::request("NOTIFY", news, "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n")
            + &message("hello")
            + "\r\n",
    ]
}

/// Streams that end the flow, at once or after a good message.
fn broken(one: &str, two: &str) -> Vec<String> {
    let length = |length: &str| one.replace("Content-Length: 0", &format!("Content-Length: {length}"));
    vec![
        one.replace("Content-Length: 0\r\n", ""),
        two.to_owned() + &length("99999999999999999999"),
        two.to_owned() + &length("262145"),
        length("-1") + two,
        two.replace("Length: 5", "Length: 5\r\nl: 6"),
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        two.to_owned() + "SIP/2.0 OK\r\n\r\n",
        one.replace("\r\n", "\n"),
    ]
}

fn message(text: &str) -> String {
    sip::request("MESSAGE", "Content-Type: text/plain\r\n", text)
}
