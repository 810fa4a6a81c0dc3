//! A byte stream: the frames are the same wherever the pieces fall, and what was written is what comes out.
//!
//! The first byte of the input is the size of the pieces.

use toestel_proto::sip::framing::{Frame, MAX_STREAM_MESSAGE, Side, StreamReader};
use toestel_proto::sip::parse::{self, Refusal};
use toestel_proto::sip::probe;

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

/// Streams of messages and keep-alives, whole, cut and foreign.
pub fn seeds() -> Vec<Vec<u8>> {
    let with = |size: u8, text: &str| [&[size], text.as_bytes()].concat();
    let one = sip::request("OPTIONS", "", "");
    let two = sip::request("INVITE", "Content-Type: application/sdp\r\n", "v=0\r\n");
    vec![
        with(1, &one),
        with(7, &format!("{one}{two}")),
        with(255, &format!("\r\n{one}\r\n\r\n{two}\r\n")),
        with(3, &format!("\r\n\r\n\r\n{two}{two}{two}")),
        with(2, &format!("{two}{}", &one[..40])),
        with(64, &two.replace("Content-Length", "l ")),
        with(5, &one.replace("Content-Length: 0\r\n", "")),
        with(
            5,
            &one.replace("Content-Length: 0", "Content-Length: 99999999999999999999"),
        ),
        with(9, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        with(1, &one.replace("\r\n", "\n")),
    ]
}
