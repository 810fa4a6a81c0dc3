use super::*;
use crate::sip::msg::{HeaderName, Message, Request, StatusCode};

const HEAD: &str = "OPTIONS sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\nFrom: <sip:b@h.nl>;tag=1\r\n\
    To: <sip:a@h.nl>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

fn refused(text: impl AsRef<[u8]>) -> Refusal {
    datagram(text.as_ref()).unwrap_err()
}

fn request(text: impl AsRef<[u8]>) -> Request {
    match datagram(text.as_ref()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_answers_with_what_it_could_read() {
    let text = HEAD.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE") + "\r\n";
    let refusal = refused(&text);
    assert_eq!(refusal.status, Some(StatusCode::BAD_REQUEST));
    let answer = String::from_utf8(refusal.response("t1").unwrap().to_vec()).unwrap();
    assert_eq!(
        answer,
        "SIP/2.0 400 Bad Request (a CSeq that names another method)\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\n\
         From: <sip:b@h.nl>;tag=1\r\nTo: <sip:a@h.nl>;tag=t1\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn nobody_answers_an_ack_a_response_or_what_is_not_sip() {
    for text in [
        "ACK sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\n\r\n",
        "ACK  sip:a@h.nl SIP/2.0\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\n\r\n",
        "SIP/2.0 99 Low\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\n\r\n",
        "SIP/3.0 200 OK\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\n\r\n",
        "GET / HTTP/1.1\r\nVia: SIP/2.0/UDP h.nl;branch=z9hG4bK1\r\n\r\n",
        "",
        "\r\n\r\n",
    ] {
        assert_eq!(refused(text).status, None, "{text}");
        assert_eq!(refused(text).response("t"), None, "{text}");
    }
}

#[test]
fn a_message_without_a_via_gets_no_answer_because_nobody_would_know_it() {
    let refusal = refused("OPTIONS sip:a@h.nl SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n");
    assert_eq!(
        (refusal.status, refusal.response("t")),
        (Some(StatusCode::BAD_REQUEST), None)
    );
}

#[test]
fn a_stream_knows_no_line_end_but_crlf() {
    let whole = format!("{HEAD}l: 0\r\n\r\n");
    assert!(framed(whole.as_bytes()).is_ok());
    for text in [
        whole.replace("\r\n", "\n"),
        whole.replacen("h.nl;", "h.nl\r;", 1),
        whole.replacen("\r\n", "\n", 1),
    ] {
        assert_eq!(
            framed(text.as_bytes()).unwrap_err().status,
            Some(StatusCode::BAD_REQUEST),
            "{text:?}"
        );
    }
    assert!(framed(format!("{HEAD}l: 0\r\n").as_bytes()).is_err(), "no empty line");
}

#[test]
fn a_datagram_may_end_its_lines_with_lf_but_not_mix() {
    let whole = format!("{HEAD}l: 2\r\n\r\n\r\n");
    assert_eq!(
        request(whole.replace("\r\n", "\n").replace("l: 2", "l: 1"))
            .body
            .as_ref(),
        b"\n"
    );
    for text in [
        whole.replacen("h.nl;", "h.nl\r;", 1),
        whole.replacen("\r\n", "\n", 1),
        whole.replacen("c\r\n", "c\n", 1),
    ] {
        assert_eq!(refused(&text).status, Some(StatusCode::BAD_REQUEST), "{text:?}");
    }
}

#[test]
fn a_datagram_may_lack_the_empty_line_but_not_half_a_line() {
    assert!(request(HEAD).body.is_empty());
    for text in [HEAD.trim_end(), &format!("{HEAD}l: 1\r\n")] {
        assert_eq!(refused(text).status, Some(StatusCode::BAD_REQUEST), "{text:?}");
    }
}

#[test]
fn latin_1_does_not_lose_the_message() {
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend_from_slice(b"Subject: caf\xe9\r\nOrganization: \xe2\x82\xac\r\n\r\n");
    let request = request(bytes);
    assert_eq!(request.headers.get(HeaderName::Subject), Some("café"));
    assert_eq!(request.headers.get(HeaderName::Organization), Some("€"));
}

#[test]
fn two_hundred_header_fields_are_read_and_no_more() {
    let with = |count: usize| HEAD.to_owned() + &"Xx: y\r\n".repeat(count.saturating_sub(5)) + "\r\n";
    assert_eq!(request(with(200)).headers.len(), 195);
    assert_eq!(refused(with(201)).status, Some(StatusCode::MESSAGE_TOO_LARGE));
}

#[test]
fn a_datagram_has_a_limit() {
    let with = |length: usize| format!("{HEAD}X: {}\r\n\r\n", "y".repeat(length));
    let room = MAX_DATAGRAM - HEAD.len() - 7;
    assert!(datagram(with(room).as_bytes()).is_ok());
    assert!(datagram(with(room + 1).as_bytes()).is_err());
}

#[test]
fn the_body_is_cut_to_its_length_and_never_beyond_the_datagram() {
    assert_eq!(request(format!("{HEAD}l: 2\r\n\r\nabcd")).body.as_ref(), b"ab");
    assert_eq!(request(format!("{HEAD}\r\nabcd")).body.as_ref(), b"abcd");
    for length in ["5", "-1", "+4", "4, 4", "four", "", "99999999999999999999999"] {
        let refusal = refused(format!("{HEAD}Content-Length: {length}\r\n\r\nabcd"));
        assert_eq!(refusal.status, Some(StatusCode::BAD_REQUEST), "{length}");
    }
    assert!(
        framed(format!("{HEAD}\r\n").as_bytes()).is_err(),
        "a stream has no end of datagram"
    );
}

#[test]
fn a_via_list_has_no_holes() {
    for via in [
        "SIP/2.0/UDP h.nl;;branch=z9hG4bK1",
        "SIP/2.0/UDP h.nl,",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP h:99999",
        "",
    ] {
        let text = HEAD.replace("SIP/2.0/UDP h.nl;branch=z9hG4bK1", via) + "\r\n";
        assert_eq!(refused(&text).status, Some(StatusCode::BAD_REQUEST), "{via}");
    }
}

#[test]
fn hostile_addresses_are_refused_without_harm() {
    for from in [
        "/",
        "\\",
        "\"",
        "\"\\",
        "<",
        "<>",
        "<sip:>",
        "<sip:@>",
        "sip:",
        "<sip:a@[::>",
        "<sip:a%zz@h.nl>",
        "é",
    ] {
        let text = HEAD.replace("<sip:b@h.nl>", from) + "\r\n";
        assert_eq!(refused(&text).status, Some(StatusCode::BAD_REQUEST), "{from}");
    }
}

#[test]
fn tags_in_base64_and_trailing_semicolons_do_not_lose_a_call() {
    let text = HEAD.replace("tag=1", "tag=YQ==;") + "\r\n";
    assert_eq!(request(text).from.tag(), Some("YQ=="));
}

#[test]
fn multipart_is_read_to_a_depth_of_two() {
    let nest = |depth: usize| {
        let mut kind = "application/sdp".to_owned();
        let mut body = "v=0".to_owned();
        for level in 0..depth {
            body = format!("preamble\r\n--b{level}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n--b{level}--\r\nepilogue");
            kind = format!("multipart/mixed;boundary=b{level}");
        }
        (kind, body)
    };
    for (depth, found) in [(0, true), (1, true), (2, true), (3, false), (500, false)] {
        let (kind, body) = nest(depth);
        let sdp = multipart::find(&kind.parse().unwrap(), body.as_bytes(), "application/sdp");
        assert_eq!(sdp, found.then_some(b"v=0".as_slice()), "{depth}");
    }
}

#[test]
fn a_part_without_header_fields_is_plain_text() {
    let kind = "multipart/mixed;boundary=b".parse().unwrap();
    let parts = multipart::parts(&kind, b"--b\r\n\r\nhello\r\n--b\r\nX: 1\r\n\r\n\r\n--b--");
    let read: Vec<_> = parts
        .iter()
        .map(|part| (part.content_type.as_str(), part.body))
        .collect();
    assert_eq!(read, [("text/plain", b"hello".as_slice()), ("text/plain", b"")]);
    assert_eq!(parts[1].headers.get(HeaderName::from("x")), Some("1"));
}
