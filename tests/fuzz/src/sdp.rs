//! A session description: what is read is written and read again as the same, and no offer or answer gets past the
//! account's media policy.

use std::net::SocketAddr;
use std::sync::LazyLock;
use toestel_proto::codec::{Direction, MediaPolicy};
use toestel_proto::random::Random;
use toestel_proto::sdp::{
    Attribute, CryptoLine, Description, LocalPath, MediaSettings, Negotiated, Negotiation, parse, probe, write,
};

use crate::mutate::text::Grammar;
use crate::planted;

const POLICIES: [MediaPolicy; 3] = [MediaPolicy::Required, MediaPolicy::Preferred, MediaPolicy::Off];

/// Runs one input; whether it was accepted.
pub fn run(input: &[u8]) -> bool {
    probe::probe(input);
    let Ok(description) = parse::parse(input) else {
        return false;
    };
    let description = without_unusable_keys(description);
    assert_eq!(parse::parse(&write::write(&description)).as_ref(), Ok(&description));
    for policy in POLICIES {
        as_offer(input, &description, policy);
        as_answer(input, policy);
    }
    true
}

/// Lines with keys that cannot be used are not written again.
fn without_unusable_keys(mut description: Description) -> Description {
    let keep = |attribute: &Attribute| !matches!(attribute, Attribute::Crypto(CryptoLine::Unusable { .. }));
    description.attributes.retain(keep);
    for media in &mut description.media {
        media.attributes.retain(keep);
    }
    description
}

/// A call that comes in, is held by us and gets the same offer again.
fn as_offer(input: &[u8], description: &Description, policy: MediaPolicy) {
    let sections = description.media.len();
    let (mut negotiation, mut random) = negotiation(policy);
    let path = path("192.0.2.1:4000");
    let taken = negotiation.check_offer(input).is_ok();
    let Ok((answer, result)) = negotiation.answer(input, &path, Direction::SendRecv, &mut random) else {
        return;
    };
    assert!(taken, "the check refuses what is answered");
    judge(result, policy);
    planted::in_answered(description);
    let encrypted = result.srtp.is_some();
    let answer = parse::parse(&answer).expect("our own answer can be read");
    assert_eq!(answer.media.len(), sections);
    assert_eq!(answer.media.iter().filter(|media| media.port != 0).count(), 1);
    let hold = negotiation
        .offer(&path, Direction::SendOnly, &mut random)
        .expect("an answered call can be held");
    let hold = parse::parse(&hold).expect("our own offer can be read");
    assert_eq!(hold.media.len(), sections);
    negotiation.rollback();
    let again = negotiation.answer(input, &path, Direction::SendRecv, &mut random);
    let (_, result) = again.expect("what was taken once is taken twice");
    assert_eq!(result.srtp.is_some(), encrypted);
}

/// The answer to our offer, and then an offer within the same dialog.
fn as_answer(input: &[u8], policy: MediaPolicy) {
    let (mut negotiation, mut random) = negotiation(policy);
    let path = path("192.0.2.1:4000");
    negotiation
        .offer(&path, Direction::SendRecv, &mut random)
        .expect("the settings allow an offer");
    let Ok(result) = negotiation.accept_answer(input) else {
        return;
    };
    judge(result, policy);
    let encrypted = result.srtp.is_some();
    if let Ok((_, result)) = negotiation.answer(input, &path, Direction::SendRecv, &mut random) {
        assert!(result.srtp.is_some() || !encrypted, "an encrypted call became plain");
    }
}

fn judge(result: &Negotiated, policy: MediaPolicy) {
    match policy {
        MediaPolicy::Required => assert!(result.srtp.is_some()),
        MediaPolicy::Off => assert!(result.srtp.is_none()),
        MediaPolicy::Preferred => {}
    }
    if let Some(srtp) = &result.srtp {
        assert!(srtp.local != srtp.remote);
        assert_eq!(srtp.remote.key.expose().len(), srtp.suite.key_len());
    }
    assert!(!result.send.ptime.is_zero() && result.send.ptime.as_millis() <= 60);
    assert!(result.send.payload_type < 128);
    assert!(result.receive.values().any(|codec| *codec == result.send.codec));
}

fn negotiation(policy: MediaPolicy) -> (Negotiation, Random) {
    let mut random = Random::seeded(1);
    let settings = MediaSettings {
        policy,
        ..MediaSettings::default()
    };
    (Negotiation::new(settings, &mut random), random)
}

fn path(address: &str) -> LocalPath {
    LocalPath::plain(address.parse::<SocketAddr>().expect("an address"))
}

/// `input` with an edit.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(&seeds(), None));
    Some(GRAMMAR.edit(input, random))
}

