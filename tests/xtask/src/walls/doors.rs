//! The one door for every outgoing INVITE and REFER: what makes one may be called only where the policy has been asked.
//!
//! `Phone::place` asks it. The practice exchange is a PBX, and calls phones of its own accord.

use crate::lexer;
use crate::sources::Source;

/// What makes a call or sends one away, in tokens, and the files or folders that may say it (without `.rs`).
const DOORS: [(&[&str], &[&str]); 5] = [
    (&["Call", ":", ":", "outgoing", "("], &["core/proto/src/phone/place"]),
    (&[".", "refer", "("], &["core/proto/src/phone/place"]),
    (
        &["Session", ":", ":", "dial", "("],
        &["core/proto/src/call/placing", "core/proto/src/practice"],
    ),
    (
        &["request", "(", "Method", ":", ":", "Refer"],
        &["core/proto/src/call/transfer"],
    ),
    (
        &["Request", ":", ":", "new", "(", "Method", ":", ":", "Invite"],
        &["core/proto/src/sip/session/uac"],
    ),
];

/// Places that make a call behind the policy's back.
pub fn breaches(sources: &[Source]) -> Vec<String> {
    let product = sources
        .iter()
        .filter(|source| !source.is_test() && source.path.starts_with("core/"));
    product
        .flat_map(|source| DOORS.iter().filter_map(|(words, places)| breach(source, words, places)))
        .collect()
}

fn breach(source: &Source, words: &[&str], places: &[&str]) -> Option<String> {
    if source.is_in(places) {
        return None;
    }
    let tokens = lexer::product_tokens(&source.text);
    let found = tokens
        .windows(words.len())
        .find(|window| lexer::starts_with(window, words))?;
    let line = found.first().map_or(0, |word| word.line);
    Some(format!(
        "{}:{line}: only {} may say {}",
        source.path,
        places.join(" and "),
        words.concat()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches_of(path: &str, text: &str) -> Vec<String> {
        breaches(&[Source {
            path: path.into(),
            text: text.into(),
        }])
    }

    #[test]
    fn a_call_is_made_at_its_door_and_nowhere_else() {
        let text = "fn f() { let call = Call::outgoing(id); call.refer(refer, turn); }";
        assert_eq!(breaches_of("core/proto/src/phone/place.rs", text), Vec::<String>::new());
        assert_eq!(
            breaches_of("core/proto/src/phone/transfer.rs", text),
            [
                "core/proto/src/phone/transfer.rs:1: only core/proto/src/phone/place may say Call::outgoing(",
                "core/proto/src/phone/transfer.rs:1: only core/proto/src/phone/place may say .refer("
            ]
        );
    }

    #[test]
    fn an_invite_or_refer_written_by_hand_is_found_and_one_in_a_test_is_not() {
        let text = "fn f() { Request::new(Method::Invite, uri); session.request(Method::Refer, headers); }";
        assert_eq!(breaches_of("core/src/engine.rs", text).len(), 2);
        let test = format!("#[cfg(test)] mod tests {{ {text} }}");
        assert_eq!(breaches_of("core/src/engine.rs", &test), Vec::<String>::new());
    }
}
