//! Just enough of Rust's grammar to measure functions and follow paths: words and marks, each with its line.
//!
//! Comments, strings, characters and lifetimes are left out. It is not a parser: it knows nothing of macros, and needs
//! nothing of them.

/// A word or a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// An identifier, a keyword, a number, or one mark of punctuation.
    pub text: &'a str,
    /// The line that it is on, from 1.
    pub line: usize,
}

/// The tokens of `source`, in order.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        rest: source,
        line: 1,
        tokens: Vec::new(),
    };
    while lexer.step() {}
    lexer.tokens
}

/// The tokens of `source` without what is only compiled for tests: `#[cfg(test)]` and the item after it.
pub fn product_tokens(source: &str) -> Vec<Token<'_>> {
    let all = tokens(source);
    let mut kept = Vec::with_capacity(all.len());
    let mut rest = all.as_slice();
    while let Some(first) = rest.first() {
        if starts_with(rest, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            rest = after_item(rest.get(7..).unwrap_or_default());
        } else {
            kept.push(first.clone());
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    kept
}

/// Whether `tokens` begin with these words.
pub fn starts_with(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
}

/// The token in `tokens` that closes the bracket with which they begin.
pub fn closing(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// What follows the item with which `tokens` begin: it ends with its block, or with a semicolon outside brackets.
fn after_item<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        let length = match token.text {
            "{" | "(" | "[" => closing(rest).map_or(rest.len(), |end| end + 1),
            _ => 1,
        };
        let ends = token.text == "{" || token.text == ";";
        rest = rest.get(length..).unwrap_or_default();
        if ends {
            break;
        }
    }
    rest
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        let length = match first {
            _ if self.rest.starts_with("//") => self.rest.find('\n').unwrap_or(self.rest.len()),
            _ if self.rest.starts_with("/*") => block_comment(self.rest),
            '"' => quoted(self.rest),
            '\'' => character_or_lifetime(self.rest),
            _ if is_word(first) => return self.word(),
            _ => {
                if !first.is_whitespace() {
                    self.push(first.len_utf8());
                }
                first.len_utf8()
            }
        };
        self.skip(length);
        true
    }

    /// A word, unless it is the prefix of a string: `r"…"`, `br#"…"#`, `c"…"`.
    fn word(&mut self) -> bool {
        let length = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(length);
        if matches!(word, "r" | "br" | "cr")
            && (after.starts_with('"') || after.starts_with("#\"") || after.starts_with("##"))
        {
            self.skip(length + raw_string(after));
        } else if matches!(word, "b" | "c") && after.starts_with('"') {
            self.skip(length + quoted(after));
        } else if word == "b" && after.starts_with('\'') {
            self.skip(length + character_or_lifetime(after));
        } else {
            self.push(length);
            self.skip(length);
        }
        true
    }

    fn push(&mut self, length: usize) {
        let (text, _) = self.rest.split_at(length);
        self.tokens.push(Token { text, line: self.line });
    }

    fn skip(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((index, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, byte)| *byte);
        match (byte, next) {
            (b'/', Some(b'*')) => depth += 1,
            (b'*', Some(b'/')) => depth -= 1,
            _ => continue,
        }
        bytes.next();
        if depth == 0 {
            return index + 2;
        }
    }
    text.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return index + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let hashes = text.bytes().take_while(|byte| *byte == b'#').count();
    let end = format!("\"{}", "#".repeat(hashes));
    let open = hashes + 1;
    let found = text.get(open..).and_then(|body| body.find(&end));
    found.map_or(text.len(), |at| open + at + end.len())
}

/// `'x'` and `'\n'` are characters; `'a` with no closing mark is a lifetime.
fn character_or_lifetime(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            characters.next();
            characters
                .find(|(_, c)| *c == '\'')
                .map_or(text.len(), |(index, _)| index + 1)
        }
        Some(_) => match characters.next() {
            Some((index, '\'')) => index + 1,
            _ => {
                1 + text
                    .chars()
                    .skip(1)
                    .take_while(|c| is_word(*c))
                    .map(char::len_utf8)
                    .sum::<usize>()
            }
        },
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn strings_comments_and_characters_are_left_out() {
        let source = "a /* { /* nested */ } */ b // }\n \"{ \\\" {\" c r#\"{ \"# '{' '\\'' b'{' b\"{\" br\"{\" d";
        assert_eq!(texts(source), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_lifetime_is_not_an_open_character() {
        assert_eq!(texts("fn f<'a>(x: &'a str) {}").last(), Some(&"}"));
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("\"a\nb\" /*\n*/ x");
        assert_eq!(found, [Token { text: "x", line: 3 }]);
    }

    #[test]
    fn what_only_tests_compile_is_no_product() {
        let source = "fn a() {} #[cfg(test)] mod tests { use x; } fn b() {} #[cfg(test)] mod more; fn c() {}";
        let kept: Vec<_> = product_tokens(source).iter().map(|token| token.text).collect();
        assert_eq!(kept.join(" "), "fn a ( ) { } fn b ( ) { } fn c ( ) { }");
    }
}
