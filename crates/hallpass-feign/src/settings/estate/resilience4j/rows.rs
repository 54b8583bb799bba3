//! The keys of each part.

use super::super::row::Row;
use super::super::topic::Topic;
use super::derived;
use super::part::Part;

const NO_EVENTS: &str = "is for its monitoring: what happens here is in the metrics";
const NO_STACK_TRACES: &str = "is about exceptions of Java";
const BY_CODE: &str = "names code of Java that decides about calls, which is not run here: leave it out, and say in Rust what to do about \
    a response";

const BREAKER: &[Row] = &[
    Row::percent(
        "failureRateThreshold",
        "service.breaker.failure-rate-percent",
    ),
    Row::percent(
        "slowCallRateThreshold",
        "service.breaker.slow-call-rate-percent",
    ),
    Row::ours("slowCallDurationThreshold", "service.breaker.slow-call-ms"),
    Row::part("slidingWindowType", "`service.breaker.window-type`"),
    Row::part(
        "slidingWindowSize",
        "`service.breaker.window`, or `window-seconds` where the window is `TIME_BASED`",
    ),
    Row::part(
        "minimumNumberOfCalls",
        "`service.breaker.minimum-calls`; where calls are counted, `slidingWindowSize` at most",
    ),
    Row::ours("waitDurationInOpenState", "service.breaker.open-ms"),
    Row::ours(
        "permittedNumberOfCallsInHalfOpenState",
        "service.breaker.half-open-calls",
    ),
    Row::ours(
        "maxWaitDurationInHalfOpenState",
        "service.breaker.half-open-wait-ms",
    ),
    Row::part(
        "initialState",
        "`service.breaker.state`: `CLOSED` is `auto`, `DISABLED` and `METRICS_ONLY` are `disabled`, `FORCED_OPEN` is `forced-open`; others are a problem",
    ),
    Row::part(
        "transitionToStateAfterWaitDuration",
        "`OPEN`, as here; `CLOSED` is a problem",
    ),
    Row::part(
        "enableExponentialBackoff",
        "a problem where it is true: a breaker is open for the same time each time",
    ),
    Row::nothing(
        "exponentialBackoffMultiplier",
        "is for enableExponentialBackoff alone",
    ),
    Row::nothing(
        "exponentialMaxWaitDurationInOpenState",
        "is for enableExponentialBackoff alone",
    ),
    Row::part(
        "enableRandomizedWait",
        "a problem where it is true: a breaker is open for the same time each time",
    ),
    Row::nothing("randomizedWaitFactor", "is for enableRandomizedWait alone"),
    Row::nothing(
        "automaticTransitionFromOpenToHalfOpenEnabled",
        "changes no call: here the first call after the wait finds it half open",
    ),
    Row::part(
        "recordExceptions",
        "what counts as failed here: responses of 500 and more, no response, and the deadline. A list that names all of these is as here, whatever else it names; another one is a problem",
    ),
    Row::part(
        "ignoreExceptions",
        "those of responses below 500, which never count here, and those that no call fails with here, such as an exception of a program's own, change nothing; those of failures are a problem",
    ),
    Row::refused("recordFailurePredicate", BY_CODE),
    Row::refused("recordResultPredicate", BY_CODE),
    Row::refused("ignoreExceptionPredicate", BY_CODE),
    Row::nothing("ignoreClassBindingExceptions", NO_STACK_TRACES),
    Row::nothing("registerHealthIndicator", NO_EVENTS),
    Row::nothing("allowHealthIndicatorToFail", NO_EVENTS),
    Row::nothing("eventConsumerBufferSize", NO_EVENTS),
    Row::nothing("writableStackTraceEnabled", NO_STACK_TRACES),
];

const BULKHEAD: &[Row] = &[
    Row::ours("maxConcurrentCalls", "service.bulkhead.max-concurrent"),
    Row::ours("maxWaitDuration", "service.bulkhead.max-wait-ms"),
    Row::nothing("eventConsumerBufferSize", NO_EVENTS),
    Row::nothing("writableStackTraceEnabled", NO_STACK_TRACES),
];

const THREAD_POOL: &[Row] = &[
    Row::part(
        "maxThreadPoolSize",
        "with `queueCapacity`: `service.bulkhead.max-concurrent`, and `max-wait-ms: 0`: a call needs no thread here, so that one which would wait in the queue is made at once",
    ),
    Row::part("queueCapacity", "with `maxThreadPoolSize`"),
    Row::nothing(
        "coreThreadPoolSize",
        "is about threads, of which a call needs none here",
    ),
    Row::nothing(
        "keepAliveDuration",
        "is about threads, of which a call needs none here",
    ),
    Row::nothing(
        "contextPropagators",
        "is not needed: the caller's identity goes with each call",
    ),
    Row::nothing("eventConsumerBufferSize", NO_EVENTS),
    Row::nothing("writableStackTraceEnabled", NO_STACK_TRACES),
];

