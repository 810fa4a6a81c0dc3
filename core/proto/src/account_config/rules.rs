//! What the text fields of an account may hold. Nothing that passes can end a header line or leave its quotes' meaning
//! to chance; escaping is the message writer's.

use super::error::AccountError;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest text that a name field may hold, in characters.
pub(super) const MAX_TEXT: usize = 128;

/// Anything but control characters and what `forbidden` names.
pub(super) fn check_text(
    field: &'static str,
    text: &str,
    forbidden: impl Fn(char) -> bool,
) -> Result<(), AccountError> {
    if text.is_empty() {
        return Err(AccountError::Empty { field });
    }
    if text.chars().count() > MAX_TEXT {
        return Err(AccountError::TooLong { field });
    }
    match text.chars().find(|c| c.is_control() || forbidden(*c)) {
        Some(found) => Err(AccountError::BadCharacter { field, found }),
        None => Ok(()),
    }
}

/// RFC 3261 25.1 `host`: a name of RFC 1123 labels, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn check_host(field: &'static str, text: &str) -> Result<(), AccountError> {
    if text.is_empty() {
        return Err(AccountError::Empty { field });
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv4Addr>().is_ok() || is_host_name(text),
    };
    if valid {
        Ok(())
    } else {
        Err(AccountError::BadHost {
            field,
            text: text.to_owned(),
        })
    }
}

/// Labels of letters, digits, hyphens and, because real PBXs have them, underscores; a last label of digits alone
/// would be a mistyped address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && !last_is_number && name.split('.').all(label_is_valid)
}

/// One to 32 digits, stars and hashes.
pub(super) fn check_code(field: &'static str, text: &str) -> Result<(), AccountError> {
    let dialable = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#');
    match text.len() {
        0 => Err(AccountError::Empty { field }),
        1..=32 if dialable => Ok(()),
        _ => Err(AccountError::NotDialable {
            field,
            text: text.to_owned(),
        }),
    }
}

/// A code with at most one place `{}` for its argument.
pub(super) fn check_feature_code(text: &str) -> Result<(), AccountError> {
    check_code("feature code", &text.replacen("{}", "", 1))
}

/// A code, a number with `+`, or a `sip:` URI.
pub(super) fn check_voicemail(text: &str) -> Result<(), AccountError> {
    const FIELD: &str = "voicemail number";
    match text.split_once(':') {
        Some(("sip" | "sips", rest)) => check_text(FIELD, rest, |c| c.is_whitespace() || "<>\"".contains(c)),
        _ => check_code(FIELD, text.strip_prefix('+').unwrap_or(text)),
    }
}
