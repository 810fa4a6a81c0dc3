//! What the media targets share: the stream of a call, plans for it, and packets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use toestel_proto::codec::{Codec, Direction, Suite};
use toestel_proto::media::plan::{MasterKey, MediaPlan, OpusOptions, RemoteRtcp, SendFormat};
use toestel_proto::media::rtp::RtpPacket;
use toestel_proto::media::session::{MediaSession, MediaStats, Play};

/// Where the far end of every plan is.
pub(crate) const FAR_END: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4_000);

/// Our own source.
pub(crate) const OURS: u32 = 0x0102_0304;

/// A call without keys that agreed to everything that we offer.
pub(crate) fn plan(codec: Codec) -> MediaPlan {
    MediaPlan {
        remote_rtp: FAR_END,
        remote_rtcp: RemoteRtcp::Mux,
        direction: Direction::SendRecv,
        send: SendFormat {
            codec,
            payload_type: 111,
            ptime: Duration::from_millis(20),
            opus: OpusOptions::default(),
        },
        receive: BTreeMap::from([(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722), (111, Codec::Opus)]),
        send_events: BTreeMap::from([(8_000, 101), (48_000, 110)]),
        receive_events: BTreeMap::from([(101, 8_000), (110, 48_000)]),
        comfort_noise: true,
        srtp: None,
        ssrc: OURS,
        cname: "c".to_owned(),
    }
}

/// A master key whose bytes are all `byte`.
pub(crate) fn key(suite: Suite, byte: u8) -> MasterKey {
    let inline = vec![byte; suite.key_len() + suite.salt_len()];
    MasterKey::from_inline(suite, &inline).expect("the lengths are the suite's")
}

/// A packet of speech or a tone.
pub(crate) fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let packet = RtpPacket {
        marker: sequence == 1,
        payload_type,
        sequence,
        timestamp,
        ssrc: 7,
        csrcs: &[],
        extension: None,
        payload,
        padding: 0,
    };
    packet.to_bytes()
}

/// What is played lasts a while, and all figures are numbers that can be.
pub(crate) fn judge(session: &MediaSession) {
    let MediaStats {
        jitter_ms,
        delay_ms,
        target_delay_ms,
        round_trip_ms,
        mos,
        played_ms,
        concealed_ms,
        repaired_ms,
        remote_loss,
        remote_jitter_ms,
        ..
    } = session.stats();
    let figures = [
        Some(jitter_ms),
        Some(delay_ms),
        Some(target_delay_ms),
        round_trip_ms,
        remote_jitter_ms,
    ];
    for figure in figures.into_iter().flatten() {
        assert!(figure.is_finite() && figure >= 0.0, "{:?}", session.stats());
    }
    assert!(mos.is_none_or(|mos| (1.0..=4.5).contains(&mos)), "{mos:?}");
    assert!(remote_loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)));
    assert!(concealed_ms + repaired_ms <= played_ms, "more was made up than played");
}

/// What the ring takes lasts longer than nothing and not longer than a packet can.
pub(crate) fn judge_play(play: &Play, duration: Duration) {
    assert!(!duration.is_zero(), "{play:?} lasts no time");
    assert!(duration <= Duration::from_millis(120), "{play:?} lasts {duration:?}");
}
