//! The one door to the probes: which of the phone's readers judges what, and the line that comes of it.
//!
//! Nothing is parsed here but the question itself (the kind, a key, the JSON around SRTP packets); each verdict is
//! reached by the code of a call, in the `probe` module of the machine concerned.

use serde::Serialize;
use serde_json::Value;
use toestel_proto::media::session::probe as media;
use toestel_proto::nat::stun;
use toestel_proto::policy::dial;
use toestel_proto::probe::{Report, Verdict};
use toestel_proto::sdp;
use toestel_proto::secret::Secret;
use toestel_proto::sip;

/// The domain of the account that a challenge is answered for. A challenge for another realm is answered as it is at a
/// PBX whose realm is not its domain, so the name is of no weight.
const DOMAIN: &str = "probe.invalid";

/// What the bytes are taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One datagram of SIP.
    Sip,
    /// A byte stream of SIP.
    SipStream,
    /// An offer.
    Sdp,
    /// One RTP packet, already decrypted.
    Rtp,
    /// RTP packets, each behind its length in two bytes.
    RtpSequence,
    /// A compound RTCP packet, already decrypted.
    Rtcp,
    /// One STUN datagram.
    Stun,
    /// SRTP or SRTCP packets and their key, as JSON.
    SrtpSequence,
    /// The header lines of an answer to REGISTER.
    Challenge,
    /// What somebody typed or pasted to be called.
    Dial,
}

impl Kind {
    /// All kinds, by the words that name them.
    pub const ALL: [(&str, Self); 10] = [
        ("sip", Self::Sip),
        ("sip-stream", Self::SipStream),
        ("sdp", Self::Sdp),
        ("rtp", Self::Rtp),
        ("rtp-sequence", Self::RtpSequence),
        ("rtcp", Self::Rtcp),
        ("stun", Self::Stun),
        ("srtp-sequence", Self::SrtpSequence),
        ("challenge", Self::Challenge),
        ("dial", Self::Dial),
    ];
}

impl std::str::FromStr for Kind {
    type Err = ProbeError;

    fn from_str(word: &str) -> Result<Self, ProbeError> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == word);
        found
            .map(|(_, kind)| kind)
            .ok_or_else(|| ProbeError::UnknownKind(word.to_owned()))
    }
}

/// Why there is no verdict: the question itself was wrong. The user erred.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No such kind.
    #[error(
        "There is no probe {0:?}: use sip, sip-stream, sdp, rtp, rtp-sequence, rtcp, stun, srtp-sequence, challenge or dial."
    )]
    UnknownKind(String),
    /// Only STUN is signed by a key that the question must bring.
    #[error("Only the probe \"stun\" takes a key.")]
    NoKeyTaken,
    /// The key has another form.
    #[error("The key is neither a string nor {{\"username\",\"realm\",\"password\"}}.")]
    BadKey,
    /// The JSON around the packets.
    #[error("The question is not {{\"suite\",\"master_key\",\"master_salt\",\"rtcp\",\"packets\"}}: {0}.")]
    BadQuestion(String),
}

/// A verdict, its reason, and what was understood.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason in a few words.
    pub why: String,
    /// What was read; an empty object where nothing could be.
    pub decoded: Value,
    /// The answer of `srtp-sequence` once more, where its readers look for it: beside the verdict.
    #[serde(flatten)]
    pub srtp: Option<media::SrtpAnswer>,
}

/// Judges `input` as a call would.
///
/// # Errors
/// When the question is wrong; wrong input is a verdict.
pub fn probe(kind: Kind, input: &[u8], key: Option<&Value>) -> Result<Judgement, ProbeError> {
    if key.is_some() && kind != Kind::Stun {
        return Err(ProbeError::NoKeyTaken);
    }
    Ok(match kind {
        Kind::Sip => judgement(sip::probe::datagram(input)),
        Kind::SipStream => judgement(sip::probe::stream(input)),
        Kind::Sdp => judgement(sdp::probe::probe(input)),
        Kind::Rtp => judgement(media::rtp(input)),
        Kind::RtpSequence => judgement(media::rtp_sequence(input)),
        Kind::Rtcp => judgement(compound(media::rtcp(input))),
        Kind::Stun => judgement(stun::probe::probe(input, key.map(credentials).transpose()?.as_ref())),
        Kind::SrtpSequence => return srtp(input),
        Kind::Challenge => text(input, |lines| sip::auth::probe::challenge(lines, DOMAIN)),
        Kind::Dial => text(input, |typed| dial::probe::probe(one_line(typed))),
    })
}

fn judgement<T: Serialize>(report: Report<T>) -> Judgement {
    let decoded = report.decoded.and_then(|decoded| serde_json::to_value(decoded).ok());
    Judgement {
        verdict: report.verdict,
        why: report.why,
        decoded: decoded.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        srtp: None,
    }
}

fn text<T: Serialize>(input: &[u8], judge: impl FnOnce(&str) -> Report<T>) -> Judgement {
    match std::str::from_utf8(input) {
        Ok(text) => judgement(judge(text)),
        Err(_) => judgement(Report::<()>::reject("not UTF-8")),
    }
}

/// A line from a file or a pipe ends in a line break that nobody typed.
fn one_line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// What was decoded is always an object, also where it is a list of packets.
fn compound(report: Report<Vec<media::RtcpFields>>) -> Report<Value> {
    Report {
        verdict: report.verdict,
        why: report.why,
        decoded: report.decoded.map(|packets| serde_json::json!({ "packets": packets })),
    }
}

fn srtp(input: &[u8]) -> Result<Judgement, ProbeError> {
    let question = serde_json::from_slice(input).map_err(|error| ProbeError::BadQuestion(error.to_string()))?;
    let report = media::srtp_sequence(&question);
    let answer = report.decoded.clone();
    Ok(Judgement {
        srtp: answer,
        ..judgement(report)
    })
}

