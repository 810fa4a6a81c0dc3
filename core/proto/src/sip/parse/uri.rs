//! URIs (RFC 3261 section 25.1 `SIP-URI`, `SIPS-URI`; RFC 3966; RFC 5118 for IPv6 references).
//!
//! More than the grammar is taken in one place: `#` and letters beyond ASCII in a user part, which PBXs send
//! unescaped. They go back as they came.

use std::net::Ipv6Addr;

use super::{Malformed, scan::Scan};
use crate::sip::msg::{Host, Params, Scheme, Uri};
use crate::sip::msg::{UriPassword, is_user_char};

/// A whole URI.
pub(crate) fn uri(text: &str) -> Result<Uri, Malformed> {
    let mut scan = Scan::new(text);
    let name = scan.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !scan.eat(':') {
        return Err(Malformed("a URI without a scheme"));
    }
    match name.to_ascii_lowercase().as_str() {
        "sip" => sip(Scheme::Sip, scan.rest()),
        "sips" => sip(Scheme::Sips, scan.rest()),
        "tel" => tel(scan.rest()),
        other => foreign(other, scan.rest()),
    }
}

fn sip(scheme: Scheme, rest: &str) -> Result<Uri, Malformed> {
    let (user_info, rest) = match rest.split_once('@') {
        Some((user_info, rest)) => (Some(user_info), rest),
        None => (None, rest),
    };
    let (user, password) = match user_info {
        Some(text) => user_and_password(text)?,
        None => (None, None),
    };
    let mut scan = Scan::new(rest);
    let host = scanned_host(&mut scan)?;
    let port = if scan.eat(':') {
        Some(port(scan.take_while(|c| c.is_ascii_digit()))?)
    } else {
        None
    };
    let params = params(&mut scan)?;
    let headers = if scan.eat('?') {
        headers(scan.rest())?
    } else {
        Vec::new()
    };
    if headers.is_empty() && !scan.is_done() {
        return Err(Malformed("something after the URI's host"));
    }
    Ok(Uri {
        scheme,
        user,
        password,
        host: Some(host),
        port,
        params,
        headers,
    })
}

type UserInfo = (Option<String>, Option<UriPassword>);

fn user_and_password(text: &str) -> Result<UserInfo, Malformed> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    if user.is_empty() {
        return Err(Malformed("an empty user part"));
    }
    check(
        user,
        |c| is_user_char(c) || c == '#' || !c.is_ascii(),
        "a character that a user part may not hold",
    )?;
    if let Some(password) = password {
        check(
            password,
            |c| is_unreserved(c) || "&=+$,".contains(c),
            "a character that a password may not hold",
        )?;
    }
    Ok((
        Some(user.to_owned()),
        password.map(|password| UriPassword(password.to_owned())),
    ))
}

/// A host and nothing else, in brackets if it is an IPv6 address.
pub(crate) fn host(text: &str) -> Result<Host, Malformed> {
    let mut scan = Scan::new(text);
    let host = scanned_host(&mut scan)?;
    if scan.is_done() {
        Ok(host)
    } else {
        Err(Malformed("something after the host"))
    }
}

pub(super) fn scanned_host(scan: &mut Scan<'_>) -> Result<Host, Malformed> {
    if scan.eat('[') {
        let address = scan.take_while(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
        scan.need(']', "an IPv6 address without its closing bracket")?;
        return Ok(Host::V6(ipv6(address)?));
    }
    let name = scan.take_while(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if let Ok(address) = name.parse() {
        return Ok(Host::V4(address));
    }
    let labels = name.strip_suffix('.').unwrap_or(name);
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_numeric = last.chars().all(|c| c.is_ascii_digit());
    if is_numeric || labels.split('.').any(str::is_empty) {
        return Err(Malformed("not a host"));
    }
    Ok(Host::Name(name.to_owned()))
}

/// RFC 5118 4.10: the grammar of RFC 3261 wrongly leads to a third colon before an IPv4 part; it is taken as two.
fn ipv6(text: &str) -> Result<Ipv6Addr, Malformed> {
    let tolerated = if text.contains('.') {
        text.replacen(":::", "::", 1)
    } else {
        text.to_owned()
    };
    tolerated.parse().map_err(|_| Malformed("not an IPv6 address"))
}

/// A port: digits, at most 65535.
pub(super) fn port(digits: &str) -> Result<u16, Malformed> {
    super::value::number(digits).map_err(|_| Malformed("not a port"))
}

fn params(scan: &mut Scan<'_>) -> Result<Params, Malformed> {
    let mut params = Params::new();
    while scan.eat(';') {
        let name = scan.take_while(|c| !";?=".contains(c));
        if name.is_empty() && !scan.rest().starts_with('=') {
            // An empty parameter says nothing; PBXs leave them at the end.
            continue;
        }
        if name.is_empty() {
            return Err(Malformed("a URI parameter without a name"));
        }
        check_param(name)?;
        let value = if scan.eat('=') {
            Some(scan.take_while(|c| !";?".contains(c)))
        } else {
            None
        };
        check_param(value.unwrap_or("-"))?;
        params.append(name, value.map(|value| (value.to_owned(), false)));
    }
    Ok(params)
}

fn check_param(text: &str) -> Result<(), Malformed> {
    const WHAT: &str = "a character that a URI parameter may not hold";
    check(text, |c| is_unreserved(c) || "[]/:&+$".contains(c), WHAT)
}

fn headers(text: &str) -> Result<Vec<(String, String)>, Malformed> {
    const WHAT: &str = "a character that a URI header may not hold";
    let is_plain = |c| is_unreserved(c) || "[]/?:+$".contains(c);
    text.split('&')
        .map(|header| {
            let (name, value) = header
                .split_once('=')
                .ok_or(Malformed("a URI header without a value"))?;
            check(name, is_plain, WHAT)?;
            check(value, |c| is_plain(c) || "=;@,".contains(c), WHAT)?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

fn tel(rest: &str) -> Result<Uri, Malformed> {
    let mut scan = Scan::new(rest);
    let number = scan.take_while(|c| c.is_ascii_hexdigit() || "+*#-.()".contains(c));
    if !number.contains(|c: char| c.is_ascii_hexdigit() || c == '*' || c == '#') {
        return Err(Malformed("a tel URI without a number"));
    }
    let params = params(&mut scan)?;
    if !scan.is_done() {
        return Err(Malformed("something after the telephone number"));
    }
    Ok(Uri {
        params,
        ..opaque(Scheme::Tel, number)
    })
}

fn foreign(scheme: &str, rest: &str) -> Result<Uri, Malformed> {
    if rest.is_empty() || rest.contains(|c: char| c.is_ascii_control() || c == ' ' || "<>\"".contains(c)) {
        return Err(Malformed("a character that no URI may hold"));
    }
    Ok(opaque(Scheme::Other(scheme.to_owned()), rest))
}

fn opaque(scheme: Scheme, user: &str) -> Uri {
    let user = Some(user.to_owned());
    Uri {
        scheme,
        user,
        password: None,
        host: None,
        port: None,
        params: Params::new(),
        headers: Vec::new(),
    }
}

fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c)
}

/// Whether every character is plain or part of a `%HH` escape.
fn check(text: &str, is_plain: impl Fn(char) -> bool, what: &'static str) -> Result<(), Malformed> {
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        let is_fine = if c == '%' {
            letters.by_ref().take(2).filter(char::is_ascii_hexdigit).count() == 2
        } else {
            is_plain(c)
        };
        if !is_fine {
            return Err(Malformed(what));
        }
    }
    Ok(())
}
