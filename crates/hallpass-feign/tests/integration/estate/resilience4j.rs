//! `resilience4j`, as its Spring starter reads it.

use std::time::Duration;

use hallpass_upstream::{BreakerControl, WindowType};

use super::{breaker, guards, load, loader, problem, problems};
use hallpass_feign::FeignSettings;

const BREAKER: &str = "
resilience4j:
  circuitbreaker:
    configs:
      default:
        slidingWindowType: time-based
        slidingWindowSize: 10
        minimumNumberOfCalls: 5
        failureRateThreshold: 50
        waitDurationInOpenState: 5s
        registerHealthIndicator: true
        eventConsumerBufferSize: 10
    instances:
      logistics-service:
        baseConfig: default
        permittedNumberOfCallsInHalfOpenState: 3
        slowCallDurationThreshold: 2s
        slowCallRateThreshold: 80.0
        maxWaitDurationInHalfOpenState: PT1S
";

#[test]
fn a_circuit_breaker_is_one_of_the_whole_service() {
    let breaker = breaker(BREAKER);
    assert_eq!(breaker.window_type, WindowType::Time);
    assert_eq!(breaker.window_time, Duration::from_secs(10));
    assert_eq!(breaker.minimum_calls, 5);
    assert_eq!(breaker.failure_rate.get(), 50);
    assert_eq!(breaker.open, Duration::from_secs(5));
    assert_eq!(breaker.half_open_calls, 3);
    assert_eq!(breaker.slow_call, Duration::from_secs(2));
    assert_eq!(breaker.slow_call_rate.get(), 80);
    assert_eq!(breaker.half_open_wait, Duration::from_secs(1));
    assert_eq!(breaker.state, BreakerControl::Auto);
}

#[test]
fn the_default_configuration_is_that_of_every_client_where_circuit_breakers_are_on() {
    for off in [
        "",
        "feign.circuitbreaker.enabled: false",
        "spring.cloud.openfeign.circuitbreaker.enabled: no",
    ] {
        let loaded = loader(&format!("{BREAKER}{off}"))
            .load::<FeignSettings>()
            .unwrap();
        let another = loaded.settings().client("another");
        assert!(another.service.is_empty(), "{off}: {another:?}");
        let warning = &loaded.warnings()[0];
        assert!(
            warning.contains("resilience4j: is not about all Feign clients"),
            "{warning}"
        );
        assert!(
            warning.contains("`feign.estate: [resilience4j]`"),
            "{warning}"
        );
    }
    for on in [
        "feign.circuitbreaker.enabled: true",
        "spring.cloud.openfeign.circuit-breaker.enabled: true",
        "hallpass.feign.estate: [resilience4j]",
    ] {
        let feign = load(&format!("{BREAKER}{on}"));
        let breaker = feign.client("another").service.breakers[0];
        assert_eq!(breaker.window_time, Duration::from_secs(10), "{on}");
    }
    let feign = load(&format!("{BREAKER}feign.circuitbreaker.enabled: true"));
    let breaker = feign.client("another").service.breakers[0];
    assert_eq!(breaker.window_time, Duration::from_secs(10));
    assert_eq!(breaker.half_open_calls, 10, "that of another client");
}

#[test]
fn an_instance_without_keys_counts_with_the_defaults_of_resilience4j() {
    let breaker = breaker(
        "resilience4j.circuitbreaker.instances.logistics-service.slowCallRateThreshold: 100",
    );
    assert_eq!(breaker.window_type, WindowType::Count);
    assert_eq!((breaker.window, breaker.minimum_calls), (100, 100));
    assert_eq!(breaker.open, Duration::from_secs(60));
    assert_eq!(breaker.half_open_calls, 10);
    let feign =
        load("resilience4j.circuitbreaker.instances.logistics-service.slowCallRateThreshold: 100");
    assert!(
        feign.defaults.service.is_empty(),
        "of others nothing is said"
    );
}

