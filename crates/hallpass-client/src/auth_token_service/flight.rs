//! The one token request of a key: who starts it, who waits for it, how it ends.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_token::UnixTime;
use hallpass_upstream::random_fraction;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::backoff;
use super::entry::{Entry, HeldBack, Outcome};
use super::inner::{Inner, Tier};
use super::issued::{IssuedToken, TokenSource};
use super::lifetime::{Age, Phase};
use crate::error::{AnswerFault, TokenError};
use crate::grant::{CLIENT_CREDENTIALS, MAX_EXPIRES_IN};
use crate::internal_token_cache::{CacheError, StoredToken};
use crate::metrics::TokenRequested;

/// Longest wait for one call to a cache tier outside this process's memory.
pub const TIER_WAIT: Duration = Duration::from_millis(30);

/// Why a token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is none, or it is overdue.
    Miss,
    /// It is due for renewal.
    Age,
    /// The callee rejected the token of this generation.
    Rejected { generation: u64 },
}

/// What a caller gets who wants a token.
pub(crate) enum Joined {
    /// Somebody else has just got one.
    Current(IssuedToken),
    /// The request that is under way now.
    Waiting(watch::Receiver<Outcome>),
}

impl Inner {
    /// Joins the request under way for this key, or starts one in a task of its own: a caller that goes
    /// away cancels nobody, and no caller's identity reaches it.
    pub(crate) fn join(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        reason: Reason,
    ) -> Result<Joined, TokenError> {
        let runtime = Handle::try_current().map_err(|_| TokenError::NoRuntime)?;
        let (outcome, waiting) = watch::channel(None);
        {
            let now = self.now();
            let mut state = entry.state();
            if let Some(token) = entry
                .current()
                .filter(|token| reason.is_met_by(token, token.phase(now)))
            {
                return Ok(Joined::Current(token));
            }
            if let Some(flight) = &state.flight {
                return Ok(Joined::Waiting(flight.clone()));
            }
            let tiers_may_help = !entry.keeps() && self.has_tiers();
            if let Some(error) = state.held_back(now.monotonic).filter(|_| !tiers_may_help) {
                return Err(error);
            }
            if matches!(reason, Reason::Rejected { .. }) {
                let next = state
                    .last_forced
                    .map(|last| last + self.min_forced_interval);
                if let Some(retry_in) = next.and_then(|next| next.checked_sub(now.monotonic))
                    && !retry_in.is_zero()
                {
                    return Err(TokenError::RenewedJustNow { retry_in });
                }
                state.last_forced = Some(now.monotonic);
            }
            state.flight = Some(waiting.clone());
            entry.quiet_until(Duration::MAX);
        }
        // Outside the lock: a runtime that is shutting down drops the task at once, which ends the flight.
        let flight = Flight {
            inner: Arc::clone(self),
            entry: Arc::clone(entry),
            reason,
            outcome,
            ended: false,
        };
        runtime.spawn(flight.run());
        Ok(Joined::Waiting(waiting))
    }
}

impl Reason {
    fn is_met_by(self, token: &IssuedToken, phase: Phase) -> bool {
        match self {
            Self::Miss => matches!(phase, Phase::Fresh | Phase::Due),
            Self::Age => phase == Phase::Fresh,
            Self::Rejected { generation } => {
                token.generation() > generation && phase != Phase::Ended
            }
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Age => "age",
            Self::Rejected { .. } => "rejected",
        }
    }
}

/// Waits for the end of the request that `waiting` belongs to.
pub(crate) async fn settle(
    mut waiting: watch::Receiver<Outcome>,
) -> Result<IssuedToken, TokenError> {
    match waiting.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Err(TokenError::Lost)),
        Err(_) => Err(TokenError::Lost),
    }
}

/// One request under way. Dropped before its end (runtime shut down, panic), it tells the waiters so.
struct Flight {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    reason: Reason,
    outcome: watch::Sender<Outcome>,
    ended: bool,
}

/// How a request ended: what the waiters get, and what is known of the issuer now.
struct Landing {
    outcome: Result<IssuedToken, TokenError>,
    issuer: Issuer,
}

enum Issuer {
    NotAsked,
    Answered,
    Failed(TokenError),
}

impl Flight {
    async fn run(mut self) {
        let landing = self.obtain().await;
        self.end(landing);
    }

    async fn obtain(&self) -> Landing {
        let held_back = self.entry.state().held_back(self.inner.now().monotonic);
        let mut spare = None;
        if matches!(self.reason, Reason::Rejected { .. }) {
            self.inner.evict_from_tiers(&self.entry.key).await;
        } else if let Some(found) = self.ask_tiers().await {
            if held_back.is_some() || self.is_good_enough(&found) {
                return Landing {
                    outcome: Ok(found),
                    issuer: Issuer::NotAsked,
                };
            }
            spare = Some(found);
        }
        if let Some(error) = held_back {
            return Landing {
                outcome: Err(error),
                issuer: Issuer::NotAsked,
            };
        }
        match self.fetch().await {
            Ok(token) => Landing {
                outcome: Ok(token),
                issuer: Issuer::Answered,
            },
            Err(error) => Landing {
                outcome: spare.ok_or_else(|| error.clone()),
                issuer: Issuer::Failed(error),
            },
        }
    }

