//! Quotas that processes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures_core::future::BoxFuture;
use hallpass_upstream::{Grant, Quota, RateStore, RateStoreError};
use redis::Value;

use crate::breaker::Breaker;
use crate::error::RedisError;
use crate::token_cache::RedisTokenCache;

/// Takes as many requests as there is room for, at most so many as were asked for. All is in microseconds of the server's clock, so that the
/// clocks of processes do not matter: the time of one request, how far ahead of its time a quota may be used, how many. A value that is further
/// ahead than it can be was written before the clock was set back.
const TAKE: &str = "local t = redis.call('TIME') \
local now = t[1] * 1000000 + t[2] \
local interval, ahead, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) \
local whole = tonumber(redis.call('GET', KEYS[1]) or now) \
if whole < now then whole = now end \
if whole > now + ahead then whole = now + ahead end \
local room = math.floor((now + ahead - whole) / interval + 0.001) \
if room < 1 then return {0, math.ceil(whole + interval - now - ahead), 0} end \
if count > room then count = room end \
whole = whole + interval * count \
redis.call('SET', KEYS[1], string.format('%.3f', whole), 'PX', math.ceil((whole - now) / 1000) + 1000) \
return {count, 0, room - count}";

/// What processes share of quotas: one key a quota and name, by a hash, for as long as the quota is not whole again. Cheap to clone.
///
/// * **Of two who ask at once each gets what the other has not**: one script at one primary.
/// * **No call takes longer than 30 ms**, over the connections of the tier, behind a breaker of its own.
/// * **Clocks do not matter**: the time is the server's.
///
/// The user of the tier needs the right to run scripts (`+eval +time +get +set`); without it this store is away.
///
/// **What it does not do**: Redis may forget. After a flush or an eviction a quota is whole again, and a replica that becomes the primary
/// knows less than the one before.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_redis::{RedisRateStore, RedisSettings, RedisTokenCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = RedisSettings::standalone("127.0.0.1:6379".parse()?);
/// let tier = RedisTokenCache::new(&settings, Arc::new(SystemClock::new()))?;
/// let store = RedisRateStore::over(&tier);
/// // Then `Network::with_rate_store(Arc::new(store))`.
/// # let _ = store;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisRateStore {
    tier: RedisTokenCache,
    breaker: Arc<Breaker>,
}

impl RedisRateStore {
    /// Over the connections of `tier`, below its prefix.
    #[must_use]
    pub fn over(tier: &RedisTokenCache) -> Self {
        Self {
            tier: tier.clone(),
            breaker: Arc::new(tier.own_breaker(tier.metrics().rate_breaker())),
        }
    }

    async fn ask(&self, name: &[u8], quota: Quota, count: u32) -> Result<Grant, RedisError> {
        let key = self.tier.keys().rate(digest(&SHA256, name).as_ref());
        let micros = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e6);
        let (interval, ahead) = (micros(quota.interval()), micros(quota.ahead()));
        let mut command = redis::cmd("EVAL");
        command.arg(TAKE).arg(1).arg(&key);
        command.arg(interval).arg(ahead).arg(count);
        let call = self.tier.call_behind(&self.breaker, "rate", &key, &command);
        let Value::Array(values) = call.await? else {
            return Err(RedisError::Response);
        };
        let &[Value::Int(granted), Value::Int(wait), Value::Int(left)] = values.as_slice() else {
            return Err(RedisError::Response);
        };
        let granted = u32::try_from(granted).ok().filter(|it| *it <= count);
        let wait = u64::try_from(wait).map_err(|_| RedisError::Response)?;
        Ok(Grant {
            granted: granted.ok_or(RedisError::Response)?,
            retry_after: Duration::from_micros(wait),
            left: u32::try_from(left).map_err(|_| RedisError::Response)?,
        })
    }
}

impl RateStore for RedisRateStore {
    fn take<'a>(
        &'a self,
        name: &'a [u8],
        quota: Quota,
        count: u32,
    ) -> BoxFuture<'a, Result<Grant, RateStoreError>> {
        Box::pin(async move {
            let taken = self.ask(name, quota, count).await;
            taken.map_err(RateStoreError::new)
        })
    }
}

impl fmt::Debug for RedisRateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRateStore")
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}
