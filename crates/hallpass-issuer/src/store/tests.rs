use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::clients::authentication::Authentication;
use crate::clients::registration::{GrantType, Registration};
use crate::clients::secret::LiveSecret;
use crate::keys::adoption::Verifier;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};
use hallpass_token::{Algorithm, SigningKey, UnixTime};

mod another_key;
mod exchanged_seals;
mod followed_clients;
#[cfg(unix)]
mod made_by_root;
mod made_up_tables;
mod moved;
mod on_postgres;
#[path = "../../../../tests/postgres/server.rs"]
#[expect(
    dead_code,
    reason = "what is done to a server is a matter of the tests over sockets"
)]
mod postgres_server;
mod refresh_tokens;
mod revocations;
mod sealed_clients;
mod writable;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

fn key(kid: &str, state: KeyState) -> KeyRecord {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let key = key.with_key_id(kid.parse().unwrap());
    KeyRecord::of(&key, state, KeyOrigin::Generated, UnixTime::from_secs(7)).unwrap()
}

async fn add(store: &Store, keys: &[KeyRecord]) -> Result<(), Error> {
    let known = store.keys().await?;
    let written = store.write_keys(&known, keys, &[]).await?;
    assert!(written, "nobody else writes");
    Ok(())
}

async fn states(store: &Store) -> Vec<(String, &'static str)> {
    store
        .keys()
        .await
        .unwrap()
        .records
        .into_iter()
        .map(|key| (key.kid, key.state.as_str()))
        .collect()
}

#[tokio::test]
async fn keys_and_clients_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let key_a = key("a", KeyState::Signing);
    add(&store, std::slice::from_ref(&key_a)).await.unwrap();
    let client = Registration {
        client_id: "c".parse().unwrap(),
        scope: "x y".parse().unwrap(),
        audiences: vec!["one".parse().unwrap(), "two".parse().unwrap()],
        grants: GrantType::ALL.into_iter().collect(),
        token_life: Duration::from_secs(60),
        is_dpop_bound: false,
        is_certificate_bound: false,
        profile: None,
        refresh_life: Duration::from_secs(60),
        exchange: Vec::new(),
        may_revoke: Vec::new(),
        calls: Vec::new(),
        claims: serde_json::Map::new(),
        certificate_names: None,
        authentication: Authentication::by_secrets(vec![LiveSecret::stored("chosen")]),
    };
    store
        .add_client(&client, UnixTime::from_secs(1))
        .await
        .unwrap();
    store.close().await;

    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let keys = store.keys().await.unwrap().records;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].private, key_a.private);
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
    assert_eq!(
        read.authentication.secrets()[0].to_stored(),
        client.authentication.secrets()[0].to_stored()
    );
}

#[tokio::test]
async fn keys_take_their_new_states_and_go_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let mut a = key("a", KeyState::Signing);
    add(&store, std::slice::from_ref(&a)).await.unwrap();
    a.enter(KeyState::Retired, UnixTime::from_secs(9));
    add(&store, &[key("b", KeyState::Signing), a])
        .await
        .unwrap();
    let now = states(&store).await;
    assert_eq!(now, [("a".into(), "retired"), ("b".into(), "signing")]);
    let read = store.keys().await.unwrap().records;
    assert!(read[0].private.is_none(), "its private half is gone");
    assert_eq!(read[0].since, Some(9));

    let other = add(&store, &[key("a", KeyState::Signing)]).await;
    let error = other.unwrap_err();
    assert!(matches!(error, Error::KeyIdTaken { .. }), "{error}");

    let mut c = key("c", KeyState::Announced);
    c.awaits_adoption = true;
    let known = store.keys().await.unwrap();
    let deleted = ["a".to_owned()];
    assert!(store.write_keys(&known, [&c], &deleted).await.unwrap());
    let now = states(&store).await;
    assert_eq!(now, [("b".into(), "signing"), ("c".into(), "announced")]);
    assert!(store.keys().await.unwrap().records[1].awaits_adoption);
    let stale = store.write_keys(&known, [], &["b".to_owned()]).await;
    assert!(!stale.unwrap(), "it was read before the last change");
    assert_eq!(states(&store).await.len(), 2);
}

#[tokio::test]
async fn the_version_changes_when_somebody_else_writes_and_verifiers_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let other = Store::open(&path, Some(KEY)).await.unwrap();
    let before = store.written().await.unwrap();
    let verifier = |name: &str, seen_at| Verifier {
        name: name.into(),
        seen_at,
        key_ids: vec!["a".into(), "b".into()],
    };
    let both = [verifier("gone", 5), verifier("x", 10)];
    other.put_verifiers(&both, 6).await.unwrap();
    assert_ne!(store.written().await.unwrap(), before);
    assert_eq!(store.verifiers().await.unwrap(), [verifier("x", 10)]);
    let before = store.written().await.unwrap();
    store.put_verifiers(&[verifier("x", 11)], 6).await.unwrap();
    assert_eq!(
        store.written().await.unwrap(),
        before,
        "its own writes do not count"
    );
}

