//! `hystrix`, with its own defaults.

use std::time::Duration;

use hallpass_upstream::{BreakerControl, WindowType};

use super::{breaker, guards, load, loader, logistics, problem};
use hallpass_feign::FeignSettings;

#[test]
fn hystrix_without_a_key_counts_with_its_own_defaults() {
    let yaml = "feign.hystrix.enabled: true\nhystrix.command.default.circuitBreaker.enabled: true";
    let breaker = breaker(yaml);
    assert!(breaker.enabled);
    assert_eq!(breaker.window_type, WindowType::Time);
    assert_eq!(breaker.window_time, Duration::from_secs(10));
    assert_eq!(breaker.minimum_calls, 20);
    assert_eq!(breaker.failure_rate.get(), 50);
    assert_eq!(breaker.open, Duration::from_secs(5));
    assert_eq!(breaker.half_open_calls, 1);
    let client = logistics(yaml);
    assert_eq!(client.deadline, Some(Duration::from_secs(1)));
    let bulkhead = client.service.bulkhead.unwrap();
    assert_eq!(
        (bulkhead.max_concurrent, bulkhead.max_wait),
        (10, Duration::ZERO)
    );
}

#[test]
fn properties_of_all_commands_and_of_one_are_read_dotted_and_nested() {
    let yaml = "
feign.hystrix.enabled: true
hystrix:
  command:
    default:
      execution.isolation.thread.timeoutInMilliseconds: 3000
      circuitBreaker: { requestVolumeThreshold: 30, sleepWindowInMilliseconds: 7000 }
      metrics: { rollingStats: { timeInMilliseconds: 20000, numBuckets: 10 } }
    logistics-service:
      circuitBreaker.errorThresholdPercentage: 70
      execution: { isolation: { thread: { timeoutInMilliseconds: 2000 } } }
";
    let found = breaker(yaml);
    assert_eq!(found.failure_rate.get(), 70);
    assert_eq!(found.minimum_calls, 30);
    assert_eq!(found.open, Duration::from_secs(7));
    assert_eq!(found.window_time, Duration::from_secs(20));
    assert_eq!(logistics(yaml).deadline, Some(Duration::from_secs(2)));
    let other = load(yaml).client("another").clone();
    assert_eq!(other.deadline, Some(Duration::from_secs(3)));
    assert_eq!(other.service.breakers[0].failure_rate.get(), 50);
}

#[test]
fn a_command_without_a_timeout_has_the_deadline_that_the_code_declares() {
    let yaml =
        "feign.hystrix.enabled: true\nhystrix.command.default.execution.timeout.enabled: false";
    assert_eq!(logistics(yaml).deadline, None);
}

#[test]
fn a_command_without_a_timeout_has_not_that_of_all_but_the_time_that_feign_waits() {
    let yaml = "
feign.hystrix.enabled: true
hystrix.command:
  default.execution.isolation.thread.timeoutInMilliseconds: 3000
  logistics-service.execution.timeout.enabled: false
  order-service.circuitBreaker.requestVolumeThreshold: 5
";
    for given in ["", "hallpass.feign.estate: [hystrix, openfeign]"] {
        let feign = load(&format!("{yaml}{given}"));
        let deadline = |name: &str| feign.client(name).deadline;
        assert_eq!(deadline("logistics-service"), None);
        assert_eq!(deadline("order-service"), Some(Duration::from_secs(3)));
        assert_eq!(deadline("another"), Some(Duration::from_secs(3)));
        let waits = "\nfeign.client.config.default.readTimeout: 60000";
        let feign = load(&format!("{yaml}{given}{waits}"));
        let deadline = |name: &str| feign.client(name).deadline;
        assert_eq!(deadline("logistics-service"), Some(Duration::from_secs(60)));
        assert_eq!(deadline("another"), Some(Duration::from_secs(3)));
    }
    let all = "feign.hystrix.enabled: true\nhystrix.command.default.execution.timeout.enabled: false\nfeign.client.config.default.readTimeout: 60000";
    assert_eq!(logistics(all).deadline, Some(Duration::from_secs(60)));
}

#[test]
fn a_breaker_that_is_forced_or_off_is_so_here() {
    let with = |keys: &str| {
        format!("feign.hystrix.enabled: true\nhystrix.command.default.circuitBreaker: {{ {keys} }}")
    };
    assert!(!breaker(&with("enabled: false")).enabled);
    assert_eq!(
        breaker(&with("forceOpen: true")).state,
        BreakerControl::ForcedOpen
    );
    assert_eq!(
        breaker(&with("forceClosed: true")).state,
        BreakerControl::ForcedClosed
    );
    let both = breaker(&with("forceClosed: true, forceOpen: true"));
    assert_eq!(both.state, BreakerControl::ForcedOpen, "as in Hystrix");
}

