//! `toestel probe sdp`: an offer to an account that requires encryption, with SDES over TLS.

use super::description::{Connection, Description, Media};
use super::negotiate::{LocalPath, MediaSettings, Negotiated, Negotiation, Refusal};
use super::parse;
use crate::codec::{Codec, Direction, Suite};
use crate::probe::{Report, Verdict};
use crate::random::Random;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What was read of an offer, and what would come of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Decoded {
    /// The sections on offer, in order.
    pub media: Vec<Section>,
    /// What the answer would agree on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Agreed>,
    /// The SIP status code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The code in the refusal's Warning header field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<u16>,
}

/// One section on offer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Section {
    /// `audio`, `video`, …
    pub kind: String,
    /// The port.
    pub port: u16,
    /// The transport.
    pub profile: String,
    /// The formats.
    pub formats: Vec<String>,
    /// The literal address, if it is one.
    pub address: Option<IpAddr>,
    /// Which way it flows, seen from the far end.
    pub direction: Direction,
}

/// The agreed stream, seen from us, without its keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Agreed {
    /// Where RTP goes; absent on hold by an unspecified address.
    pub rtp: Option<SocketAddr>,
    /// Where RTCP goes.
    pub rtcp: Option<SocketAddr>,
    /// Whether they share a port.
    pub rtcp_mux: bool,
    /// Which way sound flows.
    pub direction: Direction,
    /// Whether the far end holds us.
    pub held: bool,
    /// What is sent.
    pub codec: Codec,
    /// Under which payload type.
    pub payload_type: u8,
    /// The packet time in milliseconds.
    pub ptime: u64,
    /// The SRTP suite.
    pub suite: Option<Suite>,
    /// What each arriving payload type means.
    pub receive: BTreeMap<u8, Codec>,
    /// The clock rates of arriving digits by payload type.
    pub events: BTreeMap<u8, u32>,
}

/// Judges an offer.
pub fn probe(offer: &[u8]) -> Report<Decoded> {
    let description = match parse::parse(offer) {
        Ok(description) => description,
        Err(error) => return Report::reject(error),
    };
    let media = description
        .media
        .iter()
        .map(|media| section(&description, media))
        .collect();
    let mut decoded = Decoded {
        media,
        agreed: None,
        status: None,
        warning: None,
    };
    match negotiate(offer) {
        Ok(agreed) => {
            decoded.agreed = Some(agreed);
            Report::new(Verdict::Accept, "an offer that is answered", decoded)
        }
        Err(refusal) => {
            decoded.status = Some(refusal.status());
            decoded.warning = refusal.warning().map(|(code, _)| code);
            Report::new(Verdict::Reject, refusal, decoded)
        }
    }
}

/// Answers from a path of whichever address family the offer has.
fn negotiate(offer: &[u8]) -> Result<Agreed, Refusal> {
    let from = |ip: IpAddr| {
        // The answer is thrown away, so its keys need not be strong.
        let mut random = Random::seeded(0);
        let mut negotiation = Negotiation::new(MediaSettings::default(), &mut random);
        let path = LocalPath::plain(SocketAddr::new(ip, 40_000));
        let answered = negotiation.answer(offer, &path, Direction::SendRecv, &mut random);
        answered.map(|(_, result)| agreed(result))
    };
    match from(Ipv4Addr::LOCALHOST.into()) {
        Err(Refusal::AddressFormat) => from(Ipv6Addr::LOCALHOST.into()),
        verdict => verdict,
    }
}

fn section(description: &Description, media: &Media) -> Section {
    Section {
        kind: media.kind.clone(),
        port: media.port,
        profile: media.profile.name().to_owned(),
        formats: media.formats.clone(),
        address: description.connection_of(media).and_then(Connection::as_ip),
        direction: description.direction_of(media),
    }
}

fn agreed(result: &Negotiated) -> Agreed {
    Agreed {
        rtp: result.remote.map(|remote| remote.rtp),
        rtcp: result.remote.map(|remote| remote.rtcp),
        rtcp_mux: result.rtcp_mux,
        direction: result.direction,
        held: result.held_by_them,
        codec: result.send.codec,
        payload_type: result.send.payload_type,
        ptime: u64::try_from(result.send.ptime.as_millis()).unwrap_or(u64::MAX),
        suite: result.srtp.as_ref().map(|srtp| srtp.suite),
        receive: result.receive.clone(),
        events: result.receive_events.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(profile: &str, address: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN {address}\r\ns=-\r\nc=IN {address}\r\nt=0 0\r\nm=audio 4000 {profile} 8\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n"
        )
    }

    #[test]
    fn an_encrypted_offer_of_either_family_is_accepted_with_what_is_agreed() {
        for address in ["IP4 192.0.2.1", "IP6 2001:db8::1"] {
            let report = probe(offer("RTP/SAVP", address).as_bytes());
            assert_eq!(report.verdict, Verdict::Accept, "{address}");
            let agreed = report.decoded.unwrap().agreed.unwrap();
            assert_eq!(
                (agreed.codec, agreed.suite),
                (Codec::Pcma, Some(Suite::AES_CM_128_HMAC_SHA1_80))
            );
            assert_eq!(agreed.rtp.map(|rtp| rtp.port()), Some(4000));
        }
    }

    #[test]
    fn a_plain_offer_is_rejected_with_488_and_its_warning() {
        let report = probe(offer("RTP/AVP", "IP4 192.0.2.1").as_bytes());
        assert_eq!(report.verdict, Verdict::Reject);
        let decoded = report.decoded.unwrap();
        assert_eq!((decoded.status, decoded.warning), (Some(488), Some(302)));
        assert_eq!(decoded.media[0].profile, "RTP/AVP");
    }

    #[test]
    fn what_is_not_sdp_is_rejected_without_a_decoding() {
        let report = probe(b"hello");
        assert_eq!((report.verdict, report.decoded), (Verdict::Reject, None));
    }
}
