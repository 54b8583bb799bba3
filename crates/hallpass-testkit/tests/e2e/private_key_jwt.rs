//! A service that proves who it is by a key of its own, from YAML to the callee, with a key that changes meanwhile.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hallpass::client::AuthTokenService;
use hallpass::clock::SystemClock;
use hallpass::config::Loader;
use hallpass::token::{Algorithm, AssertionSigner, JwkSet};
use hallpass::{Hallpass, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};

/// A key of its own in a file, and the set with its public half.
fn key(folder: &Path, algorithm: Algorithm) -> AssertionSigner {
    let signer = AssertionSigner::generate(algorithm).unwrap();
    fs::write(folder.join("client.pem"), signer.to_pem().unwrap().as_str()).unwrap();
    signer
}

fn issuer_settings(keys: &[&AssertionSigner]) -> IssuerSettings {
    let keys = JwkSet::new(keys.iter().map(|signer| signer.public_jwk()));
    let text = format!(
        "hallpass: {{ issuer: {{ clients: [{{ client-id: order-service, token-endpoint-auth-method: private_key_jwt, \
         jwks: '{}', audiences: [billing, logistics] }}] }} }}",
        keys.to_json()
    );
    let loader = Loader::new("hallpass").text("issuer", text);
    loader.load().unwrap().into_settings()
}

fn settings(issuer: &RunningIssuer, folder: &Path) -> Settings {
    let text = format!(
        "hallpass:
  internal-token:
    client-id: order-service
    client-authentication: private_key_jwt
    private-key-file: {}
    issuer: internal
    token-url: '{}'
",
        folder.join("client.pem").display(),
        issuer.url("/oauth2/token"),
    );
    let loader = Loader::new("hallpass").text("caller", text);
    loader.load::<Settings>().unwrap().into_settings()
}

async fn token(tokens: &AuthTokenService, audience: &str) -> Result<String, String> {
    let handle = tokens.handle(&audience.parse().unwrap(), &"".parse().unwrap());
    handle.evict().await;
    let token = handle.token().await.map_err(|error| error.to_string())?;
    Ok(token.access_token().expose().to_owned())
}

#[tokio::test]
async fn a_service_with_a_key_gets_tokens_and_changes_its_key_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = key(folder.path(), Algorithm::Es256);
    let mut known = issuer_settings(&[&first]);
    known.listen = "127.0.0.1:0".parse().unwrap();
    known.store = folder.path().join("issuer.db");
    let clock = Arc::new(SystemClock::new());
    let issuer = IssuerServer::start(&known, clock).await.unwrap();
    let hallpass = Hallpass::from_settings(&settings(&issuer, folder.path())).unwrap();
    let tokens = hallpass.tokens();
    let before = issuer.tokens_issued();
    for audience in ["billing", "logistics", "billing"] {
        assert!(token(tokens, audience).await.is_ok());
    }
    assert_eq!(issuer.tokens_issued() - before, 3);
    // The client has another key before the issuer knows it: the one that was accepted last is tried once.
    let second = key(folder.path(), Algorithm::EdDsa);
    assert!(token(tokens, "billing").await.is_ok());
    known.clients = issuer_settings(&[&first, &second]).clients;
    issuer.apply(&known).await.unwrap();
    assert!(token(tokens, "billing").await.is_ok());
    known.clients = issuer_settings(&[&second]).clients;
    issuer.apply(&known).await.unwrap();
    assert!(token(tokens, "billing").await.is_ok());
    // What is half written changes nothing.
    fs::write(
        folder.path().join("client.pem"),
        "-----BEGIN PRIVATE KEY-----\n",
    )
    .unwrap();
    assert!(token(tokens, "billing").await.is_ok());
    issuer.shutdown().await.unwrap();
}
