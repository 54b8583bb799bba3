//! Instances from the domain name system.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use http::uri::Scheme;
use tokio::time::Instant;

use super::discover::{Discover, DiscoverError};
use super::instance::Instance;
use super::instances::Instances;
use crate::resolver::{LookUpError, Resolver};

/// Longest wait for one look-up.
const DNS_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for which the answer of a look-up is used before the next one is made.
const DNS_AGE: Duration = Duration::from_secs(5);
/// Time after which nobody is given the last answer any more while the next one is waited for.
const DNS_MAX_AGE: Duration = Duration::from_secs(30);
/// Most services remembered; further ones are looked up for each call.
const MAX_REMEMBERED_SERVICES: usize = 4096;

/// Looks a service up as a host name: `service-auth` with the suffix `shop.svc.cluster.local` is asked
/// as `service-auth.shop.svc.cluster.local`.
///
/// Over http every address of the name is an instance of its own (a headless service of Kubernetes gives
/// one per pod). Over https the name itself is the one instance, because certificates are made for names.
///
/// An answer older than 5 s still serves while one look-up in the background replaces it, so the first calls to a service
/// wait for the resolver, and then only those after a pause of 30 s. The records' own time to live is not seen here. That
/// a name has no address is an answer as well: [`DiscoverError::NoInstance`]. A resolver that does not answer is
/// [`DiscoverError::Unavailable`].
///
/// Each name is looked up once at a time, with at most 16 names at a time; a caller waits for at most 1 s, and what came of
/// a look-up, be it nothing, is not asked again within 2 s. At most 256 addresses of a name are used, and the answers for
/// at most 4096 names are kept.
#[derive(Clone)]
pub struct DnsDiscovery {
    scheme: Scheme,
    port: u16,
    suffix: Option<Box<str>>,
    resolver: Resolver,
    known: Arc<Mutex<HashMap<Box<str>, Known>>>,
}

struct Known {
    instances: Instances,
    /// When the last look-up began, failed or not.
    asked: Instant,
    /// When the last one brought these.
    answered: Instant,
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
            resolver: Resolver::system(),
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
        let service = &*service.to_ascii_lowercase();
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
        if entry.answered.elapsed() >= DNS_MAX_AGE {
            return None;
        }
        let is_due = entry.asked.elapsed() >= DNS_AGE;
        if is_due {
            entry.asked = Instant::now();
        }
        Some((entry.instances.clone(), is_due))
    }

    async fn look_up(&self, service: &str, host: String) -> Result<Instances, DiscoverError> {
        let asked = Instant::now();
        let addresses = match self.resolver.resolve(&host, DNS_TIMEOUT).await {
            Ok(addresses) => addresses,
            Err(LookUpError::NoSuchName) => {
                self.known().remove(service);
                return Err(DiscoverError::no_instance(service));
            }
            Err(error) => return Err(DiscoverError::unavailable(service, error)),
        };
        let instances: Instances = addresses
            .iter()
            .filter_map(|address| SocketAddr::new(*address, self.port).try_into().ok())
            .collect::<Vec<Instance>>()
            .into_iter()
            .collect();
        let mut known = self.known();
        if known.len() >= MAX_REMEMBERED_SERVICES {
            known.retain(|_, known| known.answered.elapsed() < DNS_MAX_AGE);
        }
        if known.len() < MAX_REMEMBERED_SERVICES || known.contains_key(service) {
            let (instances, answered) = (instances.clone(), Instant::now());
            let entry = Known {
                instances,
                asked,
                answered,
            };
            known.insert(service.into(), entry);
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
    use crate::resolver::tests::{Reply, Scripted};

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

    fn scripted() -> (Scripted, DnsDiscovery) {
        let names = Scripted::default();
        let discovery = DnsDiscovery {
            resolver: names.resolver(),
            ..DnsDiscovery::http(80)
        };
        (names, discovery)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_has_asked_for_lately_is_not_given_out_again() {
        let (names, discovery) = scripted();
        names.set("orders", Reply::Addresses(&["10.0.0.1"]));
        let old = discovery.instances("ORDERS").await.unwrap();
        names.set("orders", Reply::Addresses(&["10.0.0.2"]));
        tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
        assert_ne!(discovery.instances("orders").await.unwrap(), old);
        names.set("orders", Reply::Hangs);
        tokio::time::advance(DNS_MAX_AGE).await;
        let error = discovery.instances("orders").await.unwrap_err();
        assert!(
            matches!(error, DiscoverError::Unavailable { .. }),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn that_a_name_has_no_address_any_more_is_an_answer() {
        let (names, discovery) = scripted();
        names.set("orders", Reply::Addresses(&["10.0.0.1"]));
        discovery.instances("orders").await.unwrap();
        names.set("orders", Reply::Fails("Name or service not known"));
        tokio::time::advance(DNS_AGE).await;
        // The first that asks has the last answer and starts a look-up.
        discovery.instances("orders").await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let nobody = DiscoverError::no_instance("orders");
        assert_eq!(discovery.instances("orders").await, Err(nobody));
        assert_eq!(names.asked(), 2, "it is remembered for a moment");
    }
}
