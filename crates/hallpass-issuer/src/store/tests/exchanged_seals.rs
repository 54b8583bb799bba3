//! Lists and seals that are exchanged while a transaction goes on: by what somebody has put into the database, or, where others can write meanwhile, by
//! one statement.

use super::sealed_clients::{all, opened, register, write};
use super::*;
use crate::store::query::query;

/// What puts back the row of client `a`, and the seal of the clients of that moment, as the file has kept them.
const PUT_BACK: [&str; 3] = [
    "update clients set seq = (select seq from kept_c), mac = (select mac from kept_c) where client_id = 'a'",
    "update client_registrations set settings = (select settings from kept_r) where client_id = 'a'",
    "update store_meta set value = (select value from kept_m) where name = 'rows_of_clients'",
];

/// A store with a client that may do less than it once could; what it was then is kept beside it.
async fn with_a_past(folder: &tempfile::TempDir) -> Store {
    let store = opened(folder).await;
    register(&store, "a", "may do much").await;
    let keep = [
        "create table kept_c as select * from clients where client_id = 'a'",
        "create table kept_r as select * from client_registrations where client_id = 'a'",
        "create table kept_m as select * from store_meta where name = 'rows_of_clients'",
    ];
    write(&store, &keep.map(str::to_owned)).await;
    register(&store, "a", "may do little").await;
    store
}

#[tokio::test]
async fn a_trigger_that_puts_clients_back_at_another_write_has_nothing_sealed() {
    for on in [
        "update on store_meta when new.name = 'rows_of_signing_keys'",
        "update on store_meta when new.name = 'whole'",
        "insert on signing_keys",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = with_a_past(&folder).await;
        let put_back = PUT_BACK.join("; ");
        let trigger = format!("create trigger helper after {on} begin {put_back}; end");
        write(&store, &[trigger]).await;
        let added = add(&store, &[key("k", KeyState::Signing)]).await;
        let error = added.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{on}: {error:?}"
        );
        let clients = all(&store).await.unwrap();
        assert_eq!(clients["a"], "may do little", "{on}: nothing of it is kept");
        write(&store, &["drop trigger helper".to_owned()]).await;
        add(&store, &[key("k", KeyState::Signing)]).await.unwrap();
        assert_eq!(all(&store).await.unwrap(), clients);
    }
}

#[tokio::test]
async fn what_is_put_back_between_a_look_and_a_write_does_not_come_under_the_new_seal() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_a_past(&folder).await;
    let mut transaction = store.begin_write().await.unwrap();
    let Store { name, sealer, .. } = &store;
    seal::check_whole(name, &mut transaction, sealer)
        .await
        .unwrap();
    // As another session of PostgreSQL can, which does not take turns.
    for sql in PUT_BACK {
        query(sql).execute(&mut transaction).await.unwrap();
    }
    let found = seal::value(name, &mut transaction, "rows_of_clients").await;
    assert!(found.unwrap().is_some());
    let error = seal::put_whole(name, &mut transaction, sealer).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    // Had it come too late to be noticed: it does not fit.
    transaction.commit().await.unwrap();
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}

#[tokio::test]
async fn a_seal_that_stands_there_twice_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_a_past(&folder).await;
    let twice = [
        "create table twin as select * from store_meta",
        "drop table store_meta",
        "alter table twin rename to store_meta",
        "insert into store_meta select * from store_meta where name = 'rows_of_clients'",
    ];
    write(&store, &twice.map(str::to_owned)).await;
    let error = all(&store).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}
