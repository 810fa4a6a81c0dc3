//! Against a small DNS server on loopback.

use super::*;
use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, Record};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;

/// Names with their records, each as `TYPE data`; a name that is not there does not exist.
type Zone = BTreeMap<&'static str, Vec<&'static str>>;

pub(crate) struct Server {
    pub resolver: Resolver,
    pub questions: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn serve<const N: usize>(zone: [(&'static str, &[&'static str]); N]) -> Server {
    let zone: Zone = zone
        .into_iter()
        .map(|(name, records)| (name, records.to_vec()))
        .collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::with_servers(&[socket.local_addr().unwrap()]);
    let questions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&questions);
    let task = tokio::spawn(async move {
        let mut buffer = [0; 1_500];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            if let Some(answer) = answer(&zone, &Message::from_vec(&buffer[..len]).unwrap()) {
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    Server {
        resolver,
        questions,
        task,
    }
}

fn answer(zone: &Zone, question: &Message) -> Option<Message> {
    let query = question.queries.first().unwrap();
    let name = query.name().to_ascii().to_lowercase();
    let records = zone.get(name.strip_suffix('.').unwrap());
    if records.is_some_and(|records| records.contains(&"SILENT")) {
        return None;
    }
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.add_query(query.clone());
    match records {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some(records) if records.contains(&"SERVFAIL") => answer.metadata.response_code = ResponseCode::ServFail,
        Some(records) => {
            let data = records
                .iter()
                .map(|text| rdata(text))
                .filter(|data| data.record_type() == query.query_type());
            answer.add_answers(data.map(|data| Record::from_rdata(query.name().clone(), 300, data)));
        }
    }
    Some(answer)
}

fn rdata(text: &str) -> RData {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    let name = |text: &str| Name::from_ascii(text).unwrap();
    match word() {
        "A" => RData::A(A(word().parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(word().parse().unwrap())),
        "SRV" => RData::SRV(SRV::new(
            word().parse().unwrap(),
            word().parse().unwrap(),
            word().parse().unwrap(),
            name(word()),
        )),
        "NAPTR" => RData::NAPTR(NAPTR::new(
            word().parse().unwrap(),
            word().parse().unwrap(),
            word().as_bytes().into(),
            word().as_bytes().into(),
            [].into(),
            name(word()),
        )),
        other => panic!("{other}"),
    }
}

impl Server {
    async fn resolve(&self, destination: &str, transport: Transport) -> Result<Vec<(String, Vec<String>)>, DnsError> {
        let destination = destination.parse().unwrap();
        let resolved = self
            .resolver
            .resolve(&destination, transport, &mut Random::seeded(1))
            .await?;
        assert!(resolved.ttl <= MAX_TTL);
        let text = |target: Target| (target.host, target.addresses.iter().map(ToString::to_string).collect());
        Ok(resolved.targets.into_iter().map(text).collect())
    }
}

fn targets(expected: &[(&str, &[&str])]) -> Result<Vec<(String, Vec<String>)>, DnsError> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Ok(expected
        .iter()
        .map(|(host, addresses)| ((*host).to_owned(), owned(addresses)))
        .collect())
}

#[tokio::test]
async fn naptr_leads_to_srv_and_srv_to_addresses() {
    let server = serve([
        (
            "example.com",
            &[
                "NAPTR 10 1 s SIP+D2U _sip._udp.example.com.",
                "NAPTR 20 1 s SIPS+D2T _t.hosting.net.",
            ],
        ),
        (
            "_t.hosting.net",
            &["SRV 2 0 5063 b.hosting.net.", "SRV 1 0 5062 a.hosting.net."],
        ),
        ("_sips._tcp.example.com", &["SRV 1 0 5061 wrong.example.com."]),
        ("a.hosting.net", &["A 192.0.2.1", "AAAA 2001:db8::1"]),
        ("b.hosting.net", &["A 192.0.2.2"]),
    ])
    .await;
    let expected = targets(&[
        ("a.hosting.net", &["[2001:db8::1]:5062", "192.0.2.1:5062"]),
        ("b.hosting.net", &["192.0.2.2:5063"]),
    ]);
    assert_eq!(server.resolve("example.com", Transport::Tls).await, expected);
}

#[tokio::test]
async fn without_naptr_the_transports_own_srv_name_is_asked() {
    let server = serve([
        ("example.com", &["A 192.0.2.9"]),
        ("_sips._tcp.example.com", &["SRV 1 0 5061 tls.example.com."]),
        ("_sip._tcp.example.com", &["SRV 1 0 5060 tcp.example.com."]),
        ("_sip._udp.example.com", &["SRV 1 0 5060 udp.example.com."]),
        ("tls.example.com", &["A 192.0.2.1"]),
        ("tcp.example.com", &["A 192.0.2.2"]),
        ("udp.example.com", &["A 192.0.2.3"]),
    ])
    .await;
    for (transport, host, address) in [
        (Transport::Tls, "tls.example.com", "192.0.2.1:5061"),
        (Transport::Tcp, "tcp.example.com", "192.0.2.2:5060"),
        (Transport::Udp, "udp.example.com", "192.0.2.3:5060"),
    ] {
        assert_eq!(
            server.resolve("example.com", transport).await,
            targets(&[(host, &[address])])
        );
    }
}

#[tokio::test]
async fn without_srv_the_domain_is_the_host() {
    let server = serve([("example.com", &["A 192.0.2.9"])]).await;
    let at = |port| format!("192.0.2.9:{port}");
    let tls = server.resolve("example.com", Transport::Tls).await;
    assert_eq!(tls, targets(&[("example.com", &[&at(5_061)])]));
    let udp = server.resolve("example.com", Transport::Udp).await;
    assert_eq!(udp, targets(&[("example.com", &[&at(5_060)])]));
}

#[tokio::test]
async fn a_port_skips_srv_and_an_address_skips_the_dns() {
    let server = serve([
        ("example.com", &["A 192.0.2.9"]),
        ("_sips._tcp.example.com", &["SRV 1 0 5061 other.example.com."]),
    ])
    .await;
    let by_port = server.resolve("example.com:7000", Transport::Tls).await;
    assert_eq!(by_port, targets(&[("example.com", &["192.0.2.9:7000"])]));
    let asked = server.questions.load(Ordering::Relaxed);
    let by_address = server.resolve("[2001:db8::7]", Transport::Tls).await;
    assert_eq!(by_address, targets(&[("[2001:db8::7]", &["[2001:db8::7]:5061"])]));
    assert!(server.resolve("192.0.2.1:5", Transport::Udp).await.is_ok());
    assert_eq!(server.questions.load(Ordering::Relaxed), asked);
}

#[tokio::test]
async fn a_target_without_address_is_passed_over() {
    let server = serve([
        (
            "_sips._tcp.example.com",
            &["SRV 1 0 5061 gone.example.com.", "SRV 2 0 5061 here.example.com."],
        ),
        ("here.example.com", &["A 192.0.2.1"]),
    ])
    .await;
    let expected = targets(&[("here.example.com", &["192.0.2.1:5061"])]);
    assert_eq!(server.resolve("example.com", Transport::Tls).await, expected);
}

#[tokio::test]
async fn each_failure_says_who_erred() {
    let server = serve([
        ("_sips._tcp.off.example", &["SRV 0 0 0 ."]),
        ("off.example", &["A 192.0.2.1"]),
        ("broken.example", &["SERVFAIL"]),
        ("_sips._tcp.broken.example", &["SERVFAIL"]),
    ])
    .await;
    let not_found = server.resolve("missing.example", Transport::Tls).await.unwrap_err();
    assert_eq!(
        not_found,
        DnsError::NotFound {
            name: "missing.example".into()
        }
    );
    assert_eq!((not_found.blame(), not_found.retry_helps()), (Blame::User, false));
    let off = server.resolve("off.example", Transport::Tls).await.unwrap_err();
    assert_eq!(
        off,
        DnsError::NotOffered {
            name: "off.example".into(),
            transport: "tls"
        }
    );
    let broken = server.resolve("broken.example", Transport::Tls).await.unwrap_err();
    assert!(matches!(broken, DnsError::Failed { .. }), "{broken:?}");
    assert!(broken.retry_helps());
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_is_the_networks_fault() {
    let mut server = serve([("example.com", &["SILENT"]), ("_sips._tcp.example.com", &["SILENT"])]).await;
    server.resolver.query_timeout = Duration::from_millis(30);
    let error = server.resolve("example.com", Transport::Tls).await.unwrap_err();
    assert_eq!(
        error,
        DnsError::NoAnswer {
            name: "example.com".into()
        }
    );
    assert_eq!((error.blame(), error.retry_helps()), (Blame::Network, true));
}

#[tokio::test]
async fn answers_are_kept_until_the_network_changes() {
    let server = serve([("pbx.example.com", &["A 192.0.2.1", "AAAA 2001:db8::1"])]).await;
    let ask = || server.resolve("pbx.example.com:5061", Transport::Tls);
    let questions = || server.questions.load(Ordering::Relaxed);
    ask().await.unwrap();
    let first = questions();
    ask().await.unwrap();
    assert_eq!(questions(), first);
    server.resolver.forget();
    ask().await.unwrap();
    assert_eq!(questions(), first * 2);
}
