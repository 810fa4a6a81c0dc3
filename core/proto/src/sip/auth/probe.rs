//! A challenge judged on its own: what a fresh REGISTER of an account would answer to it.

use super::{Algorithm, Authenticator, Credentials, Memory, Refusal};
use crate::random::Random;
use crate::secret::Secret;
use crate::sip::msg::{HeaderName, Host, Method, NameAddr, Request, Response, StatusCode, Uri};

/// What became of a challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The algorithm of the answer, or why there is none.
    pub answer: Result<Algorithm, Refusal>,
}

impl Probe {
    /// Whether the challenge was well-formed, answered or not.
    pub fn is_well_formed(&self) -> bool {
        !matches!(self.answer, Err(Refusal::Malformed | Refusal::Missing))
    }
}

/// Judges the header lines of a 401 or 407 to the first REGISTER of an account at `domain`, with no nonce known and no
/// realm proven. Lines may be folded and end in CRLF or LF; what is no header line is skipped.
pub fn probe(lines: &str, domain: &str) -> Probe {
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
    let answer = authenticator.answer(&register, &response, &mut Random::seeded(0));
    Probe {
        answer: answer.and_then(|retry| {
            let again = retry.request(&register);
            [HeaderName::Authorization, HeaderName::ProxyAuthorization]
                .into_iter()
                .find_map(|name| Credentials::parse(again.headers.get(name)?))
                .map(|credentials| credentials.algorithm)
                .ok_or(Refusal::Missing)
        }),
    }
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

    fn answer(lines: &str) -> Result<Algorithm, Refusal> {
        probe(lines, "pbx.example").answer
    }

    #[test]
    fn the_strongest_of_several_lines_is_answered() {
        let lines = "WWW-Authenticate: Digest realm=\"pbx.example\", nonce=\"a\", algorithm=MD5, qop=\"auth\"\r\n\
                     WWW-Authenticate: Digest realm=\"pbx.example\",\r\n nonce=\"b\", algorithm=SHA-256, qop=\"auth\"\r\n";
        assert_eq!(answer(lines), Ok(Algorithm::Sha256));
    }

    #[test]
    fn a_proxys_challenge_and_a_pbx_of_another_name_are_answered_too() {
        let proxy = "Proxy-Authenticate: Digest realm=\"asterisk\", nonce=\"a\"\n";
        assert_eq!(answer(proxy), Ok(Algorithm::Md5));
    }

    #[test]
    fn what_gets_no_answer_says_whether_it_was_well_formed() {
        let basic = probe("WWW-Authenticate: Basic realm=\"pbx.example\"", "pbx.example");
        assert_eq!(basic.answer, Err(Refusal::Scheme("Basic".into())));
        assert!(basic.is_well_formed());
        for broken in [
            "",
            "SIP/2.0 401 Unauthorized",
            "WWW-Authenticate: Digest realm=\"pbx.example",
        ] {
            assert!(!probe(broken, "pbx.example").is_well_formed(), "{broken}");
        }
    }
}
