//! Calls by what the estate says.

use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::{TokenFeignSettings, context};
use hallpass_clock::ManualClock;
use hallpass_feign::{Feign, FeignError};
use http::StatusCode;

use super::load;
use crate::clients::{AsCaller, FeignAsCaller, FeignOrders, Orders};
use crate::support::{Log, Upstream, caller, runtime_at};

async fn failing() -> Upstream {
    Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await
}

async fn good() -> Upstream {
    Upstream::answering(|_, _| "ok".into_response()).await
}

fn feign(clock: &ManualClock, upstream: &Upstream, yaml: &str) -> Feign {
    runtime_at(clock, &[upstream])
        .settings(&load(yaml), &TokenFeignSettings::default())
        .build()
}

fn code<T>(result: Result<T, FeignError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

#[tokio::test]
async fn a_breaker_of_each_product_opens_after_the_calls_that_it_wants_and_tries_again_after_its_time()
 {
    for (yaml, calls, open) in [
        (
            "resilience4j.circuitbreaker.instances.service-a: { slidingWindowSize: 4, waitDurationInOpenState: 2s }",
            4,
            2,
        ),
        (
            "feign.hystrix.enabled: true\nhystrix.command.default.circuitBreaker: { requestVolumeThreshold: 3, sleepWindowInMilliseconds: 4000 }",
            3,
            4,
        ),
        (
            "hallpass.feign.sentinel.degrade-rules: [{ resource: service-a, grade: 2, count: 4, timeWindow: 6 }]",
            5,
            6,
        ),
    ] {
        let (upstream, clock) = (failing().await, ManualClock::default());
        let feign = feign(
            &clock,
            &upstream,
            &format!("{yaml}\nhallpass.feign.defaults.breaker.enabled: false"),
        );
        let orders = FeignOrders::new(&feign).unwrap();
        for call in 0..calls {
            assert_eq!(
                code(orders.remove(1).await),
                "server_error",
                "{call}: {yaml}"
            );
        }
        assert_eq!(code(orders.remove(1).await), "breaker_open", "{yaml}");
        clock.advance(Duration::from_secs(open));
        assert_eq!(code(orders.remove(1).await), "server_error", "{yaml}");
    }
}

#[tokio::test]
async fn a_rule_of_one_method_leaves_the_others_alone() {
    for yaml in [
        "hallpass.feign.sentinel.flow-rules: [{ resource: 'DELETE:http://service-a/api/orders/{id}', count: 0 }]",
        "hallpass.feign.sentinel.flow-rules: [{ resource: 'service-a#remove(long)', count: 0 }]",
        "hallpass.feign.sentinel.flow-rules: [{ resource: 'DELETE:http://service-a/api/orders/{id}', grade: 0, count: 0 }]",
        "resilience4j.circuitbreaker.instances.Ordersremovelong.initialState: FORCED_OPEN",
        "feign.hystrix.enabled: true\nhystrix.command.'Orders#remove(long)'.circuitBreaker.forceOpen: true",
    ] {
        let (upstream, clock) = (good().await, ManualClock::default());
        let yaml = yaml.replace(
            "hystrix.command.'Orders#remove(long)'.",
            "hystrix.command.Orders#remove(long).",
        );
        let feign = feign(&clock, &upstream, &yaml);
        let orders = FeignOrders::new(&feign).unwrap();
        let refused = code(orders.remove(1).await);
        assert!(
            matches!(refused, "rate_limited" | "breaker_open"),
            "{refused}: {yaml}"
        );
        assert_eq!(code(orders.find_optional(1).await), "decode", "{yaml}");
        assert_eq!(upstream.seen().len(), 1, "{yaml}");
    }
}

#[tokio::test]
async fn below_a_flow_rule_the_caller_is_still_there() {
    let upstream = Upstream::answering(|seen, _| {
        let who = seen.authorization().unwrap_or("nobody").to_owned();
        who.into_response()
    });
    let (upstream, clock) = (upstream.await, ManualClock::default());
    let yaml = "hallpass.feign.sentinel.flow-rules: [{ resource: service-a, count: 50, controlBehavior: 2, maxQueueingTimeMs: 1000 }]";
    let feign = feign(&clock, &upstream, yaml);
    let calls = FeignAsCaller::new(&feign).unwrap();
    // All but the first wait for their turn.
    let of = async |name: &str| context::scope(caller(name), calls.mine()).await.unwrap();
    let who = tokio::join!(of("anna"), of("berta"), of("carla"));
    let expected = ["anna", "berta", "carla"].map(|name| format!("Bearer token-of-{name}"));
    assert_eq!([who.0, who.1, who.2], expected);
    let nobody = calls.mine().await;
    assert_eq!(code(nobody), "no_identity");
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn rules_that_change_take_effect_without_a_restart_and_others_go_on() {
    let (upstream, clock) = (failing().await, ManualClock::default());
    let with = |open: &str| {
        format!(
            "hallpass.feign.defaults.breaker.enabled: false
hallpass.feign.sentinel.degrade-rules: [{{ resource: service-a, grade: 2, count: 1, minRequestAmount: 1, timeWindow: {open} }}]"
        )
    };
    let feign = feign(&clock, &upstream, &with("60"));
    let orders = FeignOrders::new(&feign).unwrap();
    let none = TokenFeignSettings::default();
    assert_eq!(code(orders.remove(1).await), "server_error");
    feign.apply(&load(&with("60")), &none).unwrap();
    assert_eq!(code(orders.remove(1).await), "server_error");
    assert_eq!(
        code(orders.remove(1).await),
        "breaker_open",
        "the same rule has gone on counting"
    );
    feign
        .apply(
            &load("hallpass.feign.defaults.breaker.enabled: false"),
            &none,
        )
        .unwrap();
    assert_eq!(
        code(orders.remove(1).await),
        "server_error",
        "no rule, no breaker"
    );
    feign.apply(&load(&with("30")), &none).unwrap();
    assert_eq!(
        code(orders.remove(1).await),
        "server_error",
        "another rule begins anew"
    );
}

#[tokio::test]
async fn what_the_estate_says_of_a_client_or_a_method_and_cannot_be_had_stops_that_client_alone() {
    let (upstream, clock) = (good().await, ManualClock::default());
    for name in [
        "service-a",
        "SERVICE-A",
        "Ordersremovelong",
        "'Orders#remove(long)'",
    ] {
        let yaml = format!(
            "resilience4j.circuitbreaker.instances: {{ {name}: {{ recordFailurePredicate: com.example.Mine }} }}"
        );
        let feign = feign(&clock, &upstream, &yaml);
        let error = FeignOrders::new(&feign).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "what the estate says of client `service-a` cannot be used:\napplication.yaml:1:"
            ),
            "{error}"
        );
        assert!(error.contains("names code of Java"), "{error}");
        // One that exists keeps what it has.
        let none = TokenFeignSettings::default();
        feign.apply(&load(""), &none).unwrap();
        let orders = FeignOrders::new(&feign).unwrap();
        feign.apply(&load(&yaml), &none).unwrap_err();
        assert_eq!(code(orders.remove(1).await), "ok");
    }
    let other = "resilience4j.circuitbreaker.instances.paymentDb.recordFailurePredicate: x";
    let feign = feign(&clock, &upstream, other);
    assert!(FeignOrders::new(&feign).is_ok());
}

