//! The services that the clients of a process call, each with its circuit breakers and its retry budget.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{Address, Network, Upstream, UpstreamSettings};

use crate::settings::{FeignClientSettings, FeignSettings};

pub(crate) mod breaker_gauges;

use breaker_gauges::{BreakerGauges, BreakerMetrics};

/// All [`Upstream`]s of one [`Feign`](crate::Feign), by the name of the client.
///
/// They are kept though nobody holds them, so that a client that is built anew for each request still has a breaker that
/// remembers. There are as many as there are clients in the code with settings of their own.
pub(crate) struct Upstreams {
    network: Network,
    metrics: BreakerMetrics,
    /// Locked while a client is built or settings are applied, never during a call.
    by_client: Mutex<HashMap<&'static str, Vec<Known>>>,
}

struct Known {
    upstream: Arc<Upstream>,
    /// The client's section of the configuration when it was made.
    configured: FeignClientSettings,
}

impl Upstreams {
    /// None yet.
    pub(crate) fn new(network: &Network, metrics: &BreakerMetrics) -> Self {
        Self {
            network: network.clone(),
            metrics: metrics.clone(),
            by_client: Mutex::default(),
        }
    }

    /// The state of a service, shared by all clients of that name which call the same address with the same settings.
    pub(crate) fn get(
        &self,
        client: &'static str,
        address: &Address,
        settings: &UpstreamSettings,
        configured: &FeignClientSettings,
    ) -> Arc<Upstream> {
        let mut by_client = self.locked();
        let known = by_client.entry(client).or_default();
        let same = known.iter_mut().find(|known| {
            known.upstream.address() == address && known.upstream.settings() == settings
        });
        if let Some(same) = same {
            same.configured = configured.clone();
            return Arc::clone(&same.upstream);
        }
        let name = match address {
            Address::LoadBalanced(service) => Arc::clone(service),
            Address::Fixed(_) => Arc::from(client),
        };
        let Network {
            discovery, clock, ..
        } = &self.network;
        let (discovery, clock) = (Arc::clone(discovery), Arc::clone(clock));
        let upstream = Upstream::new(name, address.clone(), discovery, clock)
            .with_settings(settings.clone())
            .with_observer(BreakerGauges::new(client, &self.metrics));
        let upstream = Arc::new(upstream);
        known.push(Known {
            upstream: Arc::clone(&upstream),
            configured: configured.clone(),
        });
        upstream
    }

    /// After all clients have taken up these settings: forgets what was made for others. Calls that still use it hold it
    /// until they end.
    pub(crate) fn keep_only(&self, settings: &FeignSettings) {
        self.retain(|client, known| known.configured == *settings.client(client));
    }

    /// After settings were refused that some clients had been prepared for: forgets what nobody uses.
    pub(crate) fn forget_unused(&self, settings: &FeignSettings) {
        self.retain(|client, known| {
            // One reference is this list's.
            Arc::strong_count(&known.upstream) > 1 || known.configured == *settings.client(client)
        });
    }

    fn retain(&self, keep: impl Fn(&str, &Known) -> bool) {
        self.locked().retain(|client, known| {
            known.retain(|known| keep(client, known));
            !known.is_empty()
        });
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<&'static str, Vec<Known>>> {
        self.by_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").finish_non_exhaustive()
    }
}
