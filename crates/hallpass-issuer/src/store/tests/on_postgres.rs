//! What a real PostgreSQL lets others do at the same time.

use std::sync::Arc;

use hallpass_config::Secret;

use super::postgres_server::{PASSWORD, PostgresServer, USER, shared};
use super::*;
use crate::settings::database::DatabaseSettings;
use crate::uses::EdgeUse;

/// A store in a database of its own, and where that is. `None` without a server, which is said loudly.
async fn opened() -> Option<(Arc<PostgresServer>, DatabaseSettings, Store)> {
    let server = shared().await?;
    let settings = DatabaseSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        name: server.database().await,
        username: USER.to_owned(),
        password: Secret::new(PASSWORD),
        password_file: None,
        tls: None,
    };
    let store = Store::open(Place::Postgres(&settings), Some(KEY)).await;
    Some((server, settings, store.unwrap()))
}

#[tokio::test]
async fn uses_are_written_down_while_another_one_writes_and_in_pieces() {
    let Some((_server, _, store)) = opened().await else {
        return;
    };
    let edge = |number: usize| EdgeUse {
        client_id: format!("client-{number}"),
        audience: "b".to_owned(),
        scope: "read".to_owned(),
        first_used: UnixTime::from_secs(7),
        last_used: UnixTime::from_secs(7),
    };
    let mut edges: Vec<_> = (0..450).map(edge).collect();
    // It has the lock of all writers, and keeps it however slow the machine is.
    let mut writer = store.begin_write().await.unwrap();
    let patience = query::query("set local idle_in_transaction_session_timeout = 0");
    patience.execute(&mut writer).await.unwrap();
    let now = UnixTime::from_secs(9);
    store.put_uses(&[], &edges, now).await.unwrap();
    edges.truncate(3);
    edges[0].last_used = UnixTime::from_secs(8);
    edges[1].last_used = UnixTime::from_secs(6);
    store.put_uses(&[], &edges, now).await.unwrap();
    writer.rollback().await.unwrap();
    let kept = store.edge_uses().await.unwrap();
    assert_eq!(kept.since, Some(now));
    assert_eq!(kept.edges.len(), 450);
    let last = |id: &str| {
        let of = |edge: &&EdgeUse| edge.client_id == id;
        kept.edges.iter().find(of).unwrap().last_used.as_secs()
    };
    assert_eq!(
        ["client-0", "client-1", "client-2", "client-449"].map(last),
        [8, 7, 7, 7]
    );
}

#[tokio::test]
async fn the_server_asks_after_who_holds_the_start_lock() {
    let Some((_server, settings, _store)) = opened().await else {
        return;
    };
    let opened = postgres::open("of a test", &settings).await;
    let (
        _database,
        postgres::StartLock {
            _connection: mut connection,
        },
    ) = opened.unwrap();
    let mut said = Vec::new();
    for setting in ["idle", "interval", "count"] {
        let show = sqlx::AssertSqlSafe(format!("show tcp_keepalives_{setting}"));
        let shown: String = sqlx::query_scalar(show)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        said.push(shown);
    }
    assert_eq!(said, ["10", "5", "4"]);
}

/// Each transaction that takes its turn has written one, and none of them is asked about any more.
#[tokio::test]
async fn marks_of_commits_stay_few_and_go_into_no_backup() {
    let Some((server, settings, store)) = opened().await else {
        return;
    };
    let write = async |store: &Store| {
        let transaction = store.begin_write().await.unwrap();
        transaction.commit().await.unwrap();
    };
    let marks = "select count(*) from store_meta where name like 'commit/%'";
    for _ in 0..3 {
        write(&store).await;
        assert_eq!(server.sql(&settings.name, marks).await, "1");
    }
    let others = "insert into store_meta values ('commit/old/1', '1000000000/5'), \
                  ('commit/new/1', extract(epoch from now())::bigint || '/7'), ('commit/odd/1', '?')";
    server.sql(&settings.name, others).await;
    write(&store).await;
    assert_eq!(server.sql(&settings.name, marks).await, "4");
    let beside = Store::open(Place::Postgres(&settings), Some(KEY)).await;
    let beside = beside.unwrap();
    write(&beside).await;
    let names = "select string_agg(name, ',' order by name) from store_meta where name ~ '^commit/(old|new)'";
    assert_eq!(server.sql(&settings.name, names).await, "commit/new/1");
    write(&store).await;
    let backup = beside.to_backup().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let restored = Store::from_backup(Place::Sqlite(&path), SealingKeys::from(Some(KEY)), &backup);
    let restored = restored.await.unwrap();
    let (kept,): (i64,) =
        sqlx::query_as("select count(*) from store_meta where name like 'commit/%'")
            .fetch_one(restored.pool())
            .await
            .unwrap();
    assert_eq!(kept, 0);
}
