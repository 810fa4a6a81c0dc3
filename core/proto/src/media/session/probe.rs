//! `toestel probe` for media: one input through the very code that a call runs, and what that code made of it.

use super::inbound::{Dropped, Inbound};
use super::{MediaEvent, RemoteRtcp};
use crate::codec::{Codec, Direction, Suite};
use crate::hex;
use crate::media::demux::{self, Kind};
use crate::media::dtmf::event::EventPayload;
use crate::media::jitter::Inserted;
use crate::media::payload;
use crate::media::plan::{MasterKey, MediaPlan, OpusOptions, SendFormat};
use crate::media::rtcp::{self, RtcpPacket};
use crate::media::rtp::RtpPacket;
use crate::media::srtp::{Opener, SrtpError};
use crate::probe::{Report, Verdict};
use crate::secret::Secret;
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// An RTP packet as it was read.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RtpFields {
    /// The marker bit.
    pub marker: bool,
    /// The payload type.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The contributing sources.
    pub csrcs: Vec<u32>,
    /// The extension's profile.
    pub extension: Option<u16>,
    /// Bytes of padding.
    pub padding: u8,
    /// Bytes of payload without padding.
    pub payload_len: usize,
    /// The codec that was agreed for the payload type.
    pub codec: Option<Codec>,
    /// How long the speech lasts.
    pub duration_ms: Option<f64>,
    /// The telephone event.
    pub event: Option<EventFields>,
}

/// A telephone event as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct EventFields {
    /// The event code.
    pub event: u8,
    /// The E bit.
    pub end: bool,
    /// The level in -dBm0.
    pub volume: u8,
    /// The duration in units of the event's clock.
    pub duration: u16,
}

/// A sequence of packets, judged one after the other, 20 ms apart.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RtpSequence {
    /// Each packet's own verdict.
    pub packets: Vec<Report<RtpFields>>,
    /// Packets counted as received.
    pub received: u64,
    /// Packets counted as lost.
    pub lost: u64,
    /// Keys heard.
    pub digits: String,
}

/// One packet of an RTCP compound.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum RtcpFields {
    /// SR.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// Packets sent.
        packets: u32,
        /// Bytes sent.
        octets: u32,
        /// About whom.
        blocks: Vec<BlockFields>,
    },
    /// RR.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// About whom.
        blocks: Vec<BlockFields>,
    },
    /// SDES.
    SourceDescription {
        /// Sources and canonical names.
        chunks: Vec<(u32, Option<String>)>,
    },
    /// BYE.
    Bye {
        /// Which sources end.
        sources: Vec<u32>,
        /// Why.
        reason: Option<String>,
    },
    /// APP.
    App {
        /// Who sent it.
        ssrc: u32,
        /// Which application.
        name: String,
    },
    /// Another type.
    Unknown {
        /// Which.
        packet_type: u8,
    },
}

/// A report block as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct BlockFields {
    /// The source.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the start.
    pub cumulative_lost: i32,
    /// Jitter in timestamp units.
    pub jitter: u32,
}

/// What `srtp-sequence` is asked.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct SrtpQuestion {
    /// The suite's name in `a=crypto`.
    pub suite: String,
    /// In hexadecimal.
    pub master_key: String,
    /// In hexadecimal.
    pub master_salt: String,
    /// Whether the packets are SRTCP.
    #[serde(default)]
    pub rtcp: bool,
    /// In hexadecimal, in the order of arrival.
    pub packets: Vec<String>,
}

/// What `srtp-sequence` answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SrtpAnswer {
    /// One for each packet.
    pub verdicts: Vec<Verdict>,
    /// The plain packet in hexadecimal, where one was opened.
    pub plain: Vec<Option<String>>,
}

/// Judges one RTP packet, already decrypted, in a call that agreed to everything that we offer.
pub fn rtp(packet: &[u8]) -> Report<RtpFields> {
    let plan = plan();
    judge(
        &plan,
        &mut Inbound::new(&plan),
        packet,
        Instant::ORIGIN,
        &mut VecDeque::new(),
    )
}

