//! Which service this is, and which process of it, for metrics.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hallpass_upstream::random_id;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use crate::trusted_issuer::Issuers;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    audience: Arc<str>,
    process: Arc<str>,
}

type Series = Family<InfoLabels, Gauge>;

/// One series for each audience. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct VerifierInfo {
    /// Made up at the start, so that one process behind two addresses is known for one.
    process: Arc<str>,
    shown: Shown,
}

/// Replaced as a whole, so that no scrape finds some of them or none.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<ArcSwap<Series>>);

impl Default for VerifierInfo {
    fn default() -> Self {
        Self {
            process: format!("{:032x}", random_id()).into(),
            shown: Shown::default(),
        }
    }
}

impl VerifierInfo {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_verifier_info",
            "1 for each audience of which tokens are taken",
            self.shown.clone(),
        );
    }

    /// Shows the audiences that hold from now on.
    pub(super) fn show(&self, issuers: &Issuers) {
        let series = Series::default();
        for audience in issuers.iter().flat_map(|it| it.policy.audiences()) {
            let labels = InfoLabels {
                audience: audience.as_str().into(),
                process: Arc::clone(&self.process),
            };
            series.get_or_create(&labels).set(1);
        }
        self.shown.0.store(Arc::new(series));
    }
}

impl EncodeMetric for Shown {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.load().encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Gauge::<i64>::TYPE
    }

    fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }
}
