//! The tier itself: what each call of the token service is in Redis.

mod leases;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use hallpass_client::{
    CacheError, EvictionNotice, InternalTokenCache, Lease, LeaseId, SealedToken, TierEvent,
    TokenKey,
};
use hallpass_clock::Clock;
use hallpass_tls::{ClientTls, TlsMetrics};
use hallpass_upstream::Reminders;
use redis::{Cmd, Value};

use crate::breaker::Breaker;
use crate::connection::Dialer;
use crate::error::RedisError;
use crate::link::{Link, LinkState};
use crate::metrics::{BreakerMetrics, RedisMetrics, Subscription};
use crate::notices::{Topic, follow};
use crate::plan::Plan;
use crate::publishing::Publishing;
use crate::redis_keys::RedisKeys;
use crate::settings::RedisSettings;

/// The tier's label in metrics.
const NAME: &str = "redis";
/// The channel of eviction notices.
const EVICTIONS: &str = "evictions";
/// A larger entry is none of ours: a token has 16 KiB at most. Redis does not send more of it.
const MAX_ENTRY_BYTES: usize = 64 * 1024;

/// The tier of the token cache that processes share, in Redis. Cheap to clone.
///
/// * **No call waits for a connection.** A task of its own makes and keeps them; a call without one fails at once. Only while
///   the very first attempt is under way do calls wait for it, within their limit.
/// * **No call takes longer than 30 ms.** After 5 calls in a row to which no response came, none is tried for a second.
/// * **A failover is followed**: connections that end, do not respond or lead to a server that is no primary (any more) are
///   replaced, at pauses of 100 ms to 1 s.
/// * **A response is bounded**: no more than 64 KiB of an entry is read.
///
/// **What it does not check**: what entries hold. The token service seals and opens them. Who may write to Redis can take
/// entries away or keep leases, which costs token requests and nothing else.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_redis::{RedisSettings, RedisTokenCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = RedisSettings::standalone("127.0.0.1:6379".parse()?);
/// let tier = RedisTokenCache::new(&settings, Arc::new(SystemClock::new()))?;
/// // Then `AuthTokenService::builder(..).shared_cache(Arc::new(tier))`.
/// # let _ = tier;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisTokenCache {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    breaker: Breaker,
    keys: RedisKeys,
    limit: Duration,
    metrics: RedisMetrics,
    clock: Arc<dyn Clock>,
    said: Reminders,
    /// The server has refused a script.
    are_scripts_denied: AtomicBool,
    /// What all leases of this process are called: a token service asks for each key once at a time.
    lease_id: LeaseId,
    /// Somebody asked for a lease, and no response came.
    may_hold_leases: AtomicBool,
    publishing: Publishing,
}

impl RedisTokenCache {
    /// A tier as `settings` say. Reads the files of `redis.ssl`, which blocks the thread. Inside a tokio runtime it begins to
    /// connect in the background, else with the first call; it waits for nothing.
    ///
    /// # Errors
    /// [`RedisError::Tls`] when a file cannot be used.
    pub fn new(settings: &RedisSettings, clock: Arc<dyn Clock>) -> Result<Self, RedisError> {
        let load = |files| ClientTls::load(files, Arc::clone(&clock), &TlsMetrics::default());
        let tls = settings.tls.as_ref().map(load).transpose();
        let tls = tls.map_err(|error| RedisError::Tls(Arc::new(error)))?;
        if settings.dangerous_plain_tcp {
            const TEXT: &str =
                "the password of Redis may go over plain TCP, where everybody on the way reads it";
            tracing::warn!("redis.dangerous-plain-tcp is set: {TEXT}");
        }
        let dialer = Dialer::new(settings, tls);
        let metrics = RedisMetrics::default();
        let link = Link::new(Plan::new(settings, dialer), metrics.clone());
        let core = Arc::clone(link.core());
        let on_silence = Box::new(move || core.suspect());
        link.start();
        Ok(Self {
            shared: Arc::new(Shared {
                link,
                breaker: Breaker::new(Arc::clone(&clock), metrics.breaker().clone(), on_silence),
                keys: RedisKeys::new(&settings.key_prefix),
                limit: settings.timeout,
                metrics,
                clock,
                said: Reminders::default(),
                are_scripts_denied: AtomicBool::new(false),
                lease_id: LeaseId::random(),
                may_hold_leases: AtomicBool::new(false),
                publishing: Publishing::default(),
            }),
        })
    }

