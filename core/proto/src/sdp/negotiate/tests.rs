use super::*;
use crate::codec::{Codec, MediaPolicy, Suite};
use crate::master_key::MasterKey;
use crate::sdp::crypto::CryptoLine;
use crate::sdp::description::{Attribute, Description};
use proptest::prelude::*;
use std::time::Duration;

const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
const OTHER_KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk";
const CRYPTO: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";

fn settings(policy: MediaPolicy) -> MediaSettings {
    MediaSettings {
        policy,
        ..MediaSettings::default()
    }
}

fn path() -> LocalPath {
    LocalPath::plain("198.51.100.7:40000".parse().unwrap())
}

/// One phone with its own randomness.
struct Phone {
    negotiation: Negotiation,
    random: Random,
}

impl Phone {
    fn new(policy: MediaPolicy, seed: u64) -> Self {
        Self::with(settings(policy), seed)
    }

    fn with(settings: MediaSettings, seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        Self {
            negotiation: Negotiation::new(settings, &mut random),
            random,
        }
    }

    fn offer(&mut self, direction: Direction) -> String {
        let bytes = self.negotiation.offer(&path(), direction, &mut self.random).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn answer(&mut self, offer: &str) -> Result<(String, Negotiated), Refusal> {
        self.answer_with(offer, Direction::SendRecv)
    }

    fn answer_with(&mut self, offer: &str, direction: Direction) -> Result<(String, Negotiated), Refusal> {
        let answered = self
            .negotiation
            .answer(offer.as_bytes(), &path(), direction, &mut self.random);
        answered.map(|(bytes, result)| (String::from_utf8(bytes).unwrap(), result.clone()))
    }

    fn accept(&mut self, answer: &str) -> Result<Negotiated, AnswerError> {
        self.negotiation.accept_answer(answer.as_bytes()).cloned()
    }
}

fn sdp(tail: &str) -> String {
    format!("v=0\r\no=pbx 42 1 IN IP4 192.0.2.1\r\ns=pbx\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{tail}")
}

fn read(text: &str) -> Description {
    parse::parse(text.as_bytes()).unwrap()
}

fn version(text: &str) -> u64 {
    read(text).origin.version.parse().unwrap()
}

fn our_keys(text: &str) -> Vec<Crypto> {
    let description = read(text);
    description
        .media
        .iter()
        .flat_map(|media| media.crypto())
        .filter_map(CryptoLine::usable)
        .cloned()
        .collect()
}

/// Opus and A-law with digits at both clocks, as Asterisk 22 offers them over TLS with media_encryption=sdes.
fn asterisk(profile: &str, extra: &str) -> String {
    format!(
        "v=0\r\no=- 1297431 1297431 IN IP4 192.0.2.1\r\ns=Asterisk\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 14034 {profile} 107 9 8 101\r\n{extra}\
         a=rtpmap:107 opus/48000/2\r\na=fmtp:107 maxaveragebitrate=28000;sprop-stereo=1\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n"
    )
}

mod first_offer {
    use super::*;

    #[test]
    fn required_offers_savp_with_every_suite_and_a_fresh_key_each() {
        let mut phone = Phone::new(MediaPolicy::Required, 1);
        let text = phone.offer(Direction::SendRecv);
        assert!(text.contains("m=audio 40000 RTP/SAVP 111 9 8 0 110 101\r\n"), "{text}");
        let keys = our_keys(&text);
        assert_eq!(keys.iter().map(|line| line.suite).collect::<Vec<_>>(), Suite::ALL);
        assert_eq!(keys.iter().map(|line| line.tag).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!(keys[3].key != keys[4].key, "two suites of one length share a key");
    }

    #[test]
    fn every_line_that_a_pbx_looks_for_is_there() {
        let text = Phone::new(MediaPolicy::Off, 1).offer(Direction::SendRecv);
        for line in [
            "c=IN IP4 198.51.100.7",
            "m=audio 40000 RTP/AVP 111 9 8 0 110 101",
            "a=rtpmap:111 opus/48000/2",
            "a=fmtp:111 useinbandfec=1;maxaveragebitrate=40000;stereo=0;sprop-stereo=0",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:110 telephone-event/48000",
            "a=fmtp:110 0-16",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            "a=rtcp:40001",
            "a=rtcp-mux",
            "a=sendrecv",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is missing from {text}");
        }
        assert!(!text.contains("a=crypto"), "{text}");
    }

    #[test]
    fn digits_are_offered_only_at_the_clocks_of_the_codecs() {
        let narrow = MediaSettings {
            codecs: vec![Codec::Pcma],
            ..settings(MediaPolicy::Off)
        };
        let text = Phone::with(narrow, 1).offer(Direction::SendRecv);
        assert!(text.contains("RTP/AVP 8 101\r\n"), "{text}");
    }

    #[test]
    fn a_32_bit_tag_never_comes_before_an_80_bit_one() {
        let backwards = MediaSettings {
            suites: vec![Suite::AES_CM_128_HMAC_SHA1_32, Suite::AES_CM_128_HMAC_SHA1_80],
            ..settings(MediaPolicy::Required)
        };
        let text = Phone::with(backwards, 1).offer(Direction::SendRecv);
        let suites: Vec<Suite> = our_keys(&text).iter().map(|line| line.suite).collect();
        assert_eq!(suites, [Suite::AES_CM_128_HMAC_SHA1_80, Suite::AES_CM_128_HMAC_SHA1_32]);
    }

    #[test]
    fn keys_never_travel_without_tls() {
        let bare = |policy| MediaSettings {
            secure_signalling: false,
            ..settings(policy)
        };
        let mut required = Phone::with(bare(MediaPolicy::Required), 1);
        let refused = required
            .negotiation
            .offer(&path(), Direction::SendRecv, &mut required.random);
        assert_eq!(refused, Err(OfferError::KeysNeedTls));
        let preferred = Phone::with(bare(MediaPolicy::Preferred), 1).offer(Direction::SendRecv);
        assert!(
            preferred.contains("RTP/AVP") && !preferred.contains("crypto"),
            "{preferred}"
        );
    }

    #[test]
    fn a_second_offer_waits_for_the_first_answer_and_a_rollback_frees_it() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        let second = phone.negotiation.offer(&path(), Direction::SendRecv, &mut phone.random);
        assert_eq!(second, Err(OfferError::Pending));
        assert_eq!(phone.answer(&asterisk("RTP/AVP", "")), Err(Refusal::Glare));
        phone.negotiation.rollback();
        assert!(phone.answer(&asterisk("RTP/AVP", "")).is_ok());
    }
}

mod policies {
    use super::*;

