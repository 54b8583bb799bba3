//! What is counted of the way to Redis.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds: no call is waited for longer than 30 ms.
const BUCKETS: [f64; 12] = [
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03,
];

/// The metrics of one tier in Redis. Cloning shares them. `docs/metrics.md` lists them all.
#[derive(Clone, Debug)]
pub struct RedisMetrics {
    connected: Gauge,
    subscribed: Gauge,
    revocations_subscribed: Gauge,
    connects: Family<ResultLabel, Counter>,
    breaker: BreakerMetrics,
    replay_breaker: BreakerMetrics,
    blacklist_breaker: BreakerMetrics,
    rate_breaker: BreakerMetrics,
    calls: Family<CallLabels, Counter>,
    durations: Family<CommandLabel, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    command: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CommandLabel {
    command: &'static str,
}

/// What is counted of one breaker. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct BreakerMetrics {
    open: Gauge,
    opened: Counter,
}

impl BreakerMetrics {
    pub(crate) fn is_open(&self, is: bool) {
        self.open.set(i64::from(is));
        if is {
            self.opened.inc();
        }
    }
}

/// What one subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    Evictions,
    Revocations,
}

impl Default for RedisMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self {
            connected: Gauge::default(),
            subscribed: Gauge::default(),
            revocations_subscribed: Gauge::default(),
            connects: Family::default(),
            breaker: BreakerMetrics::default(),
            replay_breaker: BreakerMetrics::default(),
            blacklist_breaker: BreakerMetrics::default(),
            rate_breaker: BreakerMetrics::default(),
            calls: Family::default(),
            durations: Family::new_with_constructor(histogram),
        }
    }
}

impl RedisMetrics {
    /// Adds all of them to `registry`, which should have no prefix: the names begin with `hallpass_redis_`.
    pub fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_redis_connected",
            "Whether there is a connection to Redis",
            it.connected,
        );
        registry.register(
            "hallpass_redis_subscribed",
            "Whether eviction notices of other processes are received",
            it.subscribed,
        );
        registry.register(
            "hallpass_redis_revocations_subscribed",
            "Whether notices of revocations are received",
            it.revocations_subscribed,
        );
        registry.register(
            "hallpass_redis_connects",
            "Attempts to connect to Redis, by result",
            it.connects,
        );
        registry.register(
            "hallpass_redis_breaker_open",
            "Whether calls to Redis are not tried because too many in a row have failed",
            it.breaker.open,
        );
        registry.register(
            "hallpass_redis_breaker_opened",
            "How often the breaker of Redis has opened",
            it.breaker.opened,
        );
        registry.register(
            "hallpass_redis_calls",
            "Calls to Redis, by command and result",
            it.calls,
        );
        registry.register(
            "hallpass_redis_call_duration_seconds",
            "Time of calls to which Redis responded",
            it.durations,
        );
        self.register_stores(registry);
    }

    /// The breakers of what stands beside the cache of tokens.
    fn register_stores(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_replay_store_breaker_open",
            "Whether Redis is not asked whether messages were shown before, because too many such calls in a row have failed",
            it.replay_breaker.open,
        );
        registry.register(
            "hallpass_replay_store_breaker_opened",
            "How often that breaker has opened",
            it.replay_breaker.opened,
        );
        registry.register(
            "hallpass_blacklist_breaker_open",
            "Whether Redis is not asked which tokens are listed as logged out, because too many such calls in a row have failed",
            it.blacklist_breaker.open,
        );
        registry.register(
            "hallpass_blacklist_breaker_opened",
            "How often that breaker has opened",
            it.blacklist_breaker.opened,
        );
        registry.register(
            "hallpass_rate_store_breaker_open",
            "Whether Redis is not asked about quotas, because too many such calls in a row have failed",
            it.rate_breaker.open,
        );
        registry.register(
            "hallpass_rate_store_breaker_opened",
            "How often that breaker has opened",
            it.rate_breaker.opened,
        );
    }

    pub(crate) fn is_connected(&self, is: bool) {
        self.connected.set(i64::from(is));
    }

    pub(crate) fn is_subscribed(&self, to: Subscription, is: bool) {
        let gauge = match to {
            Subscription::Evictions => &self.subscribed,
            Subscription::Revocations => &self.revocations_subscribed,
        };
        gauge.set(i64::from(is));
    }

    pub(crate) fn connect_ended(&self, is_connected: bool) {
        let result = if is_connected { "connected" } else { "failed" };
        self.connects.get_or_create(&ResultLabel { result }).inc();
    }

    /// Those of the breaker of the token cache.
    pub(crate) const fn breaker(&self) -> &BreakerMetrics {
        &self.breaker
    }

    /// Those of the breaker of [`RedisReplayStore`](crate::RedisReplayStore).
    pub(crate) const fn replay_breaker(&self) -> &BreakerMetrics {
        &self.replay_breaker
    }

    /// Those of the breaker of [`RedisBlacklist`](crate::RedisBlacklist).
    pub(crate) const fn blacklist_breaker(&self) -> &BreakerMetrics {
        &self.blacklist_breaker
    }

    /// Those of the breaker of [`RedisRateStore`](crate::RedisRateStore).
    pub(crate) const fn rate_breaker(&self) -> &BreakerMetrics {
        &self.rate_breaker
    }

    pub(crate) fn call_ended(&self, command: &'static str, result: &'static str) {
        self.calls
            .get_or_create(&CallLabels { command, result })
            .inc();
    }

    pub(crate) fn responded(&self, command: &'static str, after: Duration) {
        let duration = self.durations.get_or_create(&CommandLabel { command });
        duration.observe(after.as_secs_f64());
    }
}
