//! A store that is sealed with another key.

use super::*;

#[tokio::test]
async fn another_sealing_key_takes_over_and_the_old_one_opens_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(OTHER_KEY)).await.unwrap();
    let a = key("a", KeyState::Signing);
    add(&store, std::slice::from_ref(&a)).await.unwrap();
    store.close().await;
    let both = SealingKeys {
        current: Some(KEY),
        previous: Some(OTHER_KEY),
    };
    for keys in [both, both, Some(KEY).into()] {
        let store = Store::open(&path, keys).await.unwrap();
        assert_eq!(store.keys().await.unwrap().records[0].private, a.private);
        assert!(store.clients().await.unwrap().is_empty());
        store.close().await;
    }
    let error = Store::open(&path, Some(OTHER_KEY)).await.unwrap_err();
    assert!(matches!(error, Error::WrongSealingKey { .. }), "{error}");
    let neither = SealingKeys {
        current: Some("a third key that is long enough to be one"),
        previous: Some(OTHER_KEY),
    };
    let error = Store::open(&path, neither).await.unwrap_err();
    assert!(
        error.to_string().contains("previous-key-encryption-key"),
        "{error}"
    );
}

#[tokio::test]
async fn what_was_written_from_outside_is_not_sealed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(OTHER_KEY)).await.unwrap();
    add(&store, &[key("a", KeyState::Signing)]).await.unwrap();
    sqlx::query("update signing_keys set created_at = 1")
        .execute(store.pool())
        .await
        .unwrap();
    store.close().await;
    let both = SealingKeys {
        current: Some(KEY),
        previous: Some(OTHER_KEY),
    };
    let error = Store::open(&path, both).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    Store::open(&path, Some(OTHER_KEY)).await.unwrap();
}
