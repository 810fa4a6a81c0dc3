//! A login: whatever the server asks, only the account's password is proven, only to whom it may be, and never again
//! by MD5 once something better was offered.
//!
//! The input is a row of responses to a REGISTER, a NUL between them, each from its status code on and without the
//! header fields that every response has: those are put in front.

use std::sync::LazyLock;
use toestel_proto::random::Random;
use toestel_proto::secret::Secret;
use toestel_proto::sip::auth::{Algorithm, Authenticator, Credentials, Memory, Refusal, is_challenge, probe};
use toestel_proto::sip::msg::{HeaderName, Message, Method, NameAddr, Request, Response, Uri};
use toestel_proto::sip::parse;

use crate::mutate::text::Grammar;

const DOMAIN: &str = "pbx.example";
const USER: &str = "1001";
const PASSWORD: &str = "correct horse";
/// More than any login takes.
const MOST_RESPONSES: usize = 12;
const CREDENTIALS: [HeaderName; 2] = [HeaderName::Authorization, HeaderName::ProxyAuthorization];

/// Runs one input; whether anything was answered.
pub fn run(input: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(input) {
        probe::challenge(text, DOMAIN);
        Credentials::parse(text);
    }
    let mut random = Random::seeded(1);
    let mut login = Authenticator::new(USER, Secret::new(PASSWORD), DOMAIN, Memory::default());
    let mut request = register();
    let mut answered = 0_u32;
    for text in input.split(|byte| *byte == 0).take(MOST_RESPONSES) {
        let Some(response) = response(text) else { continue };
        let before = login.memory().clone();
        if is_challenge(&response) {
            let Ok(retry) = login
                .answer(&request, &response, &mut random)
                .inspect_err(judge_refusal)
            else {
                continue;
            };
            answered += 1;
            request.headers = register().headers;
            let vias = std::mem::take(&mut request.vias);
            request = retry.request(&request);
            request.vias = vias;
            judge(&request, &login, &response);
        } else if response.status.is_success() {
            login.accepted(&request, &response);
            request = register();
            login.authorise(&mut request, &mut random);
        } else {
            login.login_refused(&mut random);
        }
        let after = login.memory();
        assert!(
            after.strong_offered || !before.strong_offered,
            "a strong offer was forgotten"
        );
        assert!(
            after.realm == before.realm || after.accepted,
            "an unproven realm was learnt"
        );
    }
    answered > 0
}

fn judge_refusal(refusal: &Refusal) {
    assert!(!refusal.to_string().is_empty());
}

/// What was sent proves the password to whoever asked, and can be read.
fn judge(request: &Request, login: &Authenticator, challenge: &Response) {
    let written = request.to_bytes();
    let again = parse::datagram(&written);
    assert!(
        again.is_ok(),
        "credentials broke the message: {}",
        String::from_utf8_lossy(&written)
    );
    for name in CREDENTIALS {
        let Some(value) = request.headers.get(name.clone()) else {
            continue;
        };
        let credentials = Credentials::parse(value).expect("our own credentials can be read");
        assert!(credentials.prove(&Secret::new(PASSWORD), request.method.as_str(), &request.body));
        assert_eq!(credentials.username, USER);
        let known = login.memory().realm.as_deref();
        let learns = known.is_none() && !login.memory().accepted;
        assert!(learns || credentials.realm == DOMAIN || known == Some(&credentials.realm));
        let weak = credentials.algorithm == Algorithm::Md5 && login.memory().strong_offered;
        let asker = match name {
            HeaderName::Authorization => HeaderName::WwwAuthenticate,
            _ => HeaderName::ProxyAuthenticate,
        };
        assert!(!weak || !challenge.headers.has(asker), "MD5 after something better");
    }
}

fn register() -> Request {
    let uri: Uri = format!("sip:{DOMAIN}").parse().expect("a URI");
    let address: NameAddr = format!("<sip:{USER}@{DOMAIN}>").parse().expect("an address");
    let mut request = Request::new(Method::Register, uri, address.clone(), address, "c", 1);
    request.headers.set(HeaderName::MaxForwards, 70);
    request.vias = parse_one(&with_head(b"200 OK\r\n")).expect("a response").vias;
    request
}

fn response(text: &[u8]) -> Option<Response> {
    parse_one(&with_head(text))
}

fn with_head(text: &[u8]) -> Vec<u8> {
    let end = text
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .map_or(text.len(), |at| at + 2);
    let (start, rest) = text.split_at(end);
    [b"SIP/2.0 ", start, HEAD, rest, b"Content-Length: 0\r\n\r\n"].concat()
}

const HEAD: &[u8] = b"Via: SIP/2.0/TLS h.example;branch=z9hG4bK1\r\nFrom: <sip:1001@pbx.example>;tag=1\r\n\
    To: <sip:1001@pbx.example>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n";

fn parse_one(bytes: &[u8]) -> Option<Response> {
    match parse::datagram(bytes) {
        Ok(Message::Response(response)) => Some(response),
        Ok(Message::Request(_)) | Err(_) => None,
    }
}

/// `input` with an edit.
pub fn edit(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(&seeds(), Some(0)));
    Some(GRAMMAR.edit(input, random))
}

/// Logins as they go well, and as servers and people in between try to spoil them.
pub fn seeds() -> Vec<Vec<u8>> {
    let row = |responses: &[String]| responses.join("\0").into_bytes();
    let sha = challenge("realm=\"pbx.example\", nonce=\"a\", algorithm=SHA-256, qop=\"auth\"");
    let md5 = challenge("realm=\"pbx.example\", nonce=\"b\", algorithm=MD5, qop=\"auth,auth-int\", opaque=\"o\"");
    let stale = challenge("realm=\"pbx.example\", nonce=\"s\", algorithm=SHA-512-256, qop=\"auth\", stale=true");
    let good = |more: &str| format!("200 OK\r\nAuthentication-Info: nextnonce=\"n\", {more}\r\n");
    let proxy = md5.replace("401", "407").replace("WWW", "Proxy");
    vec![
        row(&[sha.clone(), good("qop=auth, rspauth=\"00\", cnonce=\"c\", nc=00000001")]),
        row(&[md5.clone(), good("qop=auth"), md5.clone(), sha.clone(), md5.clone()]),
        row(&[stale.clone(), stale.clone(), stale.clone(), stale.clone(), stale]),
        row(&[
            challenge("realm=\"asterisk\",nonce=\"a\""),
            good("qop=auth"),
            sha.clone(),
        ]),
        row(&[format!(
            "{md5}WWW-Authenticate: Digest realm=\"pbx.example\",\r\n nonce=\"f\",algorithm=SHA-256\r\n"
        )]),
        row(&[proxy.clone(), sha.clone(), proxy]),
        row(&[challenge(
            "realm=\"pbx.example\", nonce=\"\\\"\\\\\", qop=auth-int, Digest realm=\"x\", nonce=y",
        )]),
        row(&[sha.clone(), "403 Forbidden\r\n".to_owned(), sha.clone()]),
        row(&["401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"pbx.example\"\r\n".to_owned()]),
        row(&[challenge("realm=\"pbx.example\", nonce=\"a\", algorithm=SHA-3")]),
        row(&[challenge("realm=\"pbx.example\"")]),
        row(&[challenge("realm=\"pbx.example")]),
        row(&["401 Unauthorized\r\n".to_owned()]),
        row(&[good("qop=auth")]),
    ]
}

fn challenge(parameters: &str) -> String {
    format!("401 Unauthorized\r\nWWW-Authenticate: Digest {parameters}\r\n")
}
