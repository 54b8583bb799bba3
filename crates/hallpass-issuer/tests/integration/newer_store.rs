//! A store that a newer version has worked on: this one says so, whatever it is asked to do, and changes nothing.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{
    Error, IssuerServer, IssuerSettings, add_client, backup_store, check_store, key_report,
    migrate_store, migration_plan,
};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::harness::{Harness, test_clock};
use crate::postgres::at;
use crate::postgres_server::shared;

/// What a newer version leaves: a step that is not known here ...
const STEP: &str = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                    values (999999, 'of the future', true, '', 0)";
/// ... and perhaps a seal that this version takes for one of another key.
const SEAL: &str = "update store_meta set value = substr(value, 2) where name = 'seal_check'";
const SEAL_IN_POSTGRES: &str =
    "update store_meta set value = substring(value from 2) where name = 'seal_check'";

#[tokio::test]
async fn a_file_that_a_newer_version_has_worked_on_is_refused_and_left_as_it_was() {
    for changes in [&[STEP][..], &[STEP, SEAL]] {
        let harness = Harness::start().await;
        let (settings, folder) = (harness.settings.clone(), harness.folder);
        harness.issuer.shutdown().await.unwrap();
        let options = SqliteConnectOptions::new().filename(&settings.store);
        let mut file = options.connect().await.unwrap();
        for change in changes {
            sqlx::query(*change).execute(&mut file).await.unwrap();
        }
        sqlx::Connection::close(file).await.unwrap();
        let before = std::fs::read(&settings.store).unwrap();
        is_refused(&settings).await;
        assert!(std::fs::read(&settings.store).unwrap() == before);
        drop(folder);
    }
}

#[tokio::test]
async fn a_database_that_a_newer_version_has_worked_on_is_refused_and_left_as_it_was() {
    let Some(server) = shared().await else {
        return;
    };
    let database = server.database().await;
    let place = at(&server, database.clone());
    let harness = Harness::with(|settings| settings.database = Some(place)).await;
    let settings = harness.settings.clone();
    harness.issuer.shutdown().await.unwrap();
    server.sql(&database, STEP).await;
    server.sql(&database, SEAL_IN_POSTGRES).await;
    let state = "select (select string_agg(t::text, ',' order by t::text) from store_meta t), \
                 (select string_agg(t::text, ',' order by t::text) from _sqlx_migrations t)";
    let before = server.sql(&database, state).await;
    is_refused(&settings).await;
    assert_eq!(server.sql(&database, state).await, before);
}

async fn is_refused(settings: &IssuerSettings) {
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let yaml = "hallpass: { issuer: { clients: [{ client-id: new, audiences: a }] } }";
    let errors = [
        IssuerServer::start(settings, clock.clone()).await.err(),
        check_store(settings, &clock).await.err(),
        migration_plan(settings).await.err(),
        migrate_store(settings).await.err(),
        backup_store(settings, &clock, &backup).await.err(),
        key_report(settings, &clock).await.err(),
        add_client(settings, &clock, ("c.yaml", yaml), |_| Ok(()))
            .await
            .err(),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("{number} was done"));
        let is_it = matches!(
            error,
            Error::StoreTooNew {
                version: 999_999,
                ..
            }
        );
        assert!(is_it, "{number}: {error}");
        let said = error.to_string();
        assert!(
            said.contains("a newer version has brought it up to date"),
            "{said}"
        );
        assert!(said.contains("use that one, or restore a backup"), "{said}");
    }
    assert!(!backup.exists());
}
