//! What is counted of questions about tokens, one label an issuer.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of the histogram of questions: an endpoint nearby takes a millisecond, and two seconds are the usual limit.
const BUCKETS_SECONDS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    issuer: Arc<str>,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: Arc<str>,
}

/// What is asked about tokens by all issuers of a server. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct IntrospectionMetrics {
    requests: Family<ResultLabels, Counter>,
    duration: Family<IssuerLabels, Histogram, fn() -> Histogram>,
}

impl Default for IntrospectionMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS_SECONDS)),
        }
    }
}

impl IntrospectionMetrics {
    /// Adds them to a registry, under names that begin with `hallpass_introspection_`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_introspection_requests",
            "Tokens that an issuer was asked about, or was not for a reason, by result",
            it.requests,
        );
        registry.register_with_unit(
            "hallpass_introspection_duration",
            "Time of one question about a token",
            Unit::Seconds,
            it.duration,
        );
    }

    /// Those of one issuer, under its configured name.
    pub(crate) fn of_issuer(&self, issuer: &str) -> IssuerIntrospectionMetrics {
        IssuerIntrospectionMetrics {
            issuer: issuer.into(),
            all: self.clone(),
        }
    }
}

/// What is asked about the tokens of one issuer.
#[derive(Debug)]
pub(crate) struct IssuerIntrospectionMetrics {
    issuer: Arc<str>,
    all: IntrospectionMetrics,
}

impl IssuerIntrospectionMetrics {
    pub(super) fn count(&self, result: &'static str) {
        let issuer = Arc::clone(&self.issuer);
        let labels = ResultLabels { issuer, result };
        self.all.requests.get_or_create(&labels).inc();
    }

    pub(super) fn took(&self, took: Duration) {
        let labels = IssuerLabels {
            issuer: Arc::clone(&self.issuer),
        };
        let duration = self.all.duration.get_or_create(&labels);
        duration.observe(took.as_secs_f64());
    }
}