#[test]
fn no_more_calls_are_needed_than_are_looked_at() {
    let yaml = "resilience4j.circuitbreaker.instances.logistics-service: { slidingWindowSize: 6 }";
    let counted = breaker(yaml);
    assert_eq!((counted.window, counted.minimum_calls), (6, 6));
    let yaml = "resilience4j.circuitbreaker.instances.logistics-service: { slidingWindowType: TIME_BASED, slidingWindowSize: 6 }";
    let timed = breaker(yaml);
    assert_eq!(
        (timed.window_time, timed.minimum_calls),
        (Duration::from_secs(6), 100)
    );
}

#[test]
fn every_spelling_of_spring_and_old_names_are_read() {
    let yaml = "
resilience4j.circuitbreaker:
  backends:
    logistics-service:
      sliding-window-size: 20
      minimum_number_of_calls: 10
      WAITDURATIONINOPENSTATE: 1500
";
    let breaker = breaker(yaml);
    assert_eq!((breaker.window, breaker.minimum_calls), (20, 10));
    assert_eq!(breaker.open, Duration::from_millis(1_500));
}

#[test]
fn a_base_is_found_as_resilience4j_finds_it() {
    let yaml = "
resilience4j:
  circuitbreaker:
    configs:
      default: { failureRateThreshold: 10, slidingWindowSize: 7, minimumNumberOfCalls: 7 }
      slow: { slidingWindowSize: 8, minimumNumberOfCalls: 8 }
      slower: { baseConfig: slow, waitDurationInOpenState: 9s }
    instances:
      logistics-service: { baseConfig: slower, minimumNumberOfCalls: 3 }
  bulkhead:
    configs:
      default: { maxWaitDuration: 10ms }
      narrow: { maxConcurrentCalls: 2 }
    instances:
      logistics-service: { baseConfig: narrow }
";
    let found = breaker(yaml);
    assert_eq!((found.window, found.minimum_calls), (8, 3));
    assert_eq!(found.open, Duration::from_secs(9));
    assert_eq!(
        found.failure_rate.get(),
        50,
        "a base of a breaker has no `default` below it"
    );
    let bulkhead = guards(yaml).bulkhead.unwrap();
    assert_eq!(bulkhead.max_concurrent, 2);
    assert_eq!(
        bulkhead.max_wait,
        Duration::from_millis(10),
        "that of a bulkhead has"
    );

    let same = "
resilience4j.circuitbreaker:
  configs: { default: { slidingWindowSize: 7 }, logistics-service: { slidingWindowSize: 8 } }
  instances: { logistics-service: { waitDurationInOpenState: 1s } }
";
    assert_eq!(breaker(same).window, 8, "the one of the same name");
    let none = "resilience4j.circuitbreaker.instances.logistics-service.baseConfig: gone";
    assert_eq!(
        problem(none),
        "application.yaml:1:69: resilience4j.circuitbreaker.instances.logistics-service.baseConfig: names a configuration that does \
         not stand in `configs` beside"
    );
    let circle = "
resilience4j.circuitbreaker:
  configs: { a: { baseConfig: b }, b: { baseConfig: a } }
  instances: { logistics-service: { baseConfig: a } }
";
    assert!(problem(circle).contains("based on each other"));
}

#[test]
fn states_that_are_forced_are_ours() {
    for (theirs, ours) in [
        ("CLOSED", BreakerControl::Auto),
        ("DISABLED", BreakerControl::Disabled),
        ("FORCED_OPEN", BreakerControl::ForcedOpen),
        ("metrics-only", BreakerControl::Disabled),
        ("forcedOpen", BreakerControl::ForcedOpen),
    ] {
        let yaml = format!(
            "resilience4j.circuitbreaker.instances.logistics-service.initialState: {theirs}"
        );
        assert_eq!(breaker(&yaml).state, ours, "{theirs}");
    }
    let yaml = "resilience4j.circuitbreaker.instances.logistics-service.initialState: HALF_OPEN";
    assert!(problem(yaml).contains("always begins closed here"));
}

