//! Places beside tasks: queues, other pools, clones of services, upgrades, what is dropped, jobs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::extract::Request as AxumRequest;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use hallpass::client::context::CaptureContextLayer;
use hallpass::client::{BearerLayer, CallError, Identity};
use hallpass::prelude::*;
use hallpass::upstream::{Body, BulkheadSettings, HttpTransport};
use hallpass_testkit::{Fault, FaultProxy, TestServer};
use http::header::{AUTHORIZATION, CONNECTION, UPGRADE};
use http::{HeaderValue, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, mpsc};
use tower::{BoxError, Layer, ServiceExt};

use super::rig::{Echo, FeignEcho, Kit, Rig, outcome};

/// Says whose token came.
fn whose(parts: &http::request::Parts) -> axum::response::Response {
    let token = parts.headers.get(AUTHORIZATION).map(HeaderValue::to_str);
    Json(token.map_or("nobody", Result::unwrap)).into_response()
}

/// Alice and Bob call by turns, all at once; each must be answered with the own token.
async fn assert_each_their_own(rig: &Rig, calls: usize) {
    let tokens = ["alice", "bob"].map(|user| rig.token(user));
    let callers = tokens.iter().cycle().take(calls);
    let answers = callers.map(async |token| (token, rig.call(Some(token)).await));
    for (token, answer) in join_all(answers).await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(
            answer.body == format!("Bearer {token}"),
            "another token than that of the caller"
        );
    }
}

#[tokio::test]
async fn while_a_call_waits_in_the_queue_of_a_bulkhead() {
    /// A client with one place, and what makes each call take its time.
    type Narrow = Arc<OnceCell<(FaultProxy, FeignEcho)>>;
    let narrow = Narrow::default();
    let begin = async |kit: &Kit| {
        let mut slow = FaultProxy::start(kit.upstream).await.unwrap();
        slow.set(Fault::Delay(Duration::from_millis(20))).await;
        let client = FeignEcho::builder(kit.hallpass.feign())
            .url(format!("http://{}", slow.address()).parse().unwrap())
            .bulkhead(BulkheadSettings::new(1, Duration::from_secs(30)))
            .deadline(Duration::from_secs(30));
        (slow, client.build().unwrap())
    };
    let rig = Rig::with_upstream(whose, move |kit: Kit| {
        let narrow = Arc::clone(&narrow);
        async move {
            let (_slow, client) = narrow.get_or_init(async || begin(&kit).await).await;
            outcome(client.whoami().await)
        }
    });
    assert_each_their_own(&rig.await, 10).await;
}

