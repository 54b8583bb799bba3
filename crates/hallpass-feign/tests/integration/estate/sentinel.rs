//! Rules of Sentinel.

use std::time::Duration;

use hallpass_feign::FeignSettings;
use hallpass_upstream::{RateBehaviour, RateSettings, WindowType};

use super::{breaker, guards, load, loader, problem};

/// As the dashboard writes it.
pub(super) const DEGRADE: &str = r#"[{"app":"order-service","count":200.0,"gmtCreate":1764200000000,"gmtModified":1764200000000,"grade":0,"id":7,"ip":"10.0.0.9","limitApp":"default","minRequestAmount":5,"port":8719,"resource":"logistics-service","slowRatioThreshold":0.6,"statIntervalMs":1000,"timeWindow":10}]"#;
pub(super) const FLOW: &str = r#"[{"app":"order-service","clusterConfig":null,"clusterMode":false,"controlBehavior":1,"count":200.0,"gmtCreate":1764200000000,"gmtModified":1764200000000,"grade":1,"id":8,"ip":"10.0.0.9","limitApp":"default","maxQueueingTimeMs":null,"port":8719,"refResource":null,"resource":"logistics-service","strategy":0,"warmUpPeriodSec":20}]"#;

pub(super) fn with_rules(kind: &str, rules: &str) -> String {
    format!("hallpass: {{ feign: {{ sentinel: {{ {kind}-rules: {rules} }} }} }}")
}

/// The settings of `logistics-service` by one rule with these keys.
pub(super) fn degrade(keys: &str) -> String {
    with_rules(
        "degrade",
        &format!("[{{ resource: logistics-service, timeWindow: 10, {keys} }}]"),
    )
}

pub(super) fn flow(keys: &str) -> String {
    with_rules(
        "flow",
        &format!("[{{ resource: logistics-service, {keys} }}]"),
    )
}

fn rate(yaml: &str) -> RateSettings {
    let rates = guards(yaml).rates;
    assert_eq!(rates.len(), 1, "{rates:?}");
    rates[0]
}

#[test]
fn the_rules_of_the_dashboard_are_read_with_all_their_fields() {
    let loaded = loader(&with_rules("degrade", DEGRADE))
        .load::<FeignSettings>()
        .unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    let breaker = breaker(&with_rules("degrade", DEGRADE));
    assert_eq!(breaker.slow_call, Duration::from_millis(200));
    assert_eq!(breaker.slow_call_rate.get(), 60);
    assert_eq!(breaker.open, Duration::from_secs(10));
    assert_eq!(breaker.minimum_calls, 5);
    assert_eq!(
        (breaker.window_type, breaker.window_time),
        (WindowType::Time, Duration::from_secs(1))
    );
    assert_eq!(breaker.half_open_calls, 1);
    assert_eq!(breaker.failures, 0);
    let loaded = loader(&with_rules("flow", FLOW))
        .load::<FeignSettings>()
        .unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    let rate = rate(&with_rules("flow", FLOW));
    assert_eq!((rate.calls, rate.period), (200, Duration::from_secs(1)));
    assert_eq!(
        (rate.behaviour, rate.warm_up),
        (RateBehaviour::WarmUp, Duration::from_secs(20))
    );
}

#[test]
fn shares_and_numbers_of_failures_open_a_breaker() {
    let by_share = breaker(&degrade("grade: 1, count: 0.25"));
    assert_eq!(by_share.failure_rate.get(), 25);
    assert_eq!(by_share.minimum_calls, 5, "the default of Sentinel");
    assert_eq!(
        by_share.slow_call,
        Duration::from_secs(3_600),
        "slow calls do not count"
    );
    let by_number = breaker(&degrade(
        "grade: 2, count: 20, minRequestAmount: 3, statIntervalMs: 60000",
    ));
    assert_eq!(by_number.failures, 21, "Sentinel wants more than 20");
    assert_eq!(
        by_number.minimum_calls, 21,
        "so that the share opens nothing before"
    );
    assert_eq!(by_number.window_time, Duration::from_secs(60));
}

