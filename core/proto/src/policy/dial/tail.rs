//! What is typed behind a number: pauses and the keys that are pressed once somebody answers, as in `0201234567,,12#`.
#![warn(clippy::arithmetic_side_effects)]

/// Always a pause, whatever stands before it.
const PAUSES: [char; 2] = [',', ';'];

/// The number, and what is pressed after the answer: keys and pauses, empty for most calls.
///
/// A `p` or `w` is a pause only between digits, because both are letters on a keypad too. In an address or a link a
/// semicolon begins a parameter, and only a comma is a pause.
pub(super) fn split(text: &str, is_address: bool) -> (&str, &str) {
    let is_pause = |c: char| match c {
        ';' => !is_address,
        'p' | 'P' | 'w' | 'W' => !is_address && !has_words(text),
        _ => PAUSES.contains(&c),
    };
    let Some((at, _)) = text.char_indices().find(|(_, c)| is_pause(*c)) else {
        return (text, "");
    };
    let (number, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    let is_dialled = tail.chars().all(|c| c == ' ' || is_pressed(c));
    if is_dialled { (number, tail) } else { (text, "") }
}

/// Whether letters stand for keys: any but the two that may be pauses, or one of those without a digit on each side.
fn has_words(text: &str) -> bool {
    let chars: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let is_between = |at: usize| {
        let is_number = |c: &char| c.is_ascii_digit() || "*#pwPW,;".contains(*c);
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = at.checked_add(1).and_then(|at| chars.get(at));
        before.is_some_and(is_number) && after.is_some_and(is_number)
    };
    chars
        .iter()
        .enumerate()
        .any(|(at, c)| c.is_ascii_alphabetic() && !("pwPW".contains(*c) && is_between(at)))
}

const fn is_pressed(c: char) -> bool {
    matches!(
        c,
        '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | ',' | ';' | 'p' | 'P' | 'w' | 'W' | '-'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_pause_is_pressed_later() {
        assert_eq!(split("0201234567,,12#", false), ("0201234567", ",,12#"));
        assert_eq!(split("0201234567;9", false), ("0201234567", ";9"));
        assert_eq!(split("0201234567w12p3", false), ("0201234567", "w12p3"));
        assert_eq!(split("0201234567", false), ("0201234567", ""));
    }

    #[test]
    fn letters_of_a_number_are_no_pauses() {
        for text in ["0800PIZZA", "0800 WAP", "0800POWER1", "08005p"] {
            assert_eq!(split(text, false), (text, ""));
        }
    }

    #[test]
    fn a_semicolon_in_an_address_is_a_parameter() {
        let address = "sip:1002@pbx.example;user=phone";
        assert_eq!(split(address, true), (address, ""));
    }
}
