//! Who asks: digest challenges and the judgement of what answers them (RFC 7616 3.3 to 3.5, RFC 8760).
//!
//! SHA-256 with `qop=auth` is all that is taken. A nonce is good for an hour, each of its counts once; a right digest
//! over any other nonce is `stale`, so that a phone which outlived the exchange comes back without asking anybody.

use crate::random::Random;
use crate::secret::Secret;
use crate::sip::auth::{Algorithm, Challenge, Credentials, Qop};
use crate::sip::msg::{HeaderName, Request, Response, StatusCode, Uri};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a nonce may be used.
const LIFETIME: Duration = Duration::from_secs(3_600);
/// More nonces than phones that practise at once; the oldest goes first.
const MOST_NONCES: usize = 4_096;

/// The users and the nonces that were given out.
#[derive(Debug)]
pub(super) struct Login {
    realm: String,
    passwords: BTreeMap<String, Secret>,
    nonces: BTreeMap<String, Nonce>,
    given: u64,
}

/// A nonce in use.
#[derive(Debug)]
struct Nonce {
    /// The how-manieth it is.
    number: u64,
    since: Instant,
    /// The highest count so far; bit n of `seen` stands for n below it.
    highest: u32,
    seen: u64,
}

impl Nonce {
    /// Whether this count was never used; notes it. Requests that cross on datagrams may come out of order.
    fn count(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            let ahead = nc.saturating_sub(self.highest);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let bit = 1_u64.checked_shl(self.highest.saturating_sub(nc)).unwrap_or(0);
        let is_new = nc > 0 && bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

impl Login {
    pub fn new(realm: &str, passwords: BTreeMap<String, Secret>) -> Self {
        Self {
            realm: realm.to_owned(),
            passwords,
            nonces: BTreeMap::new(),
            given: 0,
        }
    }

    pub fn knows(&self, user: &str) -> bool {
        self.passwords.contains_key(user)
    }

    /// Who sent the request, or the response that asks for it.
    pub fn judge(&mut self, request: &Request, now: Instant, random: &mut Random) -> Result<String, Box<Response>> {
        let given = request.headers.all(HeaderName::Authorization);
        let mine = given
            .filter_map(Credentials::parse)
            .find(|credentials| credentials.realm == self.realm);
        let proven = mine.filter(|credentials| self.proves(credentials, request));
        let Some(credentials) = proven else {
            return Err(self.challenge(request, false, now, random));
        };
        if !self.is_fresh(&credentials, now) {
            return Err(self.challenge(request, true, now, random));
        }
        Ok(credentials.username)
    }

    /// Whether whoever signed this request knows the password, by a digest of the kind that was asked for.
    fn proves(&self, credentials: &Credentials, request: &Request) -> bool {
        let is_meant = credentials
            .uri
            .parse::<Uri>()
            .is_ok_and(|uri| uri.equivalent(&request.uri));
        let is_strong = credentials.algorithm == Algorithm::Sha256;
        let password = self.passwords.get(&credentials.username);
        is_meant
            && is_strong
            && password.is_some_and(|password| credentials.prove(password, request.method.as_str(), &request.body))
    }

    fn is_fresh(&mut self, credentials: &Credentials, now: Instant) -> bool {
        let Some(protection) = &credentials.protection else {
            return false;
        };
        self.nonces
            .get_mut(&credentials.nonce)
            .filter(|nonce| now.since(nonce.since) < LIFETIME)
            .is_some_and(|nonce| nonce.count(protection.nc))
    }

    fn challenge(&mut self, request: &Request, stale: bool, now: Instant, random: &mut Random) -> Box<Response> {
        let nonce = random.token(16);
        self.given = self.given.saturating_add(1);
        self.nonces.insert(
            nonce.clone(),
            Nonce {
                number: self.given,
                since: now,
                highest: 0,
                seen: 0,
            },
        );
        let newest = self.given;
        self.nonces.retain(|_, nonce| {
            let age = newest.saturating_sub(nonce.number);
            now.since(nonce.since) < LIFETIME && usize::try_from(age).is_ok_and(|age| age < MOST_NONCES)
        });
        let challenge = Challenge {
            realm: self.realm.clone(),
            nonce,
            opaque: None,
            algorithm: Algorithm::Sha256,
            qop: Some(Qop::Auth),
            stale,
        };
        let mut response = Response::to(request, StatusCode::UNAUTHORIZED).with_to_tag(random.token(8));
        response.headers.push(HeaderName::WwwAuthenticate, challenge);
        Box::new(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::auth::{Authenticator, Memory};
    use crate::sip::msg::{Method, NameAddr};

    const NOON: Instant = Instant::from_millis(43_200_000);

    fn login() -> Login {
        let passwords = BTreeMap::from([("1001".to_owned(), Secret::new("right"))]);
        Login::new("practice.example", passwords)
    }

    fn register() -> Request {
        let aor = NameAddr::new("sip:1001@practice.example".parse().unwrap());
        let registrar = "sip:practice.example".parse().unwrap();
        Request::new(Method::Register, registrar, aor.clone().with_tag("a"), aor, "call", 1)
    }

    fn phone(password: &str) -> Authenticator {
        Authenticator::new("1001", Secret::new(password), "practice.example", Memory::default())
    }

    /// The request again, with the answer to a challenge.
    fn signed(login: &mut Login, phone: &mut Authenticator, random: &mut Random) -> Request {
        let request = register();
        let challenge = login.judge(&request, NOON, random).unwrap_err();
        let retry = phone.answer(&request, &challenge, random).unwrap();
        retry.request(&request)
    }

    fn is_stale(response: &Response) -> bool {
        response
            .headers
            .www_authenticate()
            .any(|value| value.contains("stale=true"))
    }

    #[test]
    fn the_right_password_is_let_in_and_the_wrong_one_challenged_again() {
        let (mut login, mut random) = (login(), Random::seeded(1));
        let right = signed(&mut login, &mut phone("right"), &mut random);
        assert_eq!(login.judge(&right, NOON, &mut random).unwrap(), "1001");
        let wrong = signed(&mut login, &mut phone("wrong"), &mut random);
        let refusal = login.judge(&wrong, NOON, &mut random).unwrap_err();
        assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
        assert!(!is_stale(&refusal), "the password is to be doubted");
    }

    #[test]
    fn an_answer_cannot_be_used_twice_nor_for_another_method() {
        let (mut login, mut random) = (login(), Random::seeded(2));
        let first = signed(&mut login, &mut phone("right"), &mut random);
        login.judge(&first, NOON, &mut random).unwrap();
        let again = login.judge(&first, NOON, &mut random).unwrap_err();
        assert!(is_stale(&again), "a replay, by somebody who cannot answer anew");
        let mut other = signed(&mut login, &mut phone("right"), &mut random);
        other.method = Method::Invite;
        assert!(!is_stale(&login.judge(&other, NOON, &mut random).unwrap_err()));
    }

    #[test]
    fn counts_may_cross_on_the_way_but_not_repeat() {
        let mut nonce = Nonce {
            number: 1,
            since: NOON,
            highest: 0,
            seen: 0,
        };
        let taken: Vec<bool> = [2, 1, 2, 1, 0, 70, 5, 69, 70].map(|nc| nonce.count(nc)).to_vec();
        assert_eq!(taken, [true, true, false, false, false, true, false, true, false]);
    }

    #[test]
    fn a_nonce_grows_old_after_an_hour_and_unknown_ones_are_stale() {
        let (mut login, mut random) = (login(), Random::seeded(3));
        let late = signed(&mut login, &mut phone("right"), &mut random);
        let refusal = login.judge(&late, NOON + LIFETIME, &mut random).unwrap_err();
        assert!(is_stale(&refusal));
        let other_run = signed(&mut self::login(), &mut phone("right"), &mut Random::seeded(4));
        assert!(is_stale(&login.judge(&other_run, NOON, &mut random).unwrap_err()));
    }

    #[test]
    fn nonces_that_nobody_answers_do_not_fill_the_memory() {
        let (mut login, mut random) = (login(), Random::seeded(5));
        for _ in 0..MOST_NONCES + 10 {
            let _ = login.judge(&register(), NOON, &mut random);
        }
        assert_eq!(login.nonces.len(), MOST_NONCES);
    }
}
