//! The loop that drives the exchange: what came by its sockets goes in, what it wants done is done.

use super::connection::{Connection, MediaPort, Notice};
use crate::clock::{Alarm, Clock, ClockError};
use crate::parts::system_random;
use crate::udp::{DEFAULT_PORTS, MediaSocket};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use toestel_proto::ids::FlowId;
use toestel_proto::media::session::Socket;
use toestel_proto::practice::{Exchange, LegId, Output};
use toestel_proto::random::Random;
use toestel_proto::sdp::negotiate::LocalPath;
use toestel_proto::sip::endpoint::Flow;
use toestel_proto::sip::msg::Transport;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

/// How much may have come in before phones are made to wait.
const NOTICES: usize = 1_024;
/// The wait after a connection that could not be taken, for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Server {
    exchange: Exchange,
    clock: Clock,
    alarm: Alarm,
    random: Random,
    acceptor: TlsAcceptor,
    connections: BTreeMap<FlowId, Connection>,
    paths: BTreeMap<LegId, Path>,
    last_flow: u32,
    notices: mpsc::Sender<Notice>,
    noticed: mpsc::Receiver<Notice>,
}

/// The sockets of a leg.
struct Path {
    rtp: MediaPort,
    rtcp: Option<MediaPort>,
}

impl Server {
    /// Must be called inside the runtime that is to run it.
    pub fn new(exchange: Exchange, acceptor: TlsAcceptor, clock: Clock) -> Result<Self, ClockError> {
        let (notices, noticed) = mpsc::channel(NOTICES);
        Ok(Self {
            exchange,
            alarm: Alarm::new(clock)?,
            clock,
            random: system_random(),
            acceptor,
            connections: BTreeMap::new(),
            paths: BTreeMap::new(),
            last_flow: 0,
            notices,
            noticed,
        })
    }

    /// Serves until `stopped` resolves.
    pub async fn run(mut self, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
        loop {
            self.drain();
            self.alarm.set(self.exchange.poll_wake());
            tokio::select! {
                _ = &mut stopped => return,
                Some(notice) = self.noticed.recv() => self.handle_notice(notice),
                accepted = listener.accept() => self.handle_accepted(accepted).await,
                _ = self.alarm.rings() => self.exchange.handle_timeout(self.clock.now()),
            }
        }
    }

    async fn handle_accepted(&mut self, accepted: io::Result<(tokio::net::TcpStream, std::net::SocketAddr)>) {
        match accepted {
            Ok((stream, _)) => {
                self.last_flow = self.last_flow.saturating_add(1);
                let flow = FlowId(self.last_flow);
                let connection = Connection::open(flow, stream, self.acceptor.clone(), self.notices.clone());
                self.connections.insert(flow, connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the practice exchange could not take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn handle_notice(&mut self, notice: Notice) {
        let now = self.clock.now();
        match notice {
            Notice::Opened { flow, local, remote } => {
                self.exchange
                    .handle_flow_opened(Flow::new(flow, Transport::Tls, local, remote));
            }
            Notice::Received { flow, bytes } => self.exchange.handle_received(flow, &bytes, now),
            Notice::Closed(flow) => {
                self.connections.remove(&flow);
                self.exchange.handle_flow_closed(flow, now);
            }
            Notice::Datagram {
                leg,
                source,
                socket,
                bytes,
            } => self.exchange.handle_datagram(leg, source, &bytes, socket, now),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Transmit { flow, bytes, .. } => {
                    let connection = self.connections.get(&flow);
                    if connection.is_some_and(|connection| !connection.send(bytes)) {
                        self.handle_notice(Notice::Closed(flow));
                    }
                }
                Output::CloseFlow(flow) => drop(self.connections.remove(&flow)),
                Output::OpenPath { leg, local } => self.open_path(leg, local),
                Output::ClosePath(leg) => drop(self.paths.remove(&leg)),
                Output::SendDatagram { leg, to, socket, bytes } => {
                    if let Some(port) = self.paths.get(&leg).and_then(|path| path.port(socket)) {
                        port.send(to, &bytes);
                    }
                }
            }
        }
    }

    fn open_path(&mut self, leg: LegId, local: IpAddr) {
        let now = self.clock.now();
        match self.bind(leg, local) {
            Ok((path, described)) => {
                self.paths.insert(leg, path);
                self.exchange.handle_path(leg, described, now);
            }
            Err(error) => {
                tracing::warn!(%error, "the practice exchange has no media socket");
                self.exchange.handle_path_failed(leg, now);
            }
        }
    }

    fn bind(&mut self, leg: LegId, local: IpAddr) -> io::Result<(Path, LocalPath)> {
        let sockets = MediaSocket::bind(local, DEFAULT_PORTS, false, &mut self.random).map_err(io::Error::other)?;
        let described = LocalPath {
            rtp: sockets.rtp_address(),
            rtcp_port: Some(sockets.rtcp_address().port()),
            ice: Vec::new(),
        };
        let open = |socket, kind| MediaPort::open(leg, socket, kind, self.notices.clone());
        let path = Path {
            rtp: open(sockets.rtp, Socket::Rtp)?,
            rtcp: sockets.rtcp.map(|socket| open(socket, Socket::Rtcp)).transpose()?,
        };
        Ok((path, described))
    }
}

impl Path {
    const fn port(&self, socket: Socket) -> Option<&MediaPort> {
        match socket {
            Socket::Rtp => Some(&self.rtp),
            Socket::Rtcp => self.rtcp.as_ref(),
        }
    }
}
