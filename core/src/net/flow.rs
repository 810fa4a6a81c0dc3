//! One signalling flow: a TLS or TCP connection, or a connected UDP socket, that we open to one server.
//!
//! A flow is a task. It finds the server, connects, and then moves bytes: what it hears goes to the runtime's channel
//! as [`FlowNotice`]s, what [`Flow::send`] queues goes out. Idle, it waits for the kernel and costs no wake-up; keep-
//! alive is SIP's (RFC 5626), not ours. Nothing listens: only the server is heard, and a TCP or TLS flow hears
//! nothing before the handshake is done.
//!
//! Framing is not done here: `Bytes` are pieces of a stream as they come, `Datagram` is one message.

mod connect;
mod error;

pub use error::FlowError;

use super::dns::Resolver;
use super::tls::{TlsAgreed, TlsClient, TlsError};
use bytes::{Bytes, BytesMut};
use connect::{Connected, Link};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use toestel_proto::account_config::{HostPort, Transport};
use toestel_proto::ids::FlowId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait to be sent. A server that does not read so many is gone.
const SEND_QUEUE: usize = 64;
/// Read from the stream at once.
const CHUNK: usize = 4 * 1024;
/// The largest datagram that IP can carry.
const MAX_DATAGRAM: usize = 65_535;
/// How long a closing flow may take to send what is queued and to say goodbye.
const GOODBYE: Duration = Duration::from_millis(1_500);

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub struct FlowRequest {
    /// The flow's name in every notice.
    pub id: FlowId,
    /// The SIP domain, the outbound proxy or the server; looked up by RFC 3263 where it has no port.
    pub destination: HostPort,
    /// How to reach it.
    pub transport: FlowTransport,
    /// Who looks it up.
    pub resolver: Resolver,
    /// Draws the order of equal SRV records, nothing that must be secret.
    pub seed: u64,
}

/// The transport with what it needs.
#[derive(Clone, Debug)]
pub enum FlowTransport {
    /// TLS by this client's rules.
    Tls(TlsClient),
    /// TCP.
    Tcp,
    /// Connected UDP.
    Udp,
}

impl FlowTransport {
    const fn name(&self) -> Transport {
        match self {
            Self::Tls(_) => Transport::Tls,
            Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
        }
    }
}

/// What happened on a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowNotice {
    /// On which.
    pub flow: FlowId,
    /// What.
    pub event: FlowEvent,
}

/// What can happen on a flow: at most one `Opened`, then bytes or datagrams, and at last one `Closed`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlowEvent {
    /// The server can be talked to.
    Opened {
        /// Our address on this flow.
        local: SocketAddr,
        /// The server's.
        remote: SocketAddr,
        /// What TLS agreed on.
        tls: Option<TlsAgreed>,
    },
    /// The next piece of the stream.
    Bytes(Bytes),
    /// One message.
    Datagram(Bytes),
    /// The flow has ended. `Ok`: we closed it.
    Closed(Result<(), FlowError>),
}

/// The runtime's end of a flow. Dropping it sends what is queued and closes the connection properly.
#[derive(Debug)]
pub struct Flow {
    id: FlowId,
    queue: mpsc::Sender<Bytes>,
    _owner: oneshot::Sender<Infallible>,
}

impl Flow {
    /// Begins to connect, in a task of the tokio runtime that this is called in. Everything comes by `notices`.
    pub fn open(request: FlowRequest, notices: mpsc::Sender<FlowNotice>) -> Self {
        let (queue, outgoing) = mpsc::channel(SEND_QUEUE);
        let (owner, disowned) = oneshot::channel();
        let id = request.id;
        tokio::spawn(run(
            request,
            outgoing,
            disowned,
            Notices {
                flow: id,
                sender: notices,
            },
        ));
        Self {
            id,
            queue,
            _owner: owner,
        }
    }

    /// The flow's name.
    pub const fn id(&self) -> FlowId {
        self.id
    }

    /// Queues one message; on a flow that is still being opened it waits for that.
    ///
    /// # Errors
    /// [`FlowError::NotReading`] if the queue is full: close this flow and open another. [`FlowError::Ended`] if the
    /// flow has closed; its notice is on the way.
    pub fn send(&self, message: Bytes) -> Result<(), FlowError> {
        self.queue.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => FlowError::NotReading,
            mpsc::error::TrySendError::Closed(_) => FlowError::Ended,
        })
    }
}

/// The runtime's channel, as one flow sees it.
struct Notices {
    flow: FlowId,
    sender: mpsc::Sender<FlowNotice>,
}

