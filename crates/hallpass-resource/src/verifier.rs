//! From a bearer token to a verified identity: cache, issuer, keys, signature, claims.

mod metrics;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{
    AccessToken, CallerKind, ClientId, RevocationMarks, SecurityContext, UnixTime, UnverifiedToken,
    VerifiedClaims, VerifyError,
};

pub(crate) use self::metrics::VerifierMetrics;
use crate::blacklist::Asked;
use crate::cache::{CacheEntry, CacheMetrics, Ground, SoughtToken, VerifiedTokenCache};
use crate::caller_mapping::{CallerMapping, Mark};
use crate::confirmation::Shown;
use crate::dpop::ProofMemory;
use crate::error::{BlacklistFault, Denial};
use crate::key_source::KeySnapshot;
use crate::peer::{Peer, PeerName};
use crate::trusted_issuer::{Issuers, Trust};

/// An identity that a trusted issuer vouches for at this moment. Only verification makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    context: SecurityContext,
    issuer_name: Arc<str>,
    internal: bool,
    callers: Arc<CallerMapping>,
    entry: Option<Arc<CacheEntry>>,
    peer: Option<Arc<Peer>>,
}

impl Verified {
    /// An identity that nobody verified, for unit tests of what comes after verification.
    #[cfg(test)]
    pub(crate) fn for_tests(context: SecurityContext, internal: bool) -> Self {
        Self {
            context,
            issuer_name: "test".into(),
            internal,
            callers: Arc::default(),
            entry: None,
            peer: None,
        }
    }

    /// Who calls.
    #[must_use]
    pub fn context(&self) -> &SecurityContext {
        &self.context
    }

    /// What was verified, to look at it again.
    pub(crate) fn entry(&self) -> Option<&Arc<CacheEntry>> {
        self.entry.as_ref()
    }

    /// The same, shown by this peer.
    pub(crate) fn of_peer(mut self, peer: Option<Peer>) -> Self {
        self.peer = peer.map(Arc::new);
        self
    }

    /// Whose certificate was shown beside the token, where that matters.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_deref()
    }

    /// Whether the certificate of its caller has this name.
    pub(crate) fn is_seen_as(&self, name: &PeerName) -> bool {
        self.peer().is_some_and(|peer| name.is_of(peer))
    }

    /// The configured name of the issuer.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// The same, to keep.
    pub(crate) fn shared_issuer_name(&self) -> Arc<str> {
        Arc::clone(&self.issuer_name)
    }

    /// Whether the issuer is one of the estate's own.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.internal
    }

    /// Whether this is a service that an internal issuer vouches for: neither a user, nor a service that acts for one,
    /// nor somebody of whom that is not known.
    #[must_use]
    pub fn is_internal_service(&self) -> bool {
        self.internal && self.context.is_service()
    }

    /// The roles of the caller, from the claims that the issuer's [`CallerMapping`] names.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.callers.roles(self.context.claims())
    }

    /// The authorities of the caller, as Spring Security would derive them: those of the token, `SCOPE_x` for each scope, `ROLE_x`
    /// for each role.
    #[must_use]
    pub fn authorities(&self) -> Vec<String> {
        self.callers.authorities(self.context.claims())
    }

    /// Whether the claims satisfy a condition of a rule.
    pub(crate) fn bears(&self, condition: &Mark) -> bool {
        let client = self.context.client_id().map(ClientId::as_str);
        let claims = self.context.claims();
        self.callers.bears(claims, client, condition)
    }
}

/// Verifies bearer tokens and remembers the good ones. Which issuers it trusts is said with each token, so that
/// they can change while it runs.
#[derive(Debug)]
pub(crate) struct Verifier {
    cache: VerifiedTokenCache,
    proofs: ProofMemory,
    clock: Arc<dyn Clock>,
    metrics: VerifierMetrics,
}

impl Verifier {
    pub(crate) fn new(
        cache_bytes: u64,
        clock: Arc<dyn Clock>,
        metrics: VerifierMetrics,
        cache: CacheMetrics,
        proofs: ProofMemory,
    ) -> Self {
        Self {
            proofs,
            cache: VerifiedTokenCache::new(cache_bytes, cache),
            clock,
            metrics,
        }
    }

