//! What is counted of rejected tokens.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What became of calls whose service token was rejected. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayMetrics {
    replays: Family<ResultLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl ReplayMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_token_replay",
            "Calls that were answered 401 invalid_token, by what became of them",
            self.replays.clone(),
        );
    }

    pub(super) fn ended(&self, result: &'static str) {
        self.replays.get_or_create(&ResultLabel { result }).inc();
    }
}