#[tokio::test]
async fn a_rate_limiter_lets_the_calls_of_its_period_through_at_once() {
    let (upstream, clock) = (good().await, ManualClock::default());
    let yaml = "resilience4j.ratelimiter.instances.service-a: { limitForPeriod: 5, limitRefreshPeriod: 60s, timeoutDuration: 1s }";
    let feign = feign(&clock, &upstream, yaml);
    let orders = FeignOrders::new(&feign).unwrap();
    for call in 0..5 {
        assert_eq!(code(orders.remove(1).await), "ok", "{call}");
    }
    assert_eq!(code(orders.remove(1).await), "rate_limited");
}

#[tokio::test]
async fn a_rule_about_slow_calls_lets_calls_through_that_fail_at_once() {
    let (upstream, clock) = (failing().await, ManualClock::default());
    let yaml = "hallpass.feign:
  defaults: { breaker.enabled: false, eject.consecutive-failures: 1000 }
  sentinel.degrade-rules: [{ resource: service-a, grade: 0, count: 200, minRequestAmount: 5, timeWindow: 60 }]";
    let feign = feign(&clock, &upstream, yaml);
    let orders = FeignOrders::new(&feign).unwrap();
    for call in 0..10 {
        assert_eq!(code(orders.remove(1).await), "server_error", "{call}");
    }
}

#[tokio::test]
async fn a_client_says_in_the_log_which_keys_of_the_estate_bound_it_and_rules_left_out_are_counted()
{
    let (upstream, clock) = (good().await, ManualClock::default());
    let yaml = "
feign.sentinel: { enabled: true, rules: { service-b: [ { count: 1, timeWindow: 1, regex: true } ] } }
resilience4j:
  circuitbreaker.instances.service-a: { slidingWindowSize: 4 }
  circuitbreaker.instances.Ordersremovelong.slidingWindowSize: 5
hallpass.feign.sentinel.flow-rules: [ { resource: 'GET:http://service-a/api/orders/{orderId}', count: 9 } ]
";
    let log = Log::default();
    let feign = {
        let _listening = log.listen_from(tracing::Level::INFO);
        let feign = feign(&clock, &upstream, yaml);
        drop(FeignOrders::new(&feign).unwrap());
        feign
    };
    let text = log.text();
    for expected in [
        "keys of the estate bound the calls of this client",
        "breaker by resilience4j.circuitbreaker.instances.service-a (application.yaml:4)",
        "breaker by resilience4j.circuitbreaker.instances.Ordersremovelong (application.yaml:5)",
        "rate of GET /api/orders/{orderId} by hallpass.feign.sentinel.flow-rules[0] (application.yaml:6)",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let mut registry = prometheus_client::registry::Registry::default();
    feign.metrics().register(&mut registry);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(
        metrics.contains("hallpass_feign_estate_rules_skipped{reason=\"bad\"} 1"),
        "{metrics}"
    );
    feign
        .apply(&load(""), &TokenFeignSettings::default())
        .unwrap();
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("hallpass_feign_estate_rules_skipped{reason=\"bad\"} 0"));
}
