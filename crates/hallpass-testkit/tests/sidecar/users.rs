//! Several users in one program at once, and calls without one.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use hallpass::clock::{Clock as _, SystemClock};
use hallpass_clock::ManualClock;
use hallpass_testkit::TestServer;
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify, OnceCell, mpsc};

use crate::raw::Raw;
use crate::rig::{Rig, bearer, issuer, say, stock};

const USERS: usize = 8;
const ROUNDS: usize = 12;

/// What the program works with.
struct Program {
    /// All users are in it before one of them goes on.
    all: Barrier,
    outbound: OnceCell<SocketAddr>,
}

/// What a token is for that gets there: one that is relayed stays what it was.
fn audience(identity: &str) -> &'static str {
    match identity {
        "relay" => "order-service",
        _ => "stock-service",
    }
}

/// Calls the stock service for whoever asks, with the handle that it was given.
async fn order(
    State(program): State<Arc<Program>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Json<Value> {
    let of = |name: &str| headers[name].to_str().unwrap().to_owned();
    program.all.wait().await;
    let handle = format!("X-Hallpass-Context: {}", of("x-hallpass-context"));
    // A word of its own beside it counts for nothing.
    let other = bearer("mallory");
    let lines = [
        &*format!("GET /stock/{number} HTTP/1.1"),
        "Host: stock-service",
        &handle,
        &other,
    ];
    let answer = say(*program.outbound.get().unwrap(), &lines).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Json(json!({ "number": number, "caller": of("x-user-id"), "stock": answer.json() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_are_in_one_program_at_once_are_never_mixed() {
    for identity in ["exchange", "relay"] {
        // What was not made for it is not taken there.
        let audience = audience(identity);
        let issuer = issuer(None).await;
        let stock = stock(&issuer, audience).await;
        let program = Arc::new(Program {
            all: Barrier::new(USERS),
            outbound: OnceCell::new(),
        });
        let router = Router::new().route("/orders/{number}", get(order));
        let server = TestServer::start(router.with_state(Arc::clone(&program)))
            .await
            .unwrap();
        let sidecar = format!(
            "    inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}', identity: none, lend-context: true }}
    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, identity: {identity}, audience: {audience} }}] }}\n",
            server.address()
        );
        let rig = Rig::start(issuer, stock.address(), &sidecar).await;
        program.outbound.set(rig.proxy()).unwrap();
        let inbound = rig.inbound();
        let users = (0..USERS).map(|user| {
            tokio::spawn(async move {
                let user = format!("user-{user}");
                let bearer = bearer(&user);
                for round in 0..ROUNDS {
                    let line = format!("GET /orders/{round} HTTP/1.1");
                    let answer = say(inbound, &[&line, "Host: a", &bearer]).await;
                    let seen = answer.json();
                    assert_eq!(seen["caller"], *user, "{identity}: {seen}");
                    let subject = &seen["stock"]["subject"];
                    assert_eq!(*subject, *user, "{identity}: {seen}");
                    assert_eq!(seen["stock"]["handle"], false);
                    assert_eq!(seen["number"], round.to_string());
                }
            })
        });
        for user in users.collect::<Vec<_>>() {
            user.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_call_without_a_user_goes_as_the_settings_say_and_a_user_who_does_not_count_is_refused() {
    for identity in ["exchange", "relay"] {
        for (when_absent, expected) in [
            ("fail", (401, None)),
            ("none", (200, Some(Value::Null))),
            ("service", (200, Some(json!("order-service")))),
        ] {
            let audience = audience(identity);
            let issuer = issuer(None).await;
            let stock = stock(&issuer, audience).await;
            let sidecar = format!(
                "    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, identity: {identity}, audience: {audience}, when-absent: {when_absent} }}] }}\n"
            );
            let rig = Rig::start(issuer, stock.address(), &sidecar).await;
            let call = async |more: &[&str]| {
                let mut lines = vec!["GET /stock/1 HTTP/1.1", "Host: stock-service"];
                lines.extend(more);
                say(rig.proxy(), &lines).await
            };
            let what = format!("{identity} {when_absent}");
            let without = call(&["X-User-Id: admin"]).await;
            let subject = (without.status == 200).then(|| without.json()["subject"].clone());
            assert_eq!((without.status, subject), expected, "{what}");
            // One who has no token is nobody; one whose token is bad is refused.
            let made_up = "Authorization: Bearer made.up.token";
            let basic = "Authorization: Basic YWxpY2U6eA==";
            let stale = "X-Hallpass-Context: 0123456789abcdef0123456789abcdef";
            let spelled = "x_hallpass_context: 0123456789abcdef0123456789abcdef";
            let twice = [bearer("alice"), bearer("bob")];
            for more in [
                &[made_up][..],
                &[basic],
                &["Authorization:"],
                &[stale],
                &[spelled],
                &[stale, &*twice[0]],
                &[&*twice[0], &*twice[1]],
            ] {
                let refused = call(more).await;
                assert!(
                    matches!(refused.status, 400 | 401),
                    "{what} {more:?} {refused:?}"
                );
            }
            let alice = call(&[&*bearer("alice")]).await;
            assert_eq!(alice.status, 200, "{what} {alice:?}");
            assert_eq!(alice.json()["subject"], "alice", "{what}");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_for_a_handle_that_was_guessed() {
    let stock = Raw::start().await;
    let sidecar = "    outbound: { listen: '127.0.0.1:0', services: [{ name: stock-service, identity: relay, when-absent: service }] }\n";
    let rig = Rig::start(issuer(None).await, stock.address, sidecar).await;
    for guess in ["0", "", "ffffffffffffffffffffffffffffffff", "a, b"] {
        let handle = format!("X-Hallpass-Context: {guess}");
        let lines = ["GET /a HTTP/1.1", "Host: stock-service", &handle];
        let answer = say(rig.proxy(), &lines).await;
        assert_eq!(answer.status, 401, "{guess}");
        assert_eq!(answer.json()["code"], "ended_context");
        assert!(answer.head.contains("www-authenticate: bearer"));
    }
    assert_eq!(stock.connections(), 0);
}

/// Holds each request until it is told to go on, and reports what became of its call.
struct Slow {
    outbound: OnceCell<SocketAddr>,
    entered: Notify,
    go_on: Notify,
    status: mpsc::UnboundedSender<u16>,
}

async fn hold(State(slow): State<Arc<Slow>>, headers: HeaderMap) {
    let handle = headers["x-hallpass-context"].to_str().unwrap();
    let handle = format!("X-Hallpass-Context: {handle}");
    // By itself: the request may be cut off meanwhile.
    let calling = tokio::spawn(async move {
        slow.entered.notify_one();
        slow.go_on.notified().await;
        let lines = ["GET /stock/1 HTTP/1.1", "Host: stock-service", &*handle];
        let answer = say(*slow.outbound.get().unwrap(), &lines).await;
        slow.status.send(answer.status).unwrap();
    });
    calling.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_counts_no_longer_than_the_token_that_it_stands_for() {
    let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    let stock = Raw::start().await;
    let (status, mut told) = mpsc::unbounded_channel();
    let slow = Arc::new(Slow {
        outbound: OnceCell::new(),
        entered: Notify::new(),
        go_on: Notify::new(),
        status,
    });
    let router = Router::new().route("/orders/{number}", get(hold));
    let program = TestServer::start(router.with_state(Arc::clone(&slow)))
        .await
        .unwrap();
    let sidecar = format!(
        "    inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}', identity: none, lend-context: true }}
    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, identity: relay, when-absent: service }}] }}\n",
        program.address()
    );
    let issuer = issuer(Some(clock.clone())).await;
    let rig = Rig::start_by(issuer, stock.address, &sidecar, clock.clone()).await;
    slow.outbound.set(rig.proxy()).unwrap();
    let inbound = rig.inbound();
    for (seconds, expected) in [(0, 200), (600, 401)] {
        let bearer = bearer("alice");
        let asking = tokio::spawn(async move {
            // Cut off when its token ends, whatever the program does.
            say(inbound, &["GET /orders/1 HTTP/1.1", "Host: a", &bearer]).await
        });
        slow.entered.notified().await;
        clock.advance_seconds(seconds);
        slow.go_on.notify_one();
        assert_eq!(told.recv().await, Some(expected));
        asking.abort();
    }
    assert_eq!(stock.seen().len(), 1);
}
