//! Strangers who have signatures checked, and who is served meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

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
