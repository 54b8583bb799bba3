//! How long a callee is told that its caller waits.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use hallpass_client::TokenFeignSettings;
use hallpass_client::context::{self, CallContext};
use hallpass_feign::{FeignError, FeignSettings, Identity};
use http::StatusCode;
use tokio::time::Instant;

use crate::clients::{AsCaller, AsService, FeignAsCaller, FeignAsService};
use crate::support::{Answer, Issuer, Seen, Upstream, caller, runtime};

const TOLD: &str = "x-request-timeout-ms";

fn ok(_: &Seen, _: usize) -> Response {
    "\"ok\"".into_response()
}

async fn service_calls(upstream: &Upstream, settings: &FeignSettings) -> FeignAsService {
    let feign = runtime(&[upstream])
        .tokens(Issuer::default().tokens())
        .settings(settings, &TokenFeignSettings::default());
    FeignAsService::new(&feign.build()).unwrap()
}

fn settings(deadline: Duration) -> FeignSettings {
    let mut settings = FeignSettings::default();
    settings.defaults.deadline = Some(deadline);
    settings
}

fn told(seen: &Seen) -> u64 {
    seen.header(TOLD).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_callee_learns_what_is_left_and_not_the_whole() {
    let busy_at_first = |_: &Seen, number| match number {
        1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response(),
        _ => "\"ok\"".into_response(),
    };
    let upstream = Upstream::answering(busy_at_first).await;
    let client = service_calls(&upstream, &settings(Duration::from_secs(20))).await;
    client.job().await.unwrap();
    let seen = upstream.seen();
    let (first, second) = (told(&seen[0]), told(&seen[1]));
    assert!((10_000..=20_000).contains(&first), "{first}");
    assert!(
        second <= first - 1_000,
        "a second was waited: {first}, {second}"
    );
}

#[tokio::test]
async fn a_call_for_a_user_says_it_too() {
    let upstream = Upstream::answering(ok).await;
    let client = FeignAsCaller::new(&runtime(&[&upstream]).build()).unwrap();
    context::scope(caller("anna"), client.mine()).await.unwrap();
    assert!((1..=5_000).contains(&told(&upstream.only())));
}

#[tokio::test]
async fn a_call_without_identity_says_nothing_of_its_deadline() {
    let upstream = Upstream::answering(ok).await;
    let mut settings = settings(Duration::from_secs(20));
    let client = service_calls(&upstream, &settings).await;
    client.open().await.unwrap();
    settings.defaults.identity = Some(Identity::None);
    let client = service_calls(&upstream, &settings).await;
    client.job().await.unwrap();
    for seen in upstream.seen() {
        assert_eq!(seen.header(TOLD), None);
    }
}

#[tokio::test]
async fn the_header_has_the_name_that_the_settings_give_it() {
    let upstream = Upstream::answering(ok).await;
    let mut settings = settings(Duration::from_secs(20));
    settings.defaults.deadline_header = "X-Time-Left".parse().unwrap();
    service_calls(&upstream, &settings)
        .await
        .job()
        .await
        .unwrap();
    settings.defaults.deadline_header = "none".parse().unwrap();
    service_calls(&upstream, &settings)
        .await
        .job()
        .await
        .unwrap();
    let seen = upstream.seen();
    assert!(seen[0].header("x-time-left").is_some());
    assert!(seen.iter().all(|seen| seen.header(TOLD).is_none()));
    assert_eq!(seen[1].header("x-time-left"), None);
}

/// Calls as anna, for a caller who waits until `end`.
async fn mine_until(upstream: &Upstream, end: Duration) -> Result<String, FeignError> {
    let client = FeignAsCaller::new(&runtime(&[upstream]).build()).unwrap();
    let context = CallContext::default()
        .with_identity(caller("anna"))
        .with_deadline(Instant::now() + end);
    context::scope_all(context, client.mine()).await
}

#[tokio::test]
async fn a_deadline_from_outside_shortens_ours_and_never_lengthens_it() {
    let upstream = Upstream::answering(ok).await;
    mine_until(&upstream, Duration::from_secs(2)).await.unwrap();
    mine_until(&upstream, Duration::from_secs(60))
        .await
        .unwrap();
    let seen = upstream.seen();
    assert!((1..=2_000).contains(&told(&seen[0])));
    assert!((2_001..=5_000).contains(&told(&seen[1])), "5 s are ours");
}

#[tokio::test]
async fn a_call_ends_when_its_callers_caller_waits_no_longer() {
    let hangs = |_: &Seen, _| -> Answer { Box::pin(std::future::pending()) };
    let upstream = Upstream::scripted(hangs).await;
    let left = Duration::from_millis(30);
    match mine_until(&upstream, left).await {
        Err(FeignError::Deadline { limit }) => assert!(limit <= left, "{limit:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_sent() {
    let upstream = Upstream::answering(ok).await;
    let error = mine_until(&upstream, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), "deadline");
    assert!(upstream.seen().is_empty());
}
