//! What can be wrong with an account, one sentence each: what it is and what to do.

use super::rules::MAX_TEXT;

/// What is wrong with an account. The one who erred is always the person, or the profile, that configured it; trying
/// again without a change never helps.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// `field` is empty.
    #[error("The {field} is empty: fill it in.")]
    Empty {
        /// The field in words.
        field: &'static str,
    },
    /// `field` is longer than any PBX takes.
    #[error("The {field} is longer than {MAX_TEXT} characters: shorten it.")]
    TooLong {
        /// The field in words.
        field: &'static str,
    },
    /// `field` holds a character that cannot stand there.
    #[error("The {field} contains {found:?}, which cannot be used there: remove it.")]
    BadCharacter {
        /// The field in words.
        field: &'static str,
        /// The first such character.
        found: char,
    },
    /// `field` is not a host.
    #[error(
        "The {field} {text:?} is not a host name or an address: write it like pbx.example.com, 192.0.2.1 or [2001:db8::1], without sip: or a user."
    )]
    BadHost {
        /// The field in words.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// The port is not from 1 to 65535.
    #[error("The port in {text:?} is not a number from 1 to 65535: correct it, or leave it out.")]
    BadPort {
        /// What was written.
        text: String,
    },
    /// The registration's lifetime is out of range.
    #[error("A registration of {0} seconds is out of range: choose 10 to 86400.")]
    BadExpires(u32),
    /// The country is not two capital letters.
    #[error("The country {0:?} is not a two-letter code: write it like NL or DE.")]
    BadCountry(String),
    /// `field` cannot be dialled.
    #[error("The {field} {text:?} cannot be dialled: use digits, * and #.")]
    NotDialable {
        /// The field in words.
        field: &'static str,
        /// What was written.
        text: String,
    },
    /// There is no codec to offer.
    #[error("No codec is chosen: choose at least one, such as opus or pcma.")]
    NoCodec,
    /// A codec stands in the list twice.
    #[error("The codec {0} is listed twice: list it once.")]
    DoubleCodec(&'static str),
    /// A code stands for two features.
    #[error("The feature code {0} is used for two features: give each its own.")]
    DoubleFeatureCode(String),
    /// A pin is not a SHA-256 digest in hexadecimal.
    #[error("The pin {0:?} is not a SHA-256 fingerprint: write 64 hexadecimal digits.")]
    BadPin(String),
    /// TLS rules are given for a transport without TLS.
    #[error("The account has certificate pins but its transport is not TLS: choose TLS, or remove the pins.")]
    PinsWithoutTls,
}

/// What is allowed but deserves a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountWarning {
    /// Media keys are sent only over TLS, so no call can be encrypted.
    #[error("Encrypted calls need the TLS transport, so this account cannot call: choose TLS, or turn encryption off.")]
    NoEncryptionWithoutTls,
    /// Everything about a call can be read on the way.
    #[error("Without TLS everyone on the way can read whom you call: choose TLS if the PBX has it.")]
    ReadableSignalling,
}
