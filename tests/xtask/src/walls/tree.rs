//! The wall around the pure crate: its whole dependency tree, as cargo resolves it for every platform.

use std::collections::BTreeSet;

use crate::cargo;
use crate::shell::{self, Result};

/// What may not be anywhere below `toestel-proto`: whatever touches a socket, a device, a clock or a random source.
/// A name that ends in `*` stands for every name that begins so.
const IMPURE: [&str; 24] = [
    "alsa*",
    "async-*",
    "audiopus*",
    "chrono",
    "cpal",
    "dtls*",
    "fastrand",
    "getrandom",
    "hickory-*",
    "if-watch",
    "keyring*",
    "mio",
    "opusic*",
    "quinn*",
    "rand",
    "ring",
    "rustix",
    "rustls*",
    "smol",
    "socket2",
    "time",
    "tokio*",
    "turn",
    "webrtc*",
];

/// The one exception: rsip brings uuid, which brings getrandom. Never called: rsip's random defaults are
/// disallowed methods in the crate's `clippy.toml`.
const EXCEPTION: [&str; 3] = ["rsip", "uuid", "getrandom"];

/// Breaches of the wall around the pure crate, and of the ban on a second TLS backend.
pub fn breaches() -> Result<Vec<String>> {
    let tree = shell::output(cargo::cargo("tree").args([
        "--locked",
        "--package",
        "toestel-proto",
        "--edges",
        "normal,build",
        "--target",
        "all",
        "--prefix",
        "depth",
        "--no-dedupe",
        "--format",
        " {p}",
    ]))?;
    let mut breaches = impure(&tree);
    let whole = shell::output(cargo::cargo("tree").args([
        "--locked",
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    if whole.lines().any(|line| line.starts_with("aws-lc-")) {
        breaches.push("aws-lc-sys is in the tree: a second TLS backend, with a large build in C; use ring".into());
    }
    Ok(breaches)
}

/// The impure packages in `tree` (lines of `DEPTH NAME vVERSION`), each with the path that leads to it.
fn impure(tree: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut found = BTreeSet::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next().and_then(|word| word.parse::<usize>().ok()), words.next()) else {
            continue;
        };
        path.truncate(depth);
        path.push(name);
        if IMPURE.iter().any(|pattern| matches(pattern, name)) && !path.ends_with(&EXCEPTION) {
            found.insert(format!("the pure crate depends on {name}: {}", path.join(" -> ")));
        }
    }
    found.into_iter().collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str =
        "0 toestel-proto v0.1.0 (/x)\n1 rsip v0.4.0\n2 uuid v0.8.2\n3 getrandom v0.2.17\n1 bytes v1.12.2\n";

    #[test]
    fn the_named_exception_passes() {
        assert_eq!(impure(TREE), Vec::<String>::new());
    }

    #[test]
    fn an_impure_package_is_found_however_deep_and_its_path_told() {
        let tree = format!("{TREE}2 helper v1.0.0\n3 tokio-util v0.7.0\n1 getrandom v0.4.3\n");
        let found = impure(&tree);
        assert_eq!(found.len(), 2);
        assert!(
            found
                .iter()
                .any(|breach| breach.ends_with("toestel-proto -> bytes -> helper -> tokio-util"))
        );
        assert!(
            found
                .iter()
                .any(|breach| breach.ends_with("toestel-proto -> getrandom"))
        );
    }
}
