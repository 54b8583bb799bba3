//! `docs/internal-call-jwt.md`: what it shows is sent, and what comes back is what stands there.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::{Json, Router, routing::get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::prelude::*;
use hallpass_testkit::{Broken, TestEstate, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::blocks::blocks;

const PAGE: &str = include_str!("../../../../docs/internal-call-jwt.md");
const TOKEN: &str = "{access-token}";

#[tokio::test]
async fn each_request_of_the_page_about_internal_tokens_gets_the_response_that_stands_there() {
    let mut estate = TestEstate::start().await.unwrap();
    let service = service(&mut estate).await;
    let issuer = estate.issuer().address();
    let mut token = None;
    let mut requests = 0;
    for block in blocks(PAGE).iter().filter(|it| it.language == "http") {
        let (request, shown) = block.text.split_once("\n\nHTTP/1.1 ").unwrap();
        let place = match request.contains("Host: service-system:8080") {
            true => service.address(),
            false => issuer,
        };
        let bearer = token.as_deref().unwrap_or(TOKEN);
        let (head, body) = send(place, &request.replace(TOKEN, bearer)).await;
        let (shown_head, shown_body) = shown.split_once("\n\n").unwrap();
        for line in shown_head.lines() {
            let line = line.to_lowercase();
            assert!(head.contains(&line), "line {}: {line}\n{head}", block.line);
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        same(&serde_json::from_str(shown_body).unwrap(), &body);
        if let Some(text) = body["access_token"].as_str() {
            token = Some(text.to_owned());
        }
        requests += 1;
    }
    assert_eq!(requests, 4, "what the page shows");
    let token = token.unwrap();
    let shown = blocks(PAGE).into_iter().filter(|it| it.language == "json");
    let parts = token.split('.').take(2).map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    });
    for (shown, part) in shown.zip(parts) {
        same(&serde_json::from_str(&shown.text).unwrap(), &part);
        for name in part.as_object().unwrap().keys() {
            assert!(named_in_tables().contains(name.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_service_answers_each_kind_of_token_as_the_page_says() {
    let mut estate = TestEstate::start().await.unwrap();
    let service = service(&mut estate).await;
    let of_a_service = || estate.token_of_service("internal-service-client", "service-system");
    let good = of_a_service().token().unwrap().expose().to_owned();
    let mut expected = vec![
        ("none", None, 401, ""),
        ("good |", Some(good.clone()), 200, ""),
        ("expired, ", Some(format!("{good}x")), 401, "invalid_token"),
        (
            "good, but without",
            Some(
                of_a_service()
                    .scope("other")
                    .token()
                    .unwrap()
                    .expose()
                    .to_owned(),
            ),
            403,
            "insufficient_scope",
        ),
        (
            "good, but a user's",
            Some(
                estate
                    .token_of_user("alice")
                    .scope("internal-service")
                    .token()
                    .unwrap()
                    .expose()
                    .to_owned(),
            ),
            403,
            "service_required",
        ),
    ];
    for broken in Broken::ALL {
        let token = of_a_service().broken(broken).unwrap();
        expected.push(("expired, ", Some(token), 401, "invalid_token"));
    }
    for (row, token, status, word) in expected {
        let line = PAGE
            .lines()
            .find(|line| line.starts_with(&format!("| {row}")))
            .unwrap();
        assert!(line.contains(&format!("| {status} |")), "{line}");
        assert!(line.contains(word), "{line}");
        let token = token.map(|token| format!("\nAuthorization: Bearer {token}"));
        let request = format!(
            "GET /internal/settings HTTP/1.1\nHost: service-system:8080{}",
            token.unwrap_or_default()
        );
        let (head, body) = send(service.address(), &request).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{row}: {head}"
        );
        assert!(
            head.contains(word) || body.contains(word),
            "{row}: {head}{body}"
        );
        let has_error = head.contains("error=");
        assert_eq!(has_error, !word.is_empty(), "{row}: {head}");
    }
}

async fn service(estate: &mut TestEstate) -> TestServer {
    let rules =
        "hallpass: { security: { internal-jwt: { internal-only: { paths: ['/internal/**'] } } } }";
    let hallpass = estate
        .service("service-system")
        .with(rules)
        .build()
        .await
        .unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let settings = async |caller: Caller| Json(json!({"for": caller.subject().to_string()}));
    let router = Router::new()
        .route("/internal/settings", get(settings))
        .layer(guard.layer());
    TestServer::start(router).await.unwrap()
}

/// Head, in small letters, and body of the response.
async fn send(place: SocketAddr, request: &str) -> (String, String) {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let length = body.trim_end().len();
    let head = head.replace('\n', "\r\n");
    let bytes = format!(
        "{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{}",
        body.trim_end()
    );
    let mut stream = TcpStream::connect(place).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// The same members with the same values; a text in braces stands for any.
#[track_caller]
fn same(shown: &Value, found: &Value) {
    let (shown, found) = (shown.as_object().unwrap(), found.as_object().unwrap());
    let names = |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(shown), names(found));
    for (name, value) in shown {
        let is_any = value.as_str().is_some_and(|it| it.starts_with('{'));
        assert!(is_any || *value == found[name], "{name}: {}", found[name]);
    }
}

/// The names in the first column of the tables of fields.
fn named_in_tables() -> BTreeSet<&'static str> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|line| {
        let first = line.split(" | ").next().unwrap_or_default();
        first.split('`').skip(1).step_by(2)
    })
    .collect()
}
