//! What guards let through and what they refuse.

use hallpass_upstream::{GuardSettings, Refusal};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::settings::MethodName;

/// The numbers of all guards. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuardMetrics {
    states: Family<PlaceLabels, Gauge>,
    in_use: Family<PlaceLabels, Gauge>,
    waiting: Family<PlaceLabels, Gauge>,
    refused: Family<RefusalLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlaceLabels {
    client: &'static str,
    /// Verb and path template; empty for the whole service.
    method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    client: &'static str,
    method: String,
    by: &'static str,
}

/// The numbers of one guard, at hand for its calls.
#[derive(Debug)]
pub(crate) struct Guarded {
    all: GuardMetrics,
    place: PlaceLabels,
    /// Calls that were let through and have not ended.
    pub(crate) in_use: Gauge,
    /// Calls that wait for their turn or for a place.
    pub(crate) waiting: Gauge,
}

impl GuardMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_feign_service_breaker_state",
            "Circuit breaker of a service or a method: 0 closed, 1 half-open, 2 open",
            it.states,
        );
        registry.register(
            "hallpass_feign_bulkhead_in_use",
            "Guarded calls of a service or a method that are under way",
            it.in_use,
        );
        registry.register(
            "hallpass_feign_bulkhead_waiting",
            "Calls that wait until the guard of a service or a method lets them through",
            it.waiting,
        );
        registry.register(
            "hallpass_feign_refused",
            "Calls that the guard of a service or a method did not let through",
            it.refused,
        );
    }

    pub(super) fn of(&self, client: &'static str, method: Option<&MethodName>) -> Guarded {
        let method = method.map(ToString::to_string).unwrap_or_default();
        let place = PlaceLabels { client, method };
        Guarded {
            all: self.clone(),
            in_use: self.in_use.get_or_create_owned(&place),
            waiting: self.waiting.get_or_create_owned(&place),
            place,
        }
    }
}

impl Guarded {
    /// Where the state of its breaker is shown, if it has one.
    pub(super) fn state(&self, settings: &GuardSettings) -> Option<Gauge> {
        let has_breaker = !settings.breakers.is_empty();
        has_breaker.then(|| self.all.states.get_or_create_owned(&self.place))
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        let by = match refusal {
            Refusal::RateLimited { .. } => "rate",
            Refusal::BreakerOpen { .. } => "breaker",
            Refusal::BulkheadFull { .. } => "bulkhead",
            // Guards know no instances.
            Refusal::NoInstance(_) => return,
        };
        let PlaceLabels { client, method } = self.place.clone();
        let labels = RefusalLabels { client, method, by };
        self.all.refused.get_or_create(&labels).inc();
    }
}