/// Judges packets in order, each behind its length in two bytes. The whole is refused if the lengths do not add up,
/// accepted if any packet is.
pub fn rtp_sequence(bytes: &[u8]) -> Report<RtpSequence> {
    let plan = plan();
    let mut inbound = Inbound::new(&plan);
    let (mut packets, mut events) = (Vec::new(), VecDeque::new());
    let (mut rest, mut now) = (bytes, Instant::ORIGIN);
    while !rest.is_empty() {
        let Some((packet, after)) = framed(rest) else {
            return Report::reject("a length reaches beyond the end");
        };
        packets.push(judge(&plan, &mut inbound, packet, now, &mut events));
        rest = after;
        now += Duration::from_millis(20);
    }
    let count = |verdict| packets.iter().filter(|packet| packet.verdict == verdict).count();
    let (accepted, refused) = (count(Verdict::Accept), count(Verdict::Reject));
    let verdict = match (accepted, refused) {
        (1.., _) => Verdict::Accept,
        (0, 1..) => Verdict::Reject,
        (0, 0) => Verdict::Drop,
    };
    let why = format!("{accepted} of {} packets are accepted", packets.len());
    let digits = events.iter().filter_map(|event| match event {
        MediaEvent::DigitReceived(digit) => Some(digit.key()),
        _ => None,
    });
    let (received, lost, digits) = (inbound.received(), inbound.lost(), digits.collect());
    Report::new(
        verdict,
        why,
        RtpSequence {
            packets,
            received,
            lost,
            digits,
        },
    )
}

/// Judges a compound RTCP packet, already decrypted.
pub fn rtcp(datagram: &[u8]) -> Report<Vec<RtcpFields>> {
    match rtcp::parse(datagram) {
        Ok(packets) => Report::new(
            Verdict::Accept,
            "a compound RTCP packet",
            packets.into_iter().map(fields).collect(),
        ),
        Err(error) => Report::reject(error),
    }
}

/// Opens packets in order under one key.
pub fn srtp_sequence(question: &SrtpQuestion) -> Report<SrtpAnswer> {
    let mut opener = match opener(question) {
        Ok(opener) => opener,
        Err(why) => return Report::reject(why),
    };
    let (mut verdicts, mut plain) = (Vec::new(), Vec::new());
    for packet in &question.packets {
        let Some(bytes) = hex::decode(packet) else {
            return Report::reject("a packet is not hexadecimal");
        };
        let opened = if question.rtcp {
            opener.open_rtcp(&bytes)
        } else {
            opener.open_rtp(&bytes)
        };
        verdicts.push(match &opened {
            Ok(_) => Verdict::Accept,
            Err(error) => srtp_verdict(*error),
        });
        plain.push(opened.ok().map(|bytes| hex::encode(&bytes)));
    }
    let accepted = plain.iter().flatten().count();
    let why = format!("{accepted} of {} packets open", plain.len());
    let verdict = if accepted > 0 { Verdict::Accept } else { Verdict::Reject };
    Report::new(verdict, why, SrtpAnswer { verdicts, plain })
}

fn opener(question: &SrtpQuestion) -> Result<Opener, String> {
    let suite = Suite::from_name(&question.suite).ok_or("the suite is unknown")?;
    let secret = |text: &str| hex::decode(text).map(Secret::new).ok_or("a key is not hexadecimal");
    let (key, salt) = (secret(&question.master_key)?, secret(&question.master_salt)?);
    Opener::new(suite, &MasterKey { key, salt }).map_err(|error| error.to_string())
}

fn judge(
    plan: &MediaPlan,
    inbound: &mut Inbound,
    bytes: &[u8],
    now: Instant,
    events: &mut VecDeque<MediaEvent>,
) -> Report<RtpFields> {
    let packet = match RtpPacket::parse(bytes) {
        Ok(packet) => packet,
        Err(error) => return Report::reject(error),
    };
    let fields = read(plan, &packet);
    if demux::kind(bytes) == Kind::Rtcp {
        return Report::new(Verdict::Drop, "a packet type of RTCP", fields);
    }
    match inbound.rtp(plan, bytes, now, events) {
        Ok(taken) => match taken.inserted {
            Some(Inserted::Duplicate) => Report::new(Verdict::Drop, "the packet is there already", fields),
            Some(Inserted::Late) => Report::new(Verdict::Drop, "the packet's moment is over", fields),
            Some(Inserted::Kept) | None => Report::new(Verdict::Accept, "an RTP packet of this call", fields),
        },
        Err(error) => Report::new(rtp_verdict(error), error, fields),
    }
}

const fn rtp_verdict(error: Dropped) -> Verdict {
    match error {
        Dropped::Srtp(error) => srtp_verdict(error),
        Dropped::Rtp(_) | Dropped::Speech(_) | Dropped::Event(_) | Dropped::NoLevel => Verdict::Reject,
        Dropped::OldSource | Dropped::Stray | Dropped::UnknownPayloadType | Dropped::UnknownEvent => Verdict::Drop,
    }
}

