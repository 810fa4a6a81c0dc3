//! The arrows inside a crate, read from its paths: `crate::…`, and `super::…` where it leaves the module.

use std::collections::BTreeSet;

use crate::lexer::{self, Token, starts_with};
use crate::sources::Source;

/// The modules of a crate in layers, the lowest first. A module uses what is below its own layer.
struct Crate {
    folder: &'static str,
    layers: &'static [Layer],
}

/// Modules of one height.
struct Layer {
    modules: &'static [&'static str],
    /// Whether they may use each other.
    mutual: bool,
}

const CRATES: [Crate; 2] = [
    Crate {
        folder: "core/proto/src/",
        layers: &[
            Layer {
                modules: &[
                    "codec",
                    "event",
                    "hex",
                    "ids",
                    "master_key",
                    "probe",
                    "random",
                    "secret",
                    "time",
                    "view",
                ],
                mutual: true,
            },
            Layer {
                modules: &["sip", "sdp", "media", "nat"],
                mutual: false,
            },
            Layer {
                modules: &[
                    "account",
                    "account_config",
                    "call",
                    "contacts",
                    "diagnostics",
                    "history",
                    "lines",
                    "policy",
                    "practice",
                    "provisioning",
                    "recording",
                ],
                mutual: true,
            },
            Layer {
                modules: &["phone"],
                mutual: false,
            },
        ],
    },
    Crate {
        folder: "core/src/",
        layers: &[
            Layer {
                modules: &["blame", "clock", "udp"],
                mutual: true,
            },
            Layer {
                modules: &["audio", "net", "store"],
                mutual: false,
            },
            Layer {
                modules: &["error", "parts", "probe"],
                mutual: true,
            },
            Layer {
                modules: &["diag", "practice", "runtime"],
                mutual: true,
            },
            Layer {
                modules: &["engine"],
                mutual: false,
            },
        ],
    },
];

/// Arrows that point up or across.
pub fn breaches(sources: &[Source]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for house in &CRATES {
        for source in sources.iter().filter(|source| !source.is_test()) {
            let Some(inside) = source.path.strip_prefix(house.folder) else {
                continue;
            };
            let place = place(inside);
            // The root only declares the modules and names what is public.
            let Some(from) = place.first() else { continue };
            let Some(height) = house.height(from) else {
                found.insert(format!(
                    "{}: the module {from} has no layer in tests/xtask/src/walls/modules.rs",
                    source.path
                ));
                continue;
            };
            for (to, line) in uses(&source.text, &place) {
                if to != *from && house.height(&to).is_some_and(|other| !house.may_use(height, other)) {
                    found.insert(format!("{}:{line}: {from} may not use {to}", source.path));
                }
            }
        }
    }
    found.into_iter().collect()
}

impl Crate {
    fn height(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.modules.contains(&module))
    }

    fn may_use(&self, from: usize, to: usize) -> bool {
        to < from || (to == from && self.layers.get(from).is_some_and(|layer| layer.mutual))
    }
}

/// The module path of a file: `sip/parse/uri.rs` is `sip::parse::uri`, `sip/mod.rs` is `sip`.
fn place(inside: &str) -> Vec<String> {
    let parts = inside.trim_end_matches(".rs").split('/');
    parts
        .filter(|part| !matches!(*part, "mod" | "lib" | "main"))
        .map(str::to_owned)
        .collect()
}

/// The modules of the crate's root that `text` names, each with its line.
fn uses(text: &str, place: &[String]) -> Vec<(String, usize)> {
    let tokens = lexer::product_tokens(text);
    let mut found = Vec::new();
    for index in 0..tokens.len() {
        let rest = tokens.get(index..).unwrap_or_default();
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        if starts_with(rest, &["crate", ":", ":"]) {
            found.extend(heads(rest.get(3..).unwrap_or_default()));
        } else if starts_with(rest, &["super", ":", ":"]) && before.is_none_or(|token| token.text != ":") {
            let mut path = rest;
            let mut up = 0;
            while starts_with(path, &["super", ":", ":"]) {
                up += 1;
                path = path.get(3..).unwrap_or_default();
            }
            if up >= place.len() {
                found.extend(heads(path));
            }
        }
    }
    found
}

/// The first words of a path, or of each path in a group: `a::b` is `a`; `{a::b, c}` is `a` and `c`.
fn heads(path: &[Token<'_>]) -> Vec<(String, usize)> {
    let Some(first) = path.first() else { return Vec::new() };
    if first.text != "{" {
        return vec![(first.text.to_owned(), first.line)];
    }
    let end = lexer::closing(path).unwrap_or(path.len());
    let mut depth = 0_usize;
    let mut expects = true;
    let mut found = Vec::new();
    for token in path.get(1..end).unwrap_or_default() {
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => expects = true,
            word if expects && depth == 0 => {
                found.push((word.to_owned(), token.line));
                expects = false;
            }
            _ => {}
        }
    }
    found
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
    fn arrows_down_pass() {
        let text =
            "use crate::{time::Instant, sip::{msg::Request, parse}, media::rtp};\nfn f(x: crate::policy::Verdict) {}";
        assert_eq!(breaches_of("core/proto/src/call.rs", text), Vec::<String>::new());
    }

    #[test]
    fn arrows_across_and_up_are_found_with_their_line() {
        let found = breaches_of(
            "core/proto/src/sip/dialog.rs",
            "use crate::time::Wake;\nuse crate::{media::rtp, phone::Phone};",
        );
        assert_eq!(found.len(), 2);
        assert!(
            found
                .iter()
                .all(|breach| breach.starts_with("core/proto/src/sip/dialog.rs:2: sip may not use "))
        );
    }

    #[test]
    fn a_path_that_climbs_out_by_super_is_found() {
        assert_eq!(
            breaches_of(
                "core/proto/src/sip/parse/uri.rs",
                "use super::super::super::media::rtp;"
            )
            .len(),
            1
        );
        assert_eq!(
            breaches_of("core/proto/src/sip/parse/uri.rs", "use super::super::msg::Uri;").len(),
            0
        );
        assert_eq!(
            breaches_of("core/src/net/tls.rs", "use super::super::engine::Engine;").len(),
            1
        );
    }

    #[test]
    fn tests_may_reach_anywhere() {
        let text = "#[cfg(test)]\nmod tests { use crate::phone::Phone; }";
        assert_eq!(breaches_of("core/proto/src/sip/dialog.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_module_without_a_layer_must_be_given_one() {
        assert_eq!(breaches_of("core/proto/src/surprise.rs", "").len(), 1);
    }
}
