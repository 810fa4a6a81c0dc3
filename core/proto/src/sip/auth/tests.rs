use super::*;
use crate::sip::msg::NameAddr;
use std::collections::BTreeSet;

const PASSWORD: &str = "s3cret";

/// A registrar that hands out numbered nonces, each good for `uses` requests, and insists on a rising count.
struct Registrar {
    realm: &'static str,
    password: &'static str,
    algorithms: Vec<Algorithm>,
    qop: Option<Qop>,
    uses: u32,
    issued: u32,
    seen: BTreeSet<(String, u32)>,
}

impl Registrar {
    fn new(algorithms: &[Algorithm]) -> Self {
        Self {
            realm: "asterisk",
            password: PASSWORD,
            algorithms: algorithms.to_vec(),
            qop: Some(Qop::Auth),
            uses: u32::MAX,
            issued: 0,
            seen: BTreeSet::new(),
        }
    }

    fn handle(&mut self, request: &Request) -> Response {
        let given = request
            .headers
            .get(HeaderName::Authorization)
            .map(|value| Credentials::parse(value).unwrap());
        let Some(given) = given else {
            return self.challenge(request, false);
        };
        let nc = given.protection.as_ref().map_or(1, |protection| protection.nc);
        let proven = given.prove(&Secret::new(self.password), request.method.as_str(), &request.body);
        if !proven || given.realm != self.realm || !self.algorithms.contains(&given.algorithm) {
            return self.challenge(request, false);
        }
        let is_current = given.nonce == format!("nonce-{}", self.issued) && nc <= self.uses;
        if !is_current || !self.seen.insert((given.nonce.clone(), nc)) {
            return self.challenge(request, true);
        }
        Response::to(request, StatusCode::OK)
    }

    fn challenge(&mut self, request: &Request, stale: bool) -> Response {
        self.issued += 1;
        let mut response = Response::to(request, StatusCode::UNAUTHORIZED);
        for algorithm in &self.algorithms {
            let challenge = Challenge {
                realm: self.realm.to_owned(),
                nonce: format!("nonce-{}", self.issued),
                opaque: Some("keep me".to_owned()),
                algorithm: *algorithm,
                qop: self.qop,
                stale,
            };
            response.headers.push(HeaderName::WwwAuthenticate, challenge);
        }
        response
    }
}

/// A phone with one account.
struct Phone {
    authenticator: Authenticator,
    random: Random,
    cseq: u32,
}

impl Phone {
    fn new() -> Self {
        Self::remembering(Memory::default())
    }

    fn remembering(memory: Memory) -> Self {
        Self {
            authenticator: Authenticator::new("100", Secret::new(PASSWORD), "pbx.example", memory),
            random: Random::seeded(7),
            cseq: 0,
        }
    }

    fn answer(&mut self, request: &Request, response: &Response) -> Result<Request, Refusal> {
        let retry = self.authenticator.answer(request, response, &mut self.random)?;
        Ok(retry.request(request))
    }

    /// A whole exchange: the number of requests that it took, or the refusal.
    fn exchange(&mut self, registrar: &mut Registrar, method: Method) -> Result<u32, Refusal> {
        self.cseq += 1;
        let mut request = request(method, self.cseq);
        self.authenticator.authorise(&mut request, &mut self.random);
        for sent in 1..20 {
            let response = registrar.handle(&request);
            if response.status.is_success() {
                self.authenticator.accepted(&request, &response);
                return Ok(sent);
            }
            request = self.answer(&request, &response)?;
        }
        panic!("it never ends");
    }
}

fn request(method: Method, cseq: u32) -> Request {
    let address = || NameAddr::new("sip:100@pbx.example".parse().unwrap());
    Request::new(
        method,
        "sip:pbx.example".parse().unwrap(),
        address(),
        address(),
        "call",
        cseq,
    )
}

fn challenged(request: &Request, header: &str) -> Response {
    let mut response = Response::to(request, StatusCode::UNAUTHORIZED);
    response.headers.push(HeaderName::WwwAuthenticate, header);
    response
}

fn credentials(request: &Request) -> Credentials {
    Credentials::parse(request.headers.get(HeaderName::Authorization).unwrap()).unwrap()
}

