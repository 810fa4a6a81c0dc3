//! Text that was typed, pasted or clicked becomes a target, with what must be confirmed before it is called.
//!
//! A number keeps the form in which it was written (national stays national, `+` stays): PBXs differ in what they take,
//! and most take what a desk phone would send. Only an outside-line prefix rewrites it. Nothing is dialled here, and a
//! link only ever prefills.

mod country;
mod link;
mod number;
pub mod probe;
mod tail;
mod text;

use crate::account_config::AccountConfig;
pub use country::Country;
use serde::{Deserialize, Serialize};

/// The longest text looked at, in characters.
pub const MAX_TEXT: usize = 256;
/// The most digits in a number: twice what E.164 allows, for codes with arguments.
pub const MAX_DIGITS: usize = 32;

/// What the text turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DialKind {
    /// A number of the telephone network.
    Number,
    /// A short number or a name at the own PBX.
    Extension,
    /// A SIP address elsewhere.
    Uri,
    /// Something with `*` or `#` for the PBX.
    Code,
    /// Never blocked, never asked about.
    Emergency,
}

/// Why the user is asked before the call is placed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// A premium-rate number.
    Premium,
    /// A satellite phone, or an international network that bills like one.
    Satellite,
    /// A code that is not one of the account's feature codes: it may forward every call.
    Code,
    /// More digits than E.164 allows (15).
    Long,
}

/// What to call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dialled {
    /// What it is.
    pub kind: DialKind,
    /// The digits or name for the own PBX, or a whole `sip:` or `sips:` address.
    pub target: String,
    /// What must be confirmed first, each once; empty for most calls.
    pub confirm: Vec<Confirm>,
    /// Keys and pauses (`,` `;` `p` `w`) to be sent after the answer; empty for most calls.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tones: String,
}

impl Dialled {
    /// The request URI at `domain`, an IPv6 address in brackets (RFC 3261 19.1.1: `#` is escaped in a user part).
    pub fn request_uri(&self, domain: &str) -> String {
        match self.kind {
            DialKind::Uri => self.target.clone(),
            _ => format!("sip:{}@{domain}", self.target.replace('#', "%23")),
        }
    }
}

/// Why text cannot be called. The user, or the page that made the link, erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DialError {
    /// There is nothing in it.
    #[error("there is no number in it")]
    Empty,
    /// More than [`MAX_TEXT`] characters or [`MAX_DIGITS`] digits.
    #[error("it is too long to be a number")]
    TooLong,
    /// It contains control characters or line breaks.
    #[error("it contains control characters")]
    Control,
    /// It is a link of a kind that is not called.
    #[error("only tel:, sip:, sips: and callto: links can be called")]
    ForeignScheme,
    /// It contains something that no number has.
    #[error("it is not a telephone number")]
    NotANumber,
    /// It is not a SIP address.
    #[error("it is not a SIP address")]
    NotAnAddress,
    /// A SIP address with a password in it.
    #[error("a SIP address with a password in it is not called")]
    Password,
}

/// How the account dials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialPlan {
    /// Whose numbering plan is used.
    pub country: Country,
    /// Dialled before outside numbers.
    pub outside_prefix: Option<String>,
    /// Codes that need no confirmation.
    pub feature_codes: Vec<String>,
    /// The account's SIP domain: addresses there are extensions and numbers.
    pub domain: Option<String>,
}

impl DialPlan {
    /// The plan of a country, with no PBX behind it.
    pub fn of_country(code: &str) -> Self {
        Self {
            country: Country::of(code),
            outside_prefix: None,
            feature_codes: Vec::new(),
            domain: None,
        }
    }

    /// The plan of an account; the number of its mailbox counts as a feature code.
    pub fn of_account(account: &AccountConfig) -> Self {
        let codes = account.feature_codes.values().chain(&account.voicemail);
        let before_argument = |code: &String| code.split("{}").next().unwrap_or_default().to_owned();
        Self {
            country: Country::of(&account.country),
            outside_prefix: account.outside_line_prefix.clone().filter(|prefix| !prefix.is_empty()),
            feature_codes: codes.map(before_argument).collect(),
            domain: Some(account.domain.clone()),
        }
    }
}

impl DialPlan {
    /// An emergency number without the outside-line prefix that may stand before it: another PBX does not know it.
    pub fn without_prefix(&self, number: &str) -> String {
        let bare = self
            .outside_prefix
            .as_deref()
            .and_then(|prefix| number.strip_prefix(prefix))
            .filter(|bare| self.country.is_emergency(bare));
        bare.unwrap_or(number).to_owned()
    }
}

/// Turns text into a target.
///
/// # Errors
/// The reason why it cannot be called.
pub fn dial(input: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    let text = text::clean(input)?;
    let is_address = text.contains('@') || link::scheme(&text).is_some();
    let (text, tones) = tail::split(&text, is_address);
    let tones = tones.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    Ok(Dialled {
        tones,
        ..number_in(text, plan)?
    })
}

fn number_in(text: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    match link::scheme(text) {
        Some(("tel", rest)) => link::tel(rest, plan),
        Some(("callto", rest)) => link::callto(rest, plan),
        Some((scheme @ ("sip" | "sips"), rest)) => link::sip(scheme, rest, plan),
        Some(_) => Err(DialError::ForeignScheme),
        None if text.contains('@') => link::sip("sip", text, plan),
        None => number::dial(text, plan),
    }
}

#[cfg(test)]
mod tests;