    fn outcome(policy: MediaPolicy, tls: bool, profile: &str, crypto: bool) -> Result<bool, Refusal> {
        let settings = MediaSettings {
            secure_signalling: tls,
            ..settings(policy)
        };
        let offer = asterisk(profile, if crypto { CRYPTO } else { "" });
        let answered = Phone::with(settings, 1).answer(&offer);
        answered.map(|(text, result)| {
            assert!(
                text.contains(&format!(" {profile} ")),
                "the answer keeps the profile: {text}"
            );
            assert_eq!(text.contains("a=crypto"), result.srtp.is_some());
            result.srtp.is_some()
        })
    }

    #[test]
    fn incoming_offers_meet_the_matrix_of_policy_and_profile() {
        use MediaPolicy::{Off, Preferred, Required};
        for f in ["", "F"] {
            let (avp, savp) = (format!("RTP/AVP{f}"), format!("RTP/SAVP{f}"));
            assert_eq!(outcome(Required, true, &savp, true), Ok(true));
            assert_eq!(outcome(Required, true, &savp, false), Err(Refusal::NoKey));
            assert_eq!(outcome(Required, true, &avp, true), Err(Refusal::Profile));
            assert_eq!(outcome(Required, true, &avp, false), Err(Refusal::Profile));
            assert_eq!(outcome(Required, false, &savp, true), Err(Refusal::KeysNeedTls));
            assert_eq!(outcome(Preferred, true, &savp, true), Ok(true));
            assert_eq!(outcome(Preferred, true, &savp, false), Err(Refusal::NoKey));
            assert_eq!(outcome(Preferred, true, &avp, true), Ok(true));
            assert_eq!(outcome(Preferred, true, &avp, false), Ok(false));
            assert_eq!(outcome(Preferred, false, &avp, true), Ok(false));
            assert_eq!(outcome(Preferred, false, &savp, true), Err(Refusal::KeysNeedTls));
            assert_eq!(outcome(Off, true, &savp, true), Err(Refusal::Profile));
            assert_eq!(outcome(Off, true, &avp, true), Ok(false));
            assert_eq!(outcome(Off, true, &avp, false), Ok(false));
        }
    }

    #[test]
    fn answers_meet_the_matrix_of_policy_and_profile() {
        use MediaPolicy::{Off, Preferred, Required};
        let outcome = |policy, profile: &str, crypto: bool| {
            let mut phone = Phone::new(policy, 1);
            phone.offer(Direction::SendRecv);
            let line = CRYPTO.replace(":1 ", ":4 ");
            let answer = asterisk(profile, if crypto { &line } else { "" });
            phone.accept(&answer).map(|result| result.srtp.is_some())
        };
        assert_eq!(outcome(Required, "RTP/SAVP", true), Ok(true));
        assert_eq!(outcome(Required, "RTP/SAVP", false), Err(AnswerError::NoKey));
        assert_eq!(outcome(Required, "RTP/AVP", true), Err(AnswerError::Profile));
        assert_eq!(outcome(Required, "RTP/AVP", false), Err(AnswerError::Profile));
        assert_eq!(outcome(Preferred, "RTP/AVP", true), Ok(true));
        assert_eq!(outcome(Preferred, "RTP/AVP", false), Ok(false));
        assert_eq!(outcome(Preferred, "RTP/SAVP", false), Err(AnswerError::NoKey));
        assert_eq!(outcome(Off, "RTP/AVP", false), Ok(false));
        assert_eq!(outcome(Off, "RTP/AVP", true), Ok(false));
        assert_eq!(outcome(Off, "RTP/SAVP", true), Err(AnswerError::Profile));
        assert_eq!(outcome(Off, "UDP/TLS/RTP/SAVPF", false), Err(AnswerError::Profile));
    }

