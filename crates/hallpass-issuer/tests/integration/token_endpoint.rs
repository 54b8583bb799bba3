//! Tokens and refusals of the token endpoint.

use std::time::Duration;

use hallpass_issuer::IssuerSettings;
use hallpass_token::VerifyError;
use serde_json::Value;

use crate::harness::{Harness, SECRET, basic, client};

const GRANT: &str = "grant_type=client_credentials";

fn two_audiences(settings: &mut IssuerSettings) {
    settings.clients = vec![
        client(
            "c",
            SECRET,
            &["read", "write"],
            &["service-system", "https://orders.example/"],
        ),
        client("nobody", SECRET, &["read"], &[]),
        client("plain", SECRET, &[], &["service-system"]),
    ];
}

#[tokio::test]
async fn issues_a_token_that_a_service_accepts_with_the_claims_of_rfc_9068() {
    let harness = Harness::start().await;
    let response = harness.ask(&format!("{GRANT}&scope=read+write")).await;
    let token = response.token();
    let claims = harness.verify(&token, "service-system").await.unwrap();
    let mut wire = serde_json::to_value(&claims).unwrap();
    assert_eq!(wire["jti"].as_str().unwrap().len(), 22, "128 bits");
    wire["jti"] = Value::from("(22 random characters)");
    insta::assert_snapshot!(serde_json::to_string_pretty(&wire).unwrap());
    insta::assert_snapshot!(
        response
            .snapshot()
            .replace(&token, "(token)")
            .replace(response.header("content-length").unwrap(), "(length)")
    );
    let other = harness.verify(&token, "service-auth").await;
    assert!(matches!(other, Err(VerifyError::Audience)), "{other:?}");
    assert_ne!(harness.token().await, token, "each token has its own jti");
}

#[tokio::test]
async fn a_token_lives_as_long_as_its_client_is_registered_for() {
    let harness = Harness::with(|settings| {
        let mut short = client("short", SECRET, &[], &["a"]);
        short.token_life = Some(Duration::from_secs(30));
        settings.clients.push(short);
        settings.token_life = Duration::from_secs(900);
    })
    .await;
    let usual = harness.ask(GRANT).await;
    assert_eq!(usual.json()["expires_in"], 900);
    let short = harness.ask_as("short", SECRET, GRANT).await;
    assert_eq!(short.json()["expires_in"], 30);
    harness.clock.advance(Duration::from_secs(100));
    assert!(
        harness
            .verify(&usual.token(), "service-system")
            .await
            .is_ok()
    );
    let ended = harness.verify(&short.token(), "a").await;
    assert!(
        matches!(ended, Err(VerifyError::Expired { .. })),
        "{ended:?}"
    );
}

#[tokio::test]
async fn scopes_are_denied_by_default() {
    let harness = Harness::start().await;
    let scope = async |form: &str| harness.ask(&format!("{GRANT}{form}")).await;
    for nothing in ["", "&scope="] {
        let response = scope(nothing).await;
        assert_eq!(
            response.json().get("scope"),
            None,
            "nothing asked for, nothing granted"
        );
        let claims = harness
            .verify(&response.token(), "service-system")
            .await
            .unwrap();
        assert!(claims.scope.is_empty());
    }
    assert_eq!(
        scope("&scope=write+read").await.json()["scope"],
        "read write"
    );
    assert_eq!(scope("&scope=read").await.json()["scope"], "read");
    for denied in [
        "&scope=admin",
        "&scope=read+admin",
        "&scope=re",
        "&scope=READ",
        "&scope=%22",
        "&scope=r%C3%A9ad",
    ] {
        assert_eq!(
            scope(denied).await.refusal(),
            (400, "invalid_scope".into()),
            "{denied}"
        );
    }
}

#[tokio::test]
async fn audiences_are_denied_by_default_and_a_token_is_for_one() {
    let harness = Harness::with(two_audiences).await;
    let aud = async |form: &str| {
        let token = harness.ask(&format!("{GRANT}{form}")).await.token();
        let payload = token.split('.').nth(1).unwrap().to_owned();
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["aud"].clone()
    };
    assert_eq!(aud("&audience=service-system").await, "service-system");
    assert_eq!(
        aud("&resource=https%3A%2F%2Forders.example%2F").await,
        "https://orders.example/"
    );
    assert_eq!(
        aud("&audience=service-system&resource=service-system").await,
        "service-system"
    );
    for denied in [
        "",
        "&audience=other",
        "&resource=https%3A%2F%2Fother.example%2F",
        "&resource=https%3A%2F%2Forders.example%2F%23fragment",
        "&audience=service-system&audience=https%3A%2F%2Forders.example%2F",
        "&resource=service-system&resource=https%3A%2F%2Forders.example%2F",
        "&audience=service-system&resource=https%3A%2F%2Forders.example%2F",
        "&audience=SERVICE-SYSTEM",
    ] {
        let response = harness.ask(&format!("{GRANT}{denied}")).await;
        assert_eq!(
            response.refusal(),
            (400, "invalid_target".into()),
            "{denied}"
        );
    }
    let nobody = harness.ask_as("nobody", SECRET, GRANT).await;
    assert_eq!(nobody.refusal(), (400, "invalid_target".into()));
}

