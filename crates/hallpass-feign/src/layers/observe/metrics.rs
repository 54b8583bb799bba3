//! What is counted of every call.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::spec::MethodSpec;

/// Upper bounds of the duration histogram, in seconds: from the 5 microseconds of a refused call to the 10 seconds
/// of a very patient one.
const BUCKETS: [f64; 17] = [
    0.000_005, 0.000_025, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// How calls ended and how long they took. Clones share the numbers.
#[derive(Clone, Debug)]
pub(crate) struct CallMetrics {
    calls: Family<OutcomeLabels, Counter>,
    durations: Family<EndpointLabels, Histogram, fn() -> Histogram>,
}

/// The outcome of nearly all calls.
pub(super) const OK: &str = "ok";

/// What nearly every call of a method counts into, found once: looking it up takes a lock and the hash of four texts.
#[derive(Debug, Default)]
pub(crate) struct MethodMetrics {
    ok: OnceLock<Counter>,
    durations: OnceLock<Histogram>,
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

impl Default for CallMetrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }
}

impl CallMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register("hallpass_feign_calls", "Calls by their outcome", it.calls);
        registry.register_with_unit(
            "hallpass_feign_call_duration",
            "Time of a call with its retries and its fallback",
            Unit::Seconds,
            it.durations,
        );
    }

    pub(super) fn finished(
        &self,
        client: &'static str,
        (endpoint, at_hand): (&MethodSpec, &MethodMetrics),
        outcome: &'static str,
        took: Duration,
    ) {
        let (method, path) = (endpoint.verb.as_str(), endpoint.template);
        let labels = OutcomeLabels {
            client,
            method,
            path,
            outcome,
        };
        if outcome == OK {
            let calls = || self.calls.get_or_create_owned(&labels);
            at_hand.ok.get_or_init(calls).inc();
        } else {
            self.calls.get_or_create(&labels).inc();
        }
        let labels = EndpointLabels {
            client,
            method,
            path,
        };
        let durations = || self.durations.get_or_create_owned(&labels);
        let durations = at_hand.durations.get_or_init(durations);
        durations.observe(took.as_secs_f64());
    }
}
