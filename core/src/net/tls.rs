//! The TLS client of a signalling flow: rustls on ring, TLS 1.2 and 1.3.
//!
//! The certificate's chain ends at the operating system's trust store or at the account's own roots, its name is
//! checked by RFC 5922 7.1 ([`identity`]), and its key against the account's pins. There is no way around a refusal.
//! A server that asks for a client certificate gets an empty list. Sessions are resumed within one [`TlsClient`] and
//! never across accounts, because a resumed session is not verified again.
//!
//! The system's trust store is read when the first certificate is checked against it: an account with roots of its
//! own never pays for it.

mod error;
mod identity;
mod verify;

pub use error::{CertificateRefused, TlsError};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use toestel_proto::account_config::{AccountConfig, Pin, Roots};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use verify::{Trust, Verifier};

/// Sessions kept for resumption; an account has one server, and briefly two flows to it.
const SESSIONS: usize = 4;

/// How one account makes TLS connections.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// What was agreed in a handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsAgreed {
    /// `TLS 1.3` or `TLS 1.2`.
    pub version: &'static str,
    /// The cipher suite's registered name.
    pub suite: String,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

impl TlsClient {
    /// A client for an account's server, by the account's rules.
    ///
    /// # Errors
    /// [`TlsError::BadRoots`] or [`TlsError::BadName`]: the account's configuration erred.
    pub fn for_account(account: &AccountConfig) -> Result<Self, TlsError> {
        Self::new(account.certificate_name(), &account.roots, &account.pins)
    }

    /// A client that accepts only certificates for `name`, issued under `roots`, with one of `pins` if there are any.
    ///
    /// # Errors
    /// As [`TlsClient::for_account`].
    pub fn new(name: &str, roots: &Roots, pins: &[Pin]) -> Result<Self, TlsError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let bare = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(name);
        let server_name =
            ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::BadName { name: name.to_owned() })?;
        let trust = match roots {
            Roots::System => Trust::System,
            Roots::File(path) => own_roots(&read_roots(path)?, &path.display().to_string())?,
            Roots::Pem(text) => own_roots(text.as_bytes(), "of the account")?,
        };
        let verifier = Verifier::new(name.to_owned(), trust, pins.to_vec(), provider());
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Protocol {
                detail: error.to_string(),
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self {
            config: Arc::new(config),
            server_name,
        })
    }

    /// Makes the handshake on a connection that is open.
    ///
    /// # Errors
    /// Whatever the server or the network did wrong; see [`TlsError`].
    pub async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, TlsError> {
        TlsConnector::from(Arc::clone(&self.config))
            .connect(self.server_name.clone(), stream)
            .await
            .map_err(TlsError::from_io)
    }
}

impl TlsAgreed {
    /// What was agreed on this connection.
    pub fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, connection) = stream.get_ref();
        Self {
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "TLS 1.2",
            },
            suite: connection
                .negotiated_cipher_suite()
                .map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        }
    }
}

/// The one provider of ciphers, ring, named explicitly so that no other can slip in through a dependency's features.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

fn read_roots(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::BadRoots {
        source_name: path.display().to_string(),
        detail: error.to_string(),
    })
}

/// The certificates in PEM text, or one in DER.
fn own_roots(bytes: &[u8], source_name: &str) -> Result<Trust, TlsError> {
    let bad = |detail: String| TlsError::BadRoots {
        source_name: source_name.to_owned(),
        detail,
    };
    let pem: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(error.to_string()))?;
    let certificates = if pem.is_empty() {
        vec![CertificateDer::from(bytes.to_vec())]
    } else {
        pem
    };
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|error| bad(error.to_string()))?;
    }
    Ok(Trust::Own { store, certificates })
}

#[cfg(test)]
mod tests;
