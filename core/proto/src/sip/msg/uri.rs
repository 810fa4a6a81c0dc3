//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966): reading, writing, comparing.
//!
//! The parts are kept as they came, escapes included, so that a Contact goes back into a Request-URI letter for
//! letter; [`Uri::user`] unescapes, [`Uri::equivalent`] compares by section 19.1.4, `==` compares letters.
//! A scheme that we do not speak is kept whole, so that it can be answered with 416.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Params;
use crate::sip::parse::{self, Malformed};

mod compare;
mod escape;

pub(crate) use escape::{is_user_char, unescape};

/// What stands before the first colon.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`, TLS on every hop.
    Sips,
    /// `tel:`, a telephone number (RFC 3966).
    Tel,
    /// Anything else, in lower case.
    Other(String),
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(name) => name,
        })
    }
}

/// A host as it may stand in a URI or a Via.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    /// A domain name, as it was written.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; written in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some((*address).into()),
            Self::V6(address) => Some((*address).into()),
        }
    }

    /// Whether both are the same host; names without case and without a final dot.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.')),
            _ => self == other,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl FromStr for Host {
    type Err = Malformed;

    /// A name, an IPv4 address, or an IPv6 address with or without brackets.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse().map(Self::V6).or_else(|_| parse::uri::host(text))
    }
}

/// The password of a URI: deprecated, kept only to send a foreign URI back as it came, never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UriPassword(pub(crate) String);

impl fmt::Debug for UriPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An address in the world of SIP.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Uri {
    pub(crate) scheme: Scheme,
    /// Escaped. The number of a `tel:` URI; all that follows the colon for a foreign scheme.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<UriPassword>,
    /// `None` only for `tel:` and foreign schemes.
    pub(crate) host: Option<Host>,
    pub(crate) port: Option<u16>,
    pub(crate) params: Params,
    /// Escaped names and values.
    pub(crate) headers: Vec<(String, String)>,
}

impl Uri {
    /// `sip:user@host`; the user part is plain text and is escaped here.
    pub fn sip(user: &str, host: Host) -> Self {
        Self {
            user: Some(escape::escape_user(user)),
            ..Self::sip_host(host)
        }
    }

    /// `sip:host`, as the Request-URI of a REGISTER.
    pub fn sip_host(host: Host) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: None,
            password: None,
            host: Some(host),
            port: None,
            params: Params::new(),
            headers: Vec::new(),
        }
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Whether it is `sip:` or `sips:`, which is all that a request may be sent to.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part with its escapes undone, the number of a `tel:` URI, or the whole rest of a foreign one.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(escape::unescape)
    }

    /// The host; `None` for `tel:` and foreign schemes.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The port, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters, escapes included.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The value of one parameter with its escapes undone.
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params.get(name).map(escape::unescape)
    }

    /// Name and value of each header of the URI (`?Replaces=…`) with their escapes undone.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers
            .iter()
            .map(|(name, value)| (escape::unescape(name), escape::unescape(value)))
    }

    /// Whether `;lr` marks a loose router (RFC 3261 16.12.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// The same with a port, or without.
    #[must_use]
    pub fn with_port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.port = port.into();
        self
    }

    /// The same with a parameter; the value is plain text and is escaped here.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.set_escaped(name, escape::escape_param(value));
        self
    }

    /// The same with a parameter that has no value, as `lr` or `ob`.
    #[must_use]
    pub fn with_flag(mut self, name: &str) -> Self {
        self.params.set_flag(name);
        self
    }

    /// The same with a header, as in `?Replaces=…`; name and value are plain text and are escaped here.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push((escape::escape_header(name), escape::escape_header(value)));
        self
    }

    /// The same without one parameter.
    #[must_use]
    pub fn without_param(mut self, name: &str) -> Self {
        self.params.remove(name);
        self
    }

    /// Scheme, user, host and port alone: what stays of a URI when it becomes an address of record.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            password: None,
            params: Params::new(),
            headers: Vec::new(),
            ..self.clone()
        }
    }

    /// The same without headers and `method`, fit to be a Request-URI (RFC 3261 19.1.1, table 1).
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        self.headers.clear();
        self.without_param("method")
    }

    /// Whether both name the same resource by the rules of RFC 3261 19.1.4 (RFC 3966 section 4 for `tel:`).
    pub fn equivalent(&self, other: &Self) -> bool {
        compare::equivalent(self, other)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
        }
        if let Some(UriPassword(password)) = &self.password {
            write!(f, ":{password}")?;
        }
        if let Some(host) = &self.host {
            let at = if self.user.is_some() { "@" } else { "" };
            write!(f, "{at}{host}")?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)?;
        for (index, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::uri::uri(text)
    }
}
