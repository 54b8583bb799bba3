//! Shows in which state the circuit breakers of services and of their instances are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{BreakerState, Instance, InstanceObserver, OnBreakerChange};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The instance of a breaker over all of a service's.
const ALL: &str = "all";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    service: String,
    instance: String,
}

/// The states of breakers. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BreakerMetrics {
    states: Family<InstanceLabels, Gauge>,
    /// How many breakers each series has, and which is the newest: after a change of settings there are two for a while. Locked when an instance comes
    /// or leaves.
    shown: Arc<Mutex<HashMap<InstanceLabels, Shown>>>,
}

#[derive(Debug, Default)]
struct Shown {
    breakers: usize,
    newest: Arc<AtomicU64>,
}

impl BreakerMetrics {
    /// Under this full name.
    pub(crate) fn register(&self, registry: &mut Registry, name: &str) {
        registry.register(
            name,
            "Circuit breakers of instances, and of services as a whole (`all`): 0 closed, 1 half-open, 2 open",
            self.states.clone(),
        );
    }

    /// Shows the breaker of a service as a whole, from its first change on.
    pub(crate) fn of_guard(&self, service: &str) -> OnBreakerChange {
        let (states, labels) = (self.states.clone(), labels(service, ALL.to_owned()));
        Box::new(move |state| {
            _ = states.get_or_create(&labels).set(number(state));
        })
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<InstanceLabels, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the breakers of one service's instances.
#[derive(Debug)]
pub(crate) struct BreakerGauges {
    service: String,
    metrics: BreakerMetrics,
}

impl BreakerGauges {
    pub(crate) fn new(service: &str, metrics: &BreakerMetrics) -> Self {
        Self {
            service: service.to_owned(),
            metrics: metrics.clone(),
        }
    }
}

impl InstanceObserver for BreakerGauges {
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange {
        let labels = labels(&self.service, instance.to_string());
        let mut shown = self.metrics.shown();
        let gauge = self.metrics.states.get_or_create_owned(&labels);
        let Shown { breakers, newest } = shown.entry(labels).or_default();
        *breakers += 1;
        // Relaxed: the number only says which breaker may write; no other memory depends on it.
        let own = newest.fetch_add(1, Ordering::Relaxed) + 1;
        let newest = Arc::clone(newest);
        gauge.set(0);
        Box::new(move |state| {
            if newest.load(Ordering::Relaxed) == own {
                gauge.set(number(state));
            }
        })
    }

    fn instance_left(&self, instance: &Instance) {
        let labels = labels(&self.service, instance.to_string());
        let mut shown = self.metrics.shown();
        let Some(entry) = shown.get_mut(&labels) else {
            return;
        };
        entry.breakers = entry.breakers.saturating_sub(1);
        if entry.breakers == 0 {
            shown.remove(&labels);
            self.metrics.states.remove(&labels);
        }
    }
}

fn labels(service: &str, instance: String) -> InstanceLabels {
    InstanceLabels {
        service: service.to_owned(),
        instance,
    }
}

const fn number(state: BreakerState) -> i64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}
