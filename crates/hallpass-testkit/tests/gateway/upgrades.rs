//! WebSockets: what is joined, when, and for how long.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::estate::{Estate, LIMIT, bearer};
use super::raw::{Raw, Says};

const CHAT: &str =
    "      - { name: chat, path: /chat, to: 'lb://orders', identity: relay, rule: authenticated }";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/// A service that takes the upgrade and gives back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _gateway)) = listener.accept().await {
            tokio::spawn(async move {
                let head = read_head(&mut stream).await;
                assert!(head.contains("upgrade: websocket"), "{head}");
                assert!(head.contains("x-user-id: alice"), "{head}");
                stream.write_all(SWITCHED.as_bytes()).await.unwrap();
                let (mut read, mut write) = stream.split();
                let _copied = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(LIMIT, stream.read_u8()).await;
        match byte.expect("in time") {
            Ok(byte) => bytes.push(byte),
            Err(_closed) => break,
        }
    }
    String::from_utf8_lossy(&bytes).to_lowercase()
}

fn asked(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n{more}",
        bearer("alice")
    )
}

async fn open(estate: &Estate) -> TcpStream {
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    stream.write_all(asked("").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
    assert!(head.contains("connection: upgrade"), "{head}");
    stream
}

async fn assert_echoes(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    let read = tokio::time::timeout(LIMIT, stream.read_exact(&mut back)).await;
    read.expect("in time").unwrap();
    assert_eq!(back, text);
}

async fn assert_ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "still open");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn a_websocket_echoes_through() {
    let estate = Estate::start(echo().await, CHAT).await;
    let mut stream = open(&estate).await;
    for text in [&b"\x81\x05hello"[..], &vec![7; 100_000]] {
        assert_echoes(&mut stream, text).await;
    }
    assert_eq!(estate.sample("hallpass_gateway_open_tunnels"), 1.0);
    stream.shutdown().await.unwrap();
    assert_ends(&mut stream).await;
    while estate.sample("hallpass_gateway_open_tunnels") > 0.0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_websocket_ends_with_its_token() {
    let (estate, clock) = Estate::start_by_hand(echo().await, CHAT).await;
    let mut stream = open(&estate).await;
    assert_echoes(&mut stream, b"hello").await;
    clock.advance(Duration::from_secs(3_600));
    assert_ends(&mut stream).await;
}

#[tokio::test]
async fn a_websocket_ends_at_the_limit_of_a_drain() {
    let estate = Estate::start(echo().await, CHAT).await;
    let mut stream = open(&estate).await;
    let gateway = estate.gateway;
    let ending = tokio::spawn(gateway.shutdown_within(Duration::from_millis(200)));
    assert_ends(&mut stream).await;
    ending.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_websocket_that_nothing_moves_through_is_closed() {
    let route = CHAT.replace("rule:", "timeouts: { websocket-idle-ms: 100 }, rule:");
    let estate = Estate::start(echo().await, &route).await;
    let mut stream = open(&estate).await;
    assert_echoes(&mut stream, b"hello").await;
    assert_ends(&mut stream).await;
}

#[tokio::test]
async fn no_bytes_go_to_an_upstream_before_it_has_taken_the_upgrade() {
    for (says, status) in [
        (
            Says::text("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
            "403",
        ),
        (
            Says::text(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            ),
            "502",
        ),
        (
            Says::text("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            "502",
        ),
        (
            Says::text(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nupgrade: h2c\r\n\r\n",
            ),
            "502",
        ),
    ] {
        let orders = Raw::answering(move |_| says.clone()).await;
        let estate = Estate::start(orders.address, CHAT).await;
        let mut stream = TcpStream::connect(estate.address()).await.unwrap();
        // A request behind the one that asks for an upgrade, as if the upstream had taken it.
        let early = "DELETE /chat/admin HTTP/1.1\r\nHost: a\r\nX-User-Id: root\r\n\r\n";
        stream.write_all(asked(early).as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        let _end = tokio::time::timeout(Duration::from_millis(200), read_head(&mut stream)).await;
        let seen = orders.seen();
        assert!(seen.iter().all(|it| it.line == "GET /chat"), "{seen:?}");
        assert!(!format!("{seen:?}").contains("root"), "{seen:?}");
    }
}

#[tokio::test]
async fn an_upgrade_that_a_route_does_not_take_is_a_request_like_others() {
    let orders = Raw::start().await;
    let route = CHAT.replace("rule:", "websocket: false, rule:");
    let estate = Estate::start(orders.address, &route).await;
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    stream.write_all(asked("").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(orders.only().all("upgrade").len(), 0);
}
