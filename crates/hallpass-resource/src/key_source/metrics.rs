//! What key sources count, one label an issuer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::KeysError;

/// Bounds of the key fetch histogram.
const FETCH_BUCKETS_SECONDS: [f64; 10] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    issuer: Arc<str>,
    result: &'static str,
}

/// What key sources count, those of a resource server or of whoever else has some
/// ([`KeySource::count_in`](crate::KeySource::count_in)). Clones share the numbers.
#[derive(Clone, Debug)]
pub struct KeyMetrics {
    fetches: Family<FetchLabels, Counter>,
    fetch_duration: Family<IssuerLabels, Histogram, fn() -> Histogram>,
    last_success: Family<IssuerLabels, Gauge>,
    keys: Family<IssuerLabels, Gauge>,
    unknown_kids: Family<IssuerLabels, Counter>,
    suppressed: Family<IssuerLabels, Counter>,
}

impl Default for KeyMetrics {
    fn default() -> Self {
        Self {
            fetches: Family::default(),
            fetch_duration: Family::new_with_constructor(|| Histogram::new(FETCH_BUCKETS_SECONDS)),
            last_success: Family::default(),
            keys: Family::default(),
            unknown_kids: Family::default(),
            suppressed: Family::default(),
        }
    }
}

impl KeyMetrics {
    /// Adds them to a registry under their full names, so the registry should have no prefix.
    pub fn register(&self, registry: &mut Registry) {
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

    /// The metrics of one issuer's keys, under its configured name.
    pub(crate) fn of_issuer(&self, issuer: &str) -> IssuerKeyMetrics {
        IssuerKeyMetrics {
            issuer: issuer.into(),
            all: self.clone(),
        }
    }

    /// Drops the gauges of an issuer that is not trusted any more, so that no alert fires for their age.
    pub fn forget(&self, issuer: &str) {
        let labels = IssuerLabels {
            issuer: issuer.into(),
        };
        self.last_success.remove(&labels);
        self.keys.remove(&labels);
    }
}

/// The metrics of one issuer's keys.
#[derive(Debug)]
pub(crate) struct IssuerKeyMetrics {
    issuer: Arc<str>,
    all: KeyMetrics,
}

impl IssuerKeyMetrics {
    pub(super) fn fetched(
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

    pub(super) fn unknown_kid(&self) {
        self.all.unknown_kids.get_or_create(&self.labels()).inc();
    }

    pub(super) fn suppressed(&self) {
        self.all.suppressed.get_or_create(&self.labels()).inc();
    }

    fn labels(&self) -> IssuerLabels {
        IssuerLabels {
            issuer: Arc::clone(&self.issuer),
        }
    }
}