#[test]
fn each_algorithm_logs_in_with_and_without_qop() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512Half] {
        for qop in [None, Some(Qop::Auth), Some(Qop::AuthInt)] {
            let mut registrar = Registrar {
                qop,
                ..Registrar::new(&[algorithm])
            };
            let mut phone = Phone::new();
            assert_eq!(
                phone.exchange(&mut registrar, Method::Register),
                Ok(2),
                "{algorithm} {qop:?}"
            );
            assert!(phone.authenticator.memory().accepted);
        }
    }
}

#[test]
fn a_known_nonce_saves_the_round_trip_and_its_count_rises() {
    let mut registrar = Registrar::new(&[Algorithm::Sha256]);
    let mut phone = Phone::new();
    assert_eq!(phone.exchange(&mut registrar, Method::Register), Ok(2));
    for method in [Method::Invite, Method::Register, Method::Options] {
        assert_eq!(phone.exchange(&mut registrar, method), Ok(1));
    }
    let counts: Vec<_> = registrar.seen.iter().map(|(_, nc)| *nc).collect();
    assert_eq!(counts, [1, 2, 3, 4]);
}

#[test]
fn the_answer_to_a_challenge_is_not_signed_twice() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let challenge = r#"Digest realm="pbx.example",nonce="n",qop="auth""#;
    let retried = phone.answer(&register, &challenged(&register, challenge)).unwrap();
    let mut again = retried.clone();
    phone.authenticator.authorise(&mut again, &mut phone.random);
    assert_eq!(again, retried);
}

#[test]
fn a_nonce_without_qop_is_used_once() {
    let mut registrar = Registrar {
        qop: None,
        ..Registrar::new(&[Algorithm::Md5])
    };
    let mut phone = Phone::new();
    for _ in 0..3 {
        assert_eq!(phone.exchange(&mut registrar, Method::Register), Ok(2));
    }
}

#[test]
fn what_the_challenge_wants_back_comes_back() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let challenge = r#"Digest realm="asterisk",nonce="a\"b",opaque="o\\p",qop="auth",algorithm=SHA-256"#;
    let retried = phone.answer(&register, &challenged(&register, challenge)).unwrap();
    let sent = credentials(&retried);
    assert_eq!(
        (sent.nonce.as_str(), sent.opaque.as_deref(), sent.uri.as_str()),
        ("a\"b", Some("o\\p"), "sip:pbx.example")
    );
    assert_eq!(sent.protection.unwrap().nc, 1);
    assert_eq!((retried.cseq, retried.vias.len()), (2, 0));
}

#[test]
fn a_stale_nonce_is_answered_without_doubting_the_password() {
    let mut registrar = Registrar {
        uses: 2,
        ..Registrar::new(&[Algorithm::Sha256])
    };
    let mut phone = Phone::new();
    let sent: Vec<_> = (0..6)
        .map(|_| phone.exchange(&mut registrar, Method::Register).unwrap())
        .collect();
    assert_eq!(sent, [2, 1, 2, 1, 2, 1]);
}

#[test]
fn a_401_to_a_cached_nonce_earns_one_answer_even_if_it_is_not_called_stale() {
    let mut phone = Phone::new();
    phone
        .exchange(&mut Registrar::new(&[Algorithm::Sha256]), Method::Register)
        .unwrap();
    // The server restarted: it knows nothing of the nonce and does not say `stale`.
    let mut register = request(Method::Register, 9);
    phone.authenticator.authorise(&mut register, &mut phone.random);
    let fresh = r#"Digest realm="asterisk",nonce="new",qop="auth",algorithm=SHA-256"#;
    let retried = phone.answer(&register, &challenged(&register, fresh)).unwrap();
    assert_eq!(credentials(&retried).nonce, "new");
    let again = r#"Digest realm="asterisk",nonce="newer",qop="auth",algorithm=SHA-256"#;
    assert_eq!(
        phone.answer(&retried, &challenged(&retried, again)),
        Err(Refusal::Login)
    );
}

#[test]
fn a_wrong_password_is_sent_once_and_then_the_user_is_asked() {
    let mut registrar = Registrar {
        password: "other",
        ..Registrar::new(&[Algorithm::Sha256])
    };
    let mut phone = Phone::new();
    assert_eq!(phone.exchange(&mut registrar, Method::Register), Err(Refusal::Login));
    assert_eq!(registrar.issued, 2, "one challenge, one refusal");
    assert_eq!(phone.authenticator.login_refused(&mut phone.random), None);
}

