//! All metrics of the clients; each is counted, and registered, beside what it counts.

use prometheus_client::registry::Registry;

use crate::estate_metrics::EstateMetrics;
use crate::layers::context_headers::metrics::ContextMetrics;
use crate::layers::fallback::metrics::FallbackMetrics;
use crate::layers::hedge::HedgeMetrics;
use crate::layers::observe::metrics::CallMetrics;
use crate::layers::retry::RetryMetrics;
use crate::upstreams::breaker_gauges::BreakerMetrics;
use crate::upstreams::guard_metrics::GuardMetrics;

/// The metrics of all clients of one [`Feign`](crate::Feign). Cheap to clone; clones count together.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `hallpass_feign_calls_total` | counter | `client`, `method`, `path` (the template), `outcome` (`ok` or an error code) |
/// | `hallpass_feign_call_duration_seconds` | histogram | `client`, `method`, `path` |
/// | `hallpass_feign_fallbacks_total` | counter | `client`, `method`, `path`, `cause` (an error code) |
/// | `hallpass_feign_retries_total` | counter | `client` |
/// | `hallpass_feign_retry_budget_exhausted_total` | counter | `client` |
/// | `hallpass_feign_attempt_timeouts_total` | counter | `client` |
/// | `hallpass_feign_hedges_total` | counter | `client`, `outcome` (`won`, `lost`, `no_budget`) |
/// | `hallpass_feign_context_headers_dropped_total` | counter | `client`, `reason` (`unlisted`, `too_long`) |
/// | `hallpass_feign_breaker_state` | gauge: 0 closed, 1 half-open, 2 open | `client`, `instance` |
/// | `hallpass_feign_ejected` | gauge: 1 while an instance is left out | `client`, `instance` |
/// | `hallpass_feign_ejections_total` | counter | `client` |
/// | `hallpass_feign_spilled_total` | counter | `client` |
/// | `hallpass_feign_gray_total` | counter | `client`, `result` (`tagged`, `fallback`) |
/// | `hallpass_feign_service_breaker_state` | gauge: 0 closed, 1 half-open, 2 open | `client`, `method` (verb and template; empty: the whole service) |
/// | `hallpass_feign_bulkhead_in_use` | gauge | `client`, `method` |
/// | `hallpass_feign_bulkhead_waiting` | gauge | `client`, `method` |
/// | `hallpass_feign_refused_total` | counter | `client`, `method`, `by` (`rate`, `breaker`, `bulkhead`) |
/// | `hallpass_feign_estate_rules_skipped` | gauge | `reason` (`bad`, `others`) |
///
/// Labels hold names written in code or configuration, and never users, tokens or values.
#[derive(Clone, Debug, Default)]
pub struct FeignMetrics {
    pub(crate) calls: CallMetrics,
    pub(crate) fallbacks: FallbackMetrics,
    pub(crate) retries: RetryMetrics,
    pub(crate) hedges: HedgeMetrics,
    pub(crate) breakers: BreakerMetrics,
    pub(crate) guards: GuardMetrics,
    pub(crate) context: ContextMetrics,
    pub(crate) estate: EstateMetrics,
}

impl FeignMetrics {
    /// Adds all of them to a registry. The names begin with `hallpass_`, so the registry should have no prefix.
    pub fn register(&self, registry: &mut Registry) {
        self.calls.register(registry);
        self.fallbacks.register(registry);
        self.retries.register(registry);
        self.hedges.register(registry);
        self.breakers.register(registry);
        self.guards.register(registry);
        self.context.register(registry);
        self.estate.register(registry);
    }
}
