use super::*;
use crate::clients::registration::{GrantType, Registration};
use crate::clients::secret::LiveSecret;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};
use hallpass_token::{Algorithm, UnixTime};
use zeroize::Zeroizing;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

fn key(kid: &str, state: KeyState) -> KeyRecord {
    KeyRecord {
        kid: kid.to_owned(),
        algorithm: Algorithm::Es256,
        state,
        origin: KeyOrigin::Generated,
        public_jwk: format!("{{\"kid\":\"{kid}\"}}"),
        private: Some(Zeroizing::new(kid.as_bytes().to_vec())),
        created_at: 7,
    }
}

async fn states(store: &Store) -> Vec<(String, &'static str)> {
    store
        .keys()
        .await
        .unwrap()
        .into_iter()
        .map(|key| (key.kid, key.state.as_str()))
        .collect()
}

#[tokio::test]
async fn keys_and_clients_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    store
        .add_keys(&[key("a", KeyState::Signing)])
        .await
        .unwrap();
    let client = Registration {
        client_id: "c".into(),
        scope: "x y".into(),
        audiences: vec!["one".into(), "two".into()],
        grants: GrantType::ALL.into_iter().collect(),
        token_life: Duration::from_secs(60),
        secrets: vec![LiveSecret::hash("chosen").unwrap()],
    };
    store
        .add_client(&client, UnixTime::from_secs(1))
        .await
        .unwrap();
    store.close().await;

    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let keys = store.keys().await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].private.as_ref().unwrap().as_slice(), b"a");
    assert_eq!(
        (keys[0].state, keys[0].origin, keys[0].created_at),
        (KeyState::Signing, KeyOrigin::Generated, 7)
    );
    let clients = store.clients().await.unwrap();
    assert_eq!(clients.len(), 1);
    let read = &clients[0];
    assert_eq!((read.client_id.as_str(), read.scope.as_str()), ("c", "x y"));
    assert_eq!(read.audiences, ["one", "two"]);
    assert_eq!(read.grants, client.grants);
    assert_eq!(read.token_life, Duration::from_secs(60));
    assert_eq!(read.secrets[0].to_stored(), client.secrets[0].to_stored());
}

#[tokio::test]
async fn a_new_signing_key_leaves_the_old_one_published() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    store
        .add_keys(&[key("a", KeyState::Signing)])
        .await
        .unwrap();
    store
        .add_keys(&[key("b", KeyState::Signing), key("c", KeyState::Published)])
        .await
        .unwrap();
    let now = states(&store).await;
    assert_eq!(
        now,
        [
            ("a".into(), "published"),
            ("b".into(), "signing"),
            ("c".into(), "published")
        ]
    );
    store
        .add_keys(&[key("a", KeyState::Signing)])
        .await
        .unwrap();
    let back = states(&store).await;
    assert_eq!(
        back,
        [
            ("a".into(), "signing"),
            ("b".into(), "published"),
            ("c".into(), "published")
        ]
    );
}

#[tokio::test]
async fn a_wrong_sealing_key_is_a_clear_error_and_leaves_the_store_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    store
        .add_keys(&[key("a", KeyState::Signing)])
        .await
        .unwrap();
    store.close().await;
    let before = std::fs::read(&path).unwrap();

    let error = Store::open(&path, Some(OTHER_KEY)).await.unwrap_err();
    assert!(matches!(error, Error::WrongSealingKey { .. }), "{error}");
    assert!(!error.to_string().contains(OTHER_KEY));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        ["issuer.db"],
        "no key file and no journal is left behind"
    );
    Store::open(&path, Some(KEY)).await.unwrap();
}

#[tokio::test]
async fn without_a_configured_key_one_is_made_beside_the_store_and_its_loss_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let key_path = folder.path().join("issuer.db.key");
    Store::open(&path, None).await.unwrap().close().await;
    let material = std::fs::read_to_string(&key_path).unwrap();
    Store::open(&path, None).await.unwrap().close().await;
    assert_eq!(std::fs::read_to_string(&key_path).unwrap(), material);
    Store::open(&path, Some(&material))
        .await
        .unwrap()
        .close()
        .await;

    let before = std::fs::read(&path).unwrap();
    std::fs::remove_file(&key_path).unwrap();
    let error = Store::open(&path, None).await.unwrap_err();
    assert!(matches!(error, Error::SealingKeyMissing { .. }), "{error}");
    assert!(!key_path.exists());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_a_new_store_and_its_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    Store::open(&path, None).await.unwrap().close().await;
    for file in [path.clone(), folder.path().join("issuer.db.key")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_short_key_leaves_nothing_behind_and_no_private_key_stands_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let error = Store::open(&path, Some("short")).await.unwrap_err();
    assert!(matches!(error, Error::SealingKeyTooShort { .. }));
    assert!(!path.exists());

    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let mut secret = key("a", KeyState::Signing);
    secret.private = Some(Zeroizing::new(b"this is the private key".to_vec()));
    store.add_keys(&[secret]).await.unwrap();
    store.close().await;
    let file = std::fs::read(&path).unwrap();
    assert!(
        !file
            .windows(23)
            .any(|window| window == b"this is the private key")
    );
}

#[tokio::test]
async fn a_sealed_key_that_was_moved_to_another_row_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    store
        .add_keys(&[key("a", KeyState::Published), key("b", KeyState::Published)])
        .await
        .unwrap();
    sqlx::query("update signing_keys set sealed_private = (select sealed_private from signing_keys where kid = 'a')")
        .execute(&store.pool)
        .await
        .unwrap();
    let error = store.keys().await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("\"b\""), "{error}");
}
