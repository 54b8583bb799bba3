//! Tokens that their issuer is asked about: what is asked, and how long it is believed.

use std::time::Duration;

use hallpass_resource::{AskedTokens, IntrospectionLimits, KeySource, TrustedIssuer};
use serde_json::json;

use crate::support::endpoint::{Endpoint, ISSUER, policy};
use crate::support::{App, AppBuilder, Forge, get, test_clock};

async fn whoami(app: &App, token: &str) -> (u16, String) {
    let response = get(app.address, "/whoami", Some(token)).await;
    (response.status, response.body)
}

fn alice() -> (u16, String) {
    (200, "alice".to_owned())
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_once_and_believed_no_longer_than_is_set() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    endpoint.issues("opaque-1", "alice");
    let trusted = endpoint.trusted();
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.start().await;
    for _ in 0..10 {
        assert_eq!(whoami(&app, "opaque-1").await, alice());
    }
    assert_eq!(endpoint.asked(), ["opaque-1"]);
    // RFC 6749 section 2.3.1: both parts are form-encoded first.
    let (request, _) = endpoint.last_request();
    let expected = "Basic c2hvcDpzJTNBZStjcmV0 token=opaque-1&token_type_hint=access_token";
    assert_eq!(request, expected);
    let hits = app.metric("hallpass_verified_token_cache_hits_total");
    assert_eq!(hits, 9.0);

    // Its issuer has taken it back: that is noticed after 30 s.
    endpoint.forgets("opaque-1");
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(whoami(&app, "opaque-1").await, alice());
    clock.advance(Duration::from_millis(1));
    assert_eq!(whoami(&app, "opaque-1").await.0, 401);
    assert_eq!(endpoint.asked().len(), 2);
    assert_eq!(app.metric("hallpass_verified_token_cache_entries"), 0.0);
}

#[tokio::test]
async fn no_answer_is_believed_past_the_end_of_the_token() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let mut said = endpoint.good("alice");
    let now = said["iat"].as_u64().unwrap();
    said["exp"] = json!(now + 5);
    endpoint.says("opaque-1", said);
    let trusted = endpoint.trusted();
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.start().await;
    assert_eq!(whoami(&app, "opaque-1").await, alice());
    clock.advance(Duration::from_millis(4_999));
    assert_eq!(whoami(&app, "opaque-1").await, alice());
    assert_eq!(endpoint.asked().len(), 1);
    endpoint.forgets("opaque-1");
    // Without the leeway that tokens with a signature have: the issuer knows when it ends.
    clock.advance(Duration::from_millis(1));
    assert_eq!(whoami(&app, "opaque-1").await.0, 401);
    assert_eq!(endpoint.asked().len(), 2);
}

#[tokio::test]
async fn only_what_is_for_this_issuer_is_sent_to_it() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let ours = Forge::new("internal", &clock);
    let stranger = Forge::new("https://stranger.example", &clock);
    // A token that names the issuer of the opaque ones, and is in three parts.
    let named = Forge::new(ISSUER, &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&ours);
    let trusted = endpoint.trusted();
    let app = app.with(|it| it.issuer(trusted)).start().await;
    let of_stranger = stranger.user("");
    let (header, rest) = of_stranger.split_once('.').unwrap();
    let broken = format!("{header}.%%.{}", rest.split_once('.').unwrap().1).replace('%', "-");
    let none = "eyJhbGciOiJub25lIn0.e30.";
    for token in [&of_stranger, &named.user(""), &broken, none] {
        endpoint.issues(token, "alice");
        assert_eq!(whoami(&app, token).await.0, 401, "{token}");
    }
    assert_eq!(whoami(&app, &ours.user("")).await, alice());
    assert_eq!(endpoint.asked(), [""; 0]);
}

