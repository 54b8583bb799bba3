//! How a server ends.

use std::io::Write as _;
use std::time::Duration;

use hallpass_listen::{ConnectionLimits, Drain};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::rig::{rest, send, start};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_drain_finishes_requests_in_flight_closes_idle_connections_and_takes_no_new_ones() {
    let rig = start(ConnectionLimits::default()).await;
    let address = rig.server.local_addr();
    let mut idle = rig.idle().await;
    let mut busy = rig.in_flight().await;
    let stopping = tokio::spawn(rig.server.shutdown_within(LIMIT));
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err());
    rig.go.add_permits(1);
    assert!(rest(&mut busy).await.ends_with("fine"));
    assert_eq!(stopping.await.unwrap(), Drain::Complete);
    assert_eq!(rig.metrics.open(), 0);
}

#[tokio::test]
async fn who_was_let_in_before_the_stop_is_answered() {
    let rig = start(ConnectionLimits::default()).await;
    // Nothing is polled before the stop, so that the server has seen none of them.
    let call = |_| {
        let mut stream = std::net::TcpStream::connect(rig.server.local_addr()).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let callers: Vec<_> = (0..50).map(call).collect();
    let stopping = tokio::spawn(rig.server.shutdown_within(LIMIT));
    for caller in callers {
        let mut caller = TcpStream::from_std(caller).unwrap();
        assert!(rest(&mut caller).await.ends_with("fine"));
    }
    assert_eq!(stopping.await.unwrap(), Drain::Complete);
}

#[tokio::test]
async fn what_still_runs_at_the_limit_ends_with_its_connection() {
    let rig = start(ConnectionLimits::default()).await;
    let mut busy = rig.in_flight().await;
    let drain = rig.server.shutdown_within(Duration::from_millis(20)).await;
    assert_eq!(drain, Drain::CutOff);
    assert_eq!(
        rig.metrics.open(),
        0,
        "no request goes on after the shutdown"
    );
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn a_dropped_server_ends_with_all_its_connections() {
    let rig = start(ConnectionLimits::default()).await;
    let (mut idle, mut busy) = (rig.idle().await, rig.in_flight().await);
    drop(rig.server);
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_is_noticed() {
    let mut rig = start(ConnectionLimits::default()).await;
    tokio::select! {
        biased;
        () = rig.server.ended() => panic!("it runs"),
        () = tokio::task::yield_now() => {}
    }
    assert!(!rig.server.has_ended());
    rig.server.abort();
    for _ in 0..2 {
        rig.server.ended().await;
    }
    assert!(rig.server.has_ended());
    assert_eq!(rig.server.shutdown_within(LIMIT).await, Drain::Complete);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_goes_on_behind_a_shutdown_that_has_returned() {
    let rig = start(ConnectionLimits::default()).await;
    let mut busy = rig.connect().await;
    send(&mut busy, "GET /blocks HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.arrived.acquire().await.unwrap().forget();
    let drain = rig.server.shutdown_within(Duration::from_millis(20)).await;
    assert_eq!((drain, rig.metrics.open()), (Drain::CutOff, 0));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_peer_that_never_reads() {
    let rig = start(ConnectionLimits::default()).await;
    let _unread = rig.unread().await;
    let began = Instant::now();
    let drain = rig.server.shutdown_within(Duration::from_secs(60)).await;
    let took = began.elapsed();
    assert_eq!((drain, rig.metrics.stalled()), (Drain::Complete, 1));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_the_rest_of_a_head() {
    let rig = start(ConnectionLimits::default()).await;
    let mut half = rig.connect().await;
    send(&mut half, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    // One that was whole, and still runs after a second.
    let mut slow = rig.in_flight().await;
    let go = rig.go.clone();
    let begun = Instant::now();
    let shutdown = tokio::spawn(rig.server.shutdown_within(Duration::from_secs(60)));
    assert_eq!(rest(&mut half).await, "");
    assert!(begun.elapsed() < Duration::from_secs(30));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    go.add_permits(1);
    assert!(rest(&mut slow).await.ends_with("fine"));
    assert_eq!(shutdown.await.unwrap(), Drain::Complete);
}
