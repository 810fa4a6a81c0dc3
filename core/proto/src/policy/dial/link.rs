//! Links: `tel:` (RFC 3966), `callto:`, `sip:` and `sips:` (RFC 3261 19.1), and bare `user@host`.
//!
//! A link only names whom to call. Header fields, methods and all parameters but the transport and `user=phone` are
//! dropped (RFC 3261 19.1.5 calls them dangerous), and a password is refused.
#![warn(clippy::arithmetic_side_effects)]

use super::text::{clean, percent_decode};
use super::{DialError, DialKind, DialPlan, Dialled, number};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The scheme in lower case and what follows it, if the text begins with one.
pub(super) fn scheme(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut characters = scheme.chars();
    let begins = characters.next()?.is_ascii_alphabetic();
    let is_scheme = begins && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !is_scheme {
        return None;
    }
    let known = ["tel", "callto", "sip", "sips"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(scheme));
    Some((known.unwrap_or("foreign"), rest.strip_prefix("//").unwrap_or(rest)))
}

/// `tel:0201234567;phone-context=+31`.
pub(super) fn tel(rest: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    let decoded = clean(&percent_decode(rest).ok_or(DialError::NotANumber)?)?;
    let (digits, parameters) = decoded.split_once(';').unwrap_or((&decoded, ""));
    let context = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, value)| name.eq_ignore_ascii_case("phone-context") && value.starts_with('+'));
    match context {
        Some((_, context)) if !digits.starts_with('+') => number::digits(&format!("{context}{digits}"), plan),
        _ => number::digits(digits, plan),
    }
}

/// `callto:+31201234567`, or with an address.
pub(super) fn callto(rest: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    let decoded = clean(&percent_decode(rest).ok_or(DialError::NotANumber)?)?;
    if decoded.contains('@') {
        return sip("sip", &decoded, plan);
    }
    number::dial(&decoded, plan)
}

/// What follows `sip:` or `sips:`.
pub(super) fn sip(scheme: &str, rest: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    let Some((user, host)) = rest.rsplit_once('@') else {
        return hostless(scheme, rest, plan);
    };
    check_user(user)?;
    let (host, parameters) = split_host(host)?;
    let is_own = plan.domain.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(host));
    let is_phone = parameters.iter().any(|parameter| parameter == "user=phone");
    let digits = dialled_digits(user);
    if let Some(digits) = &digits
        && (is_own || is_phone)
    {
        return number::digits(digits, plan);
    }
    let confirm = digits.map(|digits| number::reasons(&digits, plan)).unwrap_or_default();
    let mut target = format!("{scheme}:{user}@{host}");
    for parameter in parameters {
        target.push(';');
        target.push_str(&parameter);
    }
    Ok(Dialled {
        kind: DialKind::Uri,
        target,
        confirm,
        tones: String::new(),
    })
}

/// `sip:0201234567` is meant as a number; `sip:pbx.example.com` is an address without a user.
fn hostless(scheme: &str, rest: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    if rest.starts_with(|c: char| c.is_ascii_digit() || "+*#(".contains(c)) {
        return number::digits(rest, plan);
    }
    let (host, parameters) = split_host(rest)?;
    if !host.contains(['.', '[']) {
        return Err(DialError::NotAnAddress);
    }
    let parameters: String = parameters.iter().map(|parameter| format!(";{parameter}")).collect();
    Ok(Dialled {
        kind: DialKind::Uri,
        target: format!("{scheme}:{host}{parameters}"),
        confirm: Vec::new(),
        tones: String::new(),
    })
}

/// RFC 3261's user part, without a password.
fn check_user(user: &str) -> Result<(), DialError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/%:".contains(c);
    let decoded = percent_decode(user).ok_or(DialError::NotAnAddress)?;
    if decoded.chars().any(super::text::is_control) {
        return Err(DialError::Control);
    }
    if user.is_empty() || !user.chars().all(allowed) {
        return Err(DialError::NotAnAddress);
    }
    if user.contains(':') {
        Err(DialError::Password)
    } else {
        Ok(())
    }
}

/// The digits of a user part that is a number or a code, without the parameters that RFC 3261 19.1.6 allows there.
fn dialled_digits(user: &str) -> Option<String> {
    let decoded = percent_decode(user)?;
    let number = decoded.split(';').next()?;
    let body = number.strip_prefix('+').unwrap_or(number);
    let dialable = |c: char| c.is_ascii_digit() || "*#-.()".contains(c);
    (body.chars().any(|c| c.is_ascii_digit()) && body.chars().all(dialable)).then(|| number.to_owned())
}

/// Host and port, checked, and the parameters worth keeping.
fn split_host(text: &str) -> Result<(&str, Vec<String>), DialError> {
    let address = text.split('?').next().unwrap_or_default();
    let mut fields = address.split(';');
    let host = fields.next().unwrap_or_default();
    if !is_host(host) {
        return Err(DialError::NotAnAddress);
    }
    let kept = ["transport=tls", "transport=tcp", "transport=udp", "user=phone"];
    let parameters = fields
        .map(str::to_ascii_lowercase)
        .filter(|parameter| kept.contains(&parameter.as_str()));
    Ok((host, parameters.collect()))
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner
            .split_once(']')
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let (name, port) = text
        .split_at_checked(text.find(':').unwrap_or(text.len()))
        .unwrap_or((text, ""));
    is_name(name) && is_port(port)
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let inner = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        !label.is_empty() && label.len() <= 63 && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric {
        name.parse::<Ipv4Addr>().is_ok()
    } else {
        name.split('.').all(label)
    }
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0),
    }
}
