//! One caller with many slow responses keeps nobody else from being answered, and gets its places back.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admin::page;
use super::estate::{Estate, LIMIT, bearer, token};
use super::raw::{Raw, Says};

const ORDERS: &str = "      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated }
      - { name: open, path: /open/**, to: 'lb://orders', identity: none, rule: anonymous }";
/// Of which one caller has half, unless it is said.
const FOUR: &str =
    "    services: { orders: { bulkhead: { max-concurrent: 4, max-wait-ms: 20000 } } }\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
/// A response that has a beginning and no end.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\none\n\n\r\n";

/// Streams whose path ends with `slow`, takes upgrades, and answers everything else at once.
async fn service() -> Raw {
    Raw::answering(|seen| match seen.header("upgrade") {
        Some(_) => Says::text(SWITCHED),
        None if seen.line.ends_with("/slow") => Says::text(ENDLESS),
        None => Says::ok("service"),
    })
    .await
}

/// Sends a request whose response does not end, and gives its connection and the head of the response.
async fn begin(estate: &Estate, path: &str, header: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(LIMIT, stream.read_u8()).await;
        head.push(byte.expect("in time").unwrap());
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    (stream, head)
}

/// As many slow responses as these statuses.
async fn hold(estate: &Estate, header: &str, statuses: &[&str]) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for status in statuses {
        let (stream, head) = begin(estate, "/orders/slow", header).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        held.push(stream);
    }
    held
}

async fn status(estate: &Estate, header: &str) -> u16 {
    let line = "GET /orders/7 HTTP/1.1";
    estate.ask(&[line, "Host: a", header]).await.status
}

/// Until nothing is under way any more.
async fn all_come_back(estate: &Estate) {
    let back = async {
        while page(estate, "/upstreams").await[0]["callers"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, back).await.expect("the places are back");
}

#[tokio::test]
async fn one_caller_with_slow_streams_keeps_nobody_else_from_being_answered() {
    let estate = Estate::start_with(&[service().await.address], ORDERS, FOUR).await;
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    let _held = hold(&estate, &alice, &["200", "200", "429", "429"]).await;
    let line = "GET /orders/7 HTTP/1.1";
    let refused = estate.ask(&[line, "Host: a", &alice]).await;
    let told = (refused.status, refused.code());
    assert_eq!(told, (429, Some("too_many_in_flight")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let by = "hallpass_gateway_refused_total{route=\"orders\",by=\"caller_bulkhead\"}";
    assert_eq!(estate.sample(by), 3.0);
    // Others have the other half, and those without a token theirs by the address.
    assert_eq!(status(&estate, &bob).await, 200);
    let _others = hold(&estate, &bob, &["200"]).await;
    let open = estate.ask(&["GET /open/7 HTTP/1.1", "Host: a"]).await;
    assert_eq!(open.status, 200);
}

#[tokio::test]
async fn without_the_limit_one_caller_takes_all_places() {
    let off = FOUR.replace("orders: {", "orders: { caller-bulkhead: off,");
    let off = off.replace("max-wait-ms: 20000", "max-wait-ms: 0");
    let estate = Estate::start_with(&[service().await.address], ORDERS, &off).await;
    let _held = hold(&estate, &bearer("alice"), &["200"; 4]).await;
    assert_eq!(status(&estate, &bearer("bob")).await, 503);
}

#[tokio::test]
async fn strangers_are_told_apart_by_their_addresses() {
    let estate = Estate::start_with(&[service().await.address], ORDERS, FOUR).await;
    let mut held = Vec::new();
    for status in ["200", "200", "429"] {
        let (stream, head) = begin(&estate, "/open/slow", "Accept: */*").await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        held.push(stream);
    }
    let lines = ["GET /open/7 HTTP/1.1", "Host: a"];
    assert_eq!(estate.ask_from("127.0.0.7", &lines).await.status, 200);
    // Who is verified is no stranger, wherever he comes from.
    assert_eq!(status(&estate, &bearer("alice")).await, 200);
}

