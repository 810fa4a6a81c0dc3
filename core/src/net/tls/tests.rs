//! Each rule against a real rustls server on loopback.

use super::*;
use crate::blame::Blame;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const DOMAIN: &str = "example.com";

/// A certificate authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's certificates, leaf first, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Roots {
        Roots::Pem(self.0.pem())
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = params(names, change);
        Identity {
            chain: vec![params.signed_by(&key, &self.0).unwrap().der().clone()],
            key,
        }
    }
}

impl Identity {
    fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            chain: vec![params(names, change).self_signed(&key).unwrap().der().clone()],
            key,
        }
    }

    fn as_roots(&self, folder: &std::path::Path) -> Roots {
        let path = folder.join("root.der");
        std::fs::write(&path, &self.chain[0]).unwrap();
        Roots::File(path)
    }

    fn pin(&self) -> Pin {
        let certificate = webpki::EndEntityCert::try_from(&self.chain[0]).unwrap();
        Pin(Sha256::digest(certificate.subject_public_key_info()).into())
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn server(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.private_key())
            .unwrap()
    }
}

/// Names: `sip:…` becomes a URI, digits an address, the rest a dNSName.
fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let (uris, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("sip:"));
    let others: Vec<String> = others.into_iter().map(str::to_owned).collect();
    let mut params = CertificateParams::new(others).unwrap();
    params
        .subject_alt_names
        .extend(uris.into_iter().map(|uri| SanType::URI(uri.try_into().unwrap())));
    change(&mut params);
    params
}

const UNCHANGED: fn(&mut CertificateParams) = |_| {};

/// Connects `client` to a server that answers `ping` with `pong`.
async fn call(client: &TlsClient, server: Arc<ServerConfig>) -> Result<TlsAgreed, TlsError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = TlsAcceptor::from(server).accept(stream).await else {
            return;
        };
        let mut ping = [0; 4];
        if stream.read_exact(&mut ping).await.is_ok() {
            let _ = stream.write_all(b"pong").await;
            let _ = stream.shutdown().await;
        }
    };
    let (_, outcome) = tokio::join!(serve, ping(client, address));
    outcome
}

async fn ping(client: &TlsClient, address: std::net::SocketAddr) -> Result<TlsAgreed, TlsError> {
    let mut stream = client.handshake(TcpStream::connect(address).await.unwrap()).await?;
    stream.write_all(b"ping").await.map_err(TlsError::from_io)?;
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).await.map_err(TlsError::from_io)?;
    assert_eq!(&pong, b"pong");
    Ok(TlsAgreed::of(&stream))
}

/// A server that speaks no TLS: it reads something, answers `bytes` and closes.
async fn call_plain(bytes: &'static [u8]) -> TlsError {
    let client = TlsClient::new(DOMAIN, &Authority::new("unused").roots(), &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 2_048];
        assert!(stream.read(&mut hello).await.unwrap() > 0);
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let (_, outcome) = tokio::join!(serve, ping(&client, address));
    outcome.unwrap_err()
}

/// What a client for `domain` says to a trusted certificate with these names.
async fn with_names(domain: &str, names: &[&str]) -> Result<TlsAgreed, TlsError> {
    let authority = Authority::new("Test CA");
    let client = TlsClient::new(domain, &authority.roots(), &[]).unwrap();
    call(&client, authority.issue(names, UNCHANGED).server().into()).await
}

fn mismatch(wanted: &str, names: &[&str]) -> Result<TlsAgreed, TlsError> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Err(CertificateRefused::NameMismatch {
        wanted: wanted.to_owned(),
        names,
    }
    .into())
}

#[tokio::test]
async fn a_dns_name_matches_the_domain_in_any_case() {
    let agreed = with_names("EXAMPLE.com.", &["other.org", "example.COM"]).await.unwrap();
    assert_eq!(agreed.version, "TLS 1.3");
    assert!(agreed.suite.starts_with("TLS13_"), "{}", agreed.suite);
}

#[tokio::test]
async fn a_sip_uri_alone_matches_the_domain() {
    assert!(with_names(DOMAIN, &["sip:example.com"]).await.is_ok());
}

#[tokio::test]
async fn a_sip_uri_decides_against_a_dns_name() {
    let names = ["sip:other.org", "example.com"];
    assert_eq!(with_names(DOMAIN, &names).await, mismatch(DOMAIN, &["other.org"]));
}

#[tokio::test]
async fn a_sip_uri_with_a_user_leaves_the_decision_to_the_dns_name() {
    assert!(
        with_names(DOMAIN, &["sip:alice@other.org", "example.com"])
            .await
            .is_ok()
    );
    let person = ["sip:alice@example.com", "other.org"];
    assert_eq!(with_names(DOMAIN, &person).await, mismatch(DOMAIN, &["other.org"]));
}

