//! The size gate: a file stays under 500 lines without its tests, a function under 60.
//!
//! `sizes.allow` beside this crate's manifest lists the exceptions, each with its reason; an entry that is no longer
//! needed fails too. The five longest of each are printed at every run, so that growth is seen before it hurts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::lexer::{self, Token};
use crate::shell::{Result, fail};
use crate::sources::{self, Source};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 60;

/// A file or a function, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measured {
    /// `path`, or `path::function`.
    name: String,
    lines: usize,
}

/// Checks every file below `root` and prints the longest.
pub fn check(root: &Path) -> Result<()> {
    let sources = sources::read(root)?;
    let product: Vec<&Source> = sources.iter().filter(|source| !source.is_test()).collect();
    let files: Vec<_> = product.iter().map(|source| file(source)).collect();
    let functions: Vec<_> = product.iter().flat_map(|source| functions(source)).collect();
    longest("files", &files);
    longest("functions", &functions);
    let allowed = exceptions(&std::fs::read_to_string(root.join("tests/xtask/sizes.allow")).unwrap_or_default())?;
    let mut wrong = over(&files, FILE_LINES, &allowed);
    wrong.extend(over(&functions, FUNCTION_LINES, &allowed));
    wrong.extend(needless(&files, &functions, &allowed));
    if wrong.is_empty() {
        Ok(())
    } else {
        fail(wrong.join("\n"))
    }
}

fn file(source: &Source) -> Measured {
    let tests = source.text.lines().position(|line| line.starts_with("#[cfg(test)]"));
    let lines = match tests {
        // Only what stands before the tests and what may stand after them counts.
        Some(_) => product_lines(&source.text),
        None => source.text.lines().count(),
    };
    Measured {
        name: source.path.clone(),
        lines,
    }
}

/// The lines of a file without its inline test modules.
fn product_lines(text: &str) -> usize {
    let all = lexer::tokens(text);
    let product = lexer::product_tokens(text);
    let total = text.lines().count();
    let mut kept = product.iter().peekable();
    let mut tests = 0;
    let mut start: Option<usize> = None;
    for token in &all {
        let is_product = kept
            .peek()
            .is_some_and(|next| *next == token && std::ptr::eq(next.text, token.text));
        match (is_product, start) {
            (true, Some(first)) => {
                tests += token.line.saturating_sub(first);
                start = None;
            }
            (false, None) => start = Some(token.line),
            _ => {}
        }
        if is_product {
            kept.next();
        }
    }
    total - start.map_or(tests, |first| tests + total + 1 - first)
}

fn functions(source: &Source) -> Vec<Measured> {
    let tokens = lexer::product_tokens(&source.text);
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        // A name follows `fn` in a function; in a function's type it is a bracket.
        if keyword.text == "fn" && name.text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let rest = tokens.get(index..).unwrap_or_default();
            if let Some(last) = last_line(rest) {
                let name = format!("{}::{}", source.path, name.text);
                found.push(Measured {
                    name,
                    lines: last + 1 - keyword.line,
                });
            }
        }
    }
    found
}

/// The line of the brace that closes the function with which `tokens` begin; `None` for one without a body.
fn last_line(tokens: &[Token<'_>]) -> Option<usize> {
    let mut rest = tokens;
    loop {
        let first = rest.first()?;
        match first.text {
            ";" => return None,
            "{" => return rest.get(lexer::closing(rest)?).map(|token| token.line),
            "(" | "[" => rest = rest.get(lexer::closing(rest)? + 1..)?,
            _ => rest = rest.get(1..)?,
        }
    }
}

fn longest(what: &str, measured: &[Measured]) {
    let mut sorted = measured.to_vec();
    sorted.sort_by_key(|one| std::cmp::Reverse(one.lines));
    println!("the five longest {what}, of {}:", measured.len());
    for one in sorted.iter().take(5) {
        println!("  {:>4}  {}", one.lines, one.name);
    }
}

fn over(measured: &[Measured], limit: usize, allowed: &BTreeMap<String, String>) -> Vec<String> {
    let too_long = measured
        .iter()
        .filter(|one| one.lines > limit && !allowed.contains_key(&one.name));
    too_long
        .map(|one| format!("{} has {} lines, more than {limit}", one.name, one.lines))
        .collect()
}

fn needless(files: &[Measured], functions: &[Measured], allowed: &BTreeMap<String, String>) -> Vec<String> {
    let still_long =
        |measured: &[Measured], limit, name: &String| measured.iter().any(|one| one.lines > limit && one.name == *name);
    let gone = allowed
        .keys()
        .filter(|name| !still_long(files, FILE_LINES, name) && !still_long(functions, FUNCTION_LINES, name));
    gone.map(|name| format!("sizes.allow lists {name}, which needs no exception any more"))
        .collect()
}

/// Lines of `NAME: REASON`; `#` begins a comment.
fn exceptions(text: &str) -> Result<BTreeMap<String, String>> {
    let mut allowed = BTreeMap::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match line.split_once(": ") {
            Some((name, reason)) if reason.len() > 10 => allowed.insert(name.to_owned(), reason.to_owned()),
            _ => return fail(format!("sizes.allow: no reason in \"{line}\"")),
        };
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: String) -> Source {
        Source {
            path: "core/src/a.rs".into(),
            text,
        }
    }

    #[test]
    fn a_function_of_61_lines_is_found() {
        let body = "    let x = \"}\";\n".repeat(59);
        let measured = functions(&source(format!(
            "struct S;\nimpl S {{\nfn long(a: [u8; 4]) -> u8 {{\n{body}}}\n}}\n"
        )));
        assert_eq!(
            measured,
            [Measured {
                name: "core/src/a.rs::long".into(),
                lines: 61
            }]
        );
        assert_eq!(over(&measured, FUNCTION_LINES, &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn tests_do_not_count_as_lines_of_a_file() {
        let text = format!(
            "fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "    // x\n    fn t() {}\n".repeat(600)
        );
        assert_eq!(file(&source(text)).lines, 1);
    }

    #[test]
    fn what_stands_after_the_tests_counts_again() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn b() {}\nfn c() {}\n";
        assert_eq!(file(&source(text.to_owned())).lines, 3);
    }

    #[test]
    fn an_exception_without_a_reason_or_a_need_is_refused() {
        assert!(exceptions("core/src/a.rs: ").is_err());
        let allowed = exceptions("# why\ncore/src/a.rs: the table of RFC 3261, section 20").unwrap();
        assert_eq!(needless(&[], &[], &allowed).len(), 1);
    }
}
