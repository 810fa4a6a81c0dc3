//! Which challenge is answered, if any: the rules against leaking a digest and against being talked down to MD5.
//!
//! Only the account's realm; never anything but Digest; the strong algorithms before MD5, and between the strong ones
//! the server's order (RFC 8760 2.4); MD5 never where a strong one was offered, now or before.

use super::challenge::{Challenge, Offer};

/// Why a challenge is not answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The user erred, or the PBX changed its mind: a digest over the nonce of this very exchange was not accepted.
    /// See [`super::Authenticator::login_refused`] for whether to try again.
    #[error("the server refused the user name or the password")]
    Login,
    /// The PBX erred: it calls one fresh nonce after the other stale. Trying again later may help.
    #[error("the server calls every answer outdated")]
    StaleForever,
    /// The PBX, or somebody behind it, asks for a password that is not the account's.
    #[error("a password was asked for \"{0}\", which is not this account's realm")]
    Realm(String),
    /// The PBX, or somebody in between, offers MD5 alone after it had offered better.
    #[error("the server offers only MD5 now, and offered a stronger algorithm before")]
    Downgrade,
    /// The PBX wants an algorithm or a quality of protection that this phone does not know.
    #[error("the server wants a form of digest that is not supported")]
    Unsupported,
    /// The PBX wants the password itself (Basic) or another scheme.
    #[error("the server wants {0} authentication; only Digest is ever answered")]
    Scheme(String),
    /// The PBX erred: the challenge makes no sense.
    #[error("the server's challenge is malformed")]
    Malformed,
    /// The PBX erred: there is no challenge at all.
    #[error("the server asks for a password without saying how")]
    Missing,
}

/// The rules as they stand for one account.
pub(super) struct Rules<'a> {
    /// The account's realms, the best one first.
    pub realms: &'a [&'a str],
    /// Whether a realm that is none of them may become the account's: until one was proven, and for REGISTER alone.
    pub learn_realm: bool,
    /// MD5 is not answered any more.
    pub strong_only: bool,
}

/// The challenge to answer.
pub(super) fn choose(offers: &[Offer], rules: &Rules<'_>) -> Result<Challenge, Refusal> {
    let realm = rules.realm(offers).ok_or_else(|| reason(offers))?;
    let ours = || offers.iter().filter(|offer| offer.realm() == Some(realm));
    let digests = || {
        ours().filter_map(|offer| match offer {
            Offer::Digest(challenge) => Some(challenge),
            Offer::Unknown { .. } | Offer::OtherScheme(_) | Offer::Malformed => None,
        })
    };
    if let Some(strong) = digests().find(|challenge| challenge.algorithm.is_strong()) {
        return Ok(strong.clone());
    }
    if ours().any(Offer::is_strong) {
        return Err(Refusal::Unsupported);
    }
    match digests().next() {
        Some(_) if rules.strong_only => Err(Refusal::Downgrade),
        Some(weak) => Ok(weak.clone()),
        None => Err(Refusal::Unsupported),
    }
}

/// Whether one of RFC 8760's algorithms was offered for `realm`.
pub(super) fn offers_strong(offers: &[Offer], realm: &str) -> bool {
    offers
        .iter()
        .any(|offer| offer.realm() == Some(realm) && offer.is_strong())
}

impl Rules<'_> {
    /// The realm whose challenges count.
    fn realm<'a>(&self, offers: &'a [Offer]) -> Option<&'a str> {
        let offered = || offers.iter().filter_map(Offer::realm);
        let known = self
            .realms
            .iter()
            .find_map(|ours| offered().find(|realm| realm == ours));
        known.or_else(|| offered().next().filter(|_| self.learn_realm))
    }
}

impl Offer {
    fn realm(&self) -> Option<&str> {
        match self {
            Self::Digest(challenge) => Some(&challenge.realm),
            Self::Unknown { realm, .. } => Some(realm),
            Self::OtherScheme(_) | Self::Malformed => None,
        }
    }

    fn is_strong(&self) -> bool {
        match self {
            Self::Digest(challenge) => challenge.algorithm.is_strong(),
            Self::Unknown { strong, .. } => *strong,
            Self::OtherScheme(_) | Self::Malformed => false,
        }
    }
}

