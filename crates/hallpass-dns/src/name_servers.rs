//! One question at a time to the name servers, and what they say.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_config::files::read_text;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as WireError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use crate::error::DnsError;
use crate::question::SearchList;
use crate::settings::{DNS_PORT, DnsSettings};

/// Name servers of `/etc/resolv.conf` that are asked, as many as the C library asks.
const MAX_SYSTEM_SERVERS: usize = 3;
/// Domains of its search list, more than which are not tried.
const MAX_SEARCH: usize = 32;
const RESOLV_CONF: &str = "/etc/resolv.conf";
const MAX_RESOLV_CONF: usize = 64 * 1024;

/// Asks name servers, one after the other; begins with the one that answered last.
#[derive(Debug)]
pub(crate) struct NameServers {
    servers: Box<[TokioResolver]>,
    begin_with: AtomicUsize,
    search: SearchList,
}

/// What records say, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub(crate) records: T,
    pub(crate) ttl: Duration,
}

/// `SRV` records, and the addresses that came with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Services {
    pub(crate) targets: Vec<SRV>,
    pub(crate) addresses: HashMap<Name, Vec<IpAddr>>,
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// The answer is that there are none, and for how long, where it says so.
    Nothing { ttl: Option<Duration> },
    /// No name server has answered.
    Failed { reason: Arc<str> },
}

impl NameServers {
    /// Those of `settings`, or of the operating system, which is read here.
    pub(crate) fn new(settings: &DnsSettings) -> Result<Self, DnsError> {
        let (servers, search) = match settings.servers.is_empty() {
            false => {
                let servers = settings.servers.iter().copied().map(at);
                (servers.collect(), SearchList::default())
            }
            true => system(settings.suffix.is_none())?,
        };
        let share = u32::try_from(servers.len()).unwrap_or(u32::MAX).max(1);
        let resolvers = servers.into_iter().map(|server: NameServerConfig| {
            let config = ResolverConfig::from_name_servers(vec![server]);
            let provider = TokioRuntimeProvider::default();
            Resolver::builder_with_config(config, provider)
                .with_options(options(settings.timeout / share))
                .build()
        });
        let resolvers: Result<Vec<_>, NetError> = resolvers.collect();
        let servers = resolvers.map_err(|error| no_name_server(&error))?;
        Ok(Self {
            servers: servers.into(),
            begin_with: AtomicUsize::new(0),
            search,
        })
    }

    /// All addresses of a name, of either kind, never none.
    pub(crate) async fn addresses(&self, text: &str) -> Result<Found<Vec<IpAddr>>, NotFound> {
        let mut nothing = NotFound::Nothing { ttl: None };
        for name in self.search.names(text) {
            match self.addresses_of(&name).await {
                Err(none @ NotFound::Nothing { .. }) => nothing = none,
                answered => return answered,
            }
        }
        Err(nothing)
    }

    /// The services of a name, never none.
    pub(crate) async fn services(&self, text: &str) -> Result<Found<Services>, NotFound> {
        let mut nothing = NotFound::Nothing { ttl: None };
        for name in self.search.names(text) {
            match self.services_of(&name).await {
                Err(none @ NotFound::Nothing { .. }) => nothing = none,
                answered => return answered,
            }
        }
        Err(nothing)
    }

    async fn addresses_of(&self, name: &Name) -> Result<Found<Vec<IpAddr>>, NotFound> {
        let (four, six) = tokio::join!(
            self.ask(name, RecordType::A),
            self.ask(name, RecordType::AAAA)
        );
        let mut ttl = None;
        let mut addresses = Vec::new();
        for lookup in [&four, &six].into_iter().flatten() {
            addresses.extend(lookup.answers().iter().filter_map(address));
            ttl = shortest(ttl, lookup.answers());
        }
        if !addresses.is_empty() {
            let ttl = ttl.unwrap_or_default();
            return Ok(Found {
                records: addresses,
                ttl,
            });
        }
        // One kind of address that is not there says nothing of the other kind, of which nothing is known.
        let errors = [four.err(), six.err()];
        let failed = |error: &&NotFound| matches!(error, NotFound::Failed { .. });
        let error = errors.iter().flatten().find(failed);
        Err(error
            .or(errors.iter().flatten().next())
            .cloned()
            .unwrap_or(NotFound::Nothing { ttl }))
    }

