//! Making a token ready for use: its header, its number, the moments of its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::credential::cache_life::CacheLife;
use hallpass_clock::Clock;
use hallpass_token::UnixTime;
use hallpass_upstream::random_fraction;

use super::issued::{IssuedToken, Minted, TokenSource, bearer_header, dpop_header, shared};
use super::lifetime::{Age, Lifetime, Now, Phase};
use super::moment::Moment;
use super::seals::StoredToken;
use crate::certificate::BoundCertificate;
use crate::error::{ResponseFault, TokenError};
use crate::grant::response::{Granted, MAX_EXPIRES_IN};
use crate::prover::Prover;
use crate::unverified_end::unverified_end;

/// Makes the tokens of one service, and numbers them.
#[derive(Debug)]
pub(crate) struct Mint {
    clock: Arc<dyn Clock>,
    /// The number of the next token. A callee rejects *a* token: by its number it is known whether that one is
    /// still in use, or whether another call has renewed it since and this one needs no request of its own. Numbers
    /// only have to be different and to grow, and one atomic does that in any memory order.
    generations: AtomicU64,
}

/// Where a token came from, and what it is bound to.
type Way = (TokenSource, Option<Arc<Prover>>, Option<BoundCertificate>);

/// When a token was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) now: Now,
    /// Later than each eviction that came before.
    pub(crate) moment: Moment,
}

impl Mint {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            generations: AtomicU64::new(1),
        }
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic: self.clock.monotonic(),
            wall: self.clock.now(),
        }
    }

    /// The token of a response. Its life began at `asked`, before the request was sent: the issuer may have counted
    /// from any moment since. Where the issuer did not say how long it is, a JWT's own `exp` does, else it is the longest
    /// time that a token is used for.
    ///
    /// # Errors
    /// When no header can hold it, or it has ended on its way.
    pub(crate) fn granted(
        &self,
        granted: Granted,
        asked: Asked,
        cache: CacheLife,
    ) -> Result<IssuedToken, TokenError> {
        let issued_at = UnixTime::from(asked.now.wall);
        let life = granted.expires_in.unwrap_or_else(|| {
            let end = unverified_end(granted.access_token.expose());
            let says = end.map(|end| end.duration_since(issued_at).min(MAX_EXPIRES_IN));
            says.unwrap_or_else(|| cache.expire().min(MAX_EXPIRES_IN))
        });
        let stored = StoredToken {
            access_token: granted.access_token,
            moment: asked.moment,
            issued_at,
            expires_at: issued_at.saturating_add(life),
        };
        let age = Age {
            now: asked.now,
            age: Duration::ZERO,
            life,
        };
        let way = (TokenSource::Issuer, granted.prover, granted.certificate);
        self.mint(stored, age, cache, way)
            .filter(|token| token.phase(self.now()) != Phase::Ended)
            .ok_or(TokenError::Response(ResponseFault::Expired))
    }

    /// A token out of a tier; it may have ended. A tier is not believed more than an issuer: a life beyond the longest
    /// one is a damaged entry.
    pub(crate) fn adopted(&self, stored: StoredToken, cache: CacheLife) -> Option<IssuedToken> {
        let now = self.now();
        let life = stored.expires_at.duration_since(stored.issued_at);
        // Tokens of one certificate are in no tier: another process has another.
        if life > MAX_EXPIRES_IN || BoundCertificate::of(&stored.access_token, None).is_some() {
            return None;
        }
        let remaining = stored
            .expires_at
            .duration_since(UnixTime::from(now.wall))
            .min(life);
        let age = Age {
            now,
            age: life - remaining,
            life,
        };
        // Bound tokens are in no tier.
        self.mint(stored, age, cache, (TokenSource::Cache, None, None))
    }

    /// A token in use, for another cache life, or no longer doubted. It stays the same token, with its number.
    pub(crate) fn with_cache_life(&self, token: &IssuedToken, cache: CacheLife) -> IssuedToken {
        let old = &token.minted;
        let life = old.expires_at.duration_since(old.issued_at);
        let jitter = random_fraction();
        let minted = Minted {
            access_token: old.access_token.clone(),
            authorization: old.authorization.clone(),
            lifetime: old
                .lifetime
                .with_cache_life(self.now(), life, cache, jitter),
            is_doubted: false,
            prover: old.prover.clone(),
            certificate: old.certificate.clone(),
            ..**old
        };
        IssuedToken {
            minted: Arc::new(minted),
            source: token.source,
        }
    }

    fn mint(
        &self,
        stored: StoredToken,
        age: Age,
        cache: CacheLife,
        (source, prover, certificate): Way,
    ) -> Option<IssuedToken> {
        let authorization = shared(match prover {
            None => bearer_header(&stored.access_token)?,
            Some(_) => dpop_header(&stored.access_token)?,
        });
        let minted = Minted {
            authorization,
            access_token: stored.access_token,
            moment: stored.moment,
            issued_at: stored.issued_at,
            expires_at: stored.expires_at,
            generation: self.generations.fetch_add(1, Ordering::Relaxed),
            lifetime: Lifetime::new(age, cache, random_fraction()),
            is_doubted: false,
            prover,
            certificate,
        };
        Some(IssuedToken {
            minted: Arc::new(minted),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;
    use hallpass_token::AccessToken;

    use super::*;

    #[test]
    fn a_tier_is_believed_the_longest_life_and_no_longer_one() {
        let mint = Mint::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        let adopted = |life: Duration| {
            let stored = StoredToken {
                access_token: AccessToken::new("t"),
                moment: Moment::from_micros(0),
                issued_at: UnixTime::from_secs(0),
                expires_at: UnixTime::from_secs(life.as_secs()),
            };
            mint.adopted(stored, CacheLife::DEFAULT)
        };
        assert!(adopted(MAX_EXPIRES_IN).is_some());
        assert!(adopted(MAX_EXPIRES_IN + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn a_token_that_a_tier_still_has_is_doubted_no_more() {
        let mint = Mint::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        let stored = StoredToken {
            access_token: AccessToken::new("t"),
            moment: Moment::from_micros(0),
            issued_at: UnixTime::from_secs(0),
            expires_at: UnixTime::from_secs(600),
        };
        let adopted = mint.adopted(stored, CacheLife::DEFAULT).unwrap();
        let doubted = adopted.doubted();
        assert!(doubted.minted.is_doubted);
        let trusted = mint.with_cache_life(&doubted, CacheLife::DEFAULT);
        assert!(!trusted.minted.is_doubted);
    }
}
