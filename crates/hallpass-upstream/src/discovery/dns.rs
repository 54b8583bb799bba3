//! Instances from the domain name system.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use http::uri::Scheme;
use tokio::time::Instant;

use super::discover::{Discover, DiscoverError};
use super::instance::Instance;
use super::instances::Instances;

/// Longest wait for one look-up.
const DNS_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for which the answer of a look-up is used before the next one is made.
const DNS_AGE: Duration = Duration::from_secs(5);
/// More addresses than this are ignored.
const MAX_ADDRESSES: usize = 256;
/// Most services remembered; further ones are looked up for each call.
const MAX_REMEMBERED_SERVICES: usize = 4096;

/// Looks a service up as a host name: `service-auth` with the suffix `shop.svc.cluster.local` is asked
/// as `service-auth.shop.svc.cluster.local`.
///
/// Over http every address of the name is an instance of its own (a headless service of Kubernetes gives
/// one per pod). Over https the name itself is the one instance, because certificates are made for names.
///
/// An answer older than 5 s still serves while one look-up in the background replaces it, so only
/// the first calls to a service wait for the resolver, and a resolver that is down goes unnoticed
/// afterwards. The records' own time to live is not seen here.
///
/// A look-up takes at most 1 s. At most 256 addresses of a name are used, and the answers for at most 4096 names are kept.
#[derive(Clone)]
pub struct DnsDiscovery {
    scheme: Scheme,
    port: u16,
    suffix: Option<Box<str>>,
    known: Arc<Mutex<HashMap<Box<str>, Known>>>,
}

struct Known {
    instances: Instances,
    /// When the last look-up began, failed or not.
    asked: Instant,
}

impl DnsDiscovery {
    /// Instances that speak plain http on `port`.
    #[must_use]
    pub fn http(port: u16) -> Self {
        Self::new(Scheme::HTTP, port)
    }

    /// Instances that speak https on `port`.
    #[must_use]
    pub fn https(port: u16) -> Self {
        Self::new(Scheme::HTTPS, port)
    }

    /// Appends `.suffix` to each service name.
    #[must_use]
    pub fn with_suffix(mut self, suffix: &str) -> Self {
        self.suffix = Some(suffix.trim_start_matches('.').into());
        self
    }

    fn new(scheme: Scheme, port: u16) -> Self {
        Self {
            scheme,
            port,
            suffix: None,
            known: Arc::default(),
        }
    }

    fn host(&self, service: &str) -> String {
        match &self.suffix {
            Some(suffix) => format!("{service}.{suffix}"),
            None => service.to_owned(),
        }
    }

    async fn find(&self, service: &str) -> Result<Instances, DiscoverError> {
        let host = self.host(service);
        if self.scheme == Scheme::HTTPS {
            let named = format!("https://{host}:{}", self.port).parse::<Instance>();
            return match named {
                Ok(instance) => Ok(Instances::from_iter([instance])),
                Err(error) => Err(DiscoverError::unavailable(service, error)),
            };
        }
        match self.recall(service) {
            Some((instances, false)) => Ok(instances),
            Some((instances, true)) => {
                let (discovery, service) = (self.clone(), service.to_owned());
                tokio::spawn(async move {
                    if let Err(error) = discovery.look_up(&service, host).await {
                        tracing::debug!(%error, "the name could not be looked up; the last known addresses stay in use");
                    }
                });
                Ok(instances)
            }
            None => self.look_up(service, host).await,
        }
    }

    /// What is known, and whether the caller is the one to look it up anew.
    fn recall(&self, service: &str) -> Option<(Instances, bool)> {
        let mut known = self.known();
        let entry = known.get_mut(service)?;
        let is_due = entry.asked.elapsed() >= DNS_AGE;
        if is_due {
            entry.asked = Instant::now();
        }
        Some((entry.instances.clone(), is_due))
    }

    async fn look_up(&self, service: &str, host: String) -> Result<Instances, DiscoverError> {
        let asked = Instant::now();
        let answer =
            tokio::time::timeout(DNS_TIMEOUT, tokio::net::lookup_host((host, self.port))).await;
        let addresses = match answer {
            Err(_) => {
                let reason = "the name server took too long";
                return Err(DiscoverError::unavailable(service, reason));
            }
            Ok(Err(error)) => return Err(DiscoverError::unavailable(service, error)),
            Ok(Ok(addresses)) => addresses,
        };
        let instances: Instances = addresses
            .filter_map(|address| Instance::try_from(address).ok())
            .take(MAX_ADDRESSES)
            .collect();
        if instances.is_empty() {
            return Err(DiscoverError::no_instance(service));
        }
        let mut known = self.known();
        if known.len() < MAX_REMEMBERED_SERVICES || known.contains_key(service) {
            let instances = instances.clone();
            known.insert(service.into(), Known { instances, asked });
        }
        drop(known);
        Ok(instances)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DnsDiscovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsDiscovery")
            .field("scheme", &self.scheme)
            .field("port", &self.port)
            .field("suffix", &self.suffix)
            .finish_non_exhaustive()
    }
}

impl Discover for DnsDiscovery {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        Box::pin(self.find(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> &'static str {
        "localhost"
    }

    fn poisoned(discovery: &DnsDiscovery) -> Instances {
        let instances = Instances::from_iter(["192.0.2.1:80".parse::<Instance>().unwrap()]);
        discovery.known().get_mut(service()).unwrap().instances = instances.clone();
        instances
    }

    #[tokio::test]
    async fn an_answer_is_used_for_its_age_and_then_replaced_in_the_background() {
        let discovery = DnsDiscovery::http(80);
        let found = discovery.instances(service()).await.unwrap();
        let marked = poisoned(&discovery);
        assert_eq!(
            discovery.instances(service()).await.unwrap(),
            marked,
            "from memory"
        );

        let long_ago = Instant::now() - DNS_AGE;
        discovery.known().get_mut(service()).unwrap().asked = long_ago;
        assert_eq!(
            discovery.instances(service()).await.unwrap(),
            marked,
            "nobody waits"
        );
        while discovery.instances(service()).await.unwrap() == marked {
            tokio::task::yield_now().await;
        }
        assert_eq!(discovery.instances(service()).await.unwrap(), found);
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_an_error_and_is_not_remembered() {
        let discovery = DnsDiscovery::http(80).with_suffix("invalid");
        assert!(discovery.instances("orders").await.is_err());
        assert!(discovery.known().is_empty());
    }
}
