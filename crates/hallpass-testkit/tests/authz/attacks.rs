//! What an attacker tries through a proxy, against the proxy's questions, and without one.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::estate::{Estate, send, token_of};

const FORWARD: [&str; 6] = [
    "GET /authz/forward HTTP/1.1",
    "Host: authz",
    "X-Forwarded-Method: GET",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: shop.example",
    "X-Forwarded-Uri: /public/a",
];
const NGINX: [&str; 5] = [
    "GET /authz/nginx HTTP/1.1",
    "Host: authz",
    "X-Original-Method: GET",
    "X-Original-URI: /public/a",
    "X-Original-Host: shop.example",
];

#[tokio::test]
async fn what_a_proxy_leaves_out_or_says_twice_is_never_guessed() {
    let estate = Estate::start().await;
    for question in [&FORWARD[..], &NGINX[..]] {
        assert_eq!(estate.ask(question).await.status, 200);
        for at in 2..question.len() {
            let without = question.iter().enumerate();
            let without: Vec<_> = without
                .filter(|(it, _)| *it != at)
                .map(|(_, line)| *line)
                .collect();
            assert_eq!(
                estate.ask(&without).await.status,
                400,
                "without {}",
                question[at]
            );
            let mut twice = question.to_vec();
            twice.push(question[at]);
            assert_eq!(
                estate.ask(&twice).await.status,
                400,
                "twice {}",
                question[at]
            );
            let name = question[at].split(':').next().unwrap();
            let empty = format!("{name}:");
            let mut emptied = question.to_vec();
            emptied[at] = &empty;
            assert_eq!(estate.ask(&emptied).await.status, 400, "empty {name}");
        }
    }
    let faults =
        estate.sample("hallpass_authz_faults_total{protocol=\"forward\",fault=\"several\"}");
    assert!(faults >= 4.0, "{faults}");
}

#[tokio::test]
async fn what_says_something_else_than_a_protocols_own_headers_is_not_believed() {
    let estate = Estate::start().await;
    // Each names an open path or another method in words that some program understands.
    let forged = [
        "X-Original-URI: /public/a",
        "X-Original-Method: GET",
        "X-Original-Host: shop.example",
        "X-Forwarded-Uri: /public/a",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Path: /public/a",
        "X-Forwarded-Prefix: /public",
        "X-Rewrite-URL: /public/a",
        "X-Original-URL: /public/a",
        "X-HTTP-Method-Override: GET",
        "X-Method-Override: GET",
        "Forwarded: host=shop.example;proto=https",
        "X_Forwarded_Uri: /public/a",
        "X-Envoy-Original-Path: /public/a",
    ];
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    let mut lines = vec![
        "DELETE /authz/envoy/orders/7 HTTP/1.1",
        "Host: shop.example",
        &line,
    ];
    assert_eq!(estate.ask(&lines).await.status, 403);
    lines.extend(forged);
    assert_eq!(estate.ask(&lines).await.status, 403);
    // The same through the others, whose own headers stand.
    let own = |question: &[&'static str], keep: &str| {
        let mut lines: Vec<&str> = question.to_vec();
        for it in &mut lines {
            if it.ends_with("/public/a") {
                *it = if keep == "x-forwarded" {
                    "X-Forwarded-Uri: /orders/7"
                } else {
                    "X-Original-URI: /orders/7"
                };
            }
        }
        let forged = forged
            .into_iter()
            .filter(|it| !it.to_ascii_lowercase().starts_with(keep));
        lines.extend(forged);
        lines
    };
    assert_eq!(estate.ask(&own(&FORWARD, "x-forwarded")).await.status, 401);
    assert_eq!(estate.ask(&own(&NGINX, "x-original")).await.status, 401);
}