#[test]
fn threads_places_in_the_queue_and_semaphores_are_calls_at_once() {
    for (yaml, calls) in [
        ("hystrix.threadpool.default: { coreSize: 30 }", 30),
        (
            "hystrix.threadpool.default: { coreSize: 30, maxQueueSize: 100 }",
            35,
        ),
        (
            "hystrix.threadpool.default: { coreSize: 30, maxQueueSize: 100, queueSizeRejectionThreshold: 80 }",
            110,
        ),
        (
            "hystrix.threadpool.default: { coreSize: 30, maximumSize: 40 }",
            30,
        ),
        (
            "hystrix.threadpool.default: { coreSize: 30, maximumSize: 40, allowMaximumSizeToDivergeFromCoreSize: true }",
            40,
        ),
        (
            "hystrix.threadpool: { default: { coreSize: 5 }, logistics-service: { coreSize: 8 } }",
            8,
        ),
        (
            "hystrix.command.default.execution.isolation: { strategy: SEMAPHORE, semaphore.maxConcurrentRequests: 50 }",
            50,
        ),
        (
            "hystrix.command.default.execution.isolation: { strategy: SEMAPHORE }",
            10,
        ),
    ] {
        let bulkhead = guards(&format!("feign.hystrix.enabled: true\n{yaml}"))
            .bulkhead
            .unwrap();
        assert_eq!(bulkhead.max_concurrent, calls, "{yaml}");
        assert_eq!(bulkhead.max_wait, Duration::ZERO, "{yaml}");
    }
    let pool = "feign.hystrix.enabled: true\nhystrix.threadpool.default: { coreSize: 30 }";
    assert!(
        guards(pool).breakers.is_empty(),
        "nothing is said of commands"
    );
}

#[test]
fn what_has_no_whole_number_or_no_place_here_is_warned_of() {
    for (yaml, expected) in [
        (
            "collapser.default.maxRequestsInBatch: 10",
            "hystrix.collapser: has no effect here",
        ),
        (
            "command.default.fallback.enabled: false",
            "hystrix.command.default.fallback.enabled: has no effect here",
        ),
        (
            "command.default.metrics.rollingStats.timeInMilliseconds: 1500",
            "is whole seconds here: the next one counts",
        ),
        (
            "command.default.execution.isolation: { strategy: SEMAPHORE, semaphore.maxConcurrentRequests: 1000000 }",
            "is more than can be had here",
        ),
    ] {
        let yaml = format!("feign.hystrix.enabled: true\nhystrix.{yaml}");
        let loaded = loader(&yaml).load::<FeignSettings>().unwrap();
        let warnings = loaded.warnings();
        assert_eq!(warnings.len(), 1, "{yaml}: {warnings:?}");
        assert!(warnings[0].contains(expected), "{warnings:?}");
    }
    let yaml = "feign.hystrix.enabled: true\nhystrix.threadpool.default.coreSize: ten";
    assert!(problem(yaml).contains("hystrix.threadpool.default.coreSize: must be a whole number"));
}

#[test]
fn hystrix_that_is_for_a_gateway_or_for_annotations_bounds_no_client() {
    let yaml = "
hystrix.command.default.execution.isolation.thread.timeoutInMilliseconds: 60000
hystrix.threadpool.logistics-service.coreSize: ten
";
    for switch in ["", "feign.hystrix.enabled: false"] {
        let loaded = loader(&format!("{yaml}{switch}"))
            .load::<FeignSettings>()
            .unwrap();
        let warning = &loaded.warnings()[0];
        assert!(
            warning.contains(
                "hystrix: bounds no Feign client, as `feign.hystrix.enabled` is not true"
            ),
            "{warning}"
        );
        assert!(warning.contains("`feign.estate: [hystrix]`"), "{warning}");
        let client = loaded.settings().client("logistics-service");
        assert_eq!(client.deadline, None);
        assert!(client.service.is_empty());
    }
    for switch in [
        "feign: { hystrix: { enabled: true } }",
        "feign.HYSTRIX.Enabled: 'TRUE'",
        "hallpass.feign.estate: [hystrix]",
    ] {
        let yaml =
            "hystrix.command.default.execution.isolation.thread.timeoutInMilliseconds: 60000";
        let client = logistics(&format!("{yaml}\n{switch}"));
        assert_eq!(client.deadline, Some(Duration::from_secs(60)), "{switch}");
    }
}
