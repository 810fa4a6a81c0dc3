//! The certificate check: chain, then name, then pin. Each refusal keeps what a person needs to know about it.

use super::error::CertificateRefused;
use super::identity::{Identities, printable};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use toestel_proto::account_config::Pin;

/// Where a chain may end.
#[derive(Debug)]
pub(super) enum Trust {
    /// At the operating system's authorities.
    System,
    /// At these certificates alone.
    Own {
        store: RootCertStore,
        certificates: Vec<CertificateDer<'static>>,
    },
}

#[derive(Debug)]
pub(super) struct Verifier {
    name: String,
    trust: Trust,
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

/// One certificate chain as it came.
struct Presented<'a> {
    end_entity: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    certificate: webpki::EndEntityCert<'a>,
    now: UnixTime,
}

impl Verifier {
    pub(super) const fn new(name: String, trust: Trust, pins: Vec<Pin>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            name,
            trust,
            pins,
            provider,
        }
    }

    fn check(&self, presented: &Presented<'_>) -> Result<(), CertificateRefused> {
        let certificate = &presented.certificate;
        let identities = Identities::new(certificate.valid_uri_names(), certificate.valid_dns_names());
        match &self.trust {
            Trust::Own { store, certificates } => self.check_own_chain(presented, store, certificates),
            Trust::System => self.check_system_chain(presented, &identities),
        }
        .map_err(|error| refused(error, presented))?;
        if !identities.include(&self.name) {
            return Err(CertificateRefused::NameMismatch {
                wanted: self.name.clone(),
                names: identities.shown(),
            });
        }
        let key = certificate.subject_public_key_info();
        let found = Pin(Sha256::digest(key.as_ref()).into());
        if !self.pins.is_empty() && !self.pins.contains(&found) {
            return Err(CertificateRefused::PinMismatch { found });
        }
        Ok(())
    }

    /// A certificate that is itself configured as a root is trusted even if it calls itself an authority, as those
    /// made by `openssl req -x509` do; its dates were checked before that was noticed.
    fn check_own_chain(
        &self,
        presented: &Presented<'_>,
        store: &RootCertStore,
        certificates: &[CertificateDer<'static>],
    ) -> Result<(), rustls::Error> {
        let parsed = ParsedCertificate::try_from(presented.end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chain = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            store,
            presented.intermediates,
            presented.now,
            algorithms,
        );
        match chain {
            Err(error) if is_authority_itself(&error) && certificates.contains(presented.end_entity) => Ok(()),
            chain => chain,
        }
    }

    /// The system's verifier insists on checking a name too, by other rules than ours. It gets one that the
    /// certificate has, so that its verdict is about the chain.
    fn check_system_chain(&self, presented: &Presented<'_>, identities: &Identities<'_>) -> Result<(), rustls::Error> {
        let name = identities.any_dns_name().unwrap_or_else(|| self.name.clone());
        let name = ServerName::try_from(name).map_err(|_| rustls::Error::UnsupportedNameType)?;
        let verdict = system_verifier(&self.provider)?.verify_server_cert(
            presented.end_entity,
            presented.intermediates,
            &name,
            &[],
            presented.now,
        );
        match verdict {
            Ok(_) => Ok(()),
            Err(error) if CHAIN_BEFORE_NAME && is_name_mismatch(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = webpki::EndEntityCert::try_from(end_entity)
            .map_err(|error| CertificateRefused::Malformed {
                detail: error.to_string(),
            })
            .and_then(|certificate| {
                self.check(&Presented {
                    end_entity,
                    intermediates,
                    certificate,
                    now,
                })
            });
        match verdict {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(refused) => Err(CertificateError::Other(OtherError(Arc::new(refused))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether the system's verifier looks at the name only after it has accepted the chain. So it is where it runs on
/// webpki; what others would have said of the chain is not known once they complain about a name.
const CHAIN_BEFORE_NAME: bool = cfg!(all(unix, not(target_os = "android"), not(target_vendor = "apple")));

/// The system's verifier, made when it is first needed and then shared.
fn system_verifier(provider: &Arc<CryptoProvider>) -> Result<Arc<rustls_platform_verifier::Verifier>, rustls::Error> {
    static SYSTEM: Mutex<Option<Arc<rustls_platform_verifier::Verifier>>> = Mutex::new(None);
    let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = &*system {
        return Ok(Arc::clone(verifier));
    }
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider))
        .map(Arc::new)
        .map_err(|error| CertificateError::Other(OtherError(Arc::new(no_system_roots(&error)))))?;
    Ok(Arc::clone(system.insert(verifier)))
}

fn no_system_roots(error: &rustls::Error) -> CertificateRefused {
    CertificateRefused::NoSystemRoots {
        detail: error.to_string(),
    }
}

fn is_name_mismatch(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

fn is_authority_itself(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))
        if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)))
}

/// The chain's error in words, with what the certificate itself says.
fn refused(error: rustls::Error, presented: &Presented<'_>) -> CertificateRefused {
    let certificate = &presented.certificate;
    let self_signed = certificate.issuer() == certificate.subject();
    match error {
        error if is_authority_itself(&error) && self_signed => CertificateRefused::SelfSigned,
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer if self_signed => CertificateRefused::SelfSigned,
            CertificateError::UnknownIssuer => CertificateRefused::UnknownIssuer {
                issuer: common_name(certificate.issuer()),
            },
            CertificateError::ExpiredContext { not_after, .. } => CertificateRefused::Expired {
                since: Some(not_after.as_secs()),
            },
            CertificateError::Expired => CertificateRefused::Expired { since: None },
            CertificateError::NotValidYetContext { not_before, .. } => CertificateRefused::NotYetValid {
                from: Some(not_before.as_secs()),
            },
            CertificateError::NotValidYet => CertificateRefused::NotYetValid { from: None },
            CertificateError::Revoked => CertificateRefused::Revoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                CertificateRefused::WrongPurpose
            }
            CertificateError::BadSignature => CertificateRefused::BadSignature,
            CertificateError::Other(OtherError(other)) => match other.downcast_ref::<CertificateRefused>() {
                Some(refused) => refused.clone(),
                None => CertificateRefused::Malformed {
                    detail: other.to_string(),
                },
            },
            other => CertificateRefused::Malformed {
                detail: other.to_string(),
            },
        },
        other => CertificateRefused::Malformed {
            detail: other.to_string(),
        },
    }
}

