//! The sockets of the exchange: one task for each connection and each media socket, which tell the server what came.

use bytes::Bytes;
use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;
use toestel_proto::ids::FlowId;
use toestel_proto::media::session::Socket;
use toestel_proto::practice::LegId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a phone may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A phone that takes nothing for this many messages is not there.
const BACKLOG: usize = 256;
/// More than any read gives at once.
const STREAM_BUFFER: usize = 16 * 1_024;
/// More than any media packet has.
const DATAGRAM_BUFFER: usize = 2_048;

/// What a task tells the server.
#[derive(Debug)]
pub(super) enum Notice {
    /// A phone has connected.
    Opened {
        flow: FlowId,
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// Bytes of a stream.
    Received { flow: FlowId, bytes: Bytes },
    /// The connection is gone, or never came about.
    Closed(FlowId),
    /// A media packet.
    Datagram {
        leg: LegId,
        source: SocketAddr,
        socket: Socket,
        bytes: Bytes,
    },
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A phone's connection; dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    outbox: mpsc::Sender<Bytes>,
    _task: Task,
}

impl Connection {
    /// Shakes hands, and then carries bytes both ways.
    pub fn open(flow: FlowId, stream: TcpStream, acceptor: TlsAcceptor, notices: mpsc::Sender<Notice>) -> Self {
        let (outbox, inbox) = mpsc::channel(BACKLOG);
        let task = tokio::spawn(async move {
            if let Err(error) = serve(flow, stream, acceptor, &notices, inbox).await {
                tracing::debug!(%flow, %error, "a connection to the practice exchange ends");
            }
            let _ = notices.send(Notice::Closed(flow)).await;
        });
        Self {
            outbox,
            _task: Task(task),
        }
    }

    /// Sends; `false` if the phone is gone or takes nothing any more.
    pub fn send(&self, bytes: Bytes) -> bool {
        self.outbox.try_send(bytes).is_ok()
    }
}

async fn serve(
    flow: FlowId,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    notices: &mpsc::Sender<Notice>,
    mut inbox: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let opened = Notice::Opened { flow, local, remote };
    if notices.send(opened).await.is_err() {
        return Ok(());
    }
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        while let Some(bytes) = inbox.recv().await {
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
        writer.shutdown().await
    };
    tokio::select! {
        read = read(flow, &mut reader, notices) => read,
        written = write => written,
    }
}

async fn read(
    flow: FlowId,
    reader: &mut tokio::io::ReadHalf<TlsStream<TcpStream>>,
    notices: &mpsc::Sender<Notice>,
) -> io::Result<()> {
    let mut buffer = vec![0; STREAM_BUFFER];
    loop {
        let length = reader.read(&mut buffer).await?;
        let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
        if bytes.is_empty() || notices.send(Notice::Received { flow, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

/// One media socket of a leg; dropping it closes it.
#[derive(Debug)]
pub(super) struct MediaPort {
    socket: Arc<UdpSocket>,
    _task: Task,
}

impl MediaPort {
    /// Listens on `socket`.
    pub fn open(leg: LegId, socket: StdSocket, kind: Socket, notices: mpsc::Sender<Notice>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let task = tokio::spawn(listen(leg, Arc::clone(&socket), kind, notices));
        Ok(Self {
            socket,
            _task: Task(task),
        })
    }

    /// Sends; what the system does not take is lost, as on any network.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) {
        if let Err(error) = self.socket.try_send_to(bytes, to) {
            tracing::trace!(%error, "a media packet is not sent");
        }
    }
}

async fn listen(leg: LegId, udp: Arc<UdpSocket>, socket: Socket, notices: mpsc::Sender<Notice>) {
    let mut buffer = vec![0; DATAGRAM_BUFFER];
    loop {
        let (length, source) = match udp.recv_from(&mut buffer).await {
            Ok(received) => received,
            // A port that nobody listens on was told of; the next packet may find somebody.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            Err(error) => {
                tracing::debug!(%error, "a media socket of the practice exchange ends");
                return;
            }
        };
        let notice = Notice::Datagram {
            leg,
            source,
            socket,
            bytes: Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default()),
        };
        if notices.send(notice).await.is_err() {
            return;
        }
    }
}
