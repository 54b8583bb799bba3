//! What is counted of fallbacks.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::spec::MethodSpec;

/// Calls that a fallback answered. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct FallbackMetrics {
    fallbacks: Family<FallbackLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FallbackLabels {
    client: &'static str,
    method: &'static str,
    path: &'static str,
    cause: &'static str,
}

impl FallbackMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_feign_fallbacks",
            "Calls answered by the fallback, by what made it answer",
            self.fallbacks.clone(),
        );
    }

    pub(super) fn asked(&self, client: &'static str, endpoint: &MethodSpec, cause: &'static str) {
        let labels = FallbackLabels {
            client,
            method: endpoint.verb.as_str(),
            path: endpoint.template,
            cause,
        };
        self.fallbacks.get_or_create(&labels).inc();
    }
}