#[tokio::test]
async fn a_wrong_sealing_key_is_a_clear_error_and_leaves_the_store_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    add(&store, &[key("a", KeyState::Signing)]).await.unwrap();
    store.close().await;
    let before = std::fs::read(&path).unwrap();

    let error = Store::open(&path, Some(OTHER_KEY)).await.unwrap_err();
    assert!(matches!(error, Error::WrongSealingKey { .. }), "{error}");
    assert!(!error.to_string().contains(OTHER_KEY));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["issuer.db", "issuer.db.lock"],
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
    Store::open(&path, Some(material.as_str()))
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

/// A log in memory.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_sealing_key_that_others_can_read_is_named_in_the_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    Store::open(&path, None).await.unwrap().close().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path().join("issuer.db.key"), permissions).unwrap();
        log.0.lock().unwrap().clear();
        Store::open(&path, None).await.unwrap().close().await;
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let is_named = said.contains("other users can read") && said.contains("issuer.db.key");
        assert_eq!(is_named, warned, "{mode:o}: {said}");
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
    let secret = key("a", KeyState::Signing);
    add(&store, std::slice::from_ref(&secret)).await.unwrap();
    store.close().await;
    let file = std::fs::read(&path).unwrap();
    // The last bytes of the scalar, which PKCS #8 has before the public half.
    let private = secret.private.unwrap();
    assert!(!file.windows(16).any(|window| {
        private
            .windows(16)
            .skip(36)
            .take(16)
            .any(|part| part == window)
    }));
}

#[tokio::test]
async fn a_sealed_key_that_was_moved_to_another_row_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let [a, b] = ["a", "b"].map(|kid| key(kid, KeyState::Published));
    add(&store, &[a, b]).await.unwrap();
    let moved = "update signing_keys set sealed_private = (select sealed_private from signing_keys where kid = 'a')";
    sqlx::query(moved).execute(store.pool()).await.unwrap();
    let error = store.keys().await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("\"b\""), "{error}");
    // The seal of the row itself says so too, whatever the list of rows says.
    let mut transaction = store.begin().await.unwrap();
    let rows = key_rows::read(&mut transaction).await.unwrap();
    let error = rows[1]
        .record("store", &store.sealer)
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("does not open"), "{error}");
}

/// As the version before the list of rows left its stores.
async fn make_old(path: &Path, more: &[&'static str]) {
    let store = Store::open(path, Some(KEY)).await.unwrap();
    add(&store, &[key("a", KeyState::Signing)]).await.unwrap();
    let old_check = store
        .sealer
        .seal(b"hallpass issuer store", b"store check")
        .unwrap();
    sqlx::query("update store_meta set value = $1 where name = 'seal_check'")
        .bind(old_check)
        .execute(store.pool())
        .await
        .unwrap();
    let forget = "delete from store_meta where name like 'rows_of_%'";
    for sql in [forget].iter().chain(more) {
        sqlx::query(*sql).execute(store.pool()).await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn a_store_of_an_older_version_opens_and_its_rows_are_held_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let client = "insert into clients (client_id, scope, token_life_seconds, created_at) values ('c', 'x', 60, 1)";
    make_old(&path, &[client]).await;
    for _ in 0..2 {
        let store = Store::open(&path, Some(KEY)).await.unwrap();
        assert_eq!(states(&store).await, [("a".into(), "signing")]);
        assert_eq!(store.clients().await.unwrap().len(), 1);
        store.close().await;
    }
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    sqlx::query("update clients set scope = 'x y'")
        .execute(store.pool())
        .await
        .unwrap();
    let error = store.clients().await.unwrap_err();
    assert!(error.to_string().contains("\"c\""), "{error}");
    assert!(store.keys().await.is_ok(), "keys have a list of their own");
}

#[tokio::test]
async fn a_wrong_public_half_in_a_store_of_an_older_version_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let other = "update signing_keys set public_jwk = '{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}'";
    make_old(&path, &[other]).await;
    let error = Store::open(&path, Some(KEY)).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}

#[tokio::test]
async fn a_key_file_that_a_crash_left_empty_is_replaced_while_there_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let key_path = folder.path().join("issuer.db.key");
    std::fs::write(&key_path, "").unwrap();
    Store::open(&path, None).await.unwrap().close().await;
    assert!(std::fs::read_to_string(&key_path).unwrap().len() >= 32);
    Store::open(&path, None).await.unwrap().close().await;
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 3, "store, key and lock: nothing unfinished is left");
}

#[tokio::test]
async fn a_key_file_that_cannot_be_used_is_named_and_no_other_setting_is_blamed() {
    for content in ["", " \n", "too short"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.db");
        let key_path = folder.path().join("issuer.db.key");
        Store::open(&path, None).await.unwrap().close().await;
        std::fs::write(&key_path, content).unwrap();
        let error = Store::open(&path, None).await.unwrap_err();
        assert!(matches!(error, Error::SealingKeyFile { .. }), "{error}");
        assert!(error.to_string().contains("issuer.db.key"), "{error}");
        assert!(!error.to_string().contains("openssl"), "{error}");

        std::fs::write(&key_path, OTHER_KEY).unwrap();
        let error = Store::open(&path, None).await.unwrap_err();
        assert!(error.to_string().contains("issuer.db.key"), "{error}");
    }
}
