//! The body of a NOTIFY that tells of a REFER (RFC 3515 2.4.5): a piece of a SIP message (RFC 3420), of which the status
//! line is all that counts.

use crate::sip::msg::StatusCode;

/// The content type of such a body, as it is written; read without its parameters.
pub(super) const CONTENT_TYPE: &str = "message/sipfrag;version=2.0";

/// The status that `body` begins with; `None` if it does not begin with a status line.
///
/// The phrase is not read: it is for people, and theirs. Some PBXs put an empty line first or leave the phrase out.
pub fn status_of(body: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(body).ok()?;
    let line = text.trim_start().lines().next()?;
    let (version, rest) = line.split_once(' ')?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let code = rest.split(' ').next()?;
    let is_plain = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    code.parse().ok().filter(|_| is_plain).and_then(StatusCode::new)
}

/// The body that says `status`.
pub(super) fn body(status: StatusCode) -> String {
    format!("SIP/2.0 {status} {}\r\n", status.phrase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_whatever_follows_it() {
        for (text, code) in [
            ("SIP/2.0 100 Trying", 100),
            ("SIP/2.0 200 OK\r\n", 200),
            ("SIP/2.0 503 Service Unavailable\r\nWarning: 399 x \"y\"\r\n\r\n", 503),
            ("\r\nSIP/2.0 486 Busy Here\r\n", 486),
            ("SIP/2.0 180", 180),
            ("sip/2.0 603 \u{202e}no\r\n", 603),
        ] {
            assert_eq!(status_of(text.as_bytes()).map(StatusCode::code), Some(code), "{text:?}");
        }
    }

    #[test]
    fn what_begins_otherwise_says_nothing() {
        for text in [
            "",
            "\r\n",
            "200 OK",
            "SIP/2.0",
            "SIP/2.0 20 x",
            "SIP/2.0 2000 x",
            "SIP/2.0 +20 x",
            "SIP/2.0 700 x",
            "SIP/3.0 200 OK",
            "INVITE sip:a@b SIP/2.0",
        ] {
            assert_eq!(status_of(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(status_of(&[0xff, 0xfe, 0x00]), None);
    }

    #[test]
    fn what_we_write_we_read() {
        for code in [100, 180, 200, 486, 603] {
            let status = StatusCode::new(code).unwrap();
            assert_eq!(status_of(body(status).as_bytes()), Some(status));
        }
    }
}