/// Offers and answers as peers send them, and some that are broken.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = SECTIONS.iter().map(|section| sdp(section).into()).collect();
    let whole = sdp(SECTIONS[0]);
    seeds.extend(PEERS.iter().map(|section| sdp(section).into()));
    seeds.push(whole.replace("IP4 192.0.2.9", "IP6 2001:db8::9").into());
    seeds.push(whole.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0").into());
    seeds.push(whole.replace("\r\n", "\n").into());
    seeds.extend(BROKEN.iter().map(|(from, to)| whole.replacen(from, to, 1).into()));
    seeds
}

const SECTIONS: [&str; 8] = [
    "m=audio 4000 RTP/SAVP 107 9 8 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 \
     inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^31\r\na=rtpmap:107 opus/48000/2\r\n\
     a=fmtp:107 maxaveragebitrate=28000;sprop-stereo=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n",
    "m=audio 4000 RTP/AVP 8 0\r\na=crypto:4 AES_CM_128_HMAC_SHA1_80 \
     inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR WSH=128\r\na=rtcp-mux\r\na=recvonly\r\n",
    "m=audio 4000 RTP/AVP 111 110\r\na=rtpmap:110 telephone-event/48000\r\na=rtcp:4005 IN IP4 192.0.2.8\r\n",
    "a=ice-lite\r\nm=audio 4000 RTP/SAVPF 96\r\nb=AS:125\r\na=crypto:1 AEAD_AES_256_GCM \
     inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=\r\na=rtpmap:96 opus/48000/2\r\n\
     a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:H 1 UDP 1 192.0.2.9 4000 typ host\r\n",
    "m=video 5000 RTP/AVP 96\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4000/2 RTP/AVPF 0\r\nc=IN IP4 192.0.2.7/127\r\n",
    "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=setup:actpass\r\na=fingerprint:sha-256 00\r\n",
    "a=inactive\r\nm=audio 4000 RTP/AVP 18 101\r\nm=image 5 udptl t38\r\n",
    "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 pbx.example.com\r\na=ptime:0\r\na=rtpmap:300 x/0\r\na=crypto\r\n",
];

/// The sections that exchanges, gateways and phones of the field are known by.
const PEERS: [&str; 8] = [
    // An Asterisk that offers what its endpoint allows.
    "m=audio 14022 RTP/AVP 9 8 0 3 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
     a=rtpmap:0 PCMU/8000\r\na=rtpmap:3 GSM/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
     a=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n",
    // One with Opus and keys for two suites.
    "m=audio 18432 RTP/SAVP 107 8 101\r\na=crypto:1 AEAD_AES_128_GCM \
     inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\r\n\
     a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n\
     a=rtpmap:107 opus/48000/2\r\na=fmtp:107 useinbandfec=1\r\na=rtpmap:8 PCMA/8000\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n",
    // FreeSWITCH and what is built on it: a tone event for each clock rate.
    "m=audio 23456 RTP/AVP 102 0 8 103 101\r\na=rtpmap:102 opus/48000/2\r\n\
     a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20; minptime=10; stereo=1\r\n\
     a=rtpmap:103 telephone-event/48000\r\na=fmtp:103 0-15\r\na=rtpmap:101 telephone-event/8000\r\n\
     a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp-mux\r\n",
    // A desk phone.
    "b=AS:64\r\nm=audio 11780 RTP/AVP 9 0 8 18 101\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
    // A gateway that packs more into a packet.
    "m=audio 30000 RTP/AVP 8 13 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15,32\r\na=ptime:30\r\na=silenceSupp:off - - - -\r\n",
    // A soft phone with a port of its own for RTCP, that lies still.
    "m=audio 4002 RTP/AVPF 96 0 120\r\na=rtcp:4003 IN IP4 192.0.2.9\r\na=rtpmap:96 opus/48000/2\r\n\
     a=rtpmap:120 telephone-event/48000\r\na=rtcp-fb:* trr-int 5000\r\na=ssrc:305419896 cname:a@b\r\n\
     a=ptime:40\r\na=sendonly\r\n",
    // A relay's both offers in one: keys wanted, and none.
    "m=audio 40002 RTP/SAVP 8\r\na=crypto:1 AES_256_CM_HMAC_SHA1_80 \
     inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ==\r\na=ptime:20\r\n\
     m=audio 40004 RTP/AVP 8\r\na=ptime:20\r\n",
    // A fax machine that first speaks.
    "m=audio 5004 RTP/AVP 8\r\na=ptime:10\r\na=maxptime:20\r\nm=image 5006 udptl t38\r\n\
     a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n",
];

/// What is replaced in a good description to break it.
const BROKEN: [(&str, &str); 6] = [
    ("v=0", "v=1"),
    ("o=", "x="),
    ("RTP/SAVP 107", "RTP/SAVP 128"),
    ("m=audio 4000", "m=audio 65536"),
    ("c=IN IP4 192.0.2.9", "c=IN IP4 ::1"),
    ("s=-", "s=\0"),
];

fn sdp(tail: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{tail}")
}
