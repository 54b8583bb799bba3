//! What strangers send.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Harness, SECRET, basic, read, request};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn invalid_request() -> (u16, String) {
    (400, "invalid_request".to_owned())
}

#[tokio::test]
async fn refuses_forms_that_cannot_be_read() {
    let harness = Harness::start().await;
    let basic = basic("c", SECRET);
    for body in [
        &b"grant_type=client_credentials&scope=%zz"[..],
        b"grant_type=client_credentials&scope=%",
        b"grant_type=client_credentials&scope=\xff\xfe",
        b"grant_type=client_credentials&scope=%ff",
        b"scope=read",
        b"grant_type=",
        b"{\"grant_type\":\"client_credentials\"}",
    ] {
        let response = harness.post(&[&basic], body).await;
        assert_eq!(
            response.refusal(),
            invalid_request(),
            "{:?}",
            String::from_utf8_lossy(body)
        );
    }
}

#[tokio::test]
async fn refuses_a_parameter_that_comes_twice() {
    let harness = Harness::start().await;
    for extra in [
        "grant_type=client_credentials",
        "scope=read&scope=read",
        "x=1&x=2",
        "client_id=c&client_id=c",
    ] {
        let response = harness
            .ask(&format!("grant_type=client_credentials&{extra}"))
            .await;
        assert_eq!(response.refusal(), invalid_request(), "{extra}");
    }
}

#[tokio::test]
async fn refuses_other_content_types() {
    let harness = Harness::start().await;
    let body = b"grant_type=client_credentials";
    for header in [
        "Content-Type: application/json",
        "Content-Type: text/plain",
        "X-None: 1",
        "Content-Type:",
    ] {
        let bytes = request(
            "POST /oauth2/token",
            &[header.to_owned(), basic("c", SECRET)],
            body,
        );
        assert_eq!(
            harness.send(&bytes).await.refusal(),
            invalid_request(),
            "{header}"
        );
    }
    let twice = [FORM.to_owned(), FORM.to_owned(), basic("c", SECRET)];
    assert_eq!(
        harness
            .send(&request("POST /oauth2/token", &twice, body))
            .await
            .refusal(),
        invalid_request()
    );
}

#[tokio::test]
async fn refuses_two_authorization_headers_and_two_kinds_of_credentials() {
    let harness = Harness::start().await;
    let basic = basic("c", SECRET);
    let body = b"grant_type=client_credentials";
    assert_eq!(
        harness.post(&[&basic, &basic], body).await.refusal(),
        invalid_request()
    );
    let both = format!("grant_type=client_credentials&client_id=c&client_secret={SECRET}");
    assert_eq!(
        harness.post(&[&basic], both.as_bytes()).await.refusal(),
        invalid_request()
    );
}

#[tokio::test]
async fn refuses_a_body_over_the_limit_whether_its_length_is_told_or_not() {
    let harness = Harness::start().await;
    let body = vec![b'a'; 1024 * 1024];
    let told = harness.post(&[&basic("c", SECRET)], &body).await;
    assert_eq!(told.refusal(), (413, "invalid_request".into()));
    for (bytes, status) in [(16 * 1024, 200), (16 * 1024 + 1, 413)] {
        let form = format!("{:a<bytes$}", "grant_type=client_credentials&x=");
        assert_eq!(harness.ask(&form).await.status, status, "{bytes}");
    }

    let mut stream = TcpStream::connect(harness.address()).await.unwrap();
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: i\r\n{FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [&b"1000\r\n"[..], &[b'a'; 0x1000], b"\r\n"].concat();
    for _ in 0..5 {
        stream.write_all(&chunk).await.unwrap();
    }
    assert_eq!(read(&mut stream).await.status, 413);
    assert_eq!(
        harness.ask("grant_type=client_credentials").await.status,
        200
    );
}

#[tokio::test]
async fn answers_other_methods_with_405_and_what_is_allowed() {
    let harness = Harness::start().await;
    for method in [
        "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE",
    ] {
        let response = harness
            .send(&request(&format!("{method} /oauth2/token"), &[], b""))
            .await;
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
}

#[tokio::test]
async fn refuses_heads_that_are_too_large_or_no_http() {
    let harness = Harness::start().await;
    let large = format!("X-Large: {}", "a".repeat(64 * 1024));
    let response = harness.get("/health/live", &[&large]).await;
    assert_eq!(response.status, 431);
    let many: Vec<String> = (0..200).map(|n| format!("X-{n}: 1")).collect();
    assert_eq!(
        harness
            .send(&request("GET /health/live", &many, b""))
            .await
            .status,
        431
    );
    for nonsense in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "POST /oauth2/token HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        assert_eq!(
            harness.send(nonsense.as_bytes()).await.status,
            400,
            "{nonsense:?}"
        );
    }
    assert_eq!(harness.get("/health/live", &[]).await.status, 200);
}

