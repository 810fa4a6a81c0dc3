//! A foreign judge of our SRTP: `webrtc-srtp` opens what we protect, we open what it protects, and both judge the same
//! damaged, lost, reordered and repeated packets, across wraps of the sequence number.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail and say why")]

use toestel_proto::codec::Suite;
use toestel_proto::media::plan::MasterKey;
use toestel_proto::media::rtcp::Compound;
use toestel_proto::media::rtp::RtpPacket;
use toestel_proto::media::srtp::{Opener, Protector};
use toestel_proto::random::Random;
use toestel_proto::secret::Secret;
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

const PACKETS: u32 = 3_000;

fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AES_CM_128_HMAC_SHA1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AES_CM_128_HMAC_SHA1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AES_256_CM_HMAC_SHA1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AEAD_AES_128_GCM => ProtectionProfile::AeadAes128Gcm,
        Suite::AEAD_AES_256_GCM => ProtectionProfile::AeadAes256Gcm,
    }
}

fn bytes(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

fn below(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).unwrap()
}

/// The same key for both implementations.
struct Parties {
    protector: Protector,
    opener: Opener,
    their_protector: Context,
    their_opener: Context,
}

fn parties(suite: Suite, random: &mut Random) -> Parties {
    let (key, salt) = (bytes(random, suite.key_len()), bytes(random, suite.salt_len()));
    let theirs = || {
        let windows = (Some(srtp_replay_protection(128)), Some(srtcp_replay_protection(128)));
        Context::new(&key, &salt, profile(suite), windows.0, windows.1).unwrap()
    };
    let (their_protector, their_opener) = (theirs(), theirs());
    let master = MasterKey {
        key: Secret::new(key.clone()),
        salt: Secret::new(salt.clone()),
    };
    Parties {
        protector: Protector::new(suite, &master).unwrap(),
        opener: Opener::new(suite, &master).unwrap(),
        their_protector,
        their_opener,
    }
}

/// A packet with random sources, extension, padding and payload. The extension's profile is none that the judge reads
/// further, since random elements of RFC 8285 would confuse it.
fn random_packet(random: &mut Random, sequence: u16) -> Vec<u8> {
    let (sources, words) = (below(random, 4), below(random, 4));
    let (csrcs, data) = (bytes(random, sources * 4), bytes(random, words * 4));
    let length = below(random, 300);
    let payload = bytes(random, length);
    let extended = random.below(2) == 1;
    RtpPacket {
        marker: random.below(2) == 1,
        payload_type: u8::try_from(random.below(64)).unwrap(),
        sequence,
        timestamp: random.u32(),
        ssrc: 0xfeed_f00d,
        csrcs: &csrcs,
        extension: extended.then_some(toestel_proto::media::rtp::Extension {
            profile: 0x4242,
            data: &data,
        }),
        payload: &payload,
        padding: u8::try_from(random.below(9)).unwrap(),
    }
    .to_bytes()
}

#[test]
fn each_opens_what_the_other_protects_bit_for_bit() {
    for (seed, suite) in (0..).zip(Suite::ALL) {
        println!("seed {seed}, {}", suite.name());
        let mut random = Random::seeded(seed);
        let mut parties = parties(suite, &mut random);
        for index in 64_000..64_000 + PACKETS {
            let plain = random_packet(&mut random, u16::try_from(index & 0xffff).unwrap());
            let ours = parties.protector.protect_rtp(&plain).unwrap();
            let theirs = parties.their_protector.encrypt_rtp(&plain).unwrap();
            assert_eq!(ours, theirs.as_ref(), "index {index}");
            assert_eq!(parties.opener.open_rtp(&theirs).unwrap(), plain, "index {index}");
            assert_eq!(
                parties.their_opener.decrypt_rtp(&ours).unwrap().as_ref(),
                plain,
                "index {index}"
            );
        }
    }
}

#[test]
fn each_opens_the_reports_that_the_other_protects_bit_for_bit() {
    for (seed, suite) in (10..).zip(Suite::ALL) {
        println!("seed {seed}, {}", suite.name());
        let mut random = Random::seeded(seed);
        let mut parties = parties(suite, &mut random);
        for round in 0..300 {
            let name = "n".repeat(below(&mut random, 60));
            let ssrc = random.u32();
            let plain = Compound::report(ssrc, None, &[]).description(ssrc, &name).into_bytes();
            let ours = parties.protector.protect_rtcp(&plain).unwrap();
            assert_eq!(
                parties.their_opener.decrypt_rtcp(&ours).unwrap().as_ref(),
                plain,
                "round {round}"
            );
            let theirs = parties.their_protector.encrypt_rtcp(&plain).unwrap();
            assert_eq!(parties.opener.open_rtcp(&theirs).unwrap(), plain, "round {round}");
        }
    }
}

#[test]
fn both_judge_a_bad_path_alike_across_a_wrap() {
    for (seed, suite) in (20..).zip(Suite::ALL) {
        println!("seed {seed}, {}", suite.name());
        let mut random = Random::seeded(seed);
        let mut parties = parties(suite, &mut random);
        let mut flying: Vec<(u32, Vec<u8>)> = Vec::new();
        for index in 64_000..64_000 + PACKETS {
            let plain = random_packet(&mut random, u16::try_from(index & 0xffff).unwrap());
            let sealed = parties.protector.protect_rtp(&plain).unwrap();
            // Lost, repeated, damaged, or late by up to 40 packets; a repeat may come 100 packets later.
            for _ in 0..random.below(3) {
                let mut copy = sealed.clone();
                if random.below(8) == 0 {
                    let at = below(&mut random, copy.len() as u64);
                    copy[at] ^= 1 << random.below(8);
                }
                let late = if random.below(10) == 0 { 100 } else { 40 };
                flying.push((index + u32::try_from(random.below(late)).unwrap(), copy));
            }
        }
        flying.sort_by_key(|(due, _)| *due);
        let mut opened = 0;
        for (due, sealed) in &flying {
            let ours = parties.opener.open_rtp(sealed).ok();
            let theirs = parties
                .their_opener
                .decrypt_rtp(sealed)
                .ok()
                .map(|plain| plain.to_vec());
            assert_eq!(ours, theirs, "due {due}: {sealed:02x?}");
            opened += usize::from(ours.is_some());
        }
        assert!(opened > 1_500, "{opened} of {} opened", flying.len());
    }
}
