//! Shows in which state the circuit breakers of services and of their instances are.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{BreakerState, Instance, InstanceObserver, OnBreakerChange};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::proxy::metrics::ServiceCounters;

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
    /// The breakers of whole services that there are, and the state of each that has ever changed. Locked when one changes, comes or goes.
    guards: Arc<Mutex<Guards>>,
}

/// By service, and by the order in which they were made.
type Guards = HashMap<String, BTreeMap<u64, Option<i64>>>;

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

    /// Shows the breaker of a service as a whole, from its first change on and as long as it is there; of two, the newer one.
    pub(crate) fn of_guard(&self, service: &str) -> OnBreakerChange {
        let shown = ShownGuard::new(self, service);
        Box::new(move |state| shown.show(Some(number(state))))
    }

    fn guards(&self) -> MutexGuard<'_, Guards> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<InstanceLabels, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One breaker of a service as a whole. When it is gone, its state is shown no longer: nobody would ever change it.
struct ShownGuard {
    service: String,
    own: u64,
    metrics: BreakerMetrics,
}

impl ShownGuard {
    fn new(metrics: &BreakerMetrics, service: &str) -> Self {
        let mut guards = metrics.guards();
        let of_service = guards.entry(service.to_owned()).or_default();
        let own = of_service.last_key_value().map_or(0, |(last, _)| last + 1);
        of_service.insert(own, None);
        drop(guards);
        Self {
            service: service.to_owned(),
            own,
            metrics: metrics.clone(),
        }
    }

    fn show(&self, state: Option<i64>) {
        let mut guards = self.metrics.guards();
        let Some(of_service) = guards.get_mut(&self.service) else {
            return;
        };
        match state {
            Some(_) => of_service.insert(self.own, state),
            None => of_service.remove(&self.own),
        };
        let labels = labels(&self.service, ALL.to_owned());
        // Under the lock, so that of two changes the later one is shown last.
        match of_service.last_key_value() {
            Some((_, Some(state))) => {
                _ = self.metrics.states.get_or_create(&labels).set(*state);
            }
            Some((_, None)) | None => {
                self.metrics.states.remove(&labels);
            }
        }
        if of_service.is_empty() {
            guards.remove(&self.service);
        }
    }
}

impl Drop for ShownGuard {
    fn drop(&mut self) {
        self.show(None);
    }
}

/// Shows the breakers of one service's instances.
#[derive(Debug)]
pub(crate) struct BreakerGauges {
    service: String,
    metrics: BreakerMetrics,
    counters: ServiceCounters,
}

impl BreakerGauges {
    pub(crate) fn new(service: &str, metrics: &BreakerMetrics, counters: &ServiceCounters) -> Self {
        Self {
            service: service.to_owned(),
            metrics: metrics.clone(),
            counters: counters.clone(),
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

    fn wish_met(&self, was_met: bool) {
        self.counters.wish_met(was_met);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(metrics: &BreakerMetrics) -> Option<i64> {
        let labels = labels("orders", ALL.to_owned());
        metrics.states.get(&labels).map(|gauge| gauge.get())
    }

    #[test]
    fn the_breaker_of_a_service_is_shown_as_long_as_it_is_there() {
        let metrics = BreakerMetrics::default();
        let first = metrics.of_guard("orders");
        assert_eq!(shown(&metrics), None, "it has never changed");
        first(BreakerState::Open);
        assert_eq!(shown(&metrics), Some(2));
        // Settings were looked at, and not taken.
        drop(metrics.of_guard("orders"));
        assert_eq!(shown(&metrics), Some(2));
        let second = metrics.of_guard("orders");
        second(BreakerState::HalfOpen);
        first(BreakerState::Closed);
        assert_eq!(shown(&metrics), Some(1), "the newer one");
        drop(first);
        assert_eq!(shown(&metrics), Some(1));
        drop(second);
        assert_eq!(shown(&metrics), None);
        assert!(metrics.guards().is_empty());
    }
}