const RATE_LIMITER: &[Row] = &[
    Row::part(
        "limitForPeriod",
        "calls of `service.rate`, in a period that need not be a second",
    ),
    Row::part(
        "limitRefreshPeriod",
        "with `limitForPeriod`; needed, since the default of 500 ns bounds nothing",
    ),
    Row::part(
        "timeoutDuration",
        "`service.rate.max-wait-ms` with `behaviour: burst-queue`: the calls of a period go through at once, and later ones wait; `0` is `behaviour: reject`",
    ),
    Row::nothing("subscribeForEvents", NO_EVENTS),
    Row::nothing("registerHealthIndicator", NO_EVENTS),
    Row::nothing("allowHealthIndicatorToFail", NO_EVENTS),
    Row::nothing("eventConsumerBufferSize", NO_EVENTS),
    Row::nothing("writableStackTraceEnabled", NO_STACK_TRACES),
];

const TIME_LIMITER: &[Row] = &[
    Row::ours("timeoutDuration", "deadline-ms"),
    Row::part(
        "cancelRunningFuture",
        "`true`, as here; `false` is a problem: a call that runs out of time always ends here",
    ),
    Row::nothing("eventConsumerBufferSize", NO_EVENTS),
];

const RETRY: &[Row] = &[
    Row::part("maxAttempts", "`retry.max-attempts`"),
    Row::part("maxRetryAttempts", "the same, in versions before 1.7"),
    Row::part(
        "waitDuration",
        "`retry.base-ms`: a wait is anything up to it here",
    ),
    Row::part(
        "enableExponentialBackoff",
        "where it is not true: `retry.multiplier: 1`, `retry.max-wait-ms` as `waitDuration`",
    ),
    Row::part(
        "exponentialBackoffMultiplier",
        "`retry.multiplier`, the next whole number, where `enableExponentialBackoff` is true; 2 where it is not given (there: 1.5)",
    ),
    Row::part(
        "exponentialMaxWaitDuration",
        "`retry.max-wait-ms`, where `enableExponentialBackoff` is true",
    ),
    Row::nothing("enableRandomizedWait", "is always so here"),
    Row::nothing(
        "randomizedWaitFactor",
        "is always 1 here: a wait is anything up to what is said",
    ),
    Row::part("retryExceptions", "as `recordExceptions`"),
    Row::part("ignoreExceptions", "as for circuit breakers"),
    Row::nothing(
        "failAfterMaxAttempts",
        "changes no call: here the last failure is what the caller gets",
    ),
    Row::refused("retryExceptionPredicate", BY_CODE),
    Row::refused("resultPredicate", BY_CODE),
    Row::refused("consumeResultBeforeRetryAttempt", BY_CODE),
    Row::refused("intervalBiFunction", BY_CODE),
    Row::nothing("eventConsumerBufferSize", NO_EVENTS),
];

/// All of it.
pub(in super::super) const PARTS: &[Part] = &[
    Part {
        name: "circuitbreaker",
        topic: Topic::Breaker,
        rows: BREAKER,
        instances: &["instances", "backends"],
        bases_have_default: false,
        is_for_all: true,
        derive: derived::breaker,
    },
    Part {
        name: "bulkhead",
        topic: Topic::Bulkhead,
        rows: BULKHEAD,
        instances: &["instances", "backends"],
        bases_have_default: true,
        is_for_all: false,
        derive: derived::bulkhead,
    },
    Part {
        name: "thread-pool-bulkhead",
        topic: Topic::Bulkhead,
        rows: THREAD_POOL,
        instances: &["instances", "backends"],
        bases_have_default: true,
        is_for_all: false,
        derive: derived::thread_pool,
    },
    Part {
        name: "ratelimiter",
        topic: Topic::Rate,
        rows: RATE_LIMITER,
        instances: &["instances", "limiters"],
        bases_have_default: true,
        is_for_all: false,
        derive: derived::rate_limiter,
    },
    Part {
        name: "timelimiter",
        topic: Topic::Deadline,
        rows: TIME_LIMITER,
        instances: &["instances"],
        bases_have_default: true,
        is_for_all: true,
        derive: derived::time_limiter,
    },
    Part {
        name: "retry",
        topic: Topic::Retry,
        rows: RETRY,
        instances: &["instances", "backends"],
        bases_have_default: true,
        is_for_all: false,
        derive: derived::retry,
    },
];
