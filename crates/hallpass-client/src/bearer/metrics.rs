//! What is counted of the identities of calls.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Relayed and exchanged identities, and calls without the one they need. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BearerMetrics {
    relays: Family<ResultLabel, Counter>,
    exchanges: Family<ResultLabel, Counter>,
    missing: Family<ServiceLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceLabel {
    service: String,
}

impl BearerMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_relay",
            "Calls that should carry the identity of the inbound request, by result",
            it.relays,
        );
        registry.register(
            "hallpass_exchange",
            "Calls that should carry a token exchanged for the caller's, by result",
            it.exchanges,
        );
        registry.register(
            "hallpass_missing_identity",
            "Calls stopped because the identity they need was missing",
            it.missing,
        );
    }

    pub(super) fn relay(&self, result: &'static str) {
        self.relays.get_or_create(&ResultLabel { result }).inc();
    }

    pub(super) fn exchange(&self, result: &'static str) {
        self.exchanges.get_or_create(&ResultLabel { result }).inc();
    }

    pub(super) fn missing_identity(&self, service: &str) {
        let service = service.to_owned();
        self.missing.get_or_create(&ServiceLabel { service }).inc();
    }
}
