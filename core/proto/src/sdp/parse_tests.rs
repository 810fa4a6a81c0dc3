use super::*;
use crate::codec::Codec;
use crate::sdp::write::write;
use proptest::prelude::*;

const MINIMAL: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn read(tail: &str) -> Result<Description, SdpError> {
    parse(format!("{MINIMAL}{tail}").as_bytes())
}

fn audio(attributes: &str) -> Media {
    read(&format!("m=audio 4000 RTP/AVP 0 8 96\r\n{attributes}"))
        .unwrap()
        .media
        .remove(0)
}

#[test]
fn the_example_of_rfc_8866_is_read_field_by_field() {
    let text = "v=0\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\ns=Call to John Smith\n\
        i=SDP Offer #1\nu=http://www.jdoe.example.com/home.html\ne=Jane Doe <jane@jdoe.example.com>\n\
        p=+1 617 555-6011\nc=IN IP4 198.51.100.1\nt=0 0\nm=audio 49170 RTP/AVP 0\nm=audio 49180 RTP/AVP 0\n\
        m=video 51372 RTP/AVP 99\nc=IN IP6 2001:db8::2\na=rtpmap:99 h263-1998/90000\n";
    let description = parse(text.as_bytes()).unwrap();
    assert_eq!(description.origin.session_id, "3724394400");
    assert_eq!(description.name, "Call to John Smith");
    let video = &description.media[2];
    assert_eq!(
        (video.kind.as_str(), video.port, &video.profile),
        ("video", 51372, &Profile::Avp)
    );
    let address = description.connection_of(video).and_then(Connection::as_ip);
    assert_eq!(address, Some("2001:db8::2".parse().unwrap()));
    let inherited = description
        .connection_of(&description.media[0])
        .and_then(Connection::as_ip);
    assert_eq!(inherited, Some("198.51.100.1".parse().unwrap()));
    assert_eq!(video.rtp_map(99).map(|map| map.clock_rate), Some(90_000));
}

#[test]
fn static_payload_types_need_no_rtpmap_and_an_rtpmap_overrides_them() {
    let media = audio("a=rtpmap:96 OPUS/48000/2\r\na=rtpmap:8 telephone-event/8000\r\n");
    assert_eq!(media.rtp_map(0).and_then(|map| map.codec()), Some(Codec::Pcmu));
    assert_eq!(media.rtp_map(96).and_then(|map| map.codec()), Some(Codec::Opus));
    assert!(media.rtp_map(8).unwrap().is_telephone_event());
}

#[test]
fn an_attribute_that_makes_no_sense_is_kept_raw_and_has_no_effect() {
    for line in [
        "ptime:0",
        "ptime:-20",
        "ptime:99999999999999",
        "maxptime:0",
        "ptime",
        "rtpmap:96",
        "rtpmap:300 opus/48000/2",
        "rtpmap:96 opus/0/2",
        "rtpmap:96 opus",
        "rtpmap:96 /48000",
        "rtpmap:+96 opus/48000/2",
        "rtpmap:96 opus/48000/2/7",
        "rtcp:0",
        "rtcp:70000",
        "rtcp:5 IN IP4 nonsense.",
        "mid:",
        "sendrecv:1",
    ] {
        let media = audio(&format!("a={line}\r\n"));
        assert!(
            matches!(media.attributes[0], Attribute::Other { .. }),
            "{line} had an effect"
        );
        assert_eq!(media.ptime(), None, "{line}");
    }
}

#[test]
fn a_packet_time_with_a_fraction_is_rounded_down() {
    assert_eq!(audio("a=ptime:22.75\r\n").ptime(), Some(22));
}

#[test]
fn direction_is_that_of_the_section_else_that_of_the_session() {
    let text = "a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\na=inactive\r\n";
    let description = read(text).unwrap();
    assert_eq!(description.direction_of(&description.media[0]), Direction::SendOnly);
    assert_eq!(description.direction_of(&description.media[1]), Direction::Inactive);
    let plain = read("m=audio 4000 RTP/AVP 0\r\n").unwrap();
    assert_eq!(plain.direction_of(&plain.media[0]), Direction::SendRecv);
}

#[test]
fn rtcp_is_one_port_above_or_where_the_attribute_says() {
    let description =
        read("m=audio 65535 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:9 IN IP4 192.0.2.9\r\n").unwrap();
    let rtp = "192.0.2.1:4000".parse().unwrap();
    assert_eq!(
        description.rtcp_of(&description.media[1], rtp),
        "192.0.2.9:9".parse().unwrap()
    );
    let top = "192.0.2.1:65535".parse().unwrap();
    assert_eq!(
        description.rtcp_of(&description.media[0], top).port(),
        65535,
        "no port above the last one"
    );
}