    /// Verifies a token (without the scheme, and at most `max_token_bytes` long) of one of `issuers`, with a key fetch if
    /// one is due, and holds it against how it was `shown`.
    ///
    /// **Not checked**: what the caller may do (that is the route's rule).
    ///
    /// # Errors
    /// [`Denial::Token`], [`Denial::Proof`], [`Denial::SenderConstrained`], [`Denial::Revoked`], [`Denial::DeniedHere`],
    /// [`Denial::Inactive`], [`Denial::Blacklist`], or [`Denial::Unavailable`] and [`Denial::Introspection`] when it cannot be judged.
    pub(crate) async fn verify(
        &self,
        token: &str,
        max_token_bytes: usize,
        issuers: &Issuers,
        shown: &Shown<'_>,
    ) -> Result<Verified, Denial> {
        let started = self.clock.monotonic();
        if token.len() > max_token_bytes {
            return Err(VerifyError::TooLarge.into());
        }
        let sought = SoughtToken::new(token);
        let found = self.cache.get(sought);
        let good_at = match &found {
            Some(entry) => self.still_good(sought, entry, issuers, started).await?,
            None => None,
        };
        let hit = good_at.is_some();
        self.metrics.looked_up(hit);
        let (entry, mut now) = match (found, good_at) {
            (Some(entry), Some(now)) => (entry, now),
            (other, _) => {
                // Rare, and as large as all else together: whoever holds a decision holds no room for it.
                let anew = Box::pin(self.verify_anew(token, issuers, other.as_deref()));
                (anew.await?, self.now())
            }
        };
        if let Some(blacklist) = issuers.blacklist_of(&entry.trust) {
            // Verified without it, it would not have been taken from the cache.
            let asked = entry.asked.as_ref().ok_or(BlacklistFault::Away)?;
            blacklist.check(asked).await?;
            now = self.now();
        }
        // Each time: what was verified before says nothing about who sends it now.
        let claims = entry.context.claims();
        shown.confirm(claims, token, &self.proofs, now).await?;
        let took = self.clock.monotonic().saturating_sub(started);
        self.metrics.verified(hit, entry.ground.as_str(), took);
        Ok(Verified {
            context: entry.context.clone(),
            issuer_name: Arc::clone(&entry.trust.name),
            internal: entry.trust.internal,
            callers: Arc::clone(&entry.trust.callers),
            entry: Some(entry),
            peer: None,
        })
    }

    /// Forgets the tokens of issuers that are not among these any more.
    pub(crate) fn keep_only(&self, issuers: &Issuers) {
        self.cache.retain(|entry| issuers.contains(&entry.trust));
    }

    /// When a cached verification holds: now, if the same issuer with the same policy and the same keys is trusted, and
    /// the claims still fit. Also keeps the keys fresh, for a service that meets the same tokens all day. `started` is the monotonic time: each look at
    /// a clock costs as much as all the rest here.
    async fn still_good(
        &self,
        sought: SoughtToken<'_>,
        entry: &CacheEntry,
        issuers: &Issuers,
        started: Duration,
    ) -> Result<Option<UnixTime>, Denial> {
        let trust = &entry.trust;
        // `keep_only` may have run while the token was on its way into the cache.
        if !issuers.contains(trust) {
            return Ok(None);
        }
        if entry.asked.is_none() && issuers.blacklist_of(trust).is_some() {
            return Ok(None);
        }
        match entry.ground {
            Ground::Signature { epoch, .. } => {
                let snapshot = match trust.keys.fresh_at(started) {
                    Some(snapshot) => snapshot,
                    None => trust
                        .keys
                        .keys_for(None)
                        .await
                        .map_err(Denial::Unavailable)?,
                };
                self.purge_if_keys_left(trust, &snapshot);
                if epoch != snapshot.epoch() {
                    return Ok(None);
                }
            }
            Ground::Answer { until } if started >= until => return Ok(None),
            Ground::Answer { .. } => {}
        }
        let now = self.now();
        if let Err(denial) = check_revoked(issuers, trust, &entry.marks, now) {
            self.cache.remove(sought);
            return Err(denial);
        }
        match entry.context.claims().check(&trust.policy, now) {
            Ok(()) => Ok(Some(now)),
            Err(error) => {
                self.cache.remove(sought);
                Err(error.into())
            }
        }
    }

