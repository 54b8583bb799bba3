//! Clients, each of which is sealed by itself.

use std::collections::BTreeMap;

use super::*;
use crate::clients::stored_registration::StoredRegistration;
use crate::store::client_changes::ClientChange;
use crate::store::row_list::{RowList, Table};

const NOW: UnixTime = UnixTime::from_secs(9);

pub(super) fn text(settings: &str) -> StoredRegistration {
    StoredRegistration {
        settings: settings.to_owned(),
        secret_digest: Some("of a secret".to_owned()),
    }
}

async fn change(store: &Store, id: &str, to: Option<&str>) -> Result<(), Error> {
    let kept = store.kept_client(id).await?;
    let change = ClientChange {
        client_id: id.parse().unwrap(),
        from: kept.map(|kept| kept.revision),
        to: to.map(text),
    };
    store.change_clients(vec![change], &[], NOW).await
}

pub(super) async fn register(store: &Store, id: &str, settings: &str) {
    change(store, id, Some(settings)).await.unwrap();
}

/// Whether there was one.
pub(super) async fn remove(store: &Store, id: &str) -> bool {
    let is_there = store.kept_client(id).await.unwrap().is_some();
    change(store, id, None).await.unwrap();
    is_there
}

pub(super) async fn write(store: &Store, statements: &[String]) {
    for sql in statements {
        let sql = sqlx::AssertSqlSafe(sql.clone());
        sqlx::query(sql).execute(store.pool()).await.unwrap();
    }
}

/// Every client with its text, as a fresh reader finds them.
pub(super) async fn all(store: &Store) -> Result<BTreeMap<String, String>, Error> {
    let read = store.kept_clients().await?.into_iter();
    let read = read.filter(|kept| !kept.is_first);
    Ok(read
        .map(|kept| (kept.client_id, kept.registration.settings))
        .collect())
}

pub(super) async fn opened(folder: &tempfile::TempDir) -> Store {
    let path = folder.path().join("issuer.db");
    Store::open(&path, Some(KEY)).await.unwrap()
}

/// What somebody does to the file, each with what it does to client `a` or beside it.
fn tamperings() -> Vec<(&'static str, Vec<String>)> {
    let copied = |id: &str, more: &str| {
        vec![
            format!(
                "insert into clients (client_id, scope, token_life_seconds, created_at, seq, mac) \
                 select '{id}', scope, token_life_seconds, created_at, seq{more}, mac from clients where client_id = 'b'"
            ),
            format!(
                "insert into client_registrations (client_id, settings, secret_digest) \
                 select '{id}', settings, secret_digest from client_registrations where client_id = 'b'"
            ),
        ]
    };
    let one = |sql: &str| vec![sql.to_owned()];
    vec![
        ("written", copied("thief", " + 100")),
        ("written in the same change", copied("thief", "")),
        (
            "written without a number",
            one("insert into clients (client_id, scope, token_life_seconds, created_at) values ('thief', 'x', 60, 1)"),
        ),
        ("changed", one("update client_registrations set settings = 'more' where client_id = 'a'")),
        (
            "given another secret",
            one("update client_registrations set secret_digest = 'mine' where client_id = 'a'"),
        ),
        ("given a secret that is none", one("update client_registrations set secret_digest = null where client_id = 'a'")),
        ("made the first client", one("delete from client_registrations where client_id = 'a'")),
        ("given an audience", one("insert into client_audiences values ('a', 'bank')")),
        ("numbered anew", one("update clients set seq = 50 where client_id = 'a'")),
        ("taken away", one("delete from clients where client_id = 'a'")),
        (
            "exchanged",
            vec![
                "update client_registrations set settings = case client_id when 'a' then 'of b' else 'of a' end".to_owned(),
            ],
        ),
        (
            "renamed to each other",
            vec![
                "update clients set client_id = 'x' where client_id = 'a'".to_owned(),
                "update clients set client_id = 'a' where client_id = 'b'".to_owned(),
                "update clients set client_id = 'b' where client_id = 'x'".to_owned(),
            ],
        ),
        ("without its seal", one("update clients set mac = null where client_id = 'a'")),
    ]
}

#[tokio::test]
async fn whatever_is_done_to_clients_from_outside_is_found() {
    for (name, tampering) in tamperings() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        register(&store, "a", "of a").await;
        register(&store, "b", "of b").await;
        assert_eq!(all(&store).await.unwrap().len(), 2);
        write(&store, &["pragma foreign_keys = off".to_owned()]).await;
        write(&store, &tampering).await;
        let error = all(&store).await.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{name}: {error}"
        );
        // Nor after a restart, nor after a change.
        store.close().await;
        let store = opened(&folder).await;
        let _ = change(&store, "c", Some("of c")).await;
        let error = all(&store).await.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn a_client_that_stands_there_twice_is_damage_or_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    register(&store, "a", "of a").await;
    register(&store, "b", "of b").await;
    let twin = [
        "pragma foreign_keys = off",
        "create table twin as select * from clients",
        "insert into twin select * from clients where client_id = 'a'",
        "drop table clients",
        "alter table twin rename to clients",
    ];
    write(&store, &twin.map(str::to_owned)).await;
    // The very same row says nothing new.
    assert_eq!(all(&store).await.unwrap().len(), 2);
    write(
        &store,
        &["update clients set scope = 'more' where rowid = 1".to_owned()],
    )
    .await;
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}

