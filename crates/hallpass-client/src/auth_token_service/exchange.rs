//! Tokens exchanged for those of callers (RFC 8693): asked for once a caller's token and audience, kept within a number of
//! bytes, never used past the end of the caller's own.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use aws_lc_rs::digest;
use hallpass_token::{AccessToken, Audience, Scope, SecurityContext, UnixTime};
use hallpass_upstream::random_fraction;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::backoff;
use super::entry_state::Outcome;
use super::flight::Waiter;
use super::flight::metrics::{RequestMetrics, TokenRequested};
use super::issued::IssuedToken;
use super::lifetime::Phase;
use super::minting::{Asked, Mint};
use super::obtain::{ClientCredentials, Obtain as _};
use super::revoked::Revoked;
use crate::error::TokenError;
use crate::grant::TOKEN_EXCHANGE;
use crate::grant::response::NotGranted;

pub(crate) mod kept;

use kept::{ExchangeKey, Failure, Kept, Rejected, SharedKept};

/// All exchanged tokens of one token service.
#[derive(Debug)]
pub(crate) struct Exchanges {
    kept: SharedKept,
    revoked: Arc<Revoked>,
    mint: Arc<Mint>,
    metrics: RequestMetrics,
    min_forced_interval: Duration,
}

/// Whose token is exchanged for what, and who asks.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) caller: &'a SecurityContext,
    pub(crate) audience: &'a Audience,
    /// Empty: all that the issuer lets the service pass on.
    pub(crate) scope: &'a Scope,
    pub(crate) source: &'a Arc<ClientCredentials>,
    /// Whether tokens stay in memory between calls.
    pub(crate) keeps: bool,
}

/// What a call gets that needs an exchanged token.
pub(crate) enum Exchanged {
    /// It was in memory.
    Current(IssuedToken),
    /// The request under way.
    Waiting(Waiter),
}

impl Exchanges {
    pub(crate) fn new(
        kept: SharedKept,
        revoked: Arc<Revoked>,
        mint: Arc<Mint>,
        metrics: RequestMetrics,
        min_forced_interval: Duration,
    ) -> Self {
        Self {
            kept,
            revoked,
            mint,
            metrics,
            min_forced_interval,
        }
    }

    /// The token in memory, or a place among those who wait for the one request of its key. Never waits itself.
    ///
    /// # Errors
    /// [`TokenError::SubjectExpired`], [`TokenError::BackingOff`] or [`TokenError::NoRuntime`].
    pub(crate) fn join(self: &Arc<Self>, exchange: &Exchange<'_>) -> Result<Exchanged, TokenError> {
        let now = self.mint.now();
        let subject_ends = exchange.caller.expires_at();
        if subject_ends <= UnixTime::from(now.wall) {
            return Err(TokenError::SubjectExpired);
        }
        let key = exchange.key();
        let (outcome, waiting) = watch::channel(Outcome::UnderWay);
        let current = {
            let mut kept = self.kept();
            let held = kept.held(exchange.source, now.monotonic);
            let slot = kept.slot(&key, exchange.source);
            let alive = slot.token.as_ref();
            // One of a certificate that is not shown any more is as good as none.
            let is_usable = |token: &&IssuedToken| {
                token.phase(now) != Phase::Ended && token.minted.connections().is_ok()
            };
            let alive = alive.filter(is_usable);
            let is_under_way = slot.flight.is_some();
            let refused = slot.backing_off(now.monotonic).or(held);
            if let Some(token) = alive {
                // A new one would end with the caller's token, as this one does.
                let is_last = token.expires_at() >= subject_ends;
                let is_fresh = token.phase(now) == Phase::Fresh;
                if is_fresh || is_last || is_under_way || refused.is_some() {
                    return Ok(Exchanged::Current(token.clone()));
                }
            } else if let Some(flight) = &slot.flight {
                return Ok(Exchanged::Waiting(Waiter::new(flight.clone())));
            } else if let Some(error) = refused {
                return Err(error);
            }
            let current = alive.cloned();
            slot.flight = Some(waiting.clone());
            current
        };
        let flight = Flight {
            exchanges: Arc::clone(self),
            subject_token: exchange.caller.token().clone(),
            subject_ends,
            source: Arc::clone(exchange.source),
            keeps: exchange.keeps,
            key,
            outcome,
        };
        // Outside the lock: a runtime that is shutting down drops the task at once, which ends the flight.
        match Handle::try_current() {
            Ok(runtime) => {
                self.revoked.follow(exchange.source.revocations(), &runtime);
                runtime.spawn(flight.run());
            }
            Err(_) => return Err(TokenError::NoRuntime),
        }
        Ok(match current {
            // The call goes on with the token it has.
            Some(token) => Exchanged::Current(token),
            None => Exchanged::Waiting(Waiter::new(waiting)),
        })
    }

