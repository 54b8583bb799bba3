//! Start and stop.

use std::sync::Arc;
use std::time::Duration;

use hallpass_issuer::{Error, IssuerServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Harness, SECRET, basic, read, send, settings, test_clock};

const BODY: &str = "grant_type=client_credentials";

/// The head of a request and the first half of its body.
async fn half_sent(harness: &Harness) -> TcpStream {
    let mut stream = TcpStream::connect(harness.address()).await.unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: i\r\n{form}\r\n{}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        basic("c", SECRET),
        BODY.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server says 100 once it wants the body: from here on the request is in flight.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&BODY.as_bytes()[..10]).await.unwrap();
    stream
}

#[tokio::test]
async fn a_request_in_flight_is_finished_while_new_ones_are_not_taken() {
    let harness = Harness::start().await;
    let address = harness.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut stream = half_sent(&harness).await;
    let stopping = tokio::spawn(harness.issuer.shutdown());
    assert_eq!(
        idle.read(&mut [0; 1]).await.unwrap(),
        0,
        "an idle connection is closed"
    );
    assert!(
        TcpStream::connect(address).await.is_err(),
        "no new connection is taken"
    );
    stream.write_all(&BODY.as_bytes()[10..]).await.unwrap();
    let response = read(&mut stream).await;
    assert_eq!(response.status, 200, "{response:?}");
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_the_limit() {
    let harness = Harness::start().await;
    let _stream = half_sent(&harness).await;
    harness
        .issuer
        .shutdown_within(Duration::from_millis(50))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_second_issuer_on_the_same_address_fails_before_it_touches_a_store() {
    let harness = Harness::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    settings.listen = harness.address();
    let error = IssuerServer::start(&settings, Arc::new(test_clock()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error}");
    assert!(!settings.store.exists());
}

#[tokio::test]
async fn the_router_serves_the_same_endpoints_inside_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    settings.clients = vec![crate::harness::client("c", SECRET, &["read"], &["a"])];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = IssuerServer::load(&settings, address, Arc::new(test_clock()))
        .await
        .unwrap();
    let router = server.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let form = "Content-Type: application/x-www-form-urlencoded".to_owned();
    let bytes = crate::harness::request(
        "POST /oauth2/token",
        &[form, basic("c", SECRET)],
        BODY.as_bytes(),
    );
    assert_eq!(send(address, &bytes).await.status, 200);
    let get = crate::harness::request("GET /oauth2/token", &[], b"");
    assert_eq!(send(address, &get).await.header("allow"), Some("POST"));
}

#[tokio::test]
async fn many_requests_go_over_one_connection() {
    let harness = Harness::start().await;
    let mut stream = TcpStream::connect(harness.address()).await.unwrap();
    let one = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: i\r\nContent-Type: application/x-www-form-urlencoded\r\n{}\r\n\
         Content-Length: {}\r\n",
        basic("c", SECRET),
        BODY.len()
    );
    let pipelined =
        format!("{one}\r\n{BODY}").repeat(9) + &format!("{one}Connection: close\r\n\r\n{BODY}");
    stream.write_all(pipelined.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 10);
    assert_eq!(harness.issuer.tokens_issued(), 10);
}

#[tokio::test]
async fn health_and_metrics_move_to_an_address_of_their_own() {
    let harness = Harness::with(|settings| {
        settings.management_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let elsewhere = harness.issuer.management_addr().unwrap();
    for path in ["/metrics", "/health/live", "/health/ready"] {
        assert_eq!(harness.get(path, &[]).await.status, 404, "{path}");
        let get = crate::harness::request(&format!("GET {path}"), &[], b"");
        assert_eq!(send(elsewhere, &get).await.status, 200, "{path}");
    }
    assert_eq!(harness.get("/oauth2/jwks", &[]).await.status, 200);
    for path in ["/oauth2/jwks", "/oauth2/token"] {
        let get = crate::harness::request(&format!("GET {path}"), &[], b"");
        assert_eq!(send(elsewhere, &get).await.status, 404, "{path}");
    }
    harness.issuer.begin_stopping();
    let get = crate::harness::request("GET /health/ready", &[], b"");
    assert_eq!(send(elsewhere, &get).await.status, 503);
    harness.issuer.shutdown().await.unwrap();
    assert!(TcpStream::connect(elsewhere).await.is_err());
}

#[tokio::test]
async fn a_taken_management_address_is_told_before_the_store_is_touched() {
    let harness = Harness::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    settings.management_listen = Some(harness.address());
    let error = IssuerServer::start(&settings, Arc::new(test_clock()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error}");
    assert!(!settings.store.exists());
}

#[tokio::test]
async fn one_address_has_its_share_of_the_connections() {
    let harness = Harness::with(|settings| settings.connections_per_address = 1).await;
    let _held = half_sent(&harness).await;
    let mut second = TcpStream::connect(harness.address()).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(
        harness.metric("hallpass_issuer_connections_over_share_total"),
        1
    );
}

#[tokio::test]
async fn issuers_that_start_first_at_the_same_time_on_one_store_have_the_same_key() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        settings.algorithm = hallpass_token::Algorithm::Rs256;
        let starts = (0..4).map(|_| IssuerServer::start(&settings, Arc::new(test_clock())));
        let started = futures_util::future::join_all(starts).await;
        let mut key_sets: Vec<_> = started
            .into_iter()
            .map(|issuer| issuer.unwrap().jwks())
            .collect();
        key_sets.dedup();
        assert_eq!(key_sets.len(), 1, "{key_sets:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_was_replaced_or_is_gone_stops_a_reload_and_the_issuer_goes_on() {
    let harness = Harness::start().await;
    let store = &harness.settings.store;
    let aside = store.with_extension("aside");
    std::fs::copy(store, &aside).unwrap();
    std::fs::remove_file(store).unwrap();
    for _ in 0..2 {
        let error = harness.issuer.apply(&harness.settings).await.unwrap_err();
        assert!(error.to_string().contains("restart to use it"), "{error}");
        harness.token().await;
        let _replaced = std::fs::rename(&aside, store);
    }
    harness.restart().await.token().await;
}
