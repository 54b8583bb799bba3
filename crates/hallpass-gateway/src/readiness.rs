//! Whether a server can do its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_resource::ResourceServer;

/// How long a task that asks for keys waits after the first failure, and at most.
const KEYS_PAUSE: Duration = Duration::from_millis(500);
const MAX_KEYS_PAUSE: Duration = Duration::from_secs(5);

/// What readiness goes by.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    has_keys: AtomicBool,
    /// So many tokens are awaited.
    tokens: AtomicUsize,
    is_stopping: AtomicBool,
}

impl Readiness {
    /// Whether keys were there once and the end is not near.
    pub(crate) fn look(&self) -> Result<(), &'static str> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err("stopping");
        }
        if !self.has_keys.load(Ordering::Relaxed) {
            return Err("waiting for the keys of the issuers");
        }
        match self.tokens.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err("waiting for the first tokens of this service"),
        }
    }

    /// It says no until as many tokens have [come](Self::token_came).
    pub(crate) fn awaits_tokens(&self, count: usize) {
        self.tokens.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn token_came(&self) {
        self.tokens.fetch_sub(1, Ordering::Relaxed);
    }

    /// From now on it says no.
    pub(crate) fn begin_stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }
}

/// Asks for the keys of all issuers until they are there. Why they are not is said by who fetches them.
pub(crate) async fn load_keys(resource: ResourceServer, readiness: Arc<Readiness>) {
    let mut pause = KEYS_PAUSE;
    while let Err(denial) = resource.load_keys().await {
        tracing::debug!(%denial, "readiness waits for the keys of an issuer");
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(MAX_KEYS_PAUSE);
    }
    readiness.has_keys.store(true, Ordering::Relaxed);
}