    #[test]
    fn dtls_srtp_and_unknown_transports_are_refused() {
        for profile in ["UDP/TLS/RTP/SAVPF", "TCP/RTP/AVP", "udp"] {
            let refused = Phone::new(MediaPolicy::Preferred, 1)
                .answer(&asterisk(profile, CRYPTO))
                .unwrap_err();
            assert_eq!((refused, refused.status()), (Refusal::Profile, 488), "{profile}");
        }
    }

    #[test]
    fn a_call_once_encrypted_never_becomes_plain_either_way() {
        let mut phone = Phone::new(MediaPolicy::Preferred, 1);
        phone.answer(&asterisk("RTP/AVP", CRYPTO)).unwrap();
        assert_eq!(phone.answer(&asterisk("RTP/AVP", "")), Err(Refusal::Downgrade));
        assert!(
            phone.negotiation.current().unwrap().srtp.is_some(),
            "the refusal changed something"
        );
        let text = phone.offer(Direction::SendOnly);
        assert_eq!(our_keys(&text).len(), 1);
        assert_eq!(phone.accept(&asterisk("RTP/AVP", "")), Err(AnswerError::NoKey));
        assert!(phone.negotiation.current().unwrap().srtp.is_some());
    }

    #[test]
    fn of_a_secure_and_a_plain_section_the_secure_one_is_taken() {
        let offer = sdp(&format!(
            "m=audio 5000 RTP/AVP 8\r\nm=audio 5002 RTP/SAVP 8\r\n{CRYPTO}"
        ));
        for policy in [MediaPolicy::Required, MediaPolicy::Preferred] {
            let (text, result) = Phone::new(policy, 1).answer(&offer).unwrap();
            assert_eq!(result.remote.unwrap().rtp.port(), 5002);
            let ports: Vec<u16> = read(&text).media.iter().map(|media| media.port).collect();
            assert_eq!(ports, [0, 40_000]);
        }
    }
}

mod keys {
    use super::*;

    #[test]
    fn the_answer_names_the_offered_tag_and_each_side_keeps_its_own_key() {
        let offer = asterisk("RTP/SAVP", &CRYPTO.replace(":1 ", ":7 "));
        let (text, result) = Phone::new(MediaPolicy::Required, 1).answer(&offer).unwrap();
        let ours = our_keys(&text).remove(0);
        let srtp = result.srtp.unwrap();
        assert_eq!((ours.tag, ours.suite), (7, Suite::AES_CM_128_HMAC_SHA1_80));
        assert_eq!(srtp.local, ours.key);
        assert_eq!(srtp.remote.key.expose(), b"=-n@%^x!Bjufr9)?");
        assert!(srtp.local != srtp.remote);
    }

    #[test]
    fn unusable_lines_are_passed_over_for_the_first_good_one() {
        let lines = format!(
            "a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}\r\n\
             a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4\r\n\
             a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\r\n\
             a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP\r\n\
             a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}\r\n"
        );
        let (text, _) = Phone::new(MediaPolicy::Required, 1)
            .answer(&asterisk("RTP/SAVP", &lines))
            .unwrap();
        assert_eq!(our_keys(&text)[0].tag, 5, "the 32-bit tag comes after every 80-bit one");
    }

    #[test]
    fn a_suite_that_the_account_switched_off_is_not_taken() {
        let only_gcm = MediaSettings {
            suites: vec![Suite::AEAD_AES_256_GCM],
            ..settings(MediaPolicy::Required)
        };
        assert_eq!(
            Phone::with(only_gcm, 1).answer(&asterisk("RTP/SAVP", CRYPTO)),
            Err(Refusal::NoKey)
        );
    }

    #[test]
    fn hold_and_resume_by_us_keep_our_key() {
        let mut phone = Phone::new(MediaPolicy::Required, 1);
        phone.answer(&asterisk("RTP/SAVP", CRYPTO)).unwrap();
        let before = phone.negotiation.current().unwrap().srtp.clone().unwrap();
        let hold = phone.offer(Direction::SendOnly);
        assert!(hold.contains("a=sendonly\r\n"), "{hold}");
        assert_eq!(our_keys(&hold)[0].key, before.local);
        let held = phone
            .accept(&asterisk("RTP/SAVP", CRYPTO).replace("sendrecv", "recvonly"))
            .unwrap();
        assert_eq!((held.direction, held.srtp), (Direction::SendOnly, Some(before.clone())));
        let resume = phone.offer(Direction::SendRecv);
        assert_eq!(our_keys(&resume)[0].key, before.local);
    }

    #[test]
    fn a_reoffer_with_the_same_line_keeps_both_keys_and_a_new_key_of_theirs_renews_ours() {
        let mut phone = Phone::new(MediaPolicy::Required, 1);
        let offer = asterisk("RTP/SAVP", CRYPTO);
        let first = phone.answer(&offer).unwrap().1.srtp.unwrap();
        let again = phone.answer(&offer).unwrap().1.srtp.unwrap();
        assert_eq!(first, again);
        let rekeyed = phone.answer(&offer.replace(KEY, OTHER_KEY)).unwrap().1.srtp.unwrap();
        assert!(rekeyed.local != first.local && rekeyed.remote != first.remote);
    }

