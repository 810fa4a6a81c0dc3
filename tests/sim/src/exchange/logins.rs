//! Digest logins as a strict server sees them (RFC 7616): nonces that age, and counts that must rise.

use super::{DOMAIN, Rules};
use std::collections::{BTreeMap, BTreeSet};
use toestel_proto::random::Random;
use toestel_proto::secret::Secret;
use toestel_proto::sip::auth::{Algorithm, Challenge, Credentials, Qop};
use toestel_proto::sip::msg::{HeaderName, Request};
use toestel_proto::time::Instant;

/// What a request's credentials are worth.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Let it pass.
    Welcome,
    /// Right, but the nonce is too old or was never given out.
    Stale,
    /// None, or wrong ones.
    Refused,
    /// What no correct phone does.
    Cheat(String),
}

/// The nonces that were given out.
#[derive(Debug, Default)]
pub(super) struct Logins {
    nonces: BTreeMap<String, Nonce>,
}

#[derive(Debug)]
struct Nonce {
    given: Instant,
    /// The counts that were seen.
    counts: BTreeSet<u32>,
}

impl Logins {
    pub(super) fn expire(&mut self) {
        self.nonces.clear();
    }

    pub(super) fn challenge(&mut self, stale: bool, random: &mut Random, now: Instant) -> Challenge {
        let nonce = random.token(12);
        self.nonces.insert(
            nonce.clone(),
            Nonce {
                given: now,
                counts: BTreeSet::new(),
            },
        );
        Challenge {
            realm: DOMAIN.to_owned(),
            nonce,
            opaque: None,
            algorithm: Algorithm::Sha256,
            qop: Some(Qop::Auth),
            stale,
        }
    }

    pub(super) fn judge(&mut self, request: &Request, status: u16, rules: &Rules, now: Instant) -> Verdict {
        self.nonces.retain(|_, nonce| now - nonce.given <= rules.nonce_life);
        let name = if status == 407 {
            HeaderName::ProxyAuthorization
        } else {
            HeaderName::Authorization
        };
        let Some(credentials) = request.headers.get(name).and_then(Credentials::parse) else {
            return Verdict::Refused;
        };
        let password = rules.users.get(&credentials.username);
        let knows = password.is_some_and(|password| {
            credentials.prove(&Secret::new(password.as_str()), request.method.as_str(), &request.body)
        });
        if !knows {
            return Verdict::Refused;
        }
        let Some(nonce) = self.nonces.get_mut(&credentials.nonce) else {
            return Verdict::Stale;
        };
        let count = credentials.protection.map_or(0, |protection| protection.nc);
        // Datagrams may overtake each other; what was seen once is a replay.
        if count == 0 || !nonce.counts.insert(count) {
            return Verdict::Cheat(format!("the nonce count did not rise: {count} came twice"));
        }
        Verdict::Welcome
    }
}
