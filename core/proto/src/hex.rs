//! Hexadecimal text, for vectors and probes.

/// The bytes that `text` spells; spaces between them do not count. `None` if it spells none.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .map(|char| char.to_digit(16))
        .collect();
    digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from((high << 4) | low).ok(),
            _ => None,
        })
        .collect()
}

/// `bytes` in lower case.
pub fn encode(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_with_spaces_and_refused_when_odd_or_foreign() {
        assert_eq!(decode("dE ad\n01"), Some(vec![0xde, 0xad, 1]));
        assert_eq!(encode(&[0xde, 0xad, 1]), "dead01");
        assert_eq!(decode("abc"), None);
        assert_eq!(decode("zz"), None);
    }
}
