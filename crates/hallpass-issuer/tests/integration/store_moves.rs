//! `hallpass store`: a store is checked, brought up to date, copied, and made of a copy.

use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_config::Secret;
use hallpass_issuer::{
    Error, GrantType, IssuerServer, IssuerSettings, RevocationTarget, add_client, backup_store,
    check_store, migrate_store, migration_plan, restore_store,
};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::harness::{Harness, Response, test_clock};
use crate::postgres_server::shared;
use crate::revocation::{operator, wait_for_entries};

fn clock() -> Arc<dyn Clock> {
    Arc::new(test_clock())
}

/// With a key, a client, a revocation and a refresh token; `c` may have these.
async fn with_a_past() -> (Harness, Past) {
    let harness = Harness::with(|settings| {
        settings.clients[0].grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
            .into_iter()
            .collect();
    })
    .await;
    let yaml =
        "hallpass: { issuer: { clients: [{ client-id: stored, audiences: service-system }] } }";
    let added = add_client(&harness.settings, &clock(), ("c.yaml", yaml), |_| Ok(())).await;
    let target = RevocationTarget::Subject {
        name: "a user".to_owned(),
        only_issued: false,
    };
    operator(&harness, target).await.unwrap();
    wait_for_entries(&harness, 1).await;
    let form = "grant_type=client_credentials&scope=read&audience=service-system";
    let past = Past {
        keys: harness.issuer.jwks().to_vec(),
        secret: added.unwrap().client_secret.unwrap(),
        refresh_token: refresh_token(&harness.ask(form).await),
    };
    (harness, past)
}

struct Past {
    keys: Vec<u8>,
    secret: Secret,
    refresh_token: String,
}

impl Past {
    /// An issuer on `settings` knows all of it; what was there is used, so the next one needs the next refresh token.
    async fn is_known(&mut self, settings: &IssuerSettings) {
        let harness = Harness {
            issuer: IssuerServer::start(settings, Arc::new(test_clock()))
                .await
                .unwrap(),
            clock: Arc::new(test_clock()),
            settings: settings.clone(),
            folder: tempfile::tempdir().unwrap(),
        };
        assert_eq!(harness.issuer.jwks(), self.keys);
        let form = "grant_type=client_credentials&audience=service-system";
        harness
            .ask_as("stored", self.secret.expose(), form)
            .await
            .token();
        wait_for_entries(&harness, 1).await;
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            self.refresh_token
        );
        self.refresh_token = refresh_token(&harness.ask(&form).await);
        harness.issuer.shutdown().await.unwrap();
    }
}

fn refresh_token(response: &Response) -> String {
    let token = response.json()["refresh_token"].clone();
    let token = token.as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("{response:?}"))
}

/// The same issuer with its store elsewhere.
fn moved(settings: &IssuerSettings, store: &Path) -> IssuerSettings {
    let mut settings = settings.clone();
    settings.use_store_file(store);
    settings
}

#[tokio::test]
async fn a_store_that_was_destroyed_is_made_of_its_backup() {
    let (harness, mut past) = with_a_past().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup");
    // Beside the running issuer.
    backup_store(&harness.settings, &clock(), &backup)
        .await
        .unwrap();
    let settings = harness.settings.clone();
    harness.issuer.shutdown().await.unwrap();
    drop(harness.folder);

    let settings = moved(&settings, &elsewhere.path().join("issuer.db"));
    let report = restore_store(&settings, &clock(), &backup).await.unwrap();
    let contents = report.contents;
    assert_eq!(contents.problems, Vec::<String>::new());
    let counts = (contents.keys, contents.clients, contents.revocations);
    assert_eq!((counts, contents.refresh_tokens), ((1, 1, 1), 1));
    past.is_known(&settings).await;
    let again = restore_store(&settings, &clock(), &backup)
        .await
        .unwrap_err();
    assert!(matches!(again, Error::StoreNotEmpty { .. }), "{again}");
    past.is_known(&settings).await;
}

