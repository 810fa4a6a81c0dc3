use super::*;
use crate::codec::{Codec, Direction, Suite};
use crate::media::plan::{MasterKey, OpusOptions, SendFormat, SrtpKeys};
use crate::media::rtp::RtpPacket;
use crate::secret::Secret;
use std::collections::BTreeMap;

const US: &str = "192.0.2.1:4000";
const THEM: &str = "192.0.2.2:5000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn master(suite: Suite, seed: u8) -> MasterKey {
    MasterKey {
        key: Secret::new(vec![seed; suite.key_len()]),
        salt: Secret::new(vec![seed ^ 0xff; suite.salt_len()]),
    }
}

fn keys(suite: Suite, local: u8, remote: u8) -> SrtpKeys {
    SrtpKeys::new(suite, master(suite, local), master(suite, remote)).unwrap()
}

/// The plan of the side that talks to `remote`.
fn plan(remote: &str, ssrc: u32) -> MediaPlan {
    MediaPlan {
        remote_rtp: address(remote),
        remote_rtcp: RemoteRtcp::Mux,
        direction: Direction::SendRecv,
        send: SendFormat {
            codec: Codec::Pcma,
            payload_type: 8,
            ptime: Duration::from_millis(20),
            opus: OpusOptions::default(),
        },
        receive: BTreeMap::from([(8, Codec::Pcma), (111, Codec::Opus)]),
        send_events: BTreeMap::from([(8_000, 101)]),
        receive_events: BTreeMap::from([(101, 8_000)]),
        comfort_noise: true,
        srtp: None,
        ssrc,
        cname: "kX3f".to_owned(),
    }
}

/// Two sessions and the network between them, on one clock.
struct Pair {
    us: MediaSession,
    them: MediaSession,
    now: Instant,
    delay: Duration,
    /// Which of our datagrams, counted from 0, are lost.
    lose: fn(usize) -> bool,
    sent: usize,
    /// Due, to us, source, socket, bytes.
    flying: Vec<(Instant, bool, SocketAddr, Socket, Vec<u8>)>,
    ours: Vec<MediaEvent>,
    theirs: Vec<MediaEvent>,
    decoded: usize,
}

impl Pair {
    fn new(us: MediaPlan, them: MediaPlan) -> Self {
        let now = Instant::from_millis(100_000);
        Self {
            us: MediaSession::new(us, now, Random::seeded(1)),
            them: MediaSession::new(them, now, Random::seeded(2)),
            now,
            delay: Duration::from_millis(15),
            lose: |_| false,
            sent: 0,
            flying: Vec::new(),
            ours: Vec::new(),
            theirs: Vec::new(),
            decoded: 0,
        }
    }

    fn plain() -> Self {
        Self::new(plan(THEM, 0x1111), plan(US, 0x2222))
    }

    fn encrypted(suite: Suite) -> Self {
        let with = |plan: MediaPlan, local, remote| MediaPlan {
            srtp: Some(keys(suite, local, remote)),
            ..plan
        };
        Self::new(with(plan(THEM, 0x1111), 1, 2), with(plan(US, 0x2222), 2, 1))
    }

    /// Runs for `millis`: both sides speak and listen every 20 ms.
    fn run(&mut self, millis: u64) -> &mut Self {
        for tick in 0..millis / 20 {
            let frame = [0xd5; 160];
            self.us.send_frame(Frame::Speech(&frame), 160, self.now);
            self.them.send_frame(Frame::Speech(&frame), 160, self.now);
            self.step();
            if matches!(self.us.next(self.now).play, Play::Decode { .. }) {
                self.decoded += 1;
            }
            let _ = (self.them.next(self.now), tick);
            self.now += Duration::from_millis(20);
        }
        self
    }

    /// Runs timers and the network without anybody speaking.
    fn rest(&mut self, millis: u64) -> &mut Self {
        for _ in 0..millis / 20 {
            self.step();
            self.now += Duration::from_millis(20);
        }
        self
    }

