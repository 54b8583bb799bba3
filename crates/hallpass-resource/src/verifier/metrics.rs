//! What is counted of verifications.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of the verification histogram: a cached check takes one microsecond, a signature check fifty.
const VERIFY_BUCKETS_SECONDS: [f64; 13] = [
    5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.5,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    cache: &'static str,
    alg: &'static str,
}

/// How long verification takes, and how often the cache spares it. Clones share the numbers.
#[derive(Clone, Debug)]
pub(crate) struct VerifierMetrics {
    duration: Family<DurationLabels, Histogram, fn() -> Histogram>,
    /// That of hits with the first algorithm that had one. Nearly all calls have it, and look for it in no map.
    usual: Arc<OnceLock<(&'static str, Histogram)>>,
    cache_requests: Counter,
    cache_hits: Counter,
}

impl Default for VerifierMetrics {
    fn default() -> Self {
        Self {
            duration: Family::new_with_constructor(|| Histogram::new(VERIFY_BUCKETS_SECONDS)),
            usual: Arc::default(),
            cache_requests: Counter::default(),
            cache_hits: Counter::default(),
        }
    }
}

impl VerifierMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register_with_unit(
            "hallpass_verify_duration",
            "Time to verify one token, key fetch included",
            Unit::Seconds,
            it.duration,
        );
        registry.register(
            "hallpass_verified_token_cache_requests",
            "Look-ups of verified tokens",
            it.cache_requests,
        );
        registry.register(
            "hallpass_verified_token_cache_hits",
            "Look-ups that spared a signature check",
            it.cache_hits,
        );
    }

    pub(super) fn verified(&self, cache_hit: bool, alg: &'static str, took: Duration) {
        let cache = if cache_hit { "hit" } else { "miss" };
        let labels = DurationLabels { cache, alg };
        let seconds = took.as_secs_f64();
        if cache_hit {
            let made = || (alg, self.duration.get_or_create_owned(&labels));
            let (usual, histogram) = self.usual.get_or_init(made);
            if *usual == alg {
                histogram.observe(seconds);
                return;
            }
        }
        self.duration.get_or_create(&labels).observe(seconds);
    }

    /// A hit is an entry that was found and still holds.
    pub(super) fn looked_up(&self, hit: bool) {
        self.cache_requests.inc();
        if hit {
            self.cache_hits.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn each_check_counts_under_its_own_labels() {
        let metrics = VerifierMetrics::default();
        for (hit, alg) in [
            (false, "EdDSA"),
            (true, "ES256"),
            (true, "ES256"),
            (true, "EdDSA"),
            (false, "ES256"),
        ] {
            metrics.verified(hit, alg, Duration::from_micros(1));
        }
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for (labels, count) in [
            ("cache=\"hit\",alg=\"ES256\"", 2),
            ("cache=\"hit\",alg=\"EdDSA\"", 1),
            ("cache=\"miss\",alg=\"ES256\"", 1),
            ("cache=\"miss\",alg=\"EdDSA\"", 1),
        ] {
            let name = "hallpass_verify_duration_seconds";
            let line = format!("{name}_count{{{labels}}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
