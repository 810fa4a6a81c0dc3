//! Via (RFC 3261 section 20.42, RFC 3581 for `rport`): the way back for responses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{Host, Params};
use crate::sip::parse::{self, Malformed};

/// The transport that a Via names. Compared without case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// Any other token, in capitals.
    Other(String),
}

impl Transport {
    /// The transport that `token` names.
    pub fn from_token(token: &str) -> Self {
        match token.to_ascii_uppercase().as_str() {
            "UDP" => Self::Udp,
            "TCP" => Self::Tcp,
            "TLS" => Self::Tls,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name in capitals, as in a Via.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Other(name) => name,
        }
    }

    /// Whether the transport retransmits by itself, so that the transactions do not (RFC 3261 17.1).
    pub fn is_reliable(&self) -> bool {
        *self != Self::Udp
    }

    /// The port that is meant when none is written: 5061 for TLS, else 5060.
    pub fn default_port(&self) -> u16 {
        if *self == Self::Tls { 5061 } else { 5060 }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hop of a message's way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Via {
    /// How the hop sends.
    pub transport: Transport,
    /// The `sent-by` host.
    pub host: Host,
    /// The `sent-by` port, if written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and the others.
    pub params: Params,
}

impl Via {
    /// The prefix of every branch that follows RFC 3261 (section 8.1.1.7).
    pub const MAGIC_COOKIE: &str = "z9hG4bK";

    /// A Via of our own. `branch` must be new for each transaction and start with [`Via::MAGIC_COOKIE`].
    pub fn new(transport: Transport, host: Host, port: Option<u16>, branch: impl Into<String>) -> Self {
        let mut params = Params::new();
        params.set("branch", branch);
        Self {
            transport,
            host,
            port,
            params,
        }
    }

    /// The transaction identifier.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The address that the next hop saw, with or without brackets (RFC 5118 section 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        bare.parse().ok()
    }

    /// The port that the next hop saw, once it has filled it in (RFC 3581).
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// The `sent-by` port, or the transport's own.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport.default_port())
    }

    /// `host[:port]` in lower case, for the match of RFC 3261 17.2.3.
    pub fn sent_by(&self) -> String {
        format!("{}:{}", self.host, self.port_or_default()).to_ascii_lowercase()
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}

impl FromStr for Via {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::address::via(text)
    }
}