#[tokio::test]
async fn a_sips_uri_is_no_identity() {
    assert_eq!(with_names(DOMAIN, &["sips:example.com"]).await, mismatch(DOMAIN, &[]));
}

#[tokio::test]
async fn a_common_name_never_matches() {
    let authority = Authority::new("Test CA");
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    let named = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, DOMAIN);
    let without_names = authority.issue(&[], named);
    assert_eq!(
        call(&client, without_names.server().into()).await,
        mismatch(DOMAIN, &[])
    );
    let with_another = authority.issue(&["other.org"], named);
    assert_eq!(
        call(&client, with_another.server().into()).await,
        mismatch(DOMAIN, &["other.org"])
    );
}

#[tokio::test]
async fn an_ip_address_entry_never_matches_but_a_sip_uri_of_the_address_does() {
    assert_eq!(
        with_names("127.0.0.1", &["127.0.0.1"]).await,
        mismatch("127.0.0.1", &[])
    );
    assert!(with_names("127.0.0.1", &["sip:127.0.0.1"]).await.is_ok());
    assert!(with_names("[::1]", &["sip:[::1]"]).await.is_ok());
}

#[tokio::test]
async fn a_wildcard_matches_one_label_and_no_more() {
    assert!(with_names("tenant.example.com", &["*.example.com"]).await.is_ok());
    assert_eq!(
        with_names(DOMAIN, &["*.example.com"]).await,
        mismatch(DOMAIN, &["*.example.com"])
    );
    assert_eq!(
        with_names("a.b.example.com", &["*.example.com"]).await,
        mismatch("a.b.example.com", &["*.example.com"])
    );
}

#[tokio::test]
async fn the_srv_targets_own_certificate_is_not_the_domains() {
    assert_eq!(
        with_names(DOMAIN, &["edge1.hosting.net"]).await,
        mismatch(DOMAIN, &["edge1.hosting.net"])
    );
}

#[tokio::test]
async fn a_parent_or_child_domain_is_another_domain() {
    assert_eq!(
        with_names("pbx.example.com", &["example.com"]).await,
        mismatch("pbx.example.com", &["example.com"])
    );
    assert_eq!(
        with_names(DOMAIN, &["pbx.example.com"]).await,
        mismatch(DOMAIN, &["pbx.example.com"])
    );
}

#[tokio::test]
async fn an_unknown_issuer_is_named() {
    let client = TlsClient::new(DOMAIN, &Authority::new("Trusted CA").roots(), &[]).unwrap();
    let identity = Authority::new("Stranger CA").issue(&[DOMAIN], UNCHANGED);
    let error = call(&client, identity.server().into()).await.unwrap_err();
    assert_eq!(
        error,
        CertificateRefused::UnknownIssuer {
            issuer: Some("Stranger CA".into())
        }
        .into()
    );
    assert!(error.to_string().contains("issued by Stranger CA"), "{error}");
    assert_eq!(error.blame(), Blame::User);
}