fn credentials(key: &Value) -> Result<stun::Credentials, ProbeError> {
    let field = |name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
    match key {
        Value::String(password) => Ok(stun::Credentials::ShortTerm(Secret::new(password.as_str()))),
        Value::Object(_) => match (field("username"), field("realm"), field("password")) {
            (Some(username), Some(realm), Some(password)) => Ok(stun::Credentials::LongTerm {
                username,
                realm,
                password: Secret::new(password),
            }),
            _ => Err(ProbeError::BadKey),
        },
        _ => Err(ProbeError::BadKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(kind: &str, input: &[u8]) -> Value {
        serde_json::to_value(probe(kind.parse().unwrap(), input, None).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_reaches_its_own_reader() {
        for (kind, input, verdict, word) in [
            ("sip", &b"GET / HTTP/1.1\r\n\r\n"[..], "reject", ""),
            ("sip-stream", b"\r\n\r\n", "accept", ""),
            ("sdp", b"v=1\r\n", "reject", ""),
            ("rtp", &[0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xd5], "accept", "RTP"),
            ("rtp-sequence", &[0, 9, 1], "reject", "length"),
            ("rtcp", &[0x80], "reject", ""),
            ("stun", &[1], "reject", ""),
            ("dial", b"0201234567\n", "accept", "called"),
            ("dial", &[0xff], "reject", "UTF-8"),
        ] {
            let line = line(kind, input);
            assert_eq!(line["verdict"], verdict, "{kind}: {line}");
            assert!(line["why"].as_str().unwrap().contains(word), "{kind}: {line}");
            assert!(line["decoded"].is_object(), "{kind}: {line}");
        }
    }

    /// What the contract says of a request that gets an answer at once, against what is judged.
    #[test]
    fn each_answer_has_the_verdict_that_the_contract_names() {
        let contract = include_str!("../../docs/agent.md");
        let (start, line, body) = ("INVITE sip:a@h.nl SIP/2.0", "Max-Forwards: 70", "");
        let many = "X: y\r\n".repeat(300) + line;
        let text = "Content-Type: text/plain";
        for (answer, start, line, body) in [
            (400, start, "Contact: <<", body),
            (416, "INVITE http://h.nl/ SIP/2.0", line, body),
            (420, start, "Require: telepathy", body),
            (505, "INVITE sip:a@h.nl SIP/7.0", line, body),
            (513, start, many.as_str(), body),
            (405, "REGISTER sip:h.nl SIP/2.0", line, body),
            (406, start, "Accept: text/plain", body),
            (415, start, text, "hello"),
            (501, "GUESS sip:a@h.nl SIP/2.0", line, body),
        ] {
            let method = start.split(' ').next().unwrap();
            let message = format!(
                "{start}\r\nVia: SIP/2.0/TLS h.nl;branch=z9hG4bK1\r\nFrom: <sip:b@h.nl>;tag=1\r\nTo: <sip:a@h.nl>\r\n\
                 Call-ID: c\r\nCSeq: 1 {method}\r\n{line}\r\n\r\n{body}"
            );
            let judged = self::line("sip", message.as_bytes());
            assert_eq!(judged["decoded"]["answer"]["status"], answer, "{judged}");
            let mut rows = contract
                .lines()
                .filter(|row| row.starts_with('|') && row.contains(&format!("{answer} ")));
            let verdict = format!("| `{}` |", judged["verdict"].as_str().unwrap());
            assert!(rows.any(|row| row.ends_with(&verdict)), "{answer}: {judged}");
        }
    }

    #[test]
    fn a_challenge_decodes_to_the_algorithm_of_its_answer_or_to_null() {
        let strong = b"WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";
        assert_eq!(line("challenge", strong)["decoded"], json!({"answer": "SHA-256"}));
        let basic = b"WWW-Authenticate: Basic realm=\"pbx\"\r\n";
        assert_eq!(line("challenge", basic)["decoded"], json!({"answer": null}));
    }

    #[test]
    fn the_answer_of_srtp_stands_beside_the_verdict_and_is_decoded_too() {
        let question = json!({
            "suite": "AES_CM_128_HMAC_SHA1_80", "master_key": "00".repeat(16), "master_salt": "00".repeat(14),
            "rtcp": false, "packets": ["80"],
        });
        let line = line("srtp-sequence", question.to_string().as_bytes());
        assert_eq!(line["verdicts"], json!(["reject"]));
        assert_eq!(line["plain"], json!([null]));
        assert_eq!(line["decoded"], json!({"verdicts": ["reject"], "plain": [null]}));
    }

    #[test]
    fn a_wrong_question_is_an_error_and_not_a_verdict() {
        assert!(matches!("sips".parse::<Kind>(), Err(ProbeError::UnknownKind(_))));
        assert_eq!(probe(Kind::Dial, b"1", Some(&json!("k"))), Err(ProbeError::NoKeyTaken));
        for key in [json!(1), json!({"username": "u"}), json!([])] {
            assert_eq!(probe(Kind::Stun, b"", Some(&key)), Err(ProbeError::BadKey));
        }
        assert!(matches!(
            probe(Kind::SrtpSequence, b"{}", None),
            Err(ProbeError::BadQuestion(_))
        ));
    }

    #[test]
    fn a_stun_key_asks_for_a_signature() {
        // A Binding request without attributes: well-formed, unsigned.
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let unsigned = probe(Kind::Stun, &request, None).unwrap();
        let missed = probe(Kind::Stun, &request, Some(&json!("k"))).unwrap();
        assert_eq!(missed.verdict, Verdict::Reject);
        assert_ne!(unsigned.verdict, Verdict::Reject);
    }
}
