use super::*;
use crate::hex;
use crate::media::rtp::RtpPacket;
use crate::secret::Secret;
use proptest::prelude::*;

const GALLIA: &str = "8040f17b8041f8d35501a0b247616c6c6961206573742\
                      06f6d6e69732064697669736120696e20706172746573207472\
                      6573";
const SENDER_REPORT: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                             deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

fn master(suite: Suite, seed: u8) -> MasterKey {
    let bytes = |length: usize, seed: u8| (seed..).take(length).collect::<Vec<u8>>();
    MasterKey {
        key: Secret::new(bytes(suite.key_len(), seed)),
        salt: Secret::new(bytes(suite.salt_len(), seed.wrapping_add(77))),
    }
}

fn pair(suite: Suite) -> (Protector, Opener) {
    let master = master(suite, 1);
    (
        Protector::new(suite, &master).unwrap(),
        Opener::new(suite, &master).unwrap(),
    )
}

fn packet(sequence: u16, payload: &[u8]) -> Vec<u8> {
    RtpPacket {
        marker: false,
        payload_type: 111,
        sequence,
        timestamp: u32::from(sequence).wrapping_mul(960),
        ssrc: 0x1234_5678,
        csrcs: &[],
        extension: None,
        payload,
        padding: 0,
    }
    .to_bytes()
}

/// The vectors of RFC 7714 give session keys, so they go below the key derivation.
fn context_of_rfc_7714(suite: Suite) -> Context {
    let key: Vec<u8> = (0..).take(suite.key_len()).collect();
    let salt = u128::from_str_radix("517569642070726f2071756f", 16).unwrap();
    Context {
        rtp: Transform::gcm_with_session_keys(&key, salt),
        rtcp: Transform::gcm_with_session_keys(&key, salt),
        rtp_sources: Sources::default(),
    }
}