    /// Waits for a connection, at most for `limit`: for warming up. Whether there is one then; if not, attempts go on in the
    /// background.
    pub async fn connect(&self, limit: Duration) -> bool {
        self.shared.link.start();
        let mut state = self.shared.link.core().watch();
        let is_up = state.wait_for(|state| matches!(state, LinkState::Up(_)));
        matches!(tokio::time::timeout(limit, is_up).await, Ok(Ok(_)))
    }

    /// What is counted; register it once per process.
    #[must_use]
    pub fn metrics(&self) -> &RedisMetrics {
        &self.shared.metrics
    }

    /// What is published on the channel of this name below the prefix.
    pub(crate) fn listen<T: 'static>(&self, name: &str, topic: Topic<T>) -> BoxStream<'static, T> {
        self.shared.link.start();
        let core = Arc::clone(self.shared.link.core());
        follow(core, self.shared.keys.channel(name), topic)
    }

    /// Publishes on the channel of this name below the prefix, to whoever listens at this moment.
    pub(crate) async fn publish(&self, name: &str, message: &[u8]) -> Result<(), RedisError> {
        let channel = self.shared.keys.channel(name);
        self.shared.publish(&channel, message).await
    }

    pub(crate) fn keys(&self) -> &RedisKeys {
        &self.shared.keys
    }

    /// A breaker for calls that have nothing to do with the token cache.
    pub(crate) fn own_breaker(&self, metrics: &BreakerMetrics) -> Breaker {
        let core = Arc::clone(self.shared.link.core());
        let clock = Arc::clone(&self.shared.clock);
        Breaker::new(clock, metrics.clone(), Box::new(move || core.suspect()))
    }

    /// One command about one key, within the limit, counted, behind a breaker of its own.
    pub(crate) async fn call_behind(
        &self,
        breaker: &Breaker,
        label: &'static str,
        key: &str,
        command: &Cmd,
    ) -> Result<Value, RedisError> {
        let result = self.shared.attempt(breaker, label, key, command).await;
        self.shared.count(label, &result);
        result
    }
}

impl InternalTokenCache for RedisTokenCache {
    fn name(&self) -> &'static str {
        NAME
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        Box::pin(async move { Ok(self.shared.get(key).await?) })
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { Ok(self.shared.put(key, token, keep_for).await?) })
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { Ok(self.shared.evict(key).await?) })
    }

    fn lease<'a>(
        &'a self,
        key: &'a TokenKey,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<Lease, CacheError>> {
        Box::pin(async move { Ok(self.shared.lease(key, keep_for).await?) })
    }

    fn extend<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { Ok(self.shared.extend(key, lease, keep_for).await?) })
    }

    fn release<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { Ok(self.shared.release(key, lease).await?) })
    }

    fn announce<'a>(&'a self, notice: &'a EvictionNotice) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { Ok(self.shared.announce(notice).await?) })
    }

    fn events(&self) -> Option<BoxStream<'static, TierEvent>> {
        let topic = Topic {
            parse: |message| EvictionNotice::parse(message).map(TierEvent::Evicted),
            missed: || TierEvent::Missed,
            subscription: Subscription::Evictions,
            without: "tokens that another process has evicted stay in use here",
        };
        Some(self.listen(EVICTIONS, topic))
    }
}

impl Shared {
    async fn get(&self, key: &TokenKey) -> Result<Option<SealedToken>, RedisError> {
        let name = self.keys.token(key);
        let mut command = redis::cmd("GETRANGE");
        command.arg(&name).arg(0).arg(MAX_ENTRY_BYTES);
        match self.call("get", &name, &command).await? {
            // An entry that is not there is an empty one.
            Value::BulkString(bytes) if bytes.is_empty() => Ok(None),
            Value::BulkString(bytes) if bytes.len() <= MAX_ENTRY_BYTES => {
                let text = String::from_utf8(bytes).map_err(|_| RedisError::Response)?;
                Ok(Some(SealedToken::from(text)))
            }
            Value::Nil => Ok(None),
            _ => Err(RedisError::Response),
        }
    }

