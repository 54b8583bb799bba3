//! Looks again at a token that was verified, for what goes on longer than a request.

use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{
    Introspected, IntrospectionFault, RevocationMarks, UnverifiedToken, VerifiedClaims,
    read_introspection, verify_jws,
};

use super::{Verifier, check_revoked};
use crate::blacklist::Asked;
use crate::cache::{CacheEntry, Ground, SoughtToken};
use crate::error::{Denial, IntrospectionFailure};
use crate::trusted_issuer::{Issuers, Trust};

/// How long a token that its issuer is asked about is left alone for a stream, however short its answers are believed.
const SHORTEST_BELIEF: Duration = Duration::from_secs(5);

/// A token was taken back, with all that was known of it.
#[derive(Debug)]
pub(crate) struct TakenBack;

impl Verifier {
    /// What is known of a token now that was verified as `entry`; its end is not looked at.
    ///
    /// It is taken back when it is on a deny-list or listed as logged out, when its issuer is not trusted any more (or not for this service), when its key has left
    /// the issuer's set, or when its issuer, asked again, says that it is not good. Nothing is waited for but such answers, and while there
    /// is none the token stands: it was good, and has an end.
    ///
    /// # Errors
    /// [`TakenBack`].
    pub(crate) async fn look_again(
        &self,
        entry: &Arc<CacheEntry>,
        issuers: &Issuers,
    ) -> Result<Arc<CacheEntry>, TakenBack> {
        let denied = check_revoked(issuers, &entry.trust, &entry.marks, self.now());
        denied.map_err(|_| TakenBack)?;
        let entry = &self.is_not_listed(entry, issuers).await?;
        match entry.ground {
            Ground::Signature { epoch, .. } => self.is_still_signed(entry, epoch, issuers),
            Ground::Answer { until } if self.clock.monotonic() < until => Ok(Arc::clone(entry)),
            Ground::Answer { .. } => self.ask_again(entry, issuers).await,
        }
    }

    /// The same token, unless it is listed as logged out.
    async fn is_not_listed(
        &self,
        entry: &Arc<CacheEntry>,
        issuers: &Issuers,
    ) -> Result<Arc<CacheEntry>, TakenBack> {
        let Some(blacklist) = issuers.blacklist_of(&entry.trust) else {
            return Ok(Arc::clone(entry));
        };
        let (asked, entry) = match &entry.asked {
            Some(asked) => (Arc::clone(asked), Arc::clone(entry)),
            // It began before tokens were looked for.
            None => {
                let asked = Asked::new(entry.context.claims()).map_err(|_| TakenBack)?;
                let asked = Arc::new(asked);
                let entry = CacheEntry {
                    asked: Some(Arc::clone(&asked)),
                    ..CacheEntry::clone(entry)
                };
                (asked, Arc::new(entry))
            }
        };
        match blacklist.ends(&asked).await {
            true => Err(TakenBack),
            false => Ok(entry),
        }
    }

    /// What an issuer has said of a token; `None` of one that is not good.
    pub(super) fn said_of(
        &self,
        trust: &Trust,
        said: Option<&[u8]>,
    ) -> Result<Option<VerifiedClaims>, Denial> {
        let Some(said) = said else { return Ok(None) };
        match read_introspection(said, &trust.policy, self.now()) {
            Ok(Introspected::Active(claims)) => Ok(Some(*claims)),
            Ok(Introspected::Inactive) => Ok(None),
            Err(IntrospectionFault::Token(error)) => Err(error.into()),
            Err(IntrospectionFault::NotAResponse) => Err(IntrospectionFailure::NotAResponse.into()),
        }
    }

    fn is_still_signed(
        &self,
        entry: &Arc<CacheEntry>,
        epoch: u64,
        issuers: &Issuers,
    ) -> Result<Arc<CacheEntry>, TakenBack> {
        let token = entry.context.token().expose();
        let unverified = || UnverifiedToken::parse(token, token.len());
        let trust = match issuers.contains(&entry.trust) {
            true => &entry.trust,
            false => {
                let unverified = unverified().map_err(|_| TakenBack)?;
                issuers.find(&unverified).ok_or(TakenBack)?
            }
        };
        let is_same = Arc::ptr_eq(trust, &entry.trust);
        // No keys at all say nothing of this one.
        let Some(snapshot) = trust.keys.here() else {
            return Ok(Arc::clone(entry));
        };
        if is_same && snapshot.epoch() == epoch {
            return Ok(Arc::clone(entry));
        }
        let algorithms = trust.policy.algorithms();
        verify_jws(token, snapshot.keys(), algorithms).map_err(|_| TakenBack)?;
        if !is_same {
            fits(trust, entry)?;
        }
        let algorithm = unverified().map_err(|_| TakenBack)?.algorithm();
        Ok(Arc::new(CacheEntry {
            trust: Arc::clone(trust),
            ground: Ground::Signature {
                epoch: snapshot.epoch(),
                algorithm,
            },
            ..CacheEntry::clone(entry)
        }))
    }

    async fn ask_again(
        &self,
        entry: &Arc<CacheEntry>,
        issuers: &Issuers,
    ) -> Result<Arc<CacheEntry>, TakenBack> {
        let claims = entry.context.claims();
        if self.now() >= claims.expires_at {
            return Ok(Arc::clone(entry));
        }
        let token = entry.context.token().expose();
        // A request with the same token may have asked.
        if let Some(newer) = self.cache.get(SoughtToken::new(token))
            && let Ground::Answer { until } = newer.ground
            && self.clock.monotonic() < until
            && issuers.contains(&newer.trust)
        {
            return Ok(newer);
        }
        let (trust, introspection) = issuers.asked_about(token).ok_or(TakenBack)?;
        let Ok(said) = introspection.ask(token, true).await else {
            return Ok(Arc::clone(entry));
        };
        let Ok(said) = self.said_of(trust, said.as_deref()) else {
            return Err(TakenBack);
        };
        let claims = said.ok_or(TakenBack)?;
        let marks = RevocationMarks::of(&claims, None);
        let earliest = self.clock.monotonic().saturating_add(SHORTEST_BELIEF);
        let until = introspection.believed_until().max(earliest);
        Ok(Arc::new(CacheEntry {
            trust: Arc::clone(trust),
            ground: Ground::Answer { until },
            marks: marks.with_client(entry.context.client_id()),
            ..CacheEntry::clone(entry)
        }))
    }
}

/// Whether the claims fit an issuer's policy that is another one than they were verified by. Whether they have ended is not its business.
fn fits(trust: &Trust, entry: &CacheEntry) -> Result<(), TakenBack> {
    let claims = entry.context.claims();
    let within = claims.expires_at.saturating_sub(Duration::from_secs(1));
    claims.check(&trust.policy, within).map_err(|_| TakenBack)
}
