//! What the token service knows about one key.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::issued::{IssuedToken, Minted, TokenSource};
use crate::error::TokenError;
use crate::internal_token_cache::TokenKey;

/// How the one request of a key ends, for everybody who waits for it.
pub(crate) type Outcome = Option<Result<IssuedToken, TokenError>>;

/// The state of one key: the hot copy of its token, and the one request that may be under way.
///
/// The hot copy is read without a lock; the rest is behind a mutex that is held for a few instructions and
/// never across an await.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: TokenKey,
    /// Index of the credential that asks for this key's tokens.
    pub(crate) credential: usize,
    slot: ArcSwapOption<Minted>,
    keeps: bool,
    failing: AtomicBool,
    /// Monotonic nanoseconds before which no renewal needs to be tried: saves callers the mutex while one
    /// is under way or held back.
    quiet_until: AtomicU64,
    pub(crate) last_use: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) flight: Option<watch::Receiver<Outcome>>,
    pub(crate) failures: u32,
    pub(crate) held_back: Option<HeldBack>,
    pub(crate) last_forced: Option<Duration>,
}

/// A failure that is remembered for a moment.
#[derive(Debug)]
pub(crate) struct HeldBack {
    pub(crate) until: Duration,
    pub(crate) cause: Arc<TokenError>,
}

impl Entry {
    /// `keeps`: whether tokens stay in memory between calls.
    pub(crate) fn new(key: TokenKey, credential: usize, keeps: bool) -> Self {
        Self {
            key,
            credential,
            slot: ArcSwapOption::const_empty(),
            keeps,
            failing: AtomicBool::new(false),
            quiet_until: AtomicU64::new(0),
            last_use: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Looks at the hot copy without counting a reference.
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

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn is_quiet(&self, now: Duration) -> bool {
        nanoseconds(now) < self.quiet_until.load(Ordering::Relaxed)
    }

    pub(crate) fn quiet_until(&self, until: Duration) {
        self.quiet_until
            .store(nanoseconds(until), Ordering::Relaxed);
    }

    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The error for a caller that comes too early after a failure.
    pub(crate) fn held_back(&self, now: Duration) -> Option<TokenError> {
        let held = self.held_back.as_ref().filter(|held| now < held.until)?;
        Some(TokenError::BackingOff {
            cause: Arc::clone(&held.cause),
            retry_in: held.until - now,
        })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
