//! The answer to a challenge: Authorization and Proxy-Authorization (RFC 3261 20.7 and 20.28, RFC 7616 3.4).
//!
//! Written by the phone; read by the practice exchange, and by the phone itself to see which nonce a request carried.

#![warn(clippy::arithmetic_side_effects)]

use super::digest::{Algorithm, Input, Qop};
use super::params::{Quoted, schemes};
use crate::secret::Secret;
use std::fmt;
use subtle::ConstantTimeEq;

/// Digest credentials; every text is the unquoted value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Who claims to be known.
    pub username: String,
    /// To whom.
    pub realm: String,
    /// The challenge that is answered.
    pub nonce: String,
    /// The Request-URI, as the sender wrote it.
    pub uri: String,
    /// The digest, in hexadecimal.
    pub response: String,
    /// The hash it is made of.
    pub algorithm: Algorithm,
    /// What it covers and how often the nonce was used; none in RFC 2069's form.
    pub protection: Option<Protection>,
    /// What the challenge wanted back.
    pub opaque: Option<String>,
}

/// `qop`, `nc` and `cnonce`, which come together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protection {
    /// What the digest covers.
    pub qop: Qop,
    /// How often the nonce was used, this time included.
    pub nc: u32,
    /// The client's own nonce.
    pub cnonce: String,
}

impl Credentials {
    /// Reads a header field value; `None` if it is no complete digest.
    pub fn parse(value: &str) -> Option<Self> {
        let scheme = schemes(value)?.into_iter().next()?;
        if !scheme.name.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let text = |name| scheme.parameters.get(name);
        let owned = |name| text(name).map(str::to_owned);
        Some(Self {
            username: owned("username")?,
            realm: owned("realm")?,
            nonce: owned("nonce")?,
            uri: owned("uri")?,
            response: owned("response")?,
            algorithm: text("algorithm").map_or(Some(Algorithm::Md5), Algorithm::from_token)?,
            protection: match text("qop") {
                Some(qop) => Some(Protection::read(qop, text("nc")?, text("cnonce")?)?),
                None => None,
            },
            opaque: owned("opaque"),
        })
    }

    /// Whether they prove that the sender knows `password`. The caller checks realm, nonce, nc and URI.
    pub fn prove(&self, password: &Secret, method: &str, body: &[u8]) -> bool {
        let expected = self.digest(password, method, body);
        let given = self.response.to_ascii_lowercase();
        expected.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Fills in `response`.
    pub(super) fn sign(&mut self, password: &Secret, method: &str, body: &[u8]) {
        self.response = self.digest(password, method, body);
    }

    /// The digest over these parameters. With an empty method it is `rspauth`, the server's proof.
    pub(super) fn digest(&self, password: &Secret, method: &str, body: &[u8]) -> String {
        let nc = self.protection.as_ref().map(Protection::nc_digits).unwrap_or_default();
        Input {
            algorithm: self.algorithm,
            username: &self.username,
            realm: &self.realm,
            password,
            method,
            uri: &self.uri,
            nonce: &self.nonce,
            protection: self
                .protection
                .as_ref()
                .map(|protection| (protection.qop, nc.as_str(), protection.cnonce.as_str())),
            body,
        }
        .response()
    }
}

impl Protection {
    fn read(qop: &str, nc: &str, cnonce: &str) -> Option<Self> {
        let is_count = nc.len() == 8 && nc.bytes().all(|digit| digit.is_ascii_hexdigit());
        Some(Self {
            qop: [Qop::Auth, Qop::AuthInt]
                .into_iter()
                .find(|known| known.name().eq_ignore_ascii_case(qop))?,
            nc: u32::from_str_radix(nc, 16).ok().filter(|_| is_count)?,
            cnonce: cnonce.to_owned(),
        })
    }

    /// The count as its eight digits.
    fn nc_digits(&self) -> String {
        format!("{:08x}", self.nc)
    }
}

impl fmt::Display for Credentials {
    /// The value of the header field, quoted as RFC 7616 3.4 demands: `qop`, `nc` and `algorithm` bare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response={}, algorithm={}",
            Quoted(&self.username),
            Quoted(&self.realm),
            Quoted(&self.nonce),
            Quoted(&self.uri),
            Quoted(&self.response),
            self.algorithm,
        )?;
        if let Some(protection) = &self.protection {
            let (qop, nc) = (protection.qop.name(), protection.nc_digits());
            write!(f, ", qop={qop}, nc={nc}, cnonce={}", Quoted(&protection.cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let mut credentials = Credentials {
            username: "a\"b\\c".into(),
            realm: "pbx, \"inside\"".into(),
            nonce: "n".into(),
            uri: "sip:pbx.example".into(),
            response: String::new(),
            algorithm: Algorithm::Sha256,
            protection: Some(Protection {
                qop: Qop::Auth,
                nc: 10,
                cnonce: "c".into(),
            }),
            opaque: Some(String::new()),
        };
        credentials.sign(&Secret::new("s3cret"), "REGISTER", b"");
        credentials
    }

    #[test]
    fn awkward_names_survive_quoting_and_are_hashed_unquoted() {
        let credentials = credentials();
        let text = credentials.to_string();
        assert!(
            text.starts_with(r#"Digest username="a\"b\\c", realm="pbx, \"inside\"","#),
            "{text}"
        );
        assert!(
            text.contains(", algorithm=SHA-256, qop=auth, nc=0000000a, cnonce=\"c\", opaque=\"\""),
            "{text}"
        );
        let read = Credentials::parse(&text).unwrap();
        assert_eq!(read, credentials);
        assert!(read.prove(&Secret::new("s3cret"), "REGISTER", b""));
        assert!(!read.prove(&Secret::new("S3cret"), "REGISTER", b""));
        assert!(!read.prove(&Secret::new("s3cret"), "INVITE", b""));
    }

    #[test]
    fn incomplete_credentials_are_refused() {
        let text = credentials().to_string();
        for broken in [
            text.replace("Digest ", "Basic "),
            text.replace("qop=auth", "qop=auth-conf"),
            text.replace("nc=0000000a", "nc=a"),
            text.replace("nc=0000000a", "nc=+000000a"),
            text.replace("nc=0000000a, ", ""),
            text.replace("SHA-256", "SHA-3"),
            text.replace("uri=", "url="),
        ] {
            assert_eq!(Credentials::parse(&broken), None, "{broken}");
        }
    }
}
