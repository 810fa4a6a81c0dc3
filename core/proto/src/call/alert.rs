//! How a call that comes in wants to be heard: Alert-Info for an internal or external ring, and the several ways to ask
//! for an answer without a hand on the phone (Alert-Info, Call-Info, Answer-Mode of RFC 5373).
//!
//! What a PBX names here is a word for us to know, never an address to fetch.

use crate::event::RingKind;
use crate::sip::msg::{HeaderName, Headers};
use std::time::Duration;

/// The most values that are looked at.
const LIMIT: usize = 8;

/// The longest that a call may ask us to wait before it is answered.
const LONGEST_WAIT: u64 = 60;

/// How the call is to ring; `None` where the PBX does not say.
pub fn ring_kind(headers: &Headers) -> Option<RingKind> {
    words(headers, HeaderName::AlertInfo)
        .iter()
        .find_map(|word| match word.as_str() {
            "internal" | "alert-internal" | "bellcore-dr1" => Some(RingKind::Internal),
            "external" | "alert-external" | "bellcore-dr2" => Some(RingKind::External),
            _ => None,
        })
}

/// After how long the call wants to be answered by itself; `None` if it does not.
pub fn answer_after(headers: &Headers) -> Option<Duration> {
    let modes = headers.get(HeaderName::new("Answer-Mode")).into_iter();
    let mut modes = modes.chain(headers.get(HeaderName::new("Priv-Answer-Mode")));
    let is_auto = |mode: &str| {
        let value = mode.split(';').next().unwrap_or_default();
        value.trim().eq_ignore_ascii_case("auto")
    };
    if modes.any(is_auto) {
        return Some(Duration::ZERO);
    }
    let names = [HeaderName::AlertInfo, HeaderName::CallInfo];
    names
        .into_iter()
        .flat_map(|name| words(headers, name))
        .find_map(|word| match word.as_str() {
            "auto answer" | "auto-answer" | "autoanswer" | "alert-autoanswer" | "alert-auto-answer" | "ring answer"
            | "ring-answer" | "intercom" => Some(Duration::ZERO),
            _ => {
                let seconds: u64 = word.strip_prefix("answer-after=")?.parse().ok()?;
                Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
            }
        })
}

/// The words of a field, in lower case: the last part of each URI, and each parameter, of `info` its value.
fn words(headers: &Headers, name: HeaderName) -> Vec<String> {
    let mut words = Vec::new();
    for value in headers.values(name).take(LIMIT) {
        let (uri, rest) = value
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .unwrap_or(("", value));
        words.extend(uri.rsplit(['/', ':']).next().map(str::to_owned));
        words.extend(rest.split(';').map(|part| {
            let part = part.trim();
            let value = part
                .split_once('=')
                .filter(|(name, _)| name.trim().eq_ignore_ascii_case("info"));
            value
                .map_or(part, |(_, value)| value)
                .trim()
                .trim_matches('"')
                .to_owned()
        }));
    }
    for word in &mut words {
        word.make_ascii_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(HeaderName::new(name), value);
        headers
    }

    #[test]
    fn each_makers_form_of_an_internal_or_external_ring_is_known() {
        for (value, kind) in [
            ("<http://127.0.0.1/Bellcore-dr1>", Some(RingKind::Internal)),
            ("Bellcore-dr2", Some(RingKind::External)),
            (
                "<http://www.notused.com>;info=alert-internal;x-line-id=0",
                Some(RingKind::Internal),
            ),
            ("info=alert-external", Some(RingKind::External)),
            ("Internal", Some(RingKind::Internal)),
            ("<urn:alert:source:external>", Some(RingKind::External)),
            ("<http://internal.example/ring.wav>", None),
            (
                "<http://pbx.example/>;info=\"alert-external\"",
                Some(RingKind::External),
            ),
            ("", None),
        ] {
            assert_eq!(ring_kind(&headers("Alert-Info", value)), kind, "{value}");
        }
    }

    #[test]
    fn each_makers_form_of_an_answer_by_itself_is_known() {
        for (name, value, seconds) in [
            ("Alert-Info", "<http://x/>;info=alert-autoanswer", Some(0)),
            ("Alert-Info", "Auto Answer", Some(0)),
            ("Alert-Info", "Ring Answer", Some(0)),
            ("Call-Info", "<sip:pbx.example>;answer-after=0", Some(0)),
            ("Call-Info", "<sip:pbx.example>; answer-after=3", Some(3)),
            ("Call-Info", "<sip:pbx.example>;answer-after=99999", Some(60)),
            ("Call-Info", "<sip:pbx.example>;answer-after=-1", None),
            ("Call-Info", "<http://pbx.example/icon.png>;purpose=icon", None),
            ("Answer-Mode", "Auto;require", Some(0)),
            ("Answer-Mode", "Manual", None),
        ] {
            let wait = answer_after(&headers(name, value));
            assert_eq!(wait, seconds.map(Duration::from_secs), "{name}: {value}");
        }
    }
}