#[test]
fn what_cannot_be_had_here_is_a_problem_with_its_line() {
    let yaml = "
resilience4j:
  circuitbreaker:
    instances:
      logistics-service:
        failureRateThreshold: some
        slidingWindowSize: many
        waitDurationInOpenState: soon
        enableExponentialBackoff: true
        transitionToStateAfterWaitDuration: CLOSED
  timelimiter:
    instances:
      logistics-service: { timeoutDuration: 500us, cancelRunningFuture: false }
  ratelimiter:
    instances:
      logistics-service: { limitForPeriod: 10 }
";
    let problems = problems(yaml);
    let path = "resilience4j.circuitbreaker.instances.logistics-service";
    for (line, start) in [
        (6, format!("{path}.failureRateThreshold: must be a number")),
        (
            7,
            format!("{path}.slidingWindowSize: must be a whole number"),
        ),
        (
            8,
            format!("{path}.waitDurationInOpenState: must be a whole number of milliseconds"),
        ),
        (
            9,
            format!("{path}.enableExponentialBackoff: would keep the circuit breaker open"),
        ),
        (
            10,
            format!("{path}.transitionToStateAfterWaitDuration: would close"),
        ),
        (
            13,
            "resilience4j.timelimiter.instances.logistics-service.timeoutDuration: must be a whole"
                .to_owned(),
        ),
        (
            13,
            "resilience4j.timelimiter.instances.logistics-service.cancelRunningFuture: would let"
                .to_owned(),
        ),
        (
            16,
            "resilience4j.ratelimiter.instances.logistics-service: needs `limitRefreshPeriod`"
                .to_owned(),
        ),
    ] {
        let is_it = |text: &String| {
            text.starts_with(&format!("application.yaml:{line}:")) && text.contains(&start)
        };
        assert!(problems.iter().any(is_it), "{line}: {start}\n{problems:#?}");
    }
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

#[test]
fn a_key_that_nobody_knows_is_warned_of_and_one_without_effect_is_noted() {
    let yaml = "resilience4j.circuitbreaker.instances.logistics-service: { failureRateTreshold: 5, registerHealthIndicator: true }";
    let loaded = loader(yaml).load::<FeignSettings>().unwrap();
    let warning = &loaded.warnings()[0];
    assert_eq!(loaded.warnings().len(), 1);
    assert!(
        warning.contains("failureRateTreshold: is no key of Resilience4j"),
        "{warning}"
    );
    let is_noted = |text: &String| text.contains("registerHealthIndicator: is for its monitoring");
    assert!(
        loaded.left_alone().iter().any(is_noted),
        "{:?}",
        loaded.left_alone()
    );
}

#[test]
fn the_effective_tree_says_where_each_value_comes_from() {
    let shown = loader(BREAKER).load::<FeignSettings>().unwrap().effective();
    let path = "resilience4j.circuitbreaker";
    for expected in [
        format!(
            "inherited from {path}.instances.logistics-service.permittedNumberOfCallsInHalfOpenState (application.yaml:16)"
        ),
        format!(
            "inherited from {path}.configs.default.waitDurationInOpenState (application.yaml:10)"
        ),
    ] {
        assert!(shown.contains(&expected), "{expected}\n{shown}");
    }
}

#[test]
fn a_method_is_called_as_openfeign_calls_it() {
    let yaml = "
resilience4j:
  circuitbreaker: { instances: { DemoClientgetDemo: { minimumNumberOfCalls: 69 } } }
  timelimiter: { instances: { 'DemoClient#getDemo()': { timeoutDuration: 10s } } }
";
    let feign = load(yaml);
    let method = feign.client("DemoClientgetDemo");
    assert_eq!(method.service.breakers[0].minimum_calls, 69);
    assert_eq!(method.deadline, Some(Duration::from_secs(10)));
}

#[test]
fn values_that_are_whole_here_are_rounded_and_warned_of() {
    let yaml = "resilience4j.circuitbreaker.instances.logistics-service: { failureRateThreshold: 33.3, slowCallRateThreshold: 0.2 }";
    let loaded = loader(yaml).load::<FeignSettings>().unwrap();
    assert_eq!(loaded.warnings().len(), 2, "{:?}", loaded.warnings());
    assert!(loaded.warnings()[0].contains("failureRateThreshold: is a whole number here"));
    let breaker = breaker(yaml);
    assert_eq!(
        (breaker.failure_rate.get(), breaker.slow_call_rate.get()),
        (33, 1)
    );
}
