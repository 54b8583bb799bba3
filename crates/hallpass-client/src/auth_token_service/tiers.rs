//! The cache tiers behind the tokens in memory, asked in order, each within a limit.

use std::sync::Arc;
use std::time::Duration;

use crate::internal_token_cache::eviction_notice::EvictionNotice;
use crate::internal_token_cache::lease::{Lease, LeaseId};
use crate::internal_token_cache::{CacheError, InternalTokenCache, SealedToken, TokenKey};

pub(crate) mod metrics;

use metrics::{CacheCounters, CacheMetrics, LeaseResult};

/// Longest wait for one call to a tier: a cache that is slower than this costs more than it saves.
const TIER_WAIT: Duration = Duration::from_millis(30);
/// How long a lease holds without being extended: what a holder that dies costs the others at most.
const LEASE_LIFE: Duration = Duration::from_secs(1);
/// How often it is extended while the issuer is being asked.
const EXTEND_EVERY: Duration = Duration::from_millis(300);

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

/// The leases that a process holds while it asks the issuer: at most one a tier, and none where no tier has any.
#[derive(Debug, Default)]
pub(crate) struct Leases(Vec<(usize, LeaseId)>);

/// A tier failed, or took too long.
#[derive(Debug)]
pub(crate) struct Unanswered;

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

    pub(crate) const fn metrics(&self) -> &CacheMetrics {
        &self.metrics
    }

    pub(crate) fn caches(&self) -> impl Iterator<Item = &Arc<dyn InternalTokenCache>> {
        self.tiers.iter().map(|tier| &tier.cache)
    }

    /// What `accept` makes of the first token that it takes. Later tiers are not asked then.
    ///
    /// # Errors
    /// When none was taken, and a tier did not say what it has.
    pub(crate) async fn find<T>(
        &self,
        key: &TokenKey,
        accept: impl FnMut(SealedToken) -> Option<T> + Send,
    ) -> Result<Option<T>, Unanswered> {
        for tier in &self.tiers {
            tier.counters.requests.inc();
        }
        self.find_again(key, accept).await
    }

    /// The same for somebody who waits for a token that another process will put there: all its looks count as one look-up.
    pub(crate) async fn find_again<T>(
        &self,
        key: &TokenKey,
        mut accept: impl FnMut(SealedToken) -> Option<T> + Send,
    ) -> Result<Option<T>, Unanswered> {
        let mut absent = Ok(None);
        for tier in &self.tiers {
            match self.within_limit(tier, tier.cache.get_token(key)).await {
                Some(stored) => {
                    if let Some(found) = stored.and_then(&mut accept) {
                        tier.counters.hits.inc();
                        return Ok(Some(found));
                    }
                }
                None => absent = Err(Unanswered),
            }
        }
        absent
    }

    pub(crate) async fn put(&self, key: &TokenKey, token: &SealedToken, keep_for: Duration) {
        for tier in &self.tiers {
            let put = tier.cache.put_token(key, token, keep_for);
            self.within_limit(tier, put).await;
        }
    }

    /// Has each tier forget what it keeps for `key`, unless it can say that it keeps something else than what `goes`. Whether all did.
    pub(crate) async fn evict(&self, key: &TokenKey, goes: impl Fn(&SealedToken) -> bool) -> bool {
        let mut is_done = true;
        for tier in &self.tiers {
            let stored = self.within_limit(tier, tier.cache.get_token(key)).await;
            if !matches!(stored, Some(Some(kept)) if !goes(&kept)) {
                let evicted = self.within_limit(tier, tier.cache.evict(key)).await;
                is_done &= evicted.is_some();
            }
        }
        is_done
    }

    /// Tells everybody who shares a tier. Whether all tiers took it.
    pub(crate) async fn announce(&self, notice: &EvictionNotice) -> bool {
        let mut is_done = true;
        for tier in &self.tiers {
            let announced = self.within_limit(tier, tier.cache.announce(notice)).await;
            is_done &= announced.is_some();
        }
        is_done
    }

    /// Asks each tier to be the one who asks the issuer. `None`: another process is, and nothing is held. A tier that does
    /// not say so in time, or has no leases, lets everybody ask.
    pub(crate) async fn lease(&self, key: &TokenKey) -> Option<Leases> {
        let mut leases = Leases::default();
        for (number, tier) in self.tiers.iter().enumerate() {
            match self
                .within_limit(tier, tier.cache.lease(key, LEASE_LIFE))
                .await
            {
                Some(Lease::Held(id)) => leases.0.push((number, id)),
                Some(Lease::Unknown) => {}
                Some(Lease::Elsewhere) => {
                    self.release(key, leases).await;
                    return None;
                }
                None => self.metrics.leased(LeaseResult::Error),
            }
        }
        Some(leases)
    }

    /// Does `work`, and keeps the leases meanwhile.
    pub(crate) async fn holding<T>(
        &self,
        key: &TokenKey,
        leases: &Leases,
        work: impl Future<Output = T>,
    ) -> T {
        if leases.is_empty() {
            return work.await;
        }
        let extending = async {
            loop {
                tokio::time::sleep(EXTEND_EVERY).await;
                self.extend(key, leases).await;
            }
        };
        tokio::select! {
            done = work => done,
            never = extending => never,
        }
    }

    async fn extend(&self, key: &TokenKey, leases: &Leases) {
        for (tier, id) in self.held(leases) {
            self.within_limit(tier, tier.cache.extend(key, id, LEASE_LIFE))
                .await;
        }
    }

    pub(crate) async fn release(&self, key: &TokenKey, leases: Leases) {
        for (tier, id) in self.held(&leases) {
            self.within_limit(tier, tier.cache.release(key, id)).await;
        }
    }

    fn held<'a>(&'a self, leases: &'a Leases) -> impl Iterator<Item = (&'a Tier, &'a LeaseId)> {
        let held = leases.0.iter();
        held.filter_map(|(number, id)| Some((self.tiers.get(*number)?, id)))
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

impl Leases {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
