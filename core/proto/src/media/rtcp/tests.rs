use super::*;
use proptest::prelude::*;

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: 0x0a0b_0c0d,
        fraction_lost: 26,
        cumulative_lost: -3,
        highest_sequence: 0x0001_fffe,
        jitter: 77,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 65_536,
    }
}

fn info() -> SenderInfo {
    SenderInfo {
        ntp: 0x0102_0304_0506_0708,
        rtp_timestamp: 9,
        packets: 10,
        octets: 11,
    }
}

#[test]
fn a_sender_report_with_name_and_bye_reads_back_as_it_was_written() {
    let bytes = Compound::report(1, Some(info()), &[block()])
        .description(1, "abcdef")
        .bye(1)
        .into_bytes();
    assert_eq!(
        parse(&bytes).unwrap(),
        [
            RtcpPacket::SenderReport {
                ssrc: 1,
                info: info(),
                blocks: vec![block()]
            },
            RtcpPacket::SourceDescription(vec![Description {
                ssrc: 1,
                cname: Some("abcdef".into())
            }]),
            RtcpPacket::Bye {
                sources: vec![1],
                reason: None
            },
        ]
    );
}

#[test]
fn a_name_of_any_length_ends_on_a_word_with_at_least_one_zero() {
    for length in 0..300 {
        let name = "n".repeat(length);
        let bytes = Compound::report(1, None, &[]).description(1, &name).into_bytes();
        let [_, RtcpPacket::SourceDescription(chunks)] = &parse(&bytes).unwrap()[..] else {
            panic!("no description");
        };
        assert_eq!(chunks[0].cname.as_deref(), name.get(..length.min(255)));
    }
}

#[test]
fn a_compound_whose_lengths_lie_is_refused() {
    let good = Compound::report(1, None, &[block()]).into_bytes();
    assert_eq!(parse(&[]), Err(RtcpError::Truncated));
    assert_eq!(parse(&good[..good.len() - 1]), Err(RtcpError::Truncated));
    let mut more_blocks = good.clone();
    more_blocks[0] = 0x82;
    assert_eq!(parse(&more_blocks), Err(RtcpError::Content(201)));
    let mut old = good.clone();
    old[0] = 0x41;
    assert_eq!(parse(&old), Err(RtcpError::Version(1)));
    let trailing = [good.as_slice(), &[0x80, 203]].concat();
    assert_eq!(parse(&trailing), Err(RtcpError::Truncated));
}

#[test]
fn a_compound_must_begin_with_a_report() {
    let bye = [0x81, 203, 0, 1, 0, 0, 0, 1];
    assert_eq!(parse(&bye), Err(RtcpError::NoReportFirst(203)));
}

#[test]
fn padding_belongs_to_the_last_packet() {
    let report = Compound::report(1, None, &[]).into_bytes();
    let padded = [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    assert!(parse(&[report.as_slice(), &padded].concat()).is_ok());
    assert_eq!(parse(&[padded.as_slice(), &report].concat()), Err(RtcpError::Padding));
    let mut wrong = padded;
    wrong[11] = 3;
    assert_eq!(parse(&wrong), Err(RtcpError::Padding), "no whole word");
    wrong[11] = 12;
    assert_eq!(parse(&wrong), Err(RtcpError::Padding), "more than there is");
}

#[test]
fn a_bye_reason_that_reaches_beyond_its_packet_is_refused() {
    let report = Compound::report(1, None, &[]).into_bytes();
    let bye = |length: u8| {
        [
            report.as_slice(),
            &[0x81, 203, 0, 2, 0, 0, 0, 1, length, b'b', b'y', b'e'],
        ]
        .concat()
    };
    let [_, RtcpPacket::Bye { reason, .. }] = &parse(&bye(3)).unwrap()[..] else {
        panic!("no bye");
    };
    assert_eq!(reason.as_deref(), Some("bye"));
    assert_eq!(parse(&bye(4)), Err(RtcpError::Content(203)));
}

#[test]
fn a_description_that_never_ends_is_refused() {
    let report = Compound::report(1, None, &[]).into_bytes();
    let endless = [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, b'a', b'b'];
    assert_eq!(
        parse(&[report.as_slice(), &endless].concat()),
        Err(RtcpError::Content(202))
    );
}

#[test]
fn unknown_types_and_applications_are_skipped_by_their_length() {
    let report = Compound::report(1, None, &[]).into_bytes();
    let others = [
        0x80, 207, 0, 1, 1, 2, 3, 4, 0x80, 204, 0, 2, 0, 0, 0, 5, b't', b'e', b's', b't',
    ];
    let packets = parse(&[report.as_slice(), &others].concat()).unwrap();
    assert_eq!(
        packets[1..],
        [
            RtcpPacket::Unknown(207),
            RtcpPacket::App {
                ssrc: 5,
                name: *b"test"
            }
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 200_u8..206, words in 0_u8..20,
    ) {
        if let [flags, packet_type, high, low, ..] = bytes.as_mut_slice() {
            *flags = 0x80 | (*flags & 0x3f);
            *packet_type = kind;
            *high = 0;
            *low = words;
        }
        let _ = parse(&bytes);
    }

    #[test]
    fn every_report_reads_back(ssrc: u32, ntp: u64, lost in -0x80_0000..0x7f_ffff, jitter: u32, count in 0_usize..40) {
        let block = ReportBlock { cumulative_lost: lost, jitter, ..block() };
        let info = SenderInfo { ntp, ..info() };
        let bytes = Compound::report(ssrc, Some(info), &vec![block; count]).into_bytes();
        let blocks = vec![block; count.min(31)];
        prop_assert_eq!(parse(&bytes).unwrap(), [RtcpPacket::SenderReport { ssrc, info, blocks }]);
    }
}
