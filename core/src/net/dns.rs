//! Where a SIP domain's servers are: RFC 3263 on hickory-resolver.
//!
//! An account has one transport, so NAPTR (4.1) only says where its SRV records are; SRV (RFC 2782) says which hosts
//! on which ports in which order; A and AAAA say their addresses. A host with a port is looked up by address alone,
//! and an address is not looked up at all (4.2).
//!
//! The resolver is made on first use, so an account that names an address never loads it, and forgets everything when
//! the network changes ([`Resolver::forget`]). Where it cannot find a host's addresses the operating system is asked,
//! which knows of other sources such as mDNS. What SRV and NAPTR name is only where to connect: certificates are never
//! checked against it.

mod order;

use crate::blame::Blame;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Answer, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use order::{Naptr, Srv, alternate_families, srv_names, srv_order};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use toestel_proto::account_config::{HostPort, Transport};
use toestel_proto::random::Random;

/// At most so many hosts are tried, whatever SRV lists.
const MAX_TARGETS: usize = 8;
/// At most so many addresses of one host.
const MAX_ADDRESSES: usize = 8;
/// One query is asked again after this time, [`ATTEMPTS`] times in all.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// A phone asks for a handful of names.
const CACHED_ANSWERS: u64 = 32;
/// The operating system does not say how long its answer holds.
const SYSTEM_TTL: Duration = Duration::from_secs(60);

/// One host to connect to, with its addresses in the order to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The host's name, for logs.
    pub host: String,
    /// Its addresses with the port, IPv6 and IPv4 in turn.
    pub addresses: Vec<SocketAddr>,
}

/// An answer: hosts in the order to try, and how long it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Never empty.
    pub targets: Vec<Target>,
    /// Zero to seven days.
    pub ttl: Duration,
}

/// Why a domain leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// There is no such name, or it has no address.
    #[error("{name} does not exist in the DNS: check how the domain or server is spelt.")]
    NotFound {
        /// The name that was looked up.
        name: String,
    },
    /// The domain says that it has no such service (RFC 2782: a target of ".").
    #[error("{name} offers no SIP over {transport}: choose another transport, or ask the PBX's administrator.")]
    NotOffered {
        /// The SIP domain.
        name: String,
        /// The transport's name.
        transport: &'static str,
    },
    /// No DNS server answered.
    #[error("No DNS server answered for {name}: check the network connection; it is tried again by itself.")]
    NoAnswer {
        /// The name that was looked up.
        name: String,
    },
    /// A DNS server answered with an error.
    #[error("The DNS server could not look up {name} ({detail}): it is tried again by itself.")]
    Failed {
        /// The name that was looked up.
        name: String,
        /// The library's words.
        detail: String,
    },
}

impl DnsError {
    /// Who erred.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NotFound { .. } => Blame::User,
            Self::NotOffered { .. } | Self::Failed { .. } => Blame::Server,
            Self::NoAnswer { .. } => Blame::Network,
        }
    }

    /// Whether the same question may be answered later with nothing changed here.
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Failed { .. })
    }
}

/// Looks names up. Clones share one cache.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Servers,
    query_timeout: Duration,
    loaded: Arc<Mutex<Option<TokioResolver>>>,
}

#[derive(Clone, Debug)]
enum Servers {
    System,
    These(Arc<[SocketAddr]>),
}

impl Resolver {
    /// Asks the DNS servers that the system is configured with.
    pub fn system() -> Self {
        Self::asking(Servers::System)
    }

