//! Signing keys from start to start.

use hallpass_config::Secret;
use hallpass_issuer::{Error, IssuerServer};
use hallpass_token::Algorithm;
use serde_json::Value;

use crate::harness::Harness;

async fn kids(harness: &Harness) -> Vec<String> {
    let keys = harness.get("/oauth2/jwks", &[]).await.json();
    keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn header(token: &str) -> Value {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.split('.').next().unwrap())
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn the_same_key_signs_after_a_restart() {
    let harness = Harness::start().await;
    let before = kids(&harness).await;
    let token = harness.token().await;
    let harness = harness.restart().await;
    assert_eq!(kids(&harness).await, before);
    assert!(harness.verify(&token, "service-system").await.is_ok());
    assert_eq!(header(&harness.token().await)["kid"], before[0].as_str());
}

#[tokio::test]
async fn each_algorithm_can_sign_and_the_former_key_stays_published() {
    let mut harness = Harness::start().await;
    let mut tokens = vec![harness.token().await];
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256] {
        harness.settings.algorithm = algorithm;
        harness = harness.restart().await;
        let token = harness.token().await;
        assert_eq!(header(&token)["alg"], algorithm.as_str());
        assert_eq!(header(&token)["typ"], "at+jwt");
        assert_eq!(
            header(&token)["kid"],
            kids(&harness).await[0].as_str(),
            "the signing key comes first"
        );
        tokens.push(token);
    }
    assert_eq!(kids(&harness).await.len(), 3);
    for token in &tokens {
        assert!(harness.verify(token, "service-system").await.is_ok());
    }
    harness.settings.algorithm = Algorithm::Es256;
    let harness = harness.restart().await;
    assert_eq!(
        header(&harness.token().await)["kid"],
        header(&tokens[0])["kid"],
        "the first key signs again"
    );
    assert_eq!(kids(&harness).await.len(), 3);
}

#[tokio::test]
async fn a_wrong_key_encryption_key_stops_the_start_with_clear_words() {
    let harness = Harness::start().await;
    let Harness {
        issuer,
        clock,
        mut settings,
        folder: _folder,
    } = harness;
    issuer.shutdown().await.unwrap();
    let before = std::fs::read(&settings.store).unwrap();
    settings.key_encryption_key = Some(Secret::new("quite another key of at least 32 bytes"));
    let error = IssuerServer::start(&settings, clock.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::WrongSealingKey { .. }));
    assert!(
        error.to_string().contains("is not the one that sealed"),
        "{error}"
    );
    assert_eq!(
        std::fs::read(&settings.store).unwrap(),
        before,
        "the store is untouched"
    );

    settings.key_encryption_key = None;
    let error = IssuerServer::start(&settings, clock).await.unwrap_err();
    assert!(matches!(error, Error::SealingKeyMissing { .. }), "{error}");
}
