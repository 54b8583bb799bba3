//! The key set, the metadata, health and metrics.

use std::time::Duration;

use hallpass_token::Algorithm;
use url::Url;

use crate::harness::{Harness, Response, request};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OIDC: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn the_key_set_may_be_kept_and_is_sent_again_only_when_it_changed() {
    let harness = Harness::with(|settings| settings.jwks_max_age = Duration::from_secs(120)).await;
    let first = harness.get("/oauth2/jwks", &[]).await;
    assert_eq!(first.status, 200);
    assert_eq!(
        first.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(first.header("cache-control"), Some("public, max-age=120"));
    let etag = first.header("etag").unwrap().to_owned();
    for known in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"other\", {etag}"),
        "*".to_owned(),
    ] {
        let again = harness
            .get("/oauth2/jwks", &[&format!("If-None-Match: {known}")])
            .await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
        assert_eq!(again.header("etag"), Some(etag.as_str()));
        assert_eq!(again.header("cache-control"), Some("public, max-age=120"));
    }
    let other = harness
        .get("/oauth2/jwks", &["If-None-Match: \"other\""])
        .await;
    assert_eq!((other.status, other.body), (200, first.body));
    let not_modified = harness.metric("hallpass_jwks_requests_total{result=\"not_modified\"}");
    assert_eq!(
        (
            harness.metric("hallpass_jwks_requests_total{result=\"full\"}"),
            not_modified
        ),
        (2, 4)
    );
}

#[tokio::test]
async fn the_key_set_holds_public_members_only() {
    for algorithm in Algorithm::EVERY {
        let harness = Harness::with(|settings| settings.algorithm = algorithm).await;
        let keys = harness.get("/oauth2/jwks", &[]).await.json();
        let key = keys["keys"][0].as_object().unwrap();
        assert_eq!(
            (key["alg"].as_str(), key["use"].as_str()),
            (Some(algorithm.as_str()), Some("sig"))
        );
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(!key.contains_key(private), "{private} of {algorithm:?}");
        }
    }
}

#[tokio::test]
async fn the_metadata_of_an_internal_issuer_shows_its_listening_address() {
    let harness = Harness::start().await;
    let address = harness.address().to_string();
    let oauth = harness.get(OAUTH, &[]).await;
    let oidc = harness.get(OIDC, &[]).await;
    let show = |response: &Response| {
        assert_eq!(response.header("content-type"), Some("application/json"));
        serde_json::to_string_pretty(&response.json())
            .unwrap()
            .replace(&address, "(address)")
    };
    insta::assert_snapshot!(format!("{}\n{}", show(&oauth), show(&oidc)));
    assert_eq!(oauth.header("cache-control"), Some("public, max-age=300"));
}

#[tokio::test]
async fn the_metadata_of_an_issuer_with_a_url_stands_between_its_host_and_its_path() {
    let harness =
        Harness::with(|settings| settings.name = "https://auth.example/tenant".parse().unwrap())
            .await;
    let tenant = harness.get(&format!("{OAUTH}/tenant"), &[]).await.json();
    assert_eq!(tenant["issuer"], "https://auth.example/tenant");
    assert_eq!(
        tenant["token_endpoint"],
        "https://auth.example/oauth2/token"
    );
    assert_eq!(
        harness.get(&format!("/tenant{OIDC}"), &[]).await.json()["issuer"],
        "https://auth.example/tenant"
    );
    assert_eq!(
        harness.get(&format!("{OIDC}/tenant"), &[]).await.status,
        200
    );
    for elsewhere in [
        OAUTH.to_owned(),
        format!("{OAUTH}/other"),
        format!("/tenant{OAUTH}"),
    ] {
        assert_eq!(
            harness.get(&elsewhere, &[]).await.status,
            404,
            "{elsewhere}"
        );
    }
    let token = harness.token().await;
    let claims = harness.verify(&token, "service-system").await.unwrap();
    assert_eq!(claims.issuer.as_str(), "https://auth.example/tenant");
}

#[tokio::test]
async fn a_base_url_is_what_the_metadata_shows() {
    let harness = Harness::with(|settings| {
        settings.base_url = Some(Url::parse("https://gw.example/auth/").unwrap())
    })
    .await;
    let metadata = harness.get(OAUTH, &["Host: evil.example"]).await.json();
    assert_eq!(
        metadata["token_endpoint"],
        "https://gw.example/auth/oauth2/token"
    );
    assert_eq!(metadata["jwks_uri"], "https://gw.example/auth/oauth2/jwks");
    assert_eq!(
        harness.issuer.url("/oauth2/jwks"),
        "https://gw.example/auth/oauth2/jwks"
    );
}

#[tokio::test]
async fn documents_are_for_reading_only() {
    let harness = Harness::start().await;
    for path in [OAUTH, OIDC, "/oauth2/jwks", "/health/live", "/metrics"] {
        let response = harness
            .send(&request(&format!("POST {path}"), &[], b""))
            .await;
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("GET,HEAD")),
            "{path}"
        );
        let head = harness
            .send(&request(&format!("HEAD {path}"), &[], b""))
            .await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn health_and_metrics_answer_in_plain_text() {
    let harness = Harness::start().await;
    assert_eq!(harness.get("/health/live", &[]).await.body, "live\n");
    assert_eq!(harness.get("/health/ready", &[]).await.body, "ready\n");
    harness.token().await;
    harness.ask("grant_type=password").await;
    let metrics = harness.get("/metrics", &[]).await;
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let issued = "hallpass_tokens_issued_total{grant=\"client_credentials\",client=\"c\",audience=\"service-system\"} 1";
    assert!(metrics.body.contains(issued), "{}", metrics.body);
    assert!(
        metrics
            .body
            .contains("hallpass_token_requests_refused_total{reason=\"unsupported_grant\"} 1")
    );
    assert!(metrics.body.contains("hallpass_issuer_clients 1"));
    assert!(metrics.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn every_metric_is_in_the_documentation() {
    let harness = Harness::start().await;
    harness.token().await;
    let documented = include_str!("../../../../docs/metrics.md");
    let text = harness.issuer.metrics();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut count = 0;
    for name in names {
        assert!(
            documented.contains(&format!("`{name}")),
            "{name} is not in docs/metrics.md"
        );
        count += 1;
    }
    assert!(count > 8);
}

#[tokio::test]
async fn no_list_of_the_metadata_is_empty_and_none_that_is_demanded_is_missing() {
    let harness = Harness::with(|settings| settings.clients.clear()).await;
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let document = harness
            .get(&format!("/.well-known/{path}"), &[])
            .await
            .json();
        let members = document.as_object().unwrap();
        let empty = members
            .iter()
            .find(|(_, value)| value.as_array().is_some_and(Vec::is_empty));
        assert_eq!(empty, None, "RFC 8414 section 3.2");
        assert_eq!(document["response_types_supported"][0], "none");
        assert!(!members.contains_key("scopes_supported"), "nobody has one");
    }
}