/// Why no offer was even for us; the most telling one of several.
fn reason(offers: &[Offer]) -> Refusal {
    let foreign = offers.iter().find_map(Offer::realm);
    let scheme = offers.iter().find_map(|offer| match offer {
        Offer::OtherScheme(name) => Some(name.clone()),
        Offer::Digest(_) | Offer::Unknown { .. } | Offer::Malformed => None,
    });
    match (foreign, scheme) {
        (Some(realm), _) => Refusal::Realm(realm.to_owned()),
        (None, Some(name)) => Refusal::Scheme(name),
        (None, None) if offers.is_empty() => Refusal::Missing,
        (None, None) => Refusal::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::challenge::read;
    use super::super::digest::Algorithm;
    use super::*;

    const OURS: Rules<'_> = Rules {
        realms: &["pbx"],
        learn_realm: false,
        strong_only: false,
    };

    fn offers(list: &[(&str, &str)]) -> Vec<Offer> {
        let value = |(realm, algorithm): &(&str, &str)| {
            read(&format!(
                r#"Digest realm="{realm}",nonce="n",qop="auth",algorithm={algorithm}"#
            ))
        };
        list.iter().flat_map(value).collect()
    }

    fn chosen(list: &[(&str, &str)], rules: &Rules<'_>) -> Result<Algorithm, Refusal> {
        choose(&offers(list), rules).map(|challenge| challenge.algorithm)
    }

    #[test]
    fn strong_algorithms_win_over_md5_and_the_servers_order_decides_between_them() {
        assert_eq!(
            chosen(&[("pbx", "MD5"), ("pbx", "SHA-256")], &OURS),
            Ok(Algorithm::Sha256)
        );
        assert_eq!(
            chosen(&[("pbx", "MD5"), ("pbx", "SHA-512-256"), ("pbx", "SHA-256")], &OURS),
            Ok(Algorithm::Sha512Half)
        );
        assert_eq!(
            chosen(&[("pbx", "SHA-256"), ("pbx", "SHA-512-256")], &OURS),
            Ok(Algorithm::Sha256)
        );
        assert_eq!(chosen(&[("pbx", "MD5")], &OURS), Ok(Algorithm::Md5));
    }

    #[test]
    fn md5_is_never_answered_once_a_strong_one_was_offered() {
        let strong_only = Rules {
            strong_only: true,
            ..OURS
        };
        assert_eq!(chosen(&[("pbx", "MD5")], &strong_only), Err(Refusal::Downgrade));
        assert_eq!(chosen(&[("pbx", "SHA-256")], &strong_only), Ok(Algorithm::Sha256));
        let mut beside = offers(&[("pbx", "MD5")]);
        beside.extend(read(
            r#"Digest realm="pbx",nonce="n",qop="auth-conf",algorithm=SHA-256"#,
        ));
        assert_eq!(
            choose(&beside, &OURS),
            Err(Refusal::Unsupported),
            "offered beside it, if not answerable"
        );
    }

    #[test]
    fn only_the_accounts_realm_is_answered() {
        assert_eq!(
            chosen(&[("evil", "SHA-256")], &OURS),
            Err(Refusal::Realm("evil".into()))
        );
        assert_eq!(
            chosen(&[("evil", "SHA-256"), ("pbx", "MD5")], &OURS),
            Ok(Algorithm::Md5)
        );
        assert_eq!(
            chosen(&[("PBX", "MD5")], &OURS),
            Err(Refusal::Realm("PBX".into())),
            "realms have case"
        );
    }

    #[test]
    fn a_realm_is_learnt_only_where_that_is_allowed_and_the_known_one_is_preferred() {
        let learning = Rules {
            learn_realm: true,
            ..OURS
        };
        let realm = |list: &[_]| choose(&offers(list), &learning).unwrap().realm;
        assert_eq!(realm(&[("asterisk", "MD5")]), "asterisk");
        assert_eq!(realm(&[("asterisk", "SHA-256"), ("pbx", "MD5")]), "pbx");
    }

    #[test]
    fn what_is_no_digest_is_refused_with_its_reason() {
        let reason = |value: &str| choose(&read(value), &OURS).unwrap_err();
        assert_eq!(reason(r#"Basic realm="pbx""#), Refusal::Scheme("Basic".into()));
        assert_eq!(reason(r#"Digest realm="pbx""#), Refusal::Malformed);
        assert_eq!(
            reason(r#"Digest realm="pbx",nonce="n",algorithm=SHA-3"#),
            Refusal::Unsupported
        );
        assert_eq!(choose(&[], &OURS), Err(Refusal::Missing));
        let basic_too = [read(r#"Basic realm="pbx""#), offers(&[("pbx", "MD5")])].concat();
        assert_eq!(choose(&basic_too, &OURS).unwrap().algorithm, Algorithm::Md5);
    }
}
