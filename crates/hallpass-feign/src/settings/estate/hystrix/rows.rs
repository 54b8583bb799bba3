//! The keys of commands and thread pools.

use super::super::row::Row;

const NOT_MONITORED: &str = "is for its monitoring: what happens here is in the metrics";
const NO_THREADS: &str = "is about threads, of which a call needs none here";

/// The keys of a command.
pub(in super::super) const COMMAND: &[Row] = &[
    Row::ours("circuitBreaker.enabled", "service.breaker.enabled"),
    Row::ours(
        "circuitBreaker.requestVolumeThreshold",
        "service.breaker.minimum-calls",
    ),
    Row::ours(
        "circuitBreaker.errorThresholdPercentage",
        "service.breaker.failure-rate-percent",
    ),
    Row::ours(
        "circuitBreaker.sleepWindowInMilliseconds",
        "service.breaker.open-ms",
    ),
    Row::part(
        "circuitBreaker.forceOpen",
        "`true` is `service.breaker.state: forced-open`",
    ),
    Row::part(
        "circuitBreaker.forceClosed",
        "`true` is `service.breaker.state: forced-closed`, unless `forceOpen` is true",
    ),
    Row::part(
        "metrics.rollingStats.timeInMilliseconds",
        "`service.breaker.window-seconds`, with `window-type: time`; the next whole second",
    ),
    Row::part(
        "execution.isolation.thread.timeoutInMilliseconds",
        "`deadline-ms`",
    ),
    Row::part(
        "execution.timeout.enabled",
        "`false`: no deadline is taken from Hystrix",
    ),
    Row::part(
        "execution.isolation.strategy",
        "`THREAD`: the bulkhead is that of the thread pool; `SEMAPHORE`: of the semaphore",
    ),
    Row::part(
        "execution.isolation.semaphore.maxConcurrentRequests",
        "`service.bulkhead.max-concurrent`, where the strategy is `SEMAPHORE`",
    ),
    Row::part(
        "threadPoolKeyOverride",
        "the name of the thread pool whose bulkhead it is",
    ),
    Row::nothing("execution.isolation.thread.interruptOnTimeout", NO_THREADS),
    Row::nothing("execution.isolation.thread.interruptOnCancel", NO_THREADS),
    Row::nothing(
        "execution.isolation.thread.interruptOnFutureCancel",
        NO_THREADS,
    ),
    Row::nothing(
        "fallback.isolation.semaphore.maxConcurrentRequests",
        "bounds fallbacks, which are code of the caller here and bounded by nothing",
    ),
    Row::part(
        "fallback.enabled",
        "`true`, as here; `false` is warned of: whether there is a fallback is said in code",
    ),
    Row::nothing("metrics.rollingStats.numBuckets", NOT_MONITORED),
    Row::nothing("metrics.rollingPercentile.enabled", NOT_MONITORED),
    Row::nothing(
        "metrics.rollingPercentile.timeInMilliseconds",
        NOT_MONITORED,
    ),
    Row::nothing("metrics.rollingPercentile.numBuckets", NOT_MONITORED),
    Row::nothing("metrics.rollingPercentile.bucketSize", NOT_MONITORED),
    Row::nothing(
        "metrics.healthSnapshot.intervalInMilliseconds",
        "says how often its breaker looks at the calls, which happens with each call here",
    ),
    Row::nothing(
        "requestCache.enabled",
        "is about results that code keeps for one request",
    ),
    Row::nothing("requestLog.enabled", NOT_MONITORED),
];

/// The keys of a thread pool.
pub(in super::super) const THREAD_POOL: &[Row] = &[
    Row::part(
        "coreSize",
        "with the queue: `service.bulkhead.max-concurrent`, and `max-wait-ms: 0`: a call needs no thread here, so that one which would wait in the queue is made at once",
    ),
    Row::part(
        "maximumSize",
        "in place of `coreSize`, where `allowMaximumSizeToDivergeFromCoreSize` is true",
    ),
    Row::part(
        "allowMaximumSizeToDivergeFromCoreSize",
        "with `maximumSize`",
    ),
    Row::part("maxQueueSize", "places in the queue; `-1` is none"),
    Row::part(
        "queueSizeRejectionThreshold",
        "places in the queue, where `maxQueueSize` is larger",
    ),
    Row::nothing("keepAliveTimeMinutes", NO_THREADS),
    Row::nothing("metrics.rollingStats.timeInMilliseconds", NOT_MONITORED),
    Row::nothing("metrics.rollingStats.numBuckets", NOT_MONITORED),
];
