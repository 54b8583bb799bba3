//! What the token service knows about one key.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::issued::{IssuedToken, Minted, TokenSource};
use super::obtain::Obtain;
use crate::error::TokenError;
use crate::internal_token_cache::TokenKey;

/// What everybody who waits for a token request gets; `None` while it is under way.
pub(crate) type Outcome = Option<Result<IssuedToken, TokenError>>;

/// The state of one key: its token, and the one request that may be under way.
///
/// The token is read without a lock; the rest is behind a mutex that is held for a few instructions and never across
/// an await. `failing` and `quiet_until` copy what the mutex guards to where the hot path can see it without taking
/// it. They are written under the mutex only, so the last writer is right, and read `Relaxed`, because they decide
/// nothing: a reader of an old value takes the mutex and finds out there, or lets one renewal go to the next call.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: TokenKey,
    /// How this key's tokens are obtained.
    pub(crate) source: Arc<dyn Obtain>,
    slot: ArcSwapOption<Minted>,
    keeps: bool,
    /// Another entry has taken this one's place, or none: the settings have changed. Calls that hold it go on with it;
    /// the next ones look for the new one. Read `Relaxed`: code that sees it takes the lock of all entries next, and a
    /// call that does not see it yet began while the settings changed.
    retired: AtomicBool,
    /// Whether what tiers hold for this key may be a token of the credential that another one has replaced. Until the
    /// issuer has given a token of the new one.
    distrusts_tiers: AtomicBool,
    /// Whether the last request failed: then an overdue token is used without waiting for a new one first.
    failing: AtomicBool,
    /// Monotonic nanoseconds before which no renewal needs to be tried. Between the moment when a renewal is due and
    /// its end each call finds the token due; without this each would take the mutex to learn that a request is under
    /// way (then the value is the end of time) or that the issuer has failed a moment ago (then the end of the wait).
    quiet_until: AtomicU64,
    pub(crate) last_use: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The request that is under way.
    pub(crate) flight: Option<watch::Receiver<Outcome>>,
    /// Requests that failed in a row.
    failures: u32,
    last_failure: Option<Failure>,
    /// When a callee's rejection last forced a renewal.
    last_forced: Option<Duration>,
}

/// A failure that is remembered for a moment.
#[derive(Debug)]
struct Failure {
    until: Duration,
    cause: Arc<TokenError>,
}

impl Entry {
    /// `keeps`: whether tokens stay in memory between calls.
    pub(crate) fn new(key: TokenKey, source: Arc<dyn Obtain>, keeps: bool) -> Self {
        Self {
            key,
            source,
            slot: ArcSwapOption::const_empty(),
            keeps,
            retired: AtomicBool::new(false),
            distrusts_tiers: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            quiet_until: AtomicU64::new(0),
            last_use: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// The same, for a credential that has replaced another one: see `distrusts_tiers`.
    pub(crate) fn distrusting_tiers(self, distrusts: bool) -> Self {
        Self {
            distrusts_tiers: AtomicBool::new(distrusts),
            ..self
        }
    }

    /// Looks at the token without counting a reference.
    pub(crate) fn with_current<R>(&self, look: impl FnOnce(&Arc<Minted>) -> R) -> Option<R> {
        self.slot.load().as_ref().map(look)
    }

    pub(crate) fn current(&self) -> Option<IssuedToken> {
        let minted = self.slot.load_full()?;
        Some(IssuedToken {
            minted,
            source: TokenSource::Cache,
        })
    }

    pub(crate) fn keep(&self, token: &IssuedToken) {
        if self.keeps {
            self.slot.store(Some(Arc::clone(&token.minted)));
        }
    }

    pub(crate) fn forget(&self) {
        self.slot.store(None);
    }

    pub(crate) const fn keeps(&self) -> bool {
        self.keeps
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub(crate) fn distrusts_tiers(&self) -> bool {
        self.distrusts_tiers.load(Ordering::Relaxed)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn is_quiet(&self, now: Duration) -> bool {
        nanoseconds(now) < self.quiet_until.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request starts. The caller holds the state, here and below.
    pub(crate) fn started(&self, state: &mut State, flight: watch::Receiver<Outcome>) {
        state.flight = Some(flight);
        self.quiet_until(Duration::MAX);
    }

    /// The request has ended without asking the issuer: what is known of the issuer stays.
    pub(crate) fn ended_unasked(&self, state: &mut State) {
        state.flight = None;
        let until = state.last_failure.as_ref().map(|failure| failure.until);
        self.quiet_until(until.unwrap_or_default());
    }

    /// The issuer gave a token. Returns how many requests had failed before, in a row.
    pub(crate) fn ended_well(&self, state: &mut State) -> u32 {
        state.flight = None;
        state.last_failure = None;
        self.failing.store(false, Ordering::Relaxed);
        self.distrusts_tiers.store(false, Ordering::Relaxed);
        self.quiet_until(Duration::ZERO);
        std::mem::take(&mut state.failures)
    }

    /// The issuer gave none. `wait` says for how long to leave it alone after so many failures in a row.
    pub(crate) fn ended_in_failure(
        &self,
        state: &mut State,
        now: Duration,
        cause: &TokenError,
        wait: impl FnOnce(u32) -> Duration,
    ) -> Duration {
        state.flight = None;
        state.failures = state.failures.saturating_add(1);
        let wait = wait(state.failures);
        state.last_failure = Some(Failure {
            until: now + wait,
            cause: Arc::new(cause.clone()),
        });
        self.failing.store(true, Ordering::Relaxed);
        self.quiet_until(now + wait);
        wait
    }

    fn quiet_until(&self, until: Duration) {
        self.quiet_until
            .store(nanoseconds(until), Ordering::Relaxed);
    }
}

impl State {
    /// The error for a caller that comes too early after a failure.
    pub(crate) fn backing_off(&self, now: Duration) -> Option<TokenError> {
        let failure = self.last_failure.as_ref()?;
        let failure = Some(failure).filter(|failure| now < failure.until)?;
        Some(TokenError::BackingOff {
            cause: Arc::clone(&failure.cause),
            retry_in: failure.until - now,
        })
    }

    /// Notes a renewal that a callee's rejection forces.
    ///
    /// # Errors
    /// Within `interval` of the last one: a callee that rejects every token would cost a request a call.
    pub(crate) fn force(&mut self, now: Duration, interval: Duration) -> Result<(), TokenError> {
        let next = self.last_forced.map(|last| last + interval);
        if let Some(retry_in) = next.and_then(|next| next.checked_sub(now))
            && !retry_in.is_zero()
        {
            return Err(TokenError::RenewedJustNow { retry_in });
        }
        self.last_forced = Some(now);
        Ok(())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
