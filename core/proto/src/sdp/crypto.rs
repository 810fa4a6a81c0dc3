//! The `a=crypto` line (RFC 4568 section 9.1; suites of RFC 6188 and 7714).
//!
//! A line that names an unknown suite, a master key identifier, several keys, a lifetime too short for a call or a
//! session parameter that changes the packets is *unusable*: it is skipped, as the RFC wants, and never guessed at.
#![warn(clippy::arithmetic_side_effects)]

use crate::codec::Suite;
use crate::master_key::MasterKey;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::fmt;
use zeroize::Zeroizing;

/// The shortest master key lifetime taken, in packets: 2^20 is 5.8 hours of 20 ms frames, and there is no re-keying.
const MIN_LIFETIME: u64 = 1 << 20;
/// The longest lifetime that SRTP has (RFC 3711 9.2).
const MAX_LIFETIME: u64 = 1 << 48;
/// The smallest window size hint that is legal (RFC 4568 6.3.6).
const MIN_WINDOW_HINT: u32 = 64;

/// A line that can be used as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crypto {
    /// 1 to 9 digits; an answer names the offered line by it.
    pub tag: u32,
    /// The suite.
    pub suite: Suite,
    /// The key with which whoever wrote the line will send.
    pub key: MasterKey,
}

/// An `a=crypto` line as read.
#[derive(Clone, PartialEq, Eq)]
pub enum CryptoLine {
    /// It can be used.
    Usable(Crypto),
    /// It cannot; the key, if there was one, is forgotten.
    Unusable {
        /// The tag, if it could be read.
        tag: Option<u32>,
        /// Why not.
        fault: CryptoFault,
    },
}

/// Why an `a=crypto` line cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CryptoFault {
    /// Tag, suite or key parameters are missing or malformed.
    #[error("the a=crypto line is malformed")]
    Malformed,
    /// The suite is not one of ours.
    #[error("the SRTP suite is unknown")]
    UnknownSuite,
    /// The key is not base64, or not as long as the suite wants.
    #[error("the SRTP key has the wrong length")]
    BadKey,
    /// Several keys, or a master key identifier, which would change every packet.
    #[error("master key identifiers are not supported")]
    MasterKeyIdentifier,
    /// The key would run out during a call, or lives longer than SRTP allows.
    #[error("the SRTP key's lifetime is out of range")]
    Lifetime,
    /// A session parameter that changes the packets, or an unknown mandatory one.
    #[error("an SRTP session parameter is not supported")]
    SessionParameter,
}

impl CryptoLine {
    /// Reads what follows `a=crypto:`.
    pub fn parse(value: &str) -> Self {
        let mut tag = None;
        match read(value, &mut tag) {
            Ok(crypto) => Self::Usable(crypto),
            Err(fault) => Self::Unusable { tag, fault },
        }
    }

    /// The line, if it can be used.
    pub const fn usable(&self) -> Option<&Crypto> {
        match self {
            Self::Usable(crypto) => Some(crypto),
            Self::Unusable { .. } => None,
        }
    }
}

impl fmt::Debug for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable(crypto) => write!(f, "a=crypto:{} {}", crypto.tag, crypto.suite.name()),
            Self::Unusable { tag, fault } => write!(f, "a=crypto:{tag:?} ({fault})"),
        }
    }
}

impl Crypto {
    /// The line's value, key included: for the wire alone.
    pub fn to_wire(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(STANDARD.encode(self.key.to_inline().as_slice()));
        Zeroizing::new(format!("{} {} inline:{}", self.tag, self.suite.name(), key.as_str()))
    }
}

fn read(value: &str, tag: &mut Option<u32>) -> Result<Crypto, CryptoFault> {
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let number = words.next().and_then(read_tag).ok_or(CryptoFault::Malformed)?;
    *tag = Some(number);
    let suite = words.next().ok_or(CryptoFault::Malformed)?;
    let key_parameters = words.next().ok_or(CryptoFault::Malformed)?;
    let suite = Suite::from_name(suite).ok_or(CryptoFault::UnknownSuite)?;
    let key = read_key_parameters(suite, key_parameters)?;
    if words.all(is_harmless_session_parameter) {
        Ok(Crypto {
            tag: number,
            suite,
            key,
        })
    } else {
        Err(CryptoFault::SessionParameter)
    }
}

fn read_tag(text: &str) -> Option<u32> {
    let digits = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// `inline:KEY||SALT[|LIFETIME][|MKI:LENGTH]`, once.
fn read_key_parameters(suite: Suite, text: &str) -> Result<MasterKey, CryptoFault> {
    if text.contains(';') {
        return Err(CryptoFault::MasterKeyIdentifier);
    }
    let (method, info) = text.split_once(':').ok_or(CryptoFault::Malformed)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoFault::Malformed);
    }
    let mut fields = info.split('|');
    let key = fields.next().ok_or(CryptoFault::BadKey)?;
    for field in fields {
        if field.contains(':') {
            return Err(CryptoFault::MasterKeyIdentifier);
        }
        let lifetime = read_lifetime(field).ok_or(CryptoFault::Lifetime)?;
        if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) {
            return Err(CryptoFault::Lifetime);
        }
    }
    let decoded = STANDARD.decode(key).or_else(|_| STANDARD_NO_PAD.decode(key));
    let key_and_salt = Zeroizing::new(decoded.map_err(|_| CryptoFault::BadKey)?);
    MasterKey::from_inline(suite, &key_and_salt).map_err(|_| CryptoFault::BadKey)
}

