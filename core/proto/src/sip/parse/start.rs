//! Start lines (RFC 3261 sections 7.1 and 7.2): exactly one SP between the parts, and none around them.

use super::{Fault, uri, value};
use crate::sip::msg::{Method, StatusCode, Uri};

/// What the first line announces.
pub(super) enum Start<'a> {
    Request {
        method: &'a str,
        uri: &'a str,
        version: &'a str,
    },
    Response {
        code: &'a str,
        reason: &'a str,
    },
    /// A request by its last word, but not in three parts.
    Garbled,
    Foreign,
}

pub(super) fn line(line: &str) -> Start<'_> {
    if let Some((version, rest)) = line.split_once(' ')
        && is_version(version)
    {
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        return if is_version_2(version) {
            Start::Response { code, reason }
        } else {
            Start::Foreign
        };
    }
    let is_request = line.trim_end().rsplit(' ').next().is_some_and(is_version);
    let mut parts = line.split(' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        _ if !is_request => Start::Foreign,
        (Some(method), Some(uri), Some(version), None) => Start::Request { method, uri, version },
        _ => Start::Garbled,
    }
}

pub(super) fn request(method: &str, target: &str, version: &str) -> Result<(Method, Uri), Fault> {
    if !is_version_2(version) {
        return Err(Fault {
            status: StatusCode::VERSION_NOT_SUPPORTED,
            why: "a version other than SIP/2.0",
        });
    }
    let method = value::whole_token(method).map_err(|_| Fault::bad_request("a method that is not a token"))?;
    let uri = uri::uri(target)?;
    if uri.headers().next().is_some() {
        return Err(Fault::bad_request("a Request-URI with headers"));
    }
    Ok((Method::from_token(method), uri))
}

pub(super) fn response(code: &str) -> Result<StatusCode, Fault> {
    let is_three_digits = code.len() == 3;
    let code = value::number(code)
        .ok()
        .and_then(StatusCode::new)
        .filter(|_| is_three_digits);
    code.ok_or(Fault::bad_request("a status code that is not between 100 and 699"))
}

fn is_version(word: &str) -> bool {
    let Some((name, version)) = word.split_once('/') else {
        return false;
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_numbers = version
        .split_once('.')
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    name.eq_ignore_ascii_case("SIP") && is_numbers
}

fn is_version_2(word: &str) -> bool {
    word.eq_ignore_ascii_case("SIP/2.0")
}