    async fn services_of(&self, name: &Name) -> Result<Found<Services>, NotFound> {
        let lookup = self.ask(name, RecordType::SRV).await?;
        let mut services = Services::default();
        for record in lookup.answers() {
            // A target of `.` says that the service is decidedly not there (RFC 2782).
            if let RData::SRV(target) = &record.data
                && !target.target.is_root()
            {
                services.targets.push(target.clone());
            }
        }
        let ttl = shortest(None, lookup.answers());
        if services.targets.is_empty() {
            return Err(NotFound::Nothing { ttl });
        }
        let mut of_targets = Vec::new();
        for record in lookup.additionals() {
            if let Some(address) = address(record) {
                let addresses = services.addresses.entry(record.name.to_lowercase());
                addresses.or_default().push(address);
                of_targets.push(record.clone());
            }
        }
        let ttl = shortest(ttl, &of_targets).unwrap_or_default();
        Ok(Found {
            records: services,
            ttl,
        })
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Lookup, NotFound> {
        let count = self.servers.len();
        let first = self.begin_with.load(Ordering::Relaxed);
        let mut reason: Arc<str> = "no name server is known".into();
        for offset in 0..count {
            let place = (first + offset) % count;
            let Some(server) = self.servers.get(place) else {
                continue;
            };
            match server.lookup(name.clone(), kind).await.map_err(not_found) {
                Err(NotFound::Failed { reason: why }) => reason = why,
                answered => {
                    self.begin_with.store(place, Ordering::Relaxed);
                    return answered;
                }
            }
        }
        Err(NotFound::Failed { reason })
    }
}

/// What is in `/etc/resolv.conf`.
fn system(is_searched: bool) -> Result<(Vec<NameServerConfig>, SearchList), DnsError> {
    let text = read_text(Path::new(RESOLV_CONF), MAX_RESOLV_CONF)
        .map_err(|error| no_name_server(&error))?;
    let (servers, search) = resolv_conf(&text);
    if servers.is_empty() {
        return Err(no_name_server(&"it names none"));
    }
    let search = match is_searched {
        true => search,
        false => SearchList::default(),
    };
    Ok((servers.into_iter().map(at).collect(), search))
}

/// As the C library reads it: what is not understood does not count.
fn resolv_conf(text: &str) -> (Vec<SocketAddr>, SearchList) {
    let (config, _errors) = resolv_conf::Config::parse_with_errors(text.as_bytes());
    let servers = config.nameservers.iter().take(MAX_SYSTEM_SERVERS);
    let servers = servers.map(|address| SocketAddr::new(address.into(), DNS_PORT));
    let domains = config
        .get_last_search_or_domain()
        .filter_map(|domain| Name::from_ascii(domain).ok());
    let search = SearchList {
        ndots: usize::try_from(config.ndots).unwrap_or(1),
        domains: domains.take(MAX_SEARCH).collect(),
    };
    (servers.collect(), search)
}

fn no_name_server(reason: &dyn Display) -> DnsError {
    DnsError::NoNameServer {
        reason: reason.to_string().into(),
    }
}

fn at(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}

/// Answers are kept above, by service, so that nothing is kept here; and what fails goes to the next name server at once.
fn options(timeout: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = timeout;
    options.attempts = 0;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options
}

fn not_found(error: NetError) -> NotFound {
    match error {
        // A server that only names others has not looked.
        NetError::Dns(WireError::NoRecordsFound(nothing))
            if matches!(
                nothing.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) && (nothing.ns.is_none() || nothing.soa.is_some()) =>
        {
            let ttl = nothing.negative_ttl;
            NotFound::Nothing {
                ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())),
            }
        }
        error => NotFound::Failed {
            reason: error.to_string().into(),
        },
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// The shortest time of all records, those of a chain of aliases among them.
fn shortest(known: Option<Duration>, records: &[Record]) -> Option<Duration> {
    let times = records
        .iter()
        .map(|record| Duration::from_secs(record.ttl.into()));
    times.chain(known).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_pod_is_read_as_the_c_library_reads_it() {
        let text = "search shop.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver fd00::10\n\
            nameserver 10.96.0.11\nnameserver 10.96.0.12\noptions ndots:5 unheard-of\nnonsense\n";
        let (servers, search) = resolv_conf(text);
        let shown: Vec<_> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.96.0.10:53", "[fd00::10]:53", "10.96.0.11:53"]);
        let asked: Vec<_> = search
            .names("orders")
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "orders.shop.svc.cluster.local.",
            "orders.svc.cluster.local.",
            "orders.",
        ];
        assert_eq!(asked, expected);
        assert_eq!(search.ndots, 5);
    }
}
