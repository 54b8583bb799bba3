//! Where the caller's identity must be found.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::response::IntoResponse;
use futures_util::stream;
use hallpass::client::context::CaptureContextLayer;
use hallpass::client::{BearerLayer, CallError, Identity};
use hallpass::config::Percent;
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport};
use http::{Request, StatusCode};
use tokio::runtime::Handle;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use super::rig::{BoxEcho, Echo, FeignEcho, Kit, Rig, outcome};

#[tokio::test]
async fn in_the_same_task() {
    let rig = Rig::start(async |kit: Kit| outcome(kit.echo.whoami().await)).await;
    rig.assert_relayed(1).await;
}

#[tokio::test]
async fn after_an_await_that_moves_the_task() {
    let rig = Rig::start(async |kit: Kit| {
        for _turn in 0..10 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        outcome(kit.echo.whoami().await)
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test]
async fn inside_a_timeout() {
    let rig = Rig::start(async |kit: Kit| {
        let limit = Duration::from_secs(10);
        outcome(
            tokio::time::timeout(limit, kit.echo.whoami())
                .await
                .unwrap(),
        )
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test]
async fn in_both_arms_of_a_join() {
    let rig = Rig::start(async |kit: Kit| {
        let (left, right) = tokio::join!(kit.echo.whoami(), kit.echo.whoami());
        outcome(left.and(right))
    });
    rig.await.assert_relayed(2).await;
}

#[tokio::test]
async fn in_every_attempt_of_a_retried_call() {
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let answer = move |_parts: &http::request::Parts| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => axum::Json("fine").into_response(),
    };
    let rig = Rig::with_upstream(answer, async |kit: Kit| outcome(kit.echo.whoami().await)).await;
    rig.assert_relayed(2).await;
}

#[tokio::test]
async fn below_a_circuit_breaker_that_runs_the_call_on_another_task() {
    let rig = Rig::start(async |kit: Kit| {
        let builder = FeignEcho::builder(kit.hallpass.feign()).isolate(true);
        outcome(builder.build().unwrap().whoami().await)
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test]
async fn below_a_tower_buffer_whose_worker_is_another_task() {
    let rig = Rig::start(async |kit: Kit| outcome(through_a_buffer(&kit).await));
    rig.await.assert_relayed(1).await;
}

#[tokio::test]
async fn in_a_task_of_hallpass_spawn() {
    let rig = Rig::start(async |kit: Kit| {
        let task = hallpass::spawn(async move { kit.echo.whoami().await });
        outcome(task.await.unwrap())
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_blocking_thread_of_hallpass_spawn_blocking() {
    let rig = Rig::start(async |kit: Kit| {
        let work = move || Handle::current().block_on(kit.echo.whoami());
        outcome(hallpass::spawn_blocking(work).await.unwrap())
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test]
async fn in_every_task_of_a_join_set() {
    let rig = Rig::start(async |kit: Kit| {
        let mut tasks = hallpass::JoinSet::new();
        for _task in 0..3 {
            let echo = kit.echo.clone();
            tasks.spawn(async move { echo.whoami().await });
        }
        let mut last = Ok(String::new());
        while let Some(result) = tasks.join_next().await {
            last = last.and(result.unwrap());
        }
        outcome(last)
    });
    rig.await.assert_relayed(3).await;
}

#[tokio::test]
async fn while_the_response_body_streams() {
    let rig = Rig::start(async |kit: Kit| {
        // Polled by the server after this handler has returned.
        let chunk = async move { kit.echo.whoami().await };
        AxumBody::from_stream(stream::once(chunk)).into_response()
    });
    rig.await.assert_relayed(1).await;
}

/// Answers by another call, which needs the identity too.
struct AskTheOther(BoxEcho);

impl Echo for AskTheOther {
    async fn whoami(&self) -> Result<String, FeignError> {
        let caller = hallpass::current().ok_or(FeignError::NoIdentity)?;
        assert_eq!(caller.subject().as_str(), "alice");
        self.0.whoami().await
    }
}

#[tokio::test]
async fn inside_the_fallback() {
    let rig = Rig::start(async |kit: Kit| {
        let nowhere = "http://127.0.0.1:1".parse().unwrap();
        let client = FeignEcho::builder(kit.hallpass.feign())
            .url(nowhere)
            .fallback(BoxEcho::new(AskTheOther(kit.echo.clone())));
        outcome(client.build().unwrap().whoami().await)
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test]
async fn inside_the_fallback_of_an_open_breaker_on_another_task() {
    let rig = Rig::start(async |kit: Kit| {
        let nowhere = "http://127.0.0.1:1".parse().unwrap();
        let mut breaker = hallpass::upstream::BreakerSettings::default();
        (breaker.minimum_calls, breaker.window) = (1, 1);
        breaker.failure_rate = Percent::HALF;
        let client = FeignEcho::builder(kit.hallpass.feign())
            .url(nowhere)
            .breaker(breaker)
            .isolate(true)
            .fallback(BoxEcho::new(AskTheOther(kit.echo.clone())))
            .build()
            .unwrap();
        let mut last = client.whoami().await;
        for _call in 0..3 {
            last = client.whoami().await;
        }
        outcome(last)
    });
    rig.await.assert_relayed(4).await;
}

#[tokio::test]
async fn an_authorization_that_is_on_the_request_already_is_replaced() {
    let rig = Rig::start(async |kit: Kit| {
        let request = Request::get(format!("http://{}/whoami", kit.upstream))
            .header("authorization", "Bearer somebody.elses.token")
            .header("Authorization", "Basic c29tZWJvZHk6ZWxzZQ==")
            .body(Body::empty())
            .unwrap();
        let stack = CaptureContextLayer::new().layer(relay(&kit).layer(transport()));
        outcome(read(stack.oneshot(request).await.map_err(BoxError::from)).await)
    });
    rig.await.assert_relayed(1).await;
}

fn relay(kit: &Kit) -> BearerLayer {
    BearerLayer::new("upstream", Identity::Relay, kit.hallpass.clock().clone())
}

/// The transport with the error that the layers above speak of.
fn transport()
-> impl Service<Request<Body>, Response = http::Response<Body>, Error = CallError, Future: Send> + Clone
{
    HttpTransport::new().unwrap().map_err(CallError::from)
}

/// Capture, then a buffer whose worker makes the call, then the bearer layer.
async fn through_a_buffer(kit: &Kit) -> Result<String, FeignError> {
    let stack = ServiceBuilder::new()
        .layer(CaptureContextLayer::new())
        .buffer(1)
        .layer(relay(kit))
        .service(transport());
    let url = format!("http://{}/whoami", kit.upstream);
    let request = Request::get(url).body(Body::empty()).unwrap();
    read(stack.oneshot(request).await).await
}

async fn read(answer: Result<http::Response<Body>, BoxError>) -> Result<String, FeignError> {
    let body = answer
        .unwrap()
        .into_body()
        .collect_within(1000)
        .await
        .unwrap();
    Ok(serde_json::from_slice(&body).unwrap())
}
