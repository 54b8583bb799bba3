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
        match self.awaits_tokens() {
            false => Ok(()),
            true => Err("waiting for the first tokens of this service"),
        }
    }

    /// It says no for a token until that is there, or nobody waits for it any more: until this is dropped.
    pub(crate) fn awaits_token(self: &Arc<Self>) -> AwaitedToken {
        self.tokens.fetch_add(1, Ordering::Relaxed);
        AwaitedToken(Arc::clone(self))
    }

    /// Whether it says no for a token.
    pub(crate) fn awaits_tokens(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > 0
    }

    /// From now on it says no.
    pub(crate) fn begin_stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }
}

/// A token that readiness waits for.
#[derive(Debug)]
pub(crate) struct AwaitedToken(Arc<Readiness>);

impl Drop for AwaitedToken {
    fn drop(&mut self) {
        self.0.tokens.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks for the keys of all issuers of these until they are there. Why they are not is said by who fetches them.
pub(crate) async fn load_keys(resources: Vec<ResourceServer>, readiness: Arc<Readiness>) {
    for resource in resources {
        let mut pause = KEYS_PAUSE;
        while let Err(denial) = resource.load_keys().await {
            tracing::debug!(%denial, "readiness waits for the keys of an issuer");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(MAX_KEYS_PAUSE);
        }
    }
    readiness.has_keys.store(true, Ordering::Relaxed);
}
