use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};
use hallpass_upstream::Body;
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

use super::*;

mod carried_over;
mod whole;

fn user(name: &str) -> SecurityContext {
    let (issuer, audience) = (
        "internal".parse().unwrap(),
        "order-service".parse().unwrap(),
    );
    let claims = TokenClaims::new(
        issuer,
        name.parse().unwrap(),
        audience,
        UnixTime::from_secs(9),
    );
    SecurityContext::new(
        VerifiedClaims::dangerous_unverified(claims),
        AccessToken::new(format!("token-of-{name}")),
    )
}

/// The name of the user that the current code works for.
fn who() -> Option<String> {
    current().map(|context| context.subject().to_string())
}

fn alice() -> Option<String> {
    Some("alice".to_owned())
}

#[tokio::test]
async fn the_identity_survives_await_timeout_join_and_select() {
    let work = async {
        tokio::task::yield_now().await;
        assert_eq!(who(), alice(), "after an await");
        let in_timeout = tokio::time::timeout(Duration::from_secs(1), async { who() }).await;
        assert_eq!(in_timeout, Ok(alice()));
        let (left, right) = tokio::join!(async { who() }, async {
            tokio::task::yield_now().await;
            who()
        });
        assert_eq!((left, right), (alice(), alice()));
        let selected = tokio::select! {
            found = async { who() } => found,
            () = std::future::pending() => None,
        };
        assert_eq!(selected, alice());
    };
    scope(user("alice"), work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_identity_survives_block_in_place() {
    let found = scope(user("alice"), async { tokio::task::block_in_place(who) }).await;
    assert_eq!(found, alice());
}

#[tokio::test]
async fn retries_in_the_same_task_find_the_identity_each_time() {
    let attempts = async {
        let mut found = Vec::new();
        for _ in 0..3 {
            tokio::task::yield_now().await;
            found.push(who());
        }
        found
    };
    assert_eq!(scope(user("alice"), attempts).await, vec![alice(); 3]);
}

#[tokio::test]
async fn spawn_and_spawn_blocking_and_the_join_set_carry_the_identity_over() {
    let work = async {
        assert_eq!(spawn(async { who() }).await.unwrap(), alice());
        assert_eq!(spawn_blocking(who).await.unwrap(), alice());
        let mut tasks = JoinSet::new();
        tasks.spawn(async { who() });
        tasks.spawn_blocking(who);
        while let Some(found) = tasks.join_next().await {
            assert_eq!(found.unwrap(), alice());
        }
        assert!(tasks.is_empty());
    };
    scope(user("alice"), work).await;
}

#[tokio::test]
async fn a_task_spawned_by_a_spawned_task_still_has_the_identity() {
    let nested = scope(user("alice"), async {
        spawn(async { spawn(async { who() }).await }).await
    });
    assert_eq!(nested.await.unwrap().unwrap(), alice());
}

#[tokio::test]
async fn a_spawned_task_keeps_the_identity_after_the_request_that_spawned_it() {
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let later = async move {
        wait.await.unwrap();
        who()
    };
    let task = sync_scope(user("alice"), || spawn(later));
    go.send(()).unwrap();
    assert_eq!(task.await.unwrap(), alice());
}

#[tokio::test]
async fn a_raw_spawn_and_a_detached_task_have_no_identity() {
    let work = async {
        assert_eq!(
            tokio::spawn(async { who() }).await.unwrap(),
            None,
            "raw spawn"
        );
        assert_eq!(
            tokio::task::spawn_blocking(who).await.unwrap(),
            None,
            "raw spawn_blocking"
        );
        assert_eq!(detach(async { who() }).await.unwrap(), None, "detach");
    };
    scope(user("alice"), work).await;
}

#[tokio::test]
async fn detached_work_stays_without_identity_through_further_spawns() {
    let work = async {
        detach(async { spawn(async { who() }).await.unwrap() })
            .await
            .unwrap()
    };
    assert_eq!(scope(user("alice"), work).await, None);
}

#[tokio::test(flavor = "current_thread")]
async fn the_next_request_on_the_same_worker_finds_nothing() {
    scope(user("alice"), async {
        tokio::task::yield_now().await;
        assert_eq!(who(), alice());
    })
    .await;
    assert_eq!(who(), None, "after the scope ended, same task, same worker");
    assert_eq!(
        tokio::spawn(async { who() }).await.unwrap(),
        None,
        "the next task on the worker"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn two_requests_that_take_turns_on_one_worker_never_see_each_other() {
    let turns = |name: &'static str| async move {
        for _ in 0..100 {
            assert_eq!(who().as_deref(), Some(name));
            tokio::task::yield_now().await;
        }
    };
    let alice = tokio::spawn(scope(user("alice"), turns("alice")));
    let bob = tokio::spawn(scope(user("bob"), turns("bob")));
    let nobody = tokio::spawn(async {
        for _ in 0..100 {
            assert_eq!(who(), None);
            tokio::task::yield_now().await;
        }
    });
    alice.await.unwrap();
    bob.await.unwrap();
    nobody.await.unwrap();
}

#[tokio::test]
async fn a_blocking_pool_thread_keeps_nobodys_identity() {
    for _ in 0..8 {
        scope(user("alice"), async { spawn_blocking(who).await.unwrap() }).await;
        assert_eq!(tokio::task::spawn_blocking(who).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_panicking_request_leaves_no_identity_behind() {
    let panicked = tokio::spawn(scope(user("alice"), async { panic!("as planned") })).await;
    assert!(panicked.is_err());
    assert_eq!(tokio::spawn(async { who() }).await.unwrap(), None);
}

#[tokio::test]
async fn an_inner_scope_hides_the_outer_one_and_gives_it_back() {
    let work = async {
        assert_eq!(
            async { who() }.in_context(user("bob")).await.as_deref(),
            Some("bob")
        );
        assert_eq!(async { who() }.in_context(None).await, None);
        assert_eq!(sync_scope(None, who), None);
        assert_eq!(who(), alice());
    };
    scope(user("alice"), work).await;
}

#[tokio::test]
async fn a_future_made_in_a_context_keeps_it_wherever_it_is_polled() {
    let future = sync_scope(user("alice"), || async { who() }.in_current_context());
    assert_eq!(tokio::spawn(future).await.unwrap(), alice());
}

#[tokio::test]
async fn a_cancelled_future_is_dropped_inside_its_context() {
    struct Noted(Arc<std::sync::Mutex<Option<String>>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = who();
        }
    }
    let seen = Arc::new(std::sync::Mutex::new(None));
    let noted = Noted(Arc::clone(&seen));
    let mut future = Box::pin(scope(user("alice"), async move {
        let _noted = noted;
        std::future::pending::<()>().await;
    }));
    assert!(futures_util::poll!(future.as_mut()).is_pending());
    drop(future);
    assert_eq!(*seen.lock().unwrap(), alice());
}

/// A body that says in each frame whom it is polled for.
struct Telling {
    left: usize,
}

impl http_body::Body for Telling {
    type Data = Bytes;
    type Error = hallpass_upstream::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hallpass_upstream::BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        let name = who().unwrap_or_else(|| "nobody".to_owned());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(name + " ")))))
    }
}