impl Notices {
    /// Waits while the runtime is behind, so that the server is slowed down and not our memory filled.
    async fn tell(&self, event: FlowEvent) -> Result<(), FlowError> {
        let notice = FlowNotice { flow: self.flow, event };
        self.sender.send(notice).await.map_err(|_| FlowError::Ended)
    }
}

async fn run(
    request: FlowRequest,
    outgoing: mpsc::Receiver<Bytes>,
    mut disowned: oneshot::Receiver<Infallible>,
    notices: Notices,
) {
    let connected = tokio::select! {
        connected = connect::connect(&request) => connected.map(Some),
        _ = &mut disowned => Ok(None),
    };
    let outcome = match connected {
        Ok(Some(connected)) => tokio::select! {
            outcome = talk(connected, outgoing, &notices) => outcome,
            () = goodbye(disowned) => Ok(()),
        },
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    tracing::debug!(flow = %request.id, ?outcome, "flow ended");
    // The runtime may be gone already; then nobody wants to know.
    let _ = notices.tell(FlowEvent::Closed(outcome)).await;
}

/// Over when the owner is gone and has had its time to finish.
async fn goodbye(disowned: oneshot::Receiver<Infallible>) {
    let _ = disowned.await;
    tokio::time::sleep(GOODBYE).await;
}

async fn talk(connected: Connected, outgoing: mpsc::Receiver<Bytes>, notices: &Notices) -> Result<(), FlowError> {
    let Connected {
        link,
        local,
        remote,
        tls,
    } = connected;
    notices.tell(FlowEvent::Opened { local, remote, tls }).await?;
    match link {
        Link::Tls(stream) => talk_stream(*stream, outgoing, notices).await,
        Link::Tcp(stream) => talk_stream(stream, outgoing, notices).await,
        Link::Udp(socket) => tokio::select! {
            error = hear_datagrams(&socket, remote, notices) => Err(error),
            outcome = send_datagrams(&socket, remote, outgoing) => outcome,
        },
    }
}

async fn talk_stream(
    stream: impl AsyncRead + AsyncWrite,
    outgoing: mpsc::Receiver<Bytes>,
    notices: &Notices,
) -> Result<(), FlowError> {
    let (read, write) = tokio::io::split(stream);
    tokio::select! {
        error = hear_stream(read, notices) => Err(error),
        outcome = send_stream(write, outgoing) => outcome.map_err(lost),
    }
}

async fn hear_stream(mut read: impl AsyncRead + Unpin, notices: &Notices) -> FlowError {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        match read.read_buf(&mut buffer).await {
            Ok(0) => return FlowError::ClosedByServer,
            Ok(_) => {}
            Err(error) => return lost(error),
        }
        if let Err(error) = notices.tell(FlowEvent::Bytes(buffer.split().freeze())).await {
            return error;
        }
    }
}

/// Until the owner is gone and the queue is empty; then says goodbye.
async fn send_stream(mut write: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(message) = outgoing.recv().await {
        write.write_all(&message).await?;
        write.flush().await?;
    }
    write.shutdown().await
}

async fn hear_datagrams(socket: &UdpSocket, remote: SocketAddr, notices: &Notices) -> FlowError {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let datagram = match socket.recv(&mut buffer).await {
            Ok(len) => buffer.get(..len).map(Bytes::copy_from_slice).unwrap_or_default(),
            Err(error) => return connect::failed(remote, error),
        };
        if let Err(error) = notices.tell(FlowEvent::Datagram(datagram)).await {
            return error;
        }
    }
}

async fn send_datagrams(
    socket: &UdpSocket,
    remote: SocketAddr,
    mut outgoing: mpsc::Receiver<Bytes>,
) -> Result<(), FlowError> {
    while let Some(message) = outgoing.recv().await {
        match socket.send(&message).await {
            Ok(_) => {}
            // Too long for this path: SIP's retransmission, and its rule about TCP, must deal with it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput || is_too_long(&error) => {
                tracing::debug!(bytes = message.len(), "too long for a datagram");
            }
            Err(error) => return Err(connect::failed(remote, error)),
        }
    }
    Ok(())
}

fn is_too_long(error: &io::Error) -> bool {
    #[cfg(unix)]
    let too_long = Some(rustix::io::Errno::MSGSIZE.raw_os_error());
    #[cfg(not(unix))]
    let too_long = Some(10_040);
    error.raw_os_error() == too_long
}

/// An established connection broke.
fn lost(error: io::Error) -> FlowError {
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return FlowError::Tls(TlsError::from_io(error));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FlowError::ClosedByServer,
        _ => FlowError::Lost {
            detail: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
