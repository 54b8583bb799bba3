//! All rows of a store, read and written elsewhere.

use super::*;
use crate::store::backup;
use crate::store::dump::{Dump, TABLES};
use crate::store::opening::Opening;

#[tokio::test]
async fn every_table_of_a_store_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let there = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' \
                 and name <> '_sqlx_migrations'";
    let there = sqlx::query_scalar(there).fetch_all(store.pool());
    let mut there: Vec<String> = there.await.unwrap();
    let mut read = TABLES.map(str::to_owned).to_vec();
    there.sort_unstable();
    read.sort_unstable();
    assert_eq!(there, read, "a new table must be named in TABLES");
}

#[tokio::test]
async fn a_backup_of_a_newer_version_is_refused_and_leaves_the_store_empty() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let mut dump = Dump::read(&store.database).await.unwrap();
    dump.steps.push(999_999);
    let newer = backup::seal(&dump, &store.shared_secret).unwrap();
    let path = folder.path().join("other.db");
    let place = Place::from(&path);
    let keys = SealingKeys::from(Some(KEY));
    let error = Store::from_backup(place, keys, &newer).await;
    let error = error.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
    let opening = Opening::begin(place, Some(KEY)).await.unwrap();
    assert!(Dump::may_go_into(&opening.database).await.unwrap());
    drop(opening);
    let good = store.to_backup().await.unwrap();
    Store::from_backup(place, keys, &good).await.unwrap();
}
