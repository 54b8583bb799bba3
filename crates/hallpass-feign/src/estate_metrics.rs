//! What is counted of the estate's own words.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::settings::SkippedRules;

/// What is counted of the estate's own words.
#[derive(Clone, Debug, Default)]
pub(crate) struct EstateMetrics {
    skipped: Family<Labels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
}

impl EstateMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_feign_estate_rules_skipped",
            "Rules of Sentinel in data sources that have no effect here",
            self.skipped.clone(),
        );
    }

    /// Rules that are left out by the settings in force.
    pub(crate) fn set(&self, skipped: SkippedRules) {
        for (reason, count) in [("bad", skipped.bad), ("others", skipped.others)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.skipped.get_or_create(&Labels { reason }).set(count);
        }
    }
}
