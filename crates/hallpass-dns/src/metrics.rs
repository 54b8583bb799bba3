//! What is counted of look-ups.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of discovery by DNS. Cheap to clone; clones count together.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `hallpass_dns_look_ups_total` | counter | `result`: `found`, `none` when there is no instance, `failed` when no name server answered |
/// | `hallpass_dns_services` | gauge | services that were asked for and are remembered |
#[derive(Clone, Debug, Default)]
pub struct DnsMetrics {
    look_ups: Family<ResultLabels, Counter>,
    services: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

impl DnsMetrics {
    /// Adds the metrics to a registry under their full names.
    pub fn register(&self, registry: &mut Registry) {
        for result in ["found", "none", "failed"] {
            // Shown from the start, so that the first failure is an increase.
            drop(self.look_ups.get_or_create(&ResultLabels { result }));
        }
        registry.register(
            "hallpass_dns_look_ups",
            "Look-ups of services in the domain name system",
            self.look_ups.clone(),
        );
        registry.register(
            "hallpass_dns_services",
            "Services that are remembered",
            self.services.clone(),
        );
    }

    pub(crate) fn looked_up(&self, result: &'static str) {
        self.look_ups.get_or_create(&ResultLabels { result }).inc();
    }

    pub(crate) fn remembered(&self, services: usize) {
        self.services
            .set(i64::try_from(services).unwrap_or(i64::MAX));
    }
}
