//! What all clones and handles of one token service share.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{Audience, Scope};
use hallpass_upstream::random_fraction;

use super::entries::Entries;
use super::entry::Entry;
use super::flight::{Joined, Reason, TIER_WAIT, settle};
use super::issued::{IssuedToken, Minted, TokenSource, bearer_header, shared};
use super::lifetime::{Age, Lifetime, Now, Phase};
use crate::credential::Credential;
use crate::error::{AnswerFault, TokenError};
use crate::grant::TokenClient;
use crate::internal_token_cache::{CacheError, InternalTokenCache, StoredToken, TokenKey};
use crate::metrics::{CacheCounters, ClientMetrics};

/// How long a call waits for a new token while it holds an old one that is overdue but alive.
pub const OVERDUE_WAIT: Duration = Duration::from_millis(100);

pub(crate) struct Inner {
    /// The first one is the section's own; the others are chosen by audience. None: switched off.
    pub(crate) credentials: Vec<Credential>,
    pub(crate) by_audience: HashMap<Audience, usize>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) client: TokenClient,
    pub(crate) keeps: bool,
    pub(crate) tiers: Vec<Tier>,
    pub(crate) entries: Entries,
    pub(crate) metrics: ClientMetrics,
    pub(crate) generations: AtomicU64,
    pub(crate) min_forced_interval: Duration,
}

/// A cache tier and its counters; none for the memory tier, which is counted at the hot copy.
pub(crate) struct Tier {
    pub(crate) cache: Arc<dyn InternalTokenCache>,
    pub(crate) counters: Option<CacheCounters>,
}

impl Tier {
    pub(crate) fn asked(&self) {
        if let Some(counters) = &self.counters {
            counters.requests.inc();
        }
    }