    #[test]
    fn a_stream_that_moves_gets_a_fresh_key() {
        let mut phone = Phone::new(MediaPolicy::Required, 1);
        let (answer, _) = phone.answer(&asterisk("RTP/SAVP", CRYPTO)).unwrap();
        let moved = LocalPath::plain("203.0.113.9:50000".parse().unwrap());
        let offer = phone
            .negotiation
            .offer(&moved, Direction::SendRecv, &mut phone.random)
            .unwrap();
        let offer = String::from_utf8(offer).unwrap();
        assert!(offer.contains("c=IN IP4 203.0.113.9\r\n"), "{offer}");
        assert!(our_keys(&offer)[0].key != our_keys(&answer)[0].key);
    }

    #[test]
    fn an_answer_with_a_line_that_was_not_offered_or_with_our_own_key_is_no_use() {
        let answered = |line: &dyn Fn(&[Crypto]) -> String| {
            let mut phone = Phone::new(MediaPolicy::Required, 1);
            let ours = our_keys(&phone.offer(Direction::SendRecv));
            phone.accept(&asterisk("RTP/SAVP", &line(&ours)))
        };
        let wrong_tag = |_: &[Crypto]| CRYPTO.replace(":1 ", ":9 ");
        assert_eq!(answered(&wrong_tag), Err(AnswerError::NoKey));
        let suite_of_another_tag = |_: &[Crypto]| CRYPTO.to_owned();
        assert_eq!(answered(&suite_of_another_tag), Err(AnswerError::NoKey));
        let reflected = |ours: &[Crypto]| format!("a=crypto:{}\r\n", ours[0].to_wire().as_str());
        assert_eq!(answered(&reflected), Err(AnswerError::ReflectedKey));
    }

    #[test]
    fn a_line_without_a_key_is_no_key() {
        let offer = asterisk("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80\r\na=crypto\r\n");
        assert_eq!(Phone::new(MediaPolicy::Required, 1).answer(&offer), Err(Refusal::NoKey));
    }

    #[test]
    fn every_suite_is_agreed_between_two_phones_with_keys_crossed() {
        for suite in Suite::ALL {
            let only = MediaSettings {
                suites: vec![suite],
                ..settings(MediaPolicy::Required)
            };
            let (mut caller, mut callee) = (Phone::with(only.clone(), 1), Phone::with(only, 2));
            let (answer, theirs) = callee.answer(&caller.offer(Direction::SendRecv)).unwrap();
            let (ours, theirs) = (caller.accept(&answer).unwrap().srtp.unwrap(), theirs.srtp.unwrap());
            assert_eq!(
                (ours.suite, &ours.local, &ours.remote),
                (suite, &theirs.remote, &theirs.local)
            );
        }
    }

    #[test]
    fn two_phones_never_draw_the_same_key() {
        let draw = |seed| MasterKey::generate(Suite::AEAD_AES_256_GCM, &mut Random::seeded(seed));
        assert!(draw(1) != draw(2));
    }
}

mod codecs {
    use super::*;

    #[test]
    fn the_answer_mirrors_the_numbers_of_the_offer_in_the_accounts_order() {
        let (text, result) = Phone::new(MediaPolicy::Off, 1)
            .answer(&asterisk("RTP/AVP", ""))
            .unwrap();
        assert!(text.contains("m=audio 40000 RTP/AVP 107 9 8 101\r\n"), "{text}");
        assert!(text.contains("a=rtpmap:107 opus/48000/2\r\n"), "{text}");
        assert_eq!((result.send.codec, result.send.payload_type), (Codec::Opus, 107));
        assert_eq!(result.receive.get(&9), Some(&Codec::G722));
        assert_eq!(result.receive_events.get(&101), Some(&8_000));
        assert_eq!(result.send_events.into_iter().collect::<Vec<_>>(), [(8_000, 101)]);
        assert_eq!(result.send.opus.max_average_bitrate, Some(28_000));
        assert!(!result.send.opus.in_band_fec, "the PBX did not ask for it");

        let alaw_first = MediaSettings {
            codecs: vec![Codec::Pcma, Codec::Opus],
            ..settings(MediaPolicy::Off)
        };
        let (text, result) = Phone::with(alaw_first, 1).answer(&asterisk("RTP/AVP", "")).unwrap();
        assert!(text.contains("RTP/AVP 8 107 101\r\n"), "{text}");
        assert_eq!(result.send.codec, Codec::Pcma);
    }

    #[test]
    fn an_answer_may_number_the_codecs_differently() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        let answer = sdp(
            "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1;cbr=1\r\n\
            a=rtpmap:97 telephone-event/48000\r\n",
        );
        let result = phone.accept(&answer).unwrap();
        assert_eq!(result.send.payload_type, 96, "we send with their number");
        assert_eq!(result.receive.get(&111), Some(&Codec::Opus), "and receive with ours");
        assert_eq!(
            result.receive.get(&96),
            Some(&Codec::Opus),
            "or with theirs, where it is free"
        );
        assert_eq!(result.send_events.get(&48_000), Some(&97));
        assert!(result.send.opus.in_band_fec && result.send.opus.constant_bitrate);
    }

