//! Further attempts while the first one is under way.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::{TokenFeignSettings, context};
use hallpass_config::{Loader, Percent};
use hallpass_feign::{ClientBuilder, Feign, FeignSettings, FinishedCall, HedgeSettings};
use hallpass_upstream::{BreakerSettings, RetrySettings};
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use crate::clients::{
    AsCaller, AsService, FeignAsCaller, FeignAsService, FeignOrders, Order, Orders,
};
use crate::support::{Answer, Issuer, Upstream, caller, runtime};

const SOON: Duration = Duration::from_millis(100);
const NEVER: Duration = Duration::from_secs(60);

async fn hanging() -> Upstream {
    Upstream::scripted(|_, _| -> Answer { Box::pin(pending()) }).await
}

async fn well() -> Upstream {
    Upstream::answering(|_, _| "ok").await
}

async fn failing() -> Upstream {
    Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await
}

/// Hedges after this time, whatever they cost, and no retries.
fn hedged<C: hallpass_feign::GeneratedClient>(
    builder: ClientBuilder<C>,
    after: Duration,
) -> ClientBuilder<C> {
    let mut hedge = HedgeSettings::after(after);
    hedge.budget = Percent::ALL;
    let retry = RetrySettings {
        max_attempts: 1,
        ..RetrySettings::default()
    };
    builder.hedge(hedge).retry(retry)
}

fn hedges(feign: &Feign, outcome: &str) -> usize {
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let series =
        format!(r#"hallpass_feign_hedges_total{{client="service-a",outcome="{outcome}"}} "#);
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hedge_goes_to_another_instance_and_the_first_answer_wins() {
    let (hanging, well) = (hanging().await, well().await);
    let finished = Arc::new(Mutex::new(Vec::<FinishedCall>::new()));
    let told = Arc::clone(&finished);
    let feign = runtime(&[&hanging, &well])
        .observe(move |call| told.lock().unwrap().push(call.clone()))
        .build();
    let builder = hedged(FeignAsCaller::builder(&feign), SOON);
    let client = builder.build().unwrap();
    for _ in 0..12 {
        let call = context::scope(caller("anna"), client.mine());
        assert_eq!(call.await.unwrap(), "ok");
    }
    let hung = hanging.seen().len();
    assert!((1..12).contains(&hung), "one of two, twelve times");
    assert_eq!(well.seen().len(), 12);
    assert_eq!(hedges(&feign, "won"), hung);
    assert_eq!(
        (hedges(&feign, "lost"), hedges(&feign, "no_budget")),
        (0, 0)
    );
    // Each attempt in the name of the same caller; one call each for whoever looks on.
    let identities = [hanging.identities(), well.identities()].concat();
    assert!(
        identities
            .iter()
            .all(|it| it.as_deref() == Some("Bearer token-of-anna"))
    );
    let finished = finished.lock().unwrap();
    assert_eq!(finished.len(), 12);
    for call in &*finished {
        assert_eq!(call.instance.as_ref().unwrap().port(), well.port());
        assert_eq!(call.status, Some(StatusCode::OK));
    }
    let attempts: u32 = finished.iter().map(|call| call.attempts).sum();
    assert_eq!(attempts as usize, 12 + hung);
}

#[tokio::test]
async fn an_instance_that_hangs_is_found_though_each_of_its_calls_is_outrun() {
    for isolate in [false, true] {
        let (hanging, well) = (hanging().await, well().await);
        let feign = runtime(&[&hanging, &well]).build();
        let builder = hedged(FeignOrders::builder(&feign), SOON * 2);
        let orders = builder.isolate(isolate).build().unwrap();
        for _ in 0..100 {
            orders.bytes().await.unwrap();
        }
        // Mostly by the time it takes, with the first call; at the latest by its breaker (`abandoned-calls`).
        let hung = hanging.seen().len();
        assert!((1..=25).contains(&hung), "{hung} of 100");
    }
}

#[tokio::test]
async fn one_that_takes_little_longer_and_is_outrun_is_not_called_broken() {
    // Both take as long as a hedge waits, or a little more: which one wins is a matter of chance.
    let takes = async || {
        Upstream::scripted(|_, _| -> Answer {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(30)).await;
                "\"ok\"".into_response()
            })
        })
        .await
    };
    let (one, other) = (takes().await, takes().await);
    let feign = runtime(&[&one, &other]).build();
    let touchy = BreakerSettings {
        abandoned_calls: 1,
        ..BreakerSettings::default()
    };
    let builder = hedged(FeignOrders::builder(&feign), Duration::from_millis(10));
    let orders = builder.breaker(touchy).build().unwrap();
    for _ in 0..8 {
        orders.bytes().await.unwrap();
    }
    let opened = r#"hallpass_feign_breaker_state{"#;
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let mut states = text.lines().filter(|line| line.starts_with(opened));
    assert!(states.all(|line| line.ends_with(" 0")), "{text}");
}

#[tokio::test]
async fn a_call_that_waits_for_its_token_has_no_hedge_before_it_is_sent() {
    for isolate in [false, true] {
        let (one, other) = (well().await, well().await);
        let issuer = Issuer::default();
        issuer.takes(SOON * 3);
        let feign = runtime(&[&one, &other]).tokens(issuer.tokens()).build();
        let builder = hedged(FeignAsService::builder(&feign), SOON);
        let client = builder.isolate(isolate).build().unwrap();
        client.job().await.unwrap();
        assert_eq!(one.seen().len() + other.seen().len(), 1);
        assert_eq!((hedges(&feign, "won"), hedges(&feign, "lost")), (0, 0));
    }
}

