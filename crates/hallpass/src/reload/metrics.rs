//! What a reloader counts.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The metrics of a [`Reloader`](super::Reloader). Cheap to clone; clones count together.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `hallpass_config_reloads_total` | counter | `result`: `ok`, or `refused` when the last good settings stayed in effect |
/// | `hallpass_config_last_reload_success_timestamp_seconds` | gauge | |
///
/// The load at the start counts for the second one only.
#[derive(Clone, Debug, Default)]
pub struct ReloadMetrics {
    reloads: Family<ResultLabels, Counter>,
    last_success: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

impl ReloadMetrics {
    /// Adds the metrics to a registry under their full names.
    pub fn register(&self, registry: &mut Registry) {
        for result in ["ok", "refused"] {
            // Shown from the start, so that the first refusal is an increase.
            drop(self.reloads.get_or_create(&ResultLabels { result }));
        }
        registry.register(
            "hallpass_config_reloads",
            "Times the configuration was loaded again while the process ran",
            self.reloads.clone(),
        );
        registry.register_with_unit(
            "hallpass_config_last_reload_success_timestamp",
            "When settings were last taken, at the start or later",
            Unit::Seconds,
            self.last_success.clone(),
        );
    }

    pub(super) fn taken(&self, now: SystemTime) {
        self.count("ok");
        self.succeeded_at(now);
    }

    pub(super) fn refused(&self) {
        self.count("refused");
    }

    /// Settings are in effect since `now`.
    pub(crate) fn succeeded_at(&self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        self.last_success.set(seconds);
    }

    fn count(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }
}