#[tokio::test]
async fn by_each_clone_of_a_tower_service() {
    type Stack = tower::util::BoxCloneSyncService<Request<Body>, http::Response<Body>, CallError>;
    let stack: Arc<Mutex<Option<Stack>>> = Arc::default();
    let rig = Rig::with_upstream(whose, move |kit: Kit| {
        // One stack for all requests, of which each has a clone, as pooled handlers do.
        let made = || {
            let transport = HttpTransport::new().unwrap().map_err(CallError::from);
            let relay = BearerLayer::new("upstream", Identity::Relay, kit.hallpass.clock().clone());
            Stack::new(CaptureContextLayer::new().layer(relay.layer(transport)))
        };
        let own = stack.lock().unwrap().get_or_insert_with(made).clone();
        async move {
            let url = format!("http://{}/whoami", kit.upstream);
            let request = Request::get(url).body(Body::empty()).unwrap();
            let response = own.oneshot(request).await.unwrap();
            let body = response.into_body().collect_within(10_000).await.unwrap();
            serde_json::from_slice::<String>(&body).unwrap()
        }
    });
    assert_each_their_own(&rig.await, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_thread_of_another_pool_by_carry() {
    let rig = Rig::start(async |kit: Kit| {
        let runtime = Handle::current();
        let work = hallpass::carry(move || runtime.block_on(kit.echo.whoami()));
        outcome(on_another_pool(work).await)
    });
    rig.await.assert_relayed(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_thread_of_another_pool_without_carry() {
    let rig = Rig::start(async |kit: Kit| {
        let runtime = Handle::current();
        outcome(on_another_pool(move || runtime.block_on(kit.echo.whoami())).await)
    });
    rig.await.assert_nobody_found().await;
}

/// What rayon and others do: the work runs on a thread that was there before.
async fn on_another_pool<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (say, said) = tokio::sync::oneshot::channel();
    rayon::spawn(move || drop(say.send(work())));
    said.await.unwrap()
}

#[tokio::test]
async fn in_a_scheduled_job() {
    let rig = Rig::start(async |kit: Kit| {
        let (say, mut said) = mpsc::channel(1);
        // Begun in a request, and nobody's all the same.
        let _job = hallpass::every(Duration::from_millis(1), move || {
            let (echo, say) = (kit.echo.clone(), say.clone());
            async move {
                let _ = say.send(echo.whoami().await).await;
                Ok::<(), Infallible>(())
            }
        });
        outcome(said.recv().await.unwrap())
    });
    rig.await.assert_nobody_found().await;
}

/// Calls when it is dropped.
struct Goodbye(Kit, mpsc::UnboundedSender<Result<String, FeignError>>);

impl Drop for Goodbye {
    fn drop(&mut self) {
        let (echo, say) = (self.0.echo.clone(), self.1.clone());
        hallpass::spawn(async move { say.send(echo.whoami().await) });
    }
}

#[tokio::test]
async fn in_drop_of_a_cancelled_handler() {
    let (say, mut said) = mpsc::unbounded_channel();
    let (begun, mut begin) = mpsc::unbounded_channel();
    let rig = Rig::with_upstream(whose, move |kit: Kit| {
        let (say, begun) = (say.clone(), begun.clone());
        async move {
            let _goodbye = Goodbye(kit, say);
            begun.send(()).unwrap();
            std::future::pending::<StatusCode>().await
        }
    });
    let rig = rig.await;
    let token = rig.token("alice");
    tokio::select! {
        answer = rig.call(Some(&token)) => panic!("it does not end by itself: {answer:?}"),
        _ = begin.recv() => {}
    }
    let told = said.recv().await.unwrap().unwrap();
    assert!(
        told == format!("Bearer {token}"),
        "not in the caller's name"
    );
}

/// Answers a line by a call, on a connection that was upgraded, as a WebSocket does.
async fn upgraded(kit: Kit, mut request: AxumRequest) -> http::Response<AxumBody> {
    let after = hyper::upgrade::on(&mut request);
    let talk = hallpass::carry_async(async move |()| -> Result<(), BoxError> {
        let mut connection = TokioIo::new(after.await?);
        let mut line = [0; 5];
        connection.read_exact(&mut line).await?;
        let found = kit.echo.whoami().await;
        let word = found.unwrap_or_else(|error| error.code().to_owned());
        connection.write_all(word.as_bytes()).await?;
        Ok(())
    });
    tokio::spawn(async move { talk(()).await });
    http::Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "lines")
        .body(AxumBody::empty())
        .unwrap()
}

#[tokio::test]
async fn after_a_websocket_upgrade() {
    let rig = Rig::with_upstream(whose, async |_kit: Kit| "not here").await;
    let guard = rig.kit.hallpass.resource_server();
    let guard = guard
        .route_any("/talk", Rule::Authenticated)
        .build()
        .unwrap();
    let kit = rig.kit.clone();
    let talk = get(move |request: AxumRequest| upgraded(kit.clone(), request));
    let router = Router::new().route("/talk", talk).layer(guard.layer());
    let service = TestServer::start(router).await.unwrap();
    for user in ["alice", "bob"] {
        let token = rig.token(user);
        let mut socket = TcpStream::connect(service.address()).await.unwrap();
        let head = format!(
            "GET /talk HTTP/1.1\r\nhost: service\r\nconnection: upgrade\r\nupgrade: lines\r\nauthorization: Bearer {token}\r\n\r\nhello"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, said) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(
            said == format!("Bearer {token}"),
            "not in the caller's name: {}",
            said.len()
        );
    }
}
