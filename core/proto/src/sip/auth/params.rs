//! Schemes and parameters of the authentication header fields (RFC 3261 25.1: `challenge`, `credentials`, `ainfo`).
//!
//! The reader hands over one unfolded value; this splits it into schemes and `name=value` pairs with quoting undone.
//! A value may hold several challenges (RFC 7235 2.1 allows it, and servers do it). Meaning is judged elsewhere.

#![warn(clippy::arithmetic_side_effects)]

use std::fmt;

/// More parameters than any challenge has; what comes with more is refused unread.
const MOST_PARAMETERS: usize = 32;
/// More challenges in one value than any server sends.
const MOST_SCHEMES: usize = 8;

/// One scheme with its parameters, names in lower case, values unquoted. No name occurs twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    pub name: String,
    pub parameters: Parameters,
}

/// `name=value` pairs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a list without a scheme in front, as Authentication-Info has it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parameters = Self::default();
        let mut cursor = Cursor(text);
        while cursor.skip_separators() {
            let name = cursor.token()?;
            parameters.push(name, cursor.value()?)?;
            cursor.end_of_element()?;
        }
        Some(parameters)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    fn push(&mut self, name: &str, value: String) -> Option<()> {
        let name = name.to_ascii_lowercase();
        let fits = self.get(&name).is_none() && self.0.len() < MOST_PARAMETERS;
        fits.then(|| self.0.push((name, value)))
    }
}

/// Reads `Digest realm="…", …`, possibly several in one value; `None` if it is not of that form.
pub(super) fn schemes(text: &str) -> Option<Vec<Scheme>> {
    let mut schemes: Vec<Scheme> = Vec::new();
    let mut cursor = Cursor(text);
    while cursor.skip_separators() {
        let mut name = cursor.token()?;
        if !cursor.at_equals() {
            if schemes.len() >= MOST_SCHEMES {
                return None;
            }
            schemes.push(Scheme {
                name: name.to_owned(),
                parameters: Parameters::default(),
            });
            if cursor.is_at_end() {
                break;
            }
            name = cursor.token()?;
        }
        schemes.last_mut()?.parameters.push(name, cursor.value()?)?;
        cursor.end_of_element()?;
    }
    (!schemes.is_empty()).then_some(schemes)
}

/// What is left to read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Skips white space and commas; whether anything is left.
    fn skip_separators(&mut self) -> bool {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
        !self.is_at_end()
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn at_equals(&self) -> bool {
        self.0.starts_with('=')
    }

    /// A token and the white space after it.
    fn token(&mut self) -> Option<&'a str> {
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        self.skip_space();
        (!token.is_empty()).then_some(token)
    }

    /// `=` and a token or quoted string.
    fn value(&mut self) -> Option<String> {
        self.0 = self.0.strip_prefix('=')?;
        self.skip_space();
        match self.0.strip_prefix('"') {
            Some(rest) => self.quoted(rest),
            None => self.bare(),
        }
    }

    /// A value without quotes. Wider than a token: old servers leave base64 bare.
    fn bare(&mut self) -> Option<String> {
        let end = self.0.find([',', ' ', '\t', '"']).unwrap_or(self.0.len());
        let (value, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The rest of a quoted string whose first quote is gone.
    fn quoted(&mut self, text: &'a str) -> Option<String> {
        let mut value = String::new();
        let mut letters = text.chars();
        loop {
            match letters.next()? {
                '"' => break,
                '\\' => value.push(letters.next()?),
                letter => value.push(letter),
            }
        }
        self.0 = letters.as_str();
        Some(value)
    }

    /// After a value comes a comma or the end.
    fn end_of_element(&mut self) -> Option<()> {
        self.skip_space();
        (self.is_at_end() || self.0.starts_with(',')).then_some(())
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c)
}

/// A quoted string: `"` and `\` escaped. A line break cannot get further than the message's writer, which drops it.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                letter => write!(f, "{letter}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_challenge_is_split_with_its_quoting_undone() {
        let read = schemes(r#"Digest  Realm = "a \"b\\, c" , nonce="x",algorithm=MD5, stale=FALSE"#).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].name, "Digest");
        assert_eq!(read[0].parameters.get("realm"), Some(r#"a "b\, c"#));
        assert_eq!(read[0].parameters.get("algorithm"), Some("MD5"));
        assert_eq!(read[0].parameters.get("stale"), Some("FALSE"));
    }

    #[test]
    fn several_challenges_in_one_value_are_told_apart() {
        let read = schemes(r#"Digest realm="a", nonce="1", Basic realm="b", Digest realm="c",nonce="2""#).unwrap();
        let names: Vec<_> = read
            .iter()
            .map(|scheme| (scheme.name.as_str(), scheme.parameters.get("realm").unwrap()))
            .collect();
        assert_eq!(names, [("Digest", "a"), ("Basic", "b"), ("Digest", "c")]);
    }

    #[test]
    fn what_is_not_a_list_of_parameters_is_refused() {
        for text in [
            "",
            " , ",
            "realm=\"no scheme\"",
            "Digest realm",
            "Digest realm=",
            "Digest realm=\"open",
            "Digest realm=\"open\\",
            "Digest realm=\"a\" nonce=\"b\"",
            "Digest realm=\"a\", REALM=\"b\"",
            "Digest =\"a\"",
            "Digest \u{e9}=\"a\"",
        ] {
            assert_eq!(schemes(text), None, "{text:?}");
        }
        let many: Vec<_> = (0..33).map(|n| format!("p{n}=1")).collect();
        assert_eq!(schemes(&format!("Digest {}", many.join(","))), None);
        assert_eq!(schemes(&"Digest a=1, ".repeat(9)), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_makes_the_reader_panic_and_what_it_reads_holds_no_quoting(text in "(Digest |,|[a-z]=|\"|\\\\|é| |.){0,40}") {
            for scheme in schemes(&text).unwrap_or_default() {
                proptest::prop_assert!(!scheme.name.is_empty());
            }
            let quoted = format!("Digest a={}", Quoted(&text));
            let read = schemes(&quoted).unwrap();
            proptest::prop_assert_eq!(read[0].parameters.get("a"), Some(text.as_str()));
        }
    }

    #[test]
    fn what_is_quoted_is_read_back_unchanged() {
        for text in ["", "plain", "a\"b", "back\\slash", "\\", "comma, space", "é"] {
            let read = Parameters::parse(&format!("x={}, y=1", Quoted(text))).unwrap();
            assert_eq!(read.get("x"), Some(text));
        }
    }
}
