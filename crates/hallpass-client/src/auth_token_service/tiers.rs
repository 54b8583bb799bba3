//! The cache tiers behind the tokens in memory, asked in order, each within a limit.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::internal_token_cache::memory::MEMORY_TIER;
use crate::internal_token_cache::{CacheError, InternalTokenCache, SealedToken, TokenKey};

/// Longest wait for one call to a tier: a cache that is slower than this costs more than it saves.
const TIER_WAIT: Duration = Duration::from_millis(30);

/// The tiers of one token service. None of them can make a call fail.
#[derive(Debug)]
pub(crate) struct Tiers {
    tiers: Vec<Tier>,
    metrics: CacheMetrics,
}

#[derive(Debug)]
struct Tier {
    cache: Arc<dyn InternalTokenCache>,
    counters: CacheCounters,
}

impl Tiers {
    pub(crate) fn new(caches: Vec<Arc<dyn InternalTokenCache>>, metrics: CacheMetrics) -> Self {
        let tiers = caches.into_iter().map(|cache| Tier {
            counters: metrics.tier(cache.name()),
            cache,
        });
        Self {
            tiers: tiers.collect(),
            metrics,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// What `accept` makes of the first token that it takes. Later tiers are not asked then.
    pub(crate) async fn find<T>(
        &self,
        key: &TokenKey,
        mut accept: impl FnMut(SealedToken) -> Option<T> + Send,
    ) -> Option<T> {
        for tier in &self.tiers {
            tier.counters.requests.inc();
            let stored = self.within_limit(tier, tier.cache.get_token(key)).await;
            if let Some(found) = stored.flatten().and_then(&mut accept) {
                tier.counters.hits.inc();
                return Some(found);
            }
        }
        None
    }

    pub(crate) async fn put(&self, key: &TokenKey, token: &SealedToken, keep_for: Duration) {
        for tier in &self.tiers {
            let put = tier.cache.put_token(key, token, keep_for);
            self.within_limit(tier, put).await;
        }
    }

    pub(crate) async fn evict(&self, key: &TokenKey) {
        for tier in &self.tiers {
            self.within_limit(tier, tier.cache.evict(key)).await;
        }
    }

    /// What a tier returned; `None` when it failed or took too long, which is counted.
    async fn within_limit<T>(
        &self,
        tier: &Tier,
        call: impl Future<Output = Result<T, CacheError>>,
    ) -> Option<T> {
        let name = tier.cache.name();
        match tokio::time::timeout(TIER_WAIT, call).await {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) => tracing::debug!(tier = name, %error, "a token cache tier failed"),
            Err(_) => tracing::debug!(tier = name, "a token cache tier took too long"),
        }
        self.metrics.failed(name);
        None
    }
}

/// Look-ups of service tokens by tier, the process's own memory included. Clones share the numbers.
#[derive(Clone, Debug)]
pub(crate) struct CacheMetrics {
    requests: Family<TierLabel, Counter>,
    hits: Family<TierLabel, Counter>,
    errors: Family<TierLabel, Counter>,
    /// Found once and held, because every call counts here.
    memory: CacheCounters,
}

/// Look-ups in one tier, and how many of them it served.
#[derive(Clone, Debug)]
pub(crate) struct CacheCounters {
    pub(crate) requests: Counter,
    pub(crate) hits: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

impl Default for CacheMetrics {
    fn default() -> Self {
        let (requests, hits) = (Family::default(), Family::default());
        Self {
            memory: CacheCounters::of(MEMORY_TIER, &requests, &hits),
            requests,
            hits,
            errors: Family::default(),
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
    }

    /// The counters of the tokens that the service keeps in memory itself.
    pub(crate) const fn memory(&self) -> &CacheCounters {
        &self.memory
    }

    fn tier(&self, tier: &'static str) -> CacheCounters {
        CacheCounters::of(tier, &self.requests, &self.hits)
    }

    fn failed(&self, tier: &'static str) {
        self.errors.get_or_create(&TierLabel { tier }).inc();
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
