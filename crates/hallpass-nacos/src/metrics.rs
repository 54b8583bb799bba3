//! What is counted of Nacos.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::connection::Module;

/// The metrics of Nacos as source of configuration and as discovery. Cheap to clone; clones count together.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `hallpass_nacos_connected` | gauge | `module`: `config`, `naming` |
/// | `hallpass_nacos_connections_total` | counter | `module`: connections that were made |
/// | `hallpass_nacos_config_pulls_total` | counter | `result`: `unchanged`, `changed`, `failed`, or `refused` when a document that has to be there is gone |
/// | `hallpass_nacos_config_from_snapshot` | gauge | 1 while the documents in use come from the disk |
/// | `hallpass_nacos_config_last_pull_success_timestamp_seconds` | gauge | |
/// | `hallpass_nacos_subscribed_services` | gauge | |
/// | `hallpass_nacos_registered_instances` | gauge | |
#[derive(Clone, Debug, Default)]
pub struct NacosMetrics {
    connected: Family<ModuleLabels, Gauge>,
    connections: Family<ModuleLabels, Counter>,
    pulls: Family<ResultLabels, Counter>,
    from_snapshot: Gauge,
    last_pull: Gauge,
    services: Gauge,
    registered: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModuleLabels {
    module: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

impl NacosMetrics {
    /// Adds the metrics to a registry under their full names.
    pub fn register(&self, registry: &mut Registry) {
        for result in ["unchanged", "changed", "failed", "refused"] {
            // Shown from the start, so that the first failure is an increase.
            drop(self.pulls.get_or_create(&ResultLabels { result }));
        }
        registry.register(
            "hallpass_nacos_connected",
            "Whether there is a connection to a Nacos server",
            self.connected.clone(),
        );
        registry.register(
            "hallpass_nacos_connections",
            "Connections to Nacos servers that were made",
            self.connections.clone(),
        );
        registry.register(
            "hallpass_nacos_config_pulls",
            "Times the documents were asked for",
            self.pulls.clone(),
        );
        registry.register(
            "hallpass_nacos_config_from_snapshot",
            "Whether the documents in use come from the disk",
            self.from_snapshot.clone(),
        );
        registry.register_with_unit(
            "hallpass_nacos_config_last_pull_success_timestamp",
            "When a server last said what the documents are",
            Unit::Seconds,
            self.last_pull.clone(),
        );
        registry.register(
            "hallpass_nacos_subscribed_services",
            "Services whose instances are followed",
            self.services.clone(),
        );
        registry.register(
            "hallpass_nacos_registered_instances",
            "Instances of this process that Nacos was told of",
            self.registered.clone(),
        );
    }

    /// There is something to connect to, and no connection yet: 0 rather than no series, so that who watches sees a server that was never reached.
    pub(crate) fn connecting(&self, module: Module) {
        let module = module.name();
        drop(self.connected.get_or_create(&ModuleLabels { module }));
        drop(self.connections.get_or_create(&ModuleLabels { module }));
    }

    pub(crate) fn connected(&self, module: Module, is_connected: bool) {
        let module = module.name();
        let gauge = self.connected.get_or_create(&ModuleLabels { module });
        gauge.set(i64::from(is_connected));
        if is_connected {
            self.connections
                .get_or_create(&ModuleLabels { module })
                .inc();
        }
    }

    pub(crate) fn pulled(&self, result: &'static str) {
        self.pulls.get_or_create(&ResultLabels { result }).inc();
    }

    pub(crate) fn answered_at(&self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_pull
            .set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    }

    pub(crate) fn show_snapshot(&self, is_so: bool) {
        self.from_snapshot.set(i64::from(is_so));
    }

    pub(crate) fn subscribed(&self, services: usize) {
        self.services
            .set(i64::try_from(services).unwrap_or(i64::MAX));
    }

    pub(crate) fn registered(&self, instances: usize) {
        self.registered
            .set(i64::try_from(instances).unwrap_or(i64::MAX));
    }
}
