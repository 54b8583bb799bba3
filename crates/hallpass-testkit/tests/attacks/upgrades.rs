//! What is sent behind a request for a WebSocket, before anybody has taken it (CVE-2025-64763, CVE-2026-2833): it waits, and is a request
//! of its own with a decision of its own when nobody does.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rig::Rig;

const LIMIT: Duration = Duration::from_secs(20);
/// How long an upstream looks for bytes that should not come.
const LOOK: Duration = Duration::from_millis(300);
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const NO_SWITCH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";

/// An upstream that says what came with the head of a request, and answers then; what comes later it says too.
async fn upstream(answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (says, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _gateway)) = listener.accept().await {
            let says = says.clone();
            tokio::spawn(async move {
                let mut read = Vec::new();
                while !read.windows(4).any(|four| four == b"\r\n\r\n") {
                    if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                        return;
                    }
                }
                // Only now is it answered.
                while let Ok(Ok(1..)) = timeout(LOOK, stream.read_buf(&mut read)).await {}
                let _nobody_hears = says.send(String::from_utf8_lossy(&read).into_owned());
                let _gone = stream.write_all(answer.as_bytes()).await;
                loop {
                    let mut read = Vec::new();
                    if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                        return;
                    }
                    let _nobody_hears = says.send(String::from_utf8_lossy(&read).into_owned());
                }
            });
        }
    });
    (address, heard)
}

fn handshake(rig: &Rig) -> String {
    format!(
        "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        rig.forge.good()
    )
}

const BEHIND: &str = "GET /internal/x HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_behind_a_handshake_wait_until_the_upstream_has_switched() {
    for (answer, is_taken) in [(NO_SWITCH, false), (SWITCH, true)] {
        let (address, mut heard) = upstream(answer).await;
        let rig = Rig::start_before(address).await;
        let mut stream = TcpStream::connect(rig.address()).await.unwrap();
        let bytes = handshake(&rig) + BEHIND;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let first = timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
        assert!(first.ends_with("\r\n\r\n"), "{first}");
        assert!(!first.contains("/internal/x"), "{first}");
        if is_taken {
            let next = timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
            assert_eq!(next, BEHIND);
            continue;
        }
        let mut said = String::new();
        let _closed = timeout(LIMIT, stream.read_to_string(&mut said))
            .await
            .unwrap();
        let statuses: Vec<&str> = said.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect();
        assert_eq!(statuses, ["200", "401"], "{said}");
        assert!(heard.try_recv().is_err());
    }
}

/// What is no request for a WebSocket is a plain request to the upstream, and whoever sends it cannot leave HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_a_websocket_leaves_http() {
    let (address, mut heard) = upstream(SWITCH).await;
    let rig = Rig::start_before(address).await;
    let token = rig.forge.good();
    for fields in [
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: upgrade\r\nupgrade: websocket, h2c\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n",
        "connection: upgrade\r\nupgrade: tls/1.0\r\n",
        "connection: close\r\nupgrade: websocket\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n",
    ] {
        let text = format!(
            "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n{fields}\r\nab"
        );
        let mut stream = TcpStream::connect(rig.address()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let first = timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
        let head = first.to_ascii_lowercase();
        assert!(!head.contains("\nupgrade:"), "{fields}: {first}");
        assert!(!head.contains("\nconnection:"), "{fields}: {first}");
        assert!(!head.contains("http2-settings"), "{fields}: {first}");
        // The upstream has switched, unasked.
        let mut said = [0; 12];
        timeout(LIMIT, stream.read_exact(&mut said))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&said, b"HTTP/1.1 502", "{fields}");
        while heard.try_recv().is_ok() {}
    }
}
