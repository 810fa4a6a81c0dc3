use super::*;

const MESSAGE: &str = "OPTIONS sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/TLS h.nl;branch=z9hG4bK1\r\nFrom: <sip:b@h.nl>;tag=1\r\n\
    To: <sip:a@h.nl>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nl : 4\r\n\r\nabcd";

fn drain(reader: &mut StreamReader) -> Vec<Result<Frame, Refusal>> {
    std::iter::from_fn(|| reader.next()).collect()
}

fn message() -> Result<Frame, Refusal> {
    Ok(Frame::Message(Bytes::from_static(MESSAGE.as_bytes())))
}

#[test]
fn messages_and_keep_alives_are_cut_wherever_the_pieces_fall() {
    let stream = format!("{MESSAGE}\r\n\r\n{MESSAGE}{MESSAGE}\r\n\r\n");
    let expected = [message(), Ok(Frame::Ping), message(), message(), Ok(Frame::Ping)];
    for size in 1..stream.len() {
        let mut reader = StreamReader::new(Side::Server);
        let mut frames = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            reader.push(piece);
            frames.extend(drain(&mut reader));
        }
        assert_eq!(frames, expected, "in pieces of {size}");
        assert!(!reader.is_within_message());
    }
}

#[test]
fn a_client_takes_one_crlf_for_the_answer_to_its_ping() {
    let mut reader = StreamReader::new(Side::Client);
    reader.push(b"\r");
    assert_eq!(drain(&mut reader), []);
    reader.push(b"\n");
    assert_eq!(drain(&mut reader), [Ok(Frame::Pong)]);
    reader.push(b"\r\n\r\n");
    assert_eq!(drain(&mut reader), [Ok(Frame::Ping)]);
}

#[test]
fn a_server_ignores_a_crlf_before_a_message() {
    let mut reader = StreamReader::new(Side::Server);
    reader.push(b"\r\n");
    assert_eq!(drain(&mut reader), []);
    reader.push(MESSAGE.as_bytes());
    assert_eq!(drain(&mut reader), [message()]);
}

#[test]
fn what_is_not_sip_ends_the_flow_at_its_first_line() {
    for text in [
        "GET / HTTP/1.1\r\n",
        "\x16\x03\x01",
        "hello\n",
        "\rx",
        "\r\nx\r\n",
        "{",
        "OPTIONS sip:a@h.nl\r\n",
    ] {
        let mut reader = StreamReader::new(Side::Server);
        reader.push(text.as_bytes());
        let frames = drain(&mut reader);
        assert_eq!(frames.len(), 1, "{text:?}");
        assert!(frames[0].is_err(), "{text:?}");
        reader.push(MESSAGE.as_bytes());
        assert_eq!(drain(&mut reader), [], "after the end nothing is read");
    }
}

#[test]
fn lost_framing_is_answered_and_ends_the_flow() {
    for length in [
        "l : -1",
        "l: 4\r\nContent-Length: 4",
        "l: 4\r\nl: 5",
        "l: x",
        "l: 99999999999999999999999",
        "X: y",
        "l: 4194305",
    ] {
        let mut reader = StreamReader::new(Side::Client);
        reader.push(MESSAGE.replace("l : 4", length).as_bytes());
        let frames = drain(&mut reader);
        let [Err(refusal)] = frames.as_slice() else {
            panic!("{length}: {frames:?}")
        };
        assert!(refusal.response("t").is_some(), "{length}");
    }
}

#[test]
fn a_bad_line_is_not_lost_framing() {
    let mut reader = StreamReader::new(Side::Client);
    reader.push(MESSAGE.replace("l : 4", "no colon\r\nl : 4").as_bytes());
    reader.push(MESSAGE.as_bytes());
    let frames = drain(&mut reader);
    assert_eq!(frames.len(), 2);
    let Ok(Frame::Message(bytes)) = &frames[0] else {
        panic!()
    };
    assert_eq!(parse::framed(bytes).unwrap_err().status.unwrap().code(), 400);
}

#[test]
fn an_endless_head_ends_the_flow() {
    for (start, filler) in [
        ("OPTIONS sip:a@h.nl SIP/2.0\r\n", "X: y\r\n"),
        ("O", "O"),
        ("OPTIONS sip:a@h.nl SIP/2.0\r\nX: ", "y"),
    ] {
        let mut reader = StreamReader::new(Side::Client);
        reader.push(start.as_bytes());
        let mut pushed = 0;
        let end = loop {
            reader.push(filler.as_bytes());
            pushed += filler.len();
            match reader.next() {
                Some(frame) => break frame,
                None => assert!(pushed <= MAX_STREAM_MESSAGE, "nothing holds it back"),
            }
        };
        assert!(end.is_err());
    }
}

#[test]
fn a_head_beyond_the_limit_ends_the_flow_alike_in_one_piece_and_in_many() {
    let stream = MESSAGE.replace(
        "l : 4",
        &format!("Subject: {}\r\nl : 4", "y".repeat(MAX_STREAM_MESSAGE)),
    );
    let read = |size: usize| {
        let mut reader = StreamReader::new(Side::Client);
        stream.as_bytes().chunks(size).find_map(|piece| {
            reader.push(piece);
            reader.next()
        })
    };
    assert!(matches!(read(stream.len()), Some(Err(_))));
    assert_eq!(read(stream.len()), read(1_000));
}

#[test]
fn empty_datagrams_and_crlf_are_keep_alives() {
    for datagram in [b"".as_slice(), b"\r\n", b"\r\n\r\n", b"\0\0\0\0"] {
        assert!(is_keep_alive(datagram));
    }
    assert!(!is_keep_alive(MESSAGE.as_bytes()));
}

#[test]
fn a_message_that_is_too_long_is_refused_once_and_passed_over() {
    for length in [MAX_STREAM_MESSAGE, 1_000_000, MAX_SKIPPED] {
        let body = "x".repeat(length);
        let long = MESSAGE.replace("l : 4", &format!("l: {length}")).replace("abcd", &body);
        let stream = format!("{MESSAGE}{long}\r\n\r\n{MESSAGE}");
        for size in [1_000, 65_536, stream.len()] {
            let mut reader = StreamReader::new(Side::Client);
            let (mut frames, mut most) = (Vec::new(), 0);
            for piece in stream.as_bytes().chunks(size) {
                reader.push(piece);
                frames.extend(drain(&mut reader));
                most = most.max(reader.buffer.len());
            }
            let [first, Ok(Frame::Skipped(refusal)), ping, last] = frames.as_slice() else {
                panic!("{length} in pieces of {size}: {} frames", frames.len())
            };
            assert_eq!([first, ping, last], [&message(), &Ok(Frame::Ping), &message()]);
            assert_eq!(refusal.status.map(|status| status.code()), Some(413));
            assert!(refusal.response("t").is_some());
            assert!(!reader.is_within_message());
            assert!(most < 2_000, "{most} bytes are kept of what is not read");
        }
    }
}

#[test]
fn a_response_that_is_too_long_is_passed_over_in_silence() {
    let start = "SIP/2.0 200 OK\r\n";
    let long = MESSAGE
        .replace("OPTIONS sip:a@h.nl SIP/2.0\r\n", start)
        .replace("l : 4", "l: 500000");
    let mut reader = StreamReader::new(Side::Client);
    reader.push(long.as_bytes());
    let frames = drain(&mut reader);
    let [Ok(Frame::Skipped(refusal))] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(refusal.response("t"), None);
    assert!(reader.is_within_message());
}
