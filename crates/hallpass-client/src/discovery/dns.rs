//! Instances from the domain name system.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use http::uri::Scheme;

use super::{Discover, DiscoverError, Instance, Instances};

/// Longest wait for one look-up.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(1);
/// More addresses than this are ignored.
pub const MAX_ADDRESSES: usize = 256;

/// Looks a service up as a host name: `service-auth` with the suffix `shop.svc.cluster.local` is asked
/// as `service-auth.shop.svc.cluster.local`.
///
/// Over http every address of the name is an instance of its own (a headless service of Kubernetes gives
/// one per pod). Over https the name itself is the one instance, because certificates are made for names.
/// The operating system's resolver is asked on every look-up; its cache decides how fresh the answer is.
#[derive(Clone, Debug)]
pub struct DnsDiscovery {
    scheme: Scheme,
    port: u16,
    suffix: Option<Box<str>>,
}

impl DnsDiscovery {
    /// Instances that speak plain http on `port`.
    #[must_use]
    pub const fn http(port: u16) -> Self {
        Self {
            scheme: Scheme::HTTP,
            port,
            suffix: None,
        }
    }

    /// Instances that speak https on `port`.
    #[must_use]
    pub const fn https(port: u16) -> Self {
        Self {
            scheme: Scheme::HTTPS,
            port,
            suffix: None,
        }
    }

    /// Appends `.suffix` to each service name.
    #[must_use]
    pub fn with_suffix(mut self, suffix: &str) -> Self {
        self.suffix = Some(suffix.trim_start_matches('.').into());
        self
    }

    fn host(&self, service: &str) -> String {
        match &self.suffix {
            Some(suffix) => format!("{service}.{suffix}"),
            None => service.to_owned(),
        }
    }

    async fn look_up(&self, service: &str) -> Result<Instances, DiscoverError> {
        let host = self.host(service);
        if self.scheme == Scheme::HTTPS {
            let named = format!("https://{host}:{}", self.port).parse::<Instance>();
            return match named {
                Ok(instance) => Ok(Arc::from([instance])),
                Err(error) => Err(DiscoverError::unavailable(service, error)),
            };
        }
        let answer =
            tokio::time::timeout(DNS_TIMEOUT, tokio::net::lookup_host((host, self.port))).await;
        let addresses = match answer {
            Err(_) => {
                return Err(DiscoverError::unavailable(
                    service,
                    "the name server took too long",
                ));
            }
            Ok(Err(error)) => return Err(DiscoverError::unavailable(service, error)),
            Ok(Ok(addresses)) => addresses,
        };
        let instances: Instances = addresses
            .filter_map(|address| Instance::try_from(address).ok())
            .take(MAX_ADDRESSES)
            .collect();
        if instances.is_empty() {
            Err(DiscoverError::no_instance(service))
        } else {
            Ok(instances)
        }
    }
}

impl Discover for DnsDiscovery {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        Box::pin(self.look_up(service))
    }
}