    async fn put(
        &self,
        key: &TokenKey,
        token: &SealedToken,
        keep_for: Duration,
    ) -> Result<(), RedisError> {
        let Some(millis) = whole_millis(keep_for) else {
            return Ok(());
        };
        let name = self.keys.token(key);
        let mut command = redis::cmd("SET");
        command.arg(&name).arg(token.as_str()).arg("PX").arg(millis);
        self.call("put", &name, &command).await?;
        Ok(())
    }

    async fn evict(&self, key: &TokenKey) -> Result<(), RedisError> {
        let name = self.keys.token(key);
        let mut command = redis::cmd("DEL");
        command.arg(&name);
        self.call("evict", &name, &command).await?;
        Ok(())
    }

    async fn announce(&self, notice: &EvictionNotice) -> Result<(), RedisError> {
        let channel = self.keys.channel(EVICTIONS);
        self.publish(&channel, &notice.to_bytes()).await
    }

    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), RedisError> {
        self.publishing.may_be_tried()?;
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(message);
        let result = self.call("publish", channel, &command).await;
        self.publishing.tried(channel, &result);
        result.map(drop)
    }

    /// One command about one key, within the limit, counted.
    async fn call(
        &self,
        label: &'static str,
        key: &str,
        command: &Cmd,
    ) -> Result<Value, RedisError> {
        let result = self.attempt(&self.breaker, label, key, command).await;
        self.count(label, &result);
        if let Err(error @ RedisError::Refused { .. }) = &result {
            self.say_refused(label, error);
        }
        result
    }

    fn count(&self, label: &'static str, result: &Result<Value, RedisError>) {
        let told = match result {
            Ok(_) => "success",
            Err(RedisError::NotConnected | RedisError::NoNode) => "not_connected",
            Err(RedisError::BreakerOpen) => "breaker_open",
            Err(RedisError::TimedOut) => "timeout",
            Err(error) if error.is_response() => "refused",
            Err(_) => "connection",
        };
        self.metrics.call_ended(label, told);
    }

    /// A server that is full, that only reads, or that is still loading: callers do not notice, so the log has to say it.
    fn say_refused(&self, command: &str, error: &RedisError) {
        // Redirections are a cluster's ordinary way; of rights it is said where they are used.
        let kind = error.kind();
        if !matches!(kind, "MOVED" | "ASK" | "TRYAGAIN" | "NOPERM") && self.said.is_due(kind) {
            tracing::warn!(command, %error, "Redis refuses what it is asked for: tokens are asked of the issuer in its place");
        }
    }

    async fn attempt(
        &self,
        breaker: &Breaker,
        label: &'static str,
        key: &str,
        command: &Cmd,
    ) -> Result<Value, RedisError> {
        let routes = tokio::time::timeout(self.limit, self.link.routes()).await;
        let routes = routes.map_err(|_| RedisError::NotConnected)??;
        let permit = breaker.admit().ok_or(RedisError::BreakerOpen)?;
        let result = tokio::time::timeout(self.limit, routes.call(key.as_bytes(), command)).await;
        let result = result.unwrap_or(Err(RedisError::TimedOut));
        if result.is_ok() || result.as_ref().is_err_and(RedisError::is_response) {
            self.metrics.responded(label, permit.elapsed());
            permit.succeeded();
        } else {
            permit.failed();
        }
        if result.as_ref().is_err_and(RedisError::is_wrong_server) {
            self.link.core().doubt();
        }
        result
    }
}

/// What Redis takes as a time to live; `None` for less than one millisecond.
pub(crate) fn whole_millis(time: Duration) -> Option<u64> {
    // A century, which is more than anybody keeps anything and less than Redis refuses.
    const MOST: u64 = 100 * 366 * 24 * 60 * 60 * 1_000;
    let millis = u64::try_from(time.as_millis()).unwrap_or(MOST).min(MOST);
    (millis > 0).then_some(millis)
}

impl fmt::Debug for RedisTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTokenCache")
            .field("link", &self.shared.link)
            .field("breaker", &self.shared.breaker)
            .finish_non_exhaustive()
    }
}
