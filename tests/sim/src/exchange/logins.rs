//! Digest logins as a strict server sees them (RFC 7616): nonces that age, and counts that must rise.

use super::DOMAIN;
use std::collections::BTreeMap;
use std::time::Duration;
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
    /// The highest count that was seen.
    count: u32,
}

impl Logins {
    pub(super) fn expire(&mut self) {
        self.nonces.clear();
    }

    pub(super) fn challenge(&mut self, stale: bool, random: &mut Random, now: Instant) -> Challenge {
        let nonce = random.token(12);
        self.nonces.insert(nonce.clone(), Nonce { given: now, count: 0 });
        Challenge {
            realm: DOMAIN.to_owned(),
            nonce,
            opaque: None,
            algorithm: Algorithm::Sha256,
            qop: Some(Qop::Auth),
            stale,
        }
    }

    pub(super) fn judge(
        &mut self,
        request: &Request,
        status: u16,
        password: Option<&str>,
        life: Duration,
        now: Instant,
    ) -> Verdict {
        self.nonces.retain(|_, nonce| now - nonce.given <= life);
        let name = if status == 407 {
            HeaderName::ProxyAuthorization
        } else {
            HeaderName::Authorization
        };
        let Some(credentials) = request.headers.get(name).and_then(Credentials::parse) else {
            return Verdict::Refused;
        };
        let knows = password
            .is_some_and(|password| credentials.prove(&Secret::new(password), request.method.as_str(), &request.body));
        if !knows {
            return Verdict::Refused;
        }
        let Some(nonce) = self.nonces.get_mut(&credentials.nonce) else {
            return Verdict::Stale;
        };
        let count = credentials.protection.map_or(0, |protection| protection.nc);
        if count <= nonce.count {
            return Verdict::Cheat(format!("the nonce count did not rise: {count} after {}", nonce.count));
        }
        nonce.count = count;
        Verdict::Welcome
    }
}