#[test]
fn flow_rules_bound_calls_a_second_and_calls_at_once() {
    for (behaviour, expected) in [
        (0, RateBehaviour::Reject),
        (1, RateBehaviour::WarmUp),
        (2, RateBehaviour::Queue),
        (3, RateBehaviour::WarmUpQueue),
    ] {
        let rate = rate(&flow(&format!(
            "count: 20, controlBehavior: {behaviour}, maxQueueingTimeMs: 300"
        )));
        assert_eq!((rate.calls, rate.behaviour), (20, expected));
        assert_eq!(
            (rate.warm_up, rate.max_wait),
            (Duration::from_secs(10), Duration::from_millis(300))
        );
    }
    let queued = rate(&flow("count: 2.5, controlBehavior: 2"));
    assert_eq!((queued.calls, queued.period), (5, Duration::from_secs(2)));
    let counted = rate(&flow("count: 2.5"));
    assert_eq!((counted.calls, counted.period), (2, Duration::from_secs(1)));
    assert_eq!(rate(&flow("count: 0")).calls, 0, "nothing is let through");
    let bulkhead = guards(&flow("grade: 0, count: 10")).bulkhead.unwrap();
    assert_eq!(
        (bulkhead.max_concurrent, bulkhead.max_wait),
        (10, Duration::ZERO)
    );
}

#[test]
fn a_rule_for_less_than_one_call_at_once_lets_nothing_through() {
    for count in ["0", "0.0", "0.5"] {
        let guards = guards(&flow(&format!("grade: 0, count: {count}")));
        assert_eq!(guards.rates.len(), 1, "{count}: {guards:?}");
        assert_eq!(guards.rates[0].calls, 0, "{count}");
        assert_eq!(guards.rates[0].behaviour, RateBehaviour::Reject);
    }
    let beside = "[{ resource: logistics-service, count: 9 }, { resource: logistics-service, grade: 0, count: 0 },
        { resource: logistics-service, grade: 0, count: 5 }]";
    let guards = guards(&with_rules("flow", beside));
    let calls: Vec<_> = guards.rates.iter().map(|it| it.calls).collect();
    assert_eq!(calls, [9, 0], "the other rules count as well");
}

#[test]
fn several_rules_of_one_resource_all_count() {
    let rules = "[{ resource: logistics-service, timeWindow: 1, count: 100 },
        { resource: logistics-service, timeWindow: 2, grade: 1, count: 0.5 }]";
    let breakers = guards(&with_rules("degrade", rules)).breakers;
    let open: Vec<_> = breakers.iter().map(|it| it.open.as_secs()).collect();
    assert_eq!(open, [1, 2]);
    let rules = "[{ resource: logistics-service, grade: 0, count: 9 }, { resource: logistics-service, grade: 0, count: 4 }]";
    assert_eq!(
        guards(&with_rules("flow", rules))
            .bulkhead
            .unwrap()
            .max_concurrent,
        4
    );
}

