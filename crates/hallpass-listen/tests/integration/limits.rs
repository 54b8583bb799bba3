//! What a connection may take.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{ConnectionLimits, HttpServer};
use http::Response;
use http_body_util::Full;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::rig::{rest, send, start};

#[tokio::test]
async fn a_connection_too_many_is_closed_as_it_comes_and_its_place_is_free_again() {
    let limits = ConnectionLimits {
        connections: 2,
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let (mut first, _second) = (rig.idle().await, rig.idle().await);
    assert_eq!((rig.metrics.open(), rig.metrics.refused()), (2, 0));
    assert_eq!(rest(&mut rig.connect().await).await, "");
    assert_eq!((rig.metrics.open(), rig.metrics.refused()), (2, 1));

    send(
        &mut first,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(rest(&mut first).await.ends_with("fine"));
    while rig.metrics.open() == 2 {
        tokio::task::yield_now().await;
    }
    rig.idle().await;
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let limits = ConnectionLimits {
        connections_per_address: 2,
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let held = (rig.idle().await, rig.idle().await);
    assert_eq!(rest(&mut rig.connect().await).await, "");
    assert_eq!((rig.metrics.over_share(), rig.metrics.refused()), (1, 0));
    // Another address of the loopback network.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = socket.connect(rig.server.local_addr()).await.unwrap();
    other.writable().await.unwrap();
    while rig.metrics.open() < 3 {
        tokio::task::yield_now().await;
    }
    drop(held);
    while rig.metrics.open() > 1 {
        tokio::task::yield_now().await;
    }
    rig.idle().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_loses_its_place() {
    let limits = ConnectionLimits {
        write_timeout: Duration::from_millis(50),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let _unread = rig.unread().await;
    while rig.metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.metrics.stalled(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_not_one_that_does_not_read() {
    let limits = ConnectionLimits {
        write_timeout: Duration::from_millis(10),
        ..ConnectionLimits::default()
    };
    let rig = start(limits).await;
    let mut slow = rig.in_flight().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.go.add_permits(1);
    send(
        &mut slow,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(rest(&mut slow).await.matches("fine").count(), 2);
    assert_eq!(rig.metrics.stalled(), 0);
}

#[tokio::test]
async fn a_panic_while_a_service_is_made_ends_that_connection_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let calls = AtomicUsize::new(0);
    let server = HttpServer::new(listener)
        .serve(move |_peer| {
            assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "the first one");
            tower::service_fn(|_request| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"fine"))))
            })
        })
        .unwrap();
    let mut first = TcpStream::connect(server.local_addr()).await.unwrap();
    assert_eq!(rest(&mut first).await, "");
    let mut second = TcpStream::connect(server.local_addr()).await.unwrap();
    send(
        &mut second,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(rest(&mut second).await.ends_with("fine"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_with_431() {
    let rig = start(ConnectionLimits::default()).await;
    let mut stream = rig.connect().await;
    let large = "a".repeat(ConnectionLimits::default().head_bytes);
    send(
        &mut stream,
        &format!("GET / HTTP/1.1\r\nx: {large}\r\n\r\n"),
    )
    .await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_that_does_not_end_and_an_idle_connection_are_closed_at_the_time_limit() {
    let rig = start(ConnectionLimits::default()).await;
    let began = Instant::now();
    let mut slow = rig.connect().await;
    send(&mut slow, "GET / HTTP/1.1\r\n").await;
    closed_by_the_clock(&mut slow, began).await;

    let began = Instant::now();
    let mut idle = rig.idle().await;
    closed_by_the_clock(&mut idle, began).await;
}

/// Lets the clock jump to the next timer whenever nothing else is left to do, until the server closes `stream`.
///
/// Only now, and not from the start: bytes that are on their way between two sockets are something else to do, and
/// the runtime does not see them.
async fn closed_by_the_clock(stream: &mut TcpStream, began: Instant) {
    tokio::time::pause();
    rest(stream).await;
    let took = began.elapsed();
    tokio::time::resume();
    assert!(took >= ConnectionLimits::default().head_timeout, "{took:?}");
}

#[tokio::test]
async fn no_limit_is_too_large_or_too_small_to_serve() {
    let default = ConnectionLimits::default();
    let (most, longest) = (usize::MAX, Duration::MAX);
    let limits = [
        ConnectionLimits {
            connections: most,
            ..default
        },
        ConnectionLimits {
            connections_per_address: most,
            ..default
        },
        ConnectionLimits {
            handshake_timeout: longest,
            ..default
        },
        ConnectionLimits {
            head_timeout: longest,
            ..default
        },
        ConnectionLimits {
            write_timeout: longest,
            ..default
        },
        ConnectionLimits {
            head_bytes: most,
            ..default
        },
        ConnectionLimits {
            buffer_bytes: most,
            ..default
        },
        ConnectionLimits {
            buffer_bytes: 0,
            ..default
        },
        ConnectionLimits {
            write_timeout: Duration::ZERO,
            ..default
        },
    ];
    for limits in limits {
        let rig = start(limits).await;
        let mut caller = rig.connect().await;
        send(
            &mut caller,
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
        assert!(rest(&mut caller).await.ends_with("fine"), "{limits:?}");
        rig.server.shutdown_within(Duration::MAX).await;
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused_and_ends_its_connection() {
    let rig = start(ConnectionLimits::default()).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\nhost: x\r\nconnection: close", 200),
        ("GET / HTTP/1.0", 200),
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nhost: x\r\nhost: y", 400),
        ("GET http://x/ HTTP/1.1\r\nhost: x/y", 400),
    ] {
        let mut caller = rig.connect().await;
        send(&mut caller, &format!("{head}\r\n\r\n")).await;
        let response = rest(&mut caller).await;
        let begins = response.split(' ').nth(1).unwrap();
        assert_eq!(begins, status.to_string(), "{head}");
        assert_eq!(response.ends_with("fine"), status == 200, "{head}");
    }
}
