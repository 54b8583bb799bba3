//! A store file that somebody else has written to: nothing in it is believed.

mod forged_revocations;

use hallpass_issuer::{
    Error, GrantType, IssuerServer, IssuerSettings, RevocationEnd, RevocationTarget, import_keys,
    revoke,
};
use hallpass_token::{Algorithm, SigningKey};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::harness::{Harness, client, settings, test_clock};

/// Opens the file as anybody can who may write it.
async fn intruder(settings: &IssuerSettings) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&settings.store);
    options.connect().await.unwrap()
}

/// Starts an issuer, stops it, lets `sql` loose on its store, and says how the next start ends.
async fn start_after(sql: &[String]) -> Result<(), Error> {
    let harness = Harness::start().await;
    let Harness {
        issuer,
        clock,
        settings,
        folder: _folder,
    } = harness;
    let pem = include_str!("data/ec-p256.pem");
    import_keys(&settings, &(clock.clone() as _), pem)
        .await
        .unwrap();
    issuer.shutdown().await.unwrap();
    let mut file = intruder(&settings).await;
    for statement in sql {
        let statement = sqlx::AssertSqlSafe(statement.clone());
        sqlx::query(statement).execute(&mut file).await.unwrap();
    }
    sqlx::Connection::close(file).await.unwrap();
    let started = IssuerServer::start(&settings, clock).await;
    match started {
        Ok(issuer) => {
            issuer.shutdown().await.unwrap();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn insert_foreign_key() -> String {
    let foreign = SigningKey::generate(Algorithm::Es256).unwrap();
    format!(
        "insert into signing_keys (kid, algorithm, state, origin, public_jwk, created_at) \
         values ('foreign', 'ES256', 'published', 'imported', '{}', 7)",
        foreign
            .with_key_id("foreign".parse().unwrap())
            .public_jwk()
            .to_json()
    )
}

fn insert_client(id: &str) -> String {
    format!(
        "insert into clients (client_id, scope, token_life_seconds, created_at) values ('{id}', 'admin', 600, 7)"
    )
}

#[tokio::test]
async fn an_untouched_store_starts() {
    start_after(&[]).await.unwrap();
}

#[tokio::test]
async fn a_foreign_public_key_in_the_store_is_never_published() {
    let error = start_after(&[insert_foreign_key()]).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    assert!(error.to_string().contains("\"foreign\""), "{error}");
}

#[tokio::test]
async fn a_wrong_public_half_of_the_signing_key_stops_the_start() {
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut wrong = other.public_jwk().to_json();
    wrong["kid"] = "KID".into();
    let update = format!(
        "update signing_keys set public_jwk = replace('{wrong}', 'KID', kid) where state = 'signing'"
    );
    let error = start_after(&[update]).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
}

#[tokio::test]
async fn no_column_of_a_key_can_be_changed_and_no_row_taken_away() {
    for change in [
        "update signing_keys set created_at = created_at + 1",
        "update signing_keys set origin = 'imported' where origin = 'generated'",
        "update signing_keys set state = 'published'",
        "update signing_keys set kid = 'renamed' where state = 'announced'",
        "update signing_keys set since = 1 where state = 'announced'",
        "update signing_keys set state = 'published', sealed_private = null where state = 'announced'",
        "delete from signing_keys where state = 'announced'",
        "delete from signing_keys",
    ] {
        let error = start_after(&[change.to_owned()]).await.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{change}: {error}"
        );
    }
}

#[tokio::test]
async fn a_client_that_was_written_into_the_store_gets_nothing() {
    let error = start_after(&[insert_client("intruder")]).await.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    assert!(error.to_string().contains("\"intruder\""), "{error}");
}

#[tokio::test]
async fn a_seal_that_was_taken_away_does_not_make_the_rows_trusted() {
    for removal in [
        "delete from store_meta",
        "delete from store_meta where name <> 'seal_salt' and name <> 'seal_check'",
        "delete from store_meta where name = 'seal_check'",
    ] {
        let error = start_after(&[insert_foreign_key(), removal.to_owned()])
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{removal}: {error}"
        );
    }
}

#[tokio::test]
async fn a_stored_client_cannot_be_given_more() {
    for change in [
        "update clients set scope = 'internal-service admin'",
        "update clients set token_life_seconds = 86400",
        "insert into client_audiences values ('internal-service-client', 'another-service')",
        "update client_audiences set audience = 'another-service'",
        "insert into client_grants values ('internal-service-client', 'urn:ietf:params:oauth:grant-type:token-exchange')",
        "insert into client_secrets values ('internal-service-client', 'generated', \
         'sha256$47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU', null, 7)",
        "update client_secrets set not_after = 1",
        "delete from clients",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let clock = std::sync::Arc::new(test_clock());
        hallpass_issuer::first_client(&settings, &(clock.clone() as _), |_| Ok(()))
            .await
            .unwrap();
        let mut file = intruder(&settings).await;
        sqlx::query(change).execute(&mut file).await.unwrap();
        sqlx::Connection::close(file).await.unwrap();
        let error = IssuerServer::start(&settings, clock).await.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{change}: {error}"
        );
    }
}

