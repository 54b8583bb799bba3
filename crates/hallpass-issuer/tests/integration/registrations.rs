//! What a client may be registered for: who may call whom with which scopes, what its tokens say, and what could never be used.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{AddedClient, Error, IssuerSettings, add_client};

use crate::client_changes::stored_clients;
use crate::harness::{Harness, Response, SECRET, client, test_clock};

const FORM: &str = "grant_type=client_credentials";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DIGEST: &str = "'$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg'";
const CHOSEN: &str = "'$argon2id$v=19$m=19456,t=2,p=1$aGFsbHBhc3MtZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'";

async fn add(settings: &IssuerSettings, entry: &str) -> Result<AddedClient, Error> {
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let text = format!("[{{ {entry} }}]");
    add_client(settings, &clock, ("a.yaml", &text), |_| Ok(())).await
}

/// The issuer after it was started anew, and the secret of the client.
async fn with_client(entry: &str) -> (Harness, String) {
    let harness = Harness::start().await;
    let added = add(&harness.settings, entry).await.unwrap();
    let secret = added.client_secret.unwrap();
    (harness.restart().await, secret.expose().to_owned())
}

async fn asked(harness: &Harness, secret: &str, more: &str) -> Response {
    harness.ask_as("a", secret, &format!("{FORM}{more}")).await
}

#[tokio::test]
async fn who_may_call_whom_with_which_scopes_is_said_for_each_service_and_denied_by_default() {
    let (harness, secret) = with_client(
        "client-id: a, audiences: reporting, scopes: [read, write], \
         calls: [{ audience: logistics, scopes: 'orders:read' }, { audience: billing }]",
    )
    .await;
    for (audience, scope, expected) in [
        ("reporting", "read%20write", 200),
        ("reporting", "orders:read", 400),
        ("logistics", "orders:read", 200),
        ("logistics", "read", 400),
        ("logistics", "orders:read%20read", 400),
        ("billing", "", 200),
        ("billing", "read", 400),
        ("nobody", "", 400),
    ] {
        let scope = if scope.is_empty() {
            String::new()
        } else {
            format!("&scope={scope}")
        };
        let response = asked(&harness, &secret, &format!("&audience={audience}{scope}")).await;
        assert_eq!(
            response.status, expected,
            "{audience} {scope}: {response:?}"
        );
    }
    let metadata = harness
        .get("/.well-known/oauth-authorization-server", &[])
        .await;
    assert_eq!(
        metadata.json()["scopes_supported"],
        serde_json::json!(["orders:read", "read", "write"])
    );
}

#[tokio::test]
async fn a_refresh_token_goes_on_with_the_scopes_of_its_service_alone() {
    let (harness, secret) = with_client(
        "client-id: a, grant-types: [client_credentials, refresh_token], calls: [{ audience: logistics, scopes: [x, y] }]",
    )
    .await;
    let first = asked(&harness, &secret, "&scope=x%20y").await.json();
    let form = format!(
        "grant_type=refresh_token&refresh_token={}",
        first["refresh_token"].as_str().unwrap()
    );
    let refreshed = harness.ask_as("a", &secret, &form).await;
    let claims = harness
        .verify(&refreshed.token(), "logistics")
        .await
        .unwrap();
    assert_eq!(claims.scope.as_str(), "x y");
}

#[tokio::test]
async fn claims_of_a_client_stand_in_the_tokens_that_it_gets_for_itself_and_in_no_others() {
    let harness = Harness::start().await;
    let entry = format!(
        "client-id: a, audiences: b, claims: [{{ name: tenant, value: acme }}, {{ name: roles, values: [x, y] }}], \
         grant-types: [client_credentials, refresh_token, '{EXCHANGE}'], exchange: [{{ subject-kinds: service, \
         subject-audiences: service-system, targets: b }}]"
    );
    let added = add(&harness.settings, &entry);
    let secret = added
        .await
        .unwrap()
        .client_secret
        .unwrap()
        .expose()
        .to_owned();
    let harness = harness.restart().await;
    let own = asked(&harness, &secret, "").await;
    let refresh = own.json()["refresh_token"].as_str().unwrap().to_owned();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let refreshed = harness.ask_as("a", &secret, &form).await;
    for token in [own.token(), refreshed.token()] {
        let claims = harness.verify(&token, "b").await.unwrap();
        assert_eq!(claims.extra["tenant"], "acme");
        assert_eq!(claims.extra["roles"], serde_json::json!(["x", "y"]));
    }
    let subject = harness.token().await;
    let form = format!(
        "grant_type={EXCHANGE}&subject_token={subject}&subject_token_type=urn:ietf:params:oauth:token-type:access_token"
    );
    let exchanged = harness.ask_as("a", &secret, &form).await.token();
    let claims = harness.verify(&exchanged, "b").await.unwrap();
    assert!(!claims.extra.contains_key("tenant") && !claims.extra.contains_key("roles"));
}

