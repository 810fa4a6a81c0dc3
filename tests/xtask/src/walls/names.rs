//! Foreign crates that only one place may name, so that each can be replaced there.

use crate::lexer;
use crate::sources::Source;

/// A crate, and the files or folders that may name it (without `.rs`, so that a file may become a folder).
const KEPT: [(&str, &[&str]); 5] = [
    ("rsip", &["core/proto/src/sip/parse", "core/proto/src/sip/msg"]),
    ("cpal", &["core/src/audio/device", "core/src/audio/stream"]),
    ("audiopus", &["core/src/audio/codec"]),
    ("webrtc_ice", &["core/src/net/ice"]),
    ("keyring_core", &["core/src/store/secrets"]),
];

/// Places that name a crate that is kept elsewhere.
pub fn breaches(sources: &[Source]) -> Vec<String> {
    let product = sources
        .iter()
        .filter(|source| !source.is_test() && source.path.starts_with("core/"));
    product
        .flat_map(|source| KEPT.iter().filter_map(|(name, places)| breach(source, name, places)))
        .collect()
}

fn breach(source: &Source, name: &str, places: &[&str]) -> Option<String> {
    if source.is_in(places) {
        return None;
    }
    let tokens = lexer::product_tokens(&source.text);
    let named = tokens
        .windows(2)
        .find(|pair| matches!(pair, [word, mark] if word.text == name && mark.text == ":"))?;
    let line = named.first().map_or(0, |word| word.line);
    Some(format!(
        "{}:{line}: only {} may name {name}",
        source.path,
        places.join(" and ")
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
    fn a_crate_is_named_only_where_it_is_kept() {
        assert_eq!(
            breaches_of("core/proto/src/sip/msg/uri.rs", "use rsip::Uri;"),
            Vec::<String>::new()
        );
        assert_eq!(
            breaches_of("core/src/audio/device.rs", "use cpal::Device;"),
            Vec::<String>::new()
        );
        let found = breaches_of("core/proto/src/sip/dialog.rs", "// rsip::Uri\nuse rsip::Uri;");
        assert_eq!(
            found,
            ["core/proto/src/sip/dialog.rs:2: only core/proto/src/sip/parse and core/proto/src/sip/msg may name rsip"]
        );
    }
}
