use super::event::EventPayload;
use super::receiver::ToneReceiver;
use super::sender::{Clocks, EventPacket, ToneSender};
use super::*;
use crate::random::Random;
use std::time::Duration;

const PCMA: Clocks = Clocks {
    speech: 8_000,
    event: 8_000,
};
const OPUS: Clocks = Clocks {
    speech: 48_000,
    event: 48_000,
};

fn digit(key: char) -> Digit {
    Digit::try_from(key).unwrap()
}

/// Runs the sender with 20 ms frames until it is idle; gives the packets with the frame in which they were sent.
fn run(sender: &mut ToneSender, clocks: Clocks) -> Vec<(u32, EventPacket)> {
    let units = clocks.speech / 50;
    let mut packets = Vec::new();
    let mut frame = 0;
    while sender.is_busy() {
        packets.extend(sender.frame(frame * units, units, clocks).map(|packet| (frame, packet)));
        frame += 1;
    }
    packets
}

#[test]
fn a_key_sounds_a_tenth_of_a_second_and_its_end_goes_three_times() {
    let mut sender = ToneSender::default();
    sender.push(digit('5'), Duration::from_millis(1));
    let packets = run(&mut sender, PCMA);
    let durations: Vec<u16> = packets.iter().map(|(_, packet)| packet.payload.duration).collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
    let ends: Vec<bool> = packets.iter().map(|(_, packet)| packet.payload.end).collect();
    assert_eq!(ends, [false, false, false, false, true, true, true]);
    let markers = packets.iter().filter(|(_, packet)| packet.marker).count();
    assert_eq!(markers, 1);
    assert!(packets[0].1.marker);
    assert!(
        packets
            .iter()
            .all(|(_, packet)| packet.timestamp == 0 && packet.payload.event == 5)
    );
}

#[test]
fn seventy_milliseconds_of_silence_part_two_keys() {
    let mut sender = ToneSender::default();
    sender.push(digit('1'), Duration::from_millis(100));
    sender.push(digit('1'), Duration::from_millis(100));
    let packets = run(&mut sender, PCMA);
    let starts: Vec<u32> = packets
        .iter()
        .filter(|(_, packet)| packet.marker)
        .map(|(frame, _)| *frame)
        .collect();
    // Five frames of tone end at 100 ms; the gap is four frames, 80 ms.
    assert_eq!(starts, [0, 9]);
}

#[test]
fn a_tone_too_long_for_its_duration_field_goes_on_in_segments_and_is_one_press() {
    let mut sender = ToneSender::default();
    sender.push(digit('#'), Duration::from_secs(4));
    let packets = run(&mut sender, OPUS);
    let mut timestamps: Vec<u32> = packets.iter().map(|(_, packet)| packet.timestamp).collect();
    timestamps.dedup();
    assert_eq!(timestamps, [0, 65_280, 130_560], "68 frames of 960 units fit 16 bits");
    assert_eq!(packets.iter().filter(|(_, packet)| packet.marker).count(), 1);
    let mut receiver = ToneReceiver::default();
    let heard: Vec<Digit> = packets
        .iter()
        .filter_map(|(_, packet)| receiver.hear(packet.timestamp, packet.marker, packet.payload, 48_000))
        .collect();
    assert_eq!(heard, [digit('#')]);
}

#[test]
fn durations_are_in_the_events_clock_where_it_is_not_the_speech_codecs() {
    let mut sender = ToneSender::default();
    sender.push(digit('7'), Duration::from_millis(100));
    let packets = run(
        &mut sender,
        Clocks {
            speech: 48_000,
            event: 8_000,
        },
    );
    assert_eq!(packets.last().unwrap().1.payload.duration, 800);
}

#[test]
fn a_hundred_keys_under_loss_and_reordering_are_each_heard_once() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let keys: Vec<Digit> = (0..100)
            .map(|_| Digit::from_event(random.below(16) as u8).unwrap())
            .collect();
        let mut sender = ToneSender::default();
        for key in &keys {
            assert!(sender.push(*key, Duration::from_millis(100)));
        }
        // Every tenth packet is lost; the rest arrives up to 60 ms late, which swaps neighbours.
        let mut arrivals: Vec<(u64, EventPacket)> = run(&mut sender, OPUS)
            .into_iter()
            .filter_map(|(frame, packet)| {
                let arrival = u64::from(frame) * 20 + random.below(60);
                (random.below(10) > 0).then_some((arrival, packet))
            })
            .collect();
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let mut receiver = ToneReceiver::default();
        let heard: Vec<Digit> = arrivals
            .iter()
            .filter_map(|(_, packet)| receiver.hear(packet.timestamp, packet.marker, packet.payload, 48_000))
            .collect();
        assert_eq!(heard, keys);
    }
}

#[test]
fn the_same_key_twice_is_two_presses_even_if_the_first_ones_end_and_the_second_ones_start_are_lost() {
    let mut receiver = ToneReceiver::default();
    let event = |duration| EventPayload {
        event: 1,
        end: false,
        volume: 10,
        duration,
    };
    assert_eq!(receiver.hear(0, true, event(160), 8_000), Some(digit('1')));
    assert_eq!(receiver.hear(0, false, event(640), 8_000), None);
    // 100 ms of tone and 70 ms of silence later; the packet with the marker is lost.
    assert_eq!(receiver.hear(1_360, false, event(320), 8_000), Some(digit('1')));
}

#[test]
fn flash_and_fax_tones_are_no_keys() {
    let mut receiver = ToneReceiver::default();
    let event = EventPayload {
        event: 16,
        end: false,
        volume: 0,
        duration: 160,
    };
    assert_eq!(receiver.hear(0, true, event, 8_000), None);
}

#[test]
fn every_key_has_the_event_code_of_table_7() {
    for (code, key) in "0123456789*#ABCD".chars().enumerate() {
        assert_eq!(usize::from(Digit::try_from(key).unwrap().event()), code);
    }
    assert_eq!(Digit::try_from('d').unwrap().event(), 15);
    assert_eq!(Digit::try_from('x'), Err(NotADigit('x')));
    assert_eq!(Digit::from_event(16), None);
}
