//! HTTP/2: the same limits as HTTP/1.1, and its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{ConnectionLimits, Drain};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING,
    Peer, REFUSED_STREAM, RST_STREAM, WINDOW_UPDATE, head,
};
use crate::rig::{Rig, rest, send, start};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);
/// `SETTINGS_INITIAL_WINDOW_SIZE`, RFC 9113 section 6.5.2.
const INITIAL_WINDOW_SIZE: u16 = 4;

type Sender = SendRequest<Empty<Bytes>>;

async fn client(rig: &Rig) -> Sender {
    let stream = TokioIo::new(rig.connect().await);
    let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &Sender, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
    let uri = format!("http://x{path}");
    let request = Request::get(uri).body(Empty::new()).unwrap();
    let response = sender.clone().send_request(request).await?;
    assert_eq!(response.version(), Version::HTTP_2);
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

async fn peer(rig: &Rig) -> Peer {
    Peer::new(rig.connect().await, &[]).await
}

#[tokio::test]
async fn both_versions_share_a_plain_socket() {
    let rig = start(ConnectionLimits::default()).await;
    let sender = client(&rig).await;
    let (status, body) = get(&sender, "/").await.unwrap();
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"fine"[..]));
    let (_, large) = get(&sender, "/large").await.unwrap();
    assert_eq!(large.len(), crate::rig::LARGE);
    let mut old = rig.connect().await;
    send(
        &mut old,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(rest(&mut old).await.ends_with("fine"));
}

#[tokio::test]
async fn the_requests_of_a_connection_run_at_once() {
    let rig = start(ConnectionLimits::default()).await;
    let sender = client(&rig).await;
    let slow = tokio::spawn({
        let sender = sender.clone();
        async move { get(&sender, "/slow").await.unwrap() }
    });
    rig.arrived.acquire().await.unwrap().forget();
    assert_eq!(get(&sender, "/").await.unwrap().0, StatusCode::OK);
    rig.go.add_permits(1);
    assert_eq!(slow.await.unwrap().0, StatusCode::OK);
    assert_eq!(rig.metrics.open(), 1);
}

#[tokio::test]
async fn one_request_more_than_the_limit_is_refused_and_its_connection_is_not() {
    let limits = ConnectionLimits {
        streams: 2,
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let mut peer = peer(&rig).await;
    for stream in [1, 3, 5] {
        assert!(peer.get(stream, "/slow").await);
    }
    let refused = peer.find(RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.code()), (5, REFUSED_STREAM));
    rig.go.add_permits(2);
    for _ in 0..2 {
        assert_eq!(peer.find(HEADERS).await.unwrap().payload[0], 0x88, "200");
    }
}

