//! What the client counts. Names are fixed (`docs/metrics.md`); labels are configured names, never users or tokens.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_token::{Audience, UnixTime};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Different audiences that get a label of their own; further ones share [`OTHER_AUDIENCE`].
const MAX_AUDIENCE_LABELS: usize = 200;
/// The label of audiences beyond [`MAX_AUDIENCE_LABELS`].
const OTHER_AUDIENCE: &str = "other";
/// The tier label of the process's own memory.
pub(crate) const MEMORY_TIER: &str = "memory";

const TOKEN_REQUEST_SECONDS: [f64; 10] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0];

/// The client's metrics. Cloning shares them; a clone that is never registered costs a few counters.
///
/// Names carry the prefix `hallpass_` themselves: register them in a registry without prefix.
#[derive(Clone)]
pub struct ClientMetrics {
    families: Arc<Families>,
    memory: CacheCounters,
}

struct Families {
    /// Audiences that have a label of their own.
    audiences: Mutex<HashSet<Audience>>,
    cache_requests: Family<TierLabel, Counter>,
    cache_hits: Family<TierLabel, Counter>,
    cache_errors: Family<TierLabel, Counter>,
    token_requests: Family<RequestLabels, Counter>,
    token_request_seconds: Family<ResultLabel, Histogram, fn() -> Histogram>,
    token_expiry: Family<AudienceLabel, Gauge>,
    renewals: Family<ReasonLabel, Counter>,
    replays: Family<ResultLabel, Counter>,
    relays: Family<ResultLabel, Counter>,
    missing_identity: Family<ServiceLabel, Counter>,
    host_refused: Family<ServiceLabel, Counter>,
}

/// Requests to one cache tier and how many of them it served.
#[derive(Clone, Debug)]
pub(crate) struct CacheCounters {
    pub(crate) requests: Counter,
    pub(crate) hits: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    audience: String,
    grant: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AudienceLabel {
    audience: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceLabel {
    service: String,
}

impl ClientMetrics {
    /// Metrics that nobody reads until they are [registered](Self::register).
    #[must_use]
    pub fn new() -> Self {
        let families = Families {
            audiences: Mutex::default(),
            cache_requests: Family::default(),
            cache_hits: Family::default(),
            cache_errors: Family::default(),
            token_requests: Family::default(),
            token_request_seconds: Family::new_with_constructor(|| {
                Histogram::new(TOKEN_REQUEST_SECONDS)
            }),
            token_expiry: Family::default(),
            renewals: Family::default(),
            replays: Family::default(),
            relays: Family::default(),
            missing_identity: Family::default(),
            host_refused: Family::default(),
        };
        let memory = families.cache(MEMORY_TIER);
        Self {
            families: Arc::new(families),
            memory,
        }
    }

    /// Adds the metrics to `registry`. Registering twice exports them twice.
    pub fn register(&self, registry: &mut Registry) {
        let all = &self.families;
        registry.register(
            "hallpass_token_cache_requests",
            "Look-ups of service tokens, by cache tier",
            all.cache_requests.clone(),
        );
        registry.register(
            "hallpass_token_cache_hits",
            "Look-ups of service tokens that the tier served",
            all.cache_hits.clone(),
        );
        registry.register(
            "hallpass_token_cache_errors",
            "Calls to a cache tier that failed or took too long",
            all.cache_errors.clone(),
        );
        registry.register(
            "hallpass_token_request",
            "Requests to the token endpoint, by result",
            all.token_requests.clone(),
        );
        registry.register(
            "hallpass_token_request_duration_seconds",
            "Time of one request to the token endpoint, all its attempts",
            all.token_request_seconds.clone(),
        );
        registry.register(
            "hallpass_token_expiry_timestamp_seconds",
            "When the newest token for the audience ends",
            all.token_expiry.clone(),
        );
        registry.register(
            "hallpass_token_renewal",
            "Token requests by reason: miss, age or rejected",
            all.renewals.clone(),
        );
        registry.register(
            "hallpass_token_replay",
            "Calls that were answered 401 invalid_token, by what became of them",
            all.replays.clone(),
        );
        registry.register(
            "hallpass_relay",
            "Calls that should carry the identity of the inbound request, by result",
            all.relays.clone(),
        );
        registry.register(
            "hallpass_missing_identity",
            "Calls stopped because the identity they need was missing",
            all.missing_identity.clone(),
        );
        registry.register(
            "hallpass_foreign_host_refused",
            "Calls stopped by the host guard",
            all.host_refused.clone(),
        );
    }

    pub(crate) fn memory(&self) -> &CacheCounters {
        &self.memory
    }

    pub(crate) fn tier(&self, tier: &'static str) -> CacheCounters {
        self.families.cache(tier)
    }

    pub(crate) fn tier_failed(&self, tier: &'static str) {
        self.families
            .cache_errors
            .get_or_create(&TierLabel { tier })
            .inc();
    }

    pub(crate) fn token_requested(&self, request: &TokenRequested<'_>) {
        let TokenRequested {
            audience,
            grant,
            result,
            took,
        } = *request;
        let audience = self.audience_label(audience);
        self.families
            .token_requests
            .get_or_create(&RequestLabels {
                audience,
                grant,
                result,
            })
            .inc();
        self.families
            .token_request_seconds
            .get_or_create(&ResultLabel { result })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn token_expires(&self, audience: &Audience, at: UnixTime) {
        let label = AudienceLabel {
            audience: self.audience_label(audience),
        };
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        self.families
            .token_expiry
            .get_or_create(&label)
            .set(seconds);
    }

    pub(crate) fn renewal(&self, reason: &'static str) {
        self.families
            .renewals
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    pub(crate) fn replay(&self, result: &'static str) {
        self.families
            .replays
            .get_or_create(&ResultLabel { result })
            .inc();
    }

    pub(crate) fn relay(&self, result: &'static str) {
        self.families
            .relays
            .get_or_create(&ResultLabel { result })
            .inc();
    }

    pub(crate) fn missing_identity(&self, service: &str) {
        self.families
            .missing_identity
            .get_or_create(&ServiceLabel {
                service: service.to_owned(),
            })
            .inc();
    }

    pub(crate) fn host_refused(&self, service: &str) {
        self.families
            .host_refused
            .get_or_create(&ServiceLabel {
                service: service.to_owned(),
            })
            .inc();
    }

    /// An audience may be computed at run time (a gateway), so the number of labels is bounded here.
    fn audience_label(&self, audience: &Audience) -> String {
        let mut known = self
            .families
            .audiences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !known.contains(audience) {
            if known.len() >= MAX_AUDIENCE_LABELS {
                return OTHER_AUDIENCE.to_owned();
            }
            known.insert(audience.clone());
        }
        audience.as_str().to_owned()
    }
}

impl Families {
    fn cache(&self, tier: &'static str) -> CacheCounters {
        let label = TierLabel { tier };
        CacheCounters {
            requests: self.cache_requests.get_or_create_owned(&label),
            hits: self.cache_hits.get_or_create_owned(&label),
        }
    }
}

/// One request to a token endpoint, as it is counted.
pub(crate) struct TokenRequested<'a> {
    pub(crate) audience: &'a Audience,
    pub(crate) grant: &'static str,
    pub(crate) result: &'static str,
    pub(crate) took: Duration,
}

impl Default for ClientMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ClientMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMetrics").finish_non_exhaustive()
    }
}