const fn srtp_verdict(error: SrtpError) -> Verdict {
    match error {
        SrtpError::Replayed | SrtpError::TooOld => Verdict::Drop,
        SrtpError::Malformed(_)
        | SrtpError::Forged
        | SrtpError::NotEncrypted
        | SrtpError::KeyExhausted
        | SrtpError::TooManySources => Verdict::Reject,
    }
}

/// A call that agreed to everything that we offer.
fn plan() -> MediaPlan {
    MediaPlan {
        remote_rtp: SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000)),
        remote_rtcp: RemoteRtcp::Mux,
        direction: Direction::SendRecv,
        send: SendFormat {
            codec: Codec::Opus,
            payload_type: 111,
            ptime: Duration::from_millis(20),
            opus: OpusOptions::default(),
        },
        receive: BTreeMap::from([(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722), (111, Codec::Opus)]),
        send_events: BTreeMap::from([(8_000, 101), (48_000, 110)]),
        receive_events: BTreeMap::from([(101, 8_000), (110, 48_000)]),
        comfort_noise: false,
        srtp: None,
        ssrc: 0,
        cname: String::new(),
    }
}

fn read(plan: &MediaPlan, packet: &RtpPacket<'_>) -> RtpFields {
    let codec = plan.receive.get(&packet.payload_type).copied();
    let duration = codec.and_then(|codec| payload::duration(codec, packet.payload).ok());
    let event = plan.receive_events.get(&packet.payload_type);
    let event = event.and_then(|_| EventPayload::parse(packet.payload).ok());
    let sources = packet.csrcs.as_chunks::<4>().0.iter();
    RtpFields {
        marker: packet.marker,
        payload_type: packet.payload_type,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
        csrcs: sources.map(|word| u32::from_be_bytes(*word)).collect(),
        extension: packet.extension.map(|extension| extension.profile),
        padding: packet.padding,
        payload_len: packet.payload.len(),
        codec,
        duration_ms: duration.map(|length| length.as_secs_f64() * 1_000.0),
        event: event.map(|event| EventFields {
            event: event.event,
            end: event.end,
            volume: event.volume,
            duration: event.duration,
        }),
    }
}

fn fields(packet: RtcpPacket) -> RtcpFields {
    let of = |blocks: Vec<rtcp::ReportBlock>| {
        let block = |block: rtcp::ReportBlock| BlockFields {
            ssrc: block.ssrc,
            fraction_lost: block.fraction_lost,
            cumulative_lost: block.cumulative_lost,
            jitter: block.jitter,
        };
        blocks.into_iter().map(block).collect()
    };
    match packet {
        RtcpPacket::SenderReport { ssrc, info, blocks } => RtcpFields::SenderReport {
            ssrc,
            packets: info.packets,
            octets: info.octets,
            blocks: of(blocks),
        },
        RtcpPacket::ReceiverReport { ssrc, blocks } => RtcpFields::ReceiverReport {
            ssrc,
            blocks: of(blocks),
        },
        RtcpPacket::SourceDescription(chunks) => RtcpFields::SourceDescription {
            chunks: chunks.into_iter().map(|chunk| (chunk.ssrc, chunk.cname)).collect(),
        },
        RtcpPacket::Bye { sources, reason } => RtcpFields::Bye { sources, reason },
        RtcpPacket::App { ssrc, name } => RtcpFields::App {
            ssrc,
            name: String::from_utf8_lossy(&name).into_owned(),
        },
        RtcpPacket::Unknown(packet_type) => RtcpFields::Unknown { packet_type },
    }
}

