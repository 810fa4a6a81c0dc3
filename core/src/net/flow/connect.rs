//! From a destination to an open connection: look it up, try its hosts in order, and race a host's addresses.
//!
//! The race is RFC 8305's in small: the next address is tried when one fails or after a quarter of a second, and the
//! first that connects wins. Hosts are never raced, because SRV's order means something.

use super::{FlowError, FlowRequest, FlowTransport};
use crate::net::dns::Target;
use crate::net::tls::{TlsAgreed, TlsClient};
use crate::udp;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use toestel_proto::random::Random;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

/// For one host: connection and TLS handshake together. Three silent hosts fit into SIP's own 32 seconds.
const HOST_TIMEOUT: Duration = Duration::from_secs(8);
/// RFC 8305 5, Connection Attempt Delay.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The kernel gives a connection up when what was sent is not acknowledged for so long; its own habit is 15 minutes.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// DSCP CS5, 40, for signalling (RFC 4594 4.2), in the upper six bits of the traffic class.
const SIGNALLING_CLASS: u32 = 40 << 2;

/// An open connection.
pub(super) struct Connected {
    pub(super) link: Link,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) tls: Option<TlsAgreed>,
}

pub(super) enum Link {
    Tls(Box<TlsStream<TcpStream>>),
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// Opens the connection that `request` asks for. Of several failures the first that concerns TLS is told, because it
/// needs a person, else the first.
pub(super) async fn connect(request: &FlowRequest) -> Result<Connected, FlowError> {
    let mut random = Random::seeded(request.seed);
    let transport = request.transport.name();
    let resolved = request
        .resolver
        .resolve(&request.destination, transport, &mut random)
        .await?;
    let mut told: Option<FlowError> = None;
    for target in resolved.targets {
        let host = target.host.clone();
        let attempt = timeout(HOST_TIMEOUT, connect_to(target, &request.transport)).await;
        let error = match attempt.unwrap_or(Err(FlowError::Silent { host })) {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        tracing::debug!(flow = %request.id, %error, "could not connect");
        told = match (told, error) {
            (Some(told @ FlowError::Tls(_)), _) => Some(told),
            (_, error @ FlowError::Tls(_)) => Some(error),
            (told, error) => told.or(Some(error)),
        };
    }
    Err(told.unwrap_or(FlowError::Silent {
        host: request.destination.host.clone(),
    }))
}

async fn connect_to(target: Target, transport: &FlowTransport) -> Result<Connected, FlowError> {
    match transport {
        FlowTransport::Udp => connect_udp(&target.addresses).await,
        FlowTransport::Tcp => {
            let (stream, local, remote) = connect_tcp(target).await?;
            Ok(Connected {
                link: Link::Tcp(stream),
                local,
                remote,
                tls: None,
            })
        }
        FlowTransport::Tls(client) => {
            let (stream, local, remote) = connect_tcp(target).await?;
            handshake(client, stream, local, remote).await
        }
    }
}

async fn handshake(
    client: &TlsClient,
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
) -> Result<Connected, FlowError> {
    let stream = client.handshake(stream).await?;
    let tls = Some(TlsAgreed::of(&stream));
    Ok(Connected {
        link: Link::Tls(Box::new(stream)),
        local,
        remote,
        tls,
    })
}

async fn connect_tcp(target: Target) -> Result<(TcpStream, SocketAddr, SocketAddr), FlowError> {
    let stream = race(target).await?;
    let device = |error: io::Error| FlowError::Device {
        detail: error.to_string(),
    };
    stream.set_nodelay(true).map_err(device)?;
    let local = stream.local_addr().map_err(device)?;
    let remote = stream.peer_addr().map_err(device)?;
    let socket = socket2::SockRef::from(&stream);
    udp::mark(&socket, local, SIGNALLING_CLASS);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)).map_err(device)?;
    Ok((stream, local, remote))
}

pub(super) async fn race(target: Target) -> Result<TcpStream, FlowError> {
    let mut waiting = target.addresses.into_iter();
    let mut running = JoinSet::new();
    let mut first_error = None;
    loop {
        if let Some(address) = waiting.next() {
            running.spawn(async move {
                TcpStream::connect(address)
                    .await
                    .map_err(|error| failed(address, error))
            });
        }
        let more = waiting.len() > 0;
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => first_error = first_error.or(Some(error)),
                Some(Err(error)) => first_error = first_error.or(Some(FlowError::Device { detail: error.to_string() })),
                None if more => {}
                None => return Err(first_error.unwrap_or(FlowError::Silent { host: target.host })),
            },
            () = sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

/// A connected UDP socket hears its server alone. Connecting sends nothing, so it fails only where there is no route.
async fn connect_udp(addresses: &[SocketAddr]) -> Result<Connected, FlowError> {
    let mut first_error = None;
    for &remote in addresses {
        match udp_socket(remote).await {
            Ok((socket, local)) => {
                return Ok(Connected {
                    link: Link::Udp(socket),
                    local,
                    remote,
                    tls: None,
                });
            }
            Err(error) => first_error = first_error.or(Some(failed(remote, error))),
        }
    }
    Err(first_error.unwrap_or(FlowError::Device {
        detail: "no address".to_owned(),
    }))
}

async fn udp_socket(remote: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(remote).await?;
    let local = socket.local_addr()?;
    udp::mark(&socket2::SockRef::from(&socket), local, SIGNALLING_CLASS);
    Ok((socket, local))
}

/// What the system's refusal of a connection means.
pub(super) fn failed(remote: SocketAddr, error: io::Error) -> FlowError {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
        TimedOut,
    };
    match error.kind() {
        ConnectionRefused | ConnectionReset => FlowError::Refused { remote },
        TimedOut => FlowError::Silent {
            host: remote.to_string(),
        },
        HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable => FlowError::Unreachable {
            remote,
            detail: error.to_string(),
        },
        _ => FlowError::Device {
            detail: error.to_string(),
        },
    }
}