#[test]
fn rfc_7714_16_rtp_comes_out_bit_by_bit_and_opens_again() {
    for (suite, sealed) in [
        (
            Suite::AEAD_AES_128_GCM,
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AEAD_AES_256_GCM,
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let plain = hex::decode(GALLIA).unwrap();
        let mut protector = Protector {
            context: context_of_rfc_7714(suite),
            next_rtcp_index: 0,
        };
        assert_eq!(hex::encode(&protector.protect_rtp(&plain).unwrap()), sealed);
        let mut opener = Opener {
            context: context_of_rfc_7714(suite),
            rtcp_sources: Sources::default(),
        };
        assert_eq!(opener.open_rtp(&hex::decode(sealed).unwrap()).unwrap(), plain);
    }
}

#[test]
fn rfc_7714_17_1_rtcp_comes_out_bit_by_bit_and_opens_again() {
    let suite = Suite::AEAD_AES_128_GCM;
    let plain = hex::decode(SENDER_REPORT).unwrap();
    let sealed = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
                  4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4";
    let mut protector = Protector {
        context: context_of_rfc_7714(suite),
        next_rtcp_index: 0x5d4,
    };
    assert_eq!(hex::encode(&protector.protect_rtcp(&plain).unwrap()), sealed);
    let mut opener = Opener {
        context: context_of_rfc_7714(suite),
        rtcp_sources: Sources::default(),
    };
    assert_eq!(opener.open_rtcp(&hex::decode(sealed).unwrap()).unwrap(), plain);
}

#[test]
fn rfc_7714_17_3_an_authentic_rtcp_packet_without_encryption_is_refused() {
    let tagged = format!("{SENDER_REPORT}841dd9683dd78ec92ae58790125f62b3000005d4");
    let mut opener = Opener {
        context: context_of_rfc_7714(Suite::AEAD_AES_128_GCM),
        rtcp_sources: Sources::default(),
    };
    assert_eq!(
        opener.open_rtcp(&hex::decode(&tagged).unwrap()),
        Err(SrtpError::NotEncrypted)
    );
}

#[test]
fn every_suite_carries_rtp_and_rtcp_with_its_own_overhead() {
    for suite in Suite::ALL {
        let (mut protector, mut opener) = pair(suite);
        let (rtp_overhead, rtcp_overhead) = match suite {
            Suite::AEAD_AES_256_GCM | Suite::AEAD_AES_128_GCM => (16, 20),
            Suite::AES_CM_128_HMAC_SHA1_32 => (4, 14),
            Suite::AES_256_CM_HMAC_SHA1_80 | Suite::AES_CM_128_HMAC_SHA1_80 => (10, 14),
        };
        let rtp = packet(1, b"speech");
        let sealed = protector.protect_rtp(&rtp).unwrap();
        assert_eq!(sealed.len(), rtp.len() + rtp_overhead, "{}", suite.name());
        assert_ne!(&sealed[12..18], b"speech");
        assert_eq!(opener.open_rtp(&sealed).unwrap(), rtp);
        let rtcp = hex::decode(SENDER_REPORT).unwrap();
        let sealed = protector.protect_rtcp(&rtcp).unwrap();
        assert_eq!(sealed.len(), rtcp.len() + rtcp_overhead, "{}", suite.name());
        assert_eq!(opener.open_rtcp(&sealed).unwrap(), rtcp);
        assert_eq!(opener.open_rtcp(&sealed), Err(SrtpError::Replayed));
    }
}

#[test]
fn the_rollover_counter_survives_three_wraps_with_loss_and_reordering() {
    for suite in Suite::ALL {
        let (mut protector, mut opener) = pair(suite);
        let mut held: Option<Vec<u8>> = None;
        for index in 65_000_u32..262_500 {
            let sequence = u16::try_from(index & 0xffff).unwrap();
            // Protect every packet near a wrap and every 64th elsewhere: the counters must not care.
            let near_wrap = !(200..65_336).contains(&sequence);
            if !near_wrap && index % 64 != 0 {
                continue;
            }
            let plain = packet(sequence, &index.to_be_bytes());
            let sealed = protector.protect_rtp(&plain).unwrap();
            match index % 7 {
                0 => {}
                1 => held = Some(sealed),
                _ => {
                    assert_eq!(opener.open_rtp(&sealed).unwrap(), plain);
                    if let Some(late) = held.take() {
                        opener.open_rtp(&late).unwrap();
                        assert_eq!(opener.open_rtp(&late), Err(SrtpError::Replayed));
                    }
                }
            }
        }
    }
}

#[test]
fn forged_packets_change_no_state_whatever_sequence_number_they_claim() {
    for suite in Suite::ALL {
        let (mut protector, mut opener) = pair(suite);
        opener
            .open_rtp(&protector.protect_rtp(&packet(100, b"a")).unwrap())
            .unwrap();
        let good = protector.protect_rtp(&packet(101, b"b")).unwrap();
        for claimed in (0..=u16::MAX).step_by(97) {
            let mut forged = good.clone();
            forged[2..4].copy_from_slice(&claimed.to_be_bytes());
            if claimed != 101 {
                assert!(opener.open_rtp(&forged).is_err());
            }
            forged[8] ^= 1;
            assert_eq!(opener.open_rtp(&forged), Err(SrtpError::Forged), "another source");
        }
        assert_eq!(opener.context.rtp_sources.0.len(), 1);
        assert!(opener.open_rtp(&good).is_ok());
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    for suite in Suite::ALL {
        let (mut protector, mut opener) = pair(suite);
        let rtp = protector.protect_rtp(&packet(9, b"speech")).unwrap();
        let rtcp = protector.protect_rtcp(&hex::decode(SENDER_REPORT).unwrap()).unwrap();
        for bit in 0..rtp.len() * 8 {
            let mut damaged = rtp.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open_rtp(&damaged).is_err(), "{} bit {bit}", suite.name());
        }
        for bit in 0..rtcp.len() * 8 {
            let mut damaged = rtcp.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open_rtcp(&damaged).is_err(), "{} bit {bit}", suite.name());
        }
        assert!(opener.open_rtp(&rtp).is_ok());
        assert!(opener.open_rtcp(&rtcp).is_ok());
    }
}

#[test]
fn a_sequence_number_is_never_protected_twice() {
    let (mut protector, _) = pair(Suite::AEAD_AES_128_GCM);
    protector.protect_rtp(&packet(5, b"one")).unwrap();
    assert_eq!(protector.protect_rtp(&packet(5, b"two")), Err(SrtpError::Replayed));
}

#[test]
fn a_key_stops_at_the_end_of_its_life() {
    let (mut protector, _) = pair(Suite::AES_CM_128_HMAC_SHA1_80);
    protector.context.rtp_sources.mark(0x1234_5678, RTP_LIMIT - 1);
    assert_eq!(protector.protect_rtp(&packet(0, b"x")), Err(SrtpError::KeyExhausted));
    protector.next_rtcp_index = RTCP_LIMIT - 1;
    let report = hex::decode(SENDER_REPORT).unwrap();
    assert!(protector.protect_rtcp(&report).is_ok());
    assert_eq!(protector.protect_rtcp(&report), Err(SrtpError::KeyExhausted));
}

#[test]
fn padding_extension_and_sources_pass_through_every_suite() {
    for suite in Suite::ALL {
        let (mut protector, mut opener) = pair(suite);
        let rich = hex::decode("b1881234000000 09deadbeef00000007bede000110ff000001020300 02").unwrap();
        let opened = opener.open_rtp(&protector.protect_rtp(&rich).unwrap()).unwrap();
        assert_eq!(opened, rich);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        for suite in Suite::ALL {
            let (_, mut opener) = pair(suite);
            prop_assert!(opener.open_rtp(&bytes).is_err());
            prop_assert!(opener.open_rtcp(&bytes).is_err());
        }
    }
}