    #[test]
    fn a_number_that_an_answer_does_not_explain_means_what_we_offered() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        assert_eq!(
            phone.accept(&sdp("m=audio 4000 RTP/AVP 111\r\n")).unwrap().send.codec,
            Codec::Opus
        );
    }

    #[test]
    fn nothing_in_common_is_488_with_a_warning() {
        for (formats, refusal, warning) in [
            ("m=audio 4000 RTP/AVP 18 3\r\n", Refusal::NoCodec, 305),
            ("m=audio 4000 RTP/AVP 96\r\n", Refusal::NoCodec, 305),
            (
                "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                Refusal::NoCodec,
                305,
            ),
            (
                "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/1\r\n",
                Refusal::NoCodec,
                305,
            ),
            (
                "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
                Refusal::NoAudio,
                304,
            ),
            ("m=audio 0 RTP/AVP 8\r\n", Refusal::NoAudio, 304),
            ("", Refusal::NoAudio, 304),
        ] {
            let refused = Phone::new(MediaPolicy::Off, 1).answer(&sdp(formats)).unwrap_err();
            assert_eq!(refused, refusal, "{formats}");
            assert_eq!((refused.status(), refused.warning().map(|w| w.0)), (488, Some(warning)));
        }
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        assert_eq!(
            phone.accept(&sdp("m=audio 4000 RTP/AVP 18\r\n")),
            Err(AnswerError::NoCodec)
        );
        assert!(!phone.negotiation.is_pending());
    }

    #[test]
    fn the_packet_time_is_theirs_within_what_every_codec_can_make() {
        for (lines, ms) in [
            ("", 20),
            ("a=ptime:30\r\n", 20),
            ("a=ptime:10\r\n", 10),
            ("a=ptime:60\r\n", 60),
            ("a=ptime:60\r\na=maxptime:40\r\n", 40),
            ("a=ptime:0\r\n", 20),
            ("a=ptime:65535\r\n", 60),
            ("a=maxptime:1\r\n", 10),
        ] {
            let offer = sdp(&format!("m=audio 4000 RTP/AVP 8\r\n{lines}"));
            let (_, result) = Phone::new(MediaPolicy::Off, 1).answer(&offer).unwrap();
            assert_eq!(result.send.ptime, Duration::from_millis(ms), "{lines}");
        }
    }

    #[test]
    fn a_later_offer_keeps_the_numbers_of_the_first_exchange() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        let offer = sdp("m=audio 4000 RTP/AVP 96 111 101\r\na=rtpmap:96 opus/48000/2\r\n\
            a=rtpmap:111 speex/16000\r\na=rtpmap:101 iLBC/8000\r\n");
        phone.answer(&offer).unwrap();
        let text = phone.offer(Direction::SendOnly);
        assert!(text.contains("a=rtpmap:96 opus/48000/2\r\n"), "{text}");
        assert!(
            !text.contains("a=rtpmap:101") && !text.contains("a=rtpmap:111"),
            "{text}"
        );
        assert!(text.contains("telephone-event/8000"), "{text}");
    }

    #[test]
    fn absurd_opus_wishes_are_not_obeyed() {
        let offer = sdp("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n\
            a=fmtp:96 maxaveragebitrate=1;maxplaybackrate=999999999999;useinbandfec=2\r\n");
        let (_, result) = Phone::new(MediaPolicy::Off, 1).answer(&offer).unwrap();
        assert_eq!(result.send.opus, OpusWishes::default());
    }
}

mod hold {
    use super::*;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn every_direction_of_theirs_meets_every_wish_of_ours() {
        for (theirs, ours, ours_in_answer, held) in [
            ("sendrecv", SendRecv, SendRecv, false),
            ("sendonly", SendRecv, RecvOnly, true),
            ("recvonly", SendRecv, SendOnly, false),
            ("inactive", SendRecv, Inactive, true),
            ("sendrecv", SendOnly, SendOnly, false),
            ("sendonly", SendOnly, Inactive, true),
            ("recvonly", SendOnly, SendOnly, false),
            ("sendrecv", Inactive, Inactive, false),
        ] {
            let offer = asterisk("RTP/AVP", "").replace("sendrecv", theirs);
            let (text, result) = Phone::new(MediaPolicy::Off, 1).answer_with(&offer, ours).unwrap();
            assert_eq!(
                (result.direction, result.held_by_them),
                (ours_in_answer, held),
                "{theirs} {ours:?}"
            );
            assert!(text.contains(&format!("a={}\r\n", ours_in_answer.name())), "{text}");
        }
    }

    #[test]
    fn the_old_hold_by_0_0_0_0_is_recognised_and_answered_recvonly() {
        for address in ["IP4 0.0.0.0", "IP6 ::"] {
            let offer = asterisk("RTP/AVP", "").replace("c=IN IP4 192.0.2.1", &format!("c=IN {address}"));
            let (text, result) = Phone::new(MediaPolicy::Off, 1).answer(&offer).unwrap();
            assert_eq!(
                (result.direction, result.held_by_them, result.remote),
                (RecvOnly, true, None)
            );
            assert!(text.contains("a=recvonly\r\n"), "{text}");
        }
    }

