//! What waits in a mailbox: `application/simple-message-summary` (RFC 3842 5.2).

#![warn(clippy::arithmetic_side_effects)]

use super::xml::Unreadable;
use crate::view::Messages;

/// The document's type.
pub const TYPE: &str = "application/simple-message-summary";

/// More lines than any summary has.
const LINE_LIMIT: usize = 64;

/// Reads a summary. Only voice messages are counted: fax and mail have lamps of their own elsewhere.
///
/// # Errors
/// It does not say whether anything waits.
pub fn read(body: &[u8]) -> Result<Messages, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
    let mut waiting = None;
    let mut messages = Messages::default();
    for line in text.lines().take(LINE_LIMIT) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "messages-waiting" => waiting = Some(value.eq_ignore_ascii_case("yes")),
            "voice-message" => {
                let (counts, urgent) = value.split_once('(').unwrap_or((value, "0/0"));
                (messages.new, messages.old) = pair(counts).ok_or(Unreadable::Malformed)?;
                (messages.urgent, _) = pair(urgent.trim_end_matches(')')).ok_or(Unreadable::Malformed)?;
            }
            _ => {}
        }
    }
    messages.waiting = waiting.ok_or(Unreadable::Incomplete)?;
    Ok(messages)
}

/// `2/8`.
fn pair(text: &str) -> Option<(u32, u32)> {
    let (new, old) = text.trim().split_once('/')?;
    Some((number(new)?, number(old)?))
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_the_rfc_is_read() {
        let body =
            "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (1/2)\r\n";
        let expected = Messages {
            waiting: true,
            new: 2,
            old: 8,
            urgent: 1,
        };
        assert_eq!(read(body.as_bytes()), Ok(expected));
    }

    #[test]
    fn counts_may_be_missing_but_not_the_lamp() {
        assert!(!read(b"messages-waiting : NO").unwrap().waiting);
        let short = read(b"Messages-Waiting: yes\nVoice-Message: 1/0\nFax-Message: 9/9 (9/9)\n").unwrap();
        assert_eq!((short.new, short.old, short.urgent), (1, 0, 0));
        assert_eq!(read(b"Voice-Message: 1/0"), Err(Unreadable::Incomplete));
    }

    #[test]
    fn counts_that_are_none_are_refused() {
        for counts in ["-1/0", "1", "1/", "+1/0", "99999999999/0", "1/0 (x/0)", "1/0 (1"] {
            let body = format!("Messages-Waiting: yes\r\nVoice-Message: {counts}\r\n");
            assert!(read(body.as_bytes()).is_err(), "{counts}");
        }
    }
}