    /// Asks these DNS servers alone.
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        Self::asking(Servers::These(servers.into()))
    }

    fn asking(servers: Servers) -> Self {
        Self {
            servers,
            query_timeout: QUERY_TIMEOUT,
            loaded: Arc::default(),
        }
    }

    /// Forgets what was learnt and which servers to ask: the network changed.
    pub fn forget(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The hosts that serve `destination` over `transport`, in the order to try, drawn anew for each call.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn resolve(
        &self,
        destination: &HostPort,
        transport: Transport,
        random: &mut Random,
    ) -> Result<Resolved, DnsError> {
        let host = destination.host.as_str();
        let port = destination.port.unwrap_or(transport.default_port());
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let target = Target {
                host: host.to_owned(),
                addresses: vec![SocketAddr::new(address, port)],
            };
            return Ok(Resolved {
                targets: vec![target],
                ttl: MAX_TTL,
            });
        }
        if destination.port.is_none()
            && let Some(resolved) = self.by_service(host, transport, random).await?
        {
            return Ok(resolved);
        }
        let (addresses, ttl) = self.addresses(host).await?;
        Ok(Resolved {
            targets: vec![target(host, port, addresses)],
            ttl,
        })
    }

    /// By NAPTR and SRV. `None`: the domain has no SRV records, so it is itself the host.
    async fn by_service(
        &self,
        domain: &str,
        transport: Transport,
        random: &mut Random,
    ) -> Result<Option<Resolved>, DnsError> {
        // Both are asked at once: few domains have NAPTR, and a network that swallows it must not cost a time-out.
        let usual_name = usual_srv_name(domain, transport);
        let (naptr, usual) = tokio::join!(self.naptr(domain), self.srv(&usual_name));
        let named: Vec<String> = srv_names(naptr, transport)
            .into_iter()
            .filter(|name| !name.eq_ignore_ascii_case(&usual_name))
            .collect();
        let mut found = Found::default();
        for name in &named {
            found.add(self.srv(name).await);
        }
        if found.records.is_empty() {
            found.add(usual);
        }
        if found.not_offered && found.records.is_empty() {
            return Err(DnsError::NotOffered {
                name: domain.to_owned(),
                transport: transport.name(),
            });
        }
        self.hosts_of(found, random).await
    }

    /// Looks up the hosts that SRV named. One without addresses is passed over; if none has any, that is the error.
    async fn hosts_of(&self, found: Found, random: &mut Random) -> Result<Option<Resolved>, DnsError> {
        let mut ttl = found.ttl.unwrap_or(MAX_TTL);
        let mut targets = Vec::new();
        let mut error = None;
        for record in srv_order(found.records, random).into_iter().take(MAX_TARGETS) {
            match self.addresses(&record.host).await {
                Ok((addresses, holds)) => {
                    ttl = ttl.min(holds);
                    targets.push(target(&record.host, record.port, addresses));
                }
                Err(why) => error = error.or(Some(why)),
            }
        }
        match error {
            Some(error) if targets.is_empty() => Err(error),
            _ if targets.is_empty() => Ok(None),
            _ => Ok(Some(Resolved { targets, ttl })),
        }
    }

    /// NAPTR records; an error counts as none, because SRV can be found without them.
    async fn naptr(&self, domain: &str) -> Vec<Naptr> {
        let Ok(resolver) = self.load() else { return Vec::new() };
        let answer = resolver.lookup(absolute(domain), RecordType::NAPTR).await;
        let records = answer.iter().flat_map(|lookup| lookup.answers());
        records
            .filter_map(|record| match &record.data {
                RData::NAPTR(naptr) => Some(Naptr {
                    order: naptr.order,
                    preference: naptr.preference,
                    flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                    service: String::from_utf8_lossy(&naptr.services).into_owned(),
                    replacement: host_of(&naptr.replacement.to_ascii()),
                }),
                _ => None,
            })
            .collect()
    }

    async fn srv(&self, name: &str) -> Found {
        let Ok(resolver) = self.load() else {
            return Found::default();
        };
        let lookup = match resolver.lookup(absolute(name), RecordType::SRV).await {
            Ok(lookup) => lookup,
            Err(error) => {
                tracing::debug!(name, %error, "no SRV");
                return Found::default();
            }
        };
        let mut found = Found {
            ttl: Some(holds(lookup.valid_until())),
            ..Found::default()
        };
        for record in lookup.answers() {
            let RData::SRV(srv) = &record.data else { continue };
            if srv.target.is_root() {
                found.not_offered = true;
                continue;
            }
            let host = host_of(&srv.target.to_ascii());
            found.records.push(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                host,
            });
        }
        found
    }

    /// A and AAAA, from the DNS or else from the operating system.
    async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), DnsError> {
        // A name of one label is of this network: there the search list applies, elsewhere it would only mislead.
        let name = if host.contains('.') {
            absolute(host)
        } else {
            host.to_owned()
        };
        let error = match self.load() {
            Ok(resolver) => match resolver.lookup_ip(name).await {
                Ok(lookup) if lookup.iter().next().is_some() => {
                    return Ok((lookup.iter().collect(), holds(lookup.valid_until())));
                }
                Ok(_) => DnsError::NotFound { name: host.to_owned() },
                Err(error) => in_words(host, &error),
            },
            Err(error) => in_words(host, &error),
        };
        match self.servers {
            Servers::System => system_addresses(host).await.ok_or(error),
            Servers::These(_) => Err(error),
        }
    }

    fn load(&self) -> Result<TokioResolver, NetError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolver) = &*loaded {
            return Ok(resolver.clone());
        }
        let mut builder = match &self.servers {
            Servers::System => TokioResolver::builder_tokio()?,
            Servers::These(servers) => {
                TokioResolver::builder_with_config(configuration(servers), TokioRuntimeProvider::default())
            }
        };
        restrain(builder.options_mut(), self.query_timeout);
        let resolver = builder.build()?;
        Ok(loaded.insert(resolver).clone())
    }
}

