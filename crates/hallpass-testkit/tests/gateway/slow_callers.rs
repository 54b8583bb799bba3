//! Callers that are slow, break off or send too much: none of it says anything of the service, and nobody else is refused for it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::estate::{Estate, LIMIT, bearer, parse, send};
use super::raw::{Raw, Says};

/// How long the service may take. A busy machine needs some of it.
const RESPONSE: Duration = Duration::from_secs(5);
/// A caller pauses for longer than that.
const PAUSE: Duration = Duration::from_millis(5_500);

const ORDERS: &str = "      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated, max-body-bytes: 1000, timeouts: { response-ms: 5000 } }";
/// One failed call opens each of them, and so does one that takes as long as a response may.
const TOUCHY: &str = "    services: { orders: { breaker: { window: 1, minimum-calls: 1, slow-call-ms: 5000 }, \
    guard: { breaker: { window: 1, minimum-calls: 1, slow-call-ms: 5000 } } } }";

fn head(method: &str, framing: &str) -> String {
    format!(
        "{method} /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\n{framing}\r\n\r\n",
        bearer("alice")
    )
}

async fn is_well(estate: &Estate, orders: &Raw) {
    orders.forget();
    let answer = estate.get("/orders/7").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    orders.only();
}

/// A body in two parts, with a pause between them in which nothing is answered.
async fn slowly(estate: &Estate, head: &str, (first, second): (&str, &str)) -> u16 {
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(PAUSE, stream.read_u8()).await;
    assert!(early.is_err(), "answered before the request was whole");
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await;
    read.expect("in time").unwrap();
    parse(&String::from_utf8_lossy(&bytes)).unwrap().status
}

#[tokio::test]
async fn a_small_body_that_comes_slowly_leaves_its_upstream_all_of_the_time() {
    assert!(PAUSE > RESPONSE);
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ORDERS, TOUCHY).await;
    // One that is kept to be sent again.
    let head = head("PUT", "Content-Length: 6");
    assert_eq!(slowly(&estate, &head, ("abc", "def")).await, 200);
    assert_eq!(orders.only().body, b"abcdef");
    is_well(&estate, &orders).await;
}

#[tokio::test]
async fn the_pauses_of_an_upload_are_no_slowness_of_the_service() {
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ORDERS, TOUCHY).await;
    let head = head("POST", "Transfer-Encoding: chunked");
    let parts = ("3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n");
    assert_eq!(slowly(&estate, &head, parts).await, 200);
    assert_eq!(orders.only().body, b"abcdef");
    is_well(&estate, &orders).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_body_opens_no_breaker() {
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ORDERS, TOUCHY).await;
    let chunk = format!("200\r\n{}\r\n", "x".repeat(0x200));
    let too_large = head("POST", "Transfer-Encoding: chunked") + &chunk + &chunk + "0\r\n\r\n";
    let answer = send(estate.address(), too_large.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 413, "{answer:?}");
    is_well(&estate, &orders).await;
    let misframed = head("POST", "Transfer-Encoding: chunked") + "3\r\nabc\r\nzz\r\n";
    let answer = send(estate.address(), misframed.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    is_well(&estate, &orders).await;
}

#[tokio::test]
async fn the_end_of_a_token_in_an_upload_opens_no_breaker() {
    let orders = Raw::start().await;
    let setup = super::estate::Setup {
        orders: &[orders.address],
        routes: ORDERS,
        more: TOUCHY,
        ..super::estate::Setup::default()
    };
    let (estate, clock) = Estate::by_hand(setup).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = head("POST", "Transfer-Encoding: chunked") + "3\r\nabc\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Until the upstream has a connection, its body is on its way.
    while orders.connections() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(3_600));
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await;
    read.expect("in time").unwrap();
    let answer = parse(&String::from_utf8_lossy(&bytes)).unwrap();
    assert_eq!(answer.status, 401, "{answer:?}");
    let instance = format!("http://{}", orders.address);
    for instance in ["all", &instance] {
        let state =
            format!("hallpass_gateway_breaker_state{{service=\"orders\",instance=\"{instance}\"}}");
        assert!(estate.sample(&state) == 0.0, "{instance}");
    }
}

#[tokio::test]
async fn the_breaker_of_a_service_lives_through_a_reload_of_its_other_settings() {
    let fails = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    let orders = Raw::answering(move |_| Says::text(fails)).await;
    let with = |bulkhead: u32| {
        format!(
            "    services: {{ orders: {{ bulkhead: {{ max-concurrent: {bulkhead} }}, \
             guard: {{ breaker: {{ window: 1, minimum-calls: 1 }} }} }} }}"
        )
    };
    let mut estate = Estate::start_with(&[orders.address], ORDERS, &with(100)).await;
    assert_eq!(estate.get("/orders/7").await.status, 500);
    let state = "hallpass_gateway_breaker_state{service=\"orders\",instance=\"all\"}";
    let expected = (503, Some("upstream_busy"), 2.0);
    for bulkhead in [100, 200] {
        estate.reload(ORDERS, &with(bulkhead)).await;
        let answer = estate.get("/orders/7").await;
        let seen = (answer.status, answer.code(), estate.sample(state));
        assert_eq!(seen, expected, "{bulkhead}");
    }
    // Of a service that is gone, nobody is told that its breaker is open.
    let other = ORDERS.replace("lb://orders", "http://127.0.0.1:9");
    estate.reload(&other, "").await;
    assert!(!estate.gateway.metrics().contains(state), "still shown");
}
