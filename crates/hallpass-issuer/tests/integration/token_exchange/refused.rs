//! What is not exchanged, as attackers try it.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::taint_key;
use hallpass_token::{Actor, Confirmation, Thumbprint};

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn only_the_service_that_a_token_was_made_for_may_exchange_it() {
    let harness = start().await;
    let to_billing = "&audience=billing";
    let token = signed(&alice());
    refused(
        &harness,
        "logistics",
        &token,
        to_billing,
        "subject_not_for_client",
    )
    .await;
    // The rule of `batch` takes tokens for `order`, but not of users.
    refused(
        &harness,
        "batch",
        &token,
        to_billing,
        "unregistered_subject_kind",
    )
    .await;
    let own = "grant_type=client_credentials&audience=order&scope=read";
    let service = harness
        .ask_as("c", SECRET, "grant_type=client_credentials")
        .await;
    let service = service.token();
    refused(
        &harness,
        "order",
        &service,
        to_billing,
        "subject_not_for_client",
    )
    .await;
    let response = harness.ask_as("logistics", SECRET, own).await;
    let response = exchange(&harness, "batch", &response.token(), to_billing).await;
    let claims = claims(&harness, &response, "billing").await;
    assert_eq!(claims["sub"], "logistics");
    assert_eq!(claims["sub_profile"], "service");
}

