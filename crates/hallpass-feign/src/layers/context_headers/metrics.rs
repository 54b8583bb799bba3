//! What is counted of headers that travel with calls.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Headers that were in a context and did not leave. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContextMetrics {
    dropped: Family<DropLabels, Counter>,
}

/// Why a header did not leave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dropped {
    /// It is on no list.
    Unlisted,
    /// It is too long, or all together are.
    TooLong,
    /// The callee is none of our services.
    ThirdParty,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    client: &'static str,
    reason: &'static str,
}

impl ContextMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_feign_context_headers_dropped",
            "Headers of a context that did not leave, by the reason",
            self.dropped.clone(),
        );
    }

    pub(crate) fn dropped(&self, client: &'static str, reason: Dropped) {
        let reason = match reason {
            Dropped::Unlisted => "unlisted",
            Dropped::TooLong => "too_long",
            Dropped::ThirdParty => "third_party",
        };
        self.dropped
            .get_or_create(&DropLabels { client, reason })
            .inc();
    }
}
