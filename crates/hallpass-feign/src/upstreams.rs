//! The services that the clients of a process call, each with its circuit breakers and its retry budget.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{Address, EndpointUrl, Network, Upstream, UpstreamSettings};

use crate::settings::{FeignClientSettings, FeignSettings};

pub(crate) mod breaker_gauges;
pub(crate) mod guard_metrics;
pub(crate) mod guards;
pub(crate) mod hedge_budgets;
mod shared_by_place;

use breaker_gauges::{BreakerGauges, BreakerMetrics};
use shared_by_place::SharedByPlace;

/// All [`Upstream`]s of one [`Feign`](crate::Feign), by the name of the client and where it calls.
///
/// What attribute and configuration say is kept though nobody holds it, so that a client that is built anew for each
/// request still has a breaker that remembers; there is as much of that as there are clients in the code. What the builder
/// of one client says (its URL, its retry, its breaker) goes with the last client that says so: a program may build one
/// for each of its tenants.
pub(crate) struct Upstreams {
    network: Network,
    metrics: BreakerMetrics,
    /// By the name of the client and the address, with the client's section of the configuration when it was made. Locked while
    /// a client is built or settings are applied, never during a call.
    known: Mutex<Known>,
}

type Known = SharedByPlace<(&'static str, Address), Upstream, FeignClientSettings>;

/// Whose guards or hedges are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) client: &'static str,
    /// Where it calls: what happens there says nothing about another address, though both have one name here.
    pub(crate) address: &'a Address,
    /// Where the configuration says that it calls, if it does.
    pub(crate) configured: Option<&'a EndpointUrl>,
    /// Whether it stays when no client holds it.
    pub(crate) is_kept: bool,
}

/// What is wanted for one client.
pub(crate) struct Wanted<'a> {
    pub(crate) client: &'static str,
    pub(crate) address: &'a Address,
    pub(crate) settings: &'a UpstreamSettings,
    /// The client's section of the configuration.
    pub(crate) configured: &'a FeignClientSettings,
    /// Whether it stays when no client holds it.
    pub(crate) is_kept: bool,
}

impl Upstreams {
    /// None yet.
    pub(crate) fn new(network: &Network, metrics: &BreakerMetrics) -> Self {
        Self {
            network: network.clone(),
            metrics: metrics.clone(),
            known: Mutex::default(),
        }
    }

    /// The state of a service, shared by all clients of that name which call the same address with the same settings.
    pub(crate) fn get(&self, wanted: &Wanted<'_>) -> Arc<Upstream> {
        let place = (wanted.client, wanted.address.clone());
        self.locked().get(
            place,
            (wanted.configured.clone(), wanted.is_kept),
            |upstream| upstream.settings() == wanted.settings,
            |before| {
                let upstream = self.new_upstream(wanted);
                match before {
                    // What is known of the instances is true whatever was changed, and discovery may be away just now.
                    Some(before) => upstream.succeeding(before),
                    None => upstream,
                }
            },
        )
    }

    fn new_upstream(&self, wanted: &Wanted<'_>) -> Upstream {
        let name = match wanted.address {
            Address::LoadBalanced(service) => Arc::clone(service),
            Address::Fixed(_) => Arc::from(wanted.client),
        };
        let Network {
            discovery, clock, ..
        } = &self.network;
        let (discovery, clock) = (Arc::clone(discovery), Arc::clone(clock));
        Upstream::new(name, wanted.address.clone(), discovery, clock)
            .with_settings(wanted.settings.clone())
            .with_observer(BreakerGauges::new(wanted.client, &self.metrics))
    }

    /// After all clients have taken up these settings: forgets what was made for others. Calls that still use it hold it
    /// until they end.
    pub(crate) fn keep_only(&self, settings: &FeignSettings) {
        self.locked().keep_only(|(client, _), _, configured| {
            configured.means_same_upstream(settings.client(client))
        });
    }

    /// After settings were refused that some clients had been prepared for: forgets what nobody uses.
    pub(crate) fn forget_unused(&self, settings: &FeignSettings) {
        self.locked().forget_unused(|(client, _), _, configured| {
            configured.means_same_upstream(settings.client(client))
        });
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").finish_non_exhaustive()
    }
}
