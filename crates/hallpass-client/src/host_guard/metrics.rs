//! What is counted of stopped calls.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Calls that the host guard has stopped. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostGuardMetrics {
    refused: Family<ServiceLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceLabel {
    service: String,
}

impl HostGuardMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_foreign_host_refused",
            "Calls stopped by the host guard",
            self.refused.clone(),
        );
    }

    pub(super) fn refused(&self, service: &str) {
        let service = service.to_owned();
        self.refused.get_or_create(&ServiceLabel { service }).inc();
    }
}