    fn step(&mut self) {
        for (session, is_us) in [(&mut self.us, true), (&mut self.them, false)] {
            if session.poll_wake().is_some_and(|wake| wake.at <= self.now) {
                session.handle_timeout(self.now);
            }
            while let Some(transmit) = session.poll_transmit() {
                self.sent += 1;
                if !(is_us && (self.lose)(self.sent)) {
                    let source = address(if is_us { US } else { THEM });
                    self.flying
                        .push((self.now + self.delay, !is_us, source, transmit.socket, transmit.bytes));
                }
            }
        }
        let (due, later) = std::mem::take(&mut self.flying)
            .into_iter()
            .partition(|flight| flight.0 <= self.now);
        self.flying = later;
        for (_, to_us, source, socket, bytes) in due {
            let session = if to_us { &mut self.us } else { &mut self.them };
            session.handle_datagram(source, &bytes, socket, self.now);
        }
        self.ours.extend(std::iter::from_fn(|| self.us.poll_event()));
        self.theirs.extend(std::iter::from_fn(|| self.them.poll_event()));
    }

    fn digits_heard(&self) -> String {
        let digit = |event: &MediaEvent| match event {
            MediaEvent::DigitReceived(digit) => Some(digit.key()),
            _ => None,
        };
        self.theirs.iter().filter_map(digit).collect()
    }
}

/// The RTP packets among what a session wants to send, plain.
fn sent_rtp(session: &mut MediaSession) -> Vec<(u8, bool, u16, u32)> {
    std::iter::from_fn(|| session.poll_transmit())
        .filter(|transmit| demux::kind(&transmit.bytes) == Kind::Rtp)
        .map(|transmit| {
            let packet = RtpPacket::parse(&transmit.bytes).unwrap();
            (packet.payload_type, packet.marker, packet.sequence, packet.timestamp)
        })
        .collect()
}

#[test]
fn speech_flows_both_ways_under_every_suite_and_without_one() {
    let pairs = Suite::ALL.into_iter().map(Pair::encrypted).chain([Pair::plain()]);
    for mut pair in pairs {
        pair.run(12_000);
        let stats = pair.us.stats();
        assert_eq!((stats.sent, stats.lost, stats.dropped), (600, 0, 0));
        assert!(stats.received >= 598);
        assert!(pair.decoded > 590);
        assert!(pair.ours.contains(&MediaEvent::FirstPacket { codec: Codec::Pcma }));
        let round_trip = stats.round_trip_ms.unwrap();
        assert!((30.0..=45.0).contains(&round_trip), "{round_trip}");
        assert!(stats.mos.unwrap() > 4.2);
        assert_eq!(stats.remote_loss, Some(0.0));
    }
}

#[test]
fn the_far_ends_report_tells_our_encoder_how_much_is_lost() {
    let mut pair = Pair::encrypted(Suite::AEAD_AES_256_GCM);
    pair.lose = |sent| sent % 10 == 0;
    pair.run(20_000);
    let loss = pair.us.stats().remote_loss.unwrap();
    assert!((0.05..0.3).contains(&loss), "{loss}");
    let theirs = pair.them.stats();
    assert!(theirs.lost > 50);
    assert!(theirs.mos.unwrap() < 4.2, "{theirs:?}");
}

#[test]
fn the_first_packet_after_silence_carries_the_marker_and_time_passes_in_silence() {
    let mut session = MediaSession::new(plan(THEM, 1), Instant::ORIGIN, Random::seeded(3));
    let frames = [
        Frame::Speech(&[0; 160]),
        Frame::Speech(&[0; 160]),
        Frame::Nothing,
        Frame::Speech(&[0; 160]),
    ];
    for frame in frames {
        session.send_frame(frame, 160, Instant::ORIGIN);
    }
    let packets = sent_rtp(&mut session);
    let markers: Vec<bool> = packets.iter().map(|packet| packet.1).collect();
    assert_eq!(markers, [true, false, true]);
    assert_eq!(
        packets[2].2,
        packets[0].2.wrapping_add(2),
        "sequence numbers have no hole"
    );
    assert_eq!(packets[2].3, packets[0].3.wrapping_add(480), "timestamps do");
}

