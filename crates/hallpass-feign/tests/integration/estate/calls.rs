//! Calls by what the estate says.

use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::{TokenFeignSettings, context};
use hallpass_clock::ManualClock;
use hallpass_feign::{Feign, FeignError};
use http::StatusCode;

use super::load;
use crate::clients::{AsCaller, FeignAsCaller, FeignOrders, Orders};
use crate::support::{Upstream, caller, runtime_at};

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
            "hystrix.command.default.circuitBreaker: { requestVolumeThreshold: 3, sleepWindowInMilliseconds: 4000 }",
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
        "resilience4j.circuitbreaker.instances.Ordersremovelong.initialState: FORCED_OPEN",
        "hystrix.command.'Orders#remove(long)'.circuitBreaker.forceOpen: true",
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
