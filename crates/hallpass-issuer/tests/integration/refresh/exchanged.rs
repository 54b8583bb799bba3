//! Refresh tokens that came with an exchange: the chain ends with the token that it began with, and with those who act in it.

use hallpass_issuer::ExchangeRule;
use hallpass_token::TokenClaims;

use super::*;
use crate::token_exchange::{alice, estate, exchange, signed, start_with};

async fn start() -> Harness {
    start_with(|settings| {
        estate(settings);
        for client in &mut settings.clients {
            client.grant_types = GRANTS.into_iter().collect();
        }
    })
    .await
}

const GRANTS: [GrantType; 3] = [
    GrantType::ClientCredentials,
    GrantType::TokenExchange,
    GrantType::RefreshToken,
];

/// `order` acts for alice at `logistics`.
async fn of_alice(harness: &Harness) -> Response {
    let query = "&audience=logistics";
    exchange(harness, "order", &signed(&alice()), query).await
}

/// `logistics` acts for alice at `billing`, after `order` did.
async fn of_alice_by_two(harness: &Harness) -> Response {
    let token = of_alice(harness).await.token();
    exchange(harness, "logistics", &token, "&audience=billing").await
}

async fn claims(harness: &Harness, response: &Response, audience: &str) -> Value {
    let claims = harness.verify(&response.token(), audience).await.unwrap();
    serde_json::to_value(&claims).unwrap()
}

#[tokio::test]
async fn subject_actors_and_scope_stay_and_the_chain_ends_with_the_subject_s_token() {
    let harness = start().await;
    let first = of_alice_by_two(&harness).await;
    let before = claims(&harness, &first, "billing").await;
    let mut last = first;
    for _ in 0..4 {
        harness.clock.advance(Duration::from_secs(50));
        last = refresh_as(&harness, "logistics", &refresh_token(&last), "").await;
        let now = claims(&harness, &last, "billing").await;
        for name in ["sub", "act", "scope", "exp", "client_id"] {
            assert_eq!(now[name], before[name], "{name}");
        }
    }
    assert_eq!(last.json()["expires_in"], 100);
    assert_eq!(last.json()["issued_token_type"], Value::Null);
    assert_eq!(before["act"]["act"]["sub"], "order");
    let token = refresh_token(&last);
    let told = about(&harness, "/oauth2/introspect", "logistics", &token).await;
    assert_eq!(told.json()["exp"], NOW + 300);
    assert_eq!(told.json()["sub"], "alice");
    harness.clock.advance(Duration::from_secs(100));
    let response = refresh_as(&harness, "logistics", &token, "").await;
    refused(&harness, response, "invalid_refresh_token").await;
}

#[tokio::test]
async fn whoever_has_many_tokens_exchanged_takes_nothing_from_other_users() {
    let harness = start_with(|settings| {
        estate(settings);
        settings.refresh_tokens_per_client = 4;
        settings.refresh_tokens_per_subject = 2;
        for client in &mut settings.clients {
            client.grant_types = GRANTS.into_iter().collect();
        }
    })
    .await;
    let of = async |name: &str| {
        let mut claims = alice();
        claims.subject = name.parse().unwrap();
        let response = exchange(&harness, "order", &signed(&claims), "&audience=logistics").await;
        harness.clock.advance(Duration::from_secs(1));
        refresh_token(&response)
    };
    let of_alice = of("alice").await;
    let mut of_mallory = Vec::new();
    for _ in 0..6 {
        of_mallory.push(of("mallory").await);
    }
    for gone in &of_mallory[..4] {
        let response = refresh_as(&harness, "order", gone, "").await;
        refused(&harness, response, "invalid_refresh_token").await;
    }
    for good in of_mallory[4..].iter().chain([&of_alice]) {
        let response = refresh_as(&harness, "order", good, "").await;
        assert_eq!(response.status, 200, "{response:?}");
    }
}