#[tokio::test]
async fn a_store_moves_from_a_file_into_postgresql_and_back() {
    let Some(server) = shared().await else {
        return;
    };
    let (harness, mut past) = with_a_past().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| elsewhere.path().join(name));
    backup_store(&harness.settings, &clock(), &first)
        .await
        .unwrap();
    harness.issuer.shutdown().await.unwrap();

    let mut settings = harness.settings.clone();
    let name = server.database().await;
    settings.database = Some(crate::postgres::at(&server, name.clone()));
    restore_store(&settings, &clock(), &first).await.unwrap();
    past.is_known(&settings).await;
    backup_store(&settings, &clock(), &second).await.unwrap();
    server
        .sql("postgres", &format!("drop database {name} with (force)"))
        .await;

    let settings = moved(&settings, &elsewhere.path().join("issuer.db"));
    restore_store(&settings, &clock(), &second).await.unwrap();
    past.is_known(&settings).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_is_for_its_owner_alone_and_opens_with_the_key_of_its_store_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (harness, _past) = with_a_past().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    backup_store(&harness.settings, &clock(), &backup)
        .await
        .unwrap();
    let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let there = backup_store(&harness.settings, &clock(), &backup)
        .await
        .unwrap_err();
    assert!(matches!(there, Error::File { .. }), "{there}");
    let text = std::fs::read_to_string(&backup).unwrap();
    assert!(
        !text.contains("stored") && !text.contains("ES256"),
        "nothing is in clear"
    );

    let store = folder.path().join("new.db");
    let mut settings = moved(&harness.settings, &store);
    let refused = async |settings: &IssuerSettings, text: &str| {
        let file = folder.path().join("another");
        std::fs::write(&file, text).unwrap();
        let error = restore_store(settings, &clock(), &file).await.unwrap_err();
        assert!(matches!(error, Error::Backup { .. }), "{error}");
        error.to_string()
    };
    let middle = text.len() / 2;
    let other = if &text[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    let changed = format!("{}{other}{}", &text[..middle], &text[middle + 1..]);
    for (text, says) in [
        (changed.as_str(), "does not open"),
        (&text[..middle], "does not open"),
        ("hallpass store backup 1\n", "cut short"),
        (&text.replacen("backup 1", "backup 2", 1), "newer version"),
        ("hallpass:\n", "no backup"),
        (&format!("{text}x"), "after its end"),
        (&format!("{text}\n"), "after its end"),
    ] {
        let said = refused(&settings, text).await;
        assert!(said.contains(says), "{said}");
    }
    settings.key_encryption_key = Some(Secret::new("another one, of 32 bytes and more"));
    assert!(refused(&settings, &text).await.contains("does not open"));
    settings.key_encryption_key = None;
    let error = restore_store(&settings, &clock(), &backup)
        .await
        .unwrap_err();
    // There is no store of which a key could be missing.
    let said = error.to_string();
    assert!(
        said.contains("put the sealing key of the store") && !said.contains("exists"),
        "{said}"
    );
    let mut bytes = text.into_bytes();
    bytes[30] = 0xff;
    let file = folder.path().join("broken");
    std::fs::write(&file, bytes).unwrap();
    let error = restore_store(&settings, &clock(), &file).await.unwrap_err();
    assert!(matches!(error, Error::Backup { .. }), "{error}");
}

