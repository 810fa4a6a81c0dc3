//! Why there is no flow, or no longer.

use crate::blame::Blame;
use crate::net::dns::DnsError;
use crate::net::tls::TlsError;
use std::net::SocketAddr;

/// Why a flow could not be opened, or ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// The server could not be found.
    #[error("{0}")]
    Dns(#[from] DnsError),
    /// TLS failed.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// There is a machine, but no server on that port.
    #[error("Nothing answers at {remote}: check the server's address and port, and that the PBX runs.")]
    Refused {
        /// Where the connection was tried.
        remote: SocketAddr,
    },
    /// The network has no way there.
    #[error("There is no way to {remote} ({detail}): check the network connection; it is tried again by itself.")]
    Unreachable {
        /// Where the connection was tried.
        remote: SocketAddr,
        /// The system's words.
        detail: String,
    },
    /// Nothing came back.
    #[error("{host} does not answer: check the server's address and the firewall; it is tried again by itself.")]
    Silent {
        /// The host that was tried.
        host: String,
    },
    /// The server ended the connection.
    #[error("The server closed the connection: it is opened again by itself.")]
    ClosedByServer,
    /// The connection broke.
    #[error("The connection to the server was lost ({detail}): it is opened again by itself.")]
    Lost {
        /// The system's words.
        detail: String,
    },
    /// The server takes nothing any more.
    #[error("The server does not take our messages: the connection is opened again by itself.")]
    NotReading,
    /// The flow has ended already.
    #[error("The connection has already ended: it is opened again by itself.")]
    Ended,
    /// The device refuses sockets.
    #[error("This device refused a connection ({detail}): check its firewall and permissions, then start again.")]
    Device {
        /// The system's words.
        detail: String,
    },
}

impl FlowError {
    /// Who erred.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Dns(error) => error.blame(),
            Self::Tls(error) => error.blame(),
            Self::Refused { .. } | Self::ClosedByServer | Self::NotReading => Blame::Server,
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Lost { .. } | Self::Ended => Blame::Network,
            Self::Device { .. } => Blame::Device,
        }
    }

    /// Whether the same attempt may succeed later with nothing changed here.
    pub const fn retry_helps(&self) -> bool {
        match self {
            Self::Dns(error) => error.retry_helps(),
            Self::Tls(error) => error.retry_helps(),
            Self::Device { .. } => false,
            _ => true,
        }
    }
}
