//! All metrics of a resource server; each is counted, and registered, in the file that it belongs to.

use hallpass_upstream::RevocationMetrics;
use prometheus_client::registry::Registry;

use crate::audit::AuditMetrics;
use crate::blacklist::BlacklistMetrics;
use crate::cache::CacheMetrics;
use crate::deadline_metrics::DeadlineMetrics;
use crate::dpop::ProofMetrics;
use crate::identity_headers::HeaderMetrics;
use crate::introspection::IntrospectionMetrics;
use crate::judge::DecisionMetrics;
use crate::key_source::KeyMetrics;
use crate::mesh::MeshMetrics;
use crate::stream_metrics::StreamMetrics;
use crate::verifier::VerifierMetrics;

/// The metrics of one [`ResourceServer`](crate::ResourceServer). Clones share them.
///
/// Labels are configured names and closed sets, never anything that a caller sent. `docs/metrics.md` lists them all.
#[derive(Clone, Debug, Default)]
pub struct ResourceMetrics {
    pub(crate) decisions: DecisionMetrics,
    pub(crate) audit: AuditMetrics,
    pub(crate) headers: HeaderMetrics,
    pub(crate) verifier: VerifierMetrics,
    pub(crate) cache: CacheMetrics,
    pub(crate) proofs: ProofMetrics,
    pub(crate) keys: KeyMetrics,
    pub(crate) revocations: RevocationMetrics,
    pub(crate) introspection: IntrospectionMetrics,
    pub(crate) blacklist: BlacklistMetrics,
    pub(crate) mesh: MeshMetrics,
    pub(crate) streams: StreamMetrics,
    pub(crate) deadlines: DeadlineMetrics,
}

impl ResourceMetrics {
    /// Adds all of them to a registry. The names begin with `hallpass_`, so the registry should have no prefix.
    pub fn register(&self, registry: &mut Registry) {
        self.decisions.register(registry);
        self.audit.register(registry);
        self.headers.register(registry);
        self.verifier.register(registry);
        self.cache.register(registry);
        self.proofs.register(registry);
        self.keys.register(registry);
        self.revocations.register(registry);
        self.introspection.register(registry);
        self.blacklist.register(registry);
        self.mesh.register(registry);
        self.streams.register(registry);
        self.deadlines.register(registry);
    }
}