#[tokio::test]
async fn a_check_finds_what_is_wrong_and_changes_nothing() {
    let (harness, _past) = with_a_past().await;
    let settings = &harness.settings;
    let report = check_store(settings, &clock()).await.unwrap();
    assert_eq!(report.contents.problems, Vec::<String>::new());
    assert_eq!(report.contents.keys, 1);
    harness.issuer.shutdown().await.unwrap();
    for (sql, says) in [
        (
            "update signing_keys set created_at = created_at + 1",
            "signing key",
        ),
        (
            "update client_registrations set settings = settings || ' '",
            "client \"stored\"",
        ),
        ("delete from revocations", "revocations"),
        (
            "update refresh_families set ends_at = ends_at + 1",
            "refresh tokens",
        ),
        ("delete from store_meta where name = 'whole'", "put back"),
    ] {
        let good = std::fs::read(&settings.store).unwrap();
        let options = SqliteConnectOptions::new().filename(&settings.store);
        let mut file = options.connect().await.unwrap();
        sqlx::query(sql).execute(&mut file).await.unwrap();
        sqlx::Connection::close(file).await.unwrap();
        let bad = std::fs::read(&settings.store).unwrap();
        let report = check_store(settings, &clock()).await.unwrap();
        let problems = report.contents.problems.join("\n");
        assert!(problems.contains(says), "{sql}: {problems}");
        // A backup of it is written all the same, and is said to be one of that.
        let backup = harness.folder.path().join("backup");
        let written = backup_store(settings, &clock(), &backup).await.unwrap();
        assert_eq!(written.contents.problems, report.contents.problems, "{sql}");
        std::fs::remove_file(&backup).unwrap();
        assert_eq!(std::fs::read(&settings.store).unwrap(), bad);
        std::fs::write(&settings.store, good).unwrap();
    }
    assert_eq!(
        check_store(settings, &clock())
            .await
            .unwrap()
            .contents
            .problems
            .len(),
        0
    );
}

#[tokio::test]
async fn a_plan_says_what_the_tables_go_through_and_a_newer_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::harness::settings(&folder);
    let missing = check_store(&settings, &clock()).await.unwrap_err();
    assert!(matches!(missing, Error::StoreMissing { .. }), "{missing}");
    let plan = migration_plan(&settings).await.unwrap();
    assert_eq!((plan[0].version, plan[0].brings), (1, "first store"));
    assert!(!settings.store.exists(), "a plan makes nothing");
    migrate_store(&settings).await.unwrap();
    assert_eq!(migration_plan(&settings).await.unwrap(), []);
    let report = check_store(&settings, &clock()).await.unwrap();
    assert_eq!(report.step, plan.last().unwrap().version);

    let options = SqliteConnectOptions::new().filename(&settings.store);
    let mut file = options.connect().await.unwrap();
    let last =
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    sqlx::query(last).execute(&mut file).await.unwrap();
    let behind = check_store(&settings, &clock()).await.unwrap_err();
    assert!(matches!(behind, Error::StoreBehind { .. }), "{behind}");
    assert_eq!(
        migration_plan(&settings).await.unwrap(),
        plan[plan.len() - 1..]
    );

    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (999999, 'later', true, x'00', 0)";
    sqlx::query(newer).execute(&mut file).await.unwrap();
    sqlx::Connection::close(file).await.unwrap();
    let before = std::fs::read(&settings.store).unwrap();
    let too_new = |error: &Error| {
        matches!(
            error,
            Error::StoreTooNew {
                version: 999_999,
                ..
            }
        )
    };
    assert!(too_new(&migration_plan(&settings).await.unwrap_err()));
    assert!(too_new(
        &check_store(&settings, &clock()).await.unwrap_err()
    ));
    let error = IssuerServer::start(&settings, Arc::new(test_clock())).await;
    let error = error.map(|_| ()).unwrap_err();
    assert!(
        too_new(&error) && error.to_string().contains("newer version"),
        "{error}"
    );
    assert_eq!(std::fs::read(&settings.store).unwrap(), before);
}

/// What a store is sealed with may change with the move.
#[tokio::test]
async fn a_backup_is_restored_under_another_key_when_the_one_before_is_named() {
    let (harness, mut past) = with_a_past().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    backup_store(&harness.settings, &clock(), &backup)
        .await
        .unwrap();
    let mut settings = moved(&harness.settings, &folder.path().join("new.db"));
    settings.previous_key_encryption_key = settings.key_encryption_key.take();
    settings.key_encryption_key = Some(Secret::new("another one, of 32 bytes and more"));
    restore_store(&settings, &clock(), &backup).await.unwrap();
    settings.previous_key_encryption_key = None;
    past.is_known(&settings).await;
}
