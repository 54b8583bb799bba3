//! All metrics of the calling side; each is counted, and registered, beside what it counts.

use std::fmt;

use prometheus_client::registry::Registry;

use crate::auth_token_service::flight::metrics::RequestMetrics;
use crate::auth_token_service::revoked::RevokedMetrics;
use crate::auth_token_service::tiers::metrics::CacheMetrics;
use crate::bearer::metrics::BearerMetrics;
use crate::host_guard::metrics::HostGuardMetrics;
use crate::replay::metrics::ReplayMetrics;

/// The client's metrics. Cloning shares them; a clone that is never registered costs a few counters.
///
/// Labels are configured names and closed sets, never users or tokens. `docs/metrics.md` lists them all.
#[derive(Clone, Default)]
pub struct ClientMetrics {
    pub(crate) caches: CacheMetrics,
    pub(crate) requests: RequestMetrics,
    pub(crate) replays: ReplayMetrics,
    pub(crate) bearer: BearerMetrics,
    pub(crate) host_guard: HostGuardMetrics,
    pub(crate) revoked: RevokedMetrics,
}

impl ClientMetrics {
    /// Metrics that nobody reads until they are [registered](Self::register).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all of them to `registry`; registering twice exports them twice. The names begin with `hallpass_`, so the
    /// registry should have no prefix.
    pub fn register(&self, registry: &mut Registry) {
        self.caches.register(registry);
        self.requests.register(registry);
        self.replays.register(registry);
        self.bearer.register(registry);
        self.host_guard.register(registry);
        self.revoked.register(registry);
    }
}

impl fmt::Debug for ClientMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMetrics").finish_non_exhaustive()
    }
}
