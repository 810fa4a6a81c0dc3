//! Addresses in header fields (RFC 3261 section 20.10): an optional name, a URI, parameters.

use std::fmt;
use std::str::FromStr;

use super::params::Quoted;
use super::{Params, Uri};
use crate::sip::parse::{self, Malformed};

/// The value of From, To, Contact, Route, Refer-To, P-Asserted-Identity and their like.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameAddr {
    /// The display name without its quotes. It is the sender's word: never trusted, never HTML.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Parameters of the header field, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// `<uri>` without name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// The same with a display name; an empty one counts as none.
    #[must_use]
    pub fn with_display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into()).filter(|name| !name.is_empty());
        self
    }

    /// The same with `tag`.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.params.set("tag", tag);
        self
    }

    /// The same without a tag, as the To of a request that opens a dialog.
    #[must_use]
    pub fn without_tag(mut self) -> Self {
        self.params.remove("tag");
        self
    }

    /// The half of a dialog's identity that this side chose.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// The `expires` parameter of a Contact, in seconds.
    pub fn expires(&self) -> Option<u32> {
        parse::value::seconds(self.params.get("expires")?).ok()
    }

    /// The preference of a Contact in thousandths, 0 to 1000.
    pub fn q(&self) -> Option<u16> {
        parse::value::qvalue(self.params.get("q")?).ok()
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", Quoted(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

impl FromStr for NameAddr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::address::name_addr(text)
    }
}

/// What Contact says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contacts {
    /// `*`: every binding, in a REGISTER that removes them all.
    All,
    /// The addresses, in order; empty if the field is absent.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address: the remote target of a dialog.
    pub fn first(&self) -> Option<&NameAddr> {
        self.as_slice().first()
    }

    /// The addresses; none for `*`.
    pub fn as_slice(&self) -> &[NameAddr] {
        match self {
            Self::All => &[],
            Self::List(list) => list,
        }
    }
}