    #[test]
    fn hold_by_us_is_answered_and_resumed() {
        let (mut us, mut them) = (
            Phone::new(MediaPolicy::Required, 1),
            Phone::new(MediaPolicy::Required, 2),
        );
        let (answer, _) = them.answer(&us.offer(SendRecv)).unwrap();
        us.accept(&answer).unwrap();
        let (answer, theirs) = them.answer(&us.offer(SendOnly)).unwrap();
        assert!(theirs.held_by_them);
        let held = us.accept(&answer).unwrap();
        assert_eq!((held.direction, held.held_by_them), (SendOnly, false));
        let (answer, theirs) = them.answer(&us.offer(SendRecv)).unwrap();
        assert_eq!(theirs.direction, SendRecv);
        assert_eq!(us.accept(&answer).unwrap().direction, SendRecv);
    }
}

mod sections_and_addresses {
    use super::*;

    #[test]
    fn other_sections_are_refused_with_port_0_in_their_place() {
        let offer = sdp(
            "a=group:BUNDLE 0 1\r\nm=video 5000 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\na=mid:0\r\n\
            m=audio 5002 RTP/AVP 8\r\na=mid:1\r\nm=application 5004 UDP/DTLS/SCTP webrtc-datachannel\r\n\
            m=audio 5006 RTP/AVP 0\r\nm=image 5008 udptl t38\r\n",
        );
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        let (text, result) = phone.answer(&offer).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            lines,
            [
                "m=video 0 RTP/AVP 96 97",
                "m=audio 40000 RTP/AVP 8",
                "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
                "m=audio 0 RTP/AVP 0",
                "m=image 0 udptl t38",
            ]
        );
        assert_eq!(result.remote.unwrap().rtp.port(), 5002);
        assert!(text.contains("a=mid:1\r\n") && !text.contains("BUNDLE"), "{text}");

        let later = phone.offer(Direction::SendOnly);
        let places: Vec<(String, u16)> = read(&later)
            .media
            .iter()
            .map(|media| (media.kind.clone(), media.port))
            .collect();
        let expected = [
            ("video", 0),
            ("audio", 40_000),
            ("application", 0),
            ("audio", 0),
            ("image", 0),
        ];
        assert_eq!(places, expected.map(|(kind, port)| (kind.to_owned(), port)));
    }

    #[test]
    fn rtcp_is_multiplexed_only_if_both_want_it() {
        let rtcp = |extra: &str, mux: bool| {
            let settings = MediaSettings {
                rtcp_mux: mux,
                ..settings(MediaPolicy::Off)
            };
            let (text, result) = Phone::with(settings, 1).answer(&asterisk("RTP/AVP", extra)).unwrap();
            assert_eq!(text.contains("a=rtcp-mux"), result.rtcp_mux);
            result.remote.unwrap().rtcp.port()
        };
        assert_eq!(rtcp("a=rtcp-mux\r\n", true), 14034);
        assert_eq!(rtcp("a=rtcp-mux\r\n", false), 14035);
        assert_eq!(rtcp("", true), 14035);
        assert_eq!(rtcp("a=rtcp:20000\r\n", true), 20000);
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        assert_eq!(
            phone
                .accept(&asterisk("RTP/AVP", ""))
                .unwrap()
                .remote
                .unwrap()
                .rtcp
                .port(),
            14035
        );
    }

    #[test]
    fn addresses_that_cannot_be_sent_to_are_refused_with_their_warning() {
        for (connection, refusal, warning) in [
            ("IN IP4 pbx.example.com", Refusal::AddressFormat, Some(301)),
            ("IN IP6 2001:db8::1", Refusal::AddressFormat, Some(301)),
            ("IN IP4 224.2.36.42/127", Refusal::Multicast, Some(330)),
            ("ATM NSAP 47.0091", Refusal::Network, Some(300)),
        ] {
            let offer = asterisk("RTP/AVP", "").replace("c=IN IP4 192.0.2.1", &format!("c={connection}"));
            let refused = Phone::new(MediaPolicy::Off, 1).answer(&offer).unwrap_err();
            assert_eq!(
                (refused, refused.warning().map(|w| w.0)),
                (refusal, warning),
                "{connection}"
            );
        }
        let none = asterisk("RTP/AVP", "").replace("c=IN IP4 192.0.2.1\r\n", "");
        assert_eq!(Phone::new(MediaPolicy::Off, 1).answer(&none), Err(Refusal::NoAddress));
        assert_eq!(
            Phone::new(MediaPolicy::Off, 1).answer("hello").unwrap_err().status(),
            400
        );
    }

    #[test]
    fn an_ipv6_path_is_described_as_ipv6() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        let path = LocalPath::plain("[2001:db8::7]:40000".parse().unwrap());
        let text = phone
            .negotiation
            .offer(&path, Direction::SendRecv, &mut phone.random)
            .unwrap();
        assert!(String::from_utf8(text).unwrap().contains("c=IN IP6 2001:db8::7\r\n"));
        let answer = asterisk("RTP/AVP", "").replace("c=IN IP4 192.0.2.1", "c=IN IP6 2001:db8::1");
        assert_eq!(
            phone.accept(&answer).unwrap().remote.unwrap().rtp.to_string(),
            "[2001:db8::1]:14034"
        );
    }

    #[test]
    fn ice_attributes_pass_raw_both_ways() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        let ours = Attribute::other("candidate", Some("1 1 UDP 2130706431 198.51.100.7 40000 typ host"));
        let path = LocalPath {
            ice: vec![ours],
            ..path()
        };
        let offer = asterisk(
            "RTP/AVP",
            "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
            a=candidate:H1 1 UDP 2130706431 192.0.2.1 14034 typ host\r\n",
        )
        .replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
        let (text, result) = phone
            .negotiation
            .answer(offer.as_bytes(), &path, Direction::SendRecv, &mut phone.random)
            .unwrap();
        assert!(
            String::from_utf8(text)
                .unwrap()
                .contains("a=candidate:1 1 UDP 2130706431 198.51.100.7")
        );
        assert_eq!(result.remote_ice.len(), 4);
        assert_eq!(result.remote_ice[0], Attribute::other("ice-lite", None));
    }
}

