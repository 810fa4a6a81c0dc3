//! Media sockets: a pair for RTP and RTCP (RFC 3550 11: even and odd port), or one for both (RFC 5761).
//!
//! They exist only during a call, are bound to one address of one interface and never to the wildcard, and are
//! ordinary blocking sockets for the media thread, which sets its own read timeout. They are not connected: a PBX may
//! send from another port than it names. Whether a packet belongs to the call is decided by SRTP or by the media
//! machine, not here.
//!
//! DSCP EF (RFC 4594 4.1) is asked for and silently done without where the system refuses; Windows ignores it.

use crate::blame::Blame;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use toestel_proto::random::Random;

/// The ports that are used where nothing else is configured: below the range from which systems draw ports for
/// outgoing connections, so that both rarely meet.
pub const DEFAULT_PORTS: RangeInclusive<u16> = 16_384..=32_767;

/// DSCP EF, 46, in the upper six bits of the traffic class.
const EXPEDITED_FORWARDING: u32 = 46 << 2;

/// The sockets of one media stream.
#[derive(Debug)]
pub struct MediaSocket {
    /// RTP, and RTCP too where `rtcp` is `None`.
    pub rtp: UdpSocket,
    /// RTCP, on the port after RTP's.
    pub rtcp: Option<UdpSocket>,
    rtp_address: SocketAddr,
    rtcp_address: SocketAddr,
}

/// Why no media socket could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The network has no way to the peer. May pass when the network changes.
    #[error("There is no network route to {peer}: check the network connection, then call again.")]
    NoRoute {
        /// Where the media should go.
        peer: IpAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The local address is gone, because the network changed. Trying again on the new network helps.
    #[error("This device no longer has the address {local}: the network changed; call again.")]
    AddressGone {
        /// The address that was asked for.
        local: IpAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Every port of the range is taken. The configuration erred, or too many calls are open.
    #[error("No free media port from {first} to {last}: end another call, or configure a wider port range.")]
    NoFreePort {
        /// The first port of the range.
        first: u16,
        /// The last port of the range.
        last: u16,
    },
    /// The device refuses sockets at all, for instance for lack of file handles or permission.
    #[error(
        "This device refused a media socket ({source}): close other programs or check its firewall, then call again."
    )]
    Refused {
        /// The system's reason.
        source: io::Error,
    },
}

impl UdpError {
    /// Who erred.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NoRoute { .. } | Self::AddressGone { .. } => Blame::Network,
            Self::NoFreePort { .. } => Blame::User,
            Self::Refused { .. } => Blame::Device,
        }
    }

    /// Whether the same call may succeed later with nothing changed here.
    pub const fn retry_helps(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl MediaSocket {
    /// Binds a stream's sockets on `local`, the address that the account's flow uses or that
    /// [`local_address_towards`] found. The port is a random one of `ports`; `mux` leaves out the RTCP socket.
    ///
    /// # Errors
    /// If the address is gone, the range is used up, or the system refuses.
    pub fn bind(local: IpAddr, ports: RangeInclusive<u16>, mux: bool, random: &mut Random) -> Result<Self, UdpError> {
        for port in even_ports(&ports, random) {
            let pair = bind_port(local, port).and_then(|rtp| {
                let rtcp = if mux {
                    None
                } else {
                    Some(bind_port(local, port.saturating_add(1))?)
                };
                Ok((rtp, rtcp))
            });
            match pair {
                Ok((rtp, rtcp)) => return Self::of(rtp, rtcp),
                Err(error) if is_taken(&error) => {}
                Err(source) if source.kind() == io::ErrorKind::AddrNotAvailable => {
                    return Err(UdpError::AddressGone { local, source });
                }
                Err(source) => return Err(UdpError::Refused { source }),
            }
        }
        Err(UdpError::NoFreePort {
            first: *ports.start(),
            last: *ports.end(),
        })
    }

    /// Where RTP arrives.
    pub const fn rtp_address(&self) -> SocketAddr {
        self.rtp_address
    }

    /// Where RTCP arrives; the same as RTP's where both share a socket.
    pub const fn rtcp_address(&self) -> SocketAddr {
        self.rtcp_address
    }

    fn of(rtp: UdpSocket, rtcp: Option<UdpSocket>) -> Result<Self, UdpError> {
        let address = |socket: &UdpSocket| socket.local_addr().map_err(|source| UdpError::Refused { source });
        let rtp_address = address(&rtp)?;
        let rtcp_address = rtcp.as_ref().map_or(Ok(rtp_address), address)?;
        Ok(Self {
            rtp,
            rtcp,
            rtp_address,
            rtcp_address,
        })
    }
}

/// The local address from which packets to `peer` leave, by the system's routes; nothing is sent.
///
/// # Errors
/// [`UdpError::NoRoute`].
pub fn local_address_towards(peer: SocketAddr) -> Result<IpAddr, UdpError> {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| {
            socket.connect(peer)?;
            socket.local_addr()
        })
        .map(|address| address.ip())
        .map_err(|source| UdpError::NoRoute {
            peer: peer.ip(),
            source,
        })
}