    /// `before`: what was known of the token, and has to be found out again.
    async fn verify_anew(
        &self,
        token: &str,
        issuers: &Issuers,
        before: Option<&CacheEntry>,
    ) -> Result<Arc<CacheEntry>, Denial> {
        if let Some((trust, introspection)) = issuers.asked_about(token) {
            let was_good = before.is_some_and(|it| Arc::ptr_eq(&it.trust, trust));
            let said = introspection.ask(token, was_good).await?;
            let Some(claims) = self.said_of(trust, said.as_deref())? else {
                self.cache.remove(SoughtToken::new(token));
                return Err(Denial::Inactive);
            };
            // Its issuer knows when it ends: our leeway is for clocks that differ from that of who signs.
            let life = claims.expires_at.duration_since(self.now());
            let end = self.clock.monotonic().saturating_add(life);
            let until = introspection.believed_until().min(end);
            let marks = RevocationMarks::of(&claims, None);
            let found = (claims, marks, Ground::Answer { until });
            return self.remember(token, (issuers, trust), found).await;
        }
        let unverified = UnverifiedToken::parse(token, token.len())?;
        let trust = issuers.find(&unverified).ok_or(VerifyError::Issuer)?;
        let verified = trust
            .keys
            .verify(&unverified, &trust.policy, || self.now())
            .await;
        // A token that is refused may have been the one that brought newer keys.
        let seen = match &verified {
            Ok((_, snapshot)) => Some(Arc::clone(snapshot)),
            Err(_) => trust.keys.fresh(),
        };
        if let Some(snapshot) = seen {
            self.purge_if_keys_left(trust, &snapshot);
        }
        let (claims, snapshot) = verified?;
        let ground = Ground::Signature {
            epoch: snapshot.epoch(),
            algorithm: unverified.algorithm(),
        };
        let marks = RevocationMarks::of(&claims, unverified.key_id());
        self.remember(token, (issuers, trust), (claims, marks, ground))
            .await
    }

    /// Remembers a token that was verified, unless it is taken back.
    async fn remember(
        &self,
        token: &str,
        (issuers, trust): (&Issuers, &Arc<Trust>),
        (claims, marks, ground): (VerifiedClaims, RevocationMarks, Ground),
    ) -> Result<Arc<CacheEntry>, Denial> {
        let (caller, client) = trust.callers.judge(&claims);
        if !claims.states_subject() && caller != CallerKind::Service {
            return Err(VerifyError::MissingClaim { claim: "sub" }.into());
        }
        let marks = marks.with_client(client.as_ref());
        if let Some(revocations) = &trust.revocations {
            revocations.first_list().await;
        }
        check_revoked(issuers, trust, &marks, self.now())?;
        let asked = match issuers.blacklist_of(trust) {
            Some(_) => Some(Arc::new(Asked::new(&claims)?)),
            None => None,
        };
        let token = AccessToken::new(token);
        let entry = Arc::new(CacheEntry {
            context: SecurityContext::of_caller(claims, token, caller, client),
            trust: Arc::clone(trust),
            ground,
            marks,
            asked,
            remembered: Default::default(),
            withdrawn: Default::default(),
        });
        self.cache.insert(Arc::clone(&entry));
        Ok(entry)
    }

    /// Forgets what was verified by keys that have left the set. Walks through the whole cache; this is rare.
    fn purge_if_keys_left(&self, trust: &Arc<Trust>, snapshot: &KeySnapshot) {
        if trust.keys_left(snapshot) {
            let stays = |entry: &CacheEntry| match entry.ground {
                Ground::Signature { epoch, .. } => {
                    !Arc::ptr_eq(&entry.trust, trust) || epoch == snapshot.epoch()
                }
                Ground::Answer { .. } => true,
            };
            self.cache.retain(stays);
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }
}

/// Whether the token is taken back, as far as it is known here: by its issuer, or by this service itself. A cached one is asked
/// about at each call.
fn check_revoked(
    issuers: &Issuers,
    trust: &Trust,
    marks: &RevocationMarks,
    now: UnixTime,
) -> Result<(), Denial> {
    if issuers.deny(marks, now) {
        return Err(Denial::DeniedHere);
    }
    let revocations = trust.revocations.as_ref();
    match revocations.is_some_and(|it| it.denies(marks, now)) {
        true => Err(Denial::Revoked),
        false => Ok(()),
    }
}
