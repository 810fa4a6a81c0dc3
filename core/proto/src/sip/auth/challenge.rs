//! A digest challenge as read from WWW-Authenticate or Proxy-Authenticate (RFC 3261 20.44, RFC 7616 3.3, RFC 8760).
//!
//! Read, not judged: which one is answered, and whether any is, is decided in [`super::choice`]. Other schemes than
//! Digest, unknown algorithms and unknown qualities of protection are told apart from malformed ones, because the
//! refusal that the user sees differs.

#![warn(clippy::arithmetic_side_effects)]

use super::digest::{Algorithm, Qop};
use super::params::{Quoted, Scheme, schemes};
use std::fmt;

/// A challenge that can be answered, if the rules allow it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// Whose password is asked for.
    pub realm: String,
    /// What the digest must cover.
    pub nonce: String,
    /// What must be sent back as it is.
    pub opaque: Option<String>,
    /// MD5 where none is named.
    pub algorithm: Algorithm,
    /// `auth` where it is offered, `auth-int` where that alone is; none where the server offers no qop at all
    /// (RFC 2069's form, which old servers still ask for).
    pub qop: Option<Qop>,
    /// Only the nonce was too old: no reason to doubt the password.
    pub stale: bool,
}

/// What one scheme of a challenging header field amounts to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Offer {
    Digest(Challenge),
    /// A digest that this phone does not compute: an unknown algorithm or quality of protection. `strong` if it names
    /// one of RFC 8760's algorithms nevertheless.
    Unknown {
        realm: String,
        strong: bool,
    },
    /// Basic, or anything else that is not Digest.
    OtherScheme(String),
    Malformed,
}

/// All offers of one header field value, in the server's order.
pub(super) fn read(value: &str) -> Vec<Offer> {
    match schemes(value) {
        Some(schemes) => schemes.iter().map(offer).collect(),
        None => vec![Offer::Malformed],
    }
}

fn offer(scheme: &Scheme) -> Offer {
    if !scheme.name.eq_ignore_ascii_case("Digest") {
        return Offer::OtherScheme(scheme.name.clone());
    }
    let text = |name| scheme.parameters.get(name);
    let (Some(realm), Some(nonce)) = (text("realm"), text("nonce")) else {
        return Offer::Malformed;
    };
    let stale = match text("stale") {
        Some(word) if word.eq_ignore_ascii_case("true") => true,
        Some(word) if word.eq_ignore_ascii_case("false") => false,
        // RFC 7616 3.3: any other value means false.
        Some(_) | None => false,
    };
    let algorithm = text("algorithm").map_or(Some(Algorithm::Md5), Algorithm::from_token);
    match (algorithm, text("qop").map_or(Ok(None), choose_qop)) {
        (Some(algorithm), Ok(qop)) => Offer::Digest(Challenge {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            opaque: text("opaque").map(str::to_owned),
            algorithm,
            qop,
            stale,
        }),
        (algorithm, _) => Offer::Unknown {
            realm: realm.to_owned(),
            strong: algorithm.is_some_and(Algorithm::is_strong),
        },
    }
}

/// `auth` of a list that has it, else `auth-int`; an error if it has neither.
fn choose_qop(list: &str) -> Result<Option<Qop>, ()> {
    let has = |qop: Qop| list.split(',').any(|word| word.trim().eq_ignore_ascii_case(qop.name()));
    [Qop::Auth, Qop::AuthInt]
        .into_iter()
        .find(|qop| has(*qop))
        .map(Some)
        .ok_or(())
}

impl fmt::Display for Challenge {
    /// The value of a challenging header field, for the practice exchange and the tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (realm, nonce) = (Quoted(&self.realm), Quoted(&self.nonce));
        write!(f, "Digest realm={realm}, nonce={nonce}, algorithm={}", self.algorithm)?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if let Some(qop) = self.qop {
            write!(f, ", qop=\"{}\"", qop.name())?;
        }
        f.write_str(if self.stale { ", stale=true" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(value: &str) -> Offer {
        let mut offers = read(value);
        assert_eq!(offers.len(), 1, "{value}");
        offers.remove(0)
    }

    fn digest(value: &str) -> Challenge {
        match only(value) {
            Offer::Digest(challenge) => challenge,
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn the_challenge_of_rfc_3261_section_20_44_is_read() {
        let challenge = digest(
            r#"Digest realm="atlanta.com", domain="sip:boxesbybob.com", qop="auth", nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=FALSE, algorithm=MD5"#,
        );
        let expected = Challenge {
            realm: "atlanta.com".into(),
            nonce: "f84f1cec41e6cbe5aea9c8e88d359".into(),
            opaque: Some(String::new()),
            algorithm: Algorithm::Md5,
            qop: Some(Qop::Auth),
            stale: false,
        };
        assert_eq!(challenge, expected);
    }

    #[test]
    fn auth_is_preferred_to_auth_int_which_is_taken_when_alone() {
        let qop = |list: &str| digest(&format!(r#"Digest realm="r",nonce="n",qop="{list}""#)).qop;
        assert_eq!(qop("auth-int, auth"), Some(Qop::Auth));
        assert_eq!(qop("AUTH-INT"), Some(Qop::AuthInt));
        assert_eq!(digest(r#"Digest realm="r",nonce="n""#).qop, None);
    }

    #[test]
    fn a_challenge_without_algorithm_means_md5_and_case_does_not_matter() {
        assert_eq!(digest(r#"DIGEST realm="r",nonce="n""#).algorithm, Algorithm::Md5);
        assert_eq!(
            digest(r#"Digest realm="r",nonce="n",algorithm="sha-256""#).algorithm,
            Algorithm::Sha256
        );
        assert_eq!(
            digest(r#"Digest realm="r",nonce="n",algorithm=SHA-512-256"#).algorithm,
            Algorithm::Sha512Half
        );
        assert!(digest(r#"Digest realm="r",nonce="n",stale="TRUE""#).stale);
        assert!(!digest(r#"Digest realm="r",nonce="n",stale=maybe"#).stale);
    }

    #[test]
    fn a_written_challenge_is_read_back_unchanged() {
        let written = Challenge {
            realm: "a \"quoted\" realm".into(),
            nonce: "n\\1".into(),
            opaque: Some("o".into()),
            algorithm: Algorithm::Sha512Half,
            qop: Some(Qop::AuthInt),
            stale: true,
        };
        assert_eq!(digest(&written.to_string()), written);
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let unknown = |strong| Offer::Unknown {
            realm: "r".into(),
            strong,
        };
        assert_eq!(
            only(r#"Digest realm="r",nonce="n",algorithm=AKAv1-MD5"#),
            unknown(false)
        );
        assert_eq!(
            only(r#"Digest realm="r",nonce="n",algorithm=MD5,qop="auth-conf""#),
            unknown(false)
        );
        assert_eq!(
            only(r#"Digest realm="r",nonce="n",algorithm=SHA-256,qop="""#),
            unknown(true)
        );
        assert_eq!(only(r#"Basic realm="r""#), Offer::OtherScheme("Basic".into()));
        assert_eq!(only(r#"Digest realm="r""#), Offer::Malformed);
        assert_eq!(only(r#"Digest nonce="n""#), Offer::Malformed);
        assert_eq!(only("Digest"), Offer::Malformed);
    }
}
