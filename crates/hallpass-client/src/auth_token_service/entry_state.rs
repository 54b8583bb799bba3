//! What is known of the requests for one key. Guarded by its entry's mutex.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::issued::IssuedToken;
use super::moment::Moment;
use crate::error::TokenError;

/// What everybody who waits for a token request gets.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing yet.
    UnderWay,
    /// This token of a tier, which is due, unless they want the new one: the issuer is still being asked.
    Meanwhile(IssuedToken),
    Ended(Result<IssuedToken, TokenError>),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The request that is under way.
    pub(crate) flight: Option<UnderWay>,
    /// How often the token was evicted. What began at another number is not kept.
    pub(super) evictions: u64,
    /// When it was last evicted. A tier's token that is no younger is not taken, also when the tier could not forget it.
    pub(super) evicted_at: Option<Moment>,
    /// The moment of the last notice that was followed, as it was named.
    pub(super) last_notice: Option<Moment>,
    /// The youngest token that anybody got here.
    pub(super) newest: Option<Moment>,
    /// The last token that this process asked the issuer for.
    pub(super) asked: Option<Moment>,
    /// Requests that failed in a row.
    pub(super) failures: u32,
    pub(super) last_failure: Option<Failure>,
    /// When a callee's rejection last forced a renewal.
    pub(super) last_forced: Option<Duration>,
    /// The generation that it brought, until a callee has accepted a token. Rejected too, it was renewed in vain.
    pub(super) forced_token: Option<u64>,
}

/// A request that is under way.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    pub(crate) outcome: watch::Receiver<Outcome>,
    /// The evictions when it began, or when the issuer was asked.
    pub(super) evictions: u64,
    /// Of the token that the issuer was asked for, if it was.
    pub(super) moment: Option<Moment>,
    /// Whether notices may have been missed since.
    pub(super) is_doubted: bool,
}

/// A failure that is remembered for a moment.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) until: Duration,
    pub(super) cause: Arc<TokenError>,
}

impl State {
    /// Somebody gets this token.
    pub(crate) fn knows(&mut self, token: &IssuedToken) {
        self.newest = self.newest.max(Some(token.minted.moment));
    }

    /// Whether notices may have been missed since the request under way began.
    pub(crate) fn is_flight_doubted(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.is_doubted)
    }

    /// Whether a token that a tier gave a moment ago may still be handed out.
    pub(crate) fn is_usable_meanwhile(&self, token: &IssuedToken) -> bool {
        self.is_younger_than_evictions(token) && !self.is_flight_doubted()
    }

    /// Whether `token` was asked for after the last eviction.
    pub(crate) fn is_younger_than_evictions(&self, token: &IssuedToken) -> bool {
        self.evicted_at.is_none_or(|at| token.minted.moment > at)
    }

    /// Whether nothing was evicted since the request under way asked the issuer, or since it began where it has not asked yet. Else
    /// it serves those who waited for it before, and nobody else.
    pub(crate) fn is_flight_current(&self) -> bool {
        let flight = self.flight.as_ref();
        flight.is_some_and(|flight| flight.evictions == self.evictions)
    }

    /// The error for a caller that comes too early after a failure.
    pub(crate) fn backing_off(&self, now: Duration) -> Option<TokenError> {
        let failure = self.last_failure.as_ref()?;
        let failure = Some(failure).filter(|failure| now < failure.until)?;
        Some(TokenError::BackingOff {
            cause: Arc::clone(&failure.cause),
            retry_in: failure.until.saturating_sub(now),
        })
    }

    /// Notes a renewal that a callee's rejection of the token `rejected` forces.
    ///
    /// # Errors
    /// When `rejected` came of the last one: the fault is not the token's, and an issuer in trouble is spared. And within
    /// `interval` of the last one.
    pub(crate) fn force(
        &mut self,
        rejected: u64,
        now: Duration,
        interval: Duration,
    ) -> Result<(), TokenError> {
        if self.forced_token == Some(rejected) {
            return Err(TokenError::RenewedInVain);
        }
        let next = self.last_forced.map(|last| last.saturating_add(interval));
        if let Some(retry_in) = next.and_then(|next| next.checked_sub(now))
            && !retry_in.is_zero()
        {
            return Err(TokenError::RenewedJustNow { retry_in });
        }
        self.last_forced = Some(now);
        Ok(())
    }
}
