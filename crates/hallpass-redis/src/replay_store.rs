//! Messages that count once, for all processes of an estate.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use hallpass_upstream::{ReplayMessage, ReplayStore, ReplayStoreError};
use redis::Value;

use crate::breaker::Breaker;
use crate::error::RedisError;
use crate::token_cache::{RedisTokenCache, whole_millis};

/// What processes share of the messages that were shown to them, such as proofs of possession and client assertions: one key a
/// message, which nobody can be told from, until it counts no more. Cheap to clone.
///
/// * **Of two who ask at once one is the first**: `SET … NX`, one command to one primary.
/// * **No call takes longer than 30 ms**, over the connections of the tier, behind a breaker of its own: a token cache that is
///   asked for much does not keep this from being asked, nor the other way round.
/// * **It remembers for as long as the message counts** by the slowest clock of those who share it
///   ([`CLOCKS_DIFFER_BY`](hallpass_upstream::CLOCKS_DIFFER_BY)).
///
/// **What it does not do**: Redis may forget. A server that is flushed, that evicts keys, or a replica that becomes the primary
/// before it has the last ones, knows less; what each process has in its own memory still counts.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_redis::{RedisReplayStore, RedisSettings, RedisTokenCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = RedisSettings::standalone("127.0.0.1:6379".parse()?);
/// let tier = RedisTokenCache::new(&settings, Arc::new(SystemClock::new()))?;
/// let store = RedisReplayStore::over(&tier);
/// // Then `Network::with_replay_store(Arc::new(store))`.
/// # let _ = store;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisReplayStore {
    tier: RedisTokenCache,
    breaker: Arc<Breaker>,
}

impl RedisReplayStore {
    /// Over the connections of `tier`, below its prefix.
    #[must_use]
    pub fn over(tier: &RedisTokenCache) -> Self {
        Self {
            tier: tier.clone(),
            breaker: Arc::new(tier.own_breaker(tier.metrics().replay_breaker())),
        }
    }

    async fn ask(&self, message: ReplayMessage<'_>) -> Result<bool, RedisError> {
        let name = self.tier.keys().used(message.digest());
        let millis = whole_millis(message.keep_for()).unwrap_or(1);
        let mut command = redis::cmd("SET");
        command.arg(&name).arg(1).arg("NX").arg("PX").arg(millis);
        let call = self
            .tier
            .call_behind(&self.breaker, "replay", &name, &command);
        match call.await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            _ => Err(RedisError::Response),
        }
    }
}

impl ReplayStore for RedisReplayStore {
    fn is_first<'a>(
        &'a self,
        message: ReplayMessage<'a>,
    ) -> BoxFuture<'a, Result<bool, ReplayStoreError>> {
        Box::pin(async move { self.ask(message).await.map_err(ReplayStoreError::new) })
    }
}

impl fmt::Debug for RedisReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplayStore")
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}
