//! Tokens that are bound to the certificate of the connection that asked for them (RFC 8705 section 3).

use hallpass_issuer::{ExchangeRule, GrantType, SubjectKind};
use hallpass_tls::KeyPairSettings;
use serde_json::json;

use super::{Asks, Estate, GRANT, claims_of, invalid_client, named, thumbprint};
use crate::harness::{SECRET, basic, client};

#[tokio::test]
async fn a_token_is_bound_to_the_certificate_of_the_connection_that_asked_for_it() {
    let estate = Estate::start(Asks::Want, |_| {
        let mut order = named("order", "order.example");
        order.tls_client_certificate_bound_access_tokens = true;
        let mut secret = client("secret", SECRET, &[], &["service-system"]);
        secret.tls_client_certificate_bound_access_tokens = true;
        vec![order, secret]
    })
    .await;
    let own = estate.certificate("own", &["order.example"]);
    let asked = estate.ask("order", Some(&own)).await;
    let bound = json!({"x5t#S256": thumbprint(&own)});
    assert_eq!(claims_of(&asked.token())["cnf"], bound);
    assert_eq!(asked.json()["token_type"], "Bearer");
    // Another way to prove who one is changes nothing about it; without a certificate there is no token.
    let headers = [basic("secret", SECRET)];
    let with_secret = estate.post(Some(&own), &headers, GRANT).await;
    assert_eq!(claims_of(&with_secret.token())["cnf"], bound);
    let without = estate.post(None, &headers, GRANT).await;
    assert_eq!(without.refusal(), (400, "invalid_request".to_owned()));
    let reason = "hallpass_token_requests_refused_total{reason=\"missing_certificate\"}";
    assert_eq!(estate.harness.metric(reason), 1);
    let plain = estate.post(Some(&own), &[basic("c", SECRET)], GRANT).await;
    assert!(claims_of(&plain.token()).get("cnf").is_none());
    let document = estate.metadata().await;
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
    let methods = &document["token_endpoint_auth_methods_supported"];
    let methods = methods.as_array().unwrap();
    assert!(methods.contains(&json!("tls_client_auth")));
    assert!(!methods.contains(&json!("self_signed_tls_client_auth")));
}

#[tokio::test]
async fn introspection_shows_to_which_certificate_a_token_is_bound_and_both_endpoints_know_the_client_by_its_own()
 {
    let estate = Estate::start(Asks::Want, |_| {
        let mut order = named("order", "order.example");
        order.tls_client_certificate_bound_access_tokens = true;
        vec![order, named("service-system", "system.example")]
    })
    .await;
    let own = estate.certificate("own", &["order.example"]);
    let callee = estate.certificate("callee", &["system.example"]);
    let token = estate.ask("order", Some(&own)).await.token();
    let introspect = async |id: &str, pair: &KeyPairSettings| {
        let form = format!("client_id={id}&token={token}");
        let path = "/oauth2/introspect";
        estate.post_to(path, Some(pair), &[], &form).await
    };
    let shown = introspect("service-system", &callee).await.json();
    assert_eq!(shown["active"], true);
    assert_eq!(shown["cnf"], json!({"x5t#S256": thumbprint(&own)}));
    assert_eq!(shown["token_type"], "Bearer");
    let refused = introspect("service-system", &own).await;
    assert_eq!(refused.refusal(), invalid_client());
    let revoke = async |pair: &KeyPairSettings| {
        let form = format!("client_id=order&token={token}");
        let path = "/oauth2/revoke";
        estate.post_to(path, Some(pair), &[], &form).await
    };
    assert_eq!(revoke(&callee).await.refusal(), invalid_client());
    assert_eq!(revoke(&own).await.status, 200);
    let shown = introspect("service-system", &callee).await.json();
    assert_eq!(shown, json!({"active": false}));
}

#[tokio::test]
async fn a_bound_token_is_exchanged_over_connections_with_its_certificate_alone() {
    let estate = Estate::start(Asks::Want, |_| {
        let mut order = named("order", "order.example");
        order.tls_client_certificate_bound_access_tokens = true;
        order.audiences = vec!["logistics".parse().unwrap()];
        let grants = [GrantType::ClientCredentials, GrantType::TokenExchange];
        let mut logistics = named("logistics", "logistics.example");
        logistics.grant_types = grants.into_iter().collect();
        logistics.exchange = vec![ExchangeRule {
            subject_kinds: vec![SubjectKind::Service],
            targets: vec!["billing".parse().unwrap()],
            scope: "read".parse().unwrap(),
            ..ExchangeRule::new()
        }];
        vec![order, logistics]
    })
    .await;
    // The one certificate that is good for both, as a mesh has it for a pod with two clients.
    let both = estate.certificate("both", &["order.example", "logistics.example"]);
    let other = estate.certificate("other", &["logistics.example"]);
    let token = estate.ask("order", Some(&both)).await.token();
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&client_id=logistics&subject_token={token}\
         &subject_token_type=urn:ietf:params:oauth:token-type:access_token&audience=billing"
    );
    let refused = estate.post(Some(&other), &[], &form).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let reason = "hallpass_token_requests_refused_total{reason=\"bound_subject_token\"}";
    assert_eq!(estate.harness.metric(reason), 1);
    let exchanged = estate.post(Some(&both), &[], &form).await;
    let claims = claims_of(&exchanged.token());
    assert_eq!(claims["sub"], "order");
    // However its client is registered: else the holder of a certificate could make something that anybody can use of what nobody
    // else can.
    assert_eq!(claims["cnf"], json!({"x5t#S256": thumbprint(&both)}));
}

#[tokio::test]
async fn a_refresh_token_that_came_with_a_bound_token_counts_over_connections_with_its_certificate_alone()
 {
    let estate = Estate::start(Asks::Want, |_| {
        let mut order = named("order", "order.example");
        order.tls_client_certificate_bound_access_tokens = true;
        let grants = [GrantType::ClientCredentials, GrantType::RefreshToken];
        order.grant_types = grants.into_iter().collect();
        vec![order]
    })
    .await;
    let own = estate.certificate("own", &["order.example"]);
    // Good enough to be that client, and not the one that the token came over.
    let renewed = estate.certificate("renewed", &["order.example"]);
    let first = estate.ask("order", Some(&own)).await.json();
    let refresh = async |pair: Option<&KeyPairSettings>, token: &serde_json::Value| {
        let token = token.as_str().unwrap();
        let form = format!("grant_type=refresh_token&client_id=order&refresh_token={token}");
        estate.post(pair, &[], &form).await
    };
    let refused = refresh(Some(&renewed), &first["refresh_token"]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let reason = "hallpass_token_requests_refused_total{reason=\"bound_refresh_token\"}";
    assert_eq!(estate.harness.metric(reason), 1);
    let none = refresh(None, &first["refresh_token"]).await;
    assert_eq!(none.refusal(), invalid_client());
    // None of this has used it up.
    let second = refresh(Some(&own), &first["refresh_token"]).await;
    let bound = json!({"x5t#S256": thumbprint(&own)});
    assert_eq!(claims_of(&second.token())["cnf"], bound);
    let shown = format!(
        "client_id=order&token={}",
        second.json()["refresh_token"].as_str().unwrap()
    );
    let shown = estate.post_to("/oauth2/introspect", Some(&renewed), &[], &shown);
    assert_eq!(shown.await.json()["active"], true, "its client may ask");
    let anew = estate.ask("order", Some(&renewed)).await.json();
    assert_eq!(
        refresh(Some(&renewed), &anew["refresh_token"]).await.status,
        200
    );
}
