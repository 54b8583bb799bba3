//! What is shown of the published keys among the metrics.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The keys that are shown.
    shown: Arc<Mutex<Vec<KeyLabels>>>,
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

impl KeyLabels {
    fn of(record: &KeyRecord) -> Self {
        Self {
            kid: record.kid.clone(),
            algorithm: record.algorithm.as_str(),
            state: record.state.as_str(),
        }
    }
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

    /// Shows those of `records`, and no others any more; who has them is shown by [`lacking`](Self::lacking), and what that has shown stays. Nobody who looks
    /// meanwhile finds them gone: an alert would begin anew.
    pub(crate) fn set(&self, records: &[KeyRecord]) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *shown, records.iter().map(KeyLabels::of).collect());
        for (labels, record) in shown.iter().zip(records) {
            let gauge = self.created_at.get_or_create_owned(labels);
            gauge.set(i64::try_from(record.created_at).unwrap_or(i64::MAX));
        }
        for gone in before.into_iter().filter(|it| !shown.contains(it)) {
            self.created_at.remove(&gone);
            let KeyLabels { kid, state, .. } = gone;
            self.verifiers_missing
                .remove(&AdoptionLabels { kid, state });
        }
    }

    /// So many verifiers do not have this key. Of one that is not shown nothing is: who counts may have looked at the keys of before, and nobody would take it
    /// away again.
    pub(crate) fn lacking(&self, kid: &str, state: KeyState, verifiers: usize) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !shown
            .iter()
            .any(|it| it.kid == kid && it.state == state.as_str())
        {
            return;
        }
        let gauge = self.verifiers_missing.get_or_create_owned(&AdoptionLabels {
            kid: kid.to_owned(),
            state: state.as_str(),
        });
        gauge.set(i64::try_from(verifiers).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Algorithm, UnixTime};
    use prometheus_client::encoding::text::encode;

    use super::*;

    async fn key(state: KeyState) -> KeyRecord {
        let now = UnixTime::from_secs(1_700_000_000);
        KeyRecord::generate(Algorithm::EdDsa, state, now)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_shown_of_a_key_stays_until_it_or_its_state_is_gone() {
        let (metrics, mut registry) = (KeyMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        let shown = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            let mut lines: Vec<_> = text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(str::to_owned)
                .collect();
            lines.sort();
            lines
        };
        let mut keys = [key(KeyState::Signing).await, key(KeyState::Announced).await];
        metrics.set(&keys);
        for (key, verifiers) in keys.iter().zip([3, 5]) {
            metrics.lacking(&key.kid, key.state, verifiers);
        }
        let both = shown();
        assert_eq!(both.len(), 4);
        metrics.set(&keys);
        assert_eq!(shown(), both);
        let missing = || {
            shown()
                .iter()
                .filter(|line| line.contains("missing"))
                .count()
        };
        keys[1].state = KeyState::Signing;
        metrics.set(&keys);
        assert_eq!((shown().len(), missing()), (3, 1));
        metrics.set(&keys[1..]);
        assert_eq!((shown().len(), missing()), (1, 0));
        metrics.lacking(&keys[0].kid, keys[0].state, 3);
        assert_eq!(missing(), 0);
    }
}