#[tokio::test]
async fn an_unknown_grant_and_one_that_is_not_registered_are_told_apart() {
    let harness = Harness::with(|settings| {
        let mut none = client("none", SECRET, &["read"], &["service-system"]);
        none.grant_types = hallpass_issuer::GrantTypes::default();
        settings.clients.push(none);
    })
    .await;
    for unknown in [
        "password",
        "authorization_code",
        "Client_Credentials",
        "x%00y",
    ] {
        let response = harness.ask(&format!("grant_type={unknown}")).await;
        assert_eq!(
            response.refusal(),
            (400, "unsupported_grant_type".into()),
            "{unknown}"
        );
    }
    assert_eq!(
        harness.ask_as("none", SECRET, GRANT).await.refusal(),
        (400, "unauthorized_client".into())
    );
}

#[tokio::test]
async fn every_answer_of_the_token_endpoint_forbids_storing_it() {
    let harness = Harness::start().await;
    let responses = [
        harness.ask(GRANT).await,
        harness.ask("grant_type=x").await,
        harness.ask_as("c", "wrong", GRANT).await,
        harness.post(&[], b"").await,
        harness.get("/oauth2/token", &[]).await,
        harness
            .post(&[&basic("c", SECRET)], &vec![b'a'; 20_000])
            .await,
    ];
    assert_eq!(
        responses.each_ref().map(|response| response.status),
        [200, 400, 401, 401, 405, 413]
    );
    let mut throttled = harness.ask_as("nobody", "x", GRANT).await;
    while throttled.status == 401 {
        throttled = harness.ask_as("nobody", "x", GRANT).await;
    }
    assert_eq!(throttled.status, 429);
    for response in responses.into_iter().chain([throttled]) {
        assert_eq!(
            response.header("cache-control"),
            Some("no-store"),
            "{response:?}"
        );
        assert_eq!(response.header("pragma"), Some("no-cache"), "{response:?}");
        assert_eq!(
            response.header("content-type"),
            Some("application/json"),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn refusals_look_like_this_on_the_wire() {
    let harness = Harness::start().await;
    let snapshot = [
        harness
            .ask("grant_type=client_credentials&audience=other")
            .await,
        harness.ask_as("c", "wrong", GRANT).await,
        harness.post(&[], GRANT.as_bytes()).await,
        harness.get("/oauth2/token", &[]).await,
    ]
    .map(|response| response.snapshot());
    insta::assert_snapshot!(snapshot.join("\n----\n"));
}

#[tokio::test]
async fn a_token_over_the_size_budget_is_refused_with_words() {
    let scopes: Vec<String> = (0..200).map(|n| format!("scope-number-{n}")).collect();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let harness =
        Harness::with(|settings| settings.clients = vec![client("c", SECRET, &scopes, &["a"])])
            .await;
    let all = format!("{GRANT}&scope={}", scopes.join("+"));
    let response = harness.ask(&all).await;
    assert_eq!(response.refusal(), (400, "invalid_scope".into()));
    assert!(
        response.body.contains("larger than 4096 bytes"),
        "{response:?}"
    );
    assert_eq!(
        harness
            .ask("grant_type=client_credentials&scope=scope-number-1")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn issuing_asks_the_store_nothing_and_goes_on_without_it() {
    let harness = Harness::start().await;
    harness.token().await;
    let asked = harness.issuer.store_queries();
    assert!(asked > 0, "the counter counts");
    for file in std::fs::read_dir(harness.folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    for _ in 0..200 {
        harness.token().await;
        harness.ask_as("c", "wrong", GRANT).await;
    }
    assert_eq!(harness.issuer.store_queries(), asked);
    assert_eq!(harness.metric("hallpass_store_queries_total"), asked);
    assert_eq!(harness.issuer.tokens_issued(), 201);
}
