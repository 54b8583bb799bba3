//! Bringing in keys that exist.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::IssuerSettings;
use hallpass_issuer::{Error, Imported, import_keys};
use hallpass_token::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::harness::{Harness, settings, test_clock};

const EC_PEM: &str = include_str!("data/ec-p256.pem");
const PRIVATE_SET: &str = include_str!("data/private-set.json");

async fn import(settings: &IssuerSettings, text: &str) -> Result<Imported, Error> {
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    import_keys(settings, &clock, text).await
}

async fn kids(harness: &Harness) -> Vec<Value> {
    let keys = harness.get("/oauth2/jwks", &[]).await.json();
    keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].clone())
        .collect()
}

#[tokio::test]
async fn an_imported_key_signs_and_the_old_one_stays_published() {
    let harness = Harness::start().await;
    let old_token = harness.token().await;
    let old = kids(&harness).await.remove(0);
    let imported = import(&harness.settings, EC_PEM).await.unwrap();
    assert!(imported.signing.is_empty() && imported.published.is_empty());
    assert_eq!(imported.announced[0].algorithm, Algorithm::Es256);
    assert_eq!(
        kids(&harness).await,
        std::slice::from_ref(&old),
        "a running issuer goes on with what it has"
    );

    harness.issuer.apply(&harness.settings).await.unwrap();
    let new = Value::from(imported.announced[0].key_id.as_str());
    assert_eq!(kids(&harness).await, [old.clone(), new.clone()]);
    harness.clock.advance(std::time::Duration::from_secs(300));
    assert_eq!(kids(&harness).await, [new.clone(), old.clone()]);
    let new_token = harness.token().await;
    for token in [&old_token, &new_token] {
        assert!(harness.verify(token, "service-system").await.is_ok());
    }
    let harness = harness.restart().await;
    assert_eq!(kids(&harness).await, [new, old]);
    assert!(harness.verify(&new_token, "service-system").await.is_ok());
}

#[tokio::test]
async fn a_set_brings_its_names_and_what_cannot_be_used_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let imported = import(&settings, PRIVATE_SET).await.unwrap();
    insta::assert_debug_snapshot!(imported);

    let harness = Harness::with(|new| {
        new.store = settings.store.clone();
        new.algorithm = Algorithm::EdDsa;
    })
    .await;
    let mut published = kids(&harness).await;
    assert_eq!(
        published[0], "old-ed",
        "it signs tokens now, as it did where it comes from"
    );
    published.sort_by_key(|kid| kid.as_str().map(str::to_owned));
    assert_eq!(published, ["new-ec", "old-ec", "old-ed", "verify-only"]);
    let token = harness.token().await;
    assert!(harness.verify(&token, "service-system").await.is_ok());
}

#[tokio::test]
async fn importing_the_same_keys_again_changes_nothing() {
    let harness = Harness::start().await;
    import(&harness.settings, EC_PEM).await.unwrap();
    import(&harness.settings, EC_PEM).await.unwrap();
    let served = harness.get("/oauth2/jwks", &[]).await.json();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let before = kids(&harness).await;
    assert_eq!(before.len(), 2);
    // The issuer's own public keys beside a private one: what signs goes on signing.
    let mut set = served;
    let other = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    set["keys"].as_array_mut().unwrap().push(other);
    import(&harness.settings, &set.to_string()).await.unwrap();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let after = kids(&harness).await;
    assert_eq!(after[0], before[0]);
    assert!(after.contains(&before[1]) && after.len() == 3, "{after:?}");
}

#[tokio::test]
async fn another_key_under_a_known_name_is_refused_and_nothing_is_changed() {
    let harness = Harness::start().await;
    let kid = kids(&harness).await.remove(0);
    let mut jwk: Value = serde_json::from_str::<Value>(PRIVATE_SET).unwrap()["keys"][0].clone();
    jwk["kid"] = kid.clone();
    let error = import(&harness.settings, &jwk.to_string())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::KeyIdTaken { .. }), "{error}");
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(kids(&harness).await, [kid]);
}

#[tokio::test]
async fn files_without_a_usable_private_key_are_refused_without_showing_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let public = SigningKey::generate(Algorithm::Es256)
        .unwrap()
        .public_jwk()
        .to_json();
    let mut twice: Value = serde_json::from_str(PRIVATE_SET).unwrap();
    let first = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(first);
    let half_pem = EC_PEM.replace("-----END", "----END");
    let texts = [
        String::new(),
        "not a key".into(),
        "{".into(),
        "{\"keys\": 1}".into(),
        "{\"keys\": []}".into(),
        public.to_string(),
        json!({"kty": "oct", "k": "c2VjcmV0LXNlY3JldA", "d": "c2VjcmV0LXNlY3JldA"}).to_string(),
        half_pem,
        twice.to_string(),
        " ".repeat(2 * 1024 * 1024),
    ];
    for text in texts {
        let error = import(&settings, &text).await.unwrap_err();
        assert!(matches!(error, Error::Import { .. }), "{error}");
        assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        assert!(
            !settings.store.exists(),
            "nothing was created for a file that cannot be used"
        );
    }
}

#[tokio::test]
async fn more_keys_than_can_be_published_are_refused_and_none_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let mut keys: Vec<Value> = serde_json::from_str::<Value>(PRIVATE_SET).unwrap()["keys"]
        .as_array()
        .unwrap()
        .clone();
    for _ in 0..256 {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        keys.push(key.public_jwk().to_json());
    }
    let error = import(&settings, &json!({ "keys": keys }).to_string()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Import { .. }), "{error}");
    assert!(error.to_string().contains("256 keys"), "{error}");
    let harness = Harness::with(|new| new.store = settings.store.clone()).await;
    assert_eq!(kids(&harness).await.len(), 1, "only the issuer's own");
}
