//! What is counted of identities that a mesh gives.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// What became of the identities that a mesh gives. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct MeshMetrics(Family<ResultLabel, Counter>);

impl MeshMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_mesh_identities",
            "Requests by what the proxy of a mesh says of their caller",
            self.0.clone(),
        );
    }

    pub(super) fn count(&self, result: &'static str) {
        self.0.get_or_create(&ResultLabel { result }).inc();
    }
}