#[tokio::test]
async fn it_ends_when_somebody_who_acts_in_it_is_disabled_or_revoked() {
    let mut harness = start().await;
    let token = refresh_token(&of_alice_by_two(&harness).await);
    let all = harness.settings.clients.clone();
    harness
        .settings
        .clients
        .retain(|it| it.client_id != "order");
    harness.issuer.apply(&harness.settings).await.unwrap();
    let response = refresh_as(&harness, "logistics", &token, "").await;
    refused(&harness, response, "refresh_actor_disabled").await;
    harness.settings.clients = all;
    harness.issuer.apply(&harness.settings).await.unwrap();
    let again = refresh_as(&harness, "logistics", &token, "").await;
    assert_eq!(again.status, 200, "{again:?}");
    let target = RevocationTarget::Client {
        id: "order".into(),
        only_issued: false,
    };
    operator(&harness, target).await.unwrap();
    wait_for_entries(&harness, 1).await;
    let response = refresh_as(&harness, "logistics", &refresh_token(&again), "").await;
    assert_eq!(response.refusal(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn an_actor_of_long_ago_counts_too() {
    let harness = start_with(|settings| {
        estate(settings);
        for client in &mut settings.clients {
            client.grant_types = GRANTS.into_iter().collect();
        }
        let back = super::super::token_exchange::rule(
            &[hallpass_issuer::SubjectKind::User],
            &["order"],
            "read",
        );
        settings.clients[2].exchange = vec![ExchangeRule {
            subject_audiences: vec!["billing".parse().unwrap()],
            ..back
        }];
    })
    .await;
    let by_two = of_alice_by_two(&harness).await.token();
    let by_three = exchange(&harness, "batch", &by_two, "&audience=order").await;
    let token = refresh_token(&by_three);
    let mut settings = harness.settings.clone();
    settings.clients.retain(|it| it.client_id != "order");
    harness.issuer.apply(&settings).await.unwrap();
    let response = refresh_as(&harness, "batch", &token, "").await;
    refused(&harness, response, "refresh_actor_disabled").await;
}

#[tokio::test]
async fn it_ends_with_the_rule_that_allowed_it() {
    let mut harness = start().await;
    let token = refresh_token(&of_alice(&harness).await);
    let rules = harness.settings.clients[0].exchange.clone();
    let kept: Vec<_> = rules[1..].to_vec();
    harness.settings.clients[0].exchange = kept;
    harness.issuer.apply(&harness.settings).await.unwrap();
    let response = refresh_as(&harness, "order", &token, "").await;
    refused(&harness, response, "unregistered_target").await;
    harness.settings.clients[0].exchange = vec![super::super::token_exchange::rule(
        &[hallpass_issuer::SubjectKind::Service],
        &["logistics"],
        "read",
    )];
    harness.issuer.apply(&harness.settings).await.unwrap();
    let response = refresh_as(&harness, "order", &token, "").await;
    refused(&harness, response, "refresh_not_allowed").await;
    harness.settings.clients[0].exchange = rules;
    harness.settings.clients[0].exchange[0].scope = "read".parse().unwrap();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let less = refresh_as(&harness, "order", &token, "").await;
    assert_eq!(less.json()["scope"], "read");
}

#[tokio::test]
async fn it_ends_when_the_subject_or_its_token_is_revoked() {
    let of_token = |claims: &TokenClaims| {
        let id = claims.token_id.as_ref().unwrap();
        RevocationTarget::Token(id.as_str().to_owned())
    };
    let mut named = alice();
    named.token_id = Some("jti-of-alice".parse().unwrap());
    let by_subject = RevocationTarget::Subject {
        name: "alice".into(),
        only_issued: true,
    };
    let by_client = RevocationTarget::Client {
        id: "web".into(),
        only_issued: false,
    };
    for target in [of_token(&named), by_subject, by_client] {
        let harness = start().await;
        let subject_token = signed(&named);
        let first = exchange(&harness, "order", &subject_token, "&audience=logistics").await;
        operator(&harness, target.clone()).await.unwrap();
        wait_for_entries(&harness, 1).await;
        let response = refresh_as(&harness, "order", &refresh_token(&first), "").await;
        refused(&harness, response, "revoked_refresh_token").await;
    }
}

#[tokio::test]
async fn the_store_has_neither_the_token_nor_whom_it_is_about_in_clear() {
    let harness = start().await;
    let mut named = alice();
    named.subject = "alice-of-the-long-name".parse().unwrap();
    let subject_token = signed(&named);
    let first = exchange(&harness, "order", &subject_token, "&audience=logistics").await;
    let second = refresh_as(&harness, "order", &refresh_token(&first), "").await;
    let file = std::fs::read(&harness.settings.store).unwrap();
    let has = |text: &str| {
        let mut windows = file.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    assert!(has("refresh_families"), "the test looks at the right file");
    for response in [&first, &second] {
        let token = refresh_token(response);
        // The secret begins after 16 bytes.
        assert!(!has(&token) && !has(&token[24..]) && !has(&response.token()));
    }
    assert!(!has("alice-of-the-long-name"));
}