#[test]
fn a_hundred_keys_cross_ten_percent_loss_and_none_is_lost_or_doubled() {
    let keys: String = "0123456789*#ABCD".chars().cycle().take(100).collect();
    let mut pair = Pair::encrypted(Suite::AES_CM_128_HMAC_SHA1_80);
    pair.lose = |sent| sent.wrapping_mul(2_654_435_761) % 10 == 3;
    pair.run(200);
    for key in keys.chars() {
        pair.us
            .send_digit(Digit::try_from(key).unwrap(), Duration::from_millis(100))
            .unwrap();
    }
    pair.run(25_000);
    assert_eq!(pair.digits_heard(), keys);
}

#[test]
fn keys_are_refused_where_they_cannot_be_sent() {
    let five = Digit::try_from('5').unwrap();
    let length = Duration::from_millis(100);
    let session = |change: fn(&mut MediaPlan)| {
        let mut plan = plan(THEM, 1);
        change(&mut plan);
        MediaSession::new(plan, Instant::ORIGIN, Random::seeded(1))
    };
    let mut without = session(|plan| plan.send_events.clear());
    assert_eq!(without.send_digit(five, length), Err(DigitError::NotNegotiated));
    let mut held = session(|plan| plan.direction = Direction::Inactive);
    assert_eq!(held.send_digit(five, length), Err(DigitError::Held));
    let mut full = session(|_| {});
    for _ in 0..256 {
        full.send_digit(five, length).unwrap();
    }
    assert_eq!(full.send_digit(five, length), Err(DigitError::QueueFull));
}

#[test]
fn a_held_call_sends_no_speech_but_reports_and_keeps_the_way_open() {
    let mut held = plan(THEM, 1);
    held.direction = Direction::Inactive;
    held.remote_rtcp = RemoteRtcp::Separate(address("192.0.2.2:5001"));
    let mut now = Instant::ORIGIN;
    let mut session = MediaSession::new(held, now, Random::seeded(4));
    let (mut rtp, mut rtcp) = (Vec::new(), 0);
    for _ in 0..3_000 {
        session.send_frame(Frame::Speech(&[0; 160]), 160, now);
        if session.poll_wake().is_some_and(|wake| wake.at <= now) {
            session.handle_timeout(now);
        }
        while let Some(transmit) = session.poll_transmit() {
            match transmit.socket {
                Socket::Rtp => rtp.push((now, RtpPacket::parse(&transmit.bytes).unwrap().payload_type)),
                Socket::Rtcp => {
                    assert_eq!(transmit.to, address("192.0.2.2:5001"));
                    rtcp += 1;
                }
            }
        }
        now += Duration::from_millis(20);
    }
    assert_eq!(rtp.len(), 3, "one every 15 s: {rtp:?}");
    assert!(rtp.iter().all(|(_, kind)| ![8, 111, 101].contains(kind)));
    assert!((9..=30).contains(&rtcp), "{rtcp} reports in a minute");
}

#[test]
fn reports_are_spread_between_half_and_one_and_a_half_of_five_seconds() {
    let mut now = Instant::ORIGIN;
    let mut session = MediaSession::new(plan(THEM, 1), now, Random::seeded(5));
    let mut times = Vec::new();
    for _ in 0..100_000 {
        now += Duration::from_millis(20);
        session.handle_timeout(now);
        times.extend(std::iter::from_fn(|| session.poll_transmit()).map(|_| now));
    }
    let gaps: Vec<f64> = times
        .windows(2)
        .map(|pair| pair[1].since(pair[0]).as_secs_f64())
        .collect();
    let (low, high) = gaps
        .iter()
        .fold((f64::MAX, 0.0_f64), |(low, high), gap| (low.min(*gap), high.max(*gap)));
    assert!(
        (2.05..2.5).contains(&low) && (5.5..6.2).contains(&high),
        "{low} to {high}"
    );
}

#[test]
fn plain_speech_from_anywhere_but_the_agreed_address_is_not_heard() {
    let mut pair = Pair::plain();
    pair.run(1_000);
    let before = pair.us.stats();
    let mut forger = MediaSession::new(plan(US, 0x2222), pair.now, Random::seeded(9));
    for _ in 0..50 {
        forger.send_frame(Frame::Speech(&[1; 160]), 160, pair.now);
    }
    while let Some(transmit) = forger.poll_transmit() {
        for source in ["192.0.2.2:5002", "203.0.113.9:5000"] {
            pair.us
                .handle_datagram(address(source), &transmit.bytes, Socket::Rtp, pair.now);
        }
    }
    let after = pair.us.stats();
    assert_eq!((after.received, after.dropped), (before.received, before.dropped + 100));
}

