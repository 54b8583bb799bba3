//! Whether a store can be written, as its issuer finds out.

use super::*;

#[tokio::test]
async fn trying_whether_it_can_be_written_leaves_no_trace_and_finds_what_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    store.serve().await.unwrap();
    let other = Store::open(&path, Some(KEY)).await.unwrap();
    let (version, file) = (
        other.written().await.unwrap(),
        std::fs::read(&path).unwrap(),
    );
    store.try_writing().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), file);
    assert_eq!(other.written().await.unwrap(), version);

    // As on a disk that is full or read only: SQLite says so at the first write.
    sqlx::query("pragma query_only = on")
        .execute(store.pool())
        .await
        .unwrap();
    store.try_writing().await.unwrap_err();
    assert_eq!(store.standing().writes(), Access::Fails);
    sqlx::query("pragma query_only = off")
        .execute(store.pool())
        .await
        .unwrap();
    store.try_writing().await.unwrap();
    assert_eq!(store.standing().writes(), Access::Works);

    // One that reads keeps writers from the end of their work: it counts as in the way too.
    let mut reader = other.pool().begin().await.unwrap();
    sqlx::query("select count(*) from signing_keys")
        .execute(&mut *reader)
        .await
        .unwrap();
    store.try_writing().await.unwrap_err();
    assert_eq!(store.standing().writes(), Access::Locked);
    let error = store.begin_write().await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::StoreBusy { .. }), "{error}");
    drop(reader);
    store.try_writing().await.unwrap();
    store.begin_write().await.map(|_| ()).unwrap();
}

#[tokio::test]
async fn a_store_that_another_process_holds_is_named_so_and_is_usable_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let other = Store::open(&path, Some(KEY)).await.unwrap();
    let begun = other.pool().begin_with("begin exclusive").await.unwrap();
    let error = Store::open(&path, Some(KEY)).await.unwrap_err();
    assert!(matches!(error, Error::StoreBusy { .. }), "{error:?}");
    assert!(error.to_string().contains("issuer.db: another process"));
    drop(begun);
    Store::open(&path, Some(KEY)).await.unwrap();
}