#[tokio::test]
async fn what_a_service_says_of_its_tokens_goes_before_what_a_client_does() {
    let harness = Harness::with(|settings| {
        let mut service = hallpass_issuer::AudienceSettings::new("service-system");
        service
            .claims
            .insert("tenant".to_owned(), "of the service".into());
        settings.audiences = vec![service];
        settings.clients[0]
            .claims
            .insert("tenant".to_owned(), "of the client".into());
        settings.clients[0]
            .claims
            .insert("team".to_owned(), "one".into());
    })
    .await;
    let claims = harness
        .verify(&harness.token().await, "service-system")
        .await
        .unwrap();
    assert_eq!(claims.extra["tenant"], "of the service");
    assert_eq!(claims.extra["team"], "one");
}

#[tokio::test]
async fn a_token_that_outgrows_its_budget_is_refused_and_says_so() {
    let harness = Harness::with(|settings| {
        let long = "x".repeat(4_096);
        settings.clients.push(client("long", SECRET, &[], &["b"]));
        settings.clients[1]
            .claims
            .insert("long".to_owned(), long.into());
    })
    .await;
    let refused = harness.ask_as("long", SECRET, FORM).await;
    assert_ne!(refused.status, 200);
    assert!(refused.body.contains("token"), "{refused:?}");
    harness.token().await;
}

