//! Who is believed where several speak.

use std::time::Duration;

use hallpass_config::Loader;
use hallpass_feign::FeignSettings;
use hallpass_upstream::WindowType;

use super::{breaker, guards, load, loader, logistics, problem, problems};

#[test]
fn our_own_key_wins_and_theirs_stay_beside_it() {
    let yaml = "
hallpass.feign.clients.logistics-service.service.breaker.open-ms: 9
resilience4j.circuitbreaker.instances.logistics-service: { waitDurationInOpenState: 1s, failureRateThreshold: 5 }
";
    let breaker = breaker(yaml);
    assert_eq!(breaker.open, Duration::from_millis(9));
    assert_eq!(breaker.failure_rate.get(), 5);
}

#[test]
fn what_is_said_of_a_client_goes_over_what_is_said_of_all() {
    let yaml = "
hallpass.feign.defaults.deadline-ms: 7000
resilience4j.timelimiter.instances.logistics-service.timeoutDuration: 3s
";
    assert_eq!(logistics(yaml).deadline, Some(Duration::from_secs(3)));
    assert_eq!(
        load(yaml).client("another").deadline,
        Some(Duration::from_secs(7))
    );
    let yaml = "
hallpass.feign.defaults.deadline-ms: 7000
feign.circuitbreaker.enabled: true
resilience4j.timelimiter.configs.default.timeoutDuration: 3s
";
    assert_eq!(
        logistics(yaml).deadline,
        Some(Duration::from_secs(7)),
        "ours, of all"
    );
}

#[test]
fn a_window_is_one_thing_in_whatever_words() {
    let yaml = "
hallpass.feign.clients.logistics-service.service.breaker.window: 50
resilience4j.circuitbreaker.instances.logistics-service: { slidingWindowType: TIME_BASED, slidingWindowSize: 10, minimumNumberOfCalls: 5 }
";
    let breaker = breaker(yaml);
    assert_eq!(breaker.window_type, WindowType::Count);
    assert_eq!((breaker.window, breaker.minimum_calls), (50, 5));
}

const TWO: &str = "
feign.hystrix.enabled: true
resilience4j.circuitbreaker.instances.logistics-service: { slidingWindowSize: 10 }
hystrix.command.default.circuitBreaker.requestVolumeThreshold: 30
";

#[test]
fn one_thing_said_by_two_products_is_a_problem_with_both_places() {
    assert_eq!(
        problem(TWO),
        "application.yaml:4:1: hystrix.command.default: says again what resilience4j.circuitbreaker.instances.logistics-service says at \
         application.yaml:3, by hystrix and resilience4j: keep one of them, or say which goes first, `feign.estate: [resilience4j, hystrix]`"
    );
}

#[test]
fn the_product_that_is_named_first_goes_first() {
    let ordered = |order: &str| format!("hallpass.feign.estate: [{order}]{TWO}");
    let resilience4j = breaker(&ordered("resilience4j, hystrix"));
    assert_eq!((resilience4j.window, resilience4j.minimum_calls), (10, 10));
    let hystrix = breaker(&ordered("hystrix, resilience4j"));
    assert_eq!(hystrix.minimum_calls, 30);
    assert_eq!(breaker(&ordered("resilience4j")).minimum_calls, 10);
    let none = "hallpass.feign.estate: []";
    assert!(guards(&format!("{none}{TWO}")).is_empty());
    let loaded = loader(&ordered("resilience4j, hystrix"))
        .load::<FeignSettings>()
        .unwrap();
    let is_noted = |text: &String| text.contains("hystrix.command.default: does not count");
    assert!(
        loaded.left_alone().iter().any(is_noted),
        "{:?}",
        loaded.left_alone()
    );
    assert!(
        problem("hallpass.feign.estate: [ribbon]")
            .contains("must be `resilience4j`, `hystrix`, `sentinel` or `openfeign`")
    );
}

