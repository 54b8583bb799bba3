//! Verifiers that follow the deny-list by a stream of events.

use std::time::Duration;

use hallpass_issuer::RevocationTarget;
use hallpass_token::{RevocationDigest, RevocationKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::harness::Harness;
use crate::revocation::{operator, start, wait_for_entries};

/// A stream of events as it comes over the wire.
struct Stream {
    socket: TcpStream,
    seen: String,
}

impl Stream {
    async fn open(harness: &Harness, lines: &[&str]) -> Self {
        let mut socket = TcpStream::connect(harness.address()).await.unwrap();
        let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!(
            "GET /oauth2/revocations HTTP/1.1\r\nHost: issuer\r\nAccept: text/event-stream\r\n{more}\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        Self {
            socket,
            seen: String::new(),
        }
    }

    /// Reads until `text` has come, and gives all since the last call; `None` at the end of the stream.
    async fn until(&mut self, text: &str) -> Option<String> {
        let read = async {
            let mut buffer = [0; 4_096];
            while !self.seen.contains(text) {
                match self.socket.read(&mut buffer).await {
                    Ok(length) if length > 0 => {
                        self.seen
                            .push_str(&String::from_utf8_lossy(&buffer[..length]));
                    }
                    _ => return None,
                }
            }
            Some(std::mem::take(&mut self.seen))
        };
        timeout(Duration::from_secs(8), read).await.unwrap()
    }
}

#[tokio::test]
async fn a_stream_brings_all_there_is_and_then_each_change_within_a_third_of_a_second() {
    let harness = start().await;
    let revoke = async |name: &str| {
        operator(&harness, RevocationTarget::Token(name.into()))
            .await
            .unwrap();
    };
    revoke("one").await;
    wait_for_entries(&harness, 1).await;
    let mut stream = Stream::open(&harness, &[]).await;
    let began = stream.until("event: current").await.unwrap();
    assert!(began.contains("content-type: text/event-stream"), "{began}");
    assert!(began.contains("event: reset"), "{began}");
    let digest = |name| RevocationDigest::new(RevocationKind::Token, name).to_string();
    assert!(began.contains(&digest("one")), "{began}");

    let asked = Instant::now();
    revoke("two").await;
    let written = Instant::now();
    let change = stream.until("event: current").await.unwrap();
    assert!(
        written.elapsed() < Duration::from_millis(900),
        "{:?}",
        asked.elapsed()
    );
    assert!(
        change.contains(&digest("two")) && !change.contains(&digest("one")),
        "{change}"
    );
    assert!(!change.contains("event: reset"), "{change}");
    let id = change
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .to_owned();

    drop(stream);
    revoke("three").await;
    wait_for_entries(&harness, 3).await;
    let header = format!("Last-Event-ID: {id}");
    let mut stream = Stream::open(&harness, &[&header]).await;
    let missed = stream.until("event: current").await.unwrap();
    assert!(
        missed.contains(&digest("three")) && !missed.contains(&digest("two")),
        "{missed}"
    );
    let mut stream = Stream::open(&harness, &["Last-Event-ID: 0123456789abcdef.1"]).await;
    let all = stream.until("event: current").await.unwrap();
    assert!(
        all.contains("event: reset") && all.contains(&digest("one")),
        "{all}"
    );
}

#[tokio::test]
async fn no_stop_waits_for_those_who_follow() {
    let harness = start().await;
    let mut stream = Stream::open(&harness, &[]).await;
    stream.until("event: current").await.unwrap();
    assert_eq!(harness.metric("hallpass_revocation_streams"), 1);
    let began = Instant::now();
    harness.issuer.shutdown().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(stream.until("never").await, None);
}
