//! How many requests took longer than their callers waited.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Requests whose time was over before their handler had responded. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeadlineMetrics {
    exceeded: Family<RouteLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

impl DeadlineMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_deadlines_exceeded",
            "Requests whose caller had stopped waiting before the handler had responded",
            self.exceeded.clone(),
        );
    }

    pub(crate) fn exceeded(&self, route: &str) {
        let route = route.to_owned();
        self.exceeded.get_or_create(&RouteLabels { route }).inc();
    }
}
