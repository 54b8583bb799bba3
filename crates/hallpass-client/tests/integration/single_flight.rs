//! However many callers, one request.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_client::{ResponseFault, TokenError, TokenSource};
use hallpass_clock::ManualClock;
use tokio::task::JoinSet;

use crate::loopback::TokenServer;
use crate::scripted_issuer::{Mode, ScriptedIssuer, handle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_callers_at_a_cold_cache_make_one_token_request() {
    let server = TokenServer::start().await;
    let tokens = handle(&server.client().build());
    let mut callers = JoinSet::new();
    for _ in 0..1_000 {
        let tokens = tokens.clone();
        callers.spawn(async move { tokens.token().await });
    }
    while let Some(token) = callers.join_next().await {
        token.unwrap().unwrap();
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_first_cancels_none_of_a_thousand_others() {
    let server = TokenServer::start().await;
    let held = server.hold();
    let tokens = handle(&server.client().build());
    let first = tokio::spawn({
        let tokens = tokens.clone();
        async move { tokens.token().await }
    });
    server.wait_for_requests(1).await;
    let mut callers = JoinSet::new();
    for _ in 0..1_000 {
        let tokens = tokens.clone();
        callers.spawn(async move { tokens.token().await });
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(held);
    while let Some(token) = callers.join_next().await {
        token.unwrap().unwrap();
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waited_for_the_request_is_told_that_the_issuer_made_the_token() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let tokens = issuer.handle();
    let (first, second) = tokio::join!(tokens.token(), tokens.token());
    assert_eq!(first.unwrap().source(), TokenSource::Issuer);
    assert_eq!(second.unwrap().source(), TokenSource::Issuer);
    assert_eq!(tokens.token().await.unwrap().source(), TokenSource::Cache);
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_that_all_give_up_still_leave_a_token_behind() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    issuer.set_delay(Duration::from_millis(500));
    let tokens = issuer.handle();
    let impatient = tokio::time::timeout(Duration::from_millis(10), tokens.token()).await;
    assert!(impatient.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(tokens.try_current().is_some());
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_polled_again_after_the_token_has_ended_does_not_get_it() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(2));
    let tokens = issuer.handle();
    let mut waiter = Box::pin(tokens.token());
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let expired = TokenError::Response(ResponseFault::Expired);
    assert_eq!(waiter.await.unwrap_err(), expired);
}

#[tokio::test(start_paused = true)]
async fn different_audiences_and_scopes_have_requests_and_tokens_of_their_own() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let service = issuer.client().build();
    let token = async |audience: &str, scope: &str| {
        service
            .service_token(&audience.parse().unwrap(), &scope.parse().unwrap())
            .await
            .unwrap()
    };
    let a = token("a", "x y").await;
    assert_eq!(
        a,
        token("a", "y x").await,
        "the order of scopes makes no difference"
    );
    assert_ne!(a, token("a", "x").await);
    assert_ne!(a, token("b", "x y").await);
    assert_eq!(issuer.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_request_reaches_all_waiters_as_an_error_and_the_next_request_works() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    issuer.set(Mode::Panic);
    let tokens = issuer.handle();
    let (first, second) = tokio::join!(tokens.token(), tokens.token());
    assert_eq!(
        (first.unwrap_err(), second.unwrap_err()),
        (TokenError::Lost, TokenError::Lost)
    );
    issuer.set(Mode::Issue);
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokens.token().await.unwrap();
}

#[test]
fn a_request_whose_runtime_shuts_down_ends_with_an_error_for_waiters_elsewhere() {
    let new_runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (new_runtime(), new_runtime());
    let issuer = first.block_on(async { ScriptedIssuer::new(Duration::from_secs(600)) });
    issuer.set(Mode::Hang);
    let tokens = issuer.handle();
    let starter = tokens.clone();
    first.spawn(async move { starter.token().await });
    let waiter = second.spawn(async move {
        while issuer.requests() == 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn(async move { tokens.token().await });
        tokio::task::yield_now().await;
        waiting.await.unwrap()
    });
    second.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
    first.shutdown_background();
    let outcome = second.block_on(waiter).unwrap().unwrap_err();
    assert!(
        matches!(&outcome, TokenError::Lost | TokenError::BackingOff { .. }),
        "{outcome:?}"
    );
}

#[test]
fn outside_a_runtime_the_hot_path_finds_nothing_and_does_not_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tokens = runtime.block_on(async { ScriptedIssuer::new(Duration::from_secs(600)).handle() });
    assert!(tokens.try_current().is_none());
    let error = futures_util::FutureExt::now_or_never(tokens.token()).unwrap();
    assert_eq!(error.unwrap_err(), TokenError::NoRuntime);
}

#[test]
fn outside_a_runtime_an_overdue_token_is_used_while_it_is_alive() {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
    let tokens = handle(&issuer.client().clock(clock.clone()).build());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let old = runtime.block_on(tokens.token()).unwrap();
    drop(runtime);
    clock.advance_seconds(560);
    let outside = || futures_util::FutureExt::now_or_never(tokens.token()).unwrap();
    assert_eq!(outside(), Ok(old));
    clock.advance_seconds(40);
    assert_eq!(outside(), Err(TokenError::NoRuntime));
}