/// What SRV look-ups brought together.
#[derive(Default)]
struct Found {
    records: Vec<Srv>,
    not_offered: bool,
    ttl: Option<Duration>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.records.extend(other.records);
        self.not_offered |= other.not_offered;
        self.ttl = self.ttl.into_iter().chain(other.ttl).min();
    }
}

const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);

fn configuration(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

fn restrain(options: &mut ResolverOpts, query_timeout: Duration) {
    options.timeout = query_timeout;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHED_ANSWERS;
    options.positive_max_ttl = Some(MAX_TTL);
}

async fn system_addresses(host: &str) -> Option<(Vec<IpAddr>, Duration)> {
    let found = tokio::net::lookup_host((host, 0)).await.ok()?;
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    (!addresses.is_empty()).then_some((addresses, SYSTEM_TTL))
}

fn target(host: &str, port: u16, addresses: Vec<IpAddr>) -> Target {
    let addresses = alternate_families(addresses).into_iter().take(MAX_ADDRESSES);
    Target {
        host: host.to_owned(),
        addresses: addresses.map(|ip| SocketAddr::new(ip, port)).collect(),
    }
}

/// RFC 3263 4.2, last case: no NAPTR.
fn usual_srv_name(domain: &str, transport: Transport) -> String {
    let service = match transport {
        Transport::Tls => "_sips._tcp",
        Transport::Tcp => "_sip._tcp",
        Transport::Udp => "_sip._udp",
    };
    format!("{service}.{}", domain.strip_suffix('.').unwrap_or(domain))
}

/// With a final dot, so that no search list is applied.
fn absolute(name: &str) -> String {
    if name.ends_with('.') {
        name.to_owned()
    } else {
        format!("{name}.")
    }
}

/// Without the final dot.
fn host_of(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

fn holds(valid_until: Instant) -> Duration {
    valid_until.saturating_duration_since(Instant::now()).min(MAX_TTL)
}

fn in_words(name: &str, error: &NetError) -> DnsError {
    let name = name.to_owned();
    match error {
        NetError::Dns(Answer::NoRecordsFound(none))
            if !matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            DnsError::Failed {
                name,
                detail: none.response_code.to_string(),
            }
        }
        error if error.is_no_records_found() => DnsError::NotFound { name },
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) => DnsError::NoAnswer { name },
        error => DnsError::Failed {
            name,
            detail: error.to_string(),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests;
