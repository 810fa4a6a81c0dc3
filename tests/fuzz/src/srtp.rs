//! SRTP and SRTCP: what was protected opens once and as it was, what was touched never does, and what is refused
//! changes nothing.
//!
//! The first byte chooses the suite, and SRTCP or SRTP; the second what is touched. The rest is the packet: once as it
//! came off the wire, and once as what is to be protected.

use toestel_proto::codec::Suite;
use toestel_proto::media::srtp::{Opener, Protector, SrtpError};
use toestel_proto::random::Random;

use crate::media;

/// In the first byte: the packet is RTCP.
const REPORT: u8 = 0x80;

/// Runs one input; whether there was something in it that can be protected, or that opened.
pub fn run(input: &[u8]) -> bool {
    let Some(([how, touched], packet)) = input.split_first_chunk::<2>() else {
        return false;
    };
    let suites = Suite::ALL;
    let suite = suites[usize::from(how & !REPORT) % suites.len()];
    let report = how & REPORT != 0;
    let foreign = from_the_wire(suite, report, packet);
    there_and_back(suite, report, packet, *touched) || foreign
}

/// Whether it opened; if so, not twice, and if not, what is good opens all the same.
fn from_the_wire(suite: Suite, report: bool, packet: &[u8]) -> bool {
    let mut opener = Opener::new(suite, &media::key(suite, 9)).expect("the lengths are the suite's");
    let opened = open(&mut opener, report, packet);
    if opened.is_ok() {
        assert_eq!(open(&mut opener, report, packet), Err(SrtpError::Replayed));
        return true;
    }
    assert_eq!(open(&mut opener, report, packet), opened, "a refusal changed something");
    false
}

/// Whether it can be protected.
fn there_and_back(suite: Suite, report: bool, packet: &[u8], touched: u8) -> bool {
    let key = media::key(suite, 1);
    let mut protector = Protector::new(suite, &key).expect("the lengths are the suite's");
    let Ok(sealed) = protect(&mut protector, report, packet) else {
        return false;
    };
    assert!(sealed.len() > packet.len());
    let mut opener = Opener::new(suite, &key).expect("the lengths are the suite's");
    let mut forged = sealed.clone();
    let place = usize::from(touched) * forged.len() / 256;
    forged[place] ^= 1 << (touched & 7);
    let refused = open(&mut opener, report, &forged);
    assert!(refused.is_err(), "a packet opened that was touched at byte {place}");
    let cut = &sealed[..sealed.len() - 1 - usize::from(touched & 3)];
    assert!(open(&mut opener, report, cut).is_err(), "a packet opened that was cut");
    assert_eq!(open(&mut opener, report, &sealed).as_deref(), Ok(packet));
    assert_eq!(open(&mut opener, report, &sealed), Err(SrtpError::Replayed));
    if !report {
        let again = protector.protect_rtp(packet);
        assert!(again.is_err(), "a sequence number was used twice");
    }
    true
}

fn protect(protector: &mut Protector, report: bool, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    if report {
        protector.protect_rtcp(packet)
    } else {
        protector.protect_rtp(packet)
    }
}

fn open(opener: &mut Opener, report: bool, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    if report {
        opener.open_rtcp(packet)
    } else {
        opener.open_rtp(packet)
    }
}

/// None: bytes are what it is made of.
pub fn edit(_: &[u8], _: &mut Random) -> Option<Vec<u8>> {
    None
}

/// Packets of both kinds under every suite, protected and not; and what is too short or no packet.
pub fn seeds() -> Vec<Vec<u8>> {
    let speech = media::packet(8, 1, 160, &[0x55; 20]);
    let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let mut seeds = Vec::new();
    for (number, suite) in (0_u8..).zip(Suite::ALL) {
        let mut protector = Protector::new(suite, &media::key(suite, 9)).expect("the lengths are the suite's");
        let sealed = protector.protect_rtp(&speech).expect("it can be protected");
        seeds.push([&[number, 40], sealed.as_slice()].concat());
        let sealed = protector.protect_rtcp(&receiver_report).expect("it can be protected");
        seeds.push([&[number | REPORT, 200], sealed.as_slice()].concat());
        seeds.push([&[number, 255], speech.as_slice()].concat());
        seeds.push([&[number, 0], &speech[..11]].concat());
        seeds.push([&[number | REPORT, 0], &receiver_report[..7]].concat());
        seeds.push([&[number, 0, 0x40], &speech[1..]].concat());
    }
    seeds
}
