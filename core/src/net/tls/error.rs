//! What can go wrong with TLS: what it is, who erred, and what to do about it, in one sentence each.

use crate::blame::Blame;
use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible};
use std::io;
use toestel_proto::account_config::Pin;

/// Why there is no TLS connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server's certificate was refused.
    #[error("{0}")]
    Certificate(#[from] CertificateRefused),
    /// The account's own roots cannot be used.
    #[error("The trusted certificates {source_name} cannot be used ({detail}): give a PEM or DER certificate file.")]
    BadRoots {
        /// The file, or "of the account".
        source_name: String,
        /// The reason.
        detail: String,
    },
    /// The name to check the certificate against is not one.
    #[error("No certificate can be for {name:?}: correct the account's domain or certificate name.")]
    BadName {
        /// What was configured.
        name: String,
    },
    /// The other side does not speak TLS.
    #[error("The server does not speak TLS on this port: check the port (usually 5061), or choose TCP or UDP.")]
    NotTls,
    /// The other side has only versions before TLS 1.2.
    #[error(
        "The server offers only TLS 1.1 or older, which is broken: ask the PBX's administrator to turn on TLS 1.2."
    )]
    OldVersion,
    /// No cipher, curve or signature in common.
    #[error(
        "The server has no cipher in common with this phone: ask the PBX's administrator to turn on ECDHE with AES-GCM or ChaCha20."
    )]
    NoCommonCipher,
    /// The server insists on a client certificate.
    #[error(
        "The server wants a certificate from this phone, which it has not: ask the PBX's administrator to turn that off."
    )]
    ClientCertificateWanted,
    /// The server ended the handshake without a word.
    #[error("The server closed the connection during the TLS handshake: check the port, or try again in a minute.")]
    ClosedInHandshake,
    /// The server ended the handshake, or the connection, with this alert.
    #[error("The server refused the TLS connection ({alert}): ask the PBX's administrator to look at its log.")]
    Alert {
        /// The alert's registered name.
        alert: String,
    },
    /// Something else in the protocol was wrong.
    #[error("The TLS connection broke a rule ({detail}): try again, and tell the PBX's administrator if it stays.")]
    Protocol {
        /// The library's words.
        detail: String,
    },
    /// This device has no time or no randomness.
    #[error("This device could not give {what}, which TLS needs: check its date and time, then start again.")]
    Device {
        /// What it could not give.
        what: &'static str,
    },
    /// The connection below failed.
    #[error("The connection to the server broke ({detail}): check the network; it is tried again by itself.")]
    Connection {
        /// The system's words.
        detail: String,
        /// The system's kind.
        kind: io::ErrorKind,
    },
}

/// Why a certificate was refused. Trying again without a change does not help, except where a clock is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefused {
    /// The chain does not end at a trusted authority.
    #[error(
        "The server's certificate was issued by {}, which is not trusted here: get the root certificate from the PBX's administrator and set it for the account.",
        .issuer.as_deref().unwrap_or("an unnamed authority")
    )]
    UnknownIssuer {
        /// The common name of the certificate's issuer.
        issuer: Option<String>,
    },
    /// The certificate vouches for itself.
    #[error(
        "The server's certificate is self-signed: get it from the PBX's administrator and set it as the account's own root certificate."
    )]
    SelfSigned,
    /// The certificate, or one above it, has expired.
    #[error(
        "The server's certificate expired{}: ask the PBX's administrator to renew it, or correct this device's date.",
        on_date(" on ", *.since)
    )]
    Expired {
        /// Seconds since 1970.
        since: Option<u64>,
    },
    /// The certificate, or one above it, is not valid yet.
    #[error("The server's certificate is not valid yet{}: check this device's date and time.", on_date(", only from ", *.from))]
    NotYetValid {
        /// Seconds since 1970.
        from: Option<u64>,
    },
    /// The certificate is for others.
    #[error(
        "The server's certificate is for {}, not for {wanted}: correct the account's domain, or set the certificate name that the PBX's administrator gives you.",
        listed(.names)
    )]
    NameMismatch {
        /// The name that was wanted.
        wanted: String,
        /// The names that the certificate has.
        names: Vec<String>,
    },
    /// The key is not one of the account's pins.
    #[error(
        "The server's key is not a pinned one (it is {found}): someone may be listening in, or the PBX has a new key; ask its administrator before you change the pin."
    )]
    PinMismatch {
        /// The key that was presented.
        found: Pin,
    },
    /// The certificate may not be used by a server.
    #[error("The server's certificate is not meant for servers: ask the PBX's administrator for one that is.")]
    WrongPurpose,
    /// Its issuer took it back.
    #[error(
        "The server's certificate was revoked: ask the PBX's administrator for a new one, and do not connect before."
    )]
    Revoked,
    /// A signature in the chain is false.
    #[error(
        "A signature in the server's certificate chain is false: someone may be interfering; tell the PBX's administrator."
    )]
    BadSignature,
    /// The certificate cannot be read, or holds what is not allowed.
    #[error("The server's certificate is not valid ({detail}): ask the PBX's administrator for a correct one.")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// The system has no trusted authorities.
    #[error(
        "This device has no list of trusted certificates ({detail}): install ca-certificates, or set the account's own root certificate."
    )]
    NoSystemRoots {
        /// The reason.
        detail: String,
    },
}

