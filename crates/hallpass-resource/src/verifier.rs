//! From a bearer token to a verified identity: cache, issuer, keys, signature, claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_clock::Clock;
use hallpass_token::{
    AccessToken, Audience, DEFAULT_MAX_VERIFY_BYTES, Issuer, SecurityContext, UnixTime,
    UnverifiedToken, VerifyError, VerifyPolicy,
};

use crate::cache::{CacheEntry, CacheKey, DEFAULT_CACHE_BYTES, VerifiedTokenCache};
use crate::error::{Denial, StartProblem};
use crate::key_source::{KeySnapshot, KeySource};
use crate::metrics::Metrics;

/// Numbers verifiers within the process, so that no cache entry is ever read by another one.
static NEXT_VERIFIER: AtomicU64 = AtomicU64::new(0);

/// An issuer whose tokens are accepted, what they must say, and the keys that they must be signed with.
///
/// Keys and policy belong together: a key of one issuer never verifies a token of another.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    name: String,
    policy: VerifyPolicy,
    keys: KeySource,
    internal: bool,
}

impl TrustedIssuer {
    /// Tokens of `issuer` (`iss`, compared byte for byte) for `audience`, signed with one of `keys`.
    ///
    /// Defaults: every algorithm of `Algorithms::ALL`, `typ` must be `at+jwt`, clocks may be 10 s apart, not internal,
    /// and the issuer's own name in metrics.
    #[must_use]
    pub fn new(issuer: Issuer, audience: Audience, keys: KeySource) -> Self {
        Self::with_policy(VerifyPolicy::new(issuer, audience), keys)
    }

    /// The same with a policy of one's own: further audiences, algorithms, leeway, untyped tokens. The longest token
    /// that is looked at is a setting of the server, whatever the policy says.
    #[must_use]
    pub fn with_policy(policy: VerifyPolicy, keys: KeySource) -> Self {
        Self {
            name: policy.issuer().to_string(),
            policy,
            keys,
            internal: false,
        }
    }

