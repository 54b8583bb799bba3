//! Strangers who have signatures checked, and who is served meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{READ, Rig, bearer, problem, refused};
use crate::audit::Log;
use crate::harness::{Response, read, request};

/// As many as one address has at once: 20 first attempts, and 100 beyond.
const AT_ONCE: usize = 120;

/// The token of somebody else with a signature of the sender's own.
fn forged(token: &str, number: usize) -> String {
    let signature = token.rfind('.').unwrap() + 1;
    format!(
        "{}{number:012}{}",
        &token[..signature],
        &token[signature + 12..]
    )
}

/// A request from another address of this machine.
async fn from(address: &str, rig: &Rig, token: &str) -> Response {
    let socket = TcpSocket::new_v4().unwrap();
    let from: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(from).unwrap();
    let mut stream = socket.connect(rig.address()).await.unwrap();
    let headers = [bearer(token), format!("Host: {}", rig.address())];
    let bytes = request("GET /admin/v1/status", &headers, b"");
    stream.write_all(&bytes).await.unwrap();
    read(&mut stream).await
}

#[tokio::test]
async fn an_address_has_so_many_signatures_checked_and_keeps_no_administrator_waiting_elsewhere() {
    let (log, guard) = Log::begin();
    let rig = Rig::start().await;
    let known = rig.ops().await;
    assert_eq!(from("127.0.0.1", &rig, &known).await.status, 200);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for number in 0..AT_ONCE + 80 {
        let response = from("127.0.0.1", &rig, &forged(&known, number)).await;
        *statuses.entry(response.status).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(401, AT_ONCE), (429, 80)]));
    let fresh = rig.token("viewer", READ).await;
    let response = from("127.0.0.1", &rig, &fresh).await;
    assert_eq!(response.header("retry-after"), Some("2"));
    assert_eq!(problem(&response), refused(429, "too_many_attempts"));
    // Who was let in with this token goes on, and whoever comes from elsewhere.
    assert_eq!(from("127.0.0.1", &rig, &known).await.status, 200);
    for token in [&known, &fresh] {
        assert_eq!(from("127.0.0.2", &rig, token).await.status, 200);
    }
    // What is wrong with the admin address is no matter of the client's at the token endpoint.
    assert!(!rig.ops().await.is_empty());
    rig.harness.clock.advance(Duration::from_millis(50));
    assert_eq!(from("127.0.0.1", &rig, &fresh).await.status, 200, "by time");
    drop(guard);
    rig.harness.issuer.shutdown().await.unwrap();
    let events = log.events();
    let count = |name: &str| {
        let events = events.iter();
        events
            .filter(|event| event["fields"]["event"] == name)
            .count()
    };
    assert_eq!(count("locked_out"), 1, "however many follow");
    assert_eq!(
        count("administration"),
        AT_ONCE,
        "one a token that was checked"
    );
}

/// Whether an administrator is served on a connection that goes on.
async fn is_served(stream: &mut TcpStream, token: &str) -> bool {
    let head = format!(
        "GET /admin/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n\r\n",
        bearer(token)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // The response is an object, and all of it ends with this line.
    while !received.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
    }
    received.starts_with(b"HTTP/1.1 200 ")
}

/// Half a head from this address, again each time that the connection is closed.
fn hold_a_place(address: &str, to: SocketAddr) -> JoinHandle<()> {
    let from: SocketAddr = format!("{address}:0").parse().unwrap();
    tokio::spawn(async move {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(from).unwrap();
            if let Ok(mut stream) = socket.connect(to).await {
                let _closed = stream.write_all(b"GET /admin/v1/status HTTP/1.1\r\n").await;
                let _closed = stream.read(&mut [0]).await;
            }
            // No network brings him back sooner.
            sleep(Duration::from_millis(10)).await;
        }
    })
}

#[tokio::test]
async fn who_opens_all_connections_and_says_nothing_keeps_no_administrator_out() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    // Let in before: this connection is never the one that is closed.
    let mut known = TcpStream::connect(rig.address()).await.unwrap();
    assert!(is_served(&mut known, &token).await);
    let holders = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"].map(|address| {
        let holders = (0..16).map(|_| hold_a_place(address, rig.address()));
        holders.collect::<Vec<_>>()
    });
    // Another address, and one of those that have all that they may have.
    for round in 0..40 {
        let address = ["127.0.0.9", "127.0.0.2"][round % 2];
        let asked = timeout(Duration::from_secs(2), from(address, &rig, &token));
        let response = asked.await.unwrap_or_else(|_| panic!("{address}: {round}"));
        assert_eq!(response.status, 200, "{address}: {round}");
    }
    assert!(is_served(&mut known, &token).await);
    holders.iter().flatten().for_each(JoinHandle::abort);
    rig.harness.issuer.shutdown().await.unwrap();
}