mod sessions {
    use super::*;

    #[test]
    fn the_version_rises_only_with_a_change_and_the_session_keeps_its_number() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        let offer = asterisk("RTP/AVP", "");
        let (first, _) = phone.answer(&offer).unwrap();
        let (same, _) = phone.answer(&offer).unwrap();
        assert_eq!(first, same);
        let (held, _) = phone.answer(&offer.replace("sendrecv", "sendonly")).unwrap();
        assert_eq!(version(&held), version(&first) + 1);
        assert_eq!(read(&held).origin.session_id, read(&first).origin.session_id);
        let refused = phone.offer(Direction::SendOnly);
        assert_eq!(version(&refused), version(&held) + 1);
        phone.negotiation.rollback();
        let after = phone.offer(Direction::SendRecv);
        assert_eq!(
            version(&after),
            version(&refused) + 1,
            "a version that was refused is not used again"
        );
    }

    #[test]
    fn an_answer_may_be_repeated_and_replaced_within_one_offer() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        let early = asterisk("RTP/AVP", "");
        let first = phone.accept(&early).unwrap();
        assert_eq!(phone.accept(&early).unwrap(), first, "the 200 repeats the 183");
        let moved = phone.accept(&early.replace("14034", "15000")).unwrap();
        assert_eq!(moved.remote.unwrap().rtp.port(), 15000);
    }

    #[test]
    fn an_answer_without_an_offer_is_an_error() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        assert_eq!(phone.accept(&asterisk("RTP/AVP", "")), Err(AnswerError::NoOffer));
        phone.answer(&asterisk("RTP/AVP", "")).unwrap();
        assert_eq!(phone.accept(&asterisk("RTP/AVP", "")), Err(AnswerError::NoOffer));
    }

    #[test]
    fn a_refused_audio_section_in_an_answer_is_an_error() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        phone.offer(Direction::SendRecv);
        assert_eq!(
            phone.accept(&asterisk("RTP/AVP", "").replace("14034", "0")),
            Err(AnswerError::AudioRefused)
        );
    }

    #[test]
    fn forked_early_dialogs_each_take_their_own_answer_to_the_one_offer() {
        let mut first = Phone::new(MediaPolicy::Off, 1);
        first.offer(Direction::SendRecv);
        let mut second = first.negotiation.clone();
        let answer = asterisk("RTP/AVP", "");
        assert_eq!(first.accept(&answer).unwrap().remote.unwrap().rtp.port(), 14034);
        let fork = second
            .accept_answer(answer.replace("14034", "15000").as_bytes())
            .unwrap();
        assert_eq!(fork.remote.unwrap().rtp.port(), 15000);
    }

    #[test]
    fn checking_an_offer_says_the_same_as_answering_it_and_changes_nothing() {
        let phone = Phone::new(MediaPolicy::Required, 1);
        assert_eq!(
            phone.negotiation.check_offer(asterisk("RTP/SAVP", CRYPTO).as_bytes()),
            Ok(())
        );
        assert_eq!(
            phone.negotiation.check_offer(asterisk("RTP/AVP", "").as_bytes()),
            Err(Refusal::Profile)
        );
        assert!(phone.negotiation.current().is_none());
    }
}

/// Shapes of offers as other implementations send them.
mod peers {
    use super::*;

    #[test]
    fn baresips_offer_is_taken() {
        let offer = format!(
            "v=0\r\no=- 3948223771 1823611029 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n\
             a=tool:baresip 1.0.0\r\nm=audio 23456 RTP/SAVPF 96 9 8 101\r\nb=AS:125\r\n\
             a=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;sprop-stereo=1;useinbandfec=1\r\na=rtpmap:9 G722/8000\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:23457\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}\r\n\
             a=rtcp-mux\r\na=sendrecv\r\na=label:1\r\na=rtcp-rsize\r\na=ssrc:1234 cname:sip:a@example.com\r\na=ptime:20\r\n"
        );
        let (text, result) = Phone::new(MediaPolicy::Required, 1).answer(&offer).unwrap();
        assert!(text.contains("RTP/SAVPF 96 9 8 101\r\n"), "{text}");
        assert_eq!(result.srtp.unwrap().suite, Suite::AES_CM_128_HMAC_SHA1_80);
        assert!(result.send.opus.in_band_fec && result.rtcp_mux);
    }

