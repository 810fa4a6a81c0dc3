use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn invite() -> Request {
    let from = NameAddr::new(uri("sip:100@example.com"))
        .with_display("Anna \"A\" Bakker")
        .with_tag("a1");
    let to = NameAddr::new(uri("sip:200@example.com"));
    let mut request = Request::new(Method::Invite, uri("sip:200@example.com"), from, to, "c1@host", 7);
    request.vias.push(Via::new(
        Transport::Tls,
        "192.0.2.1".parse().unwrap(),
        Some(5061),
        "z9hG4bK1",
    ));
    request
}

#[test]
fn a_request_is_written_with_its_length() {
    let mut request = invite();
    request.set_body("application/sdp", "v=0\r\n");
    let expected = "INVITE sip:200@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1\r\n\
        From: \"Anna \\\"A\\\" Bakker\" <sip:100@example.com>;tag=a1\r\nTo: <sip:200@example.com>\r\n\
        Call-ID: c1@host\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
        Content-Length: 5\r\n\r\nv=0\r\n";
    assert_eq!(request.to_bytes(), expected.as_bytes());
}

#[test]
fn no_value_can_inject_a_header_line() {
    let mut request = invite();
    request.from.display = Some("x\r\nEvil: 1".to_owned());
    request.headers.push(HeaderName::Subject, "y\r\nEvil: 2");
    request.call_id = "z\nEvil: 3".to_owned();
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    assert!(text.lines().all(|line| !line.starts_with("Evil")), "{text}");
}

#[test]
fn a_response_copies_what_the_rfc_says() {
    let mut request = invite();
    request.headers.push(HeaderName::RecordRoute, "<sip:p.example.com;lr>");
    request.headers.push(HeaderName::Timestamp, "54");

    let trying = Response::to(&request, StatusCode::TRYING);
    assert_eq!(trying.headers.get(HeaderName::Timestamp), Some("54"));
    assert!(!trying.headers.has(HeaderName::RecordRoute));

    let ok = Response::to(&request, StatusCode::OK).with_to_tag("b2");
    assert_eq!((ok.vias.as_slice(), &ok.from), (request.vias.as_slice(), &request.from));
    assert_eq!(
        (ok.to.tag(), ok.call_id.as_str(), ok.cseq.to_string()),
        (Some("b2"), "c1@host", "7 INVITE".to_owned())
    );
    assert_eq!(ok.headers.record_routes().len(), 1);
    assert_eq!(ok.with_to_tag("other").to.tag(), Some("b2"), "a tag once given stays");

    let busy = Response::to(&request, StatusCode::BUSY_HERE);
    assert!(!busy.headers.has(HeaderName::RecordRoute));
}

#[test]
fn reason_phrases_are_words() {
    let phrases = [
        (100, "Trying"),
        (200, "OK"),
        (202, "Accepted"),
        (416, "Unsupported URI Scheme"),
        (481, "Call Transaction Does Not Exist"),
        (499, "Request Failure"),
    ];
    for (code, phrase) in phrases {
        assert_eq!(StatusCode::new(code).unwrap().phrase(), phrase);
    }
    assert_eq!(StatusCode::new(99), None);
    assert_eq!(StatusCode::new(700), None);
}

