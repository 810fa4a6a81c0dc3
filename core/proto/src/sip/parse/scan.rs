//! A cursor over one unfolded value, by the basic rules of RFC 3261 section 25.1. It only moves forward.

use std::borrow::Cow;

use super::Malformed;

pub(super) struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.0
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Steps over `c` if it is next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn need(&mut self, c: char, what: &'static str) -> Result<(), Malformed> {
        if self.eat(c) { Ok(()) } else { Err(Malformed(what)) }
    }

    /// Steps over white space; folded lines have been joined by a space before.
    pub(super) fn space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// `SWS c SWS`: steps over the separator and the space around it, or over nothing.
    pub(super) fn separator(&mut self, c: char) -> bool {
        let before = self.0;
        self.space();
        if self.eat(c) {
            self.space();
            return true;
        }
        self.0 = before;
        false
    }

    pub(super) fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !keep(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    pub(super) fn token(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        Some(self.take_while(is_token_char))
            .filter(|token| !token.is_empty())
            .ok_or(Malformed(what))
    }

    /// A quoted string, without its quotes and with its quoted pairs undone.
    pub(super) fn quoted(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.need('"', "no opening quote")?;
        let plain = self.take_while(|c| c != '"' && c != '\\');
        if self.eat('"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.eat('"') {
                return Ok(Cow::Owned(text));
            }
            if self.eat('\\') {
                let pair = self
                    .peek()
                    .filter(char::is_ascii)
                    .ok_or(Malformed("a backslash that escapes nothing"))?;
                self.eat(pair);
                text.push(pair);
            }
            let plain = self.take_while(|c| c != '"' && c != '\\');
            text.push_str(plain);
            if self.is_done() {
                return Err(Malformed("a quote that is not closed"));
            }
        }
    }

    pub(super) fn end(mut self, what: &'static str) -> Result<(), Malformed> {
        self.space();
        if self.is_done() { Ok(()) } else { Err(Malformed(what)) }
    }
}

pub(super) fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c)
}
