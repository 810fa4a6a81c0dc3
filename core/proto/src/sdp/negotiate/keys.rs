//! Which SDES lines are offered, taken and kept (RFC 4568 sections 5 and 7).

use super::error::{AnswerError, OfferError};
use super::{Agreed, MediaSettings, Negotiation, Offered};
use crate::codec::{MediaPolicy, Suite};
use crate::master_key::MasterKey;
use crate::random::Random;
use crate::sdp::crypto::Crypto;
use crate::sdp::description::Media;
use std::net::SocketAddr;

impl Negotiation {
    /// The lines of an offer that will be sent from `path`.
    pub(super) fn offered_keys(&self, path: SocketAddr, random: &mut Random) -> Result<Vec<Crypto>, OfferError> {
        let must = self.encrypted || self.settings.policy == MediaPolicy::Required;
        let settled_plain = self.agreed.as_ref().is_some_and(|agreed| agreed.local_crypto.is_none());
        let wanted = must || (self.settings.policy == MediaPolicy::Preferred && !settled_plain);
        if !wanted || (!must && !self.settings.secure_signalling) {
            return Ok(Vec::new());
        }
        if !self.settings.secure_signalling {
            return Err(OfferError::KeysNeedTls);
        }
        if let Some(lines) = self
            .agreed
            .as_ref()
            .and_then(|agreed| keep_or_renew(agreed, path, random))
        {
            return Ok(lines);
        }
        let lines = fresh_lines(&self.settings, random);
        if lines.is_empty() && must {
            Err(OfferError::NoSuite)
        } else {
            Ok(lines)
        }
    }
}

/// A later offer names the agreed line alone. On the same address it keeps its key; a stream that moves gets a new
/// one, because the far end may begin to count packets anew, and a key must never meet the same count twice.
fn keep_or_renew(agreed: &Agreed, path: SocketAddr, random: &mut Random) -> Option<Vec<Crypto>> {
    let mut line = agreed.local_crypto.clone()?;
    if agreed.path != path {
        line.key = MasterKey::generate(line.suite, random);
    }
    Some(vec![line])
}

fn fresh_lines(settings: &MediaSettings, random: &mut Random) -> Vec<Crypto> {
    let suites = settings.ordered_suites();
    (1..)
        .zip(suites)
        .map(|(tag, suite)| Crypto {
            tag,
            suite,
            key: MasterKey::generate(suite, random),
        })
        .collect()
}

/// The line of an offer to take: the first in the offer's order that the account uses, a 32-bit tag after all others.
pub(super) fn choose(offer: &Media, settings: &MediaSettings) -> Option<Crypto> {
    let usable = || {
        offer
            .crypto()
            .filter_map(|line| line.usable())
            .filter(|line| settings.suites.contains(&line.suite))
    };
    usable()
        .find(|line| line.suite != Suite::AES_CM_128_HMAC_SHA1_32)
        .or_else(|| usable().next())
        .cloned()
}

/// Our line in an answer to `theirs`: the key that we have, if nothing of the old exchange changed, or a fresh one.
pub(super) fn answered_key(theirs: &Crypto, agreed: Option<&Agreed>, path: SocketAddr, random: &mut Random) -> Crypto {
    let unchanged = agreed.filter(|agreed| {
        let same_line = |old: &Crypto| old.suite == theirs.suite && old.key == theirs.key;
        agreed.path == path && agreed.remote_crypto.as_ref().is_some_and(same_line)
    });
    let kept = unchanged.and_then(|agreed| agreed.local_crypto.as_ref());
    let key = kept.map_or_else(|| MasterKey::generate(theirs.suite, random), |line| line.key.clone());
    Crypto {
        tag: theirs.tag,
        suite: theirs.suite,
        key,
    }
}

/// The pair of lines that an answer settles: ours as offered, and theirs. `Ok(None)` if the answer brings no line.
pub(super) fn settle(answer: &Media, offered: &Offered) -> Result<Option<(Crypto, Crypto)>, AnswerError> {
    if answer.crypto().next().is_none() {
        return Ok(None);
    }
    let pair = answer.crypto().filter_map(|line| line.usable()).find_map(|theirs| {
        let is_answered = |ours: &&Crypto| ours.tag == theirs.tag && ours.suite == theirs.suite;
        let ours = offered.crypto.iter().find(is_answered)?;
        Some((ours.clone(), theirs.clone()))
    });
    match pair {
        Some((ours, theirs)) if ours.key == theirs.key => Err(AnswerError::ReflectedKey),
        Some(pair) => Ok(Some(pair)),
        None => Err(AnswerError::NoKey),
    }
}
