//! Parameters (`;name=value`) of URIs and header fields (RFC 3261 sections 19.1.1 and 25.1, `generic-param`).
//!
//! Ordered, names compared without case. A value keeps whether it was quoted, because feature tags such as
//! `+sip.instance="<urn:uuid:…>"` must be written back in quotes. In a URI nothing is unescaped here.

use std::fmt;

/// An ordered list of parameters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Params(Vec<Param>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Param {
    name: String,
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Value {
    text: String,
    quoted: bool,
}

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `name` is present, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of `name`, without its quotes; `None` if it is absent or has no value.
    pub fn get(&self, name: &str) -> Option<&str> {
        Some(self.find(name)?.value.as_ref()?.text.as_str())
    }

    /// Name and value of each parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|param| {
            (
                param.name.as_str(),
                param.value.as_ref().map(|value| value.text.as_str()),
            )
        })
    }

    /// Sets `name` to `value`, in place if it is there, else at the end. Written in quotes only if it needs them.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let text = value.into();
        let quoted = !is_bare(&text);
        self.put(name, Some(Value { text, quoted }));
    }

    /// As [`Params::set`], but always written in quotes, as feature tags require (RFC 3840).
    pub fn set_quoted(&mut self, name: &str, value: impl Into<String>) {
        self.put(
            name,
            Some(Value {
                text: value.into(),
                quoted: true,
            }),
        );
    }

    /// Sets `name` without a value, as in `;lr`.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    /// Removes `name`; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|param| !param.name.eq_ignore_ascii_case(name));
        self.0.len() != before
    }

    /// Adds one that was read, without looking whether the name is there already.
    pub(crate) fn append(&mut self, name: &str, value: Option<(String, bool)>) {
        let value = value.map(|(text, quoted)| Value { text, quoted });
        self.0.push(Param {
            name: name.to_owned(),
            value,
        });
    }

    /// Sets a value that is escaped already, as URIs have them: never quoted.
    pub(crate) fn set_escaped(&mut self, name: &str, text: String) {
        self.put(name, Some(Value { text, quoted: false }));
    }

    fn find(&self, name: &str) -> Option<&Param> {
        self.0.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    fn put(&mut self, name: &str, value: Option<Value>) {
        match self.0.iter_mut().find(|param| param.name.eq_ignore_ascii_case(name)) {
            Some(param) => param.value = value,
            None => self.0.push(Param {
                name: name.to_owned(),
                value,
            }),
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for param in &self.0 {
            write!(f, ";{}", param.name)?;
            match &param.value {
                Some(value) if value.quoted => write!(f, "={}", Quoted(&value.text))?,
                Some(value) => write!(f, "={}", value.text)?,
                None => {}
            }
        }
        Ok(())
    }
}

/// A string between quotes, with `"` and `\` escaped and control characters as spaces.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                // A control character is legal only as a quoted pair, CR and LF not even so.
                '\r' | '\n' => f.write_char(' ')?,
                '\t' => f.write_char(letter)?,
                letter if letter.is_ascii_control() => write!(f, "\\{letter}")?,
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

/// Whether `text` may stand without quotes: a token or a host (an IPv6 address has brackets and colons).
fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-.!%*_+`'~[]:/&$()".contains(c))
}
