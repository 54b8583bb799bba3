//! Shows in which state the circuit breakers are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{BreakerState, Instance, InstanceObserver, OnBreakerChange};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Shows the breakers of one client's instances.
///
/// An instance may have several breakers: clients of one name with settings of their own, or the settings of before and
/// after a change. The newest is shown, and the series ends with the last one.
#[derive(Clone, Debug)]
pub(crate) struct BreakerGauges {
    client: &'static str,
    metrics: BreakerMetrics,
}

impl BreakerGauges {
    pub(crate) fn new(client: &'static str, metrics: &BreakerMetrics) -> Self {
        Self {
            client,
            metrics: metrics.clone(),
        }
    }

    fn labels(&self, instance: &Instance) -> InstanceLabels {
        InstanceLabels {
            client: self.client,
            instance: instance.to_string(),
        }
    }
}

impl InstanceObserver for BreakerGauges {
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange {
        let labels = self.labels(instance);
        let mut shown = self.metrics.shown();
        let gauge = self.metrics.breakers.get_or_create_owned(&labels);
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
        let mut shown = self.metrics.shown();
        let Some(entry) = shown.get_mut(&labels) else {
            return;
        };
        entry.breakers = entry.breakers.saturating_sub(1);
        if entry.breakers == 0 {
            shown.remove(&labels);
            self.metrics.breakers.remove(&labels);
        }
    }
}

/// The state of all breakers, by client and instance. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BreakerMetrics {
    breakers: Family<InstanceLabels, Gauge>,
    shown: Arc<Mutex<HashMap<InstanceLabels, Shown>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    client: &'static str,
    instance: String,
}

/// The breakers behind one series.
#[derive(Debug, Default)]
struct Shown {
    breakers: usize,
    /// Number of the breaker that came last; only that one writes the gauge.
    newest: Arc<AtomicU64>,
}

impl BreakerMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_feign_breaker_state",
            "Circuit breaker of an instance: 0 closed, 1 half-open, 2 open",
            self.breakers.clone(),
        );
    }

    /// Locked only when an instance joins or leaves.
    fn shown(&self) -> MutexGuard<'_, HashMap<InstanceLabels, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