#[test]
fn a_password_that_was_right_before_is_tried_after_5_then_15_then_every_60_minutes() {
    let mut registrar = Registrar::new(&[Algorithm::Sha256]);
    let mut phone = Phone::new();
    phone.exchange(&mut registrar, Method::Register).unwrap();
    registrar.password = "changed";
    let mut waits = Vec::new();
    for _ in 0..4 {
        assert_eq!(phone.exchange(&mut registrar, Method::Register), Err(Refusal::Login));
        let wait = phone.authenticator.login_refused(&mut phone.random).unwrap();
        waits.push(wait.as_secs_f64() / 60.0);
    }
    for (wait, middle) in waits.iter().zip([5.0, 15.0, 60.0, 60.0]) {
        assert!((wait - middle).abs() <= middle / 10.0, "{waits:?}");
    }
    assert_ne!(waits[2], waits[3], "with jitter");

    registrar.password = PASSWORD;
    phone.exchange(&mut registrar, Method::Register).unwrap();
    let first_again = phone.authenticator.login_refused(&mut phone.random).unwrap();
    assert!(
        first_again < Duration::from_secs(6 * 60),
        "a success starts the row anew"
    );
}

#[test]
fn a_new_password_was_never_accepted() {
    let mut phone = Phone::remembering(Memory {
        realm: Some("asterisk".to_owned()),
        strong_offered: true,
        accepted: true,
    });
    phone.authenticator.set_password(Secret::new("new"));
    assert_eq!(phone.authenticator.login_refused(&mut phone.random), None);
    let memory = phone.authenticator.memory();
    assert_eq!((memory.realm.as_deref(), memory.strong_offered), (None, true));
}

#[test]
fn a_server_that_calls_every_nonce_stale_is_given_up() {
    let mut registrar = Registrar {
        uses: 0,
        ..Registrar::new(&[Algorithm::Sha256])
    };
    let mut phone = Phone::new();
    assert_eq!(
        phone.exchange(&mut registrar, Method::Register),
        Err(Refusal::StaleForever)
    );
    assert_eq!(registrar.issued, 1 + MOST_STALE + 1);
}

#[test]
fn a_server_with_one_nonce_for_everything_cannot_make_it_loop() {
    let mut phone = Phone::new();
    let constant = r#"Digest realm="asterisk",nonce="always",qop="auth""#;
    let mut sent = request(Method::Register, 1);
    let mut tries = 0;
    while let Ok(retried) = phone.answer(&sent, &challenged(&sent, constant)) {
        sent = retried;
        tries += 1;
        assert!(tries < 5);
    }
    assert_eq!(tries, 1);
}

#[test]
fn md5_is_not_answered_after_sha_256_was_offered_not_even_after_a_restart() {
    let mut phone = Phone::new();
    phone
        .exchange(
            &mut Registrar::new(&[Algorithm::Md5, Algorithm::Sha256]),
            Method::Register,
        )
        .unwrap();
    let mut downgraded = Registrar {
        issued: 50,
        ..Registrar::new(&[Algorithm::Md5])
    };
    assert_eq!(
        phone.exchange(&mut downgraded, Method::Register),
        Err(Refusal::Downgrade)
    );

    let saved = phone.authenticator.memory().clone();
    let mut restarted = Phone::remembering(saved);
    assert_eq!(
        restarted.exchange(&mut downgraded, Method::Register),
        Err(Refusal::Downgrade)
    );
}

#[test]
fn the_first_register_learns_the_realm_and_no_other_is_answered_after_it_succeeded() {
    let mut phone = Phone::new();
    phone
        .exchange(&mut Registrar::new(&[Algorithm::Sha256]), Method::Register)
        .unwrap();
    assert_eq!(phone.authenticator.memory().realm.as_deref(), Some("asterisk"));
    let mut other = Registrar {
        realm: "evil",
        ..Registrar::new(&[Algorithm::Sha256])
    };
    for method in [Method::Register, Method::Bye] {
        assert_eq!(phone.exchange(&mut other, method), Err(Refusal::Realm("evil".into())));
    }
    let mut domain = Registrar {
        realm: "pbx.example",
        issued: 9,
        ..Registrar::new(&[Algorithm::Sha256])
    };
    assert!(
        phone.exchange(&mut domain, Method::Invite).is_ok(),
        "the domain is always the account's"
    );
}

