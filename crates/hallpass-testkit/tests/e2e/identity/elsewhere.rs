//! Places beside tasks: queues, other pools, clones of services, upgrades, what is dropped, jobs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::extract::Request as AxumRequest;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use hallpass::client::context::CaptureContextLayer;
use hallpass::client::{BearerLayer, CallError, Identity};
use hallpass::config::Percent;
use hallpass::feign::{Feign, HedgeSettings};
use hallpass::prelude::*;
use hallpass::token::{
    AccessToken, Issuer, SecurityContext, TokenClaims, UnixTime, VerifiedClaims,
};
use hallpass::upstream::{
    Body, BulkheadSettings, HttpTransport, Network, RetrySettings, StaticDiscovery,
};
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
async fn by_the_attempt_of_a_hedge_that_wins() {
    type Hedged = Arc<OnceCell<(FaultProxy, FeignEcho)>>;
    let hedged = Hedged::default();
    let kept = Arc::clone(&hedged);
    let begin = async |upstream: SocketAddr| {
        let mut silent = FaultProxy::start(upstream).await.unwrap();
        silent.set(Fault::BlackHole).await;
        let instances = [silent.address(), upstream].map(|it| it.to_string().parse().unwrap());
        let discovery = StaticDiscovery::new().with("upstream", instances);
        let network = Network::system(Arc::new(discovery)).unwrap();
        let mut hedge = HedgeSettings::after(Duration::from_millis(20));
        hedge.budget = Percent::ALL;
        let retry = RetrySettings {
            max_attempts: 1,
            ..RetrySettings::default()
        };
        let client = FeignEcho::builder(&Feign::builder(&network).build())
            .hedge(hedge)
            .retry(retry)
            .deadline(Duration::from_secs(30));
        (silent, client.build().unwrap())
    };
    let rig = Rig::with_upstream(whose, move |kit: Kit| {
        let hedged = Arc::clone(&hedged);
        async move {
            let made = hedged.get_or_init(|| begin(kit.upstream)).await;
            outcome(made.1.whoami().await)
        }
    });
    assert_each_their_own(&rig.await, 20).await;
    let (silent, _client) = kept.get().unwrap();
    assert!(silent.connections() > 0, "no attempt was hedged");
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

/// A user who has proven nothing: enough to be told from others.
fn somebody(name: &str) -> SecurityContext {
    let end = UnixTime::from_secs(9_999_999_999);
    let audience = "service".parse().unwrap();
    let claims = TokenClaims::new(Issuer::internal(), name.parse().unwrap(), audience, end);
    let claims = VerifiedClaims::dangerous_unverified(claims);
    SecurityContext::new(claims, AccessToken::new(name))
}

type Job = Box<dyn FnOnce() + Send>;

/// Who is current in a job that the only thread of a pool runs while a carried one of Alice's waits there.
fn found_while_alice_waits(hand_over: impl FnOnce(Job) -> Job) -> Option<String> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    let pool = pool.build().unwrap();
    let ((go, wait), (say, said)) = (std_mpsc::channel(), std_mpsc::channel());
    hallpass::sync_scope(somebody("alice"), || {
        pool.spawn(hallpass::carry(move || {
            wait.recv().unwrap();
            // As `join`, a nested `par_iter` and `scope` do while they wait.
            rayon::yield_now();
        }));
    });
    pool.spawn(hand_over(Box::new(move || {
        let found = hallpass::current().map(|it| it.subject().to_string());
        say.send(found).unwrap();
    })));
    go.send(()).unwrap();
    said.recv().unwrap()
}

#[test]
fn a_job_that_a_waiting_one_of_another_user_runs_is_of_its_own_user_or_of_nobody() {
    let bobs = found_while_alice_waits(|job| {
        hallpass::sync_scope(somebody("bob"), || Box::new(hallpass::carry(job)))
    });
    assert_eq!(bobs.as_deref(), Some("bob"));
    let carried_by_nobody = found_while_alice_waits(|job| Box::new(hallpass::carry(job)));
    assert_eq!(carried_by_nobody, None);
    let nobodys = found_while_alice_waits(|job| {
        hallpass::sync_scope(somebody("bob"), || Box::new(hallpass::carry_nobody(job)))
    });
    assert_eq!(nobodys, None);
}

/// What cannot be helped from outside of the pool, and why every job of one is to be handed over by `carry` or `carry_nobody`.
#[test]
fn a_raw_job_of_a_pool_that_steals_runs_as_whoever_waits_there() {
    let found = found_while_alice_waits(|job| job);
    assert_eq!(found.as_deref(), Some("alice"));
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
