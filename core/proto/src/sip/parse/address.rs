//! Addresses and Via (RFC 3261 sections 20, 20.10, 20.42).

use std::borrow::Cow;

use super::scan::Scan;
use super::{Malformed, uri, value};
use crate::sip::msg::{NameAddr, Transport, Via};

/// One address: `name-addr` or `addr-spec`, with the parameters of the header field.
pub(crate) fn name_addr(text: &str) -> Result<NameAddr, Malformed> {
    let mut scan = Scan::new(text);
    scan.space();
    let display = display_name(&mut scan)?;
    let uri = if scan.eat('<') {
        let uri = uri::uri(scan.take_while(|c| c != '>'))?;
        scan.need('>', "an address without its closing bracket")?;
        uri
    } else if display.is_some() {
        return Err(Malformed("a display name without an address in brackets"));
    } else {
        bare_uri(&mut scan)?
    };
    let params = value::params(&mut scan)?;
    scan.end("something after the address")?;
    Ok(NameAddr {
        display: display.map(Cow::into_owned).filter(|name| !name.is_empty()),
        uri,
        params,
    })
}

/// The name before `<`, quoted or as words. Without a `<` there is no name.
fn display_name<'a>(scan: &mut Scan<'a>) -> Result<Option<Cow<'a, str>>, Malformed> {
    if scan.peek() == Some('"') {
        let name = scan.quoted()?;
        scan.space();
        return Ok(Some(name));
    }
    if !scan.rest().contains('<') {
        return Ok(None);
    }
    // Words beyond the token grammar are taken: PBXs send names in UTF-8, with commas or an @, without quotes.
    let words = scan.take_while(|c| c != '<').trim_end_matches([' ', '\t']);
    if words.contains(['"', '\\']) {
        return Err(Malformed("a quote or backslash in a name without quotes"));
    }
    Ok(Some(Cow::Borrowed(words)).filter(|words| !words.is_empty()))
}

/// Without brackets, what follows `;` belongs to the header field, and the URI may hold no `?` and no comma (20.10).
fn bare_uri(scan: &mut Scan<'_>) -> Result<crate::sip::msg::Uri, Malformed> {
    let text = scan.take_while(|c| !";, \t".contains(c));
    if text.contains('?') {
        return Err(Malformed("a URI with headers that is not in brackets"));
    }
    uri::uri(text)
}

/// One Via.
pub(crate) fn via(text: &str) -> Result<Via, Malformed> {
    let mut scan = Scan::new(text);
    scan.space();
    let protocol = scan.token("a Via without a protocol")?;
    let is_slash = scan.separator('/');
    let version = scan.token("a Via without a version")?;
    if !is_slash || !protocol.eq_ignore_ascii_case("SIP") || version != "2.0" {
        return Err(Malformed("a Via of another protocol"));
    }
    if !scan.separator('/') {
        return Err(Malformed("a Via without a transport"));
    }
    let transport = Transport::from_token(scan.token("a Via without a transport")?);
    if !scan.rest().starts_with([' ', '\t']) {
        return Err(Malformed("a Via without a host"));
    }
    scan.space();
    let host = uri::scanned_host(&mut scan)?;
    let port = if scan.separator(':') {
        Some(uri::port(scan.take_while(|c| c.is_ascii_digit()))?)
    } else {
        None
    };
    let params = value::strict_params(&mut scan)?;
    scan.end("something after the Via")?;
    Ok(Via {
        transport,
        host,
        port,
        params,
    })
}