#[test]
fn a_realm_is_learnt_by_register_alone_and_only_by_one_that_succeeded() {
    let mut phone = Phone::new();
    let mut asterisk = Registrar::new(&[Algorithm::Sha256]);
    assert_eq!(
        phone.exchange(&mut asterisk, Method::Invite),
        Err(Refusal::Realm("asterisk".into()))
    );
    asterisk.password = "other";
    assert_eq!(phone.exchange(&mut asterisk, Method::Register), Err(Refusal::Login));
    assert_eq!(phone.authenticator.memory().realm, None);
    let mut own = Registrar {
        realm: "pbx.example",
        ..Registrar::new(&[Algorithm::Sha256])
    };
    phone.exchange(&mut own, Method::Register).unwrap();
    asterisk.password = PASSWORD;
    assert_eq!(
        phone.exchange(&mut asterisk, Method::Register),
        Err(Refusal::Realm("asterisk".into()))
    );
}

#[test]
fn a_nonce_of_a_realm_that_was_only_tried_is_forgotten_once_another_was_accepted() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let mut both = challenged(&register, r#"Digest realm="pbx.example",nonce="s",qop="auth""#);
    both.headers.push(
        HeaderName::ProxyAuthenticate,
        r#"Digest realm="evil",nonce="p",qop="auth""#,
    );
    let retry = phone.answer(&register, &both).unwrap();
    let mut invite = request(Method::Invite, 2);
    phone.authenticator.authorise(&mut invite, &mut phone.random);
    assert!(
        !invite.headers.has(HeaderName::ProxyAuthorization),
        "only REGISTER tries a realm"
    );
    phone
        .authenticator
        .accepted(&retry, &Response::to(&retry, StatusCode::OK));
    let mut again = request(Method::Register, 3);
    phone.authenticator.authorise(&mut again, &mut phone.random);
    assert!(again.headers.has(HeaderName::Authorization));
    assert!(!again.headers.has(HeaderName::ProxyAuthorization));
}

#[test]
fn an_md5_nonce_of_before_is_not_used_once_something_stronger_was_offered() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let weak = r#"Digest realm="pbx.example",nonce="m",qop="auth",algorithm=MD5"#;
    let retry = phone.answer(&register, &challenged(&register, weak)).unwrap();
    assert!(retry.headers.has(HeaderName::Authorization));
    let unusable = r#"Digest realm="pbx.example",nonce="s",qop="none-that-we-know",algorithm=SHA-256"#;
    let second = request(Method::Register, 2);
    assert!(phone.answer(&second, &challenged(&second, unusable)).is_err());
    let mut third = request(Method::Register, 3);
    phone.authenticator.authorise(&mut third, &mut phone.random);
    assert!(!third.headers.has(HeaderName::Authorization));
}

#[test]
fn basic_is_never_answered() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let basic = challenged(&register, r#"Basic realm="pbx.example""#);
    assert_eq!(phone.answer(&register, &basic), Err(Refusal::Scheme("Basic".into())));
    let nothing = Response::to(&register, StatusCode::UNAUTHORIZED);
    assert_eq!(phone.answer(&register, &nothing), Err(Refusal::Missing));
}

#[test]
fn a_proxy_and_the_registrar_are_answered_side_by_side_each_with_its_own_count() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let mut by_proxy = Response::to(&register, StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    by_proxy.headers.push(
        HeaderName::ProxyAuthenticate,
        r#"Digest realm="pbx.example",nonce="p",qop="auth""#,
    );
    let second = phone.answer(&register, &by_proxy).unwrap();
    let server = r#"Digest realm="pbx.example",nonce="s",qop="auth""#;
    let third = phone.answer(&second, &challenged(&second, server)).unwrap();
    let proxy = Credentials::parse(third.headers.get(HeaderName::ProxyAuthorization).unwrap()).unwrap();
    assert_eq!(
        (proxy.nonce.as_str(), proxy.protection.unwrap().nc),
        ("p", 2),
        "never the same count twice"
    );
    assert_eq!(credentials(&third).nonce, "s");
    assert_eq!(third.headers.all(HeaderName::ProxyAuthorization).count(), 1);
}

#[test]
fn a_password_that_two_requests_find_refused_is_tried_no_third_time() {
    let mut phone = Phone::new();
    let mut registrar = Registrar {
        realm: "pbx.example",
        password: "another",
        ..Registrar::new(&[Algorithm::Sha256])
    };
    let [register, bye] = [request(Method::Register, 1), request(Method::Bye, 2)];
    let challenges = [&register, &bye].map(|request| registrar.handle(request));
    let register = phone.answer(&register, &challenges[0]).unwrap();
    let bye = phone.answer(&bye, &challenges[1]).unwrap();
    let refusals = [&bye, &register].map(|request| registrar.handle(request));
    assert_eq!(phone.answer(&bye, &refusals[0]), Err(Refusal::Login));
    assert_eq!(phone.answer(&register, &refusals[1]), Err(Refusal::Login));
}

