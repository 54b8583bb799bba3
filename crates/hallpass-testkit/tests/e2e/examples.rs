//! `examples/protected` and `examples/caller` against a real issuer, each a process of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use hallpass_testkit::TestIssuer;
use http::StatusCode;

use crate::child::{Example, get};

fn caller<'a>(issuer: &'a str, resource: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("TOKEN_URL", issuer),
        ("CLIENT_ID", TestIssuer::CLIENT_ID),
        ("CLIENT_SECRET", TestIssuer::CLIENT_SECRET),
        ("SCOPE", TestIssuer::SCOPE),
        ("AUDIENCE", TestIssuer::AUDIENCE),
        ("RESOURCE_URL", resource),
    ]
}

fn protected(jwks: &str) -> [(&str, &str); 4] {
    [
        ("ISSUER", "internal"),
        ("AUDIENCE", TestIssuer::AUDIENCE),
        ("JWKS_URL", jwks),
        ("REQUIRED_SCOPE", TestIssuer::SCOPE),
    ]
}

#[tokio::test]
async fn the_caller_gets_a_token_and_the_protected_service_takes_it() {
    let issuer = TestIssuer::start().await.unwrap();
    let protected = Example::start("protected", &protected(&issuer.jwks_url()));
    let orders = protected.url("/orders");
    let caller = Example::start("caller", &caller(&issuer.token_url(), &orders));

    let answer = get(&caller.url("/"), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["sub"], TestIssuer::CLIENT_ID);
    assert_eq!(answer.body["aud"], TestIssuer::AUDIENCE);

    for (token, status) in [(None, 401), (Some("a.b.c"), 401)] {
        assert_eq!(get(&orders, token).await.status, status);
    }
    assert_eq!(
        get(&protected.url("/health"), None).await.status,
        StatusCode::OK
    );
    assert_eq!(
        get(&protected.url("/elsewhere"), None).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn they_start_in_any_order_and_recover_without_a_restart() {
    let mut issuer = TestIssuer::start().await.unwrap();
    issuer.stop().await.unwrap();
    // A port that nobody listens on yet.
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let orders = format!("http://{address}/orders");
    let caller = Example::start("caller", &caller(&issuer.token_url(), &orders));

    let answer = get(&caller.url("/"), None).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.content_type, "application/problem+json");
    assert!(
        answer.body["title"].as_str().unwrap().contains("no token"),
        "{}",
        answer.body
    );

    let _protected = Example::start_at("protected", &address, &protected(&issuer.jwks_url()));
    issuer.restart().await.unwrap();
    // The caller's back-off after a failed token request ends by itself.
    let recovered = async {
        let mut again = tokio::time::interval(Duration::from_millis(50));
        while get(&caller.url("/"), None).await.status != StatusCode::OK {
            again.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), recovered)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_status_of_the_resource_is_passed_on() {
    let issuer = TestIssuer::start().await.unwrap();
    let variables = [("ISSUER", "internal"), ("AUDIENCE", "another-service")];
    let jwks = issuer.jwks_url();
    let protected = Example::start(
        "protected",
        &[&variables[..], &[("JWKS_URL", &jwks)]].concat(),
    );
    let orders = protected.url("/orders");
    let caller = Example::start("caller", &caller(&issuer.token_url(), &orders));
    assert_eq!(
        get(&caller.url("/"), None).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_key_set_may_come_from_a_file() {
    let issuer = TestIssuer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let keys = get(&issuer.jwks_url(), None).await.body;
    std::fs::write(&file, keys.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let variables = [
        ("ISSUER", "internal"),
        ("AUDIENCE", TestIssuer::AUDIENCE),
        ("JWKS_FILE", file),
    ];
    let protected = Example::start("protected", &variables);
    let orders = protected.url("/orders");
    let caller = Example::start("caller", &caller(&issuer.token_url(), &orders));
    assert_eq!(get(&caller.url("/"), None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_service() {
    let issuer = TestIssuer::start().await.unwrap();
    let protected = Example::start_unread("protected", &protected(&issuer.jwks_url()));
    // A line a request: more than any pipe holds.
    let refused = "GET /orders HTTP/1.1\r\nhost: p\r\n\r\n".repeat(4_000);
    let last = "GET /health HTTP/1.1\r\nhost: p\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(protected.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut sending = stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || sending.write_all((refused + last).as_bytes()).is_ok());
    let mut responses = String::new();
    stream.read_to_string(&mut responses).unwrap();
    assert_eq!(responses.matches("HTTP/1.1 401").count(), 4_000);
    assert!(sent.join().unwrap());
}

#[tokio::test]
async fn a_response_that_stops_half_way_ends_as_a_failed_call() {
    let issuer = TestIssuer::start().await.unwrap();
    let half = TcpListener::bind("127.0.0.1:0").unwrap();
    let orders = format!("http://{}/orders", half.local_addr().unwrap());
    // Says that a hundred bytes come, sends ten, and keeps the connection.
    let held = std::thread::spawn(move || {
        let (mut stream, _caller) = half.accept().unwrap();
        let _head = stream.read(&mut [0; 8_192]).unwrap();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789"
        )
        .unwrap();
        stream.read_to_end(&mut Vec::new()).is_ok()
    });
    let caller = Example::start("caller", &caller(&issuer.token_url(), &orders));
    let url = caller.url("/");
    let response = tokio::time::timeout(Duration::from_secs(30), get(&url, None)).await;
    assert_eq!(response.unwrap().status, StatusCode::BAD_GATEWAY);
    drop(caller);
    held.join().unwrap();
}
