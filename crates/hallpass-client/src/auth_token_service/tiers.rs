//! The cache tiers behind the tokens in memory, asked in order, each within a limit.

use std::sync::Arc;
use std::time::Duration;

use crate::internal_token_cache::{CacheError, InternalTokenCache, StoredToken, TokenKey};
use crate::metrics::{CacheCounters, ClientMetrics};

/// Longest wait for one call to a tier: a cache that is slower than this costs more than it saves.
const TIER_WAIT: Duration = Duration::from_millis(30);

/// The tiers of one token service. None of them can make a call fail.
#[derive(Debug)]
pub(crate) struct Tiers {
    tiers: Vec<Tier>,
    metrics: ClientMetrics,
}

#[derive(Debug)]
struct Tier {
    cache: Arc<dyn InternalTokenCache>,
    counters: CacheCounters,
}

impl Tiers {
    pub(crate) fn new(caches: Vec<Arc<dyn InternalTokenCache>>, metrics: ClientMetrics) -> Self {
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
        mut accept: impl FnMut(StoredToken) -> Option<T> + Send,
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

    pub(crate) async fn put(&self, key: &TokenKey, token: &StoredToken) {
        for tier in &self.tiers {
            self.within_limit(tier, tier.cache.put_token(key, token))
                .await;
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
        self.metrics.tier_failed(name);
        None
    }
}