#[tokio::test]
async fn a_running_issuer_keeps_what_it_has_and_an_import_does_not_bless_what_was_written() {
    let harness = Harness::start().await;
    let mut file = intruder(&harness.settings).await;
    let statement = sqlx::AssertSqlSafe(insert_foreign_key());
    sqlx::query(statement).execute(&mut file).await.unwrap();
    sqlx::Connection::close(file).await.unwrap();
    let before = harness.get("/oauth2/jwks", &[]).await.body;
    let mut changed = harness.settings.clone();
    changed
        .clients
        .push(client("d", crate::harness::SECRET, &[], &["a"]));
    harness.issuer.apply(&changed).await.unwrap_err();
    assert_eq!(harness.get("/oauth2/jwks", &[]).await.body, before);
    let clock: std::sync::Arc<dyn hallpass_clock::Clock> = harness.clock.clone();
    let pem = include_str!("data/ec-p256.pem");
    let error = import_keys(&harness.settings, &clock, pem)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    harness.issuer.apply(&harness.settings).await.unwrap_err();
}

#[tokio::test]
async fn no_revocation_can_be_taken_away_changed_or_added_without_the_sealing_key() {
    let revoked = async |harness: &Harness, names: &[&str]| {
        let clock: std::sync::Arc<dyn hallpass_clock::Clock> = harness.clock.clone();
        for name in names {
            let target = RevocationTarget::Token((*name).to_owned());
            let end = RevocationEnd::default();
            revoke(&harness.settings, &clock, &target, end)
                .await
                .unwrap();
        }
    };
    for change in [
        "delete from revocations where seq = 1",
        "delete from revocations",
        "delete from store_meta where name = 'revocations'",
        "delete from revocations where seq = 3; update store_meta set value = (select value from kept) where name = 'revocations'",
        "update revocations set ends_at = 1 where seq = 2",
        "update revocations set issued_before = 1 where seq = 2",
        "update revocations set kind = 'client' where seq = 2",
        "update revocations set digest = 'AAAAAAAAAAAAAAAAAAAAAA' where seq = 2",
        "update revocations set seq = 9 where seq = 1",
        "insert into revocations values (9, 'AAAAAAAAAAAAAAAAAAAAAA', 'client', null, 4000000000)",
    ] {
        let harness = Harness::start().await;
        revoked(&harness, &["one", "two"]).await;
        let mut file = intruder(&harness.settings).await;
        let keep = "create table kept as select value from store_meta where name = 'revocations'";
        sqlx::query(keep).execute(&mut file).await.unwrap();
        revoked(&harness, &["three"]).await;
        harness.issuer.apply(&harness.settings).await.unwrap();
        sqlx::raw_sql(change).execute(&mut file).await.unwrap();
        sqlx::Connection::close(file).await.unwrap();
        if change.contains("kept") {
            let error = harness.issuer.apply(&harness.settings).await.unwrap_err();
            assert!(error.to_string().contains("put back"), "{error}");
        }
        harness.issuer.shutdown().await.unwrap();
        let started = IssuerServer::start(&harness.settings, harness.clock.clone()).await;
        let error = started.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{change}: {error}"
        );
    }
}

