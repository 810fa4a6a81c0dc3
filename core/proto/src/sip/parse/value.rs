//! Small values: numbers, tokens, lists, parameters (RFC 3261 sections 7.3.1, 20 and 25.1).

use std::str::FromStr;

use super::Malformed;
use super::scan::Scan;
use crate::sip::msg::{CSeq, Method, Params, Warning};

/// A number in decimal digits alone: no sign, no space but around it.
pub(crate) fn number<N: FromStr>(text: &str) -> Result<N, Malformed> {
    let digits = text.trim_matches([' ', '\t']);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed("not a number"));
    }
    digits.parse().map_err(|_| Malformed("a number out of range"))
}

/// `delta-seconds`. What is more than 2^32 - 1 counts as that: the meaning, "very long", is the same.
pub(crate) fn seconds(text: &str) -> Result<u32, Malformed> {
    match number::<u32>(text) {
        Err(Malformed("a number out of range")) => Ok(u32::MAX),
        other => other,
    }
}

/// `qvalue`, in thousandths.
pub(crate) fn qvalue(text: &str) -> Result<u16, Malformed> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: u16 = number(&format!("{fraction:0<3}"))?;
    match (whole, thousandths) {
        _ if fraction.len() > 3 => Err(Malformed("a q with more than three decimals")),
        ("0" | "", _) => Ok(thousandths),
        ("1", 0) => Ok(1000),
        _ => Err(Malformed("a q that is not between 0 and 1")),
    }
}

/// A token and nothing else.
pub(crate) fn whole_token(text: &str) -> Result<&str, Malformed> {
    let mut scan = Scan::new(text);
    let token = scan.token("not a token")?;
    if scan.is_done() {
        Ok(token)
    } else {
        Err(Malformed("not a token"))
    }
}

/// CSeq: a number below 2^31 (8.1.1.5) and a method.
pub(crate) fn cseq(text: &str) -> Result<CSeq, Malformed> {
    let (digits, method) = text
        .trim()
        .split_once([' ', '\t'])
        .ok_or(Malformed("a CSeq without a method"))?;
    let number: u32 = number(digits).map_err(|_| Malformed("a CSeq number out of range"))?;
    if number >= 1 << 31 {
        return Err(Malformed("a CSeq number out of range"));
    }
    let method = whole_token(method.trim()).map_err(|_| Malformed("a CSeq without a method"))?;
    Ok(CSeq {
        number,
        method: Method::from_token(method),
    })
}

/// `;name[=value]` until something else comes. Empty parameters (`;;`) are skipped: PBXs leave them at the end.
pub(super) fn params(scan: &mut Scan<'_>) -> Result<Params, Malformed> {
    let mut params = Params::new();
    while scan.separator(';') {
        if !scan.is_done() && scan.peek() != Some(';') {
            param(scan, &mut params)?;
        }
    }
    Ok(params)
}

/// `;name[=value]` as the grammar says, without empty ones.
pub(super) fn strict_params(scan: &mut Scan<'_>) -> Result<Params, Malformed> {
    let mut params = Params::new();
    while scan.separator(';') {
        param(scan, &mut params)?;
    }
    Ok(params)
}

/// A value that is not quoted is a token or a host by the grammar; anything that cannot be mistaken is taken, such as
/// the `=` at the end of a Base64 tag.
fn param(scan: &mut Scan<'_>, params: &mut Params) -> Result<(), Malformed> {
    let name = scan.token("a parameter without a name")?;
    let value = match scan.separator('=') {
        false => None,
        true if scan.peek() == Some('"') => Some((scan.quoted()?.into_owned(), true)),
        true => {
            let bare = scan.take_while(|c| !";,\"\\<> \t".contains(c) && !c.is_control());
            Some((bare.to_owned(), false))
        }
    };
    params.append(name, value);
    Ok(())
}

/// A token with parameters.
pub(crate) fn tagged(text: &str) -> Result<(&str, Params), Malformed> {
    let mut scan = Scan::new(text);
    scan.space();
    let value = scan.token("not a token")?;
    let params = params(&mut scan)?;
    scan.end("something after the parameters")?;
    Ok((value, params))
}

/// `type/subtype` with parameters.
pub(crate) fn media_type(text: &str) -> Result<(String, Params), Malformed> {
    let mut scan = Scan::new(text);
    scan.space();
    let kind = scan.token("a media type without a type")?;
    if !scan.separator('/') {
        return Err(Malformed("a media type without a subtype"));
    }
    let subtype = scan.token("a media type without a subtype")?;
    let params = params(&mut scan)?;
    scan.end("something after the media type")?;
    Ok((format!("{kind}/{subtype}").to_ascii_lowercase(), params))
}

/// A Call-ID with parameters, as in Replaces.
pub(crate) fn replaces(text: &str) -> Result<(&str, Params), Malformed> {
    let mut scan = Scan::new(text);
    scan.space();
    let call_id = call_id(scan.take_while(|c| !"; \t".contains(c)))?;
    let params = params(&mut scan)?;
    scan.end("something after the parameters")?;
    Ok((call_id, params))
}

/// A Call-ID. More than the grammar is taken, as it only ever is compared: anything visible without spaces.
pub(crate) fn call_id(text: &str) -> Result<&str, Malformed> {
    let is_fine = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_fine {
        Ok(text)
    } else {
        Err(Malformed("not a Call-ID"))
    }
}

/// `code agent "text"`.
pub(crate) fn warning(text: &str) -> Result<Warning, Malformed> {
    let mut scan = Scan::new(text);
    scan.space();
    let digits = scan.take_while(|c| c.is_ascii_digit());
    if digits.len() != 3 {
        return Err(Malformed("a warning without a three-digit code"));
    }
    scan.space();
    let agent = scan.take_while(|c| !" \t\"".contains(c)).to_owned();
    scan.space();
    let text = scan.quoted()?.into_owned();
    scan.end("something after the warning")?;
    Ok(Warning {
        code: number(digits)?,
        agent,
        text,
    })
}

/// The values of a list; empty ones are left out.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    split_at_commas(text).filter(|value| !value.is_empty())
}

/// What stands between the commas that are outside quotes and angle brackets, trimmed; empty values too.
pub(crate) fn split_at_commas(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let is_comma = move |c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            _ if was_escaped => {}
            '\\' if quoted => escaped = true,
            '"' if !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            ',' => return !quoted && !bracketed,
            _ => {}
        }
        false
    };
    text.split(is_comma).map(|value| value.trim_matches([' ', '\t']))
}
