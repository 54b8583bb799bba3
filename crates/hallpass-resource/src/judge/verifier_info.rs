//! Which service this is, and which process of it, for metrics.

use std::sync::Arc;

use hallpass_upstream::random_id;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::trusted_issuer::Issuers;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    audience: Arc<str>,
    process: Arc<str>,
}

/// One series for each audience. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct VerifierInfo {
    /// Made up at the start, so that one process behind two addresses is known for one.
    process: Arc<str>,
    info: Family<InfoLabels, Gauge>,
}

impl Default for VerifierInfo {
    fn default() -> Self {
        Self {
            process: format!("{:032x}", random_id()).into(),
            info: Family::default(),
        }
    }
}

impl VerifierInfo {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_verifier_info",
            "1 for each audience of which tokens are taken",
            self.info.clone(),
        );
    }

    /// Shows the audiences that hold from now on.
    pub(super) fn show(&self, issuers: &Issuers) {
        self.info.clear();
        for audience in issuers.iter().flat_map(|it| it.policy.audiences()) {
            let labels = InfoLabels {
                audience: audience.as_str().into(),
                process: Arc::clone(&self.process),
            };
            self.info.get_or_create(&labels).set(1);
        }
    }
}
