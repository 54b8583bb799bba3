//! What is counted of questions about tokens that may be listed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// How often tokens were looked for among those that were logged out. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlacklistMetrics(Family<ResultLabel, Counter>);

impl BlacklistMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_blacklist_requests",
            "Questions whether a token is listed as logged out, by what was said",
            self.0.clone(),
        );
    }

    pub(super) fn count(&self, result: &'static str) {
        self.0.get_or_create(&ResultLabel { result }).inc();
    }
}