/// What is refused, and what is said of it.
fn impossible() -> Vec<(String, &'static str)> {
    let big = "x".repeat(2_048);
    let by_key = "token-endpoint-auth-method: private_key_jwt";
    let by_name = "token-endpoint-auth-method: tls_client_auth";
    let rule = "subject-kinds: user, targets: b";
    [
        ("scoops: x".to_owned(), "is not a known key; did you mean `scopes`?"),
        ("grant-types: refresh_token".to_owned(), "has nothing but `refresh_token`"),
        ("grant-types: password".to_owned(), "must be `client_credentials` or"),
        ("refresh-token-life-seconds: 1h".to_owned(), "is of no use without `refresh_token`"),
        ("token-life-seconds: 5".to_owned(), "must be a whole number of seconds from 30"),
        (format!("exchange: [{{ {rule} }}]"), "is of no use without `urn:ietf:params:oauth:grant-type:token-exchange`"),
        (format!("grant-types: '{EXCHANGE}'"), "but `exchange` has no entry for it"),
        (format!("grant-types: '{EXCHANGE}', exchange: [{{ subject-kinds: [], targets: b }}]"), "is empty: the rule would allow nothing"),
        (format!("grant-types: '{EXCHANGE}', exchange: [{{ subject-kinds: user, targets: [] }}]"), "is empty: the rule would allow nothing"),
        (format!("grant-types: '{EXCHANGE}', exchange: [{{ {rule}, scope-mapping: 'a -> b' }}]"), "is for tokens of another issuer"),
        (format!("grant-types: '{EXCHANGE}', exchange: [{{ {rule}, claims: sub }}]"), "is a claim that an exchanged token has of its own"),
        (format!("grant-types: '{JWT_BEARER}', exchange: [{{ grant: jwt-bearer, {rule} }}]"), "must be a trusted issuer"),
        (format!("grant-types: '{EXCHANGE}', audiences: b, exchange: [{{ {rule} }}]"), "audiences: is of no use without `client_credentials`"),
        (format!("grant-types: '{EXCHANGE}', scopes: b, exchange: [{{ {rule} }}]"), "scopes: is of no use without `client_credentials`"),
        (format!("grant-types: '{EXCHANGE}', calls: [{{ audience: b }}], exchange: [{{ {rule} }}]"), "calls: is of no use without `client_credentials`"),
        (format!("grant-types: '{EXCHANGE}', claims: [{{ name: n, value: v }}], exchange: [{{ {rule} }}]"), "claims: is of no use without `client_credentials`"),
        ("audiences: b, calls: [{ audience: b }]".to_owned(), "has a service that stands in `audiences` too"),
        ("calls: [{ audience: b }, { audience: b }]".to_owned(), "is the same as in an entry before"),
        ("scopes: x, calls: [{ audience: b }]".to_owned(), "is of no use without `audiences`"),
        ("audiences: b, claims: [{ name: sub, value: x }]".to_owned(), "is a claim that every token has of its own"),
        ("audiences: b, claims: [{ name: n, value: x, values: [y] }]".to_owned(), "either `value` or `values`"),
        ("audiences: b, claims: [{ name: n, value: x }, { name: n, value: y }]".to_owned(), "is the same as in an entry before"),
        (format!("audiences: b, claims: [{{ name: n, value: {big} }}]"), "bytes of each token, and 2048 are the most"),
        (by_key.to_owned(), "is required with `private_key_jwt`"),
        (format!("{by_key}, client-secret-digest: {DIGEST}"), "is of no use with `token-endpoint-auth-method: private_key_jwt`"),
        ("jwks-url: 'https://a.example/jwks'".to_owned(), "is of no use with `token-endpoint-auth-method: client_secret_basic`"),
        ("token-endpoint-auth-method: federated_jwt".to_owned(), "is required with `federated_jwt`"),
        (by_name.to_owned(), "is required with `tls_client_auth`"),
        (format!("{by_name}, tls-client-auth-san-dns: a.example, tls-client-auth-san-ip: 10.0.0.1"), "contradicts `tls-client-auth-san-dns`"),
        (format!("client-secret-digest: {DIGEST}, previous-client-secret-digest: {DIGEST}"), "is required with a previous secret: it must end"),
        ("previous-client-secret-until: 2030-01-01T00:00:00Z".to_owned(), "is the end of no secret"),
        (format!("previous-client-secret-digest: {DIGEST}, previous-client-secret-until: 2030-01-01T00:00:00Z"), "needs `client-secret-digest` beside it"),
        (format!("secret-kind: generated, client-secret-digest: {CHOSEN}"), "a digest is of a chosen secret"),
        ("audiences: b, profile: fapi2, dpop-bound-access-tokens: true".to_owned(), "must be `private_key_jwt`"),
        ("certificate: { spiffe-id: 'spiffe://a.example/b' }".to_owned(), "needs `issuer.ca`"),
        ("tls-client-certificate-bound-access-tokens: true".to_owned(), "needs `issuer.tls.client-auth`"),
    ]
    .into_iter()
    .collect()
}

#[tokio::test]
async fn what_a_client_could_never_use_is_refused_with_its_key() {
    let harness = Harness::start().await;
    let mut taken = Vec::new();
    for (entry, said) in impossible() {
        match add(&harness.settings, &format!("client-id: a, {entry}")).await {
            Ok(_) => taken.push(entry),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(said), "{entry}: {text}");
            }
        }
    }
    assert_eq!(taken, [""; 0]);
    assert!(stored_clients(&harness.settings).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_that_is_wrong_with_a_client_is_told_at_once_with_line_and_column() {
    let harness = Harness::start().await;
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let text = "- client-id: a\n  scoops: x\n  audiences: [a]\n  calls:\n    - { audience: a, scopes: x, when: y }\n  token-life-seconds: 1\n";
    let refused = add_client(&harness.settings, &clock, ("a.yaml", text), |_| Ok(())).await;
    let said = refused.unwrap_err().to_string();
    for place in ["a.yaml:2:3", "a.yaml:5:33", "a.yaml:6:23"] {
        assert!(said.contains(place), "{place}: {said}");
    }
}
