//! Deadlines, bulkheads, rates and retries of Resilience4j.

use std::time::Duration;

use hallpass_upstream::RateBehaviour;

use super::{guards, load, logistics, problem};

#[test]
fn a_time_limiter_is_the_deadline() {
    let yaml = "
spring.cloud.openfeign.circuitbreaker.enabled: true
resilience4j.timelimiter:
  configs: { default: { timeoutDuration: 4s } }
  instances: { logistics-service: { timeoutDuration: 3s, cancelRunningFuture: true } }
";
    assert_eq!(logistics(yaml).deadline, Some(Duration::from_secs(3)));
    assert_eq!(
        load(yaml).client("another").deadline,
        Some(Duration::from_secs(4))
    );
    let empty = "resilience4j.timelimiter.instances.logistics-service.cancelRunningFuture: true";
    assert_eq!(
        logistics(empty).deadline,
        Some(Duration::from_secs(1)),
        "its default"
    );
}

#[test]
fn bulkheads_of_calls_and_of_threads_are_bulkheads_of_the_service() {
    let yaml = "resilience4j.bulkhead.instances.logistics-service: { maxConcurrentCalls: 12, maxWaitDuration: 10ms }";
    let bulkhead = guards(yaml).bulkhead.unwrap();
    assert_eq!(
        (bulkhead.max_concurrent, bulkhead.max_wait),
        (12, Duration::from_millis(10))
    );
    let yaml =
        "resilience4j.bulkhead.instances.logistics-service: { writableStackTraceEnabled: true }";
    let bulkhead = guards(yaml).bulkhead.unwrap();
    assert_eq!(
        (bulkhead.max_concurrent, bulkhead.max_wait),
        (25, Duration::ZERO)
    );
    let yaml = "resilience4j.thread-pool-bulkhead.instances.logistics-service: { maxThreadPoolSize: 4, queueCapacity: 2 }";
    let bulkhead = guards(yaml).bulkhead.unwrap();
    assert_eq!(
        (bulkhead.max_concurrent, bulkhead.max_wait),
        (6, Duration::ZERO)
    );
    let both = "
resilience4j.bulkhead.instances.logistics-service: { maxConcurrentCalls: 12 }
resilience4j.thread-pool-bulkhead.instances.logistics-service: { maxThreadPoolSize: 4 }
";
    let of_both = |more: &str| guards(&format!("{both}{more}")).bulkhead.unwrap();
    assert_eq!(
        of_both("").max_concurrent,
        104,
        "the threads, as in Spring Cloud"
    );
    let semaphores =
        "spring.cloud.circuitbreaker.resilience4j.enableSemaphoreDefaultBulkhead: true";
    assert_eq!(of_both(semaphores).max_concurrent, 12);
}

#[test]
fn what_is_no_part_of_springs_circuit_breakers_bounds_those_alone_that_it_names() {
    let yaml = "
spring.cloud.openfeign.circuitbreaker.enabled: true
resilience4j:
  ratelimiter: { configs: { default: { limitForPeriod: 10, limitRefreshPeriod: 1s, timeoutDuration: 0 } }, instances: { logistics-service: { limitForPeriod: 5 } } }
  retry: { configs: { default: { maxAttempts: 9 } } }
  bulkhead: { configs: { default: { maxConcurrentCalls: 2 } }, instances: { logistics-service: { baseConfig: default } } }
";
    let feign = load(yaml);
    let other = feign.client("another");
    assert!(other.service.is_empty(), "{:?}", other.service);
    assert_eq!(other.retry, load("").defaults.retry);
    let named = feign.client("logistics-service");
    let rate = named.service.rates[0];
    assert_eq!((rate.calls, rate.period), (5, Duration::from_secs(1)));
    assert_eq!(named.service.bulkhead.unwrap().max_concurrent, 2);
}

#[test]
fn who_has_no_time_limiter_in_spring_cloud_has_no_deadline_by_it() {
    let yaml = "
spring.cloud.openfeign.circuitbreaker.enabled: true
resilience4j.timelimiter: { configs: { default: { timeoutDuration: 4s } }, instances: { a: { timeoutDuration: 3s }, b: { timeoutDuration: 2s } } }
spring.cloud.circuitbreaker.resilience4j: ";
    let deadlines = |keys: &str| {
        let feign = load(&format!("{yaml}{keys}"));
        ["a", "b", "c"].map(|name| feign.client(name).deadline.map(|it| it.as_secs()))
    };
    assert_eq!(
        deadlines("{ disableThreadPool: true }"),
        [Some(3), Some(2), Some(4)]
    );
    assert_eq!(
        deadlines("{ disable-time-limiter: true }"),
        [None, None, None]
    );
    assert_eq!(
        deadlines("{ disableTimeLimiterMap: { b: true, c: true } }"),
        [Some(3), None, None]
    );
    assert_eq!(
        deadlines("{ disableTimeLimiter: true, disableTimeLimiterMap: { a: false } }"),
        [Some(3), None, None]
    );
}

