//! How many streams were ended because of their token.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    reason: &'static str,
    result: &'static str,
}

/// Streams that were ended. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamMetrics {
    ended: Family<EndLabels, Counter>,
}

impl StreamMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_streams_ended",
            "Requests whose streams were ended since their token had ended or was taken back",
            self.ended.clone(),
        );
    }

    pub(crate) fn ended(&self, reason: &'static str, result: &'static str) {
        let labels = EndLabels { reason, result };
        self.ended.get_or_create(&labels).inc();
    }
}
