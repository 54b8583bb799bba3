//! From a bearer token to a verified identity: cache, issuer, keys, signature, claims.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_token::{
    AccessToken, DEFAULT_MAX_VERIFY_BYTES, SecurityContext, UnixTime, UnverifiedToken, VerifyError,
};

use crate::cache::{CacheEntry, CacheKey, DEFAULT_CACHE_BYTES, VerifiedTokenCache};
use crate::error::Denial;
use crate::key_source::KeySnapshot;
use crate::metrics::Metrics;
use crate::trusted_issuer::{Issuers, Trust};

/// An identity that a trusted issuer vouches for at this moment. There is no way to make one but verification.
#[derive(Clone, Debug)]
pub struct Verified {
    context: SecurityContext,
    issuer_name: Arc<str>,
    internal: bool,
}

impl Verified {
    /// An identity that nobody verified, for unit tests of what comes after verification.
    #[cfg(test)]
    pub(crate) fn for_tests(context: SecurityContext, internal: bool) -> Self {
        Self {
            context,
            issuer_name: "test".into(),
            internal,
        }
    }

    /// Who calls.
    #[must_use]
    pub fn context(&self) -> &SecurityContext {
        &self.context
    }

    /// The configured name of the issuer.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// Whether this is a service that an internal issuer vouches for: neither a user, nor a service that acts for one.
    #[must_use]
    pub fn is_internal_service(&self) -> bool {
        self.internal && self.context.is_service()
    }
}

/// Verifies bearer tokens and remembers the good ones. Which issuers it trusts is said with each token, so that
/// they can change while it runs.
#[derive(Debug)]
pub(crate) struct Verifier {
    cache: VerifiedTokenCache,
    clock: Arc<dyn Clock>,
    max_token_bytes: usize,
    metrics: Metrics,
}

/// Bounds of a verifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VerifierLimits {
    pub(crate) max_token_bytes: usize,
    pub(crate) cache_bytes: u64,
}

impl Default for VerifierLimits {
    fn default() -> Self {
        Self {
            max_token_bytes: DEFAULT_MAX_VERIFY_BYTES,
            cache_bytes: DEFAULT_CACHE_BYTES,
        }
    }
}

impl Verifier {
    pub(crate) fn new(limits: VerifierLimits, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            cache: VerifiedTokenCache::new(limits.cache_bytes, metrics.cache_evictions().clone()),
            clock,
            max_token_bytes: limits.max_token_bytes,
            metrics,
        }
    }

    /// Longest token that is looked at, in bytes.
    pub(crate) fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// Verifies a token (without the scheme) of one of `issuers`, with a key fetch if one is due.
    ///
    /// **Not checked**: what the caller may do (that is the route's rule), and revocation.
    ///
    /// # Errors
    /// [`Denial::Token`], [`Denial::SenderConstrained`], or [`Denial::Unavailable`] when the issuer's keys can not be
    /// had.
    pub(crate) async fn verify(&self, token: &str, issuers: &Issuers) -> Result<Verified, Denial> {
        let started = self.clock.monotonic();
        if token.len() > self.max_token_bytes {
            return Err(VerifyError::TooLarge.into());
        }
        let key = CacheKey::new(token);
        let hit = match self.cache.get(&key) {
            Some(entry) => self
                .still_good(&key, &entry, issuers)
                .await?
                .then_some(entry),
            None => None,
        };
        self.metrics.cache_lookup(hit.is_some());
        let (entry, cache_hit) = match hit {
            Some(entry) => (entry, true),
            None => (self.verify_anew(key, token, issuers).await?, false),
        };
        let took = self.clock.monotonic().saturating_sub(started);
        self.metrics
            .verified(cache_hit, entry.algorithm.as_str(), took);
        Ok(Verified {
            context: entry.context.clone(),
            issuer_name: Arc::clone(&entry.trust.name),
            internal: entry.trust.internal,
        })
    }

    /// Forgets the tokens of issuers that are not among these any more.
    pub(crate) fn keep_only(&self, issuers: &Issuers) {
        self.cache.retain(|entry| issuers.contains(&entry.trust));
        self.count_cache();
    }

    /// Whether a cached verification holds now: the same issuer with the same policy and the same keys is trusted, and
    /// the claims still fit. Also keeps the keys fresh, for a service that meets the same tokens all day.
    async fn still_good(
        &self,
        key: &CacheKey,
        entry: &CacheEntry,
        issuers: &Issuers,
    ) -> Result<bool, Denial> {
        let trust = &entry.trust;
        // `keep_only` may have run while the token was on its way into the cache.
        if !issuers.contains(trust) {
            return Ok(false);
        }
        let snapshot = match trust.keys.fresh() {
            Some(snapshot) => snapshot,
            None => trust
                .keys
                .keys_for(None)
                .await
                .map_err(Denial::Unavailable)?,
        };
        self.purge_if_keys_left(trust, &snapshot);
        if entry.epoch != snapshot.epoch() {
            return Ok(false);
        }
        match entry.context.claims().check(&trust.policy, self.now()) {
            Ok(()) => Ok(true),
            Err(error) => {
                self.cache.remove(key);
                Err(error.into())
            }
        }
    }

    async fn verify_anew(
        &self,
        key: CacheKey,
        token: &str,
        issuers: &Issuers,
    ) -> Result<Arc<CacheEntry>, Denial> {
        let unverified = UnverifiedToken::parse(token, self.max_token_bytes)?;
        let claimed = unverified.unverified_issuer().ok_or(VerifyError::Issuer)?;
        let trust = issuers.find(claimed).ok_or(VerifyError::Issuer)?;
        let snapshot = trust
            .keys
            .keys_for(unverified.key_id())
            .await
            .map_err(Denial::Unavailable)?;
        self.purge_if_keys_left(trust, &snapshot);
        let claims = unverified.verify(snapshot.keys(), &trust.policy, self.now())?;
        if claims.confirmation.is_some() {
            return Err(Denial::SenderConstrained);
        }
        let entry = Arc::new(CacheEntry {
            context: SecurityContext::new(claims, AccessToken::new(token)),
            trust: Arc::clone(trust),
            epoch: snapshot.epoch(),
            algorithm: unverified.algorithm(),
        });
        self.cache.insert(key, Arc::clone(&entry));
        self.count_cache();
        Ok(entry)
    }

    /// What departed keys had verified is forgotten. Walks through the whole cache; keys depart rarely.
    fn purge_if_keys_left(&self, trust: &Arc<Trust>, snapshot: &KeySnapshot) {
        if trust.keys_left(snapshot) {
            let stays = |entry: &CacheEntry| {
                !Arc::ptr_eq(&entry.trust, trust) || entry.epoch == snapshot.epoch()
            };
            self.cache.retain(stays);
            self.count_cache();
        }
    }

    fn count_cache(&self) {
        self.metrics
            .cache_size(self.cache.len(), self.cache.bytes());
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }
}