#[test]
fn a_rate_limiter_is_the_rate_of_the_service() {
    let yaml = "resilience4j.ratelimiter.limiters.logistics-service: { limitForPeriod: 100, limitRefreshPeriod: 500ms, timeoutDuration: 3s }";
    let rates = guards(yaml).rates;
    assert_eq!(rates.len(), 1);
    let rate = rates[0];
    assert_eq!((rate.calls, rate.period), (100, Duration::from_millis(500)));
    assert_eq!(
        (rate.behaviour, rate.max_wait),
        (RateBehaviour::BurstQueue, Duration::from_secs(3))
    );
    let yaml = "resilience4j.ratelimiter.instances.logistics-service: { limitForPeriod: 10, limitRefreshPeriod: 1s, timeoutDuration: 0 }";
    assert_eq!(guards(yaml).rates[0].behaviour, RateBehaviour::Reject);
}

#[test]
fn retries_and_their_waits_are_ours() {
    let yaml =
        "resilience4j.retry.instances.logistics-service: { maxAttempts: 4, waitDuration: 100ms }";
    let retry = logistics(yaml).retry;
    assert_eq!(retry.max_attempts, 4);
    assert_eq!(
        (retry.base, retry.max_wait),
        (Duration::from_millis(100), Duration::from_millis(100))
    );
    assert_eq!(retry.multiplier, 1);
    let yaml = "
resilience4j.retry.instances.logistics-service:
  waitDuration: 50
  enableExponentialBackoff: true
  exponentialBackoffMultiplier: 3.0
  exponentialMaxWaitDuration: 222ms
";
    let retry = logistics(yaml).retry;
    assert_eq!((retry.max_attempts, retry.multiplier), (3, 3));
    assert_eq!(
        (retry.base, retry.max_wait),
        (Duration::from_millis(50), Duration::from_millis(222))
    );
    let yaml =
        "resilience4j.retry.instances.logistics-service: { maxRetryAttempts: 5, waitDuration: 0 }";
    let retry = logistics(yaml).retry;
    assert_eq!(
        (retry.max_attempts, retry.base),
        (5, Duration::from_millis(1))
    );
    let yaml = "resilience4j.retry.instances.logistics-service: { waitDuration: 1s, enableExponentialBackoff: true, exponentialBackoffMultiplier: 1.5 }";
    assert_eq!(logistics(yaml).retry.multiplier, 2, "the default there");
    let yaml = "resilience4j.retry.instances.logistics-service: { maxAttempts: 4, resultPredicate: com.example.Mine }";
    assert!(problem(yaml).contains("resultPredicate: names code of Java"));
}

#[test]
fn what_is_more_than_can_be_had_here_is_the_most_that_can() {
    let yaml = "
resilience4j:
  circuitbreaker.instances.logistics-service: { slidingWindowSize: 20000, minimumNumberOfCalls: 15000, waitDurationInOpenState: 2h, slowCallDurationThreshold: PT90M, permittedNumberOfCallsInHalfOpenState: 5000 }
  bulkhead.instances.logistics-service: { maxConcurrentCalls: 2147483647, maxWaitDuration: 5m }
  timelimiter.instances.logistics-service: { timeoutDuration: 2h }
  ratelimiter.instances.logistics-service: { limitForPeriod: 5, limitRefreshPeriod: 1s, timeoutDuration: 2m }
  retry.instances.logistics-service: { maxAttempts: 50, waitDuration: 2m }
";
    let loaded = super::loader(yaml)
        .load::<hallpass_feign::FeignSettings>()
        .unwrap();
    let client = loaded.settings().client("logistics-service");
    let breaker = client.service.breakers[0];
    assert_eq!((breaker.window, breaker.minimum_calls), (10_000, 10_000));
    let hour = Duration::from_secs(3_600);
    assert_eq!((breaker.open, breaker.slow_call), (hour, hour));
    assert_eq!(breaker.half_open_calls, 1_000);
    let bulkhead = client.service.bulkhead.unwrap();
    let minute = Duration::from_secs(60);
    assert_eq!(
        (bulkhead.max_concurrent, bulkhead.max_wait),
        (100_000, minute)
    );
    assert_eq!(client.deadline, Some(hour));
    assert_eq!(client.service.rates[0].max_wait, minute);
    assert_eq!((client.retry.max_attempts, client.retry.base), (10, minute));
    let warnings = loaded.warnings();
    assert!(warnings.len() >= 10, "{warnings:#?}");
    assert!(
        warnings
            .iter()
            .all(|it| it.contains("is more than can be had here")),
        "{warnings:#?}"
    );
}
