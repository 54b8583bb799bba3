//! The instances of services, as the domain name system has them.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use hallpass_upstream::{Discover, DiscoverError, Instances};
use hickory_resolver::proto::rr::rdata::SRV;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::answer::{self, MAX_INSTANCES, Target};
use crate::error::DnsError;
use crate::hosts::{Hosts, KnownHost, mixed};
use crate::known::{Change, Known, Outcome, Recall, UnderWay};
use crate::metrics::DnsMetrics;
use crate::name_servers::{Found, NameServers, NotFound, Services};
use crate::question;
use crate::settings::{DnsRecords, DnsScheme, DnsSettings};

/// Services that are looked up at once.
const MAX_LOOK_UPS: usize = 16;
/// Targets of one service whose addresses are asked for at once.
const MAX_TARGETS_AT_ONCE: usize = 16;
/// Services that are remembered; further ones are not found.
const MAX_SERVICES: usize = 4096;
/// That there is no instance is believed for at most this long: a service may be starting.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// Finds the instances of services by names. Cheap to clone; clones share everything.
///
/// An answer is used for the shortest time to live of its records, aliases (`CNAME`) included, within `min-ttl-seconds` and
/// `max-ttl-seconds`. Who asks in the last quarter of that time sets off a look-up in the background, so that nobody waits
/// for a name server while a service is in use; after it, and at the first time, callers wait for at most `timeout-ms`.
///
/// That a name does not exist, or has no such record, or that the one `SRV` record points to `.`, is
/// [`DiscoverError::NoInstance`], which is asked again after at most 5 s. `SERVFAIL`, `REFUSED`, silence and whatever else is
/// no answer is [`DiscoverError::Unavailable`], upon which [`Upstream`](hallpass_upstream::Upstream) goes on with what it
/// knew; then a look-up is made once a second, in the background.
///
/// Each service is looked up once at a time, at most 16 at a time; at most 256 instances of a service are used.
#[derive(Clone, Debug)]
pub struct DnsDiscovery {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: DnsSettings,
    servers: NameServers,
    places: Semaphore,
    /// By service, in lower case. Locked for a few instructions and never across an await.
    services: Mutex<HashMap<Box<str>, Known>>,
    hosts: Hosts,
    metrics: DnsMetrics,
}

