//! What is counted of refresh tokens.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as MetricFamily;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What was done with a refresh token, in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Done {
    /// The first one of a family was given.
    Begun,
    /// It was used, and none takes its place.
    Kept,
    /// The successor was given.
    Replaced,
    /// The successor was given again.
    Repeated,
    /// The family was revoked, since a token came that had been replaced.
    Reused,
    /// The family was revoked by its client.
    Revoked,
    /// None was given, since the store did not take it.
    NotStored,
    /// None was given, since there are too many families.
    TooMany,
}

impl Done {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Kept => "kept",
            Self::Replaced => "replaced",
            Self::Repeated => "repeated",
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::NotStored => "not_stored",
            Self::TooMany => "too_many",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct RefreshMetrics {
    families: Gauge,
    tokens: MetricFamily<ResultLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl RefreshMetrics {
    pub(super) fn done(&self, result: Done) {
        let result = result.as_str();
        self.tokens.get_or_create(&ResultLabel { result }).inc();
    }

    pub(super) fn counts(&self, known: usize) {
        let families = i64::try_from(known).unwrap_or(i64::MAX);
        self.families.set(families);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        // Shown from the start, so that the first one is an increase: somebody is to be woken by it.
        let result = Done::Reused.as_str();
        drop(self.tokens.get_or_create(&ResultLabel { result }));
        registry.register(
            "refresh_families",
            "Refresh tokens that count or ended a short while ago, each with all that it replaced",
            self.families.clone(),
        );
        registry.register(
            "refresh_tokens",
            "What was done with refresh tokens",
            self.tokens.clone(),
        );
    }
}
