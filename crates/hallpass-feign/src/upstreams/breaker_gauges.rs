//! Shows in which state the circuit breakers are, which instances are left out, and where calls went instead.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{BreakerState, Instance, InstanceObserver, OnBreakerChange};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Shows the breakers and ejections of one client's instances, and where its calls went.
///
/// An instance may have several breakers: clients of one name with settings of their own, or the settings of before and
/// after a change. The newest is shown, and the series ends with the last one.
#[derive(Clone, Debug)]
pub(crate) struct BreakerGauges {
    client: &'static str,
    metrics: BreakerMetrics,
    ejections: Counter,
    spilled: Counter,
    tagged: Counter,
    untagged: Counter,
}

impl BreakerGauges {
    pub(crate) fn new(client: &'static str, metrics: &BreakerMetrics) -> Self {
        let of_client = ClientLabels { client };
        let wishes = |result| {
            metrics
                .gray
                .get_or_create_owned(&WishLabels { client, result })
        };
        Self {
            client,
            metrics: metrics.clone(),
            ejections: metrics.ejections.get_or_create_owned(&of_client),
            spilled: metrics.spilled.get_or_create_owned(&of_client),
            tagged: wishes("tagged"),
            untagged: wishes("fallback"),
        }
    }

    /// Of an instance that has left, nothing is shown any more.
    fn show(&self, instance: &Instance, ejected: i64) {
        let labels = self.labels(instance);
        if self.metrics.shown().contains_key(&labels) {
            self.metrics.ejected.get_or_create(&labels).set(ejected);
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
        // With its first value: an instance that is in.
        drop(self.metrics.ejected.get_or_create(&labels));
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
            self.metrics.ejected.remove(&labels);
        }
    }

    fn instance_ejected(&self, instance: &Instance) {
        self.ejections.inc();
        self.show(instance, 1);
    }

    fn instance_is_out(&self, instance: &Instance) {
        self.show(instance, 1);
    }

    fn instance_returned(&self, instance: &Instance) {
        self.show(instance, 0);
    }

    fn call_spilled(&self) {
        self.spilled.inc();
    }

    fn wish_met(&self, was_met: bool) {
        let counted = if was_met {
            &self.tagged
        } else {
            &self.untagged
        };
        counted.inc();
    }
}

/// The state of all breakers and ejections, by client and instance, and where calls went. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BreakerMetrics {
    breakers: Family<InstanceLabels, Gauge>,
    ejected: Family<InstanceLabels, Gauge>,
    ejections: Family<ClientLabels, Counter>,
    spilled: Family<ClientLabels, Counter>,
    gray: Family<WishLabels, Counter>,
    shown: Arc<Mutex<HashMap<InstanceLabels, Shown>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    client: &'static str,
    instance: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WishLabels {
    client: &'static str,
    /// `tagged`, or `fallback` to an instance without the tag.
    result: &'static str,
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
        registry.register(
            "hallpass_feign_ejected",
            "Whether an instance is left out because it failed too often in a row: 0 no, 1 yes",
            self.ejected.clone(),
        );
        registry.register(
            "hallpass_feign_ejections",
            "Times that an instance was left out because it failed too often in a row",
            self.ejections.clone(),
        );
        registry.register(
            "hallpass_feign_spilled",
            "Attempts that went to another zone although instances of the own one are known",
            self.spilled.clone(),
        );
        registry.register(
            "hallpass_feign_gray",
            "Attempts that wished for a tag, by whether they went to an instance with it",
            self.gray.clone(),
        );
    }

    /// Locked only when an instance joins or leaves.
    fn shown(&self) -> MutexGuard<'_, HashMap<InstanceLabels, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