    /// Forgets the token of `generation`, which a callee has rejected. Whether another one is worth a try: not when it came
    /// of the last rejection, nor soon after that.
    pub(crate) fn reject(&self, exchange: &Exchange<'_>, generation: u64) -> bool {
        let now = self.mint.now().monotonic;
        let mut kept = self.kept();
        let interval = self.min_forced_interval;
        let rejected = Rejected {
            generation,
            now,
            interval,
        };
        kept.reject(&exchange.key(), exchange.source, rejected)
    }

    /// For a few instructions, never across an await.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock()
    }
}

impl Exchange<'_> {
    fn key(&self) -> ExchangeKey {
        let token = self.caller.token().expose();
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        ExchangeKey {
            client: self.source.credential.client_id.clone(),
            subject: digest.as_ref().into(),
            audience: self.audience.clone(),
            scope: self.scope.clone(),
        }
    }
}

/// One request under way. Dropped before its end (runtime shut down, panic), it tells the waiters so.
struct Flight {
    exchanges: Arc<Exchanges>,
    key: ExchangeKey,
    source: Arc<ClientCredentials>,
    subject_token: AccessToken,
    subject_ends: UnixTime,
    keeps: bool,
    outcome: watch::Sender<Outcome>,
}

impl Flight {
    async fn run(self) {
        let result = self.obtain().await;
        let now = self.exchanges.mint.now().monotonic;
        let mut kept = self.exchanges.kept();
        match &result {
            Ok(token) => kept.obtained(&self.key, &self.source, self.keeps.then_some(token)),
            Err(failure) => {
                let is_outage = failure.error.is_outage();
                // It may hold the requests for others back, who have no token.
                let no_token = Duration::ZERO;
                let ceiling = backoff::ceiling(no_token, is_outage);
                let failures = kept.failures(&self.key, &self.source).saturating_add(1);
                let wait = backoff::wait(failures, ceiling, random_fraction());
                let asked_for =
                    backoff::asked_for(failure.retry_after, no_token, random_fraction());
                let failure = Failure {
                    until: now.saturating_add(wait.max(asked_for)),
                    cause: Arc::new(failure.error.clone()),
                };
                kept.failed(&self.key, &self.source, failure);
            }
        }
        drop(kept);
        // Nobody may be waiting any more.
        let result = result.map_err(|failure| failure.error);
        self.outcome.send_replace(Outcome::Ended(result));
    }

    async fn obtain(&self) -> Result<IssuedToken, NotGranted> {
        let Exchanges { mint, metrics, .. } = &*self.exchanges;
        let now = mint.now();
        let asked = Asked {
            now,
            moment: now.wall.into(),
        };
        let ExchangeKey {
            audience, scope, ..
        } = &self.key;
        let granted = self
            .source
            .exchange(&self.subject_token, audience, scope)
            .await;
        let took = mint.now().monotonic.saturating_sub(now.monotonic);
        let token = granted.and_then(|mut granted| {
            // Whatever the issuer says: never past the end of the caller's own.
            let left = self.subject_ends.duration_since(UnixTime::from(now.wall));
            let life = granted.expires_in.unwrap_or(left);
            granted.expires_in = Some(life.min(left));
            Ok(mint.granted(granted, asked, self.source.credential.life)?)
        });
        let error = token.as_ref().err().map(|failure| &failure.error);
        metrics.token_requested(&TokenRequested {
            audience,
            grant: TOKEN_EXCHANGE,
            result: error.map_or("ok", TokenError::code),
            took,
        });
        token
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.exchanges.kept().landed(&self.key, &self.source);
    }
}
