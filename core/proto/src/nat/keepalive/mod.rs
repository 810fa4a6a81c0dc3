//! Keeps a signalling flow's path through NATs and firewalls open, and notices when it is gone (RFC 5626 4.4).
//!
//! [`StreamKeepalive`] pings a TLS or TCP connection with CRLF CRLF and waits for the pong (4.4.1);
//! [`DatagramKeepalive`] asks for a STUN Binding over a UDP flow, or sends CRLF where the server knows no STUN (4.4.2).
//! Each has one timer, so that an idle phone over TLS wakes about once in 100 s. A flow that is found dead is reported
//! once; what to do then (RFC 5626 4.5) is registration's business.

mod datagram;
mod stream;

pub use datagram::{DatagramKeepalive, DatagramMethod, UDP_INTERVAL};
pub use stream::{Pong, StreamKeepalive};

use std::time::Duration;

/// What a keep-alive wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeepaliveOutput {
    /// Send these bytes on the flow.
    Send(Vec<u8>),
    /// The server sees us at this address: told at first, and at each change. What was registered from another one
    /// leads nowhere any more (RFC 5626 4.4.2).
    Mapped {
        /// Where it sees us now.
        address: std::net::SocketAddr,
        /// Where it saw us before, if it was asked.
        before: Option<std::net::SocketAddr>,
    },
    /// The flow is dead: close it and open another. Given once.
    FlowDead(DeadFlow),
}

/// How a flow was found dead. The network erred; a new flow may work at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeadFlow {
    /// No pong, or no STUN answer, in time.
    #[error("the server no longer answers on this connection")]
    Silent,
}

/// The bounds between which the next ping is drawn: 80 to 100 % of what the server's Flow-Timer allows (RFC 5626
/// 4.4), else the default of the transport.
fn bounds(flow_timer: Option<Duration>, default: (Duration, Duration)) -> (Duration, Duration) {
    match flow_timer {
        Some(allowed) => {
            let longest = allowed.max(Duration::from_secs(1));
            (longest.mul_f64(0.8), longest)
        }
        None => default,
    }
}