#[tokio::test]
async fn a_body_that_never_arrives_is_given_up() {
    let harness = Harness::start().await;
    tokio::time::pause();
    let mut stream = TcpStream::connect(harness.address()).await.unwrap();
    let head =
        format!("POST /oauth2/token HTTP/1.1\r\nHost: i\r\n{FORM}\r\nContent-Length: 10\r\n\r\nab");
    stream.write_all(head.as_bytes()).await.unwrap();
    let response = tokio::time::timeout(Duration::from_secs(120), read(&mut stream))
        .await
        .unwrap();
    assert_eq!(response.refusal(), (408, "invalid_request".into()));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let harness = Harness::start().await;
    tokio::time::pause();
    let mut stream = TcpStream::connect(harness.address()).await.unwrap();
    stream
        .write_all(b"POST /oauth2/token HTTP/1.1\r\nHost:")
        .await
        .unwrap();
    let response = tokio::time::timeout(Duration::from_secs(300), read(&mut stream))
        .await
        .unwrap();
    assert!(matches!(response.status, 0 | 408), "{response:?}");
}

#[tokio::test]
async fn nothing_that_a_caller_sends_becomes_a_label_of_the_issuer() {
    let harness = Harness::start().await;
    let series = || {
        let text = harness.issuer.metrics();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let names = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        names.collect::<Vec<_>>()
    };
    let mut before = Vec::new();
    for round in 0..5 {
        let invented = format!("invented-{round}");
        let grant = "grant_type=client_credentials";
        harness.ask_as(&invented, "x", grant).await;
        harness.ask_as("c", &invented, grant).await;
        for form in [
            format!("grant_type={invented}"),
            format!("{grant}&scope={invented}"),
            format!("{grant}&audience={invented}"),
            format!("{grant}&resource={invented}"),
            format!("{grant}&{invented}=1"),
            format!("{grant}&client_id={invented}"),
            invented.clone(),
        ] {
            harness.ask(&form).await;
        }
        let condition = format!("If-None-Match: \"{invented}\"");
        harness.get("/oauth2/jwks", &[&condition]).await;
        harness.get(&format!("/{invented}"), &[]).await;
        for line in [
            format!("{invented} /oauth2/token"),
            format!("{invented} /{invented}"),
        ] {
            harness.send(&request(&line, &[], b"")).await;
        }
        if round == 0 {
            before = series();
        }
    }
    assert_eq!(series(), before);
    assert!(before.len() > 20, "{before:?}");
    let named = before.iter().find(|line| line.contains("invented"));
    assert_eq!(named, None);
}

#[tokio::test]
async fn unknown_places_are_not_found() {
    let harness = Harness::start().await;
    for path in [
        "/",
        "/oauth2/token/",
        "/oauth2//token",
        "/oauth2/authorize",
        "/.well-known/jwks.json",
        "/admin/v1",
    ] {
        assert_eq!(harness.get(path, &[]).await.status, 404, "{path}");
    }
}