#[test]
fn uris_come_back_letter_for_letter() {
    for text in [
        "sip:alice@example.com",
        "sips:1212@gateway.com:5061;transport=tcp;user=phone",
        "sip:%61lice%2F@[2001:db8::10]:5070;lr",
        "sip:user;par=u%40example.net@example.com?Subject=a%20b&to=x",
        "sip:example.com",
        "tel:+31-20-1234567;phone-context=example.com",
        "http://www.example.com/x?y",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn uris_compare_by_the_rules_of_section_19_1_4() {
    let same = [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+31-20-123", "tel:+3120123"),
    ];
    for (a, b) in same {
        assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
    }
    let different = [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:a@b.com", "sips:a@b.com"),
    ];
    for (a, b) in different {
        assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
    }
}

#[test]
fn a_user_part_is_escaped_and_unescaped() {
    let built = Uri::sip("*31#@x é", Host::Name("example.com".to_owned()));
    assert_eq!(built.to_string(), "sip:*31%23%40x%20%C3%A9@example.com");
    assert_eq!(uri(&built.to_string()).user().unwrap(), "*31#@x é");
}

#[test]
fn addresses_are_read_in_all_their_forms() {
    let bare: NameAddr = "sip:a@b.com;tag=1".parse().unwrap();
    assert_eq!((bare.tag(), bare.uri.params().len()), (Some("1"), 0));
    let quoted: NameAddr = "\"<a> \\\"b\\\", c\" <sip:x@y.nl;lr>;q=0.7;expires=60".parse().unwrap();
    assert_eq!(quoted.display.as_deref(), Some("<a> \"b\", c"));
    assert_eq!(
        (quoted.q(), quoted.expires(), quoted.uri.is_loose_router()),
        (Some(700), Some(60), true)
    );
    let words: NameAddr = "Bell, Alexander <sip:agb@bell.com>".parse().unwrap();
    assert_eq!(words.display.as_deref(), Some("Bell, Alexander"));
    for wrong in [
        "\"a <sip:x@y.nl>",
        "\"a\\\" <sip:x@y.nl>",
        "<sip:x@y.nl",
        "\\ <sip:x@y.nl>",
        "a sip:x@y.nl",
        "/",
    ] {
        assert!(wrong.parse::<NameAddr>().is_err(), "{wrong}");
    }
}

#[test]
fn feature_tags_keep_their_quotes() {
    let text = "<sip:a@b.com>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;methods=\"INVITE\"";
    let contact: NameAddr = text.parse().unwrap();
    assert_eq!(contact.params.get("+sip.instance"), Some("<urn:uuid:1>"));
    assert_eq!(contact.to_string(), text);
}

#[test]
fn typed_fields_read_what_was_pushed() {
    let mut headers = Headers::new();
    headers.push(HeaderName::from("m"), "\"a, b\" <sip:1@h.nl>, <sip:2@h.nl>");
    headers.push(HeaderName::Contact, "sip:3@h.nl");
    headers.push(HeaderName::from("k"), "timer, 100rel");
    headers.push(HeaderName::SessionExpires, "1800;refresher=UAS");
    headers.push(HeaderName::RAck, "1 2 INVITE");
    headers.push(HeaderName::Reason, "SIP;cause=200;text=\"a, b\", Q.850;cause=16");
    headers.push(HeaderName::Warning, "370 devnull \"Choose a bigger pipe\"");
    headers.push(HeaderName::Replaces, "c@h;to-tag=a;from-tag=b;early-only");
    headers.push(HeaderName::Event, "dialog;id=7");
    headers.push(HeaderName::SubscriptionState, "Terminated;reason=timeout;retry-after=5");
    assert_eq!(headers.contacts().as_slice().len(), 3);
    assert_eq!(headers.contacts().first().unwrap().display.as_deref(), Some("a, b"));
    assert!(headers.supports("timer") && headers.supports("100rel") && !headers.supports("path"));
    let timer = SessionExpires {
        interval: 1800,
        refresher: Some(Refresher::Uas),
    };
    assert_eq!(headers.session_expires(), Some(timer));
    assert_eq!(headers.rack().unwrap().to_string(), "1 2 INVITE");
    let reasons = headers.reasons();
    assert_eq!(
        (reasons[0].cause, reasons[0].text.as_deref(), reasons[1].cause),
        (Some(200), Some("a, b"), Some(16))
    );
    assert_eq!(headers.warnings()[0].text, "Choose a bigger pipe");
    assert!(headers.replaces().unwrap().early_only);
    assert_eq!(
        headers.event().unwrap(),
        Event {
            package: "dialog".to_owned(),
            id: Some("7".to_owned())
        }
    );
    let state = headers.subscription_state().unwrap();
    assert_eq!((state.state.as_str(), state.retry_after), ("terminated", Some(5)));
    headers.set(HeaderName::Contact, "*");
    assert_eq!(headers.contacts(), Contacts::All);
    assert_eq!(headers.all(HeaderName::Contact).count(), 1);
}