#[test]
fn an_authentic_packet_from_a_new_address_moves_the_stream_and_a_forged_one_does_not() {
    let mut pair = Pair::encrypted(Suite::AES_CM_128_HMAC_SHA1_80);
    pair.run(1_000);
    pair.them.send_frame(Frame::Speech(&[2; 160]), 160, pair.now);
    let good = pair.them.poll_transmit().unwrap().bytes;
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let moved = address("198.51.100.7:6000");
    pair.us.handle_datagram(moved, &forged, Socket::Rtp, pair.now);
    pair.us.send_frame(Frame::Speech(&[0; 160]), 160, pair.now);
    assert_eq!(pair.us.poll_transmit().unwrap().to, address(THEM));
    pair.us.handle_datagram(moved, &good, Socket::Rtp, pair.now);
    pair.us.send_frame(Frame::Speech(&[0; 160]), 160, pair.now);
    assert_eq!(pair.us.poll_transmit().unwrap().to, moved);
    assert_eq!(pair.us.poll_event(), Some(MediaEvent::RemoteAddressChanged(moved)));
    pair.us
        .handle_datagram(address("203.0.113.1:1"), &good, Socket::Rtp, pair.now);
    pair.us.send_frame(Frame::Speech(&[0; 160]), 160, pair.now);
    assert_eq!(pair.us.poll_transmit().unwrap().to, moved, "a replay moves nothing");
}

#[test]
fn hold_and_resume_keep_the_rollover_counter_across_a_wrap_of_sequence_numbers() {
    let mut pair = Pair::encrypted(Suite::AEAD_AES_128_GCM);
    pair.us.outbound.sequence = 65_300;
    for _ in 0..10 {
        pair.run(1_000);
        let (us, them) = (pair.us.plan().clone(), pair.them.plan().clone());
        pair.us.update(
            MediaPlan {
                direction: Direction::SendOnly,
                ..us.clone()
            },
            pair.now,
        );
        pair.them.update(
            MediaPlan {
                direction: Direction::RecvOnly,
                ..them.clone()
            },
            pair.now,
        );
        pair.run(1_000);
        pair.us.update(us, pair.now);
        pair.them.update(them, pair.now);
    }
    pair.run(1_000);
    let stats = pair.them.stats();
    assert!(pair.us.outbound.sequence < 1_000, "the wrap was passed");
    assert!(stats.received > 1_000);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
}

#[test]
fn new_keys_take_over_without_a_gap_and_old_packets_on_their_way_still_open() {
    let suite = Suite::AES_256_CM_HMAC_SHA1_80;
    let mut pair = Pair::encrypted(suite);
    pair.run(2_000);
    let us = MediaPlan {
        srtp: Some(keys(suite, 3, 4)),
        ..pair.us.plan().clone()
    };
    let them = MediaPlan {
        srtp: Some(keys(suite, 4, 3)),
        ..pair.them.plan().clone()
    };
    pair.us.update(us, pair.now);
    pair.them.update(them, pair.now);
    pair.run(2_000);
    assert_eq!((pair.us.stats().dropped, pair.them.stats().dropped), (0, 0));
    assert_eq!(pair.them.stats().lost, 0);
}

#[test]
fn an_encrypted_stream_never_becomes_plain() {
    let mut pair = Pair::encrypted(Suite::AES_CM_128_HMAC_SHA1_80);
    pair.run(200);
    let plain = MediaPlan {
        srtp: None,
        ..pair.us.plan().clone()
    };
    pair.us.update(plain, pair.now);
    pair.run(200);
    assert_eq!(pair.them.stats().dropped, 0, "they still open what we send");
}

#[test]
fn an_rtcp_bye_is_told_once_and_ends_nothing() {
    let mut pair = Pair::encrypted(Suite::AES_CM_128_HMAC_SHA1_32);
    pair.run(1_000);
    pair.them.close(pair.now);
    pair.run(100);
    pair.them.close(pair.now);
    let before = pair.us.stats().received;
    pair.run(1_000);
    assert_eq!(pair.ours.iter().filter(|event| **event == MediaEvent::Bye).count(), 1);
    assert!(pair.us.stats().received > before + 40);
}

