//! The services that the clients of a process call, each with its circuit breakers and its retry budget.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hallpass_upstream::{Address, Network, Upstream, UpstreamSettings};

use crate::settings::{FeignClientSettings, FeignSettings};

pub(crate) mod breaker_gauges;
pub(crate) mod guard_metrics;
pub(crate) mod guards;
pub(crate) mod hedge_budgets;

use breaker_gauges::{BreakerGauges, BreakerMetrics};

/// All [`Upstream`]s of one [`Feign`](crate::Feign), by the name of the client and where it calls.
///
/// What attribute and configuration say is kept though nobody holds it, so that a client that is built anew for each
/// request still has a breaker that remembers; there is as much of that as there are clients in the code. What the builder
/// of one client says (its URL, its retry, its breaker) goes with the last client that says so: a program may build one
/// for each of its tenants.
pub(crate) struct Upstreams {
    network: Network,
    metrics: BreakerMetrics,
    /// Locked while a client is built or settings are applied, never during a call.
    known: Mutex<AllKnown>,
}

#[derive(Default)]
struct AllKnown {
    by_place: HashMap<(&'static str, Address), Vec<Known>>,
    /// So many places are looked through when there are so many: before the map grows, at a price that is spread over the
    /// clients that were built since.
    look_through_at: usize,
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

struct Known {
    upstream: Weak<Upstream>,
    /// The same, where it stays though no client holds it.
    kept: Option<Arc<Upstream>>,
    /// The client's section of the configuration when it was made.
    configured: FeignClientSettings,
}

/// Fewer places than these are not looked through for what is gone.
const FEW_PLACES: usize = 32;

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
        let mut known = self.locked();
        known.make_room();
        let place = (wanted.client, wanted.address.clone());
        let here = known.by_place.entry(place).or_default();
        here.retain(|known| !known.is_gone());
        let same = here.iter_mut().find_map(|known| {
            let upstream = known.upstream.upgrade()?;
            (upstream.settings() == wanted.settings).then_some((known, upstream))
        });
        if let Some((known, upstream)) = same {
            known.configured = wanted.configured.clone();
            if wanted.is_kept {
                known.kept = Some(Arc::clone(&upstream));
            }
            return upstream;
        }
        let upstream = Arc::new(self.new_upstream(wanted));
        here.push(Known {
            upstream: Arc::downgrade(&upstream),
            kept: wanted.is_kept.then(|| Arc::clone(&upstream)),
            configured: wanted.configured.clone(),
        });
        upstream
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
        self.retain(|client, known| {
            known
                .configured
                .means_same_upstream(settings.client(client))
        });
    }

    /// After settings were refused that some clients had been prepared for: forgets what nobody uses.
    pub(crate) fn forget_unused(&self, settings: &FeignSettings) {
        self.retain(|client, known| {
            let own = usize::from(known.kept.is_some());
            known.upstream.strong_count() > own
                || known
                    .configured
                    .means_same_upstream(settings.client(client))
        });
    }

    fn retain(&self, keep: impl Fn(&str, &Known) -> bool) {
        self.locked().by_place.retain(|(client, _), known| {
            known.retain(|known| keep(client, known));
            !known.is_empty()
        });
    }

    fn locked(&self) -> MutexGuard<'_, AllKnown> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AllKnown {
    fn make_room(&mut self) {
        if self.by_place.len() < self.look_through_at.max(FEW_PLACES) {
            return;
        }
        self.by_place.retain(|_, known| {
            known.retain(|known| !known.is_gone());
            !known.is_empty()
        });
        self.look_through_at = self.by_place.len().saturating_mul(2);
    }
}

impl Known {
    fn is_gone(&self) -> bool {
        self.upstream.strong_count() == 0
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").finish_non_exhaustive()
    }
}
