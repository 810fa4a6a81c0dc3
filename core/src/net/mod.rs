//! The network as the runtime sees it: signalling flows, media sockets, name look-up, and notice of changes.
//!
//! Nothing here knows SIP beyond where its messages travel. No socket listens for signalling: a flow is a connection
//! that we opened to one server, and only that server is heard on it.

pub mod dns;
pub mod flow;
pub mod tls;
pub use crate::udp;
pub mod watch;
