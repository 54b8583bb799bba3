//! Verifiers that follow the deny-list by a stream of events.

use std::time::Duration;

use hallpass_issuer::RevocationTarget;
use hallpass_token::{RevocationDigest, RevocationKind};
use serde_json::json;
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
        timeout(Duration::from_secs(60), read).await.unwrap()
    }
}

#[tokio::test]
async fn a_stream_brings_all_there_is_and_then_each_change() {
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

    revoke("two").await;
    let change = stream.until("event: current").await.unwrap();
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
async fn a_stream_brings_a_change_within_a_second() {
    let harness = start().await;
    let mut stream = Stream::open(&harness, &[]).await;
    stream.until("event: current").await.unwrap();
    let mut all = Vec::new();
    // A machine that is busy with other things may be late, but not again and again.
    for number in 0..5 {
        let target = RevocationTarget::Token(format!("token-{number}"));
        operator(&harness, target).await.unwrap();
        let written = Instant::now();
        stream.until("event: current").await.unwrap();
        all.push(written.elapsed());
        if written.elapsed() < Duration::from_millis(900) {
            return;
        }
    }
    panic!("not once within a second: {all:?}");
}

#[tokio::test]
async fn who_asks_from_time_to_time_gets_what_is_new_since_it_asked() {
    let harness = start().await;
    let revoke = async |name: &str| {
        let target = RevocationTarget::Token(name.into());
        operator(&harness, target).await.unwrap();
    };
    revoke("one").await;
    wait_for_entries(&harness, 1).await;
    let whole = harness.get("/oauth2/revocations", &[]).await;
    let event = whole.json()["event"].as_str().unwrap().to_owned();
    revoke("two").await;
    wait_for_entries(&harness, 2).await;
    let after = format!("/oauth2/revocations?after={event}");
    let new = harness.get(&after, &[]).await;
    let length = new.header("content-length").unwrap();
    assert_eq!(length, new.body.len().to_string());
    let document = new.json();
    let two = RevocationDigest::new(RevocationKind::Token, "two").to_string();
    assert_eq!(document["after"], event);
    assert_eq!(document["entries"].as_array().unwrap().len(), 1);
    assert_eq!(document["entries"][0]["digest"], two);
    let known = format!("If-None-Match: {}", new.header("etag").unwrap());
    assert_eq!(harness.get(&after, &[&known]).await.status, 304);
    let event = document["event"].as_str().unwrap();
    let after = format!("/oauth2/revocations?after={event}");
    let nothing = harness.get(&after, &[]).await.json();
    assert_eq!(
        (nothing["after"].as_str(), &nothing["entries"]),
        (Some(event), &json!([]))
    );
    for unknown in ["", "x", "0123456789abcdef.1", "%2e%2e"] {
        let path = format!("/oauth2/revocations?after={unknown}");
        let whole = harness.get(&path, &[]).await.json();
        assert_eq!(whole["entries"].as_array().unwrap().len(), 2, "{unknown}");
        assert_eq!(whole.get("after"), None, "{unknown}");
    }
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