#[tokio::test]
async fn places_come_back_when_responses_end_or_their_callers_go() {
    let estate = Estate::start_with(&[service().await.address], ORDERS, FOUR).await;
    let alice = bearer("alice");
    // Each of these ends: many more than there are places.
    for _ in 0..20 {
        assert_eq!(status(&estate, &alice).await, 200);
    }
    for _ in 0..3 {
        let held = hold(&estate, &alice, &["200", "200", "429"]).await;
        drop(held);
        all_come_back(&estate).await;
    }
    // Of those that failed, too.
    let missing = estate
        .ask(&["GET /orders/../7 HTTP/1.1", "Host: a", &alice])
        .await;
    assert_eq!(missing.status, 400);
    let _held = hold(&estate, &alice, &["200", "200", "429"]).await;
}

#[tokio::test]
async fn places_come_back_when_websockets_end() {
    let estate = Estate::start_with(&[service().await.address], ORDERS, FOUR).await;
    let alice = bearer("alice");
    let asks = format!(
        "{alice}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
    );
    for _ in 0..3 {
        let mut held = Vec::new();
        for status in ["101", "101", "429"] {
            let (stream, head) = begin(&estate, "/orders/chat", &asks).await;
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
            held.push(stream);
        }
        drop(held);
        all_come_back(&estate).await;
    }
}

#[tokio::test]
async fn streams_of_one_connection_of_http_2_count_each_for_itself() {
    let estate = Estate::start_with(&[service().await.address], ORDERS, FOUR).await;
    let stream = TcpStream::connect(estate.address()).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let shown = token("alice", Duration::from_secs(600));
    let mut ask = async || {
        let request = http::Request::get("http://a/orders/slow");
        let request = request.header("authorization", format!("Bearer {shown}"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        sender.ready().await.unwrap();
        timeout(LIMIT, sender.send_request(request))
            .await
            .unwrap()
            .unwrap()
    };
    let mut first = ask().await;
    let second = ask().await;
    assert_eq!(first.status(), 200);
    assert_eq!(second.status(), 200);
    let refused = ask().await;
    assert_eq!(refused.status(), 429);
    assert!(first.frame().await.is_some(), "it is under way");
    // Its stream is reset; its connection goes on.
    drop(second);
    let back = async {
        while ask().await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, back).await.expect("the place is back");
}

#[tokio::test]
async fn what_is_under_way_counts_on_over_a_reload() {
    let service = service().await;
    let mut estate = Estate::start_with(&[service.address], ORDERS, FOUR).await;
    let alice = bearer("alice");
    let held = hold(&estate, &alice, &["200", "200"]).await;
    let three = FOUR.replace(
        "orders: {",
        "orders: { caller-bulkhead: { max-concurrent: 3 },",
    );
    estate.reload(ORDERS, &three).await;
    let more = hold(&estate, &alice, &["200", "429"]).await;
    drop((held, more));
    all_come_back(&estate).await;
    let _held = hold(&estate, &alice, &["200", "200", "200", "429"]).await;
}

#[tokio::test]
async fn no_more_connections_are_made_to_an_instance_than_its_bulkhead_has_places() {
    let service = service().await;
    let none = FOUR.replace("orders: {", "orders: { caller-bulkhead: off,");
    let none = none.replace("max-wait-ms: 20000", "max-wait-ms: 0");
    let estate = Estate::start_with(&[service.address], ORDERS, &none).await;
    let alice = bearer("alice");
    let held = hold(&estate, &alice, &["200"; 4]).await;
    let lines = ["GET /orders/7 HTTP/1.1", "Host: a", &alice];
    let asking = (0..40).map(|_| estate.ask(&lines));
    for refused in futures_util::future::join_all(asking).await {
        let told = (refused.status, refused.code());
        assert_eq!(told, (503, Some("upstream_busy")));
    }
    assert_eq!(service.connections(), 4);
    drop(held);
    all_have_gone(&estate).await;
    assert_eq!(status(&estate, &alice).await, 200);
}

/// Until no request is under way to the instance any more.
async fn all_have_gone(estate: &Estate) {
    let gone = async {
        while page(estate, "/upstreams").await[0]["instances"][0]["in_flight"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, gone).await.expect("all have gone");
}