#[tokio::test]
async fn a_first_attempt_that_fails_starts_the_second_at_once() {
    let (failing, well) = (failing().await, well().await);
    let feign = runtime(&[&failing, &well]).build();
    let orders = hedged(FeignOrders::builder(&feign), NEVER).build().unwrap();
    let calls = (0..8).map(|_| orders.bytes());
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(hedges(&feign, "won"), failing.seen().len());
    assert!(!failing.seen().is_empty());
}

#[tokio::test]
async fn an_error_wins_when_all_have_failed() {
    let (one, other) = (failing().await, failing().await);
    let feign = runtime(&[&one, &other]).build();
    let orders = hedged(FeignOrders::builder(&feign), NEVER).build().unwrap();
    let error = orders.bytes().await.unwrap_err();
    assert_eq!(error.code(), "server_error");
    assert_eq!((one.seen().len(), other.seen().len()), (1, 1));
    assert_eq!(hedges(&feign, "lost"), 1);
}

#[tokio::test]
async fn an_answer_that_comes_is_waited_for_when_the_hedge_fails() {
    let asked = Arc::new(Notify::new());
    let (tell, wait) = (Arc::clone(&asked), asked);
    let failing = Upstream::answering(move |_, _| {
        tell.notify_one();
        StatusCode::INTERNAL_SERVER_ERROR
    })
    .await;
    // It answers when the other one was asked.
    let slow = Upstream::scripted(move |_, _| -> Answer {
        let wait = Arc::clone(&wait);
        Box::pin(async move {
            wait.notified().await;
            "ok".into_response()
        })
    })
    .await;
    let feign = runtime(&[&slow, &failing]).build();
    let orders = hedged(FeignOrders::builder(&feign), SOON).build().unwrap();
    for _ in 0..4 {
        orders.bytes().await.unwrap();
    }
}

/// One sheds load, lacks the keys or lacks the route.
#[tokio::test]
async fn a_hedge_that_is_refused_does_not_end_a_call_that_is_answered() {
    for status in [429, 401, 404] {
        let slow = Upstream::scripted(|_, _| -> Answer {
            Box::pin(async {
                tokio::time::sleep(SOON * 4).await;
                "ok".into_response()
            })
        })
        .await;
        let refuses = Upstream::answering(move |_, _| StatusCode::from_u16(status).unwrap()).await;
        let feign = runtime(&[&slow, &refuses]).build();
        let builder = hedged(FeignOrders::builder(&feign), SOON);
        let orders = builder.build().unwrap();
        // Until one begins at the slow one.
        while slow.seen().is_empty() {
            match orders.bytes().await {
                Ok(_) => assert_eq!(slow.seen().len(), 1),
                Err(error) => {
                    assert_eq!(error.code(), "client_error");
                    assert!(slow.seen().is_empty(), "{status} ended the call");
                }
            }
        }
        assert_eq!((hedges(&feign, "lost"), hedges(&feign, "won")), (1, 0));
    }
}

#[tokio::test]
async fn no_hedge_for_what_twice_at_once_is_not_the_same_as_once() {
    let (one, other) = (hanging().await, hanging().await);
    let feign = runtime(&[&one, &other]).build();
    let builder = hedged(FeignOrders::builder(&feign), SOON);
    let orders = builder.deadline(SOON * 3).build().unwrap();
    let order = || Order {
        id: 7,
        note: String::new(),
    };
    orders.create(&order()).await.unwrap_err();
    orders.replace(7, order()).await.unwrap_err();
    orders.remove(7).await.unwrap_err();
    orders.pay(100).await.unwrap_err();
    assert_eq!(one.seen().len() + other.seen().len(), 4);
    orders.repeatable(1).await.unwrap_err();
    let after = one.seen().len() + other.seen().len();
    assert_eq!(after, 6, "the trait says that it may be sent twice");
}

#[tokio::test]
async fn with_one_instance_there_is_nobody_else_to_ask() {
    let hanging = hanging().await;
    let feign = runtime(&[&hanging]).build();
    let builder = hedged(FeignOrders::builder(&feign), SOON);
    let orders = builder.deadline(SOON * 3).build().unwrap();
    orders.bytes().await.unwrap_err();
    assert_eq!(hanging.seen().len(), 1);
}

#[tokio::test]
async fn hedges_stay_within_their_budget() {
    let (one, other) = (failing().await, failing().await);
    let feign = runtime(&[&one, &other]).build();
    let off = BreakerSettings {
        enabled: false,
        ..BreakerSettings::default()
    };
    for _ in 0..20 {
        // Whoever builds a client for each call has no budget of his own.
        let builder = FeignOrders::builder(&feign).hedge(HedgeSettings::after(NEVER));
        let orders = builder.breaker(off).build().unwrap();
        orders.bytes().await.unwrap_err();
    }
    // 10 hedges at first; 20 calls earn one more.
    assert_eq!(one.seen().len() + other.seen().len(), 31);
    let counted = (hedges(&feign, "lost"), hedges(&feign, "no_budget"));
    assert_eq!(counted, (11, 9));
}

#[tokio::test]
async fn hedges_are_made_where_the_settings_ask_for_them_alone() {
    let (hanging, well) = (hanging().await, well().await);
    let run = async |yaml: &str| {
        let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
        let settings: FeignSettings = loader.load().unwrap().into_settings();
        let feign = runtime(&[&hanging, &well]).settings(&settings, &TokenFeignSettings::default());
        let orders = FeignOrders::new(&feign.build()).unwrap();
        let calls = (0..8).map(|_| orders.bytes());
        let results = futures_util::future::join_all(calls).await;
        results.iter().all(Result::is_ok)
    };
    assert!(!run("hallpass: { feign: { defaults: { deadline-ms: 100 } } }").await);
    let hedged =
        "hallpass: { feign: { defaults: { hedge: { after-ms: 100, budget-percent: 100 } } } }";
    assert!(run(hedged).await);
}
