//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 14.5 to 14.7), and the keys of both
//! credential mechanisms (section 9).

use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// The value with which the CRC is mixed, so that it differs from other protocols' CRCs.
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// What a message is signed with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A password for one short use, as ICE has.
    ShortTerm(Secret),
    /// A user's lasting password in a realm.
    LongTerm {
        /// USERNAME.
        username: String,
        /// REALM.
        realm: String,
        /// The password.
        password: Secret,
    },
}

impl Credentials {
    /// The HMAC key: the password itself, or MD5 over `username:realm:password`.
    pub(super) fn key(&self) -> Secret {
        match self {
            Self::ShortTerm(password) => password.clone(),
            Self::LongTerm {
                username,
                realm,
                password,
            } => {
                let mut digest = Md5::new();
                digest.update(username);
                digest.update(b":");
                digest.update(realm);
                digest.update(b":");
                digest.update(password.expose());
                Secret::new(digest.finalize().as_slice())
            }
        }
    }
}

/// Why a message is not taken as coming from whoever has the password. The network, or an attacker, erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IntegrityError {
    /// It is not signed.
    #[error("the STUN message is not signed")]
    Missing,
    /// It is signed with another password, or was changed on the way.
    #[error("the STUN message's signature does not verify")]
    Wrong,
    /// It names another user or realm.
    #[error("the STUN message names another user")]
    OtherUser,
}

/// HMAC-SHA1 over `parts`.
pub(super) fn hmac_sha1(key: &Secret, parts: &[&[u8]]) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.expose()).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac.finalize().into_bytes().into())
}

/// Whether `tag` is the HMAC-SHA1 over `parts`, in constant time.
pub(super) fn verify_sha1(key: &Secret, parts: &[&[u8]], tag: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key.expose()) else {
        return false;
    };
    parts.iter().for_each(|part| mac.update(part));
    tag.len() == 20 && mac.verify_slice(tag).is_ok()
}

/// Whether `tag` is the HMAC-SHA256 over `parts`, possibly truncated to 16 bytes or more (RFC 8489 14.6).
pub(super) fn verify_sha256(key: &Secret, parts: &[&[u8]], tag: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else {
        return false;
    };
    parts.iter().for_each(|part| mac.update(part));
    let allowed = (16..=32).contains(&tag.len()) && tag.len().is_multiple_of(4);
    allowed && mac.verify_truncated_left(tag).is_ok()
}

/// The FINGERPRINT over `parts`: CRC-32 as in ITU-T V.42, mixed.
pub(super) fn fingerprint(parts: &[&[u8]]) -> u32 {
    let crc = parts.iter().flat_map(|part| part.iter()).fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    });
    !crc ^ FINGERPRINT_XOR
}
