//! Counters, histograms and gauges of the resource server. The list with every label is in `docs/metrics.md`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::KeysError;

/// Bounds of the verification histogram: a cached check takes one microsecond, a signature check fifty.
const VERIFY_BUCKETS_SECONDS: [f64; 13] = [
    5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.5,
];
/// Bounds of the key fetch histogram.
const FETCH_BUCKETS_SECONDS: [f64; 10] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerifyLabels {
    result: &'static str,
    reason: &'static str,
    mode: &'static str,
    route: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    cache: &'static str,
    alg: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    issuer: Arc<str>,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeaderLabels {
    header: &'static str,
}

/// All metrics of one resource server. Labels are configured names and closed sets, never anything a caller sent.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    verify: Family<VerifyLabels, Counter>,
    verify_duration: HistogramFamily<DurationLabels>,
    cache_requests: Counter,
    cache_hits: Counter,
    cache_evictions: Counter,
    cache_entries: Gauge,
    cache_bytes: Gauge,
    fetches: Family<FetchLabels, Counter>,
    fetch_duration: HistogramFamily<IssuerLabels>,
    last_success: Family<IssuerLabels, Gauge>,
    keys: Family<IssuerLabels, Gauge>,
    unknown_kids: Family<IssuerLabels, Counter>,
    suppressed: Family<IssuerLabels, Counter>,
    headers_stripped: Family<HeaderLabels, Counter>,
    dev_bypass: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            verify: Family::default(),
            verify_duration: Family::new_with_constructor(|| {
                Histogram::new(VERIFY_BUCKETS_SECONDS)
            }),
            cache_requests: Counter::default(),
            cache_hits: Counter::default(),
            cache_evictions: Counter::default(),
            cache_entries: Gauge::default(),
            cache_bytes: Gauge::default(),
            fetches: Family::default(),
            fetch_duration: Family::new_with_constructor(|| Histogram::new(FETCH_BUCKETS_SECONDS)),
            last_success: Family::default(),
            keys: Family::default(),
            unknown_kids: Family::default(),
            suppressed: Family::default(),
            headers_stripped: Family::default(),
            dev_bypass: Gauge::default(),
        }
    }

    /// Adds all metrics to a registry; the names are whole, so the registry should have no prefix.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_verify",
            "Decisions about incoming calls",
            it.verify,
        );
        registry.register_with_unit(
            "hallpass_verify_duration",
            "Time to verify one token, key fetch included",
            Unit::Seconds,
            it.verify_duration,
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
        registry.register(
            "hallpass_verified_token_cache_evictions",
            "Verified tokens dropped for room",
            it.cache_evictions,
        );
        registry.register(
            "hallpass_verified_token_cache_entries",
            "Verified tokens in memory",
            it.cache_entries,
        );
        let bytes = Unit::Bytes;
        registry.register_with_unit(
            "hallpass_verified_token_cache",
            "Size of the cache",
            bytes,
            it.cache_bytes,
        );
        registry.register(
            "hallpass_header_stripped",
            "Identity headers from outside",
            it.headers_stripped,
        );
        registry.register(
            "hallpass_dev_bypass_enabled",
            "1 while permit-all is on",
            it.dev_bypass,
        );
        self.register_keys(registry);
    }

    fn register_keys(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register("hallpass_jwks_fetch", "Key fetches by result", it.fetches);
        registry.register_with_unit(
            "hallpass_jwks_fetch_duration",
            "Time of one key fetch",
            Unit::Seconds,
            it.fetch_duration,
        );
        registry.register_with_unit(
            "hallpass_jwks_last_success_timestamp",
            "When keys were last fetched or confirmed",
            Unit::Seconds,
            it.last_success,
        );
        registry.register("hallpass_jwks_keys", "Usable keys of the issuer", it.keys);
        registry.register(
            "hallpass_jwks_unknown_kid",
            "Tokens that named a key not in the set",
            it.unknown_kids,
        );
        registry.register(
            "hallpass_jwks_refresh_suppressed",
            "Fetches not made, as one was just made",
            it.suppressed,
        );
    }

    pub(crate) fn decision(
        &self,
        result: &'static str,
        reason: &'static str,
        mode: &'static str,
        route: &Arc<str>,
    ) {
        let labels = VerifyLabels {
            result,
            reason,
            mode,
            route: Arc::clone(route),
        };
        self.verify.get_or_create(&labels).inc();
    }

    pub(crate) fn verified(&self, cache_hit: bool, alg: &'static str, took: Duration) {
        let cache = if cache_hit { "hit" } else { "miss" };
        self.verify_duration
            .get_or_create(&DurationLabels { cache, alg })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn cache_lookup(&self, hit: bool) {
        self.cache_requests.inc();
        if hit {
            self.cache_hits.inc();
        }
    }

    pub(crate) fn cache_evictions(&self) -> &Counter {
        &self.cache_evictions
    }

    pub(crate) fn cache_size(&self, entries: usize, bytes: u64) {
        self.cache_entries
            .set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.cache_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn header_stripped(&self, header: &'static str) {
        self.headers_stripped
            .get_or_create(&HeaderLabels { header })
            .inc();
    }

    pub(crate) fn dev_bypass(&self, enabled: bool) {
        self.dev_bypass.set(i64::from(enabled));
    }

    /// Drops the gauges of an issuer that is not trusted any more, so that nobody is alarmed by their age.
    pub(crate) fn forget_keys(&self, issuer: &str) {
        let labels = IssuerLabels {
            issuer: issuer.into(),
        };
        self.last_success.remove(&labels);
        self.keys.remove(&labels);
    }

    /// The metrics of one issuer's keys, under its configured name.
    pub(crate) fn of_keys(&self, issuer: &str) -> KeyMetrics {
        KeyMetrics {
            issuer: issuer.into(),
            all: self.clone(),
        }
    }
}

/// The metrics of one issuer's keys.
#[derive(Debug)]
pub(crate) struct KeyMetrics {
    issuer: Arc<str>,
    all: Metrics,
}

impl KeyMetrics {
    pub(crate) fn fetched(
        &self,
        error: Option<&KeysError>,
        took: Duration,
        now: SystemTime,
        keys: usize,
    ) {
        let issuer = self.labels();
        self.all
            .fetch_duration
            .get_or_create(&issuer)
            .observe(took.as_secs_f64());
        let result = error.map_or("success", KeysError::code);
        if error.is_none() {
            let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.all
                .last_success
                .get_or_create(&issuer)
                .set(i64::try_from(seconds).unwrap_or(i64::MAX));
            self.all
                .keys
                .get_or_create(&issuer)
                .set(i64::try_from(keys).unwrap_or(i64::MAX));
        }
        self.all
            .fetches
            .get_or_create(&FetchLabels {
                issuer: issuer.issuer,
                result,
            })
            .inc();
    }

    pub(crate) fn unknown_kid(&self) {
        self.all.unknown_kids.get_or_create(&self.labels()).inc();
    }

    pub(crate) fn suppressed(&self) {
        self.all.suppressed.get_or_create(&self.labels()).inc();
    }

    fn labels(&self) -> IssuerLabels {
        IssuerLabels {
            issuer: Arc::clone(&self.issuer),
        }
    }
}
