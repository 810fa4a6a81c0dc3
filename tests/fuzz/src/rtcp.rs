//! Compound RTCP packets: what is read can be believed, and what is reported of it can be sent.
//!
//! Read twice within a call: before our first report and after it, so that round trips are worked out too.

use std::sync::LazyLock;
use std::time::Duration;
use toestel_proto::codec::Codec;
use toestel_proto::media::demux::{self, Kind};
use toestel_proto::media::rtcp::{self, Compound, ReportBlock, RtcpPacket, SenderInfo};
use toestel_proto::media::session::{Frame, MediaSession, Socket, probe};
use toestel_proto::probe::Verdict;
use toestel_proto::random::Random;
use toestel_proto::time::Instant;

use crate::media::{self, FAR_END, OURS};
use crate::{mutate, planted};

/// Runs one input; whether it was accepted.
pub fn run(input: &[u8]) -> bool {
    let read = rtcp::parse(input);
    assert_eq!(probe::rtcp(input).verdict == Verdict::Accept, read.is_ok());
    in_a_call(input, read.is_ok());
    let Ok(packets) = read else { return false };
    assert_eq!(
        demux::kind(input),
        Kind::Rtcp,
        "a compound that is not told from speech"
    );
    let starts = matches!(
        packets.first(),
        Some(RtcpPacket::SenderReport { .. } | RtcpPacket::ReceiverReport { .. })
    );
    assert!(starts, "a compound begins with a report");
    packets.iter().for_each(report_again);
    planted::in_compound(&packets);
    true
}

/// What a report said is said the same when we write it.
fn report_again(packet: &RtcpPacket) {
    let (ssrc, info, blocks) = match packet {
        RtcpPacket::SenderReport { ssrc, info, blocks } => (*ssrc, Some(*info), blocks),
        RtcpPacket::ReceiverReport { ssrc, blocks } => (*ssrc, None, blocks),
        _ => return,
    };
    assert!(blocks.len() <= 31);
    let written = Compound::report(ssrc, info, blocks).into_bytes();
    assert_eq!(rtcp::parse(&written).as_deref(), Ok([packet.clone()].as_slice()));
}

fn in_a_call(input: &[u8], readable: bool) {
    let mut now = Instant::ORIGIN;
    let mut session = MediaSession::new(media::plan(Codec::Pcma), now, Random::seeded(1));
    for round in 0..2_u32 {
        session.handle_datagram(FAR_END, &media::packet(8, 1, 0, &[0x55; 20]), Socket::Rtp, now);
        session.send_frame(Frame::Speech(&[0x55; 20]), 160, now);
        session.handle_datagram(FAR_END, input, Socket::Rtp, now);
        let is_media = matches!(demux::kind(input), Kind::Rtcp | Kind::Rtp);
        let dropped = session.stats().dropped > u64::from(round);
        assert!(dropped || is_media, "what is no media was not dropped");
        assert!(!(dropped && readable), "a readable compound was dropped");
        media::judge(&session);
        let wake = session.poll_wake().expect("reports are always due");
        assert!(wake.at > now, "{} is due again at once", wake.why);
        now = wake.at + Duration::from_millis(1);
        session.handle_timeout(now);
    }
    session.close(now);
    while let Some(transmit) = session.poll_transmit() {
        let reports = demux::kind(&transmit.bytes) == Kind::Rtcp;
        assert!(
            !reports || rtcp::parse(&transmit.bytes).is_ok(),
            "our own report cannot be read"
        );
    }
}

/// `input` with an edit of its packets.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static PACKETS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        seeds()
            .iter()
            .filter_map(|seed| mutate::rtcp::packets(seed))
            .flatten()
            .collect()
    });
    mutate::rtcp::edit(input, &PACKETS, random)
}

/// Compounds of every packet, and some that lie.
pub fn seeds() -> Vec<Vec<u8>> {
    let full = Compound::report(7, Some(info()), &[block(OURS), block(8)])
        .description(7, "me@example.org")
        .bye(7)
        .into_bytes();
    let receiver = Compound::report(7, None, &[block(OURS)]).into_bytes();
    let mut seeds = vec![
        full.clone(),
        receiver.clone(),
        Compound::report(7, None, &[]).into_bytes(),
        Compound::report(7, Some(info()), &[]).description(7, "").into_bytes(),
        // Farewells as peers send them, with a name and a reason.
        farewell(Some(info())),
        farewell(None),
        // A reason with BYE; APP; an unknown type; padding in the last.
        [receiver.as_slice(), &[0x81, 203, 0, 2, 0, 0, 0, 7, 3, b'b', b'y', b'e']].concat(),
        [
            receiver.as_slice(),
            &[0x80, 204, 0, 2, 0, 0, 0, 7, b'n', b'a', b'm', b'e'],
        ]
        .concat(),
        [receiver.as_slice(), &[0x80, 207, 0, 1, 0, 0, 0, 7]].concat(),
        [receiver.as_slice(), &[0xa0, 203, 0, 1, 0, 0, 0, 4]].concat(),
    ];
    let with = |index: usize, value: u8| {
        let mut broken = full.clone();
        broken.iter_mut().skip(index).take(1).for_each(|byte| *byte = value);
        broken
    };
    // Version, count, type, length, padding that is not in the last; a cut.
    seeds.extend([with(0, 0x41), with(0, 0x9f), with(1, 202), with(3, 255), with(0, 0xa2)]);
    seeds.push(full.iter().take(30).copied().collect());
    seeds
}

fn farewell(sender: Option<SenderInfo>) -> Vec<u8> {
    let mut compound = Compound::report(7, sender, &[block(OURS)])
        .description(7, "me@example.org")
        .into_bytes();
    compound.extend([0x81, 203, 0, 4, 0, 0, 0, 7, 8]);
    compound.extend(b"Teardown\0\0\0");
    compound
}

fn info() -> SenderInfo {
    SenderInfo {
        ntp: 0x0123_4567_89ab_cdef,
        rtp_timestamp: 160,
        packets: 1,
        octets: 20,
    }
}

fn block(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_sequence: 0x1_0002,
        jitter: 80,
        last_sr: 0x4567_89ab,
        delay_since_last_sr: 0x1_0000,
    }
}