#[test]
fn of_two_products_neither_counts_where_we_say_it_ourselves() {
    let yaml = format!(
        "hallpass.feign.clients.logistics-service.service.breaker: {{ window: 7, minimum-calls: 3 }}{TWO}"
    );
    let breaker = breaker(&yaml);
    assert_eq!((breaker.window, breaker.minimum_calls), (7, 3));
    assert_eq!(
        breaker.open,
        Duration::from_secs(60),
        "neither of Hystrix nor of Resilience4j"
    );
}

#[test]
fn the_case_of_a_name_does_not_count() {
    let yaml = "
hallpass.feign.clients.logistics-service.deadline-ms: 5
resilience4j.circuitbreaker.instances.LOGISTICS-SERVICE: { failureRateThreshold: 5 }
";
    assert_eq!(breaker(yaml).failure_rate.get(), 5);
    let yaml =
        "resilience4j.circuitbreaker.instances.Logistics-Service: { failureRateThreshold: 5 }";
    assert_eq!(breaker(yaml).failure_rate.get(), 5);
}

#[test]
fn no_value_stands_in_a_problem() {
    let yaml = "
resilience4j:
  circuitbreaker: { instances: { logistics-service: { failureRateThreshold: s3cret, slidingWindowType: s3cret, initialState: s3cret,
    recordExceptions: s3cret, baseConfig: s3cret, waitDurationInOpenState: s3cret } } }
  timelimiter: { instances: { logistics-service: { timeoutDuration: s3cret } } }
  ratelimiter: { instances: { logistics-service: { limitForPeriod: s3cret, limitRefreshPeriod: s3cret } } }
  retry: { instances: { logistics-service: { maxAttempts: s3cret, retryExceptions: [s3cret] } } }
hystrix: { command: { default: { circuitBreaker.requestVolumeThreshold: s3cret, metrics.rollingStats.timeInMilliseconds: s3cret } },
  threadpool: { default: { coreSize: s3cret } } }
feign: { sentinel: { rules: { logistics-service: [ { count: s3cret, grade: s3cret, timeWindow: s3cret, limitApp: s3cret } ] } } }
hallpass: { feign: { estate: [resilience4j, hystrix, sentinel], sentinel: { flow-rules: [ { resource: /s3cret, count: s3cret } ] } } }
";
    let problems = problems(yaml);
    assert!(problems.len() > 10, "{problems:#?}");
    assert!(!problems.concat().contains("s3cret"), "{problems:#?}");
}

#[test]
fn an_estate_that_says_things_three_times_loads_and_notes_what_does_not_count() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/estate.yaml");
    let loaded = Loader::new("hallpass")
        .file(path)
        .load::<FeignSettings>()
        .unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    let noted = |key: &str| {
        let mut notes = loaded.left_alone().iter();
        notes.any(|note| note.contains(&format!("{key}: does not count")))
    };
    assert!(
        noted("hystrix.command.default"),
        "{:?}",
        loaded.left_alone()
    );
    let feign = loaded.settings();
    let logistics = feign.client("logistics-service");
    let breaker = logistics.service.breakers[0];
    assert_eq!(
        (breaker.window_type, breaker.window),
        (WindowType::Count, 100),
        "ours"
    );
    assert_eq!(
        (breaker.minimum_calls, breaker.half_open_calls),
        (5, 3),
        "Resilience4j's, beside it"
    );
    assert_eq!(
        logistics.deadline,
        Some(Duration::from_secs(3)),
        "of Resilience4j, by name"
    );
    assert_eq!(logistics.service.bulkhead.unwrap().max_concurrent, 25);
    assert_eq!(logistics.service.rates[0].calls, 200);
    let method = "GET /logistics/orders/{order_id}/shipments"
        .parse()
        .unwrap();
    assert_eq!(
        logistics.methods[&method].breakers[0].slow_call,
        Duration::from_millis(200)
    );
    let other = feign.client("another");
    assert_eq!(other.deadline, Some(Duration::from_secs(2)), "ours, of all");
    assert_eq!(other.service.breakers[0].open, Duration::from_secs(5));
    assert_eq!(
        other.service.bulkhead.unwrap().max_concurrent,
        10,
        "Hystrix's"
    );
}
