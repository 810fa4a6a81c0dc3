//! Defects planted on purpose, to see that the fuzzer finds what hides behind an accepted input.
//!
//! Each waits behind a message that was accepted, for one value that no seed has. With the feature `planted` it panics
//! there; without, it does nothing. `cargo xtask test fuzz-planted` runs each for a minute, from the seeds alone, and
//! fails where one is not found.

use toestel_proto::media::rtcp::RtcpPacket;
use toestel_proto::nat::stun::{Class, Message};
use toestel_proto::sdp::Description;
use toestel_proto::sip::msg::{Method, Request};

/// In `sip`: behind an INVITE that is admitted, with Max-Forwards 13.
pub fn in_admitted(request: &Request) {
    let is_met = || request.method == Method::Invite && request.headers.max_forwards() == Some(13);
    strike("an admitted INVITE with Max-Forwards 13", is_met);
}

/// In `sdp`: behind an offer that is answered, with sound in packets of 50 ms.
pub fn in_answered(offer: &Description) {
    let is_met = || offer.media.iter().any(|media| media.ptime() == Some(50));
    strike("an answered offer of packets of 50 ms", is_met);
}

/// In `rtcp`: behind a compound of three packets, the last of them a BYE with a reason that begins with `x`.
pub fn in_compound(packets: &[RtcpPacket]) {
    let is_met = || matches!(packets, [_, _, RtcpPacket::Bye { reason: Some(reason), .. }] if reason.starts_with('x'));
    strike("a third packet that is BYE with a reason in x", is_met);
}

/// In `stun`: behind a success that maps to port 53.
pub fn in_received(message: &Message) {
    let is_met =
        || message.class == Class::Success && message.mapped_address().is_some_and(|address| address.port() == 53);
    strike("a success that maps to port 53", is_met);
}

#[cfg(feature = "planted")]
fn strike(what: &str, is_met: impl FnOnce() -> bool) {
    assert!(!is_met(), "planted: {what}");
}

#[cfg(not(feature = "planted"))]
fn strike(_: &str, _: impl FnOnce() -> bool) {}

#[cfg(all(test, feature = "planted"))]
mod tests {
    use std::panic::catch_unwind;
    use toestel_proto::nat::stun::{Attribute, parse, write};

    use crate::TARGETS;

    type Change = fn(&[u8]) -> Option<Vec<u8>>;

    /// What makes of a seed an input that meets what is planted in its target.
    const CHANGES: [(&str, Change); 4] = [
        ("sip", |seed| replaced(seed, b"Max-Forwards: 70", b"Max-Forwards: 13")),
        ("sdp", |seed| replaced(seed, b"a=ptime:20", b"a=ptime:50")),
        ("rtcp", |seed| {
            replaced(
                seed,
                &[0x81, 203, 0, 1, 0, 0, 0, 7],
                &[0x81, 203, 0, 2, 0, 0, 0, 7, 1, b'x', 0, 0],
            )
        }),
        ("stun", |seed| {
            let mut message = parse(seed).ok()?.message;
            let Some(Attribute::XorMappedAddress(address)) = message.attributes.first_mut() else {
                return None;
            };
            address.set_port(53);
            Some(write(&message, None))
        }),
    ];

    fn replaced(seed: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        let at = seed.windows(from.len()).position(|window| window == from)?;
        Some([&seed[..at], to, &seed[at + from.len()..]].concat())
    }

    #[test]
    fn no_seed_meets_what_is_planted_and_one_change_does() {
        for target in TARGETS {
            let is_struck = |input: &[u8]| catch_unwind(|| (target.run)(input)).is_err();
            let seeds = (target.seeds)();
            assert!(
                !seeds.iter().any(|seed| is_struck(seed)),
                "{}: a seed meets it",
                target.name
            );
            let Some((_, change)) = CHANGES.iter().find(|(name, _)| *name == target.name) else {
                continue;
            };
            let mut changed = seeds.iter().filter_map(|seed| change(seed));
            assert!(changed.any(|input| is_struck(&input)), "{}: out of reach", target.name);
        }
    }
}
