//! What external authorization counts, below the prefix `hallpass_`.

use hallpass_listen::ConnectionMetrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A decision from memory takes some ten microseconds, one that fetches keys or tokens up to some seconds.
const BUCKETS: [f64; 9] = [
    0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QuestionLabels {
    protocol: &'static str,
    result: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    protocol: &'static str,
    fault: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabels {
    protocol: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    identity: &'static str,
    result: &'static str,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Result {
    /// The request may pass.
    Allowed,
    /// It may not.
    Refused,
    /// The question could not be understood; the request may not pass.
    NotUnderstood,
    /// Something was not there in time; the request may not pass.
    Unavailable,
}

impl Result {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::NotUnderstood => "not_understood",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Counts of external authorization. Clones share the numbers.
#[derive(Clone, Debug)]
pub(crate) struct AuthzMetrics {
    questions: Family<QuestionLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    durations: Family<ProtocolLabels, Histogram, fn() -> Histogram>,
    tokens: Family<TokenLabels, Counter>,
    untrusted: Counter,
    pub(crate) connections: ConnectionMetrics,
}

impl Default for AuthzMetrics {
    fn default() -> Self {
        Self {
            questions: Family::default(),
            faults: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            tokens: Family::default(),
            untrusted: Counter::default(),
            connections: ConnectionMetrics::default(),
        }
    }
}

impl AuthzMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let authz = registry.sub_registry_with_prefix("authz");
        authz.register(
            "questions",
            "Questions of proxies, by how they were answered",
            self.questions.clone(),
        );
        authz.register(
            "faults",
            "Questions that could not be understood, by what is wrong",
            self.faults.clone(),
        );
        authz.register(
            "duration_seconds",
            "How long the answers took",
            self.durations.clone(),
        );
        authz.register(
            "upstream_tokens",
            "Tokens for upstreams that were handed out, or not",
            self.tokens.clone(),
        );
        authz.register(
            "untrusted",
            "Questions and connections from addresses that are no trusted proxies",
            self.untrusted.clone(),
        );
        self.connections.register(authz);
    }

    pub(crate) fn answered(&self, protocol: &'static str, result: Result, seconds: f64) {
        let result = result.as_str();
        self.questions
            .get_or_create(&QuestionLabels { protocol, result })
            .inc();
        self.durations
            .get_or_create(&ProtocolLabels { protocol })
            .observe(seconds);
    }

    pub(crate) fn fault(&self, protocol: &'static str, fault: &'static str) {
        self.faults
            .get_or_create(&FaultLabels { protocol, fault })
            .inc();
    }

    pub(crate) fn token(&self, identity: &'static str, result: &'static str) {
        self.tokens
            .get_or_create(&TokenLabels { identity, result })
            .inc();
    }

    pub(crate) fn untrusted(&self) {
        self.untrusted.inc();
    }
}