#[test]
fn a_count_that_was_used_does_not_go_out_again_beside_another_answer() {
    let mut phone = Phone::new();
    let sent = request(Method::Bye, 1);
    let mut asked = Response::to(&sent, StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    let from_the_proxy = r#"Digest realm="pbx.example", nonce="p", algorithm=SHA-256, qop="auth""#;
    asked.headers.push(HeaderName::ProxyAuthenticate, from_the_proxy);
    let answered = phone.answer(&sent, &asked).unwrap();
    assert!(answered.headers.has(HeaderName::ProxyAuthorization));
    phone.authenticator.forget_nonces();
    let from_the_server = r#"Digest realm="pbx.example", nonce="s", algorithm=SHA-256, qop="auth""#;
    let again = phone
        .answer(&answered, &challenged(&answered, from_the_server))
        .unwrap();
    assert_eq!(credentials(&again).nonce, "s");
    assert!(!again.headers.has(HeaderName::ProxyAuthorization), "its count was used");
}

#[test]
fn an_answer_without_a_count_stays_beside_the_next_ones() {
    let mut phone = Phone::new();
    let sent = request(Method::Bye, 1);
    let mut asked = Response::to(&sent, StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    let from_the_proxy = r#"Digest realm="pbx.example", nonce="p""#;
    asked.headers.push(HeaderName::ProxyAuthenticate, from_the_proxy);
    let answered = phone.answer(&sent, &asked).unwrap();
    let from_the_server = r#"Digest realm="pbx.example", nonce="s""#;
    let again = phone
        .answer(&answered, &challenged(&answered, from_the_server))
        .unwrap();
    assert!(
        again.headers.has(HeaderName::ProxyAuthorization),
        "or proxy and server would take turns for ever"
    );
}

#[test]
fn nextnonce_is_used_next_and_refusing_it_does_not_doubt_the_password() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let challenge = r#"Digest realm="pbx.example",nonce="first",qop="auth",algorithm=SHA-256"#;
    let retried = phone.answer(&register, &challenged(&register, challenge)).unwrap();
    let mut ok = Response::to(&retried, StatusCode::OK);
    ok.headers.push(HeaderName::AuthenticationInfo, r#"nextnonce="second""#);
    phone.authenticator.accepted(&retried, &ok);

    let mut next = request(Method::Register, 3);
    phone.authenticator.authorise(&mut next, &mut phone.random);
    let sent = credentials(&next);
    assert_eq!((sent.nonce.as_str(), sent.protection.unwrap().nc), ("second", 1));
    let fresh = r#"Digest realm="pbx.example",nonce="third",qop="auth",algorithm=SHA-256"#;
    assert!(phone.answer(&next, &challenged(&next, fresh)).is_ok());
}

#[test]
fn the_servers_own_proof_is_checked() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    let challenge = r#"Digest realm="pbx.example",nonce="n",qop="auth",algorithm=SHA-256"#;
    let retried = phone.answer(&register, &challenged(&register, challenge)).unwrap();
    let mut told = |password: &str| {
        let rspauth = credentials(&retried).digest(&Secret::new(password), "", b"");
        let mut ok = Response::to(&retried, StatusCode::OK);
        ok.headers.push(
            HeaderName::AuthenticationInfo,
            format!("qop=auth, rspauth=\"{rspauth}\", nc=00000001"),
        );
        phone.authenticator.accepted(&retried, &ok)
    };
    assert_eq!(told(PASSWORD), ServerProof::Valid);
    assert_eq!(told("guess"), ServerProof::Invalid);
    let plain = Response::to(&retried, StatusCode::OK);
    assert_eq!(phone.authenticator.accepted(&retried, &plain), ServerProof::None);
}

#[test]
fn a_2xx_without_credentials_proves_nothing_about_the_password() {
    let mut phone = Phone::new();
    let register = request(Method::Register, 1);
    phone
        .authenticator
        .accepted(&register, &Response::to(&register, StatusCode::OK));
    assert!(!phone.authenticator.memory().accepted);
}

#[test]
fn the_authenticator_does_not_print_its_password() {
    let phone = Phone::new();
    let text = format!("{:?}", phone.authenticator);
    assert!(!text.contains(PASSWORD) && text.contains("Secret(…)"), "{text}");
}