#[tokio::test]
async fn a_head_beyond_the_limit_gets_431() {
    let rig = start(ConnectionLimits::default()).await;
    let sender = client(&rig).await;
    let large = "x".repeat(ConnectionLimits::default().head_bytes);
    let request = Request::get("http://x/").header("large", large);
    let request = request.body(Empty::new()).unwrap();
    let response = sender.clone().send_request(request).await.unwrap();
    assert_eq!(
        response.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    assert_eq!(get(&sender, "/").await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let rig = start(ConnectionLimits::default()).await;
    // Neither `:authority` nor `host`; then a `host` that differs from `:authority` (`x`).
    let nowhere = vec![0x82, 0x86, 0x84];
    let mut elsewhere = head("/");
    elsewhere.extend(b"\x00\x04host\x01y");
    for block in [nowhere, elsewhere] {
        let mut peer = peer(&rig).await;
        let flags = END_STREAM | END_HEADERS;
        assert!(peer.send(HEADERS, flags, 1, &block).await);
        let response = peer.find(HEADERS).await.unwrap();
        assert_eq!(response.payload[0], 0x8c, "400");
    }
}

/// CVE-2023-44487.
#[tokio::test]
async fn a_peer_that_resets_what_it_asks_for_loses_its_connection() {
    let rig = start(ConnectionLimits::default()).await;
    let mut peer = peer(&rig).await;
    let mut burst = Vec::new();
    for stream in (1..4_000).step_by(2) {
        burst.push(stream);
    }
    let flood = async {
        for stream in burst {
            let sent = peer.get(stream, "/slow").await
                && peer
                    .send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
                    .await;
            if !sent {
                break;
            }
        }
    };
    timeout(LIMIT, flood).await.unwrap();
    let told = timeout(LIMIT, peer.find(GOAWAY)).await.unwrap();
    if let Some(told) = told {
        assert_eq!(told.code(), ENHANCE_YOUR_CALM);
    }
    assert!(timeout(LIMIT, peer.find(GOAWAY)).await.unwrap().is_none());
}

/// CVE-2025-8671, "MadeYouReset": frames that oblige the server to reset the stream.
#[tokio::test]
async fn a_peer_that_makes_the_server_reset_streams_loses_its_connection() {
    let rig = start(ConnectionLimits::default()).await;
    let mut peer = peer(&rig).await;
    let flood = async {
        for stream in (1..4_000).step_by(2) {
            // A window beyond 2^31-1 is an error of the stream (RFC 9113 section 6.9.1).
            let sent = peer.get(stream, "/slow").await
                && peer
                    .send(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])
                    .await;
            if !sent {
                break;
            }
        }
    };
    timeout(LIMIT, flood).await.unwrap();
    let told = timeout(LIMIT, peer.find(GOAWAY)).await.unwrap().unwrap();
    assert_eq!(told.code(), ENHANCE_YOUR_CALM);
    assert!(timeout(LIMIT, peer.next()).await.unwrap().is_none());
    assert!(rig.arrived.available_permits() < 100, "most never began");
}

#[tokio::test]
async fn a_head_without_an_end_does_not_grow() {
    let rig = start(ConnectionLimits::default()).await;
    let mut peer = peer(&rig).await;
    assert!(peer.send(HEADERS, END_STREAM, 1, &head("/")).await);
    // A field of 1,000 bytes without a name in the table.
    let mut field = b"\x00\x01a\x7f\xe9\x06".to_vec();
    field.extend(vec![b'x'; 1_000]);
    let flood = async {
        let mut sent = 0;
        while sent < 4_096 && peer.send(CONTINUATION, 0, 1, &field).await {
            sent += 1;
        }
    };
    timeout(LIMIT, flood).await.unwrap();
    while timeout(LIMIT, peer.next()).await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_peer_whose_window_stays_shut_loses_its_place() {
    let limits = ConnectionLimits {
        write_timeout: Duration::from_millis(50),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    for path in ["/", "/large"] {
        let mut peer = Peer::new(rig.connect().await, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        assert!(peer.get(1, path).await);
        // It reads its socket all the time, and answers nothing.
        let closed = async { while peer.next().await.is_some() {} };
        timeout(LIMIT, closed).await.unwrap();
    }
    assert_eq!(rig.metrics.stalled(), 2);
}

#[tokio::test]
async fn a_response_of_which_nothing_is_taken_ends_though_others_go_on() {
    let limits = ConnectionLimits {
        write_timeout: Duration::from_secs(2),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let mut peer = Peer::new(rig.connect().await, &[(INITIAL_WINDOW_SIZE, 1)]).await;
    for stream in [1, 3] {
        assert!(peer.get(stream, "/endless").await);
    }
    let going_on = async {
        loop {
            let frame = peer.next().await.expect("its connection goes on");
            match (frame.kind, frame.stream) {
                (RST_STREAM, stream) => return (stream, frame.code()),
                (DATA, 3) => {
                    assert!(peer.send(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]).await);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ => {}
            }
        }
    };
    // Two looks, each after four times that.
    let ended = timeout(LIMIT * 3, going_on).await.unwrap();
    assert_eq!(ended, (1, CANCEL));
    assert_eq!(rig.metrics.stalled(), 1);
}

#[tokio::test]
async fn a_peer_that_reads_slowly_keeps_its_place() {
    let limits = ConnectionLimits {
        write_timeout: Duration::from_millis(200),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let mut peer = Peer::new(rig.connect().await, &[(INITIAL_WINDOW_SIZE, 1)]).await;
    assert!(peer.get(1, "/").await);
    for _ in 0..4 {
        assert_eq!(peer.find(DATA).await.unwrap().payload.len(), 1);
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert!(peer.send(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]).await);
    }
    assert_eq!(rig.metrics.stalled(), 0);
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_and_ends() {
    let limits = ConnectionLimits {
        head_timeout: Duration::from_millis(50),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let mut peer = peer(&rig).await;
    assert!(timeout(LIMIT, peer.find(GOAWAY)).await.unwrap().is_some());
    while timeout(LIMIT, peer.next()).await.unwrap().is_some() {}
    // One that says nothing after its preface.
    let mut silent = rig.connect().await;
    send(&mut silent, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut received = Vec::new();
    let closed = silent.read_to_end(&mut received);
    let _closed = timeout(LIMIT, closed).await.unwrap();
    // And one that does not even end it.
    let mut half = rig.connect().await;
    send(&mut half, "PRI * HTTP/2").await;
    timeout(LIMIT, rest(&mut half)).await.unwrap();
    assert_eq!(rig.metrics.open(), 0);
}

#[tokio::test]
async fn a_stop_tells_the_peer_and_lets_what_runs_finish() {
    let rig = start(ConnectionLimits::default()).await;
    let mut peer = peer(&rig).await;
    assert!(peer.get(1, "/slow").await);
    rig.arrived.acquire().await.unwrap().forget();
    let go = rig.go.clone();
    let stopping = tokio::spawn(rig.server.shutdown_within(LIMIT));
    assert!(peer.find(GOAWAY).await.is_some());
    go.add_permits(1);
    assert_eq!(peer.find(HEADERS).await.unwrap().payload[0], 0x88, "200");
    assert_eq!(stopping.await.unwrap(), Drain::Complete);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_idle_peer_that_ignores_it() {
    let rig = start(ConnectionLimits::default()).await;
    let _idle = peer(&rig).await;
    let _half = {
        let mut peer = peer(&rig).await;
        assert!(peer.send(HEADERS, 0, 1, &[]).await);
        peer
    };
    let stopped = rig.server.shutdown_within(LIMIT).await;
    assert_eq!(stopped, Drain::Complete);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_runs_at_the_limit_of_a_stop_is_gone_when_it_returns() {
    let rig = start(ConnectionLimits::default()).await;
    let mut peer = peer(&rig).await;
    for stream in [1, 3] {
        assert!(peer.get(stream, "/slow").await);
        rig.arrived.acquire().await.unwrap().forget();
    }
    assert!(peer.get(5, "/blocks").await);
    rig.arrived.acquire().await.unwrap().forget();
    let drain = rig.server.shutdown_within(Duration::from_millis(20)).await;
    assert_eq!((drain, rig.metrics.open()), (Drain::CutOff, 0));
    assert_eq!(Arc::strong_count(&rig.go), 1, "no request has it any more");
}

#[tokio::test]
async fn a_dropped_server_ends_with_its_connections() {
    let rig = start(ConnectionLimits::default()).await;
    let mut peer = peer(&rig).await;
    assert!(peer.get(1, "/slow").await);
    rig.arrived.acquire().await.unwrap().forget();
    drop(rig.server);
    while timeout(LIMIT, peer.next()).await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_panic_ends_one_request_and_no_other() {
    let rig = start(ConnectionLimits::default()).await;
    let sender = client(&rig).await;
    assert!(get(&sender, "/panics").await.is_err());
    assert_eq!(get(&sender, "/").await.unwrap().0, StatusCode::OK);
}

/// As one whose machine has lost its power, or that a firewall has forgotten: nothing closes its socket.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_ping_is_gone_and_so_is_what_it_asked_for() {
    let limits = ConnectionLimits {
        // A request is under way, so it does not idle; this shows that it is not that limit that ends it.
        head_timeout: Duration::from_secs(3_600),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let before = Arc::strong_count(&rig.go);
    let mut peer = peer(&rig).await;
    assert!(peer.get(1, "/slow").await);
    rig.arrived.acquire().await.unwrap().forget();
    assert!(Arc::strong_count(&rig.go) > before);
    let begun = tokio::time::Instant::now();
    assert!(peer.find(PING).await.is_some());
    while peer.next().await.is_some() {}
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    while rig.metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        Arc::strong_count(&rig.go),
        before,
        "nobody has the request any more"
    );
}

/// A client that none of us has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_speaks_http_2_with_prior_knowledge() {
    let rig = start(ConnectionLimits::default()).await;
    let url = format!("http://{}/", rig.server.local_addr());
    let curl = tokio::task::spawn_blocking(move || {
        let arguments = ["-sS", "--http2-prior-knowledge", "-w", " %{http_version}"];
        let mut curl = std::process::Command::new("curl");
        curl.args(arguments).arg(url).output()
    });
    match curl.await.unwrap() {
        Ok(output) if output.status.success() => assert_eq!(output.stdout, b"fine 2"),
        // Without HTTP/2 it says that an option is unknown (2), or a feature missing (4).
        Ok(output) if matches!(output.status.code(), Some(2 | 4)) => {
            eprintln!("SKIPPED: this curl speaks no HTTP/2");
        }
        Ok(output) => panic!("{output:?}"),
        Err(_) => eprintln!("SKIPPED: there is no curl"),
    }
}
