//! `toestel probe challenge`: what the first REGISTER of an account would answer to a challenge.
//!
//! `drop` is a challenge that is well-formed and gets no answer: another scheme, an unknown algorithm, another realm.

use super::{Algorithm, Authenticator, Credentials, Memory, Refusal};
use crate::probe::{Report, Verdict};
use crate::random::Random;
use crate::secret::Secret;
use crate::sip::msg::{HeaderName, Host, Method, NameAddr, Request, Response, StatusCode, Uri};
use serde::Serialize;

/// What a challenge decodes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Decoded {
    /// The algorithm of the answer; `None` if there is none.
    pub answer: Option<Algorithm>,
}

/// Judges the header lines of a 401 or 407 to the first REGISTER of an account at `domain`, with no nonce known and no
/// realm proven: a challenge for `domain` is preferred, and that of another single realm is answered as it would be
/// then. Lines may be folded and end in CRLF or LF; what is no header line is skipped.
pub fn challenge(lines: &str, domain: &str) -> Report<Decoded> {
    match answer(lines, domain) {
        Ok(algorithm) => Report::new(
            Verdict::Accept,
            format!("answered with {algorithm}"),
            Decoded {
                answer: Some(algorithm),
            },
        ),
        Err(refusal) => {
            let is_malformed = matches!(refusal, Refusal::Malformed | Refusal::Missing);
            let verdict = if is_malformed { Verdict::Reject } else { Verdict::Drop };
            Report::new(verdict, refusal, Decoded { answer: None })
        }
    }
}

fn answer(lines: &str, domain: &str) -> Result<Algorithm, Refusal> {
    let host = domain.parse().unwrap_or_else(|_| Host::Name(domain.to_owned()));
    let aor = NameAddr::new(Uri::sip("probe", host.clone()));
    let register = Request::new(Method::Register, Uri::sip_host(host), aor.clone(), aor, "probe", 1);
    let mut response = Response::to(&register, StatusCode::UNAUTHORIZED);
    for line in unfold(lines) {
        if let Some((name, value)) = line.split_once(':') {
            response.headers.push(HeaderName::new(name.trim()), value.trim());
        }
    }
    let mut authenticator = Authenticator::new("probe", Secret::new("probe"), domain, Memory::default());
    let retry = authenticator.answer(&register, &response, &mut Random::seeded(0))?;
    let again = retry.request(&register);
    [HeaderName::Authorization, HeaderName::ProxyAuthorization]
        .into_iter()
        .find_map(|name| Credentials::parse(again.headers.get(name)?))
        .map(|credentials| credentials.algorithm)
        .ok_or(Refusal::Missing)
}

fn unfold(lines: &str) -> Vec<String> {
    let mut unfolded: Vec<String> = Vec::new();
    for line in lines.lines() {
        match unfolded.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => unfolded.push(line.to_owned()),
        }
    }
    unfolded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(lines: &str) -> (Verdict, Option<Algorithm>) {
        let report = challenge(lines, "pbx.example");
        (report.verdict, report.decoded.unwrap().answer)
    }

    #[test]
    fn the_strongest_of_several_lines_is_answered() {
        let lines = "WWW-Authenticate: Digest realm=\"pbx.example\", nonce=\"a\", algorithm=MD5, qop=\"auth\"\r\n\
                     www-authenticate : Digest realm=\"pbx.example\",\r\n nonce=\"b\", algorithm=SHA-256, qop=\"auth\"\r\n";
        assert_eq!(verdict(lines), (Verdict::Accept, Some(Algorithm::Sha256)));
    }

    #[test]
    fn a_proxys_challenge_and_a_pbx_of_another_name_are_answered_too() {
        let proxy = "Proxy-Authenticate: Digest realm=\"asterisk\", nonce=\"a\"\n";
        assert_eq!(verdict(proxy), (Verdict::Accept, Some(Algorithm::Md5)));
    }

    #[test]
    fn what_gets_no_answer_is_dropped_if_well_formed_and_rejected_if_not() {
        let basic = "WWW-Authenticate: Basic realm=\"pbx.example\"";
        let unknown = "WWW-Authenticate: Digest realm=\"pbx.example\", nonce=\"n\", algorithm=SHA-3";
        for well_formed in [basic, unknown] {
            assert_eq!(verdict(well_formed), (Verdict::Drop, None), "{well_formed}");
        }
        let open = "WWW-Authenticate: Digest realm=\"pbx.example";
        for broken in ["", "SIP/2.0 401 Unauthorized", open] {
            assert_eq!(verdict(broken), (Verdict::Reject, None), "{broken}");
        }
    }
}
