//! Authorities and server certificates, drawn anew for every lab.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

/// An authority that signs the lab's servers, or one that nobody should trust.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as a PEM file.
    pub certificate: PathBuf,
}

impl Authority {
    /// A new authority whose certificate is `NAME.crt` in `folder`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be drawn");
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("an authority signs itself");
        let path = folder.join(format!("{name}.crt"));
        fs::write(&path, certificate.pem()).expect("the lab's folder can be written");
        Self {
            issuer: Issuer::new(parameters, key),
            certificate: path,
        }
    }

    /// Writes `server.crt` and `server.key` for a server called `domain` into `folder`. Where it is to be known by its
    /// `address` too, that is there in both forms, for clients that look for addresses among the names.
    pub fn certify(&self, folder: &Path, domain: &str, address: Option<&str>) {
        let key = KeyPair::generate().expect("a key can be drawn");
        let mut parameters = CertificateParams::new([domain.to_owned()]).expect("a domain is a valid name");
        parameters.distinguished_name.push(DnType::CommonName, domain);
        parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        if let Some(address) = address {
            let name = address.try_into().expect("digits and dots are a name");
            let address = address.parse().expect("an address");
            parameters
                .subject_alt_names
                .extend([SanType::IpAddress(address), SanType::DnsName(name)]);
        }
        let certificate = parameters.signed_by(&key, &self.issuer).expect("the authority signs");
        fs::write(folder.join("server.crt"), certificate.pem()).expect("the lab's folder can be written");
        fs::write(folder.join("server.key"), key.serialize_pem()).expect("the lab's folder can be written");
    }
}
