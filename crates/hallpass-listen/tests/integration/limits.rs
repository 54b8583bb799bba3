//! What a connection may take.

use hallpass_listen::ConnectionLimits;
use tokio::net::TcpStream;
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

    send(&mut first, "GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(rest(&mut first).await.ends_with("fine"));
    while rig.metrics.open() == 2 {
        tokio::task::yield_now().await;
    }
    rig.idle().await;
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
