//! Digest authentication of one account (RFC 3261 22, RFC 7616, RFC 8760).
//!
//! [`Authenticator::authorise`] adds credentials before they are asked for, [`Authenticator::answer`] answers a 401 or
//! 407, [`Authenticator::accepted`] learns from a 2xx. The rules: only Digest, only the account's realm, never MD5
//! after something better. The caller sees to it that only requests of the account, on the account's verified flow,
//! come here.
//!
//! The account's realms are its domain and the one that its registrar named: a PBX often calls itself something else
//! (`asterisk`), so the first REGISTER may answer any one realm, preferring the domain; once a REGISTER succeeded, the
//! realm is fixed until the password is entered anew. What must survive a restart is in [`Memory`].

mod challenge;
mod choice;
mod credentials;
mod digest;
mod login;
mod params;
pub mod probe;

pub use challenge::Challenge;
pub use choice::Refusal;
pub use credentials::{Credentials, Protection};
pub use digest::{Algorithm, Qop};

use super::msg::{HeaderName, Method, Request, Response, StatusCode};
use crate::random::Random;
use crate::secret::Secret;
use challenge::Offer;
use choice::{Rules, choose, offers_strong};
use params::Parameters;
use std::collections::VecDeque;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How many answers are remembered to recognise their refusal: more than ever are under way at once.
const REMEMBERED_ANSWERS: usize = 32;

/// How often in a row a fresh nonce may be called stale before that is no accident.
const MOST_STALE: u32 = 3;

/// What an account must remember of its logins across restarts. Holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The realm under which the registrar accepted the password.
    pub realm: Option<String>,
    /// The server offered a strong algorithm once: MD5 is never answered again.
    pub strong_offered: bool,
    /// This password was accepted once.
    pub accepted: bool,
}

/// What the server proved in turn (RFC 7616 3.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerProof {
    /// Nothing: most servers do not.
    None,
    /// That it knows the password.
    Valid,
    /// That it does not: whoever answered is not the registrar, or counts differently.
    Invalid,
}

/// Credentials for another try, one header field for each party that asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retry {
    credentials: Vec<(HeaderName, String)>,
}

impl Retry {
    /// One header field of credentials, made elsewhere.
    pub fn of(name: HeaderName, value: impl Into<String>) -> Self {
        Self {
            credentials: vec![(name, value.into())],
        }
    }

    /// Puts the credentials into a request that is otherwise the one that was challenged. What it carried for another
    /// party goes, unless it has no count: a server takes a count that comes twice for a replay (RFC 7616 3.4).
    pub fn apply(&self, request: &mut Request) {
        for name in Asker::BOTH.map(Asker::credentials) {
            let sent = request.headers.get(name.clone()).and_then(Credentials::parse);
            if sent.is_some_and(|sent| sent.protection.is_some()) {
                request.headers.remove(name);
            }
        }
        for (name, value) in &self.credentials {
            request.headers.set(name.clone(), value);
        }
    }

    /// The challenged request again, as 8.1.3.5 wants it: without Via, CSeq one higher, with the credentials.
    pub fn request(&self, challenged: &Request) -> Request {
        let mut again = challenged.clone();
        again.vias.clear();
        again.cseq = again.cseq.saturating_add(1);
        self.apply(&mut again);
        again
    }
}

/// The two parties that may ask for a password.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Asker {
    /// 401: the registrar, or who is called.
    Server,
    /// 407: a proxy on the way.
    Proxy,
}

impl Asker {
    const BOTH: [Self; 2] = [Self::Server, Self::Proxy];

    fn challenge(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    fn credentials(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }

    fn info(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::AuthenticationInfo,
            Self::Proxy => HeaderName::new("Proxy-Authentication-Info"),
        }
    }
}

/// A nonce in use, with its count.
#[derive(Debug)]
struct Session {
    asker: Asker,
    challenge: Challenge,
    nc: u32,
}

/// The logins of one account.
#[derive(Debug)]
pub struct Authenticator {
    username: String,
    password: Secret,
    domain: String,
    memory: Memory,
    sessions: Vec<Session>,
    /// Nonce and count of each answer to a challenge: if one of these is challenged again, the login is refused.
    answers: VecDeque<(String, u32)>,
    stale_in_a_row: u32,
    refusals: u32,
}

impl Authenticator {
    /// The logins of `username` (the authorisation user) at `domain`.
    pub fn new(username: impl Into<String>, password: Secret, domain: impl Into<String>, memory: Memory) -> Self {
        Self {
            username: username.into(),
            password,
            domain: domain.into(),
            memory,
            sessions: Vec::new(),
            answers: VecDeque::new(),
            stale_in_a_row: 0,
            refusals: 0,
        }
    }

