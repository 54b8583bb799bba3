//! What is counted of the tiers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::internal_token_cache::memory::MEMORY_TIER;

/// Look-ups of service tokens by tier, the process's own memory included, and what processes agree on through tiers. Clones
/// share the numbers.
#[derive(Clone, Debug)]
pub(crate) struct CacheMetrics {
    requests: Family<TierLabel, Counter>,
    hits: Family<TierLabel, Counter>,
    errors: Family<TierLabel, Counter>,
    leases: Family<ResultLabel, Counter>,
    notices: Family<ResultLabel, Counter>,
    /// Found once and held, because every call counts here.
    memory: CacheCounters,
}

/// Look-ups in one tier, and how many of them it served.
#[derive(Clone, Debug)]
pub(crate) struct CacheCounters {
    pub(crate) requests: Counter,
    pub(crate) hits: Counter,
}

/// What came of asking for a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeaseResult {
    /// This process asks the issuer, and the others wait.
    Held,
    /// Another process has it: this one begins to wait.
    Elsewhere,
    /// The other one's token came.
    Waited,
    /// It did not come in time, so this process asks the issuer too.
    Expired,
    /// The tier did not say, so this process asks the issuer too.
    Error,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

/// What came of a notice of an eviction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoticeResult {
    /// Tokens are not used any more because of it.
    Followed,
    /// Nothing that was not known already.
    Known,
    /// Nobody who knows the client's secret has made it.
    Refused,
    /// Some may have been missed.
    Missed,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Default for CacheMetrics {
    fn default() -> Self {
        let (requests, hits) = (Family::default(), Family::default());
        Self {
            memory: CacheCounters::of(MEMORY_TIER, &requests, &hits),
            requests,
            hits,
            errors: Family::default(),
            leases: Family::default(),
            notices: Family::default(),
        }
    }
}

impl CacheMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_token_cache_requests",
            "Look-ups of service tokens, by cache tier",
            it.requests,
        );
        registry.register(
            "hallpass_token_cache_hits",
            "Look-ups of service tokens that the tier served",
            it.hits,
        );
        registry.register(
            "hallpass_token_cache_errors",
            "Calls to a cache tier that failed or took too long",
            it.errors,
        );
        registry.register(
            "hallpass_token_lease",
            "Which process asks the issuer: held, elsewhere, waited, expired or error",
            it.leases,
        );
        registry.register(
            "hallpass_token_eviction_notice",
            "Evictions that other processes announced: followed, known, refused or missed",
            it.notices,
        );
    }

    /// The counters of the tokens that the service keeps in memory itself.
    pub(crate) const fn memory(&self) -> &CacheCounters {
        &self.memory
    }

    pub(super) fn tier(&self, tier: &'static str) -> CacheCounters {
        CacheCounters::of(tier, &self.requests, &self.hits)
    }

    pub(super) fn failed(&self, tier: &'static str) {
        self.errors.get_or_create(&TierLabel { tier }).inc();
    }

    pub(crate) fn leased(&self, result: LeaseResult) {
        let result = match result {
            LeaseResult::Held => "held",
            LeaseResult::Elsewhere => "elsewhere",
            LeaseResult::Waited => "waited",
            LeaseResult::Expired => "expired",
            LeaseResult::Error => "error",
        };
        self.leases.get_or_create(&ResultLabel { result }).inc();
    }

    pub(crate) fn noticed(&self, result: NoticeResult) {
        let result = match result {
            NoticeResult::Followed => "followed",
            NoticeResult::Known => "known",
            NoticeResult::Refused => "refused",
            NoticeResult::Missed => "missed",
        };
        self.notices.get_or_create(&ResultLabel { result }).inc();
    }
}

impl CacheCounters {
    fn of(
        tier: &'static str,
        requests: &Family<TierLabel, Counter>,
        hits: &Family<TierLabel, Counter>,
    ) -> Self {
        let label = TierLabel { tier };
        Self {
            requests: requests.get_or_create_owned(&label),
            hits: hits.get_or_create_owned(&label),
        }
    }
}