#[tokio::test]
async fn nothing_is_exchanged_without_a_rule_or_the_grant() {
    let harness = start().await;
    let mut token = alice();
    token.audience = vec!["stranger".parse().unwrap()];
    refused(
        &harness,
        "stranger",
        &signed(&token),
        "",
        "untrusted_subject_issuer",
    )
    .await;
    let response = exchange(&harness, "c", &signed(&token), "").await;
    assert_eq!(response.refusal(), (400, "unauthorized_client".to_owned()));
    let form = format!("{GRANT}&subject_token=x&subject_token_type={ACCESS_TOKEN}");
    let response = harness.ask_as("order", "wrong", &form).await;
    assert_eq!(response.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn a_token_of_another_issuer_or_of_a_foreign_key_is_refused() {
    let harness = start().await;
    let (good, query) = (signed(&alice()), "&audience=billing");
    let mut foreign = alice();
    foreign.issuer = "https://idp.example".parse().unwrap();
    refused(
        &harness,
        "order",
        &signed(&foreign),
        query,
        "untrusted_subject_issuer",
    )
    .await;
    let key = SigningKey::generate(hallpass_token::Algorithm::Es256).unwrap();
    let forged = sign(&alice(), &key, TokenType::AccessToken);
    let with_known_name = key.with_key_id(user_key().key_id().clone());
    let with_known_name = sign(&alice(), &with_known_name, TokenType::AccessToken);
    let (head, _) = good.rsplit_once('.').unwrap();
    let none = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0";
    let unsigned = format!("{none}.{}.", head.split_once('.').unwrap().1);
    for token in [&forged, &with_known_name, head, &unsigned, "x", "a.b.c"] {
        refused(&harness, "order", token, query, "invalid_subject_token").await;
    }
    let long = "x".repeat(9_000);
    refused(&harness, "order", &long, query, "invalid_subject_token").await;
}

#[tokio::test]
async fn a_token_of_a_tainted_key_is_refused() {
    let harness = start().await;
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let (token, kid) = (signed(&alice()), user_key().key_id().to_string());
    assert_eq!(
        exchange(&harness, "order", &token, "&audience=billing")
            .await
            .status,
        200
    );
    taint_key(&harness.settings, &clock, &kid).await.unwrap();
    harness.issuer.apply(&harness.settings).await.unwrap();
    refused(
        &harness,
        "order",
        &token,
        "&audience=billing",
        "invalid_subject_token",
    )
    .await;
}

#[tokio::test]
async fn an_ended_token_is_not_made_to_live_on_within_the_leeway_of_clocks() {
    let harness = start().await;
    let (token, query) = (signed(&alice()), "&audience=billing");
    harness.clock.advance(Duration::from_secs(299));
    let response = exchange(&harness, "order", &token, query).await;
    assert_eq!(response.json()["expires_in"], 1);
    for _ in 0..2 {
        harness.clock.advance(Duration::from_secs(1));
        refused(&harness, "order", &token, query, "expired_subject_token").await;
    }
    harness.clock.advance(Duration::from_secs(100));
    refused(&harness, "order", &token, query, "expired_subject_token").await;
}

#[tokio::test]
async fn a_token_that_does_not_say_to_whom_it_was_issued_is_refused_unless_opted_in() {
    let query = "&audience=billing";
    let mut unknown = alice();
    unknown.client_id = None;
    // What an ID token has in its place counts as nothing.
    unknown.extra.insert("azp".to_owned(), "order".into());
    let harness = start().await;
    refused(
        &harness,
        "order",
        &signed(&unknown),
        query,
        "subject_of_unknown_origin",
    )
    .await;
    let harness = start_with(|settings| {
        estate(settings);
        settings.clients[0].exchange[1].dangerous_subjects_of_unknown_origin = true;
    })
    .await;
    let token = signed(&unknown);
    assert_eq!(exchange(&harness, "order", &token, query).await.status, 200);
    let other = "&audience=logistics";
    refused(&harness, "order", &token, other, "unregistered_target").await;
}

#[tokio::test]
async fn may_act_counts_with_its_issuer_and_nothing_beside_it_is_passed_over() {
    let harness = start().await;
    let query = "&audience=logistics";
    let with = |may_act: &Value| {
        let mut claims = alice();
        claims.extra.insert("may_act".to_owned(), may_act.clone());
        signed(&claims)
    };
    for other in [
        json!({ "sub": "order" }),
        json!({ "sub": "order", "iss": "https://idp.example" }),
        json!({ "sub": "logistics", "iss": "internal" }),
        json!({ "iss": "internal" }),
        json!({ "client_id": "order", "iss": "internal" }),
        json!({ "sub": "order", "iss": "internal", "client_id": "web" }),
        json!({ "sub": "order", "iss": "internal", "email": "a@example.com" }),
        json!({ "sub": ["order"], "iss": "internal" }),
        json!([{ "sub": "order", "iss": "internal" }]),
        json!({}),
        json!("order"),
        Value::Null,
    ] {
        refused(&harness, "order", &with(&other), query, "may_act_other").await;
    }
    for good in [
        json!({ "sub": "order", "iss": "internal" }),
        json!({ "sub": "order", "iss": "internal", "client_id": "order" }),
    ] {
        let response = exchange(&harness, "order", &with(&good), query).await;
        let claims = claims(&harness, &response, "logistics").await;
        assert_eq!(
            claims["may_act"], good,
            "the next service is held to it too"
        );
        let next = "&audience=billing";
        refused(
            &harness,
            "logistics",
            &response.token(),
            next,
            "may_act_other",
        )
        .await;
    }
}

#[tokio::test]
async fn an_actor_or_a_service_that_is_not_registered_any_more_ends_the_chain() {
    let harness = start().await;
    let query = "&audience=billing";
    let passed_on = exchange(&harness, "order", &signed(&alice()), "&audience=logistics").await;
    let own = "grant_type=client_credentials&audience=logistics";
    let service = harness.ask_as("order", SECRET, own).await.token();
    for token in [&passed_on.token(), &service] {
        let response = exchange(&harness, "logistics", token, query).await;
        assert_eq!(response.status, 200);
    }
    let mut foreign = alice();
    foreign.audience = vec!["logistics".parse().unwrap()];
    let mut actor = Actor::new("order".parse().unwrap());
    actor.issuer = Some("https://idp.example".parse().unwrap());
    foreign.actor = Some(actor);
    refused(
        &harness,
        "logistics",
        &signed(&foreign),
        query,
        "unregistered_actor",
    )
    .await;

    let mut settings = harness.settings.clone();
    settings.clients.remove(0);
    harness.issuer.apply(&settings).await.unwrap();
    for token in [&passed_on.token(), &service] {
        refused(&harness, "logistics", token, query, "unregistered_actor").await;
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_of_its_holder_is_refused() {
    let harness = start().await;
    let (nothing, mut unknown) = (Confirmation::default(), Confirmation::default());
    unknown.others.insert("kid".to_owned(), "k".into());
    let by_certificate = Confirmation {
        x5t_s256: Some(Thumbprint([7; 32])),
        ..Confirmation::default()
    };
    for confirmation in [nothing, unknown, by_certificate] {
        let mut bound = alice();
        bound.confirmation = Some(confirmation);
        let (token, target) = (signed(&bound), "&audience=billing");
        refused(&harness, "order", &token, target, "bound_subject_token").await;
    }
}

#[tokio::test]
async fn a_parameter_is_never_dropped_so_that_another_request_is_left() {
    let harness = start().await;
    let token = signed(&alice());
    for (query, reason) in [
        ("&actor_token=x&actor_token_type=y", "actor_token"),
        ("&actor_token=", "actor_token"),
        ("&requested_token_type=", "empty_parameter"),
        ("&scope=", "empty_parameter"),
        ("&audience=", "empty_parameter"),
        ("&requested_subject=bob", "unknown_parameter"),
        ("&subject_token=other", "duplicate_parameter"),
        (
            "&requested_token_type=urn:ietf:params:oauth:token-type:refresh_token",
            "unsupported_token_type",
        ),
    ] {
        let query = format!("&audience=billing{query}");
        refused(&harness, "order", &token, &query, reason).await;
    }
    for (form, error) in [
        (GRANT.to_owned(), "invalid_request"),
        (format!("{GRANT}&subject_token={token}"), "invalid_request"),
        (
            format!("{GRANT}&subject_token=&subject_token_type={ACCESS_TOKEN}"),
            "invalid_request",
        ),
        (
            format!(
                "{GRANT}&subject_token={token}&subject_token_type=urn:ietf:params:oauth:token-type:id_token"
            ),
            "invalid_request",
        ),
        // Not a token of the client's own in place of the user's.
        (
            format!("grant_type=client_credentials&audience=billing&subject_token={token}"),
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&audience=billing&subject_token=".to_owned(),
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&audience=billing&actor_token=x".to_owned(),
            "invalid_request",
        ),
    ] {
        let response = harness.ask_as("order", SECRET, &form).await;
        assert_eq!(response.refusal(), (400, error.to_owned()), "{form}");
    }
}

#[tokio::test]
async fn a_rule_about_another_issuer_allows_no_token_of_this_one() {
    let harness = start_with(|settings| {
        estate(settings);
        let foreign: Issuer = "https://idp.example".parse().unwrap();
        settings.clients[0].exchange[1].subject_issuer = Some(foreign.clone());
        settings.clients[1].exchange[0].subject_issuer = Some(foreign);
    })
    .await;
    let token = signed(&alice());
    let (own, other) = ("&audience=logistics", "&audience=billing");
    assert_eq!(exchange(&harness, "order", &token, own).await.status, 200);
    refused(&harness, "order", &token, other, "unregistered_target").await;
    let mut for_logistics = alice();
    for_logistics.audience = vec!["logistics".parse().unwrap()];
    let token = signed(&for_logistics);
    refused(
        &harness,
        "logistics",
        &token,
        other,
        "untrusted_subject_issuer",
    )
    .await;
}