#[tokio::test]
async fn no_way_to_write_a_path_leads_out_of_its_rule_or_its_prefix() {
    let estate = Estate::start().await;
    for path in [
        "/public/../orders/7",
        "/public/%2e%2e/orders/7",
        "/public/..%2forders/7",
        "/public/..;/orders/7",
        "/public//../orders/7",
        "/public/\\..\\orders",
        "/../nginx",
        "/%2e%2e/%2e%2e/health/live",
        "//public/a",
        "*",
        "",
        "public/a",
        "?/public/a",
    ] {
        let line = format!("GET /authz/envoy{path} HTTP/1.1");
        let answer = estate.ask(&[&line, "Host: shop.example"]).await;
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        let line = format!("X-Forwarded-Uri: {path}");
        let mut lines = FORWARD.to_vec();
        lines[5] = &line;
        let answer = estate.ask(&lines).await;
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
    // What stands behind a fragment is cut off by some programs and kept by others.
    let mut lines = FORWARD.to_vec();
    lines[5] = "X-Forwarded-Uri: /public/a#/../../orders/7";
    assert_eq!(estate.ask(&lines).await.status, 400);
    lines[5] = "X-Forwarded-Uri: http://shop.example/public/a";
    assert_eq!(estate.ask(&lines).await.status, 400);
    lines[5] = "X-Forwarded-Uri: /public/a, /orders/7";
    assert_eq!(estate.ask(&lines).await.status, 400);
    let mut lines = FORWARD.to_vec();
    lines[4] = "X-Forwarded-Host: shop.example, evil.example";
    assert_eq!(estate.ask(&lines).await.status, 400);
    lines[4] = FORWARD[4];
    lines[3] = "X-Forwarded-Proto: https, http";
    assert_eq!(estate.ask(&lines).await.status, 400);
}

#[tokio::test]
async fn nothing_but_a_permission_has_a_status_of_2xx_where_proxies_ask() {
    let estate = Estate::start_with("").await;
    for path in [
        "/",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/authz",
        "/authz/",
        "/authz/nginx/",
        "/authz/forwarded",
        "/authz/envoy",
        "/authz/envoypublic/a",
        "/.well-known/oauth-protected-resource",
        "/envoy.service.auth.v3.Authorization/Check",
        "/grpc.health.v1.Health/Check",
        "/authz/envoy/.well-known/oauth-protected-resource",
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            let line = format!("{method} {path} HTTP/1.1");
            let answer = estate.ask(&[&line, "Host: a"]).await;
            assert!(answer.status >= 400, "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_document_of_the_resource_server_is_no_permission() {
    let estate = Estate::start().await;
    let yaml = estate.yaml.replace(
        "internal-jwt:\n",
        "internal-jwt:\n      resource: https://shop.example\n",
    );
    estate.hallpass.apply(&crate::estate::load(&yaml)).unwrap();
    let path = "/.well-known/oauth-protected-resource";
    for (protocol, answer) in crate::protocols::by_each(&estate, ["GET", path], &[]).await {
        let expected = if protocol == "nginx" { 403 } else { 404 };
        assert_eq!(answer.status, expected, "{protocol}: {answer:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_no_trusted_proxy_gets_no_answer_at_all() {
    let mut estate = Estate::start().await;
    let question = b"GET /authz/envoy/public/a HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut open = TcpStream::connect(estate.authz.local_addr()).await.unwrap();
    open.write_all(question).await.unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    let yaml = estate
        .yaml
        .replace("  authz:\n", "  authz:\n    trusted-proxies: 10.0.0.0/8\n");
    let settings = crate::estate::load(&yaml);
    estate
        .authz
        .apply(&settings, Default::default())
        .await
        .unwrap();
    assert!(send(estate.authz.local_addr(), question).await.is_none());
    assert!(estate.sample("hallpass_authz_untrusted_total") >= 1.0);
    // A connection that was let in before is let go.
    open.write_all(question).await.unwrap();
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(
        rest.contains("HTTP/1.1 403") && rest.contains("untrusted_proxy"),
        "{rest}"
    );
}

#[tokio::test]
async fn a_head_without_end_and_a_body_that_never_comes_cost_nobody_a_decision() {
    let estate = Estate::start().await;
    let filler = format!("X-Filler: {}", "a".repeat(70_000));
    let huge = estate
        .ask(&["GET /authz/envoy/public/a HTTP/1.1", "Host: a", &filler])
        .await;
    assert_eq!(huge.status, 431);
    // nginx sends the length of a body that it does not send; the answer must not wait for it.
    let mut lines = NGINX.to_vec();
    lines.push("Content-Length: 1000000");
    let answer = tokio::time::timeout(Duration::from_secs(5), estate.ask(&lines)).await;
    assert_eq!(answer.unwrap().status, 200);
    // Half a head holds a connection and nothing else.
    let mut slow = TcpStream::connect(estate.authz.local_addr()).await.unwrap();
    slow.write_all(b"GET /authz/envoy/public/a HT")
        .await
        .unwrap();
    assert_eq!(estate.ask(&NGINX).await.status, 200);
}

#[tokio::test]
async fn two_tokens_or_a_proxys_own_certificate_are_no_identity() {
    let estate = Estate::start().await;
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    for (protocol, answer) in
        crate::protocols::by_each(&estate, ["GET", "/orders/7"], &[&line, &line]).await
    {
        let expected = if protocol == "nginx" { 403 } else { 400 };
        assert_eq!(answer.status, expected, "{protocol}: {answer:?}");
    }
}