/// What an intruder puts back to what it was before: all of a table, and what is sealed of it.
const PARTS: [(&[&str], &str); 4] = [
    (&["revocations"], "revocations"),
    (&["refresh_families"], "refresh_families"),
    (&["signing_keys"], "rows_of_signing_keys"),
    (
        &[
            "client_secrets",
            "client_grants",
            "client_audiences",
            "clients",
        ],
        "rows_of_clients",
    ),
];

async fn keep(file: &mut SqliteConnection) {
    for (tables, _) in PARTS {
        for table in tables {
            let sql = format!("create table kept_{table} as select * from {table}");
            let sql = sqlx::AssertSqlSafe(sql);
            sqlx::query(sql).execute(&mut *file).await.unwrap();
        }
    }
    let sql = "create table kept as select * from store_meta";
    sqlx::query(sql).execute(file).await.unwrap();
}

async fn put_back(file: &mut SqliteConnection, (tables, seal): (&[&str], &str)) {
    let mut sql = String::from("pragma foreign_keys = off;");
    for table in tables {
        sql.push_str(&format!(
            "delete from {table}; insert into {table} select * from kept_{table};"
        ));
    }
    sql.push_str(&format!(
        "update store_meta set value = (select value from kept where name = '{seal}') where name = '{seal}';"
    ));
    let sql = sqlx::AssertSqlSafe(sql);
    sqlx::raw_sql(sql).execute(file).await.unwrap();
}

/// An issuer whose store has something in each part, kept by an intruder, and then more of it.
async fn with_a_past() -> (Harness, SqliteConnection) {
    let harness = Harness::with(|settings| {
        settings.clients[0].grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
            .into_iter()
            .collect();
    })
    .await;
    let mut file = intruder(&harness.settings).await;
    keep(&mut file).await;
    let clock: std::sync::Arc<dyn hallpass_clock::Clock> = harness.clock.clone();
    let settings = &harness.settings;
    let target = RevocationTarget::Token("one".to_owned());
    let end = RevocationEnd::default();
    revoke(settings, &clock, &target, end).await.unwrap();
    let form = "grant_type=client_credentials";
    let json = harness.ask(form).await.json();
    assert!(json.get("refresh_token").is_some(), "{json}");
    let pem = include_str!("data/ec-p256.pem");
    import_keys(settings, &clock, pem).await.unwrap();
    let mut without_clients = settings.clone();
    without_clients.clients.clear();
    let first = hallpass_issuer::first_client(&without_clients, &clock, |_| Ok(()));
    assert!(first.await.unwrap().is_some());
    (harness, file)
}

#[tokio::test]
async fn no_part_of_a_store_is_put_back_alone_while_no_issuer_runs() {
    for part in PARTS {
        let (harness, mut file) = with_a_past().await;
        harness.issuer.shutdown().await.unwrap();
        put_back(&mut file, part).await;
        sqlx::Connection::close(file).await.unwrap();
        let started = IssuerServer::start(&harness.settings, harness.clock.clone()).await;
        let error = started.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("put back"), "{part:?}: {error}");
        let clock: std::sync::Arc<dyn hallpass_clock::Clock> = harness.clock.clone();
        let report = hallpass_issuer::key_report(&harness.settings, &clock).await;
        let error = report.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("put back"), "{part:?}: {error}");
    }
}

#[tokio::test]
async fn what_was_put_back_comes_under_no_new_seal() {
    for part in PARTS {
        let (harness, mut file) = with_a_past().await;
        put_back(&mut file, part).await;
        sqlx::Connection::close(file).await.unwrap();
        // Each of these writes another part.
        let response = harness.ask("grant_type=client_credentials").await.json();
        assert_eq!(response.get("refresh_token"), None, "{part:?}");
        let clock: std::sync::Arc<dyn hallpass_clock::Clock> = harness.clock.clone();
        let target = RevocationTarget::Token("two".to_owned());
        let end = RevocationEnd::default();
        let revoked = revoke(&harness.settings, &clock, &target, end).await;
        let error = revoked.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("put back"), "{part:?}: {error}");
        harness.issuer.shutdown().await.unwrap();
        let started = IssuerServer::start(&harness.settings, harness.clock.clone()).await;
        started.map(|_| ()).unwrap_err();
    }
}