/// The common name, else the organisation, in a DER-encoded distinguished name without its outer tag (X.501).
fn common_name(mut name: &[u8]) -> Option<String> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];
    let mut organisation = None;
    while let Some((set, rest)) = der_value(name) {
        name = rest;
        let Some((attribute, _)) = der_value(set) else { continue };
        let Some((kind, value)) = der_value(attribute) else {
            continue;
        };
        let Some(text) = der_value(value).and_then(|(text, _)| std::str::from_utf8(text).ok()) else {
            continue;
        };
        match kind {
            COMMON_NAME => return Some(printable(text).into_owned()),
            ORGANISATION => organisation = Some(printable(text).into_owned()),
            _ => {}
        }
    }
    organisation
}

/// The contents of the first DER element, and what follows it.
fn der_value(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => rest.split_first().map(|(len, rest)| (usize::from(*len), rest))?,
        0x82 => rest
            .split_first_chunk()
            .map(|(len, rest)| (usize::from(u16::from_be_bytes(*len)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_issuer_name_is_no_name() {
        for broken in [
            &[][..],
            &[0x31],
            &[0x31, 0x05, 0x30],
            &[0x31, 0x84, 1, 1, 1, 1],
            &[0x31, 0x02, 0x30, 0x7f],
        ] {
            assert_eq!(common_name(broken), None, "{broken:?}");
        }
    }
}
