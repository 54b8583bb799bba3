//! What is counted. Label values are names written in code or configuration, and never users, tokens or values.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_upstream::{BreakerState, Instance, InstanceObserver, OnBreakerChange};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::spec::MethodSpec;

/// Upper bounds of the duration histogram, in seconds: from the 5 microseconds of a refused call to the 10 seconds
/// of a very patient one.
const BUCKETS: [f64; 17] = [
    0.000_005, 0.000_025, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The metrics of all clients of one [`Feign`](crate::Feign). Cheap to clone; clones count together.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `hallpass_feign_calls_total` | counter | `client`, `method`, `path` (the template), `outcome` (`ok` or an error code) |
/// | `hallpass_feign_call_duration_seconds` | histogram | `client`, `method`, `path` |
/// | `hallpass_feign_fallbacks_total` | counter | `client`, `method`, `path`, `cause` (an error code) |
/// | `hallpass_feign_retries_total` | counter | `client` |
/// | `hallpass_feign_retry_budget_exhausted_total` | counter | `client` |
/// | `hallpass_feign_breaker_state` | gauge: 0 closed, 1 half-open, 2 open | `client`, `instance` |
#[derive(Clone, Debug)]
pub struct FeignMetrics {
    calls: Family<OutcomeLabels, Counter>,
    durations: Family<EndpointLabels, Histogram, fn() -> Histogram>,
    fallbacks: Family<FallbackLabels, Counter>,
    retries: Family<ClientLabels, Counter>,
    budget_exhausted: Family<ClientLabels, Counter>,
    breakers: Family<InstanceLabels, Gauge>,
    shown: Arc<Mutex<HashMap<InstanceLabels, Shown>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    client: &'static str,
    method: &'static str,
    path: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    client: &'static str,
    method: &'static str,
    path: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FallbackLabels {
    client: &'static str,
    method: &'static str,
    path: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    client: &'static str,
    instance: String,
}

impl Default for FeignMetrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            fallbacks: Family::default(),
            retries: Family::default(),
            budget_exhausted: Family::default(),
            breakers: Family::default(),
            shown: Arc::default(),
        }
    }
}

impl FeignMetrics {
    /// Adds the metrics to a registry under their full names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_feign_calls",
            "Calls by their outcome",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "hallpass_feign_call_duration",
            "Time of a call with its retries and its fallback",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "hallpass_feign_fallbacks",
            "Calls answered by the fallback, by what made it answer",
            self.fallbacks.clone(),
        );
        registry.register(
            "hallpass_feign_retries",
            "Attempts beyond the first of a call",
            self.retries.clone(),
        );
        registry.register(
            "hallpass_feign_retry_budget_exhausted",
            "Retries that were not made because the service's budget was used up",
            self.budget_exhausted.clone(),
        );
        registry.register(
            "hallpass_feign_breaker_state",
            "Circuit breaker of an instance: 0 closed, 1 half-open, 2 open",
            self.breakers.clone(),
        );
    }

    pub(crate) fn finished(
        &self,
        client: &'static str,
        endpoint: &MethodSpec,
        outcome: &'static str,
        took: Duration,
    ) {
        let (method, path) = (endpoint.verb.as_str(), endpoint.template);
        self.calls
            .get_or_create(&OutcomeLabels {
                client,
                method,
                path,
                outcome,
            })
            .inc();
        self.durations
            .get_or_create(&EndpointLabels {
                client,
                method,
                path,
            })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn fallback(
        &self,
        client: &'static str,
        endpoint: &MethodSpec,
        cause: &'static str,
    ) {
        let (method, path) = (endpoint.verb.as_str(), endpoint.template);
        self.fallbacks
            .get_or_create(&FallbackLabels {
                client,
                method,
                path,
                cause,
            })
            .inc();
    }

    pub(crate) fn retry(&self, client: &'static str) {
        self.retries.get_or_create(&ClientLabels { client }).inc();
    }

    pub(crate) fn budget_exhausted(&self, client: &'static str) {
        self.budget_exhausted
            .get_or_create(&ClientLabels { client })
            .inc();
    }
}

/// Shows the breakers of one client's instances.
///
/// An instance may have several breakers: clients of one name with settings of their own, or the settings of before and
/// after a change. The newest is shown, and the series ends with the last one.
#[derive(Clone, Debug)]
pub(crate) struct BreakerGauges {
    client: &'static str,
    breakers: Family<InstanceLabels, Gauge>,
    shown: Arc<Mutex<HashMap<InstanceLabels, Shown>>>,
}

/// The breakers behind one series.
#[derive(Debug, Default)]
struct Shown {
    breakers: usize,
    /// Number of the breaker that came last; only that one writes the gauge.
    newest: Arc<AtomicU64>,
}

impl BreakerGauges {
    pub(crate) fn new(client: &'static str, metrics: &FeignMetrics) -> Self {
        Self {
            client,
            breakers: metrics.breakers.clone(),
            shown: Arc::clone(&metrics.shown),
        }
    }

    fn labels(&self, instance: &Instance) -> InstanceLabels {
        InstanceLabels {
            client: self.client,
            instance: instance.to_string(),
        }
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<InstanceLabels, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InstanceObserver for BreakerGauges {
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange {
        let labels = self.labels(instance);
        let mut shown = self.shown();
        let gauge = self.breakers.get_or_create_owned(&labels);
        let Shown { breakers, newest } = shown.entry(labels).or_default();
        *breakers += 1;
        // Relaxed: the number only says which breaker may write; no other memory depends on it.
        let own = newest.fetch_add(1, Ordering::Relaxed) + 1;
        let newest = Arc::clone(newest);
        gauge.set(0);
        Box::new(move |state| {
            if newest.load(Ordering::Relaxed) == own {
                _ = gauge.set(match state {
                    BreakerState::Closed => 0,
                    BreakerState::HalfOpen => 1,
                    BreakerState::Open => 2,
                });
            }
        })
    }

    fn instance_left(&self, instance: &Instance) {
        let labels = self.labels(instance);
        let mut shown = self.shown();
        let Some(entry) = shown.get_mut(&labels) else {
            return;
        };
        entry.breakers = entry.breakers.saturating_sub(1);
        if entry.breakers == 0 {
            shown.remove(&labels);
            self.breakers.remove(&labels);
        }
    }
}
