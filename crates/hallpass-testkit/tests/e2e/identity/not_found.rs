//! Where no identity must be found, and what happens then: nothing is sent.

use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, join_all};
use hallpass::prelude::*;
use http::StatusCode;

use super::rig::{Echo, Kit, Rig, outcome};

#[tokio::test]
async fn without_an_inbound_token_the_call_fails_before_anything_is_sent() {
    let rig = Rig::start(async |kit: Kit| outcome(kit.echo.whoami().await)).await;
    let answer = rig.call(None).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::BAD_GATEWAY, "no_identity")
    );
    assert_eq!(rig.upstream.seen(), []);
}

#[tokio::test]
async fn by_the_next_request_on_the_same_worker() {
    // One thread, one connection: whatever the first request left behind would be found here.
    let rig = Rig::start(async |kit: Kit| outcome(kit.echo.whoami().await)).await;
    let [alice, bob] = ["alice", "bob"].map(|user| rig.token(user));
    assert_eq!(rig.call(Some(&alice)).await.status, StatusCode::OK);
    assert_eq!(rig.call(None).await.body, "no_identity");
    assert_eq!(rig.call(Some(&bob)).await.status, StatusCode::OK);
    assert_eq!(
        rig.seen(),
        [[format!("Bearer {alice}")], [format!("Bearer {bob}")]]
    );
}

#[tokio::test]
async fn in_a_detached_task() {
    let rig = Rig::start(async |kit: Kit| {
        let task = hallpass::detach(async move { kit.echo.whoami().await });
        outcome(task.await.unwrap())
    });
    rig.await.assert_nobody_found().await;
}

#[tokio::test]
async fn in_a_raw_tokio_task() {
    let rig = Rig::start(async |kit: Kit| {
        let task = tokio::spawn(async move { kit.echo.whoami().await });
        outcome(task.await.unwrap())
    });
    rig.await.assert_nobody_found().await;
}

#[tokio::test]
async fn on_a_raw_blocking_thread() {
    let rig = Rig::start(async |_kit: Kit| {
        let found = tokio::task::spawn_blocking(|| hallpass::current().is_some());
        found.await.unwrap().to_string()
    });
    let rig = rig.await;
    assert_eq!(rig.call(Some(&rig.token("alice"))).await.body, "false");
}

#[tokio::test]
async fn after_the_request_has_ended() {
    type Late = BoxFuture<'static, Result<String, FeignError>>;
    let kept: Arc<Mutex<Option<Late>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let rig = Rig::start(move |kit: Kit| {
        // Made during the request, run after it.
        let late: Late = Box::pin(async move { kit.echo.whoami().await });
        keep.lock().unwrap().replace(late);
        std::future::ready("kept")
    });
    let rig = rig.await;
    assert_eq!(rig.call(Some(&rig.token("alice"))).await.body, "kept");
    let late = kept.lock().unwrap().take().unwrap();
    assert_eq!(late.await.unwrap_err().code(), "no_identity");
    assert_eq!(rig.upstream.seen(), []);
}

#[tokio::test]
async fn outside_any_request() {
    let rig = Rig::start(async |_kit: Kit| "unused").await;
    assert_eq!(
        rig.kit.echo.whoami().await.unwrap_err().code(),
        "no_identity"
    );
    assert_eq!(rig.upstream.seen(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_another_user_among_many_requests_at_once() {
    const USERS: usize = 50;
    let rig = Rig::start(async |kit: Kit| {
        tokio::task::yield_now().await;
        let echo = kit.echo.clone();
        let spawned = hallpass::spawn(async move { echo.whoami().await });
        let (here, there) = tokio::join!(kit.echo.whoami(), spawned);
        outcome(here.and(there.unwrap()))
    });
    let rig = rig.await;
    let tokens: Vec<String> = (0..USERS)
        .map(|user| rig.token(&format!("user-{user}")))
        .collect();
    let answers = join_all(tokens.iter().map(|token| rig.call(Some(token)))).await;
    assert!(
        answers.iter().all(|answer| answer.status == StatusCode::OK),
        "{answers:?}"
    );
    let mut seen: Vec<String> = rig.seen().into_iter().flatten().collect();
    let mut expected: Vec<String> = tokens
        .iter()
        .flat_map(|token| [format!("Bearer {token}"), format!("Bearer {token}")])
        .collect();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}