/// The rows of a client as statements that put them back.
async fn keep(store: &Store, id: &str) {
    write(
        store,
        &[
            "drop table if exists kept_c".to_owned(),
            "drop table if exists kept_r".to_owned(),
            format!("create table kept_c as select * from clients where client_id = '{id}'"),
            format!(
                "create table kept_r as select * from client_registrations where client_id = '{id}'"
            ),
        ],
    )
    .await;
}

async fn put_back(store: &Store, id: &str) {
    write(
        store,
        &[
            format!("delete from client_registrations where client_id = '{id}'"),
            format!("delete from clients where client_id = '{id}'"),
            "insert into clients select * from kept_c".to_owned(),
            "insert into client_registrations select * from kept_r".to_owned(),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_older_state_of_a_client_is_not_believed_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    register(&store, "a", "may do much").await;
    register(&store, "b", "of b").await;
    keep(&store, "a").await;
    assert!(remove(&store, "a").await);
    put_back(&store, "a").await;
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    write(
        &store,
        &["delete from clients where client_id = 'a'".to_owned()],
    )
    .await;
    register(&store, "a", "may do little").await;
    assert_eq!(all(&store).await.unwrap()["a"], "may do little");
    put_back(&store, "a").await;
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    // Nor does it come under a seal that fits: what goes out of the sum is what stands there, and that was not in it.
    assert!(remove(&store, "a").await);
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}

#[tokio::test]
async fn a_client_of_the_days_that_a_backup_has_undone_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = opened(&folder).await;
    register(&store, "b", "of b").await;
    store.close().await;
    let backup = std::fs::read(&path).unwrap();
    let store = opened(&folder).await;
    register(&store, "a", "may do much").await;
    let row: (i64, String) = sqlx::query_as("select seq, mac from clients where client_id = 'a'")
        .fetch_one(store.pool())
        .await
        .unwrap();
    store.close().await;
    std::fs::write(&path, backup).unwrap();
    let store = opened(&folder).await;
    register(&store, "a", "may do little").await;
    // The same name and the same number, and an HMAC that was right once.
    let put = format!(
        "update clients set seq = {}, mac = '{}' where client_id = 'a'",
        row.0, row.1
    );
    let text = "update client_registrations set settings = 'may do much' where client_id = 'a'";
    write(&store, &[put, text.to_owned()]).await;
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}

#[tokio::test]
async fn a_change_that_was_cut_off_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    register(&store, "a", "text").await;
    let before = all(&store).await.unwrap();
    for statements in 0..3 {
        let mut transaction = store.begin_write().await.unwrap();
        let mut writing = client_writing::ClientWriting::begin(&store, &mut transaction)
            .await
            .unwrap();
        let found = writing.find(&mut transaction, "a").await.unwrap().unwrap();
        if statements > 0 {
            writing.remove(&mut transaction, &found).await.unwrap();
        }
        if statements > 1 {
            writing.finish(&mut transaction).await.unwrap();
        }
        drop(transaction);
        assert_eq!(all(&store).await.unwrap(), before);
    }
}

/// As the version left it that had a list of its clients.
async fn make_listed(store: &Store) {
    let mut transaction = store.begin_write().await.unwrap();
    let rows = client_rows::read(&mut transaction).await.unwrap();
    let list: RowList = client_rows::list(&rows);
    seal::put_list(
        &store.name,
        &mut transaction,
        &store.sealer,
        Table::Clients,
        &list,
    )
    .await
    .unwrap();
    seal::put_whole(&store.name, &mut transaction, &store.sealer)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    write(
        store,
        &["update clients set seq = 0, mac = null".to_owned()],
    )
    .await;
}

#[tokio::test]
async fn a_store_with_a_list_of_its_clients_opens_and_each_is_sealed_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    for id in ["a", "b", "c"] {
        register(&store, id, &format!("of {id}")).await;
    }
    let before = all(&store).await.unwrap();
    make_listed(&store).await;
    store.close().await;
    let store = opened(&folder).await;
    assert_eq!(all(&store).await.unwrap(), before);
    register(&store, "d", "of d").await;
    assert!(remove(&store, "b").await);
    store.close().await;
    let store = opened(&folder).await;
    assert_eq!(all(&store).await.unwrap().len(), 3);
    // What was written beside the list is not sealed with the rest.
    make_listed(&store).await;
    write(
        &store,
        &["update client_registrations set settings = 'more' where client_id = 'a'".to_owned()],
    )
    .await;
    store.close().await;
    let path = folder.path().join("issuer.db");
    let error = Store::open(&path, Some(KEY)).await.unwrap_err();
    assert!(error.to_string().contains("\"a\""), "{error}");
}

#[tokio::test]
async fn clients_outlive_another_sealing_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(OTHER_KEY)).await.unwrap();
    register(&store, "a", "of a").await;
    store.close().await;
    let both = SealingKeys {
        current: Some(KEY),
        previous: Some(OTHER_KEY),
    };
    for keys in [both, Some(KEY).into()] {
        let store = Store::open(&path, keys).await.unwrap();
        assert_eq!(all(&store).await.unwrap()["a"], "of a");
        store.close().await;
    }
}

#[tokio::test]
async fn two_processes_that_register_at_once_lose_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (opened(&folder).await, opened(&folder).await);
    let of = async |store: &Store, name: &str| {
        for n in 0..10 {
            register(store, &format!("{name}-{n}"), "text").await;
        }
    };
    tokio::join!(of(&one, "one"), of(&other, "other"));
    assert_eq!(all(&one).await.unwrap().len(), 20);
    assert_eq!(all(&other).await.unwrap().len(), 20);
}
