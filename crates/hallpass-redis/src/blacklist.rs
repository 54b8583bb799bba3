//! Tokens that an estate has listed as logged out, under names of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_upstream::{BlacklistError, BlacklistStore};
use redis::Value;

use crate::breaker::Breaker;
use crate::error::RedisError;
use crate::token_cache::{RedisTokenCache, whole_millis};

/// The keys that are written when a token is logged out, such as `jwt:blacklist:{jti}`: whether one is there, whatever its value, and
/// writing one. Cheap to clone.
///
/// * **No call takes longer than 30 ms**, over the connections of the tier, behind a breaker of its own.
/// * **The name is taken as it is**, without the prefix of the tier: the user of the tier needs the right to read it
///   (`+exists ~jwt:blacklist:*`), and who lists tokens (`logout` of a gateway) the one to write it (`+set`).
///
/// **What it does not do**: it keeps nothing in memory. Redis may forget: a server that is flushed, that evicts
/// keys, or a replica that becomes the primary before it has the last ones, lists less.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_redis::{RedisBlacklist, RedisSettings, RedisTokenCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = RedisSettings::standalone("127.0.0.1:6379".parse()?);
/// let tier = RedisTokenCache::new(&settings, Arc::new(SystemClock::new()))?;
/// let blacklist = RedisBlacklist::over(&tier);
/// // Then `Network::with_blacklist(Arc::new(blacklist))`.
/// # let _ = blacklist;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisBlacklist {
    tier: RedisTokenCache,
    breaker: Arc<Breaker>,
}

impl RedisBlacklist {
    /// Over the connections of `tier`.
    #[must_use]
    pub fn over(tier: &RedisTokenCache) -> Self {
        Self {
            tier: tier.clone(),
            breaker: Arc::new(tier.own_breaker(tier.metrics().blacklist_breaker())),
        }
    }

    async fn ask(&self, name: &str) -> Result<bool, RedisError> {
        let mut command = redis::cmd("EXISTS");
        command.arg(name);
        let call = self
            .tier
            .call_behind(&self.breaker, "blacklist", name, &command);
        match call.await? {
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            _ => Err(RedisError::Response),
        }
    }

    async fn write(&self, name: &str, keep_for: Duration) -> Result<(), RedisError> {
        // What has no time left is refused by everybody for its end.
        let millis = whole_millis(keep_for).unwrap_or(1);
        let mut command = redis::cmd("SET");
        command.arg(name).arg(1).arg("PX").arg(millis);
        let call = self
            .tier
            .call_behind(&self.breaker, "blacklist", name, &command);
        match call.await? {
            Value::Okay => Ok(()),
            _ => Err(RedisError::Response),
        }
    }
}

impl BlacklistStore for RedisBlacklist {
    fn is_listed<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, BlacklistError>> {
        Box::pin(async move { self.ask(name).await.map_err(BlacklistError::new) })
    }

    fn list<'a>(
        &'a self,
        name: &'a str,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), BlacklistError>> {
        Box::pin(async move {
            let written = self.write(name, keep_for).await;
            written.map_err(BlacklistError::new)
        })
    }
}

impl fmt::Debug for RedisBlacklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBlacklist")
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}