impl DnsDiscovery {
    /// As `settings` say, whose `enabled` does not count. Reads `/etc/resolv.conf` when they name no server; asks nobody yet.
    ///
    /// # Errors
    /// When no name server is known.
    pub fn from_settings(settings: &DnsSettings) -> Result<Self, DnsError> {
        let shared = Shared {
            settings: settings.clone(),
            servers: NameServers::new(settings)?,
            places: Semaphore::new(MAX_LOOK_UPS),
            services: Mutex::default(),
            hosts: Hosts::default(),
            metrics: DnsMetrics::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &DnsMetrics {
        &self.shared.metrics
    }

    /// The addresses of `host`, for [`HttpTransportBuilder::look_up`](hallpass_upstream::HttpTransportBuilder::look_up):
    /// instances over TLS are host names, which may be known to `servers` alone. A host that was not given out as an instance
    /// is left to the operating system. While no name server answers, the addresses of before are used.
    ///
    /// # Errors
    /// When the host has no address, or nobody answers and nothing is known.
    pub async fn look_up(&self, host: String) -> io::Result<Vec<IpAddr>> {
        let shared = &self.shared;
        let host = host.to_ascii_lowercase();
        let (question, before) = match shared.hosts.recall(&host) {
            Some(KnownHost::Fresh(addresses)) => return Ok(addresses),
            Some(KnownHost::Old {
                question,
                addresses,
            }) => (question, addresses),
            None => {
                let addresses = tokio::net::lookup_host((host, 0)).await?;
                return Ok(addresses.map(|address| address.ip()).collect());
            }
        };
        let asking = shared.servers.addresses(&question);
        match timeout(shared.settings.timeout, asking).await {
            Ok(Ok(Found { records, ttl })) => {
                let age = shared.age(ttl);
                shared.hosts.keep(&host, &question, &records, age);
                Ok(mixed(&records))
            }
            Ok(Err(NotFound::Nothing { .. })) => {
                let reason = "the name does not exist or has no address";
                Err(io::Error::new(io::ErrorKind::NotFound, reason))
            }
            Ok(Err(NotFound::Failed { .. })) | Err(_) => Ok(before),
        }
    }

    async fn find(&self, service: &str) -> Outcome {
        let mut under_way = match self.recall(service) {
            Recall::Outcome(outcome) => return outcome,
            Recall::Wait(under_way) => under_way,
        };
        // The look-up has this limit as well, once it has its place.
        let limit = self.shared.settings.timeout;
        match timeout(limit, under_way.wait_for(Option::is_some)).await {
            Err(_) => Err(DiscoverError::unavailable(service, TOO_LONG)),
            // A look-up that ends without an outcome was stopped with its runtime.
            Ok(outcome) => outcome
                .ok()
                .and_then(|outcome| outcome.clone())
                .unwrap_or_else(|| Err(DiscoverError::unavailable(service, "it was stopped"))),
        }
    }

    fn recall(&self, service: &str) -> Recall {
        let mut services = self.shared.services();
        // Most names are written in lower case.
        let name: Box<str> = match service.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => service.to_ascii_lowercase().into(),
            false => match services.get_mut(service) {
                Some(known) => return known.recall(|| self.begin(service)),
                None => service.into(),
            },
        };
        if services.len() >= MAX_SERVICES {
            services.retain(|_, known| known.is_of_use());
        }
        if services.len() >= MAX_SERVICES && !services.contains_key(&name) {
            let error = DiscoverError::unavailable(service, "too many services are looked up");
            return Recall::Outcome(Err(error));
        }
        let recall = {
            let known = services.entry(name.clone()).or_insert_with(Known::nothing);
            known.recall(|| self.begin(&name))
        };
        self.shared.metrics.remembered(services.len());
        recall
    }

    /// Looks `service` up in a task of its own: nobody who stops waiting stops it.
    fn begin(&self, service: &str) -> UnderWay {
        let (done, under_way) = watch::channel(None);
        let (shared, service) = (Arc::clone(&self.shared), Box::<str>::from(service));
        tokio::spawn(async move {
            let outcome = shared.look_up(&service).await;
            // Nobody may be waiting any more; the outcome is remembered all the same.
            let _ = done.send(Some(outcome));
        });
        under_way
    }
}

impl Discover for DnsDiscovery {
    fn instances<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(self.find(service))
    }
}

const TOO_LONG: &str = "the name servers took too long";

impl Shared {
    async fn look_up(&self, service: &str) -> Outcome {
        let limit = self.settings.timeout;
        let place = timeout(limit, self.places.acquire()).await;
        let found = match place {
            Ok(Ok(_place)) => timeout(limit, self.ask(service)).await.unwrap_or_else(|_| {
                Err(NotFound::Failed {
                    reason: TOO_LONG.into(),
                })
            }),
            _ => Err(NotFound::Failed {
                reason: "too many names are being looked up".into(),
            }),
        };
        let (result, outcome, age) = match found {
            Ok(Found { records, ttl }) => ("found", Ok(records), self.age(ttl)),
            Err(NotFound::Nothing { ttl }) => {
                let age = self.age(ttl.unwrap_or(MAX_NEGATIVE_TTL));
                let error = DiscoverError::no_instance(service);
                ("none", Err(error), age.min(MAX_NEGATIVE_TTL))
            }
            Err(NotFound::Failed { reason }) => {
                let error = DiscoverError::unavailable(service, reason);
                ("failed", Err(error), Duration::ZERO)
            }
        };
        self.metrics.looked_up(result);
        self.keep(service, outcome, age)
    }

