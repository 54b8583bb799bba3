//! Signing keys from start to start.

use std::time::Duration;

use hallpass_config::Secret;
use hallpass_issuer::{Error, IssuerServer, import_keys};
use hallpass_token::Algorithm;
use serde_json::Value;

use crate::harness::Harness;

pub(crate) async fn kids(harness: &Harness) -> Vec<String> {
    let keys = harness.get("/oauth2/jwks", &[]).await.json();
    keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn header(token: &str) -> Value {
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
    let mut harness = Harness::with(|settings| settings.key_announce = Some(Duration::ZERO)).await;
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

const NEW_KEY: &str = include_str!("data/ec-p256.pem");

async fn import_and_reload(harness: &Harness) -> String {
    let clock = harness.clock.clone() as _;
    let imported = import_keys(&harness.settings, &clock, NEW_KEY)
        .await
        .unwrap();
    assert!(imported.signing.is_empty(), "{imported:?}");
    harness.issuer.apply(&harness.settings).await.unwrap();
    imported.announced[0].key_id.to_string()
}

async fn signer(harness: &Harness) -> String {
    let token = harness.token().await;
    assert!(harness.verify(&token, "service-system").await.is_ok());
    header(&token)["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_key_is_published_for_as_long_as_verifiers_may_keep_the_set_before_it_signs() {
    let harness = Harness::start().await;
    let old = signer(&harness).await;
    let new = import_and_reload(&harness).await;
    assert_eq!(kids(&harness).await, [old.clone(), new.clone()]);
    assert_eq!(signer(&harness).await, old);
    harness.clock.advance(Duration::from_secs(299));
    assert_eq!(signer(&harness).await, old);
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(signer(&harness).await, new, "without a reload");
    assert_eq!(kids(&harness).await, [new.clone(), old.clone()]);
    let harness = harness.restart().await;
    assert_eq!(signer(&harness).await, new);
    assert_eq!(kids(&harness).await, [new, old]);
}

#[tokio::test]
async fn a_key_set_that_may_not_be_kept_does_not_switch_the_announcement_off() {
    let harness = Harness::with(|settings| settings.jwks_max_age = Duration::ZERO).await;
    let old = signer(&harness).await;
    let new = import_and_reload(&harness).await;
    harness.clock.advance(Duration::from_secs(59));
    assert_eq!(signer(&harness).await, old);
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(signer(&harness).await, new);
}

#[tokio::test]
async fn the_time_of_an_announced_key_goes_on_over_a_restart_and_a_reload() {
    let harness = Harness::start().await;
    let old = signer(&harness).await;
    let new = import_and_reload(&harness).await;
    harness.clock.advance(Duration::from_secs(200));
    let harness = harness.restart().await;
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(signer(&harness).await, old);
    harness.clock.advance(Duration::from_secs(100));
    assert_eq!(signer(&harness).await, new);
}

#[tokio::test]
async fn a_key_that_was_imported_while_the_issuer_was_down_is_announced_too() {
    let harness = Harness::start().await;
    let old = signer(&harness).await;
    let clock = harness.clock.clone() as _;
    import_keys(&harness.settings, &clock, NEW_KEY)
        .await
        .unwrap();
    harness.clock.advance(Duration::from_secs(10_000));
    let harness = harness.restart().await;
    assert_eq!(signer(&harness).await, old);
    harness.clock.advance(Duration::from_secs(300));
    assert_ne!(signer(&harness).await, old);
}

#[tokio::test]
async fn after_a_change_of_the_algorithm_the_key_before_signs_until_the_new_one_is_known() {
    let mut harness = Harness::start().await;
    let old = signer(&harness).await;
    harness.settings.algorithm = Algorithm::EdDsa;
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(kids(&harness).await.len(), 2);
    assert_eq!(signer(&harness).await, old);
    harness.clock.advance(Duration::from_secs(300));
    let token = harness.token().await;
    assert_eq!(header(&token)["alg"], "EdDSA");
    assert!(harness.verify(&token, "service-system").await.is_ok());
}