#[tokio::test]
async fn a_body_streams_inside_its_context_after_the_handler_has_returned() {
    let body = scope(user("alice"), async {
        body_scope(current(), Telling { left: 2 })
    })
    .await;
    let polled_elsewhere = tokio::spawn(async { body.collect().await.unwrap().to_bytes() });
    assert_eq!(polled_elsewhere.await.unwrap(), "alice alice ");
    let bare = Telling { left: 1 }.collect().await.unwrap().to_bytes();
    assert_eq!(bare, "nobody ");
}

#[tokio::test]
async fn the_body_type_of_calls_streams_inside_a_context_too() {
    let body = Body::wrap(body_scope(user("alice"), Telling { left: 2 }));
    assert_eq!(body.collect_within(100).await.unwrap(), "alice alice ");
}

/// Stands for everything below the capture layer: looks at the request only, inside `call`.
fn callee() -> impl Service<
    Request<Body>,
    Response = (Option<String>, Option<String>),
    Error = hallpass_upstream::BoxError,
    Future: Send,
> + Send
+ 'static {
    tower::service_fn(|request: Request<Body>| {
        let context = request.extensions().get::<SecurityContext>();
        let by_extension = context.map(|context| context.subject().to_string());
        let by_task_local = who();
        async move { Ok((by_extension, by_task_local)) }
    })
}

#[tokio::test]
async fn below_a_tower_buffer_the_identity_is_found_in_the_extensions() {
    let buffered = tower::buffer::Buffer::new(callee(), 8);
    let captured = CaptureContextLayer::new().layer(buffered);
    let call = captured.oneshot(Request::new(Body::empty()));
    let (by_extension, by_task_local) = scope(user("alice"), call).await.unwrap();
    assert_eq!(by_extension, alice());
    assert_eq!(by_task_local, None, "the buffer's worker is another task");
}

#[tokio::test]
async fn below_a_layer_that_spawns_each_call_the_identity_is_found_in_the_extensions() {
    let spawning = tower::service_fn(|request: Request<Body>| async move {
        tokio::spawn(callee().oneshot(request)).await.unwrap()
    });
    let captured = CaptureContextLayer::new().layer(spawning);
    let call = captured.oneshot(Request::new(Body::empty()));
    let (by_extension, _) = scope(user("alice"), call).await.unwrap();
    assert_eq!(by_extension, alice());
}

#[tokio::test]
async fn the_capture_layer_adds_nothing_where_there_is_no_identity() {
    let captured = CaptureContextLayer::new().layer(callee());
    let (by_extension, _) = captured.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(by_extension, None);
}

#[tokio::test]
async fn an_identity_that_the_caller_put_into_the_extensions_stays() {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(user("bob"));
    let call = CaptureContextLayer::new().layer(callee()).oneshot(request);
    let (by_extension, _) = scope(user("alice"), call).await.unwrap();
    assert_eq!(by_extension.as_deref(), Some("bob"));
}
