//! What the token endpoint counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From 5 microseconds: a token takes tens of them, a chosen secret's first check tens of milliseconds.
const DURATION_BUCKETS_SECONDS: [f64; 14] = [
    5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0,
];

/// Counts of the token endpoint. Tokens per client and audience are counted at the registered target.
pub(crate) struct TokenMetrics {
    /// All tokens of all clients; read by the program itself and not exported.
    pub(crate) issued: Counter,
    pub(crate) duration: Histogram,
    refused: Family<ReasonLabel, Counter>,
    questions: Family<QuestionLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuestionLabels {
    endpoint: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Default for TokenMetrics {
    fn default() -> Self {
        Self {
            issued: Counter::default(),
            duration: Histogram::new(DURATION_BUCKETS_SECONDS),
            refused: Family::default(),
            questions: Family::default(),
        }
    }
}

impl TokenMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "token_requests_refused",
            "Token requests refused",
            self.refused.clone(),
        );
        registry.register(
            "token_questions",
            "Requests to revoke or to introspect a token that were answered",
            self.questions.clone(),
        );
        registry.register(
            "token_endpoint_duration_seconds",
            "Time from a complete request to its response",
            self.duration.clone(),
        );
    }

    /// Counts one request about a token that was answered.
    pub(crate) fn asked(&self, endpoint: &'static str, result: &'static str) {
        self.questions
            .get_or_create(&QuestionLabels { endpoint, result })
            .inc();
    }

    /// Counts one refusal by its stable name.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }
}
