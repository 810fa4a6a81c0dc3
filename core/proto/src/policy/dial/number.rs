//! Digits: decoration removed, letters put on the keypad, and the question what kind of number it is.
#![warn(clippy::arithmetic_side_effects)]

use super::country::{is_premium_e164, is_satellite};
use super::{Confirm, DialError, DialKind, DialPlan, Dialled, MAX_DIGITS};

/// The longest number without trunk prefix that is an extension and not a local number.
const MAX_EXTENSION: usize = 5;
/// The most digits of an E.164 number.
const MAX_E164: usize = 15;
/// The longest name of an extension.
const MAX_NAME: usize = 64;

/// A number, a code, or the name of an extension.
pub(super) fn dial(text: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return name(text);
    }
    digits(text, plan)
}

/// A number or a code.
pub(super) fn digits(text: &str, plan: &DialPlan) -> Result<Dialled, DialError> {
    let number = undecorate(text)?;
    let count = number.chars().filter(char::is_ascii_digit).count();
    if count == 0 {
        return Err(DialError::NotANumber);
    }
    if number.len() > MAX_DIGITS {
        return Err(DialError::TooLong);
    }
    Ok(classify(number, plan))
}

fn name(text: &str) -> Result<Dialled, DialError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.len() > MAX_NAME {
        return Err(DialError::TooLong);
    }
    if !text.chars().all(allowed) {
        return Err(DialError::NotANumber);
    }
    Ok(Dialled {
        kind: DialKind::Extension,
        target: text.to_owned(),
        confirm: Vec::new(),
        tones: String::new(),
    })
}

/// Leaves digits, `*`, `#` and a leading `+`.
fn undecorate(text: &str) -> Result<String, DialError> {
    let packed: String = text.chars().filter(|c| *c != ' ').collect();
    let international = packed.starts_with('+') || packed.starts_with("(+") || packed.starts_with("00");
    // The trunk zero that printed international numbers show in parentheses is not dialled.
    let packed = if international {
        packed.replacen("(0)", "", 1)
    } else {
        packed
    };
    let mut number = String::with_capacity(packed.len());
    for c in packed.chars() {
        match c {
            '0'..='9' | '*' | '#' => number.push(c),
            '+' if number.is_empty() => number.push(c),
            '-' | '(' | ')' | '.' | '/' | '[' | ']' => {}
            'a'..='z' | 'A'..='Z' => number.push(keypad(c)),
            _ => return Err(DialError::NotANumber),
        }
    }
    if number.starts_with('+') && number.contains(['*', '#']) {
        return Err(DialError::NotANumber);
    }
    Ok(number)
}

/// The key on which a letter stands (ITU-T E.161).
const fn keypad(letter: char) -> char {
    match letter.to_ascii_lowercase() {
        'a'..='c' => '2',
        'd'..='f' => '3',
        'g'..='i' => '4',
        'j'..='l' => '5',
        'm'..='o' => '6',
        'p'..='s' => '7',
        't'..='v' => '8',
        _ => '9',
    }
}

fn classify(number: String, plan: &DialPlan) -> Dialled {
    if number.contains(['*', '#']) {
        return code(number, plan);
    }
    if is_emergency(&number, plan) {
        return Dialled {
            kind: DialKind::Emergency,
            target: number,
            confirm: Vec::new(),
            tones: String::new(),
        };
    }
    let confirm = reasons(&number, plan);
    let kind = if is_extension(&number, plan) {
        DialKind::Extension
    } else {
        DialKind::Number
    };
    let target = if kind == DialKind::Number {
        outside(&number, plan)
    } else {
        number
    };
    Dialled {
        kind,
        target,
        confirm,
        tones: String::new(),
    }
}

/// With an outside-line prefix, both ways to dial it are emergencies.
fn is_emergency(number: &str, plan: &DialPlan) -> bool {
    let outside = plan
        .outside_prefix
        .as_deref()
        .and_then(|prefix| number.strip_prefix(prefix));
    plan.country.is_emergency(number) || outside.is_some_and(|rest| plan.country.is_emergency(rest))
}

fn is_extension(number: &str, plan: &DialPlan) -> bool {
    let dialled_outside = number.starts_with('+') || number.starts_with('0');
    !dialled_outside && number.len() <= MAX_EXTENSION && !plan.country.is_short_premium(number)
}

/// A code of the account, or one that is followed by a number, needs confirmation for that number alone.
fn code(number: String, plan: &DialPlan) -> Dialled {
    let known = plan.feature_codes.iter().filter(|code| !code.is_empty());
    let argument = known
        .filter_map(|code| number.strip_prefix(code.as_str()))
        .min_by_key(|rest| rest.len());
    let confirm = match argument {
        Some(rest) if rest.contains(['*', '#']) => vec![Confirm::Code],
        Some(rest) => reasons(rest, plan),
        None => vec![Confirm::Code],
    };
    Dialled {
        kind: DialKind::Code,
        target: number,
        confirm,
        tones: String::new(),
    }
}

/// Why a number must be confirmed, however it may be read: as written, and without an outside-line prefix that the
/// user dialled along.
pub(super) fn reasons(number: &str, plan: &DialPlan) -> Vec<Confirm> {
    let mut reasons = reasons_as_written(number, plan);
    let prefix = plan.outside_prefix.as_deref();
    if let Some(rest) = prefix.and_then(|prefix| number.strip_prefix(prefix)) {
        reasons.extend(reasons_as_written(rest, plan));
    }
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

fn reasons_as_written(number: &str, plan: &DialPlan) -> Vec<Confirm> {
    let country = &plan.country;
    let digits = number.strip_prefix('+').unwrap_or(number);
    let international = number
        .strip_prefix('+')
        .or_else(|| number.strip_prefix(country.international_prefix));
    let national = number
        .strip_prefix(country.trunk_prefix)
        .filter(|_| international.is_none());
    let premium = international.is_some_and(is_premium_e164)
        || national.is_some_and(|national| country.is_premium(national))
        || country.is_short_premium(digits);
    let satellite = international.is_some_and(is_satellite);
    let long = international.unwrap_or(digits).len() > MAX_E164;
    [
        (premium, Confirm::Premium),
        (satellite, Confirm::Satellite),
        (long, Confirm::Long),
    ]
    .into_iter()
    .filter_map(|(applies, reason)| applies.then_some(reason))
    .collect()
}

/// Puts the outside-line prefix before what is clearly an outside number; a plus sign becomes what a desk phone would
/// dial, because behind a prefix no plus can be.
fn outside(number: &str, plan: &DialPlan) -> String {
    let country = &plan.country;
    let Some(prefix) = &plan.outside_prefix else {
        return number.to_owned();
    };
    if let Some(e164) = number.strip_prefix('+') {
        let home = e164
            .strip_prefix(country.calling_code)
            .filter(|_| !country.calling_code.is_empty());
        return match home {
            Some(national) => format!("{prefix}{}{national}", country.trunk_prefix),
            None => format!("{prefix}{}{e164}", country.international_prefix),
        };
    }
    let clearly_outside = number.starts_with(country.trunk_prefix) || number.starts_with(country.international_prefix);
    if clearly_outside {
        format!("{prefix}{number}")
    } else {
        number.to_owned()
    }
}
