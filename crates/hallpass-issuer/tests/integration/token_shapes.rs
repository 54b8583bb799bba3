//! Tokens for services whose verifiers are not Hallpass.

use hallpass_issuer::AudienceSettings;
use hallpass_token::{Algorithm, TokenType};
use serde_json::{Value, json};

use crate::harness::{Harness, SECRET, client};

/// Header and claims, as anybody can read them.
fn read(token: &str) -> (Value, Value) {
    use base64::Engine as _;
    let part = |part: &str| {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let mut parts = token.split('.').map(part as fn(&str) -> Value);
    let mut parts = parts.by_ref().take(2);
    (parts.next().unwrap(), parts.next().unwrap())
}

async fn estate(audiences: Vec<AudienceSettings>) -> Harness {
    Harness::with(|settings| {
        settings.audiences = audiences;
        settings.clients = vec![client(
            "c",
            SECRET,
            &["read"],
            &["old-service", "new-service"],
        )];
    })
    .await
}

async fn token_for(harness: &Harness, audience: &str) -> String {
    let form = format!("grant_type=client_credentials&scope=read&audience={audience}");
    harness.ask(&form).await.token()
}

#[tokio::test]
async fn a_service_of_the_profile_spring_gets_what_spring_security_takes_and_the_others_what_they_got()
 {
    let harness = estate(vec![AudienceSettings::spring("old-service")]).await;
    let (header, claims) = read(&token_for(&harness, "old-service").await);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("JWT"), &json!("RS256"))
    );
    assert_eq!(claims["scope"], "read");
    assert_eq!(claims["aud"], "old-service");
    let (header, _) = read(&token_for(&harness, "new-service").await);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("ES256"))
    );
    let keys = harness.get("/oauth2/jwks", &[]).await.json();
    let algorithms: Vec<_> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["alg"])
        .collect();
    assert_eq!(algorithms, ["ES256", "RS256"]);
}

#[tokio::test]
async fn an_algorithm_a_type_and_claims_of_a_service_are_in_its_tokens_alone() {
    let mut old = AudienceSettings::new("old-service");
    old.algorithm = Some(Algorithm::EdDsa);
    old.token_type = TokenType::Jwt;
    old.claims.insert("tenant".to_owned(), json!("acme"));
    old.claims.insert("roles".to_owned(), json!(["a", "b"]));
    let harness = estate(vec![old]).await;
    let (header, claims) = read(&token_for(&harness, "old-service").await);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("JWT"), &json!("EdDSA"))
    );
    assert_eq!(
        (&claims["tenant"], &claims["roles"]),
        (&json!("acme"), &json!(["a", "b"]))
    );
    let token = token_for(&harness, "new-service").await;
    let (_, claims) = read(&token);
    assert!(claims.get("tenant").is_none() && claims.get("roles").is_none());
    assert!(harness.verify(&token, "new-service").await.is_ok());
}

#[tokio::test]
async fn a_service_that_begins_to_demand_an_algorithm_gets_it_at_once_and_the_others_see_no_change()
{
    let mut harness = estate(Vec::new()).await;
    let before = read(&token_for(&harness, "new-service").await).0;
    harness.settings.audiences = vec![AudienceSettings::spring("old-service")];
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(
        read(&token_for(&harness, "old-service").await).0["alg"],
        "RS256"
    );
    assert_eq!(read(&token_for(&harness, "new-service").await).0, before);
    harness.settings.audiences.clear();
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(read(&token_for(&harness, "old-service").await).0, before);
}
