//! RTP packets in a call: what is read is written as the same bytes' meaning again, and the jitter buffer plays on
//! whatever comes.
//!
//! The input is a row of packets. Before each stand two bytes: its length, and how it comes: the low six bits are the
//! milliseconds since the one before, the others say whether something is played meanwhile and a tone or a frame sent.

use std::time::Duration;
use toestel_proto::codec::Codec;
use toestel_proto::media::dtmf::Digit;
use toestel_proto::media::rtp::RtpPacket;
use toestel_proto::media::session::{Frame, MediaSession, Socket, probe};
use toestel_proto::random::Random;
use toestel_proto::time::Instant;

use crate::media::{self, FAR_END};

/// Plays something before the packet comes.
const PLAY: u8 = 0x40;
/// Sends a frame, and now and then a tone, before the packet comes.
const SEND: u8 = 0x80;
/// The longest row that is run.
const MOST_PACKETS: usize = 64;

/// Runs one input; whether any of its packets was taken.
pub fn run(input: &[u8]) -> bool {
    probe::rtp_sequence(input);
    let mut now = Instant::ORIGIN;
    let mut session = MediaSession::new(media::plan(Codec::Opus), now, Random::seeded(1));
    let (mut rest, mut count) = (input, 0);
    while let (Some((how, packet, after)), true) = (framed(rest), count < MOST_PACKETS) {
        (rest, count) = (after, count + 1);
        now += Duration::from_millis(u64::from(how & 0x3f));
        written_again(packet);
        if how & PLAY != 0 {
            let played = session.next(now);
            media::judge_play(&played.play, played.duration);
        }
        if how & SEND != 0 {
            session.send_frame(Frame::Speech(&[8, 1, 2]), 960, now);
            let digit = Digit::from_event(how & 0x0f).expect("sixteen keys");
            let _ = session.send_digit(digit, Duration::from_millis(100));
        }
        session.handle_datagram(FAR_END, packet, Socket::Rtp, now);
        session.handle_timeout(now);
        let wake = session.poll_wake().expect("reports are always due");
        assert!(wake.at > now, "{} is due again at once", wake.why);
        while session.poll_event().is_some() {}
    }
    while let Some(transmit) = session.poll_transmit() {
        assert!(transmit.to == FAR_END, "plain sound follows nobody");
    }
    for _ in 0..8 {
        now += Duration::from_millis(20);
        let played = session.next(now);
        media::judge_play(&played.play, played.duration);
    }
    media::judge(&session);
    let taken = session.stats().received;
    assert!(taken <= count as u64, "{taken} of {count} packets");
    taken > 0
}

fn written_again(bytes: &[u8]) {
    let single = probe::rtp(bytes);
    let Ok(packet) = RtpPacket::parse(bytes) else {
        assert!(single.decoded.is_none(), "what cannot be read is not decoded");
        return;
    };
    let written = packet.to_bytes();
    assert_eq!(written.len(), bytes.len());
    assert_eq!(RtpPacket::parse(&written), Ok(packet));
}

/// How the first packet comes, the packet, and what follows; a packet that is cut short is taken as it is.
fn framed(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([length, how], rest) = bytes.split_first_chunk::<2>()?;
    let (packet, rest) = rest.split_at(usize::from(*length).min(rest.len()));
    Some((*how, packet, rest))
}

/// None: bytes are what it is made of.
pub fn edit(_: &[u8], _: &mut Random) -> Option<Vec<u8>> {
    None
}

/// Speech in every codec, tones, comfort noise, loss, reordering, a restart; and what is none of it.
pub fn seeds() -> Vec<Vec<u8>> {
    let row = |packets: &[Vec<u8>]| -> Vec<u8> {
        let one = |packet: &Vec<u8>| [&[packet.len() as u8, 20 | PLAY], packet.as_slice()].concat();
        packets.iter().flat_map(one).collect()
    };
    let speech = |kind: u8, size: usize| -> Vec<Vec<u8>> {
        let one = |number: u16| media::packet(kind, number, u32::from(number) * 160, &vec![0x55; size]);
        (1..6).map(one).collect()
    };
    let opus = |number: u16| media::packet(111, number, u32::from(number) * 960, &[0x78, 1, 2, 3]);
    let tone = |number: u16, end: u8| media::packet(101, number, 160, &[5, end | 10, 0, number as u8 * 16]);
    let mut seeds = vec![
        row(&speech(0, 160)),
        row(&speech(8, 80)),
        row(&speech(9, 160)),
        row(&[opus(1), opus(2), opus(4), opus(3), opus(4), opus(60_000), opus(60_001)]),
        row(&[tone(1, 0), tone(2, 0), tone(3, 0x80), tone(4, 0x80)]),
        row(&[speech(8, 160), vec![media::packet(13, 6, 960, &[40, 1])]].concat()),
        row(&[
            media::packet(111, 1, 0, &[0x7b, 0x82, 1, 1, 2]),
            media::packet(110, 2, 0, &[11, 0x80, 1, 0]),
        ]),
        row(&[full()]),
    ];
    let head = |flags| [flags, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
    seeds.extend([
        row(&[head(0x40).to_vec()]),
        row(&[head(0x8f).to_vec()]),
        row(&[head(0x90).to_vec()]),
        row(&[[head(0xa0).as_slice(), &[1, 9]].concat()]),
        row(&[media::packet(96, 1, 0, &[1])]),
        row(&[media::packet(101, 1, 0, &[1, 2])]),
    ]);
    let mut sending = row(&speech(8, 20));
    sending.iter_mut().skip(1).step_by(34).for_each(|how| *how |= SEND);
    seeds.push(sending);
    seeds
}

/// Sources, an extension and padding at once.
fn full() -> Vec<u8> {
    let mut bytes = vec![0xb1, 0x88, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7];
    bytes.extend([0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    bytes.extend([0x55; 80]);
    bytes.extend([0, 0, 3]);
    bytes
}