#[test]
fn what_a_rule_would_do_and_is_not_done_here_is_a_problem_with_its_line() {
    for (keys, expected) in [
        (
            "count: 1, limitApp: other-service",
            "limitApp: would bound the calls of one caller alone",
        ),
        (
            "count: 1, strategy: 1, refResource: x",
            "strategy: would count the calls of other resources",
        ),
        (
            "count: 1, clusterMode: true",
            "clusterMode: would count the calls of all processes",
        ),
        (
            "count: 1, regex: true",
            "regex: would be about all resources",
        ),
        ("count: 1, controlBehavior: 4", "controlBehavior: must be 0"),
        ("count: -1", "count: must be a number"),
        (
            "count: 1, controlBehavior: 1, warmUpPeriodSec: 0",
            "warmUpPeriodSec: must be 1 at least",
        ),
        (
            "grade: 1",
            "hallpass.feign.sentinel.flow-rules[0]: has no `count`",
        ),
    ] {
        let problem = problem(&flow(keys));
        assert!(problem.starts_with("application.yaml:1:"), "{problem}");
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    for (keys, expected) in [
        ("count: 1, grade: 3", "grade: must be 0"),
        (
            "count: 1, slowRatioThreshold: 1.5",
            "slowRatioThreshold: must be from 0 to 1",
        ),
        ("grade: 1, count: 1.5", "count: must be from 0 to 1"),
        (
            "count: 1, minRequestAmount: 0",
            "minRequestAmount: must be a whole number from 1",
        ),
        (
            "count: 1, regex: true",
            "regex: would be about all resources",
        ),
    ] {
        let problem = problem(&degrade(keys));
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    let never = with_rules("degrade", "[{ resource: logistics-service, count: 1 }]");
    assert!(problem(&never).contains("degrade-rules[0]: must be a whole number of seconds"));
}

#[test]
fn a_rule_about_something_else_is_a_problem_unless_it_is_to_be_left_alone() {
    let rules = "[{ resource: /orders, count: 1 }, { resource: logistics-service, count: 3 }]";
    let refused = problem(&with_rules("flow", rules));
    assert!(
        refused.contains("flow-rules[0].resource: bounds something that no declared client calls"),
        "{refused}"
    );
    let ignored = with_rules("flow", rules).replace("sentinel: {", "sentinel: { others: ignore,");
    assert_eq!(rate(&ignored).calls, 3);
}

#[test]
fn a_rule_about_slow_calls_does_not_look_at_failures() {
    assert!(!breaker(&degrade("grade: 0, count: 1")).counts_failures);
    assert!(breaker(&degrade("grade: 1, count: 1")).counts_failures);
}

#[test]
fn a_method_is_found_by_the_template_of_its_interface_in_java() {
    let yaml = with_rules(
        "flow",
        "[{ resource: 'GET:http://logistics-service/logistics/orders/{orderId}/shipments', count: 4 }]",
    );
    let client = load(&yaml).client("logistics-service").clone();
    let method = "GET /logistics/orders/{order_id}/shipments"
        .parse()
        .unwrap();
    assert_eq!(client.methods[&method].rates[0].calls, 4);
    let ours = format!(
        "{yaml}\nhallpass.feign.clients.logistics-service.methods: {{ 'GET /logistics/orders/{{id}}/shipments': {{ rate: {{ per-second: 9 }} }} }}"
    );
    let client = load(&ours).client("logistics-service").clone();
    assert_eq!(client.methods.len(), 1);
    assert_eq!(client.methods[&method].rates[0].calls, 9, "our own");
    let twice = "hallpass.feign.clients.logistics-service.methods: { 'GET /{a}': { rate.per-second: 9 }, 'GET /{b}': { rate.per-second: 8 } }";
    assert!(problem(twice).contains("names a method that stands here already"));
}

#[test]
fn the_rules_of_spring_cloud_circuit_breaker_are_read_by_the_names_of_clients() {
    let yaml = "
feign:
  sentinel:
    enabled: true
    default-rule: everybody
    rules:
      everybody: [ { grade: 2, count: 1, timeWindow: 15, statIntervalMs: 1000, minRequestAmount: 1 } ]
      logistics-service: [ { grade: 1, count: 0.5, timeWindow: 20 } ]
";
    assert_eq!(breaker(yaml).open, Duration::from_secs(20));
    let feign = load(yaml);
    assert_eq!(feign.client("another").service.breakers[0].failures, 2);
}

#[test]
fn our_own_breaker_goes_over_a_rule() {
    let yaml = "
hallpass.feign:
  sentinel: { degrade-rules: [ { resource: logistics-service, count: 1, timeWindow: 20 } ] }
  clients: { logistics-service: { service: { breaker: { open-ms: 5 } } } }
";
    assert_eq!(breaker(yaml).open, Duration::from_millis(5));
    let of_all = yaml.replace(
        "clients: { logistics-service: { service: { breaker: { open-ms: 5 } } } }",
        "defaults: { service: { breaker: { open-ms: 5 } } }",
    );
    assert_eq!(
        breaker(&of_all).open,
        Duration::from_secs(20),
        "of this client it says more"
    );
}
