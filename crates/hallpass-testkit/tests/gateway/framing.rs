//! One framing reaches a service, and one comes back, whatever callers and services write.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::estate::{Answer, Estate, bearer, parse, send};
use super::raw::{Raw, Says};

const ROUTES: &str = "
      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated }
      - { name: open, path: /open/**, to: 'lb://orders', identity: relay, rule: anonymous }";

#[tokio::test]
async fn h2c_is_not_tunnelled() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, ROUTES).await;
    let answer = estate
        .ask(&[
            "GET /open/7 HTTP/1.1",
            "Host: a",
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ])
        .await;
    assert_eq!(answer.status, 200);
    let seen = orders.only();
    for name in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(seen.all(name).len(), 0, "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn bytes_go_to_an_upstream_in_one_framing() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, ROUTES).await;
    let bearer = bearer("alice");
    let head = |method: &str, framing: &str| {
        format!(
            "{method} /orders/7 HTTP/1.1\r\nHost: a\r\n{bearer}\r\nConnection: close\r\n{framing}\r\n\r\n"
        )
    };
    let chunks = "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    for (method, framing, body, is_chunked) in [
        ("POST", "Content-Length: 5", "abcde", false),
        ("POST", "Transfer-Encoding: chunked", chunks, true),
        ("GET", "Transfer-Encoding: chunked", chunks, true),
        ("DELETE", "Content-Length: 5", "abcde", false),
    ] {
        orders.forget();
        let request = head(method, framing) + body;
        let answer = send(estate.address(), request.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{method} {framing}");
        let seen = orders.only();
        assert_eq!(seen.body, b"abcde", "{method} {framing}");
        let codings = seen.all("transfer-encoding");
        let lengths = seen.all("content-length");
        match is_chunked {
            true => assert_eq!((codings, lengths.len()), (vec!["chunked"], 0)),
            false => assert_eq!((codings.len(), lengths), (0, vec!["5"])),
        }
    }
    // What looks like a request within a body is a body.
    orders.forget();
    let hidden = format!("DELETE /orders/8 HTTP/1.1\r\nHost: a\r\n{bearer}\r\n\r\n");
    let request = head("POST", &format!("Content-Length: {}", hidden.len())) + &hidden;
    send(estate.address(), request.as_bytes()).await.unwrap();
    assert_eq!(orders.only().body, hidden.as_bytes());
}

#[tokio::test]
async fn a_hostile_upstream_cannot_split_a_response() {
    let says = Arc::new(Mutex::new(Says::Hangs));
    let next = Arc::clone(&says);
    let orders = Raw::answering(move |_| next.lock().unwrap().clone()).await;
    let estate = Estate::start_with(
        &[orders.address],
        "      - { name: orders, path: /**, to: 'lb://orders', identity: relay, rule: anonymous, retry: { max-attempts: 1 } }",
        "    services: { orders: { breaker: { enabled: false } } }",
    )
    .await;
    let second = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for (text, status) in [
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{second}"), 502),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n{second}"), 502),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 4\r\n\r\n{second}"), 502),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(), 502),
        ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nevil".to_owned(), 502),
        ("HTTP/1.1 200 OK\r\nx: a\r\n b: c\r\n\r\n".to_owned(), 502),
        ("HELLO\r\n\r\n".to_owned(), 502),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200)), 502),
        ("HTTP/1.1 204 No Content\r\nconnection: x-hop, content-length\r\nx-hop: 1\r\n\r\n".to_owned(), 204),
        // More than was announced: nobody reads it as another response.
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{second}"), 200),
    ] {
        *says.lock().unwrap() = Says::text(&text);
        let request = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut stream = TcpStream::connect(estate.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let all = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!all.contains("evil"), "{text:?}: {all}");
        let first: Answer = parse(&all).unwrap();
        assert_eq!(first.status, status, "{text:?}: {all}");
        assert!(!all.contains("x-hop"), "{all}");
    }
}

#[tokio::test]
async fn a_caller_by_http_2_reaches_a_service_by_http_1() {
    let orders = Raw::answering(|seen| match seen.line.starts_with("HEAD") {
        true => Says::text("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"),
        false => Says::ok("service"),
    })
    .await;
    let estate = Estate::start(orders.address, ROUTES).await;
    let stream = TcpStream::connect(estate.address()).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    // Cookies come in crumbs (RFC 9113 section 8.2.3), and go on as one field.
    let request = http::Request::post("http://shop.example/open/7?a=b")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("x-user-id", "root")
        .body(Full::new(Bytes::from_static(b"abc")).boxed())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "service");
    let seen = orders.only();
    assert_eq!(seen.line, "POST /open/7?a=b");
    assert_eq!(seen.header("cookie"), Some("a=1; b=2"));
    assert_eq!(seen.header("host"), Some(&*orders.address.to_string()));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.example"));
    assert_eq!((seen.all("x-user-id").len(), seen.all("te").len()), (0, 0));
    assert_eq!(seen.body, b"abc");
    let head = http::Request::head("http://shop.example/open/7");
    let head = head.body(Empty::new().boxed()).unwrap();
    let response = sender.send_request(head).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "7");
}
