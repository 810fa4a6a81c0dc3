//! Against real servers on loopback.

use super::*;
use crate::net::tls::CertificateRefused;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::Ipv4Addr;
use std::sync::Arc;
use toestel_proto::account_config::Roots;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

const ID: FlowId = FlowId(7);
const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

struct Opened {
    flow: Flow,
    notices: mpsc::Receiver<FlowNotice>,
}

impl Opened {
    fn to(address: SocketAddr, transport: FlowTransport) -> Self {
        let (sender, notices) = mpsc::channel(4);
        let destination = address.to_string().parse().unwrap();
        let request = FlowRequest {
            id: ID,
            destination,
            transport,
            resolver: Resolver::with_servers(&[]),
            seed: 1,
        };
        Self {
            flow: Flow::open(request, sender),
            notices,
        }
    }

    async fn next(&mut self) -> FlowEvent {
        next(&mut self.notices).await
    }

    async fn opened(&mut self) -> (SocketAddr, SocketAddr, Option<TlsAgreed>) {
        match self.next().await {
            FlowEvent::Opened { local, remote, tls } => (local, remote, tls),
            other => panic!("{other:?}"),
        }
    }

    /// Everything heard until the flow closes, and why it did.
    async fn rest(mut self) -> (Vec<u8>, Result<(), FlowError>) {
        let mut heard = Vec::new();
        loop {
            match self.next().await {
                FlowEvent::Bytes(bytes) => heard.extend_from_slice(&bytes),
                FlowEvent::Closed(why) => return (heard, why),
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn next(notices: &mut mpsc::Receiver<FlowNotice>) -> FlowEvent {
    let notice = timeout(Duration::from_secs(10), notices.recv()).await.unwrap().unwrap();
    assert_eq!(notice.flow, ID);
    notice.event
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn accepted(transport: FlowTransport) -> (Opened, TcpStream) {
    let (listener, address) = listener().await;
    let opened = Opened::to(address, transport);
    (opened, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn tcp_carries_bytes_both_ways_and_knows_both_addresses() {
    let (mut opened, mut server) = accepted(FlowTransport::Tcp).await;
    let (local, remote, tls) = opened.opened().await;
    assert_eq!(
        (local, remote),
        (server.peer_addr().unwrap(), server.local_addr().unwrap())
    );
    assert_eq!(tls, None);
    opened.flow.send("OPTIONS".into()).unwrap();
    let mut heard = [0; 7];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"OPTIONS");
    server.write_all(b"SIP/2.0 200 OK").await.unwrap();
    drop(server);
    assert_eq!(
        opened.rest().await,
        (b"SIP/2.0 200 OK".to_vec(), Err(FlowError::ClosedByServer))
    );
}

#[tokio::test]
async fn a_dropped_flow_sends_what_is_queued_and_closes() {
    let (mut opened, mut server) = accepted(FlowTransport::Tcp).await;
    opened.opened().await;
    let messages = (0..SEND_QUEUE).map(|number| format!("{number:03}"));
    messages
        .clone()
        .for_each(|message| opened.flow.send(message.into()).unwrap());
    drop(opened.flow);
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, messages.collect::<String>());
    assert_eq!(next(&mut opened.notices).await, FlowEvent::Closed(Ok(())));
}

#[tokio::test]
async fn messages_queued_before_the_flow_is_open_are_sent_when_it_is() {
    let (listener, address) = listener().await;
    let mut opened = Opened::to(address, FlowTransport::Tcp);
    opened.flow.send("early".into()).unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    opened.opened().await;
    let mut heard = [0; 5];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"early");
}

#[tokio::test]
async fn a_server_that_does_not_read_is_noticed_and_a_flow_to_it_still_ends() {
    let (mut opened, _server) = accepted(FlowTransport::Tcp).await;
    opened.opened().await;
    let message = Bytes::from(vec![b'x'; 1 << 20]);
    let mut sent = 0;
    let error = loop {
        match opened.flow.send(message.clone()) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error, FlowError::NotReading);
    assert!(sent >= SEND_QUEUE);
    drop(opened.flow);
    assert_eq!(next(&mut opened.notices).await, FlowEvent::Closed(Ok(())));
}

#[tokio::test]
async fn nothing_listening_is_refused() {
    let (unused, address) = listener().await;
    drop(unused);
    let opened = Opened::to(address, FlowTransport::Tcp);
    assert_eq!(
        opened.rest().await,
        (Vec::new(), Err(FlowError::Refused { remote: address }))
    );
}

#[tokio::test]
async fn an_attempt_ends_when_its_flow_is_dropped() {
    // The listener never accepts the TLS handshake, so the flow would wait for it.
    let (_listener, address) = listener().await;
    let client = TlsClient::new("example.com", &Roots::System, &[]).unwrap();
    let Opened { flow, mut notices } = Opened::to(address, FlowTransport::Tls(client));
    tokio::task::yield_now().await;
    drop(flow);
    assert_eq!(next(&mut notices).await, FlowEvent::Closed(Ok(())));
}

#[tokio::test]
async fn the_next_address_is_tried_when_the_first_fails() {
    let (listener, good) = listener().await;
    let unused = TcpListener::bind(ANY).await.unwrap().local_addr().unwrap();
    let target = |addresses: &[SocketAddr]| crate::net::dns::Target {
        host: "pbx".into(),
        addresses: addresses.into(),
    };
    let connected = connect::race(target(&[unused, good])).await.unwrap();
    assert_eq!(connected.peer_addr().unwrap(), good);
    drop(listener);
    let error = connect::race(target(&[unused, good])).await.unwrap_err();
    assert_eq!(error, FlowError::Refused { remote: unused });
}

#[tokio::test]
async fn tls_is_opened_only_after_the_certificate_was_checked() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["example.com".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let server = ServerConfig::builder_with_provider(crate::net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let roots = Roots::Pem(certificate.pem());
    for (name, good) in [("example.com", true), ("other.org", false)] {
        let client = TlsClient::new(name, &roots, &[]).unwrap();
        let (mut opened, stream) = accepted(FlowTransport::Tls(client)).await;
        let accepting = acceptor.accept(stream);
        if good {
            let (stream, (_, _, tls)) = tokio::join!(accepting, opened.opened());
            assert_eq!(tls.unwrap().version, "TLS 1.3");
            let mut stream = stream.unwrap();
            stream.write_all(b"NOTIFY").await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(
                opened.rest().await,
                (b"NOTIFY".to_vec(), Err(FlowError::ClosedByServer))
            );
        } else {
            let (_, (heard, why)) = tokio::join!(accepting, opened.rest());
            let refused = CertificateRefused::NameMismatch {
                wanted: name.into(),
                names: vec!["example.com".into()],
            };
            assert_eq!((heard, why), (Vec::new(), Err(FlowError::Tls(refused.into()))));
        }
    }
}

#[tokio::test]
async fn udp_hears_its_server_alone() {
    let server = UdpSocket::bind(ANY).await.unwrap();
    let stranger = UdpSocket::bind(ANY).await.unwrap();
    let mut opened = Opened::to(server.local_addr().unwrap(), FlowTransport::Udp);
    let (local, remote, _) = opened.opened().await;
    assert_eq!(remote, server.local_addr().unwrap());
    opened.flow.send("REGISTER".into()).unwrap();
    let mut heard = [0; 100];
    assert_eq!(server.recv_from(&mut heard).await.unwrap(), (8, local));
    stranger.send_to(b"INVITE", local).await.unwrap();
    server.send_to(b"SIP/2.0 200 OK", local).await.unwrap();
    assert_eq!(
        opened.next().await,
        FlowEvent::Datagram(Bytes::from_static(b"SIP/2.0 200 OK"))
    );
    drop(opened.flow);
    assert_eq!(next(&mut opened.notices).await, FlowEvent::Closed(Ok(())));
}

#[tokio::test]
async fn udp_without_a_server_is_refused_at_the_first_message() {
    let unused = UdpSocket::bind(ANY).await.unwrap().local_addr().unwrap();
    let mut opened = Opened::to(unused, FlowTransport::Udp);
    opened.opened().await;
    opened.flow.send("REGISTER".into()).unwrap();
    assert_eq!(
        opened.next().await,
        FlowEvent::Closed(Err(FlowError::Refused { remote: unused }))
    );
}

#[tokio::test]
async fn a_datagram_that_is_too_long_does_not_end_the_flow() {
    let server = UdpSocket::bind(ANY).await.unwrap();
    let mut opened = Opened::to(server.local_addr().unwrap(), FlowTransport::Udp);
    opened.opened().await;
    opened.flow.send(vec![b'x'; 70_000].into()).unwrap();
    opened.flow.send("short".into()).unwrap();
    let mut heard = [0; 100];
    assert_eq!(server.recv(&mut heard).await.unwrap(), 5);
}