    /// What to save; compare with what was saved after each [`Authenticator::answer`] and [`Authenticator::accepted`].
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The user entered the password anew: it was never accepted, and the realm may be learnt anew. That the server
    /// offered a strong algorithm stays known.
    pub fn set_password(&mut self, password: Secret) {
        self.password = password;
        self.memory.accepted = false;
        self.memory.realm = None;
        self.refusals = 0;
        self.forget_nonces();
    }

    /// Forgets the nonces, as after a change of the server.
    pub fn forget_nonces(&mut self) {
        self.begin_anew();
        self.answers.clear();
    }

    /// No nonce is used again. What was answered with one stays known: its refusal may be on its way.
    fn begin_anew(&mut self) {
        self.sessions.clear();
        self.stale_in_a_row = 0;
    }

    /// Adds credentials for a nonce that is known, which saves a round trip; does nothing if none is, or if the request
    /// has credentials already because it answers a challenge.
    pub fn authorise(&mut self, request: &mut Request, random: &mut Random) {
        let has_any = Asker::BOTH.iter().any(|asker| request.headers.has(asker.credentials()));
        for asker in Asker::BOTH.into_iter().filter(|_| !has_any) {
            if let Some(credentials) = self.next_credentials(asker, request, random) {
                request.headers.set(asker.credentials(), credentials);
            }
        }
    }

    /// Answers the 401 or 407 that `request`, as it was sent, got.
    pub fn answer(&mut self, request: &Request, response: &Response, random: &mut Random) -> Result<Retry, Refusal> {
        let mut asked = Vec::new();
        for asker in Asker::BOTH {
            let offers: Vec<_> = response
                .headers
                .all(asker.challenge())
                .flat_map(challenge::read)
                .collect();
            if !offers.is_empty() {
                let challenge = self.judge(asker, &offers, request)?;
                asked.push((asker, challenge));
            }
        }
        if asked.is_empty() {
            return Err(Refusal::Missing);
        }
        for (asker, challenge) in asked {
            self.begin(asker, challenge);
        }
        Ok(self.sign_all(request, random))
    }

    /// Learns from a 2xx to `request`: the password is right, the next nonce, whether the server proved itself.
    pub fn accepted(&mut self, request: &Request, response: &Response) -> ServerProof {
        let mut proof = ServerProof::None;
        for asker in Asker::BOTH {
            let sent = request.headers.get(asker.credentials()).and_then(Credentials::parse);
            let Some(sent) = sent.filter(|sent| sent.username == self.username) else {
                continue;
            };
            self.stale_in_a_row = 0;
            if request.method == Method::Register && asker == Asker::Server {
                self.memory.accepted = true;
                self.refusals = 0;
                if sent.realm != self.domain {
                    self.memory.realm = Some(sent.realm.clone());
                }
            }
            match self.read_info(asker, &sent, response) {
                ServerProof::None => {}
                told => proof = told,
            }
        }
        proof
    }

    /// The login was refused: [`Refusal::Login`], or 403 to a REGISTER. How long to wait before one more attempt;
    /// `None` to stop and ask the user, because this password was never accepted.
    pub fn login_refused(&mut self, random: &mut Random) -> Option<Duration> {
        self.begin_anew();
        if !self.memory.accepted {
            return None;
        }
        self.refusals = self.refusals.saturating_add(1);
        Some(login::wait(self.refusals, random))
    }

    /// Whether and how one party's challenge is answered.
    fn judge(&mut self, asker: Asker, offers: &[Offer], request: &Request) -> Result<Challenge, Refusal> {
        let known: Vec<&str> = self
            .memory
            .realm
            .as_deref()
            .into_iter()
            .chain([self.domain.as_str()])
            .collect();
        let rules = Rules {
            realms: &known,
            learn_realm: self.may_learn(request),
            strong_only: self.memory.strong_offered,
        };
        let chosen = choose(offers, &rules);
        if known.iter().any(|realm| offers_strong(offers, realm))
            || chosen.as_ref().is_ok_and(|challenge| challenge.algorithm.is_strong())
        {
            self.memory.strong_offered = true;
        }
        let challenge = chosen?;
        if self.was_answer(asker, request) {
            if !challenge.stale {
                self.begin_anew();
                return Err(Refusal::Login);
            }
            self.stale_in_a_row = self.stale_in_a_row.saturating_add(1);
            if self.stale_in_a_row > MOST_STALE {
                self.begin_anew();
                return Err(Refusal::StaleForever);
            }
        }
        Ok(challenge)
    }

