//! Other people's OAuth clients drive the issuer: oauth4webapi and openid-client, Authlib, go-oidc, Nimbus, Spring Security.
//! They check every response by the letter of the standards; the programs are in `tests/clients`. Each test is skipped, with
//! a line that says so, where its language or its packages cannot be had.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod mutual_tls;
mod tools;

use std::path::Path;
use std::process::Command;

use axum::{Router, routing::get};
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::token::{SigningKey, TokenClaims, UnixTime, sign};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use serde_json::{Value, json};

use crate::tools::Tools;

/// What users' tokens are signed with (RFC 8037 appendix A.1).
const USERS_KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

/// What the client signs with that has no secret (RFC 7515 appendix A.3).
const SIGNERS_KEY: &str = r#"{ "kty": "EC", "crv": "P-256", "kid": "signer", "alg": "ES256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI" }"#;

/// Every character that some client encodes wrongly.
const SECRET: &str = "Order:Secret 1+2%3/=&";

const ISSUER: &str = r#"
hallpass:
  issuer:
    introspection-clients: [order-service, signing-service]
    key-announce-seconds: 0
    dpop: { nonce: required }
    clients:
      - client-id: order-service
        client-secret: 'Order:Secret 1+2%3/=&'
        scopes: internal-service
        audiences: [service-system, service-billing]
        grant-types: [client_credentials, refresh_token, 'urn:ietf:params:oauth:grant-type:token-exchange', 'urn:ietf:params:oauth:grant-type:jwt-bearer']
        exchange:
          - { subject-kinds: user, targets: logistics-service, scopes: shipments.read }
          - { grant: jwt-bearer, subject-issuer: 'https://partner.example', subject-kinds: user, targets: logistics-service, scopes: shipments.read }
      - client-id: signing-service
        token-endpoint-auth-method: private_key_jwt
        jwks: |
          { "keys": [ { "kty": "EC", "crv": "P-256", "kid": "signer", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" } ] }
        scopes: internal-service
        audiences: service-system
      - client-id: pod-service
        token-endpoint-auth-method: federated_jwt
        audiences: service-system
        assertions: [{ issuer: 'https://cluster.example', subject: 'system:serviceaccount:shop:pod' }]
    trusted-issuers:
      - { name: partner, issuer: 'https://partner.example', jwks-url: '${KEYS}', user-when: [sub], service-when: '' }
      - { name: cluster, preset: kubernetes, issuer: 'https://cluster.example', jwks-url: '${KEYS}' }
"#;

/// The public half of [`SIGNERS_KEY`], by which the issuer trusts others.
const OTHERS_KEYS: &str = r#"{ "keys": [ { "kty": "EC", "crv": "P-256", "kid": "signer", "alg": "ES256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" } ] }"#;

/// An issuer that is known by its address, as strict clients demand, and one of its clients.
struct Judged {
    issuer: TestIssuer,
    _others: TestServer,
    /// What a judge is told, as JSON.
    asked: String,
}

impl Judged {
    async fn start() -> Self {
        let others = Router::new().route("/jwks", get(async || OTHERS_KEYS));
        let others = TestServer::start(others).await.unwrap();
        let settings = Loader::new("hallpass")
            .text("issuer", ISSUER)
            .environment([("KEYS", others.url("/jwks"))]);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).named_by_its_address();
        let issuer = issuer.start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let asked = json!({
            "issuer": issuer.url(""),
            "client": { "id": "order-service", "secret": SECRET },
            "signer": {
                "id": "signing-service",
                "key": serde_json::from_str::<Value>(SIGNERS_KEY).unwrap(),
            },
            "partner": { "issuer": "https://partner.example" },
            "pod": {
                "id": "pod-service",
                "issuer": "https://cluster.example",
                "subject": "system:serviceaccount:shop:pod",
            },
            "audience": "service-system",
            "scope": "internal-service",
            "user": {
                "token": token_of_alice(&issuer.url("")),
                "subject": "alice",
                "target": "logistics-service",
                "scope": "shipments.read",
            },
        });
        let asked = asked.to_string();
        Self {
            issuer,
            _others: others,
            asked,
        }
    }

    /// Demands that a judge passes everything: `checks` are the lines that it prints, in their order.
    async fn passes(&self, judge: Command, checks: &[&str]) {
        passes(judge, &self.asked, checks).await;
        assert!(self.issuer.tokens_issued() > 0);
    }
}

/// The same of a judge that is told `asked`.
async fn passes(mut judge: Command, asked: &str, checks: &[&str]) {
    judge.arg(asked);
    let run = tokio::task::spawn_blocking(move || judge.output());
    let run = run.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let complaint = String::from_utf8_lossy(&run.stderr);
    let passed: Vec<&str> = said.lines().collect();
    assert!(run.status.success(), "after {passed:?}:\n{complaint}");
    assert_eq!(passed, checks, "{complaint}");
}

/// A user's token for the order service, which a web client got for her.
fn token_of_alice(issuer: &str) -> String {
    let now = UnixTime::from(SystemClock::new().now());
    let mut claims = TokenClaims::new(
        issuer.parse().unwrap(),
        "alice".parse().unwrap(),
        "order-service".parse().unwrap(),
        now.saturating_add(std::time::Duration::from_secs(500)),
    );
    claims.client_id = Some("web".parse().unwrap());
    claims.scope = "shipments.read".parse().unwrap();
    claims.issued_at = Some(now);
    let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
    let token = sign(&claims, &key, now).unwrap();
    token.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth4webapi_and_openid_client_take_every_response() {
    let Some(judge) = Tools::of_tests().javascript("judge.mjs") else {
        return;
    };
    let checks = [
        "oauth4webapi: metadata (RFC 8414)",
        "oauth4webapi: client_credentials, basic and post",
        "oauth4webapi: refusals",
        "oauth4webapi: token exchange (RFC 8693)",
        "oauth4webapi: introspection and revocation (RFC 7662, RFC 7009)",
        "oauth4webapi: introspection as a signed JWT (RFC 9701)",
        "oauth4webapi: proofs of possession with nonces (RFC 9449)",
        "oauth4webapi: refresh tokens (RFC 6749 section 6)",
        "oauth4webapi and openid-client: clients that sign (private_key_jwt)",
        "openid-client: every grant and question",
    ];
    Judged::start().await.passes(judge, &checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_takes_every_response() {
    let Some(judge) = Tools::of_tests().python("judge.py") else {
        return;
    };
    let checks = [
        "authlib: metadata (RFC 8414)",
        "authlib: client_credentials, basic and post",
        "authlib: refusals",
        "authlib: clients that sign (private_key_jwt)",
        "authlib: token exchange (RFC 8693)",
        "authlib: refresh tokens (RFC 6749 section 6)",
        "authlib: introspection and revocation (RFC 7662, RFC 7009)",
    ];
    Judged::start().await.passes(judge, &checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_of_go_take_every_response() {
    let Some(judge) = Tools::of_tests().go() else {
        return;
    };
    let checks = [
        "go-oidc: metadata",
        "x/oauth2 and go-oidc: client_credentials, each style of authentication",
        "x/oauth2: refusals",
    ];
    Judged::start().await.passes(judge, &checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nimbus_and_spring_security_take_every_response() {
    let Some(judge) = Tools::of_tests().java() else {
        return;
    };
    let checks = [
        "nimbus: metadata (RFC 8414)",
        "nimbus: client_credentials, basic and post",
        "nimbus: refusals",
        "nimbus: clients that sign (private_key_jwt)",
        "nimbus: token exchange (RFC 8693)",
        "nimbus: refresh tokens (RFC 6749 section 6)",
        "nimbus: introspection and revocation (RFC 7662, RFC 7009)",
        "nimbus: proofs of possession with nonces (RFC 9449)",
        "nimbus: assertions of another issuer (RFC 7523)",
        "spring security: metadata",
        "spring security: client_credentials",
        "spring security: clients that sign (private_key_jwt)",
        "spring security: token exchange",
        "spring security: introspection",
        "spring security: refresh tokens",
        "spring security: the token of a service account in place of a secret",
        "spring security: proofs of possession with nonces",
        "spring security: assertions of another issuer",
    ];
    Judged::start().await.passes(judge, &checks).await;
}

/// The sources of the judges.
fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients"))
}