#[tokio::test]
async fn an_impostor_with_the_trusted_authoritys_name_is_refused() {
    let client = TlsClient::new(DOMAIN, &Authority::new("Same Name").roots(), &[]).unwrap();
    let identity = Authority::new("Same Name").issue(&[DOMAIN], UNCHANGED);
    let error = call(&client, identity.server().into()).await.unwrap_err();
    let refused = [
        CertificateRefused::BadSignature.into(),
        CertificateRefused::UnknownIssuer {
            issuer: Some("Same Name".into()),
        }
        .into(),
    ];
    assert!(refused.contains(&error), "{error}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused_until_it_is_the_accounts_own_root() {
    let folder = Folder::new("self-signed");
    let authority_too = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for identity in [
        Identity::self_signed(&[DOMAIN], UNCHANGED),
        Identity::self_signed(&[DOMAIN], authority_too),
    ] {
        let stranger = TlsClient::new(DOMAIN, &Authority::new("Trusted CA").roots(), &[]).unwrap();
        let refused = call(&stranger, identity.server().into()).await;
        assert_eq!(refused, Err(CertificateRefused::SelfSigned.into()));
        let own = TlsClient::new(DOMAIN, &identity.as_roots(&folder.0), &[]).unwrap();
        assert!(call(&own, identity.server().into()).await.is_ok());
        let wrong_name = TlsClient::new("other.org", &identity.as_roots(&folder.0), &[]).unwrap();
        assert_eq!(
            call(&wrong_name, identity.server().into()).await,
            mismatch("other.org", &[DOMAIN])
        );
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_its_date_even_as_own_root() {
    let folder = Folder::new("expired");
    let past = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 29);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let identity = Identity::self_signed(&[DOMAIN], past);
    let client = TlsClient::new(DOMAIN, &identity.as_roots(&folder.0), &[]).unwrap();
    let error = call(&client, identity.server().into()).await.unwrap_err();
    assert!(
        matches!(error, TlsError::Certificate(CertificateRefused::Expired { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("expired on 2020-02-29"), "{error}");
    assert_eq!(error.blame(), Blame::Server);
}

#[tokio::test]
async fn a_certificate_from_the_future_points_at_the_clock() {
    let authority = Authority::new("Test CA");
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(3000, 1, 1);
    let error = call(&client, authority.issue(&[DOMAIN], future).server().into())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only from 3000-01-01"), "{error}");
    assert_eq!(error.blame(), Blame::Device);
}

#[tokio::test]
async fn an_intermediate_must_be_sent() {
    let root = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let ca = params(&[], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "Intermediate");
    });
    let intermediate = Authority(CertifiedIssuer::signed_by(ca, key, &root.0).unwrap());
    let mut identity = intermediate.issue(&[DOMAIN], UNCHANGED);
    let client = TlsClient::new(DOMAIN, &root.roots(), &[]).unwrap();
    let error = call(&client, identity.server().into()).await.unwrap_err();
    assert!(
        matches!(error, TlsError::Certificate(CertificateRefused::UnknownIssuer { .. })),
        "{error}"
    );
    identity.chain.push(intermediate.0.der().clone());
    assert!(call(&client, identity.server().into()).await.is_ok());
}

#[tokio::test]
async fn a_server_certificate_cannot_issue_others() {
    let root = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let no_ca = Authority(CertifiedIssuer::signed_by(params(&["evil.org"], UNCHANGED), key, &root.0).unwrap());
    let mut forged = no_ca.issue(&[DOMAIN], UNCHANGED);
    forged.chain.push(no_ca.0.der().clone());
    let client = TlsClient::new(DOMAIN, &root.roots(), &[]).unwrap();
    let error = call(&client, forged.server().into()).await.unwrap_err();
    assert!(matches!(error, TlsError::Certificate(_)), "{error}");
}

#[tokio::test]
async fn a_pin_is_demanded_besides_the_chain_and_never_replaces_it() {
    let authority = Authority::new("Test CA");
    let identity = authority.issue(&[DOMAIN], UNCHANGED);
    let other = Pin([7; 32]);
    let pinned = TlsClient::new(DOMAIN, &authority.roots(), &[other, identity.pin()]).unwrap();
    assert!(call(&pinned, identity.server().into()).await.is_ok());
    let mismatched = TlsClient::new(DOMAIN, &authority.roots(), &[other]).unwrap();
    let refused = Err(CertificateRefused::PinMismatch { found: identity.pin() }.into());
    assert_eq!(call(&mismatched, identity.server().into()).await, refused);
    let untrusted = TlsClient::new(DOMAIN, &Authority::new("Other CA").roots(), &[identity.pin()]).unwrap();
    let error = call(&untrusted, identity.server().into()).await.unwrap_err();
    assert!(
        matches!(error, TlsError::Certificate(CertificateRefused::UnknownIssuer { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_for_clients_is_not_for_servers() {
    let authority = Authority::new("Test CA");
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    let for_clients =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let refused = call(&client, authority.issue(&[DOMAIN], for_clients).server().into()).await;
    assert_eq!(refused, Err(CertificateRefused::WrongPurpose.into()));
}

#[tokio::test]
async fn a_certificate_without_its_key_is_worthless() {
    let authority = Authority::new("Test CA");
    let stolen = authority.issue(&[DOMAIN], UNCHANGED);
    let thief = authority.issue(&["evil.org"], UNCHANGED);
    let key = provider().key_provider.load_private_key(thief.private_key()).unwrap();
    #[derive(Debug)]
    struct Always(Arc<CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Always {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let certified = Arc::new(CertifiedKey::new(stolen.chain.clone(), key));
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified)));
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    assert_eq!(
        call(&client, server.into()).await,
        Err(CertificateRefused::BadSignature.into())
    );
}

#[tokio::test]
async fn tls_1_2_is_spoken_and_older_versions_are_said_to_be_too_old() {
    let authority = Authority::new("Test CA");
    let identity = authority.issue(&[DOMAIN], UNCHANGED);
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.private_key())
        .unwrap();
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    assert_eq!(call(&client, server.into()).await.unwrap().version, "TLS 1.2");
    let protocol_version_alert = b"\x15\x03\x01\x00\x02\x02\x46";
    assert_eq!(call_plain(protocol_version_alert).await, TlsError::OldVersion);
    // A TLS 1.0 ServerHello: version, random, empty session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let server_hello = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x0101234567890123456789012345678901\x00\x00\x2f\x00";
    assert_eq!(call_plain(server_hello).await, TlsError::OldVersion);
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_an_empty_list() {
    let authority = Authority::new("Test CA");
    let identity = authority.issue(&[DOMAIN], UNCHANGED);
    let mut accepted = RootCertStore::empty();
    accepted.add(authority.0.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(accepted.into(), provider());
    let server = |verifier| {
        Arc::new(
            ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_client_cert_verifier(verifier)
                .with_single_cert(identity.chain.clone(), identity.private_key())
                .unwrap(),
        )
    };
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    let asks = server(verifier.clone().allow_unauthenticated().build().unwrap());
    assert!(call(&client, asks).await.is_ok());
    let insists = server(verifier.build().unwrap());
    assert_eq!(call(&client, insists).await, Err(TlsError::ClientCertificateWanted));
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    assert_eq!(call_plain(b"SIP/2.0 400 Bad Request\r\n\r\n").await, TlsError::NotTls);
    assert_eq!(call_plain(b"").await, TlsError::ClosedInHandshake);
    let handshake_failure = b"\x15\x03\x03\x00\x02\x02\x28";
    assert_eq!(call_plain(handshake_failure).await, TlsError::NoCommonCipher);
    let internal_error = call_plain(b"\x15\x03\x03\x00\x02\x02\x50").await;
    assert_eq!(
        internal_error,
        TlsError::Alert {
            alert: "InternalError".into()
        }
    );
    assert!(internal_error.retry_helps());
}

#[tokio::test]
async fn a_session_is_resumed_by_the_same_account_only() {
    let authority = Authority::new("Test CA");
    let server = Arc::new(authority.issue(&[DOMAIN], UNCHANGED).server());
    let client = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    assert!(!call(&client, Arc::clone(&server)).await.unwrap().resumed);
    assert!(call(&client, Arc::clone(&server)).await.unwrap().resumed);
    let other_account = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    assert!(!call(&other_account, server).await.unwrap().resumed);
}

#[test]
fn roots_that_cannot_be_used_are_the_users_to_correct() {
    let missing = Roots::File("/nowhere/ca.pem".into());
    let broken_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for roots in [
        missing,
        Roots::Pem("no certificate".into()),
        Roots::Pem(broken_pem.into()),
    ] {
        let error = TlsClient::new(DOMAIN, &roots, &[]).unwrap_err();
        assert!(matches!(error, TlsError::BadRoots { .. }), "{error}");
        assert_eq!(error.blame(), Blame::User);
        assert!(!error.retry_helps());
    }
    let error = TlsClient::new("no host", &Roots::System, &[]).unwrap_err();
    assert_eq!(error, TlsError::BadName { name: "no host".into() });
}

/// The system's store is read once per process, so a process of its own runs this with a store of the test's.
#[test]
fn the_systems_store_decides_the_chain_and_our_rules_the_name() {
    const CHILD: &str = "TOESTEL_TEST_SYSTEM_STORE";
    if std::env::var_os(CHILD).is_some() {
        return tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(system_store());
    }
    let folder = Folder::new("system-store");
    let name = "net::tls::tests::the_systems_store_decides_the_chain_and_our_rules_the_name";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("SSL_CERT_FILE", folder.0.join("system.pem"))
        .env_remove("SSL_CERT_DIR")
        .status()
        .unwrap();
    assert!(status.success());
}

async fn system_store() {
    let authority = Authority::new("System CA");
    let system = |domain| TlsClient::new(domain, &Roots::System, &[]).unwrap();
    // Making the client, and using one with own roots, must not read the store: it is written only after that.
    let own = TlsClient::new(DOMAIN, &authority.roots(), &[]).unwrap();
    let client = system(DOMAIN);
    assert!(
        call(&own, authority.issue(&[DOMAIN], UNCHANGED).server().into())
            .await
            .is_ok()
    );
    std::fs::write(std::env::var_os("SSL_CERT_FILE").unwrap(), authority.0.pem()).unwrap();
    for names in [
        &[DOMAIN][..],
        &["sip:example.com"],
        &["sip:example.com", "*.hosting.net"],
    ] {
        let server = authority.issue(names, UNCHANGED).server();
        assert!(call(&client, server.into()).await.is_ok(), "{names:?}");
    }
    let other_name = authority.issue(&["other.org"], UNCHANGED);
    assert_eq!(
        call(&client, other_name.server().into()).await,
        mismatch(DOMAIN, &["other.org"])
    );
    for names in [&[DOMAIN][..], &["sip:example.com"]] {
        let untrusted = Authority::new("Stranger CA").issue(names, UNCHANGED);
        let error = call(&client, untrusted.server().into()).await.unwrap_err();
        assert_eq!(
            error,
            CertificateRefused::UnknownIssuer {
                issuer: Some("Stranger CA".into())
            }
            .into()
        );
    }
}

/// A folder that is gone after the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("toestel-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