    /// Whether `request` may try a realm that is not known to be the account's.
    fn may_learn(&self, request: &Request) -> bool {
        request.method == Method::Register && !self.memory.accepted && self.memory.realm.is_none()
    }

    /// Whether `request` may carry the answer to a `challenge` of before. Its nonce may outlive what allowed it: the trial
    /// of its realm, or the time in which nothing better than MD5 was offered.
    fn may_answer(&self, challenge: &Challenge, request: &Request) -> bool {
        let realm = challenge.realm.as_str();
        let is_ours = realm == self.domain || self.memory.realm.as_deref() == Some(realm) || self.may_learn(request);
        is_ours && (challenge.algorithm.is_strong() || !self.memory.strong_offered)
    }

    /// Whether the request carried the answer to a challenge of its own exchange, and not a nonce kept from before.
    fn was_answer(&self, asker: Asker, request: &Request) -> bool {
        let sent = request.headers.get(asker.credentials()).and_then(Credentials::parse);
        sent.is_some_and(|sent| {
            let nc = sent.protection.map_or(0, |protection| protection.nc);
            self.answers.iter().any(|answer| *answer == (sent.nonce.clone(), nc))
        })
    }

    /// A new nonce begins its count; a known one goes on counting.
    fn begin(&mut self, asker: Asker, challenge: Challenge) {
        let known = self.sessions.iter_mut().find(|session| session.asker == asker);
        match known {
            Some(session) if session.challenge.nonce == challenge.nonce => session.challenge = challenge,
            Some(session) => {
                *session = Session {
                    asker,
                    challenge,
                    nc: 0,
                }
            }
            None => self.sessions.push(Session {
                asker,
                challenge,
                nc: 0,
            }),
        }
    }

    fn sign_all(&mut self, request: &Request, random: &mut Random) -> Retry {
        let mut retry = Retry {
            credentials: Vec::new(),
        };
        for asker in Asker::BOTH {
            let Some(credentials) = self.next_credentials(asker, request, random) else {
                continue;
            };
            let nc = credentials.protection.as_ref().map_or(0, |protection| protection.nc);
            self.answers.push_back((credentials.nonce.clone(), nc));
            if self.answers.len() > REMEMBERED_ANSWERS {
                self.answers.pop_front();
            }
            retry.credentials.push((asker.credentials(), credentials.to_string()));
        }
        // Without qop a nonce has no count, so a later use could not be told from this one: it is used once.
        self.sessions.retain(|session| session.challenge.qop.is_some());
        retry
    }

    fn next_credentials(&mut self, asker: Asker, request: &Request, random: &mut Random) -> Option<Credentials> {
        let is_for = |session: &Session| session.asker == asker && self.may_answer(&session.challenge, request);
        let place = self.sessions.iter().position(is_for)?;
        let session = self.sessions.get_mut(place)?;
        session.nc = session.nc.checked_add(1)?;
        let challenge = &session.challenge;
        let protection = challenge.qop.map(|qop| Protection {
            qop,
            nc: session.nc,
            cnonce: random.token(8),
        });
        let mut credentials = Credentials {
            username: self.username.clone(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: request.uri.to_string(),
            response: String::new(),
            algorithm: challenge.algorithm,
            protection,
            opaque: challenge.opaque.clone(),
        };
        credentials.sign(&self.password, request.method.as_str(), &request.body);
        Some(credentials)
    }

    /// Authentication-Info: the next nonce and the server's proof.
    fn read_info(&mut self, asker: Asker, sent: &Credentials, response: &Response) -> ServerProof {
        let info = response.headers.get(asker.info()).and_then(Parameters::parse);
        let Some(info) = info else { return ServerProof::None };
        let session = self.sessions.iter_mut().find(|session| session.asker == asker);
        if let (Some(nonce), Some(session)) = (info.get("nextnonce"), session)
            && session.challenge.nonce == sent.nonce
        {
            session.challenge.nonce = nonce.to_owned();
            session.nc = 0;
        }
        match info.get("rspauth") {
            None => ServerProof::None,
            Some(given) => {
                let expected = sent.digest(&self.password, "", &response.body);
                let is_equal = expected.as_bytes().ct_eq(given.to_ascii_lowercase().as_bytes());
                if bool::from(is_equal) {
                    ServerProof::Valid
                } else {
                    ServerProof::Invalid
                }
            }
        }
    }
}

/// Whether a response asks for a password.
pub fn is_challenge(response: &Response) -> bool {
    matches!(
        response.status,
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    )
}

#[cfg(test)]
mod tests;