/// The packet behind a length in two bytes, and what follows.
fn framed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload_type: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let head = [0x80, payload_type, 0, 0, 0, 0, 3, 0xc0, 0, 0, 0, 7];
        let mut bytes = [head.as_slice(), payload].concat();
        bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
        bytes
    }

    #[test]
    fn each_agreed_payload_type_is_accepted_and_others_are_dropped() {
        for (payload_type, payload) in [(0, &[0; 160][..]), (8, &[0; 160]), (9, &[0; 160]), (111, &[8, 1, 2])] {
            let report = rtp(&packet(payload_type, 1, payload));
            assert_eq!(report.verdict, Verdict::Accept, "{report:?}");
            assert_eq!(report.decoded.unwrap().duration_ms, Some(20.0));
        }
        for payload_type in [101, 110] {
            let report = rtp(&packet(payload_type, 1, &[5, 0x8a, 3, 0x20]));
            assert_eq!(report.verdict, Verdict::Accept);
            let event = report.decoded.unwrap().event.unwrap();
            assert_eq!(
                (event.event, event.end, event.volume, event.duration),
                (5, true, 10, 800)
            );
        }
        assert_eq!(rtp(&packet(96, 1, &[0])).verdict, Verdict::Drop);
        assert_eq!(
            rtp(&packet(101, 1, &[17, 0, 0, 0])).verdict,
            Verdict::Drop,
            "an event beyond 0-16"
        );
    }

    #[test]
    fn a_payload_that_breaks_its_own_framing_is_refused_with_the_reason() {
        let report = rtp(&packet(111, 1, &[(1 << 3) | 1, 0, 0, 0]));
        assert_eq!(report.verdict, Verdict::Reject);
        assert_eq!(report.why, "the Opus frame lengths do not fit the packet");
        assert_eq!(rtp(&packet(101, 1, &[1, 2, 3])).verdict, Verdict::Reject);
        assert_eq!(rtp(&[0x40; 12]).verdict, Verdict::Reject);
        assert_eq!(rtp(&[]).verdict, Verdict::Reject);
    }

    #[test]
    fn a_sequence_is_judged_packet_by_packet() {
        let framed = |packets: &[Vec<u8>]| -> Vec<u8> {
            let one = |packet: &Vec<u8>| [&(packet.len() as u16).to_be_bytes(), packet.as_slice()].concat();
            packets.iter().flat_map(one).collect()
        };
        let digit = |sequence| packet(101, sequence, &[5, 0x8a, 3, 0x20]);
        let speech = |sequence| packet(8, sequence, &[0; 160]);
        let bytes = framed(&[
            speech(1),
            speech(3),
            speech(3),
            digit(4),
            digit(5),
            vec![0; 3],
            speech(40_000),
        ]);
        let decoded = rtp_sequence(&bytes).decoded.unwrap();
        let verdicts: Vec<Verdict> = decoded.packets.iter().map(|report| report.verdict).collect();
        use Verdict::{Accept, Drop, Reject};
        assert_eq!(verdicts, [Accept, Accept, Drop, Accept, Accept, Reject, Drop]);
        assert_eq!((decoded.digits.as_str(), decoded.received), ("5", 5));
        assert_eq!(rtp_sequence(&bytes[..bytes.len() - 1]).verdict, Reject);
    }

    #[test]
    fn reports_are_decoded_and_lies_refused() {
        let bytes = rtcp::Compound::report(7, None, &[])
            .description(7, "me")
            .bye(7)
            .into_bytes();
        let report = rtcp(&bytes);
        assert_eq!(report.verdict, Verdict::Accept);
        let bye = RtcpFields::Bye {
            sources: vec![7],
            reason: None,
        };
        assert_eq!(report.decoded.unwrap().last(), Some(&bye));
        assert_eq!(rtcp(&bytes[1..]).verdict, Verdict::Reject);
    }

    #[test]
    fn protected_packets_are_opened_once_and_forgeries_refused() {
        let suite = Suite::AES_CM_128_HMAC_SHA1_80;
        let master = MasterKey {
            key: Secret::new([1; 16]),
            salt: Secret::new([2; 14]),
        };
        let mut protector = crate::media::srtp::Protector::new(suite, &master).unwrap();
        let plain = packet(8, 1, &[9; 20]);
        let sealed = protector.protect_rtp(&plain).unwrap();
        let mut forged = protector.protect_rtp(&packet(8, 2, &[9; 20])).unwrap();
        forged[20] ^= 1;
        let mut question = SrtpQuestion {
            suite: suite.name().to_owned(),
            master_key: "01".repeat(16),
            master_salt: "02".repeat(14),
            rtcp: false,
            packets: [&sealed, &sealed, &forged].map(|bytes| hex::encode(bytes)).to_vec(),
        };
        let answer = srtp_sequence(&question).decoded.unwrap();
        assert_eq!(answer.verdicts, [Verdict::Accept, Verdict::Drop, Verdict::Reject]);
        assert_eq!(answer.plain, [Some(hex::encode(&plain)), None, None]);
        question.master_key.pop();
        assert_eq!(srtp_sequence(&question).verdict, Verdict::Reject);
        question.suite = "NULL".to_owned();
        assert_eq!(srtp_sequence(&question).why, "the suite is unknown");
    }
}
