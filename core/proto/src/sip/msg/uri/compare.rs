//! Whether two URIs name the same resource (RFC 3261 section 19.1.4; RFC 3966 section 4 for `tel:`).

use std::collections::BTreeMap;

use super::escape::canonical;
use super::{Params, Scheme, Uri};

/// Parameters that never match when only one side has them.
const DECISIVE: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

pub(super) fn equivalent(a: &Uri, b: &Uri) -> bool {
    if a.scheme != b.scheme {
        return false;
    }
    match a.scheme {
        Scheme::Sip | Scheme::Sips => {
            user_info(a) == user_info(b)
                && same_host(a, b)
                && a.port == b.port
                && same_params(&a.params, &b.params)
                && headers(a) == headers(b)
        }
        Scheme::Tel => number(a) == number(b) && folded(&a.params) == folded(&b.params),
        Scheme::Other(_) => a.user == b.user,
    }
}

fn user_info(uri: &Uri) -> (Option<String>, Option<String>) {
    let password = uri.password.as_ref().map(|password| canonical(&password.0));
    (uri.user.as_deref().map(canonical), password)
}

fn same_host(a: &Uri, b: &Uri) -> bool {
    match (&a.host, &b.host) {
        (Some(a), Some(b)) => a.is_same(b),
        (a, b) => a == b,
    }
}

fn same_params(a: &Params, b: &Params) -> bool {
    let (a, b) = (folded(a), folded(b));
    let agrees = |name: &String, value: &Option<String>, other: &BTreeMap<String, Option<String>>| match other.get(name)
    {
        Some(there) => there == value,
        None => !DECISIVE.contains(&name.as_str()),
    };
    a.iter().all(|(name, value)| agrees(name, value, &b)) && b.iter().all(|(name, value)| agrees(name, value, &a))
}

fn folded(params: &Params) -> BTreeMap<String, Option<String>> {
    let fold = |text: &str| canonical(text).to_ascii_lowercase();
    params
        .iter()
        .map(|(name, value)| (fold(name), value.map(fold)))
        .collect()
}

fn headers(uri: &Uri) -> Vec<(String, String)> {
    let mut list: Vec<_> = uri
        .headers
        .iter()
        .map(|(name, value)| (canonical(name).to_ascii_lowercase(), canonical(value)))
        .collect();
    list.sort();
    list
}

fn number(uri: &Uri) -> Option<String> {
    let digits = |user: &str| {
        user.chars()
            .filter(|c| !"-.()".contains(*c))
            .collect::<String>()
            .to_ascii_lowercase()
    };
    uri.user.as_deref().map(digits)
}
