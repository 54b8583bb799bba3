//! What is shown of the published keys among the metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::keys::record::{KeyRecord, KeyState};

/// What is shown of the published keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyMetrics {
    created_at: Family<KeyLabels, Gauge>,
    verifiers_missing: Family<AdoptionLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    kid: String,
    algorithm: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdoptionLabels {
    kid: String,
    state: &'static str,
}

impl KeyMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "signing_key_created_timestamp_seconds",
            "When each published key was created or imported",
            self.created_at.clone(),
        );
        registry.register(
            "signing_key_verifiers_missing",
            "Verifiers that asked for the key set lately, by name, and do not have this key",
            self.verifiers_missing.clone(),
        );
    }

    /// Replaces the gauges by those of `records`; who has them is shown by [`lacking`](Self::lacking).
    pub(crate) fn set(&self, records: &[KeyRecord]) {
        self.created_at.clear();
        self.verifiers_missing.clear();
        for record in records {
            let gauge = self.created_at.get_or_create_owned(&KeyLabels {
                kid: record.kid.clone(),
                algorithm: record.algorithm.as_str(),
                state: record.state.as_str(),
            });
            gauge.set(i64::try_from(record.created_at).unwrap_or(i64::MAX));
        }
    }

    /// So many verifiers do not have this key.
    pub(crate) fn lacking(&self, kid: &str, state: KeyState, verifiers: usize) {
        let gauge = self.verifiers_missing.get_or_create_owned(&AdoptionLabels {
            kid: kid.to_owned(),
            state: state.as_str(),
        });
        gauge.set(i64::try_from(verifiers).unwrap_or(i64::MAX));
    }
}
