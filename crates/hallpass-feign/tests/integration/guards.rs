//! What a whole service, and single methods of it, allow.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::{TokenFeignSettings, context};
use hallpass_clock::ManualClock;
use hallpass_config::Loader;
use hallpass_feign::{Feign, FeignError, FeignSettings, fallback_cause, feign_client};
use hallpass_upstream::Http2;
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use crate::clients::{AsService, FeignAsService, FeignOrders, Orders};
use crate::support::{Answer, Issuer, Upstream, caller, runtime, runtime_at};

#[feign_client(name = "service-a", identity = "relay", fallback = SaysWhy)]
trait Stock {
    #[get("/items")]
    async fn items(&self) -> Result<String, FeignError>;
}

#[derive(Default)]
struct SaysWhy;

impl Stock for SaysWhy {
    async fn items(&self) -> Result<String, FeignError> {
        let who = context::current().map_or("nobody".to_owned(), |it| it.subject().to_string());
        let why = fallback_cause().map_or("nothing", |cause| cause.code());
        Ok(format!("for {who}: {why}"))
    }
}

/// The settings of `service-a`, as they stand in a file.
pub(crate) fn settings(service: &str) -> FeignSettings {
    let yaml = format!("hallpass: {{ feign: {{ clients: {{ service-a: {service} }} }} }}");
    let loader = Loader::new("hallpass").text("hallpass.yaml", &yaml);
    loader.load().unwrap().into_settings()
}

/// Two calls decide; instances have no breakers of their own.
pub(crate) const BREAKER: &str = "{ breaker: { enabled: false }, service: { breaker: { minimum-calls: 2, window: 2, open-ms: 30000 } } }";

pub(crate) fn feign(clock: &ManualClock, upstreams: &[&Upstream], service: &str) -> Feign {
    runtime_at(clock, upstreams)
        .settings(&settings(service), &TokenFeignSettings::default())
        .build()
}

pub(crate) async fn with_status(status: u16) -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(status));
    let answers = Arc::clone(&status);
    let upstream = Upstream::answering(move |_, _| {
        let status = StatusCode::from_u16(answers.load(Ordering::SeqCst)).unwrap();
        (status, "\"ok\"").into_response()
    });
    (upstream.await, status)
}

pub(crate) async fn codes(orders: &FeignOrders, calls: usize) -> Vec<&'static str> {
    let mut codes = Vec::new();
    for _ in 0..calls {
        let result = orders.remove(1).await;
        codes.push(result.map_or_else(|error| error.code(), |()| "ok"));
    }
    codes
}

pub(crate) fn metric(feign: &Feign, line: &str) -> Option<String> {
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let value = text.lines().find_map(|it| it.strip_prefix(line));
    value.map(|value| value.trim().to_owned())
}

#[tokio::test]
async fn the_service_breaker_opens_by_calls_and_not_by_attempts() {
    let (upstream, status) = with_status(503).await;
    let clock = ManualClock::default();
    let feign = feign(&clock, &[&upstream], BREAKER);
    let orders = FeignOrders::new(&feign).unwrap();
    // Three attempts, and one call.
    assert_eq!(
        codes(&orders, 3).await,
        ["server_error", "server_error", "breaker_open"]
    );
    assert_eq!(upstream.seen().len(), 6);
    let state = r#"hallpass_feign_service_breaker_state{client="service-a",method=""}"#;
    assert_eq!(metric(&feign, state).unwrap(), "2");
    let refused = r#"hallpass_feign_refused_total{client="service-a",method="",by="breaker"}"#;
    assert_eq!(metric(&feign, refused).unwrap(), "1");
    clock.advance(Duration::from_secs(30));
    status.store(200, Ordering::SeqCst);
    assert_eq!(codes(&orders, 12).await, ["ok"; 12]);
    assert_eq!(metric(&feign, state).unwrap(), "0");
}

#[tokio::test]
async fn what_a_service_refuses_is_no_failure_of_it() {
    for status in [401, 403, 404, 429] {
        let (upstream, _) = with_status(status).await;
        let feign = feign(&ManualClock::default(), &[&upstream], BREAKER);
        let orders = FeignOrders::new(&feign).unwrap();
        assert_eq!(codes(&orders, 6).await, ["client_error"; 6], "{status}");
    }
}

