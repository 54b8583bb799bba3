//! What is counted of token requests.

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

const TOKEN_REQUEST_SECONDS: [f64; 10] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0];

/// Requests to token endpoints: why, how they ended, how long they took. Clones share the numbers.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<ResultLabel, Histogram, fn() -> Histogram>,
    expiry: Family<AudienceLabel, Gauge>,
    renewals: Family<ReasonLabel, Counter>,
    /// Audiences that have a label of their own. Locked only where a token has just been asked for over the network.
    audiences: Arc<Mutex<HashSet<Audience>>>,
}

/// One request to a token endpoint, as it is counted.
pub(crate) struct TokenRequested<'a> {
    pub(crate) audience: &'a Audience,
    pub(crate) grant: &'static str,
    pub(crate) result: &'static str,
    pub(crate) took: Duration,
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
struct AudienceLabel {
    audience: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(TOKEN_REQUEST_SECONDS)),
            expiry: Family::default(),
            renewals: Family::default(),
            audiences: Arc::default(),
        }
    }
}

impl RequestMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_token_request",
            "Requests to the token endpoint, by result",
            it.requests,
        );
        registry.register(
            "hallpass_token_request_duration_seconds",
            "Time of one request to the token endpoint, all its attempts",
            it.seconds,
        );
        registry.register(
            "hallpass_token_expiry_timestamp_seconds",
            "When the newest token for the audience ends",
            it.expiry,
        );
        registry.register(
            "hallpass_token_renewal",
            "Token requests by reason: miss, age or rejected",
            it.renewals,
        );
    }

    pub(crate) fn token_requested(&self, request: &TokenRequested<'_>) {
        let TokenRequested {
            audience,
            grant,
            result,
            took,
        } = *request;
        let audience = self.audience_label(audience);
        let labels = RequestLabels {
            audience,
            grant,
            result,
        };
        self.requests.get_or_create(&labels).inc();
        self.seconds
            .get_or_create(&ResultLabel { result })
            .observe(took.as_secs_f64());
    }

    pub(super) fn token_expires(&self, audience: &Audience, at: UnixTime) {
        let label = AudienceLabel {
            audience: self.audience_label(audience),
        };
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        self.expiry.get_or_create(&label).set(seconds);
    }

    pub(super) fn renewal(&self, reason: &'static str) {
        self.renewals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// An audience may be computed at run time (a gateway), so the number of labels is bounded here.
    fn audience_label(&self, audience: &Audience) -> String {
        let mut known = self
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

impl fmt::Debug for RequestMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMetrics").finish_non_exhaustive()
    }
}