/// Every even port of the range whose odd successor is in it too, once, from a random one on.
fn even_ports(ports: &RangeInclusive<u16>, random: &mut Random) -> impl Iterator<Item = u16> {
    let first = ports.start().max(&1).checked_next_multiple_of(2).unwrap_or(u16::MAX);
    let even: Vec<u16> = (first..*ports.end()).step_by(2).collect();
    let len = u64::try_from(even.len()).unwrap_or(u64::MAX);
    let start = usize::try_from(random.below(len)).unwrap_or(0);
    let count = even.len();
    even.into_iter().cycle().skip(start).take(count)
}

fn bind_port(local: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(local, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    mark(&socket, address, EXPEDITED_FORWARDING);
    Ok(socket.into())
}

/// Sets the traffic class; best effort, because a call without it is still a call.
pub(crate) fn mark(socket: &Socket, local: SocketAddr, traffic_class: u32) {
    #[cfg(not(windows))]
    let marked = match local {
        SocketAddr::V4(_) => socket.set_tos_v4(traffic_class),
        SocketAddr::V6(_) => socket.set_tclass_v6(traffic_class),
    };
    #[cfg(windows)]
    let marked = {
        let _ = (socket, local, traffic_class);
        Ok::<(), io::Error>(())
    };
    if let Err(error) = marked {
        tracing::debug!(%error, "the system does not mark packets");
    }
}

/// Another program has the port, or may not be asked for it (Windows reserves whole ranges).
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn echo(from: &UdpSocket, to: &UdpSocket) {
        to.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        from.send_to(b"rtp", to.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 16];
        let (len, source) = to.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], source), (&b"rtp"[..], from.local_addr().unwrap()));
    }

    #[test]
    fn rtp_has_an_even_port_and_rtcp_the_next() {
        let socket = MediaSocket::bind(LOOPBACK, DEFAULT_PORTS, false, &mut Random::seeded(1)).unwrap();
        assert_eq!(socket.rtp_address().port() % 2, 0);
        assert_eq!(socket.rtcp_address().port(), socket.rtp_address().port() + 1);
        echo(&socket.rtp, socket.rtcp.as_ref().unwrap());
    }

    #[test]
    fn with_mux_both_share_one_socket() {
        let socket = MediaSocket::bind(LOOPBACK, DEFAULT_PORTS, true, &mut Random::seeded(2)).unwrap();
        assert!(socket.rtcp.is_none());
        assert_eq!(socket.rtcp_address(), socket.rtp_address());
    }

    #[test]
    fn ipv6_media_is_bound_to_ipv6_alone() {
        let local = IpAddr::from(Ipv6Addr::LOCALHOST);
        let socket = MediaSocket::bind(local, DEFAULT_PORTS, true, &mut Random::seeded(3)).unwrap();
        assert_eq!(socket.rtp_address().ip(), local);
        echo(&socket.rtp, &socket.rtp);
    }

    #[test]
    fn a_taken_port_is_passed_over_and_a_full_range_is_said() {
        let taken = MediaSocket::bind(LOOPBACK, 41_000..=41_999, true, &mut Random::seeded(4)).unwrap();
        let port = taken.rtp_address().port();
        let error = MediaSocket::bind(LOOPBACK, port..=port + 1, true, &mut Random::seeded(4)).unwrap_err();
        assert!(
            matches!(error, UdpError::NoFreePort { first, .. } if first == port),
            "{error}"
        );
        let next = MediaSocket::bind(LOOPBACK, port..=port + 3, true, &mut Random::seeded(4)).unwrap();
        assert_eq!(next.rtp_address().port(), port + 2);
    }

    #[test]
    fn each_even_port_is_tried_once_and_the_odd_one_after_it_is_in_the_range() {
        for seed in 0..50 {
            let mut tried: Vec<u16> = even_ports(&(7..=15), &mut Random::seeded(seed)).collect();
            tried.sort_unstable();
            assert_eq!(tried, [8, 10, 12, 14], "seed {seed}");
        }
        let count = |ports| even_ports(&ports, &mut Random::seeded(1)).count();
        assert_eq!(count(8..=8), 0);
        assert_eq!(count(65_535..=65_535), 0);
        assert_eq!(count(0..=65_535), 32_767, "port 0 would be the system's choice");
    }

    #[test]
    fn an_address_that_is_not_ours_is_said_to_be_gone() {
        let foreign = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
        let error = MediaSocket::bind(foreign, DEFAULT_PORTS, true, &mut Random::seeded(5)).unwrap_err();
        assert!(
            matches!(error, UdpError::AddressGone { local, .. } if local == foreign),
            "{error}"
        );
    }

    #[test]
    fn the_route_to_the_peer_chooses_the_local_address() {
        assert_eq!(local_address_towards((LOOPBACK, 5060).into()).unwrap(), LOOPBACK);
        let six = IpAddr::from(Ipv6Addr::LOCALHOST);
        assert_eq!(local_address_towards((six, 5060).into()).unwrap(), six);
    }

    #[test]
    fn packets_are_marked_for_expedited_forwarding() {
        let socket = MediaSocket::bind(LOOPBACK, DEFAULT_PORTS, true, &mut Random::seeded(6)).unwrap();
        let marking = socket2::SockRef::from(&socket.rtp).tos_v4().unwrap();
        assert_eq!(marking, EXPEDITED_FORWARDING);
    }
}