    pub(crate) fn served(&self) {
        if let Some(counters) = &self.counters {
            counters.hits.inc();
        }
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic: self.clock.monotonic(),
            wall: self.clock.now(),
        }
    }

    pub(crate) fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    pub(crate) fn has_tiers(&self) -> bool {
        !self.tiers.is_empty()
    }

    pub(crate) fn credential(&self, entry: &Entry) -> Option<&Credential> {
        self.credentials.get(entry.credential)
    }

    /// The entry of `audience` and `scope`; an empty scope stands for the credential's own.
    pub(crate) fn entry(&self, audience: &Audience, scope: &Scope) -> Option<Arc<Entry>> {
        let index = self.by_audience.get(audience).copied().unwrap_or_default();
        let credential = self.credentials.get(index)?;
        let scope = if scope.is_empty() {
            &credential.scope
        } else {
            scope
        };
        let key = TokenKey::new(
            &credential.issuer,
            credential.client_id.clone(),
            audience.clone(),
            scope.clone(),
        );
        Some(
            self.entries
                .get_or_make(&key, || Entry::new(key.clone(), index, self.keeps)),
        )
    }

    /// The hot path: hands the token in memory to `take` while it may be used without asking anybody, and
    /// starts its renewal when that is due. No lock, no allocation.
    #[inline]
    pub(crate) fn hot<R>(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        take: impl FnOnce(&Arc<Minted>) -> R,
    ) -> Option<R> {
        let counters = self.metrics.memory();
        counters.requests.inc();
        let now = self.now();
        let (taken, due) = entry.with_current(|minted| match minted.lifetime.phase(now) {
            Phase::Fresh => Some((take(minted), false)),
            Phase::Due => Some((take(minted), true)),
            Phase::Overdue if entry.is_failing() => Some((take(minted), true)),
            Phase::Overdue | Phase::Ended => None,
        })??;
        counters.hits.inc();
        if due && !entry.is_quiet(now.monotonic) {
            // The call goes on with the token it has; the outcome shows in metrics and in later calls.
            drop(self.join(entry, Reason::Age));
        }
        Some(taken)
    }

    pub(crate) async fn token(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
    ) -> Result<IssuedToken, TokenError> {
        let hot = self.hot(entry, Arc::clone);
        if let Some(minted) = hot {
            return Ok(IssuedToken {
                minted,
                source: TokenSource::Cache,
            });
        }
        self.token_not_hot(entry).await
    }

    /// The rest of [`Inner::token`], for callers that have looked at the hot copy just now: a call counts as one look-up.
    pub(crate) async fn token_not_hot(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
    ) -> Result<IssuedToken, TokenError> {
        let old = entry.current().filter(|token| self.is_alive(token));
        let waiting = match (self.join(entry, Reason::Miss), &old) {
            (Ok(Joined::Current(token)), _) => return Ok(token),
            (Ok(Joined::Waiting(waiting)), _) => waiting,
            (Err(_), Some(old)) => return Ok(old.clone()),
            (Err(error), None) => return Err(error),
        };
        let Some(old) = old else {
            return self.settle(waiting).await;
        };
        match tokio::time::timeout(OVERDUE_WAIT, self.settle(waiting.clone())).await {
            Ok(Ok(token)) => Ok(token),
            _ if self.is_alive(&old) => Ok(old),
            Ok(Err(error)) => Err(error),
            // The old one has ended meanwhile: from now on this is a call like any other that has none.
            Err(_) => self.settle(waiting).await,
        }
    }

    pub(crate) async fn refresh_if_needed(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
    ) -> Result<bool, TokenError> {
        match self.join(entry, Reason::Age)? {
            Joined::Current(_) => Ok(false),
            Joined::Waiting(waiting) => self.settle(waiting).await.map(|_| true),
        }
    }

    pub(crate) async fn renew_rejected(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        generation: u64,
    ) -> Result<IssuedToken, TokenError> {
        match self.join(entry, Reason::Rejected { generation })? {
            Joined::Current(token) => Ok(token),
            Joined::Waiting(waiting) => self.settle(waiting).await,
        }
    }

    pub(crate) async fn evict(&self, entry: &Entry) {
        entry.forget();
        self.evict_from_tiers(&entry.key).await;
        // Once more: meanwhile a call may have found the token in a tier that had not forgotten it yet.
        entry.forget();
    }

    pub(crate) async fn evict_from_tiers(&self, key: &TokenKey) {
        for tier in &self.tiers {
            match tokio::time::timeout(TIER_WAIT, tier.cache.evict(key)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.tier_failed(tier, Some(&error)),
                Err(_) => self.tier_failed(tier, None),
            }
        }
    }

    /// Makes the parts of a token that calls share.
    pub(crate) fn mint(
        &self,
        entry: &Entry,
        stored: StoredToken,
        age: Age,
        source: TokenSource,
    ) -> Option<IssuedToken> {
        let cache_life = self.credential(entry)?.life;
        let authorization = shared(bearer_header(&stored.access_token)?);
        let minted = Minted {
            authorization,
            access_token: stored.access_token,
            issued_at: stored.issued_at,
            expires_at: stored.expires_at,
            generation: self.generations.fetch_add(1, Ordering::Relaxed) + 1,
            lifetime: Lifetime::new(age, cache_life, random_fraction()),
        };
        Some(IssuedToken {
            minted: Arc::new(minted),
            source,
        })
    }

    pub(crate) fn tier_failed(&self, tier: &Tier, error: Option<&CacheError>) {
        let name = tier.cache.name();
        self.metrics.tier_failed(name);
        match error {
            Some(error) => tracing::debug!(tier = name, %error, "a token cache tier failed"),
            None => tracing::debug!(tier = name, "a token cache tier took too long"),
        }
    }

    fn is_alive(&self, token: &IssuedToken) -> bool {
        token.phase(self.now()) != Phase::Ended
    }

    /// A waiter may be polled long after the request ended, so the token is looked at once more.
    async fn settle(&self, waiting: super::Waiting) -> Result<IssuedToken, TokenError> {
        let token = settle(waiting).await?;
        if self.is_alive(&token) {
            Ok(token)
        } else {
            Err(TokenError::Answer(AnswerFault::Expired))
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthTokenService")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