#[tokio::test]
async fn a_jwt_is_asked_about_where_its_issuer_is_set_so_whatever_its_header_says() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let forge = Forge::new(ISSUER, &clock);
    let limits = IntrospectionLimits::default();
    let introspection = endpoint.introspection(limits).about(AskedTokens::Jwt);
    // It has keys, and what they verify is not what it says.
    let keys = KeySource::fixed(forge.keys(), clock.clone());
    let trusted = TrustedIssuer::with_policy(policy(), keys).with_introspection(introspection);
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.start().await;
    let good_signature = forge.user("");
    assert_eq!(whoami(&app, &good_signature).await.0, 401);
    // An algorithm that nothing here verifies.
    let hs = forge.changed(|header, _| header["alg"] = json!("HS512"));
    endpoint.issues(&hs, "alice");
    assert_eq!(whoami(&app, &hs).await, alice());
    // Nor those of another issuer, which would learn them.
    let stranger = Forge::new("https://stranger.example", &clock).user("");
    endpoint.issues(&stranger, "alice");
    assert_eq!(whoami(&app, &stranger).await.0, 401);
    // Opaque ones are not asked about.
    endpoint.issues("opaque", "alice");
    assert_eq!(whoami(&app, "opaque").await.0, 401);
    assert_eq!(endpoint.asked(), [good_signature, hs]);
}

#[tokio::test]
async fn what_is_said_is_held_against_the_policy_and_the_rules_as_a_signed_token_is() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let trusted = endpoint.trusted();
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.start().await;
    for (name, value) in [
        ("aud", json!("warehouse")),
        ("aud", json!(null)),
        ("iss", json!("https://other.example")),
        ("exp", json!("tomorrow")),
        ("exp", json!(1_000)),
        ("sub", json!(null)),
        ("token_type", json!("N_A")),
        ("typ", json!("Refresh")),
        // Bound to a key, and shown without a proof.
        (
            "cnf",
            json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        ),
        // Bound to something that nobody knows.
        ("cnf", json!({"kid": "k"})),
    ] {
        let mut said = endpoint.good("alice");
        said[name] = value.clone();
        let token = format!("opaque-{name}-{}", value.to_string().len());
        endpoint.says(&token, said);
        assert_eq!(whoami(&app, &token).await.0, 401, "{name} {value}");
    }
    endpoint.issues("good", "alice");
    let status = async |path| get(app.address, path, Some("good")).await.status;
    assert_eq!(status("/orders/7").await, 200);
    assert_eq!(status("/internal/x").await, 403);
    let mut service = endpoint.good("web");
    service["scope"] = json!("internal-service");
    endpoint.says("service", service);
    let response = get(app.address, "/internal/x", Some("service")).await;
    assert_eq!(response.status, 403, "its issuer is not internal");
}

#[tokio::test]
async fn many_requests_with_one_new_token_ask_once() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    endpoint.issues("opaque-1", "alice");
    let trusted = endpoint.trusted();
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.start().await;
    endpoint.hold();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let address = app.address;
        calls.spawn(async move { get(address, "/whoami", Some("opaque-1")).await.status });
    }
    // One that goes away does not take the question with it.
    let gone = tokio::spawn({
        let address = app.address;
        async move { get(address, "/whoami", Some("opaque-1")).await }
    });
    while endpoint.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    gone.abort();
    endpoint.release();
    assert!(calls.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(endpoint.asked().len(), 1);
}

#[tokio::test]
async fn two_issuers_of_opaque_tokens_are_one_too_many() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    let other = TrustedIssuer::introspected(
        hallpass_token::VerifyPolicy::new(
            "https://b.example".parse().unwrap(),
            "shop".parse().unwrap(),
        ),
        endpoint.introspection(IntrospectionLimits::default()),
        clock.clone(),
    );
    let built = hallpass_resource::ResourceServer::builder("shop", clock.clone())
        .issuer(endpoint.trusted())
        .issuer(other)
        .build();
    let problems = built.unwrap_err().problems;
    let expected = hallpass_resource::SetupProblem::OpaqueTwice {
        first: "opaque".to_owned(),
        second: "https://b.example".to_owned(),
    };
    assert_eq!(problems, [expected]);
}
