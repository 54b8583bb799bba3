//! What is counted per registered client.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as MetricsRegistry;

/// What is counted per registered client; it outlives each snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientMetrics {
    registered: Gauge,
    issued: Family<IssuedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuedLabels {
    grant: &'static str,
    client: String,
    audience: String,
}

impl ClientMetrics {
    pub(crate) fn register(&self, registry: &mut MetricsRegistry) {
        registry.register("tokens_issued", "Tokens issued", self.issued.clone());
        registry.register(
            "issuer_clients",
            "Registered clients",
            self.registered.clone(),
        );
    }

    /// So many clients are registered now.
    pub(crate) fn set_registered(&self, clients: usize) {
        let clients = i64::try_from(clients).unwrap_or(i64::MAX);
        self.registered.set(clients);
    }

    /// The counter of tokens for one grant, client and audience, resolved once per registration.
    pub(super) fn issued(&self, grant: &'static str, client: &str, audience: &str) -> Counter {
        self.issued.get_or_create_owned(&IssuedLabels {
            grant,
            client: client.to_owned(),
            audience: audience.to_owned(),
        })
    }
}
