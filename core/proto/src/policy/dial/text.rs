//! Cleans text: what is invisible goes, what is foreign script becomes ASCII, what is dangerous is refused.
#![warn(clippy::arithmetic_side_effects)]

use super::{DialError, MAX_TEXT};

/// The zeros of the scripts whose digits people type and paste: each is followed by 1 to 9.
const ZEROS: [char; 24] = [
    '0',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{17e0}',
    '\u{1810}',
    '\u{ff10}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7f6}',
];

/// Trims, refuses control characters, removes invisible ones and turns digits and signs of other scripts into ASCII.
pub(super) fn clean(input: &str) -> Result<String, DialError> {
    if input.chars().nth(MAX_TEXT).is_some() {
        return Err(DialError::TooLong);
    }
    let trimmed = input.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    if trimmed.chars().any(is_control) {
        return Err(DialError::Control);
    }
    let text: String = trimmed.chars().filter(|c| !is_invisible(*c)).map(to_ascii).collect();
    let text = text.trim();
    if text.is_empty() {
        Err(DialError::Empty)
    } else {
        Ok(text.to_owned())
    }
}

/// Control characters, and the line and paragraph separators, which act as such.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Bidirectional controls, zero-width characters, the soft hyphen, the byte order mark and variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn to_ascii(c: char) -> char {
    if let Some(digit) = digit(c) {
        return digit;
    }
    match c {
        '\u{ff0b}' | '\u{fe62}' => '+',
        '\u{ff0a}' | '\u{2217}' => '*',
        '\u{ff03}' | '\u{fe5f}' => '#',
        '\u{ff08}' => '(',
        '\u{ff09}' => ')',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// The ASCII digit that `c` is in its script.
fn digit(c: char) -> Option<char> {
    let value = ZEROS
        .into_iter()
        .filter_map(|zero| u32::from(c).checked_sub(u32::from(zero)))
        .find(|value| *value < 10)?;
    char::from_digit(value, 10)
}

/// Decodes `%41`. `None` for a broken escape, or bytes that are no text.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from((high << 4) | low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}
