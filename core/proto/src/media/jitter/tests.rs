use super::*;
use crate::random::Random;
use bytes::Bytes;
use std::time::Duration;

const FRAME_MS: u64 = 20;

/// A far end that sends numbered frames, and a sound card that asks for more; both on one simulated clock.
struct Line {
    buffer: JitterBuffer,
    /// Arrival in microseconds and packet, sorted.
    arrivals: Vec<(u64, Arrival)>,
    /// Sound card's speed against the network's clock, in parts per million.
    card_ppm: i64,
    played: Vec<Play>,
    lags: Vec<f64>,
}

impl Line {
    /// `fate` gives the delay in microseconds of a packet, or loses it.
    fn new(packets: u64, mut fate: impl FnMut(u64) -> Option<u64>) -> Self {
        let mut arrivals: Vec<(u64, Arrival)> = (0..packets)
            .filter_map(|number| {
                let arrival = number * FRAME_MS * 1_000 + fate(number)?;
                Some((arrival, packet(number, arrival)))
            })
            .collect();
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let buffer = JitterBuffer::new(Codec::Pcma, Ticks::from_millis(20));
        Self {
            buffer,
            arrivals,
            card_ppm: 0,
            played: Vec::new(),
            lags: Vec::new(),
        }
    }

    /// Plays until `millis`; what was played stays in `played`.
    fn run(&mut self, millis: u64) -> &mut Self {
        let mut arrivals = std::mem::take(&mut self.arrivals).into_iter().peekable();
        let mut card = Duration::ZERO;
        loop {
            let micros = card.as_micros() as u64;
            let now = (micros as i64 + micros as i64 * self.card_ppm / 1_000_000) as u64;
            if now >= millis * 1_000 {
                break;
            }
            while let Some((_, packet)) = arrivals.next_if(|(arrival, _)| *arrival <= now) {
                self.buffer.insert(packet);
            }
            let playout = self.buffer.next(at(now));
            card += playout.duration;
            self.lags.push(self.buffer.lag().millis());
            self.played.push(playout.play);
        }
        self
    }

    /// The numbers of the frames that were decoded, in order.
    fn decoded(&self) -> Vec<u64> {
        self.played
            .iter()
            .filter_map(|play| match play {
                Play::Decode { payload, .. } => Some(number(payload)),
                _ => None,
            })
            .collect()
    }

    fn count(&self, wanted: impl Fn(&Play) -> bool) -> usize {
        self.played.iter().filter(|play| wanted(play)).count()
    }
}

fn at(micros: u64) -> Instant {
    Instant::from_origin(Duration::from_micros(micros))
}

fn packet(number: u64, arrival: u64) -> Arrival {
    let mut payload = vec![0xd5; 160];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    Arrival {
        sequence: 65_536 + number,
        timestamp: 4_294_960_000_u32.wrapping_add((number * 160) as u32),
        clock_rate: 8_000,
        at: at(arrival),
        content: Content::Speech {
            codec: Codec::Pcma,
            payload: payload.into(),
            length: Ticks::from_millis(20),
        },
    }
}

fn opus(number: u64, arrival: u64, payload: &[u8]) -> Arrival {
    Arrival {
        sequence: number,
        timestamp: (number * 960) as u32,
        clock_rate: 48_000,
        at: at(arrival),
        content: Content::Speech {
            codec: Codec::Opus,
            payload: Bytes::copy_from_slice(payload),
            length: Ticks::from_millis(20),
        },
    }
}

fn number(payload: &Bytes) -> u64 {
    u64::from_be_bytes(payload[..8].try_into().unwrap())
}

fn is_conceal(play: &Play) -> bool {
    matches!(play, Play::Conceal { .. })
}

#[test]
fn a_clean_stream_plays_every_frame_once_and_in_order_across_the_timestamp_wrap() {
    let mut line = Line::new(500, |_| Some(30_000));
    line.run(10_200);
    assert_eq!(line.decoded(), (0..500).collect::<Vec<_>>());
    let first = line
        .played
        .iter()
        .position(|play| matches!(play, Play::Decode { .. }))
        .unwrap();
    let last = line
        .played
        .iter()
        .rposition(|play| matches!(play, Play::Decode { .. }))
        .unwrap();
    assert_eq!(last - first, 499, "nothing but frames in between");
}