fn read_lifetime(text: &str) -> Option<u64> {
    match text.strip_prefix("2^") {
        Some(exponent) => 1_u64.checked_shl(exponent.parse().ok()?),
        None => text.parse().ok(),
    }
}

/// RFC 4568 6.3: a window size hint changes nothing on the wire, a key derivation rate of 0 is the default, and
/// extensions that begin with a hyphen may be ignored. Everything else would have to be understood.
fn is_harmless_session_parameter(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some(("WSH", hint)) => hint.parse::<u32>().is_ok_and(|hint| hint >= MIN_WINDOW_HINT),
        Some(("KDR", "0")) => true,
        _ => parameter.starts_with('-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const KEY_128: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

    fn fault(value: &str) -> CryptoFault {
        match CryptoLine::parse(value) {
            CryptoLine::Unusable { fault, .. } => fault,
            CryptoLine::Usable(_) => panic!("{value} was taken"),
        }
    }

    #[test]
    fn the_line_of_rfc_4568_is_read_into_key_and_salt() {
        let line = CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|2^20"));
        let crypto = line.usable().expect("usable");
        assert_eq!((crypto.tag, crypto.suite), (1, Suite::AES_CM_128_HMAC_SHA1_80));
        assert_eq!(crypto.key.key.expose(), b"=-n@%^x!Bjufr9)?");
        assert_eq!(crypto.key.salt.expose(), b",#5h\\`=&]{qiPQ");
    }

    #[test]
    fn a_fresh_key_of_every_suite_survives_the_wire() {
        let mut random = Random::seeded(1);
        for suite in Suite::ALL {
            let crypto = Crypto {
                tag: 7,
                suite,
                key: MasterKey::generate(suite, &mut random),
            };
            assert_eq!(CryptoLine::parse(&crypto.to_wire()).usable(), Some(&crypto));
        }
    }

    #[test]
    fn lines_that_would_change_the_packets_are_unusable() {
        let with = |rest: &str| fault(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}{rest}"));
        assert_eq!(with("|2^20|1:4"), CryptoFault::MasterKeyIdentifier);
        assert_eq!(with("|1:4"), CryptoFault::MasterKeyIdentifier);
        assert_eq!(
            with(&format!("|2^20;inline:{KEY_128}|2^20")),
            CryptoFault::MasterKeyIdentifier
        );
        assert_eq!(with("|2^10"), CryptoFault::Lifetime);
        assert_eq!(with("|2^99999999999"), CryptoFault::Lifetime);
        assert_eq!(with("|2^64"), CryptoFault::Lifetime);
        assert_eq!(with(" UNENCRYPTED_SRTP"), CryptoFault::SessionParameter);
        assert_eq!(with(" UNAUTHENTICATED_SRTP"), CryptoFault::SessionParameter);
        assert_eq!(with(" KDR=16"), CryptoFault::SessionParameter);
        assert_eq!(with(" WSH=1"), CryptoFault::SessionParameter);
        assert_eq!(with(" NEW"), CryptoFault::SessionParameter);
    }

    #[test]
    fn harmless_session_parameters_are_taken() {
        for rest in ["", "|2^31", "|2147483648", " WSH=128", " KDR=0", " -FUTURE=1"] {
            let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}{rest}");
            assert!(CryptoLine::parse(&value).usable().is_some(), "{value}");
        }
    }

    #[test]
    fn a_line_without_a_proper_key_is_unusable() {
        for value in [
            "",
            "1",
            "x",
            "1 AES_CM_128_HMAC_SHA1_80",
            "-1 AES_CM_128_HMAC_SHA1_80 inline:AA==",
        ] {
            assert_eq!(fault(value), CryptoFault::Malformed, "{value}");
        }
        assert_eq!(fault("1 AES_CM_128_HMAC_SHA1_80 inline:"), CryptoFault::BadKey);
        assert_eq!(fault("1 AES_CM_128_HMAC_SHA1_80 inline:AAAA"), CryptoFault::BadKey);
        assert_eq!(
            fault(&format!("1 AEAD_AES_128_GCM inline:{KEY_128}")),
            CryptoFault::BadKey
        );
        assert_eq!(
            fault(&format!("1 F8_128_HMAC_SHA1_80 inline:{KEY_128}")),
            CryptoFault::UnknownSuite
        );
        assert_eq!(
            fault(&format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}")),
            CryptoFault::Malformed
        );
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let line = CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"));
        assert!(!format!("{line:?}{:?}", line.usable()).contains("PS1u"));
    }
}