    /// The first token in a tier that is alive and ends later than the one the process has.
    async fn ask_tiers(&self) -> Option<IssuedToken> {
        for tier in self.inner.tiers() {
            let Some(token) = self.ask(tier).await.and_then(|stored| self.adopt(stored)) else {
                continue;
            };
            let now = self.inner.now();
            let current = self.entry.current();
            let current = current.filter(|current| current.phase(now) != Phase::Ended);
            let is_newer = current.is_none_or(|current| token.expires_at() > current.expires_at());
            if is_newer && token.phase(now) != Phase::Ended {
                tier.served();
                return Some(token);
            }
        }
        None
    }

    async fn ask(&self, tier: &Tier) -> Option<StoredToken> {
        tier.asked();
        match tokio::time::timeout(TIER_WAIT, tier.cache.get_token(&self.entry.key)).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(error)) => {
                self.inner.tier_failed(tier, Some(&error));
                None
            }
            Err(_) => {
                self.inner.tier_failed(tier, None);
                None
            }
        }
    }

    /// A tier is not believed more than an issuer: a life beyond the longest one is a damaged entry.
    fn adopt(&self, stored: StoredToken) -> Option<IssuedToken> {
        let now = self.inner.now();
        let life = stored.expires_at.duration_since(stored.issued_at);
        if life > MAX_EXPIRES_IN {
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
        self.inner
            .mint(&self.entry, stored, age, TokenSource::Cache)
    }

    /// A token that is due is taken where the process can keep it: its next use renews it in the
    /// background. An overdue one serves only while the issuer can not be asked.
    fn is_good_enough(&self, token: &IssuedToken) -> bool {
        match token.phase(self.inner.now()) {
            Phase::Fresh => true,
            Phase::Due => self.entry.keeps() && self.reason == Reason::Miss,
            Phase::Overdue | Phase::Ended => false,
        }
    }

    async fn fetch(&self) -> Result<IssuedToken, TokenError> {
        let (inner, key) = (&self.inner, &self.entry.key);
        let credential = inner.credential(&self.entry).ok_or(TokenError::Disabled)?;
        inner.metrics.renewal(self.reason.label());
        let start = inner.now();
        let granted = inner
            .client
            .client_credentials(credential, key.audience(), key.scope())
            .await;
        let arrived = inner.now();
        let token = granted.and_then(|granted| {
            let issued_at = UnixTime::from(start.wall);
            let expires_at = issued_at.saturating_add(granted.expires_in);
            let stored = StoredToken {
                access_token: granted.access_token,
                issued_at,
                expires_at,
            };
            let age = Age {
                now: start,
                age: Duration::ZERO,
                life: granted.expires_in,
            };
            inner
                .mint(&self.entry, stored, age, TokenSource::Issuer)
                .filter(|token| token.phase(arrived) != Phase::Ended)
                .ok_or(TokenError::Answer(AnswerFault::Expired))
        });
        inner.metrics.token_requested(&TokenRequested {
            audience: key.audience(),
            grant: CLIENT_CREDENTIALS,
            result: token.as_ref().map_or_else(TokenError::code, |_| "ok"),
            took: arrived.monotonic.saturating_sub(start.monotonic),
        });
        let token = token?;
        inner
            .metrics
            .token_expires(key.audience(), token.expires_at());
        self.put_into_tiers(&token).await;
        Ok(token)
    }

    async fn put_into_tiers(&self, token: &IssuedToken) {
        let stored = StoredToken {
            access_token: token.access_token().clone(),
            issued_at: token.minted.issued_at,
            expires_at: token.minted.expires_at,
        };
        for tier in self.inner.tiers() {
            let put: BoxFuture<'_, Result<(), CacheError>> =
                tier.cache.put_token(&self.entry.key, &stored);
            match tokio::time::timeout(TIER_WAIT, put).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.inner.tier_failed(tier, Some(&error)),
                Err(_) => self.inner.tier_failed(tier, None),
            }
        }
    }

    fn end(&mut self, landing: Landing) {
        self.ended = true;
        let now = self.inner.now().monotonic;
        let mut state = self.entry.state();
        if let Ok(token) = &landing.outcome {
            self.entry.keep(token);
        }
        match &landing.issuer {
            Issuer::NotAsked => {
                let held = state.held_back.as_ref().map(|held| held.until);
                self.entry.quiet_until(held.unwrap_or_default());
            }
            Issuer::Answered => {
                if state.failures > 0 {
                    tracing::info!(key = ?self.entry.key, failures = state.failures, "tokens are issued again");
                }
                state.failures = 0;
                state.held_back = None;
                self.entry.set_failing(false);
                self.entry.quiet_until(Duration::ZERO);
            }
            Issuer::Failed(error) => {
                state.failures = state.failures.saturating_add(1);
                let wait = backoff::wait(state.failures, random_fraction());
                tracing::warn!(key = ?self.entry.key, code = error.code(), %error, retry_in = ?wait, "no new token");
                state.held_back = Some(HeldBack {
                    until: now + wait,
                    cause: Arc::new(error.clone()),
                });
                self.entry.set_failing(true);
                self.entry.quiet_until(now + wait);
            }
        }
        state.flight = None;
        drop(state);
        self.outcome.send_replace(Some(landing.outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Landing {
                outcome: Err(TokenError::Lost),
                issuer: Issuer::Failed(TokenError::Lost),
            });
        }
    }
}