#[test]
fn another_source_is_told_and_heard() {
    let mut pair = Pair::plain();
    pair.run(1_000);
    let music = MediaPlan {
        ssrc: 0x3333,
        ..pair.them.plan().clone()
    };
    pair.them.update(music, pair.now);
    let before = pair.decoded;
    pair.run(1_000);
    assert!(pair.ours.contains(&MediaEvent::RemoteSsrcChanged { ssrc: 0x3333 }));
    assert!(pair.decoded > before + 40);
    assert_eq!(pair.us.stats().lost, 0);
}

#[test]
fn a_stream_that_falls_silent_is_told_in_steps() {
    let mut pair = Pair::plain();
    pair.run(1_000);
    pair.flying.clear();
    let mut silences = Vec::new();
    for _ in 0..3_500 {
        pair.now += Duration::from_millis(20);
        if pair.us.poll_wake().is_some_and(|wake| wake.at <= pair.now) {
            pair.us.handle_timeout(pair.now);
        }
        silences.extend(std::iter::from_fn(|| pair.us.poll_event()));
    }
    let seconds = Duration::from_secs;
    assert_eq!(
        silences,
        [
            MediaEvent::NoSpeechFor(seconds(2)),
            MediaEvent::NoSpeechFor(seconds(10)),
            MediaEvent::NoMediaFor(seconds(20)),
            MediaEvent::NoSpeechFor(seconds(30)),
            MediaEvent::NoSpeechFor(seconds(60)),
            MediaEvent::NoMediaFor(seconds(60)),
        ]
    );
}

#[test]
fn a_held_call_with_reports_is_not_called_dead() {
    let mut pair = Pair::encrypted(Suite::AES_CM_128_HMAC_SHA1_80);
    pair.run(1_000);
    for session in [&mut pair.us, &mut pair.them] {
        let held = MediaPlan {
            direction: Direction::Inactive,
            ..session.plan().clone()
        };
        session.update(held, pair.now);
    }
    pair.ours.clear();
    pair.rest(120_000);
    assert_eq!(pair.ours, []);
}

#[test]
fn datagrams_that_are_not_media_change_nothing_but_the_count() {
    let mut pair = Pair::plain();
    pair.run(200);
    let before = pair.us.stats();
    for bytes in [
        &[][..],
        &[0, 1, 0, 0],
        &[22, 254, 253],
        &[0x40, 0, 0, 4],
        &[0x80, 8, 0],
        &[0x80, 200, 0, 9],
    ] {
        pair.us.handle_datagram(address(THEM), bytes, Socket::Rtp, pair.now);
    }
    let after = pair.us.stats();
    assert_eq!(
        after,
        MediaStats {
            dropped: before.dropped + 6,
            ..before
        }
    );
    assert_eq!(pair.us.poll_event(), None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_datagram_from_anywhere_stops_a_stream(
        datagrams in proptest::collection::vec(
            (proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120), 0_u8..4), 0..60,
        ),
    ) {
        let mut pair = Pair::plain();
        pair.run(100);
        for (mut bytes, kind) in datagrams {
            if let [first, second, ..] = bytes.as_mut_slice() {
                match kind {
                    0 => (*first, *second) = (0x80 | (*first & 0x3f), 200 + *second % 6),
                    1 => (*first, *second) = (0x80, if *second % 2 == 0 { 8 } else { 101 }),
                    2 => (*first, *second) = (0x80 | (*first & 0x3f), 111),
                    _ => {}
                }
            }
            pair.us.handle_datagram(address(THEM), &bytes, Socket::Rtp, pair.now);
            let _ = pair.us.next(pair.now);
        }
        let before = pair.us.outbound.packets;
        pair.run(400);
        proptest::prop_assert_eq!(pair.us.outbound.packets, before + 20);
        proptest::prop_assert!(pair.us.stats().delay_ms < 2_000.0);
        proptest::prop_assert!(pair.us.stats().mos.is_none_or(|mos| (1.0..=4.5).contains(&mos)));
    }
}
