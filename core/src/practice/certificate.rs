//! The certificates of one run: a root that lives as long as the process, and the server's own under it.

use crate::net::tls::provider;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::error::Error;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What the exchange proves itself with.
pub(super) struct Identity {
    pub acceptor: TlsAcceptor,
    pub root_pem: String,
}

impl Identity {
    /// New keys and certificates for `domain`. The root's key is forgotten at once: it can sign nothing else.
    pub fn made_for(domain: &str) -> Result<Self, Box<dyn Error>> {
        let root = CertifiedIssuer::self_signed(root_params()?, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![domain.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, domain);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let certificate = params.signed_by(&key, &root)?;
        let private_key = PrivateKeyDer::try_from(key.serialize_der())?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private_key)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            root_pem: root.pem(),
        })
    }
}

fn root_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params
        .distinguished_name
        .push(DnType::CommonName, "Toestel practice, this run only");
    Ok(params)
}