    /// The name of the issuer in metrics and in the audit event.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Marks the issuer as the estate's own: only services of such an issuer pass
    /// [`Rule::InternalOnly`](crate::Rule::InternalOnly).
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// What its tokens must say.
    #[must_use]
    pub fn verify_policy(&self) -> &VerifyPolicy {
        &self.policy
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &KeySource {
        &self.keys
    }
}

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

/// Verifies bearer tokens of several issuers and remembers the good ones.
#[derive(Debug)]
pub struct Verifier {
    id: u64,
    issuers: Vec<Trust>,
    cache: VerifiedTokenCache,
    clock: Arc<dyn Clock>,
    max_token_bytes: usize,
    metrics: Metrics,
}

/// A trusted issuer at work.
#[derive(Debug)]
struct Trust {
    name: Arc<str>,
    policy: VerifyPolicy,
    keys: KeySource,
    internal: bool,
    /// The last epoch of its keys that the cache was purged for.
    epoch: AtomicU64,
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
    pub(crate) fn new(
        issuers: Vec<TrustedIssuer>,
        limits: VerifierLimits,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        problems: &mut Vec<StartProblem>,
    ) -> Self {
        let mut trusted: Vec<Trust> = Vec::new();
        for issuer in issuers {
            if trusted
                .iter()
                .any(|it| it.policy.issuer() == issuer.policy.issuer())
            {
                problems.push(StartProblem::IssuerTwice {
                    issuer: issuer.policy.issuer().to_string(),
                });
            }
            issuer.keys.attach(metrics.of_keys(&issuer.name));
            trusted.push(Trust {
                name: issuer.name.into(),
                policy: issuer.policy.with_max_token_bytes(limits.max_token_bytes),
                keys: issuer.keys,
                internal: issuer.internal,
                epoch: AtomicU64::new(0),
            });
        }
        Self {
            id: NEXT_VERIFIER.fetch_add(1, Ordering::Relaxed),
            issuers: trusted,
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

    /// The configured issuers' `iss` values.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter().map(|it| it.policy.issuer())
    }

    /// Verifies a token (without the scheme), with a key fetch if one is due.
    ///
    /// **Not checked**: what the caller may do (that is the route's rule), and revocation.
    ///
    /// # Errors
    /// [`Denial::Token`], [`Denial::SenderConstrained`], or [`Denial::Unavailable`] when the issuer's keys can not be
    /// had.
    pub async fn verify(&self, token: &str) -> Result<Verified, Denial> {
        let started = self.clock.monotonic();
        if token.len() > self.max_token_bytes {
            return Err(VerifyError::TooLarge.into());
        }
        let key = CacheKey::new(self.id, token);
        let hit = match self.cache.get(&key) {
            Some(entry) => self.still_good(&key, &entry).await?.then_some(entry),
            None => None,
        };
        self.metrics.cache_lookup(hit.is_some());
        let (entry, cache_hit) = match hit {
            Some(entry) => (entry, true),
            None => (self.verify_anew(key, token).await?, false),
        };
        let trust = self.issuers.get(entry.issuer).ok_or(VerifyError::Issuer)?;
        let took = self.clock.monotonic().saturating_sub(started);
        self.metrics
            .verified(cache_hit, entry.algorithm.as_str(), took);
        Ok(Verified {
            context: entry.context.clone(),
            issuer_name: Arc::clone(&trust.name),
            internal: trust.internal,
        })
    }

    /// Fetches the keys of all issuers.
    pub(crate) async fn load_keys(&self) -> Result<(), Denial> {
        let mut outcome = Ok(());
        for trust in &self.issuers {
            let loaded = trust.keys.load().await;
            outcome = outcome.and(loaded.map(drop).map_err(Denial::Unavailable));
        }
        outcome
    }

    /// Whether a cached verification holds now: the same keys are trusted, and the claims still fit. Also keeps the
    /// keys fresh, for a service that meets the same tokens all day.
    async fn still_good(&self, key: &CacheKey, entry: &CacheEntry) -> Result<bool, Denial> {
        let Some(trust) = self.issuers.get(entry.issuer) else {
            return Ok(false);
        };
        let snapshot = match trust.keys.fresh() {
            Some(snapshot) => snapshot,
            None => trust
                .keys
                .keys_for(None)
                .await
                .map_err(Denial::Unavailable)?,
        };
        self.purge_if_keys_left(entry.issuer, trust, &snapshot);
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

    async fn verify_anew(&self, key: CacheKey, token: &str) -> Result<Arc<CacheEntry>, Denial> {
        let unverified = UnverifiedToken::parse(token, self.max_token_bytes)?;
        let claimed = unverified.unverified_issuer().ok_or(VerifyError::Issuer)?;
        let found = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, it)| it.policy.issuer().as_str() == claimed);
        let (issuer, trust) = found.ok_or(VerifyError::Issuer)?;
        let snapshot = trust
            .keys
            .keys_for(unverified.key_id())
            .await
            .map_err(Denial::Unavailable)?;
        self.purge_if_keys_left(issuer, trust, &snapshot);
        let claims = unverified.verify(snapshot.keys(), &trust.policy, self.now())?;
        if claims.confirmation.is_some() {
            return Err(Denial::SenderConstrained);
        }
        let entry = Arc::new(CacheEntry {
            context: SecurityContext::new(claims, AccessToken::new(token)),
            issuer,
            epoch: snapshot.epoch(),
            algorithm: unverified.algorithm(),
        });
        self.cache.insert(key, Arc::clone(&entry));
        self.metrics
            .cache_size(self.cache.len(), self.cache.bytes());
        Ok(entry)
    }

    fn purge_if_keys_left(&self, issuer: usize, trust: &Trust, snapshot: &KeySnapshot) {
        let epoch = snapshot.epoch();
        if trust.epoch.load(Ordering::Relaxed) != epoch {
            trust.epoch.store(epoch, Ordering::Relaxed);
            self.cache.purge(issuer, epoch);
            self.metrics
                .cache_size(self.cache.len(), self.cache.bytes());
        }
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }
}