    #[test]
    fn linphones_offer_is_taken() {
        let offer = format!(
            "v=0\r\no=1002 1467 2187 IN IP4 192.0.2.4\r\ns=Talk\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n\
             a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\na=record:off\r\n\
             m=audio 7078 RTP/SAVP 96 97 98 0 8 101 99 100\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
             a=rtpmap:97 speex/16000\r\na=fmtp:97 vbr=on\r\na=rtpmap:98 speex/8000\r\na=fmtp:98 vbr=on\r\n\
             a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/16000\r\n\
             a=rtpmap:100 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n\
             a=crypto:2 AES_256_CM_HMAC_SHA1_80 inline:AAAA\r\na=rtcp-fb:* trr-int 5000\r\n"
        );
        let (text, result) = Phone::new(MediaPolicy::Required, 1).answer(&offer).unwrap();
        assert!(text.contains("RTP/SAVP 96 8 0 101 100\r\n"), "{text}");
        assert_eq!(
            result.send_events.into_iter().collect::<Vec<_>>(),
            [(8_000, 100), (48_000, 101)]
        );
    }

    #[test]
    fn freeswitchs_offer_is_taken() {
        let offer = "v=0\r\no=FreeSWITCH 1700000000 1700000001 IN IP4 192.0.2.5\r\ns=FreeSWITCH\r\n\
             c=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 26834 RTP/AVP 102 9 0 8 103 101\r\na=rtpmap:102 opus/48000/2\r\n\
             a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=16000; ptime=20; minptime=10\r\n\
             a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:103 telephone-event/48000\r\na=fmtp:103 0-16\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-16\r\na=ptime:20\r\n";
        let (_, result) = Phone::new(MediaPolicy::Preferred, 1).answer(offer).unwrap();
        let wishes = result.send.opus;
        assert_eq!(
            (wishes.max_average_bitrate, wishes.max_playback_rate),
            (Some(30_000), Some(16_000))
        );
        assert_eq!(result.send_events.len(), 2);
    }

    #[test]
    fn the_first_exchange_of_rfc_4317_takes_the_audio_and_refuses_the_video() {
        let offer = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.10\r\ns=\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
             m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\n\
             m=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n";
        let (text, result) = Phone::new(MediaPolicy::Off, 1).answer(offer).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(lines, ["m=audio 40000 RTP/AVP 8 0", "m=video 0 RTP/AVP 31 32"]);
        assert_eq!(result.remote.unwrap().rtp.to_string(), "192.0.2.10:49170");
    }

    #[test]
    fn the_hold_of_rfc_4317_section_3_1_is_answered() {
        let mut phone = Phone::new(MediaPolicy::Off, 1);
        let offer = |version, direction| {
            format!(
                "v=0\r\no=alice 2890844526 {version} IN IP4 192.0.2.10\r\ns=\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                 m=audio 49170 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 iLBC/8000\r\na={direction}\r\n"
            )
        };
        phone.answer(&offer(2_890_844_526_u64, "sendrecv")).unwrap();
        let (text, _) = phone.answer(&offer(2_890_844_527, "sendonly")).unwrap();
        assert!(text.contains("a=recvonly\r\n"), "{text}");
    }
}

fn attribute() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(CRYPTO.trim_end().to_owned()),
        "a=rtpmap:(96|97|101|111) (opus/48000/2|telephone-event/(8000|48000)|PCMA/8000|x/1)",
        "a=(ptime|maxptime):[0-9]{1,5}",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux)",
        "m=(audio|video) (0|4000) RTP/S?AVPF? (0|8|9|96|97|101|111)( (0|8|9|96|97|101|111)){0,4}",
        "c=IN IP4 (0.0.0.0|192.0.2.9|x)",
        "a=[ -~]{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever is agreed is within the policy, and the answer is a description with as many sections as the offer.
    #[test]
    fn no_offer_gets_more_than_the_policy_allows(lines in proptest::collection::vec(attribute(), 0..25), seed in 0_u64..9) {
        let offer = sdp(&lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
        for policy in [MediaPolicy::Required, MediaPolicy::Preferred, MediaPolicy::Off] {
            if let Ok((text, result)) = Phone::new(policy, seed).answer(&offer) {
                prop_assert!(policy != MediaPolicy::Required || result.srtp.is_some());
                prop_assert!(policy != MediaPolicy::Off || result.srtp.is_none());
                prop_assert_eq!(read(&text).media.len(), read(&offer).media.len());
                prop_assert_eq!(read(&text).media.iter().filter(|media| media.port != 0).count(), 1);
            }
            let mut caller = Phone::new(policy, seed);
            caller.offer(Direction::SendRecv);
            if let Ok(result) = caller.accept(&offer) {
                prop_assert!(policy != MediaPolicy::Required || result.srtp.is_some());
            }
        }
    }
}
