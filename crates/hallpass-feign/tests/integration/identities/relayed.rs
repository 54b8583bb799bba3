//! The caller's identity: found wherever the call is made for the caller, and nowhere else.

use std::time::Duration;

use axum::response::IntoResponse;
use hallpass_client::TokenFeignSettings;
use hallpass_client::context::{self, InContext};
use hallpass_feign::{FeignError, FeignSettings, Identity, WhenAbsent};
use hallpass_token::UnixTime;
use http::StatusCode;

use crate::clients::{
    AsCaller, AsService, Exchanged, FeignAsCaller, FeignAsService, FeignExchanged, FeignIsolated,
    Isolated,
};
use crate::support::{Issuer, Upstream, caller, caller_until, runtime, runtime_at};
use hallpass_clock::{Clock as _, ManualClock};

const ANNA: Option<&str> = Some("Bearer token-of-anna");

async fn upstream() -> Upstream {
    Upstream::answering(|_, _| "\"ok\"").await
}

async fn client() -> (Upstream, FeignAsCaller) {
    let upstream = upstream().await;
    let client = FeignAsCaller::new(&runtime(&[&upstream]).build()).unwrap();
    (upstream, client)
}

fn identities(upstream: &Upstream) -> Vec<Option<String>> {
    upstream.identities()
}

#[tokio::test]
async fn the_caller_is_not_relayed_to_a_third_party_that_the_configuration_names() {
    let upstream = upstream().await;
    let skip = TokenFeignSettings {
        skip_clients: vec!["service-a".to_owned()],
        ..TokenFeignSettings::default()
    };
    let feign = runtime(&[&upstream]).settings(&FeignSettings::default(), &skip);
    let client = FeignAsCaller::new(&feign.build()).unwrap();
    context::scope(caller("anna"), client.mine()).await.unwrap();
    assert_eq!(identities(&upstream), [None]);
}

#[tokio::test]
async fn the_caller_is_found_in_the_same_task() {
    let (upstream, client) = client().await;
    context::scope(caller("anna"), client.mine()).await.unwrap();
    assert_eq!(upstream.only().authorization(), ANNA);
}

#[tokio::test]
async fn the_caller_is_found_after_an_await() {
    let (upstream, client) = client().await;
    let work = async {
        tokio::task::yield_now().await;
        client.mine().await?;
        tokio::task::yield_now().await;
        client.mine().await
    };
    work.in_context(caller("anna")).await.unwrap();
    assert_eq!(
        identities(&upstream),
        [ANNA.map(str::to_owned), ANNA.map(str::to_owned)]
    );
}

#[tokio::test]
async fn the_caller_is_found_inside_a_timeout() {
    let (upstream, client) = client().await;
    let call = tokio::time::timeout(Duration::from_secs(5), client.mine());
    call.in_context(caller("anna")).await.unwrap().unwrap();
    assert_eq!(upstream.only().authorization(), ANNA);
}

#[tokio::test]
async fn two_callers_in_one_join_keep_their_own_identities() {
    let (upstream, client) = client().await;
    let anna = client.mine().in_context(caller("anna"));
    let ben = client.mine().in_context(caller("ben"));
    let (anna, ben) = tokio::join!(anna, ben);
    anna.and(ben).unwrap();
    let mut seen = identities(&upstream);
    seen.sort();
    assert_eq!(
        seen,
        [
            ANNA.map(str::to_owned),
            Some("Bearer token-of-ben".to_owned())
        ]
    );
}

#[tokio::test]
async fn the_caller_is_found_by_each_branch_of_a_join_inside_the_scope() {
    let (upstream, client) = client().await;
    let both = async { tokio::join!(client.mine(), client.mine()) };
    let (first, second) = both.in_context(caller("anna")).await;
    first.and(second).unwrap();
    assert_eq!(
        identities(&upstream),
        [ANNA.map(str::to_owned), ANNA.map(str::to_owned)]
    );
}

#[tokio::test]
async fn the_caller_is_found_by_each_retry() {
    let upstream = Upstream::answering(|_, number| match number {
        1 | 2 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => "\"ok\"".into_response(),
    })
    .await;
    let client = FeignAsCaller::new(&runtime(&[&upstream]).build()).unwrap();
    context::scope(caller("anna"), client.mine()).await.unwrap();
    assert_eq!(identities(&upstream), vec![ANNA.map(str::to_owned); 3]);
}

