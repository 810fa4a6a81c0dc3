//! The digest's arithmetic: H, A1, A2, `response` and `rspauth` (RFC 7616 3.4, RFC 8760 2).
//!
//! Nothing here decides whether a challenge may be answered. The `-sess` forms are not offered; a server that insists
//! on them is refused as one whose algorithms are unknown.

use crate::secret::Secret;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::fmt;
use zeroize::Zeroizing;

/// A hash that a digest may be made of. The order is that of strength.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub enum Algorithm {
    /// RFC 3261's only one, and the default where a challenge names none.
    #[serde(rename = "MD5")]
    Md5,
    /// RFC 8760.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// RFC 8760: SHA-512 truncated to 256 bits.
    #[serde(rename = "SHA-512-256")]
    Sha512Half,
}

impl Algorithm {
    /// The token of the registry "Hash Algorithms for HTTP Digest Authentication".
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512Half => "SHA-512-256",
        }
    }

    /// The algorithm called `token`, in any case of letters.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512Half]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(token))
    }

    /// Whether it is one of RFC 8760's; once a server offered one of these, MD5 is never answered.
    pub fn is_strong(self) -> bool {
        self != Self::Md5
    }

    /// H of `parts` joined by colons, as lower-case hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> Zeroizing<String> {
        match self {
            Self::Md5 => hash_with(Md5::new(), parts),
            Self::Sha256 => hash_with(Sha256::new(), parts),
            Self::Sha512Half => hash_with(Sha512_256::new(), parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Quality of protection: what the digest covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// Method, URI and body.
    AuthInt,
}

impl Qop {
    /// The token in `qop`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// What a digest is computed over; every text is the unquoted value.
pub(super) struct Input<'a> {
    pub algorithm: Algorithm,
    pub username: &'a str,
    pub realm: &'a str,
    pub password: &'a Secret,
    pub method: &'a str,
    pub uri: &'a str,
    pub nonce: &'a str,
    /// `qop`, `nc` as its eight digits, and `cnonce`; none in the form of RFC 2069 that a challenge without qop earns.
    pub protection: Option<(Qop, &'a str, &'a str)>,
    pub body: &'a [u8],
}

impl Input<'_> {
    /// The `response` parameter. With an empty method it is the server's proof, `rspauth` (RFC 7616 3.5).
    pub fn response(&self) -> String {
        let h = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let a1 = h(&[self.username.as_bytes(), self.realm.as_bytes(), self.password.expose()]);
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        let a2 = match self.protection {
            Some((Qop::AuthInt, ..)) => h(&[method, uri, h(&[self.body]).as_bytes()]),
            Some((Qop::Auth, ..)) | None => h(&[method, uri]),
        };
        let digest = match self.protection {
            Some((qop, nc, cnonce)) => h(&[
                a1.as_bytes(),
                self.nonce.as_bytes(),
                nc.as_bytes(),
                cnonce.as_bytes(),
                qop.name().as_bytes(),
                a2.as_bytes(),
            ]),
            None => h(&[a1.as_bytes(), self.nonce.as_bytes(), a2.as_bytes()]),
        };
        digest.to_string()
    }
}

fn hash_with(mut hasher: impl Digest, parts: &[&[u8]]) -> Zeroizing<String> {
    use fmt::Write;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    let mut hex = Zeroizing::new(String::with_capacity(64));
    for byte in hasher.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 3.9.1.
    fn mufasa(algorithm: Algorithm) -> String {
        Input {
            algorithm,
            username: "Mufasa",
            realm: "http-auth@example.org",
            password: &Secret::new("Circle of Life"),
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            protection: Some((Qop::Auth, "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
            body: b"not covered by auth",
        }
        .response()
    }

    #[test]
    fn the_vectors_of_rfc_7616_section_3_9_1_hold() {
        assert_eq!(mufasa(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            mufasa(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    /// The example of RFC 7616 3.9.2 prints ae66e67d…: it was made with SHA-512 cut to 256 bits, which is not the
    /// SHA-512/256 of FIPS 180-4. Both values here come from another implementation.
    #[test]
    fn sha_512_256_is_the_hash_of_fips_180_4_and_not_a_truncated_sha_512() {
        let hash = Algorithm::Sha512Half.hash(&["Jäsøn Doe".as_bytes(), b"api@example.org"]);
        assert_eq!(
            hash.as_str(),
            "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        );
        let response = Input {
            algorithm: Algorithm::Sha512Half,
            username: "Jäsøn Doe",
            realm: "api@example.org",
            password: &Secret::new("Secret, or not?"),
            method: "GET",
            uri: "/doe.json",
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            protection: Some((Qop::Auth, "00000001", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")),
            body: b"",
        }
        .response();
        assert_eq!(
            response,
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
    }

    #[test]
    fn the_vector_of_rfc_2617_section_3_5_holds() {
        let response = Input {
            algorithm: Algorithm::Md5,
            username: "Mufasa",
            realm: "testrealm@host.com",
            password: &Secret::new("Circle Of Life"),
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            protection: Some((Qop::Auth, "00000001", "0a4f113b")),
            body: b"",
        }
        .response();
        assert_eq!(response, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn the_body_counts_with_auth_int_and_an_empty_one_is_the_hash_of_nothing() {
        let response = |body: &'static [u8]| {
            Input {
                algorithm: Algorithm::Sha256,
                username: "100",
                realm: "pbx.example",
                password: &Secret::new("s3cret"),
                method: "REGISTER",
                uri: "sip:pbx.example",
                nonce: "n",
                protection: Some((Qop::AuthInt, "00000001", "c")),
                body,
            }
            .response()
        };
        assert_ne!(response(b""), response(b"v=0"));
        // RFC 8760 2.6 item 7 gives the hash of an empty body.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Algorithm::Sha256.hash(&[b""]).as_str(), empty);
        let h = |text: &str| Algorithm::Sha256.hash(&[text.as_bytes()]);
        let a1 = h("100:pbx.example:s3cret");
        let a2 = h(&format!("REGISTER:sip:pbx.example:{empty}"));
        let by_hand = h(&format!("{}:n:00000001:c:auth-int:{}", a1.as_str(), a2.as_str()));
        assert_eq!(response(b""), by_hand.as_str());
    }
}
