//! The SRTP master key and salt (RFC 3711 section 8.2), which signalling agrees on and the media side derives from.
//!
//! SDES writes both as one base64 text behind `inline:` (RFC 4568 section 6.1); that text is the business of
//! [`crate::sdp::crypto`]. What is derived from them is in [`crate::media::srtp`].
#![warn(clippy::arithmetic_side_effects)]

use crate::codec::Suite;
use crate::random::Random;
use crate::secret::Secret;
use zeroize::Zeroizing;

/// A master key and its salt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterKey {
    /// The key.
    pub key: Secret,
    /// The salt.
    pub salt: Secret,
}

impl MasterKey {
    /// A fresh key for `suite`.
    pub fn generate(suite: Suite, random: &mut Random) -> Self {
        let mut draw = |len| {
            let mut bytes = Zeroizing::new(vec![0; len]);
            random.fill(&mut bytes);
            Secret::new(bytes.as_slice())
        };
        Self {
            key: draw(suite.key_len()),
            salt: draw(suite.salt_len()),
        }
    }

    /// Splits what follows `inline:` in `a=crypto`, once decoded: the key, then the salt (RFC 4568 6.1).
    pub fn from_inline(suite: Suite, key_and_salt: &[u8]) -> Result<Self, KeyLength> {
        let (key, salt) = key_and_salt.split_at_checked(suite.key_len()).ok_or(KeyLength(suite))?;
        let master = Self {
            key: Secret::new(key),
            salt: Secret::new(salt),
        };
        master.fits(suite)?;
        Ok(master)
    }

    /// The key, then the salt: what [`MasterKey::from_inline`] takes.
    pub fn to_inline(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.key.expose(), self.salt.expose()].concat())
    }

    /// Whether the lengths are those of `suite`.
    pub fn fits(&self, suite: Suite) -> Result<(), KeyLength> {
        let fits = self.key.expose().len() == suite.key_len() && self.salt.expose().len() == suite.salt_len();
        if fits { Ok(()) } else { Err(KeyLength(suite)) }
    }
}

/// A key or salt has not the length that its suite demands. Whoever made the key erred; do not retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{} takes a key of {} and a salt of {} bytes", .0.name(), .0.key_len(), .0.salt_len())]
pub struct KeyLength(pub Suite);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_key_is_split_where_its_suite_says_and_refused_at_any_other_length() {
        for suite in Suite::ALL {
            let inline: Vec<u8> = (0..).take(suite.key_len() + suite.salt_len()).collect();
            let master = MasterKey::from_inline(suite, &inline).unwrap();
            assert_eq!(master.key.expose(), &inline[..suite.key_len()]);
            assert_eq!(master.salt.expose(), &inline[suite.key_len()..]);
            assert_eq!(*master.to_inline(), inline);
            assert_eq!(MasterKey::from_inline(suite, &inline[1..]), Err(KeyLength(suite)));
            assert_eq!(MasterKey::from_inline(suite, &[]), Err(KeyLength(suite)));
        }
    }

    #[test]
    fn a_fresh_key_fits_its_suite_and_no_two_are_alike() {
        let mut random = Random::seeded(4);
        for suite in Suite::ALL {
            let (one, other) = (
                MasterKey::generate(suite, &mut random),
                MasterKey::generate(suite, &mut random),
            );
            assert_eq!(one.fits(suite), Ok(()));
            assert!(one.key != other.key && one.salt != other.salt);
        }
    }
}