/// The case of the second seed: a circuit breaker that runs the call on another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caller_is_found_by_a_breaker_that_runs_the_call_on_another_task() {
    let upstream = upstream().await;
    let client = FeignIsolated::new(&runtime(&[&upstream]).build()).unwrap();
    for name in ["anna", "ben", "anna"] {
        context::scope(caller(name), client.mine()).await.unwrap();
    }
    // And the next call on the same workers finds nobody.
    assert_eq!(client.mine().await.unwrap_err(), FeignError::NoIdentity);
    let expected = ["anna", "ben", "anna"].map(|name| Some(format!("Bearer token-of-{name}")));
    assert_eq!(identities(&upstream), expected);
}

#[tokio::test]
async fn the_caller_is_found_in_tasks_spawned_with_the_helpers() {
    let (upstream, client) = client().await;
    let work = async {
        let (first, second) = (client.clone(), client.clone());
        context::spawn(async move { first.mine().await })
            .await
            .unwrap()?;
        let mut set = context::JoinSet::new();
        set.spawn(async move { second.mine().await });
        set.join_next().await.unwrap().unwrap()
    };
    work.in_context(caller("anna")).await.unwrap();
    assert_eq!(identities(&upstream), vec![ANNA.map(str::to_owned); 2]);
}

#[tokio::test]
async fn without_a_caller_nothing_is_sent() {
    let (upstream, client) = client().await;
    assert_eq!(client.mine().await.unwrap_err(), FeignError::NoIdentity);
    context::scope(caller("anna"), async {}).await;
    assert_eq!(client.mine().await.unwrap_err(), FeignError::NoIdentity);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn in_a_detached_or_a_raw_task_nothing_is_sent() {
    let (upstream, client) = client().await;
    let work = async {
        let (detached, raw) = (client.clone(), client.clone());
        let detached = context::detach(async move { detached.mine().await })
            .await
            .unwrap();
        let raw = tokio::spawn(async move { raw.mine().await }).await.unwrap();
        (detached, raw)
    };
    let (detached, raw) = work.in_context(caller("anna")).await;
    assert_eq!(detached.unwrap_err(), FeignError::NoIdentity);
    assert_eq!(raw.unwrap_err(), FeignError::NoIdentity);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_caller_whose_token_has_expired_is_not_passed_on() {
    let upstream = upstream().await;
    let clock = ManualClock::default();
    let feign = runtime_at(&clock, &[&upstream]).build();
    let client = FeignAsCaller::new(&feign).unwrap();
    let anna = caller_until(
        "anna",
        UnixTime::from(clock.now() + Duration::from_secs(60)),
    );
    context::scope(anna.clone(), client.mine()).await.unwrap();
    clock.advance(Duration::from_secs(69));
    let within = context::scope(anna.clone(), client.mine()).await;
    within.expect("accepted within the leeway, so relayed within it");
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        context::scope(anna.clone(), client.mine())
            .await
            .unwrap_err(),
        FeignError::IdentityExpired
    );
    feign.set_relay_leeway(Duration::from_secs(60));
    feign
        .apply(&FeignSettings::default(), &TokenFeignSettings::default())
        .unwrap();
    context::scope(anna, client.mine()).await.unwrap();
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_missing_caller_is_replaced_only_where_the_client_says_so() {
    let upstream = upstream().await;
    let issuer = Issuer::default();
    let feign = runtime(&[&upstream]).tokens(issuer.tokens()).build();
    let build = |absent| {
        FeignAsCaller::builder(&feign)
            .when_absent(absent)
            .build()
            .unwrap()
    };
    build(WhenAbsent::Service).mine().await.unwrap();
    build(WhenAbsent::None).mine().await.unwrap();
    build(WhenAbsent::Fail).mine().await.unwrap_err();
    context::scope(caller("anna"), build(WhenAbsent::Service).mine())
        .await
        .unwrap();
    let expected =
        [Some("Bearer service-token-1"), None, ANNA].map(|identity| identity.map(str::to_owned));
    assert_eq!(identities(&upstream), expected);
}

#[tokio::test]
async fn exchange_without_a_token_service_says_so_and_sends_nothing() {
    let upstream = upstream().await;
    let client = FeignExchanged::new(&runtime(&[&upstream]).build()).unwrap();
    let error = context::scope(caller("anna"), client.mine())
        .await
        .unwrap_err();
    assert_eq!(error, FeignError::NoTokenService);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_client_without_identity_carries_none_though_there_is_a_caller() {
    let upstream = upstream().await;
    let client = FeignAsService::builder(&runtime(&[&upstream]).build())
        .identity(Identity::None)
        .build()
        .unwrap();
    context::scope(caller("anna"), client.job()).await.unwrap();
    context::scope(caller("anna"), client.open()).await.unwrap();
    assert_eq!(identities(&upstream), [None, None]);
}