#[tokio::test]
async fn a_token_that_nobody_gives_in_time_says_nothing_about_the_service() {
    let (upstream, _) = with_status(200).await;
    let issuer = Issuer::default();
    issuer.takes(Duration::from_secs(60));
    let feign = runtime(&[&upstream])
        .tokens(issuer.tokens())
        .settings(&settings(BREAKER), &TokenFeignSettings::default())
        .build();
    let builder = FeignAsService::builder(&feign).deadline(Duration::from_millis(50));
    let client = builder.build().unwrap();
    for _ in 0..4 {
        assert_eq!(client.job().await.unwrap_err().code(), "deadline");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_had_says_nothing_about_the_service() {
    let (upstream, _) = with_status(200).await;
    let issuer = Issuer::default();
    issuer.go_down();
    let feign = runtime(&[&upstream])
        .tokens(issuer.tokens())
        .settings(&settings(BREAKER), &TokenFeignSettings::default())
        .build();
    let client = FeignAsService::new(&feign).unwrap();
    for _ in 0..6 {
        assert_eq!(client.job().await.unwrap_err().code(), "token");
    }
    client.open().await.unwrap();
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_is_a_failure_of_the_service() {
    let upstream = Upstream::scripted(|_, _| -> Answer { Box::pin(pending()) }).await;
    let clock = ManualClock::default();
    let feign = feign(&clock, &[&upstream], BREAKER);
    let builder = FeignOrders::builder(&feign).deadline(Duration::from_millis(20));
    let orders = builder.build().unwrap();
    assert_eq!(
        codes(&orders, 3).await,
        ["deadline", "deadline", "breaker_open"]
    );
}

#[tokio::test]
async fn an_open_service_breaker_reaches_the_fallback_for_the_same_caller() {
    let (upstream, _) = with_status(500).await;
    let feign = feign(&ManualClock::default(), &[&upstream], BREAKER);
    let stock = FeignStock::new(&feign).unwrap();
    for expected in ["server_error", "server_error", "breaker_open"] {
        let answer = context::scope(caller("anna"), stock.items()).await.unwrap();
        assert_eq!(answer, format!("for anna: {expected}"));
    }
}

#[tokio::test]
async fn a_method_that_is_limited_leaves_the_others_alone() {
    let (upstream, _) = with_status(200).await;
    let limited = r#"{ methods: { "DELETE /api/orders/{id}": { rate: { per-second: 1 } } } }"#;
    let clock = ManualClock::default();
    let feign = feign(&clock, &[&upstream], limited);
    let orders = FeignOrders::new(&feign).unwrap();
    assert_eq!(
        codes(&orders, 3).await,
        ["ok", "rate_limited", "rate_limited"]
    );
    orders.bytes().await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(codes(&orders, 1).await, ["ok"]);
    let refused = r#"hallpass_feign_refused_total{client="service-a",method="DELETE /api/orders/{id}",by="rate"}"#;
    assert_eq!(metric(&feign, refused).unwrap(), "2");
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn the_bulkhead_of_a_service_bounds_its_calls_whatever_the_instance() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let script = |entered: &Arc<Notify>, leave: &Arc<Notify>| {
        let (entered, leave) = (Arc::clone(entered), Arc::clone(leave));
        move |_: &_, _| -> Answer {
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            Box::pin(async move {
                entered.notify_one();
                leave.notified().await;
                StatusCode::OK.into_response()
            })
        }
    };
    let one = Upstream::scripted(script(&entered, &leave)).await;
    let other = Upstream::scripted(script(&entered, &leave)).await;
    let bounded = "{ service: { bulkhead: { max-concurrent: 1, max-wait-ms: 0 } } }";
    let feign = feign(&ManualClock::default(), &[&one, &other], bounded);
    let orders = Arc::new(FeignOrders::new(&feign).unwrap());
    let first = Arc::clone(&orders);
    let first = tokio::spawn(async move { first.remove(1).await });
    entered.notified().await;
    let in_use = r#"hallpass_feign_bulkhead_in_use{client="service-a",method=""}"#;
    assert_eq!(metric(&feign, in_use).unwrap(), "1");
    assert_eq!(codes(&orders, 1).await, ["bulkhead_full"]);
    leave.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(metric(&feign, in_use).unwrap(), "0");
}

#[tokio::test]
async fn a_bulkhead_of_the_yaml_bounds_an_instance() {
    let entered = Arc::new(Notify::new());
    let told = Arc::clone(&entered);
    let upstream = Upstream::scripted(move |_, _| -> Answer {
        told.notify_one();
        Box::pin(pending())
    })
    .await;
    let bounded = "{ bulkhead: { max-concurrent: 1, max-wait-ms: 0 } }";
    let feign = feign(&ManualClock::default(), &[&upstream], bounded);
    let orders = Arc::new(FeignOrders::new(&feign).unwrap());
    let first = Arc::clone(&orders);
    let first = tokio::spawn(async move { first.remove(1).await });
    entered.notified().await;
    assert_eq!(codes(&orders, 1).await, ["bulkhead_full"]);
    first.abort();
}

#[tokio::test]
async fn by_http2_no_more_calls_go_to_an_instance_than_servers_take_on_a_connection() {
    let hanging = Upstream::scripted(|_, _| -> Answer { Box::pin(pending()) }).await;
    let feign = feign(
        &ManualClock::default(),
        &[&hanging],
        "{ breaker: { enabled: false } }",
    );
    let refused = async |http2: Http2, calls: usize| {
        let builder = FeignOrders::builder(&feign).http2(http2);
        let orders = builder.deadline(Duration::from_millis(500)).build();
        let orders = orders.unwrap();
        let calls = (0..calls).map(|_| orders.remove(1));
        let results = futures_util::future::join_all(calls).await;
        let codes = results.into_iter().map(|result| result.unwrap_err().code());
        codes.filter(|code| *code == "bulkhead_full").count()
    };
    assert_eq!(refused(Http2::Always, 107).await, 7);
    assert_eq!(refused(Http2::Never, 107).await, 0);
}

#[test]
fn a_method_is_named_by_verb_and_path() {
    for wrong in ["shipments", "get /x", "GET x", "FETCH /x", "GET  /x"] {
        let yaml = format!(
            "hallpass: {{ feign: {{ clients: {{ a: {{ methods: {{ '{wrong}': {{ rate: {{ per-second: 1 }} }} }} }} }} }} }}"
        );
        let loader = Loader::new("hallpass").text("hallpass.yaml", &yaml);
        let problems = loader.load::<FeignSettings>().unwrap_err();
        let text: String = problems.iter().map(ToString::to_string).collect();
        assert!(text.contains("is no method"), "{text}");
    }
}

#[tokio::test]
async fn what_happens_at_one_address_says_nothing_about_another_of_the_same_name() {
    let ((bad, _), (good, _)) = (with_status(500).await, with_status(200).await);
    let feign = feign(&ManualClock::default(), &[], BREAKER);
    let at = |upstream: &Upstream| {
        let url = format!("http://{}", upstream.address()).parse().unwrap();
        FeignOrders::builder(&feign).url(url).build().unwrap()
    };
    let (dead, well) = (at(&bad), at(&good));
    let opened = ["server_error", "server_error", "breaker_open"];
    assert_eq!(codes(&dead, 3).await, opened);
    assert_eq!(codes(&well, 3).await, ["ok"; 3]);
    // Who builds a client for each call has one guard as long as somebody holds one.
    assert_eq!(codes(&at(&bad), 1).await, ["breaker_open"]);
}

#[tokio::test]
async fn a_call_that_the_service_refuses_has_not_used_the_turn_of_its_method() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, left) = (Arc::clone(&entered), Arc::clone(&leave));
    let upstream = Upstream::scripted(move |_, _| -> Answer {
        let (entered, leave) = (Arc::clone(&told), Arc::clone(&left));
        Box::pin(async move {
            entered.notify_one();
            leave.notified().await;
            StatusCode::OK.into_response()
        })
    })
    .await;
    let both = r#"{ service: { bulkhead: { max-concurrent: 1, max-wait-ms: 0 } },
        methods: { "DELETE /api/orders/{id}": { rate: { per-second: 2 } } } }"#;
    let feign = feign(&ManualClock::default(), &[&upstream], both);
    let orders = Arc::new(FeignOrders::new(&feign).unwrap());
    let first = Arc::clone(&orders);
    let first = tokio::spawn(async move { first.remove(1).await });
    entered.notified().await;
    // Two turns a second: one is used, and these use none.
    assert_eq!(codes(&orders, 5).await, ["bulkhead_full"; 5]);
    leave.notify_one();
    first.await.unwrap().unwrap();
    leave.notify_one();
    assert_eq!(codes(&orders, 2).await, ["ok", "rate_limited"]);
}
