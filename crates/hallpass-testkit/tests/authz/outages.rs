//! What the decisions are while something is missing.

use std::time::Duration;

use hallpass_testkit::{Fault, FaultProxy};

use crate::estate::{Estate, load, token_of};
use crate::protocols::by_each;

#[tokio::test]
async fn an_issuer_that_is_down_costs_tokens_for_upstreams_and_no_decision_that_needs_none() {
    let mut estate = Estate::start().await;
    estate.resource.load_keys().await.unwrap();
    estate.issuer.stop().await.unwrap();
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    for (path, status) in [
        ("/orders/7", 200),
        ("/public/a", 200),
        ("/alone/1", 200),
        ("/logistics/1", 503),
        ("/stock/1", 503),
    ] {
        for (protocol, answer) in by_each(&estate, ["GET", path], &[&line]).await {
            assert_eq!(answer.status, status, "{protocol} {path}: {answer:?}");
            if status == 503 {
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.header("authorization"), None);
                assert_eq!(answer.header("x-user-id"), None);
            }
        }
    }
    estate.issuer.restart().await.unwrap();
    loop {
        let answers = by_each(&estate, ["GET", "/stock/1"], &[&line]).await;
        if answers.iter().all(|(_, answer)| answer.status == 200) {
            break;
        }
    }
}

#[tokio::test]
async fn a_token_that_does_not_come_ends_the_request_within_the_limit() {
    let estate = Estate::start().await;
    let mut network = FaultProxy::start(estate.issuer.address()).await.unwrap();
    let yaml = estate.yaml.replace(
        &format!("token-url: '{}'", estate.issuer.token_url()),
        &format!("token-url: 'http://{}/oauth2/token'", network.address()),
    );
    assert_ne!(yaml, estate.yaml);
    network.set(Fault::BlackHole).await;
    estate.hallpass.apply(&load(&yaml)).unwrap();
    let mut authz = estate.authz;
    let yaml = yaml.replace("  authz:\n", "  authz:\n    decision-timeout-ms: 300\n");
    authz.apply(&load(&yaml), Default::default()).await.unwrap();
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    let lines = [
        "GET /authz/envoy/logistics/1 HTTP/1.1",
        "Host: shop.example",
        &line,
    ];
    let asked = crate::estate::ask(authz.local_addr(), &lines);
    let answer = tokio::time::timeout(Duration::from_secs(2), asked)
        .await
        .unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
}

#[tokio::test]
async fn another_plan_counts_from_the_next_question_on() {
    let mut estate = Estate::start_with("").await;
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    let yaml = estate.yaml.replace("identity: none", "identity: relay");
    estate
        .authz
        .apply(&load(&yaml), Default::default())
        .await
        .unwrap();
    let lines = [
        "GET /authz/nginx HTTP/1.1",
        "Host: authz",
        "X-Original-Method: GET",
        "X-Original-URI: /alone/1",
        "X-Original-Host: a",
        &line,
    ];
    let relayed = estate.ask(&lines).await;
    assert!(
        relayed
            .header("authorization")
            .is_some_and(|it| it.starts_with("Bearer "))
    );
}

/// It may be the upstream's that must not see the token.
#[tokio::test]
async fn a_path_with_two_meanings_that_passes_for_its_mode_takes_no_token_along() {
    let estate = Estate::start().await;
    let yaml = estate
        .yaml
        .replace("      routes:", "      mode: report\n      routes:");
    estate.hallpass.apply(&load(&yaml)).unwrap();
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    for path in ["/stock//1", "/orders/%2e%2e/stock/1"] {
        for (protocol, answer) in by_each(&estate, ["GET", path], &[&line]).await {
            assert_eq!(answer.status, 200, "{protocol} {path}: {answer:?}");
            let told = answer.header("authorization");
            match answer.header("x-envoy-auth-headers-to-remove") {
                Some(removed) => {
                    assert_eq!(told, None, "{protocol} {path}");
                    assert!(removed.split(',').any(|it| it == "authorization"));
                }
                None => assert_eq!(told, Some(""), "{protocol} {path}"),
            }
        }
    }
}