#[test]
fn speech_is_held_until_it_was_played() {
    let mut buffer = JitterBuffer::new(Codec::Pcma, Ticks::from_millis(20));
    assert!(!buffer.holds_speech());
    buffer.insert(packet(0, 0));
    buffer.insert(packet(1, 20_000));
    for millis in [20, 40] {
        assert!(buffer.holds_speech());
        buffer.next(at(millis * 1_000));
    }
    assert!(!buffer.holds_speech());
}

#[test]
fn reordered_packets_are_played_in_order() {
    let mut line = Line::new(500, |number| Some(if number % 5 == 0 { 55_000 } else { 20_000 }));
    line.run(10_300);
    let decoded = line.decoded();
    assert!(decoded.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(decoded.len() >= 490, "{}", decoded.len());
}

#[test]
fn duplicates_are_played_once() {
    let mut line = Line::new(200, |_| Some(20_000));
    let twice = line.arrivals.clone();
    line.arrivals.extend(twice);
    line.arrivals.sort_by_key(|(arrival, _)| *arrival);
    line.run(4_200);
    assert_eq!(line.decoded(), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_lost_frame_is_made_up_and_takes_its_own_time_only() {
    let mut line = Line::new(500, |number| (number % 10 != 7).then_some(20_000));
    line.run(10_200);
    assert_eq!(line.decoded().len(), 450);
    let tail = 50; // The stream ends: that is made up for a while too.
    let made_up = line.count(is_conceal);
    assert!((50..=50 + tail).contains(&made_up), "{made_up}");
    let late_lag = line.lags[line.lags.len() / 2];
    assert!(late_lag < 65.0, "loss does not add delay: {late_lag}");
}

#[test]
fn a_packet_after_its_moment_is_late_and_not_played_out_of_order() {
    let mut line = Line::new(300, |number| Some(if number == 200 { 320_000 } else { 20_000 }));
    line.run(6_200);
    let decoded = line.decoded();
    assert!(!decoded.contains(&200));
    assert_eq!(decoded.len(), 299);
    assert_eq!(line.buffer.played().late, 1);
}

#[test]
fn a_burst_after_a_stall_brings_the_delay_back_within_a_second_and_a_half() {
    // Nothing arrives from 6 s to 7.5 s, then everything at once.
    let mut line = Line::new(700, |number| {
        let sent = number * 20_000;
        Some(if (5_980_000..7_480_000).contains(&sent) {
            7_500_000 - sent
        } else {
            20_000
        })
    });
    line.run(5_900);
    let before = *line.lags.last().unwrap();
    let mut line = Line::new(700, |number| {
        let sent = number * 20_000;
        Some(if (5_980_000..7_480_000).contains(&sent) {
            7_500_000 - sent
        } else {
            20_000
        })
    });
    line.run(9_000);
    let after = *line.lags.last().unwrap();
    assert!((after - before).abs() <= 20.0, "{before} before, {after} after");
    assert!(line.buffer.target_delay_ms() < 60.0);
}

#[test]
fn the_delay_never_grows_without_bound_whatever_arrives() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let mut line = Line::new(3_000, |_| (random.below(10) > 0).then(|| random.below(900_000)));
        line.run(60_000);
        assert!(
            line.lags.iter().all(|lag| *lag < 1_500.0),
            "{:?}",
            line.lags.iter().cloned().fold(0.0, f64::max)
        );
        assert!(line.buffer.entries.len() <= CAPACITY);
    }
}

#[test]
fn clock_drift_of_150_ppm_either_way_is_absorbed_for_ten_minutes() {
    for card_ppm in [-150, 150] {
        let mut random = Random::seeded(5);
        let mut line = Line::new(30_000, |_| Some(20_000 + random.below(8_000)));
        line.card_ppm = card_ppm;
        line.run(599_000);
        let played = line.buffer.played();
        let made_up = played.concealed.millis() / played.total.millis();
        assert!(made_up <= 0.0005, "{card_ppm} ppm: {made_up}");
        assert!(
            played.skipped.millis() <= 200.0,
            "{card_ppm} ppm: {}",
            played.skipped.millis()
        );
        let third = line.lags.len() / 3;
        let mean = |lags: &[f64]| lags.iter().sum::<f64>() / lags.len() as f64;
        let (early, late) = (mean(&line.lags[third / 2..third]), mean(&line.lags[2 * third..]));
        assert!((early - late).abs() < 25.0, "{card_ppm} ppm: {early} then {late}");
    }
}

#[test]
fn a_timestamp_leap_either_way_costs_a_moment_and_not_the_call() {
    for leap in [
        1_000_000_u32,
        0_u32.wrapping_sub(1_000_000),
        6_000,
        0_u32.wrapping_sub(6_000),
    ] {
        let mut line = Line::new(500, |_| Some(20_000));
        for (_, packet) in line.arrivals.iter_mut().skip(250) {
            packet.timestamp = packet.timestamp.wrapping_add(leap);
        }
        line.run(10_200);
        let decoded = line.decoded();
        assert!(decoded.len() >= 490, "leap {leap}: {}", decoded.len());
        assert!(decoded.ends_with(&[497, 498, 499]), "leap {leap}");
    }
}

#[test]
fn another_source_begins_anew_and_keeps_the_figures() {
    let mut line = Line::new(100, |_| Some(20_000));
    line.run(2_100);
    let before = line.buffer.played().total;
    line.buffer.restart();
    let mut packet = packet(7, 2_150_000);
    packet.sequence = 3;
    assert_eq!(line.buffer.insert(packet), Inserted::Kept);
    assert!(matches!(line.buffer.next(at(2_250_000)).play, Play::Decode { .. }));
    assert!(line.buffer.played().total > before);
}

#[test]
fn a_lost_opus_frame_is_repaired_from_the_packet_after_it() {
    let mut buffer = JitterBuffer::new(Codec::Opus, Ticks::from_millis(20));
    let silk = [1 << 3, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut plays = Vec::new();
    for tick in 0..20_u64 {
        if tick != 9 {
            buffer.insert(opus(tick, tick * 20_000, &silk));
        }
        plays.push(buffer.next(at(tick * 20_000)).play);
    }
    assert_eq!(plays.iter().filter(|play| matches!(play, Play::Fec { .. })).count(), 1);
    assert!(!plays.iter().any(is_conceal));
    let fec = plays.iter().position(|play| matches!(play, Play::Fec { .. })).unwrap();
    assert!(
        matches!(plays[fec + 1], Play::Decode { .. }),
        "the same packet is decoded next"
    );
    assert_eq!(buffer.played().repaired, Ticks::from_millis(20));
}

#[test]
fn a_celt_packet_holds_no_repair_copy_so_the_frame_is_made_up() {
    let mut buffer = JitterBuffer::new(Codec::Opus, Ticks::from_millis(20));
    let mut plays = Vec::new();
    for tick in 0..20_u64 {
        if tick != 9 {
            buffer.insert(opus(tick, tick * 20_000, &[31 << 3, 1, 2, 3]));
        }
        plays.push(buffer.next(at(tick * 20_000)).play);
    }
    assert!(!plays.iter().any(|play| matches!(play, Play::Fec { .. })));
    assert_eq!(plays.iter().filter(|play| is_conceal(play)).count(), 1);
}

#[test]
fn silence_on_purpose_is_comfort_noise_and_not_loss() {
    let mut buffer = JitterBuffer::new(Codec::Opus, Ticks::from_millis(20));
    let mut plays = Vec::new();
    let mut sequence = 0;
    for tick in 0..300_u64 {
        // Speech for a second, a two-byte frame, then one packet every 400 ms, speech again from 4 s on.
        let silent = (50..200).contains(&tick);
        if !silent || tick % 20 == 10 {
            let payload: &[u8] = if silent {
                &[1 << 3, 0]
            } else {
                &[1 << 3, 1, 2, 3, 4, 5, 6, 7, 8]
            };
            let mut packet = opus(tick, tick * 20_000, payload);
            packet.sequence = sequence;
            sequence += 1;
            buffer.insert(packet);
        }
        plays.push(buffer.next(at(tick * 20_000)).play);
    }
    assert!(
        buffer.played().concealed <= Ticks::from_millis(220),
        "only until the first silent frame came"
    );
    let noise = plays
        .iter()
        .filter(|play| matches!(play, Play::ComfortNoise { .. }))
        .count();
    assert!(noise > 100, "{noise}");
    let decoded = plays.iter().filter(|play| matches!(play, Play::Decode { .. })).count();
    assert!(decoded >= 150, "{decoded}");
}

#[test]
fn comfort_noise_of_rfc_3389_is_played_at_its_level_until_speech_returns() {
    let mut line = Line::new(200, |number| (!(101..150).contains(&number)).then_some(20_000));
    for (_, packet) in &mut line.arrivals {
        let sent = packet.sequence - 65_536;
        if sent == 100 {
            packet.content = Content::ComfortNoise(63);
        } else if sent >= 150 {
            packet.sequence -= 49;
        }
    }
    line.run(4_000);
    assert!(line.count(|play| matches!(play, Play::ComfortNoise { level: Some(63), .. })) >= 40);
    assert_eq!(line.count(is_conceal), 0);
    assert_eq!(line.decoded().len(), 150 - 1);
}

#[test]
fn telephone_events_between_speech_are_silence_and_not_loss() {
    let mut line = Line::new(300, |_| Some(20_000));
    for (_, packet) in &mut line.arrivals {
        if (100..110).contains(&(packet.sequence - 65_536)) {
            packet.content = Content::Nothing;
        }
    }
    line.run(5_900);
    assert_eq!(line.count(is_conceal), 0);
    let decoded = line.decoded();
    assert!(decoded.len() > 270);
    assert!(
        decoded.iter().copied().eq((0..300)
            .filter(|number| !(100..110).contains(number))
            .take(decoded.len()))
    );
}

#[test]
fn the_hint_asks_to_shorten_a_buffer_that_is_too_full_and_heeding_it_helps() {
    let play = |heed: bool| {
        let mut random = Random::seeded(11);
        let mut line = Line::new(1_000, |number| {
            Some(if number < 400 { random.below(120_000) } else { 20_000 })
        });
        let mut arrivals = std::mem::take(&mut line.arrivals).into_iter().peekable();
        let mut now = 0;
        while now < 20_000_000 {
            while let Some((_, packet)) = arrivals.next_if(|(arrival, _)| *arrival <= now) {
                line.buffer.insert(packet);
            }
            let playout = line.buffer.next(at(now));
            let micros = playout.duration.as_micros() as u64;
            now += if heed && playout.stretch == Stretch::Shorten {
                micros * 9 / 10
            } else {
                micros
            };
        }
        (line.buffer.lag().millis(), line.buffer.played().skipped.millis())
    };
    let (kept, skipped) = play(false);
    let (heeded, skipped_less) = play(true);
    assert!(heeded < 35.0 && heeded <= kept, "{heeded} against {kept} ms");
    assert!(skipped_less <= skipped);
}

proptest::proptest! {
    #[test]
    fn whatever_arrives_frames_are_decoded_in_order_and_every_instruction_lasts(
        packets in proptest::collection::vec(
            (0_u64..400, proptest::prelude::any::<u32>(), 0_u8..4, 0_u64..60_000, proptest::prelude::any::<bool>()),
            1..300,
        ),
    ) {
        let mut buffer = JitterBuffer::new(Codec::Pcma, Ticks::from_millis(20));
        let (mut now, mut last) = (0, None);
        for (sent, noise, kind, pause, sane) in packets {
            now += pause;
            let mut arrival = packet(sent, now);
            if !sane {
                arrival.timestamp = noise;
                arrival.clock_rate = if noise % 2 == 0 { 48_000 } else { 8_000 };
            }
            arrival.content = match kind {
                0 => Content::Nothing,
                1 => Content::ComfortNoise(40),
                _ => arrival.content,
            };
            buffer.insert(arrival);
            let playout = buffer.next(at(now));
            proptest::prop_assert!(playout.duration > Duration::ZERO);
            if let Play::Decode { payload, .. } = playout.play {
                let decoded = Some(number(&payload));
                proptest::prop_assert!(decoded > last, "{decoded:?} after {last:?}");
                last = decoded;
            }
        }
    }
}
