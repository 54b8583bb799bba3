//! What the new token is.

use std::time::Duration;

use hallpass_issuer::AudienceSettings;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_user_s_token_becomes_one_for_the_next_service_that_names_user_and_actor() {
    let harness = start().await;
    let response = exchange(&harness, "order", &signed(&alice()), "&audience=logistics").await;
    let body = response.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "read write", "what both have");
    assert_eq!(body["expires_in"], 300, "as long as the user's token");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let claims = claims(&harness, &response, "logistics").await;
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], "logistics");
    assert_eq!(claims["client_id"], "order");
    assert_eq!(
        claims["act"],
        json!({ "sub": "order", "client_id": "order" })
    );
    assert_eq!(claims["exp"], NOW + 300);
    let line = format!(
        "hallpass_tokens_issued_total{{grant=\"{}\",client=\"order\",audience=\"logistics\"}}",
        GrantType::TokenExchange.as_str()
    );
    assert_eq!(harness.metric(&line), 1);
}

#[tokio::test]
async fn who_acted_before_stays_named_below_the_newest_actor() {
    let harness = start().await;
    let first = exchange(&harness, "order", &signed(&alice()), "&audience=logistics").await;
    let second = exchange(&harness, "logistics", &first.token(), "&resource=billing").await;
    let claims = claims(&harness, &second, "billing").await;
    let order = json!({ "sub": "order", "client_id": "order" });
    let chain = json!({ "sub": "logistics", "client_id": "logistics", "act": order });
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("alice"), &chain));
}

#[tokio::test]
async fn a_token_names_four_actors_at_most() {
    let harness = start_with(|settings| {
        estate(settings);
        for client in &mut settings.clients {
            client.exchange = vec![rule(&[SubjectKind::User], &["order"], "read")];
        }
    })
    .await;
    let mut token = signed(&alice());
    for _ in 0..4 {
        token = exchange(&harness, "order", &token, "").await.token();
    }
    refused(&harness, "order", &token, "", "too_many_actors").await;
}

#[tokio::test]
async fn the_scope_is_what_subject_rule_and_request_have_in_common() {
    let harness = start().await;
    let token = signed(&alice());
    for (audience, query, granted) in [
        ("logistics", "", "read write"),
        ("logistics", "&scope=write", "write"),
        ("logistics", "&scope=write+admin+openid", "write"),
        ("billing", "", "read"),
        ("billing", "&scope=read+write", "read"),
    ] {
        let query = format!("&audience={audience}{query}");
        let response = exchange(&harness, "order", &token, &query).await;
        assert_eq!(response.json()["scope"], granted, "{query}");
    }
    for (query, reason) in [
        ("&audience=billing&scope=write", "no_common_scope"),
        ("&audience=billing&scope=admin", "no_common_scope"),
        ("&audience=billing&scope=a++b", "malformed_scope"),
    ] {
        refused(&harness, "order", &token, query, reason).await;
    }
    let mut without = alice();
    without.scope = "openid".parse().unwrap();
    let response = exchange(&harness, "order", &signed(&without), "&audience=billing").await;
    assert_eq!((response.status, response.json().get("scope")), (200, None));
}

#[tokio::test]
async fn a_target_is_one_that_the_rule_for_such_subjects_names() {
    let harness = start().await;
    let token = signed(&alice());
    for (query, reason) in [
        ("", "missing_target"),
        ("&audience=order", "unregistered_target"),
        ("&audience=logistics&resource=billing", "several_targets"),
        ("&audience=logistics&audience=billing", "several_targets"),
    ] {
        refused(&harness, "order", &token, query, reason).await;
    }
    let both = exchange(
        &harness,
        "order",
        &token,
        "&audience=billing&resource=billing",
    )
    .await;
    assert_eq!(both.status, 200);
    let response = exchange(&harness, "order", &token, "&audience=order").await;
    assert_eq!(response.refusal(), (400, "invalid_target".to_owned()));

    // A target that is taken out of the rule is refused as soon as the settings are applied.
    let mut settings = harness.settings.clone();
    settings.clients[0].exchange.remove(1);
    harness.issuer.apply(&settings).await.unwrap();
    let query = "&audience=billing";
    refused(&harness, "order", &token, query, "unregistered_target").await;
}