#[test]
fn a_malformed_description_is_refused_with_the_line_that_is_wrong() {
    assert_eq!(parse(b""), Err(SdpError::Version));
    assert_eq!(parse(b"v=1\r\n"), Err(SdpError::Version));
    assert_eq!(parse(b"o=- 1 1 IN IP4 192.0.2.1\r\n"), Err(SdpError::Version));
    assert_eq!(parse(b"v=0\r\ns=-\r\n"), Err(SdpError::Incomplete));
    for (tail, error) in [
        ("v=0\r\n", SdpError::Repeated(6)),
        ("o=- 1 1 IN IP4 192.0.2.1\r\n", SdpError::Repeated(6)),
        ("c=IN IP4 192.0.2.2\r\n", SdpError::Repeated(6)),
        ("x=1\r\n", SdpError::NotALine(6)),
        ("a\r\n", SdpError::NotALine(6)),
        ("\r\nm=audio 4000 RTP/AVP 0\r\n", SdpError::NotALine(6)),
        ("t=0\r\n", SdpError::Malformed(6)),
        ("a=\r\n", SdpError::Malformed(6)),
        ("m=audio\r\n", SdpError::Malformed(6)),
        ("m=audio 4000 RTP/AVP\r\n", SdpError::Malformed(6)),
        ("m=audio -1 RTP/AVP 0\r\n", SdpError::Malformed(6)),
        ("m=audio +4000 RTP/AVP 0\r\n", SdpError::Malformed(6)),
        ("m=audio 65536 RTP/AVP 0\r\n", SdpError::Malformed(6)),
        ("m=audio 4000/0 RTP/AVP 0\r\n", SdpError::Malformed(6)),
        ("m=audio 4000 RTP/AVP 128\r\n", SdpError::Malformed(6)),
        ("m=audio 4000 RTP/AVP PCMU\r\n", SdpError::Malformed(6)),
        (
            "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 999.1.1.1\r\n",
            SdpError::Malformed(7),
        ),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 ::1\r\n", SdpError::Malformed(7)),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4\r\n", SdpError::Malformed(7)),
        ("m=audio 4000 RTP/AVP 0\r\ns=late\r\n", SdpError::NotALine(7)),
        ("a=tool:a\0b\r\n", SdpError::Malformed(6)),
        ("a=tool:a\rb\r\n", SdpError::Malformed(6)),
    ] {
        assert_eq!(read(tail), Err(error), "{tail:?}");
    }
}

#[test]
fn origins_that_are_not_six_fields_with_two_numbers_are_refused() {
    for origin in [
        "- 1 1 IN IP4",
        "- x 1 IN IP4 192.0.2.1",
        "- 1 -1 IN IP4 192.0.2.1",
        "- 1 1 IN IP4 192.0.2.1 x",
    ] {
        let text = format!("v=0\r\no={origin}\r\ns=-\r\n");
        assert_eq!(parse(text.as_bytes()), Err(SdpError::Malformed(2)), "{origin}");
    }
}

#[test]
fn numbers_of_more_than_64_bits_in_the_origin_are_fine() {
    let text = "v=0\no=- 99999999999999999999999 18446744073709551616 IN IP4 pc.example.com\ns=-\n";
    assert_eq!(parse(text.as_bytes()).unwrap().origin.version, "18446744073709551616");
}

#[test]
fn everything_that_repeats_has_a_limit() {
    let media = "m=audio 4000 RTP/AVP 0\r\n".repeat(MAX_MEDIA + 1);
    assert_eq!(read(&media), Err(SdpError::TooLarge));
    let attributes = "a=x\r\n".repeat(MAX_ATTRIBUTES + 1);
    assert_eq!(read(&attributes), Err(SdpError::TooLarge));
    let formats = format!("m=audio 4000 RTP/AVP{}\r\n", " 0".repeat(MAX_FORMATS + 1));
    assert_eq!(read(&formats), Err(SdpError::TooLarge));
    assert_eq!(parse(&vec![b'v'; MAX_BYTES + 1]), Err(SdpError::TooLarge));
}

#[test]
fn text_that_is_not_utf_8_harms_only_its_own_line() {
    let mut bytes = MINIMAL.as_bytes().to_vec();
    bytes.extend_from_slice(b"a=tool:caf\xe9\r\nm=audio 4000 RTP/AVP 0\r\n");
    assert_eq!(parse(&bytes).unwrap().media.len(), 1);
}

#[test]
fn ice_passwords_and_keys_stay_out_of_debug_output() {
    let media = audio("a=ice-pwd:sesamesesamesesamesesame\r\na=crypto:1 X inline:topsecret\r\n");
    let printed = format!("{media:?}");
    assert!(
        !printed.contains("sesame") && !printed.contains("topsecret"),
        "{printed}"
    );
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[vosiuepcbtrzkamxV][=][ -~]{0,60}",
        Just("m=audio 4000 RTP/SAVP 0 96".to_owned()),
        Just("m=video 0 UDP/TLS/RTP/SAVPF 96".to_owned()),
        "a=(rtpmap|fmtp|ptime|maxptime|crypto|rtcp|mid|candidate|ice-pwd):[ -~]{0,40}",
        "a=rtpmap:[0-9]{1,3} [a-zA-Z0-9-]{1,9}/[0-9]{1,6}(/[0-9]{1,3})?",
        "c=IN IP[46] [0-9a-f:./]{1,20}",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux)",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn what_was_read_and_written_is_read_the_same(lines in proptest::collection::vec(line(), 0..20)) {
        let text = format!("{MINIMAL}{}", lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
        if let Ok(mut first) = parse(text.as_bytes()) {
            // Unusable keys are not written again.
            for media in &mut first.media {
                media.attributes.retain(|a| !matches!(a, Attribute::Crypto(CryptoLine::Unusable { .. })));
            }
            first.attributes.retain(|a| !matches!(a, Attribute::Crypto(CryptoLine::Unusable { .. })));
            prop_assert_eq!(parse(&write(&first)), Ok(first));
        }
    }
}
