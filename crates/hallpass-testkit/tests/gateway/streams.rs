//! Bodies: within their limits, whole, and as they come.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::estate::{Estate, LIMIT, bearer, send};
use super::raw::{Raw, Says};

fn route(more: &str) -> String {
    format!(
        "      - {{ name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated, {more} }}"
    )
}

#[tokio::test]
async fn an_upload_over_its_limit_gets_413_and_the_upstream_no_end() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, &route("max-body-bytes: 1024")).await;
    let bearer = bearer("alice");
    let head = format!("POST /orders/7 HTTP/1.1\r\nHost: a\r\n{bearer}\r\nConnection: close\r\n");
    let chunk = format!("200\r\n{}\r\n", "x".repeat(0x200));
    // What is announced is refused before anything is sent.
    let announced = format!("{head}Content-Length: 1025\r\n\r\n{}", "x".repeat(1025));
    let answer = send(estate.address(), announced.as_bytes()).await.unwrap();
    assert_eq!(
        (answer.status, answer.code()),
        (413, Some("body_too_large"))
    );
    assert_eq!(orders.connections(), 0);
    // What is not is cut off; its upstream never sees the end of it.
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n");
    let answer = send(estate.address(), chunked.as_bytes()).await.unwrap();
    assert_eq!(
        (answer.status, answer.code()),
        (413, Some("body_too_large"))
    );
    assert!(orders.seen().is_empty());
    let within = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    let answer = send(estate.address(), within.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(orders.only().body.len(), 0x400);
    // Its fault is no fault of the service's.
    let state = estate.sample(&format!(
        "hallpass_gateway_breaker_state{{service=\"orders\",instance=\"http://{}\"}}",
        orders.address
    ));
    assert!(state == 0.0, "{state}");
}

#[tokio::test]
async fn a_slow_body_gives_its_place_back() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, &route("timeouts: { idle-ms: 200 }")).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!(
        "POST /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nContent-Length: 10\r\n\r\nabc",
        bearer("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("body_too_slow"), "{answer}");
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn one_megabyte_both_ways_arrives_whole() {
    let body: String = (0..1_u32 << 18)
        .map(|number| format!("{:04x}", number & 0xffff))
        .collect();
    let expected = body.clone();
    let orders = Raw::answering(move |seen| {
        assert!(seen.body == expected.as_bytes(), "another body");
        Says::ok(&expected)
    })
    .await;
    let estate = Estate::start(orders.address, &route("max-body-bytes: 2000000")).await;
    let request = format!(
        "POST /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        bearer("alice"),
        body.len()
    );
    let answer = send(estate.address(), request.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "{} bytes", answer.body.len());
    assert_eq!(
        estate.sample("hallpass_gateway_body_bytes_total{direction=\"up\"}"),
        1_048_576.0
    );
}

/// A service that says a part, and the rest when it is told.
async fn in_parts(head: &'static str) -> (std::net::SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, told) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
    let tell = Arc::clone(&told);
    tokio::spawn(async move {
        let (mut stream, _gateway) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _read = stream.read(&mut request).await.unwrap();
        let begin = format!(
            "HTTP/1.1 200 OK\r\n{head}\r\ntransfer-encoding: chunked\r\n\r\n5\r\none\n\n\r\n"
        );
        stream.write_all(begin.as_bytes()).await.unwrap();
        told.notified().await;
        let _written = stream.write_all(b"5\r\ntwo\n\n\r\n0\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    (address, tell)
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(end) {
        let mut more = [0; 1024];
        let read = tokio::time::timeout(LIMIT, stream.read(&mut more)).await;
        let read = read.expect("in time").unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&more[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn an_event_stream_comes_bit_by_bit() {
    let (address, tell) = in_parts("content-type: text/event-stream").await;
    let estate = Estate::start(address, &route("timeouts: { idle-ms: 50 }")).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!(
        "GET /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\n\r\n",
        bearer("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "one\n\n").await;
    // Longer than another body may pause.
    let more = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
    assert!(more.is_err(), "{more:?}");
    tell.notify_one();
    read_until(&mut stream, "two\n\n").await;
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_cut_off() {
    let (address, _tell) = in_parts("content-type: text/plain").await;
    let estate = Estate::start(address, &route("timeouts: { idle-ms: 50 }")).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!(
        "GET /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
        bearer("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "still open");
    let all = String::from_utf8_lossy(&all).into_owned();
    // Without the end of a chunked body: nobody takes it for the whole.
    assert!(
        all.contains("one\n\n") && !all.contains("0\r\n\r\n"),
        "{all}"
    );
}

#[tokio::test]
async fn a_download_ends_with_its_token() {
    let (address, _tell) = in_parts("content-type: text/event-stream").await;
    let (estate, clock) = Estate::start_by_hand(address, &route("")).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!(
        "GET /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
        bearer("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "one\n\n").await;
    clock.advance(Duration::from_secs(3_600));
    let mut all = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "still open");
    assert!(!String::from_utf8_lossy(&all).contains("0\r\n\r\n"));
}

#[tokio::test]
async fn an_upload_ends_with_its_token() {
    let orders = Raw::start().await;
    let (estate, clock) = Estate::start_by_hand(orders.address, &route("")).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!(
        "POST /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        bearer("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Until the upstream has a connection, its body is on its way.
    while orders.connections() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(3_600));
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_taken_back_whatever_becomes_of_the_issuer() {
    let (address, _tell) = in_parts("content-type: text/event-stream").await;
    let away = Raw::answering(|_| Says::text("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")).await;
    let more = format!(
        "    logout: {{ path: /bye, revoke-url: 'http://{}/oauth2/revoke' }}\n",
        away.address
    );
    let estate = Estate::start_with(&[address], &route("retry: { max-attempts: 1 }"), &more).await;
    let alice = bearer("alice");
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!("GET /orders/7 HTTP/1.1\r\nHost: a\r\n{alice}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "one\n\n").await;
    let bye = "POST /bye HTTP/1.1\r\nContent-Length: 0";
    let answer = estate.ask(&[bye, "Host: a", &alice]).await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, Some("logout_failed")),
        "the issuer has not heard it"
    );
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "it goes on");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it is no whole response");
}