#[tokio::test]
async fn a_service_does_not_become_a_user_by_an_exchange() {
    let harness = start_with(|settings| {
        estate(settings);
        settings.clients[0].exchange = vec![rule(&[SubjectKind::Service], &["logistics"], "read")];
        settings.clients[1].exchange = vec![rule(&[SubjectKind::User], &["billing"], "read")];
    })
    .await;
    let own = "grant_type=client_credentials&audience=order&scope=read";
    let own = harness.ask_as("batch", SECRET, own).await.token();
    let once = exchange(&harness, "order", &own, "").await.token();
    refused(
        &harness,
        "logistics",
        &once,
        "",
        "unregistered_subject_kind",
    )
    .await;
}

#[tokio::test]
async fn the_new_token_lives_no_longer_than_its_client_s_tokens_do() {
    let harness = start_with(|settings| {
        estate(settings);
        settings.clients[0].token_life = Some(Duration::from_secs(60));
    })
    .await;
    let response = exchange(&harness, "order", &signed(&alice()), "&audience=billing").await;
    assert_eq!(response.json()["expires_in"], 60);
}

#[tokio::test]
async fn a_jwt_is_taken_and_given_where_it_is_asked_for() {
    let harness = start().await;
    let token = sign(&alice(), &user_key(), TokenType::Jwt);
    let form = format!(
        "{GRANT}&subject_token={token}&subject_token_type={JWT}&requested_token_type={JWT}&audience=billing"
    );
    let response = harness.ask_as("order", SECRET, &form).await;
    assert_eq!(response.json()["issued_token_type"], JWT);
    assert_eq!(claims(&harness, &response, "billing").await["sub"], "alice");
}

#[tokio::test]
async fn only_the_claims_that_a_rule_names_are_taken_over() {
    let harness = start_with(|settings| {
        estate(settings);
        settings.clients[0].exchange[0].claims = vec!["roles".to_owned()];
    })
    .await;
    let mut claims_of_alice = alice();
    for name in ["roles", "groups"] {
        let value = json!(["clerk"]);
        claims_of_alice.extra.insert(name.to_owned(), value);
    }
    let token = signed(&claims_of_alice);
    for (audience, roles) in [("logistics", json!(["clerk"])), ("billing", Value::Null)] {
        let query = format!("&audience={audience}");
        let response = exchange(&harness, "order", &token, &query).await;
        let claims = claims(&harness, &response, audience).await;
        assert_eq!(
            (&claims["roles"], &claims["groups"]),
            (&roles, &Value::Null)
        );
    }
}

#[tokio::test]
async fn an_exchange_asks_the_store_nothing() {
    let harness = start().await;
    let (token, before) = (signed(&alice()), harness.issuer.store_queries());
    for _ in 0..20 {
        exchange(&harness, "order", &token, "&audience=billing")
            .await
            .token();
    }
    assert_eq!(harness.issuer.store_queries(), before);
}

#[tokio::test]
async fn what_every_token_for_a_service_says_an_exchanged_one_says_too() {
    let harness = start_with(|settings| {
        estate(settings);
        settings.clients[0].exchange[0].claims = vec!["roles".to_owned(), "zone".to_owned()];
        let mut audience = AudienceSettings::new("logistics");
        audience.claims.insert("zone".to_owned(), "blue".into());
        settings.audiences.push(audience);
    })
    .await;
    let mut claims_of_alice = alice();
    for (name, value) in [("roles", json!(["clerk"])), ("zone", json!("red"))] {
        claims_of_alice.extra.insert(name.to_owned(), value);
    }
    let token = signed(&claims_of_alice);
    let response = exchange(&harness, "order", &token, "&audience=logistics").await;
    let claims = claims(&harness, &response, "logistics").await;
    assert_eq!(claims["roles"], json!(["clerk"]));
    assert_eq!(claims["zone"], "blue", "the one of the service");
}