    /// Remembers the outcome, and hands it back.
    fn keep(&self, service: &str, outcome: Outcome, age: Duration) -> Outcome {
        let mut services = self.services();
        let known = services
            .entry(service.into())
            .or_insert_with(Known::nothing);
        let outcome = match (outcome, known.instances()) {
            // The same list, so that comparing is cheap.
            (Ok(instances), Some(before)) if instances == *before => Ok(before.clone()),
            (outcome, _) => outcome,
        };
        let change = known.take(outcome.clone(), age);
        drop(services);
        match (change, &outcome) {
            (Change::Fails, Err(error)) => {
                tracing::warn!(%error, "the last known instances stay in use for a while");
            }
            (Change::Recovers, _) => tracing::info!(service, "is looked up again"),
            _ => {}
        }
        outcome
    }

    async fn ask(&self, service: &str) -> Result<Found<Instances>, NotFound> {
        let question = question::of_service(service, &self.settings);
        match self.settings.records {
            DnsRecords::Address => self.ask_for_addresses(&question).await,
            DnsRecords::Srv => {
                let Found { records, ttl } = self.servers.services(&question).await?;
                self.ask_for_targets(records, ttl).await
            }
        }
    }

    async fn ask_for_addresses(&self, question: &str) -> Result<Found<Instances>, NotFound> {
        let Found { records, ttl } = self.servers.addresses(question).await?;
        let instances = match self.settings.scheme {
            DnsScheme::Http => {
                let port = self.settings.port.unwrap_or(80);
                answer::of_addresses(&records, port)
            }
            DnsScheme::Https => {
                self.hosts.keep(question, question, &records, self.age(ttl));
                let port = self.settings.port.unwrap_or(443);
                answer::of_host(question, port).into_iter().collect()
            }
        };
        of_use(instances, ttl)
    }

    async fn ask_for_targets(
        &self,
        services: Services,
        ttl: Duration,
    ) -> Result<Found<Instances>, NotFound> {
        let Services {
            mut targets,
            addresses,
        } = services;
        // Those that are looked up are the ones that would be called.
        targets.sort_by_key(|target| target.priority);
        targets.truncate(MAX_INSTANCES);
        let addresses = &addresses;
        let asking = stream::iter(targets).map(|srv| async move {
            let found = match addresses.get(&srv.target.to_lowercase()) {
                Some(addresses) => Ok(Found {
                    records: addresses.clone(),
                    ttl,
                }),
                None => self.servers.addresses(&whole(&srv)).await,
            };
            (srv, found)
        });
        let found: Vec<_> = asking.buffered(MAX_TARGETS_AT_ONCE).collect().await;
        let (mut ttl, mut failure) = (ttl, None);
        let mut usable = Vec::with_capacity(found.len());
        for (srv, found) in found {
            match found {
                Ok(found) => {
                    ttl = ttl.min(found.ttl);
                    usable.push(self.target(&srv, found));
                }
                Err(NotFound::Nothing { .. }) => {}
                Err(failed) => failure = Some(failed),
            }
        }
        let by_name = self.settings.scheme == DnsScheme::Https;
        match failure {
            Some(failure) if usable.is_empty() => Err(failure),
            // The others are better than none, for as short a time as may be.
            Some(_) => of_use(answer::of_targets(usable, by_name), Duration::ZERO),
            None => of_use(answer::of_targets(usable, by_name), ttl),
        }
    }

    fn target(&self, srv: &SRV, found: Found<Vec<IpAddr>>) -> Target {
        let question = whole(srv);
        let host = question.trim_end_matches('.').to_owned();
        if self.settings.scheme == DnsScheme::Https {
            let age = self.age(found.ttl);
            self.hosts.keep(&host, &question, &found.records, age);
        }
        Target {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            host,
            addresses: found.records,
        }
    }

    /// For how long an answer is used.
    fn age(&self, ttl: Duration) -> Duration {
        ttl.max(self.settings.min_ttl).min(self.settings.max_ttl)
    }

    fn services(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the target, in lower case, with a dot at the end.
fn whole(srv: &SRV) -> String {
    let mut name = srv.target.to_lowercase();
    name.set_fqdn(true);
    name.to_ascii()
}

fn of_use(instances: Instances, ttl: Duration) -> Result<Found<Instances>, NotFound> {
    match instances.is_empty() {
        true => Err(NotFound::Nothing { ttl: Some(ttl) }),
        false => Ok(Found {
            records: instances,
            ttl,
        }),
    }
}