impl TlsError {
    /// Who erred.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Certificate(refused) => refused.blame(),
            Self::BadRoots { .. } | Self::BadName { .. } => Blame::User,
            Self::NotTls
            | Self::OldVersion
            | Self::NoCommonCipher
            | Self::ClientCertificateWanted
            | Self::ClosedInHandshake
            | Self::Alert { .. }
            | Self::Protocol { .. } => Blame::Server,
            Self::Device { .. } => Blame::Device,
            Self::Connection { .. } => Blame::Network,
        }
    }

    /// Whether the same attempt may succeed later with nothing changed here. An engine tries all again, but rarely
    /// where this is false: a certificate may be renewed.
    pub const fn retry_helps(&self) -> bool {
        matches!(
            self,
            Self::ClosedInHandshake | Self::Connection { .. } | Self::Alert { .. } | Self::Protocol { .. }
        )
    }

    /// What an error of a TLS stream means, in the handshake or after it.
    pub(crate) fn from_io(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Self::from_rustls(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::ClosedInHandshake,
            None => Self::Connection {
                detail: error.to_string(),
                kind: error.kind(),
            },
        }
    }

    fn from_rustls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
                match other.downcast_ref::<CertificateRefused>() {
                    Some(refused) => refused.clone().into(),
                    None => CertificateRefused::Malformed {
                        detail: other.to_string(),
                    }
                    .into(),
                }
            }
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
                CertificateRefused::BadSignature.into()
            }
            rustls::Error::InvalidCertificate(other) => CertificateRefused::Malformed {
                detail: other.to_string(),
            }
            .into(),
            rustls::Error::NoCertificatesPresented => CertificateRefused::Malformed {
                detail: "there is none".to_owned(),
            }
            .into(),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::OldVersion,
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
            ) => Self::NoCommonCipher,
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Self::ClientCertificateWanted,
            rustls::Error::AlertReceived(alert) => Self::Alert {
                alert: format!("{alert:?}"),
            },
            rustls::Error::FailedToGetCurrentTime => Self::Device { what: "the time" },
            rustls::Error::FailedToGetRandomBytes => Self::Device { what: "random numbers" },
            other => Self::Protocol {
                detail: other.to_string(),
            },
        }
    }
}

impl CertificateRefused {
    /// Who erred. A name that does not match is blamed on the configuration, the likelier cause.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NameMismatch { .. } | Self::PinMismatch { .. } | Self::UnknownIssuer { .. } | Self::SelfSigned => {
                Blame::User
            }
            Self::NotYetValid { .. } | Self::NoSystemRoots { .. } => Blame::Device,
            Self::Expired { .. } | Self::WrongPurpose | Self::Revoked | Self::BadSignature | Self::Malformed { .. } => {
                Blame::Server
            }
        }
    }
}

/// Up to three names.
fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody by name".to_owned(),
        [first, second, third, _, ..] => format!("{first}, {second}, {third} and others"),
        some => some.join(", "),
    }
}

/// The day that a number of seconds since 1970 falls on, in UTC, after `before`; nothing if there is none.
fn on_date(before: &str, seconds: Option<u64>) -> String {
    let Some(days) = seconds.map(|seconds| seconds / 86_400).filter(|days| *days < 3_000_000) else {
        return String::new();
    };
    // Years begin in March, so that the leap day is the last; 146,097 days are 400 years.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leap_days = (day_of_era / 1_460)
        .saturating_add(day_of_era / 146_096)
        .saturating_sub(day_of_era / 36_524);
    let year_of_era = day_of_era.saturating_sub(leap_days) / 365;
    let before_year = (year_of_era.saturating_mul(365))
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100);
    let day_of_year = day_of_era.saturating_sub(before_year);
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let before_month = month_from_march.saturating_mul(153).saturating_add(2) / 5;
    let day = day_of_year.saturating_sub(before_month).saturating_add(1);
    let month = month_from_march.saturating_add(2) % 12 + 1;
    let year = era
        .saturating_mul(400)
        .saturating_add(year_of_era)
        .saturating_add(u64::from(month <= 2));
    format!("{before}{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_people_read_them() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(on_date("", Some(seconds)), date);
        }
        assert_eq!(on_date(" on ", None), "");
        assert_eq!(on_date(" on ", Some(u64::MAX)), "");
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names = |count: usize| vec!["a".to_owned(); count];
        assert_eq!(listed(&names(0)), "nobody by name");
        assert_eq!(listed(&names(3)), "a, a, a");
        assert_eq!(listed(&names(4)), "a, a, a and others");
    }
}
