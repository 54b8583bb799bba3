//! Issuers on a real PostgreSQL, alone and several of them.

mod another_key;
mod gone;
mod looked_at;
mod replicas;
mod settings;
mod tampered;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use hallpass_config::Secret;
use hallpass_issuer::{
    DatabaseSettings, Error, GrantType, IssuerServer, IssuerSettings, key_report,
};
use tokio::time::Instant;

use crate::harness::{Harness, KEY, Response, SECRET, client, test_clock};
use crate::postgres_server::{PASSWORD, PostgresServer, USER, shared};

/// Where the server has this database.
pub(crate) fn at(server: &PostgresServer, name: String) -> DatabaseSettings {
    DatabaseSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        name,
        username: USER.to_owned(),
        password: Secret::new(PASSWORD),
        password_file: None,
        tls: None,
    }
}

/// An issuer on a database of its own; `c` may have refresh tokens, `service-system` asks about tokens.
async fn start(server: &PostgresServer) -> Harness {
    start_at(at(server, server.database().await)).await
}

async fn start_at(database: DatabaseSettings) -> Harness {
    Harness::with(|settings| on(settings, database)).await
}

fn on(settings: &mut IssuerSettings, database: DatabaseSettings) {
    settings.database = Some(database);
    settings.clients[0].grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
        .into_iter()
        .collect();
    let service = client("service-system", SECRET, &["read"], &["service-system"]);
    settings.clients.push(service);
}

/// Another process on the same database, as far as the issuers can tell.
async fn beside(first: &Harness) -> Harness {
    let settings = first.settings.clone();
    let clock = first.clock.clone();
    Harness {
        issuer: IssuerServer::start(&settings, clock.clone()).await.unwrap(),
        clock,
        settings,
        folder: tempfile::tempdir().unwrap(),
    }
}

async fn begin(harness: &Harness) -> String {
    let form = "grant_type=client_credentials&scope=read&audience=service-system";
    refresh_token(&harness.ask(form).await)
}

fn refresh_token(response: &Response) -> String {
    let token = response.json()["refresh_token"].clone();
    let token = token.as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("{response:?}"))
}

async fn refresh(harness: &Harness, token: &str) -> Response {
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    harness.ask(&form).await
}

/// Looks again and again, for as long as a busy machine may need.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn health(harness: &Harness) -> String {
    let response = harness.get("/health/ready", &[]).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.body
}

#[tokio::test]
async fn keys_and_refresh_tokens_are_there_again_after_a_restart_and_no_token_asks_the_database() {
    let Some(server) = shared().await else {
        return;
    };
    let harness = start(&server).await;
    let (token, keys) = (begin(&harness).await, harness.issuer.jwks());
    // The issuer looks after its store meanwhile: in some moment it has nothing to do there.
    until("tokens are issued without a question", async || {
        let before = harness.issuer.store_queries();
        for _ in 0..20 {
            let form = "grant_type=client_credentials&audience=service-system";
            let response = harness.ask_as("service-system", SECRET, form).await;
            assert!(!response.token().is_empty());
        }
        (harness.issuer.store_queries() == before).then_some(())
    })
    .await;
    let harness = harness.restart().await;
    assert_eq!(harness.issuer.jwks(), keys);
    let next = refresh_token(&refresh(&harness, &token).await);
    let again = refresh_token(&refresh(&harness, &next).await);
    assert_ne!(again, next);
    assert!(!harness.settings.store.exists(), "nothing is in a file");
}

#[tokio::test]
async fn the_sealing_key_must_be_given_and_be_the_one_that_sealed_the_database() {
    let Some(server) = shared().await else {
        return;
    };
    let harness = start(&server).await;
    let mut settings = harness.settings.clone();
    settings.key_encryption_key = None;
    let start = async |settings: &IssuerSettings| {
        let started = IssuerServer::start(settings, Arc::new(test_clock())).await;
        started.map(|_| ()).unwrap_err()
    };
    let error = start(&settings).await;
    assert!(matches!(error, Error::NoSealingKey), "{error}");
    settings.key_encryption_key = Some(Secret::new("another one, of 32 bytes and more"));
    let error = start(&settings).await;
    assert!(matches!(error, Error::WrongSealingKey { .. }), "{error}");
    let said = error.to_string();
    let name = format!("postgres://127.0.0.1:{}/test_", server.port);
    assert!(said.contains(&name) && !said.contains(PASSWORD), "{said}");

    harness.issuer.shutdown().await.unwrap();
    settings.previous_key_encryption_key = Some(Secret::new(KEY));
    let renewed = IssuerServer::start(&settings, harness.clock.clone()).await;
    renewed.unwrap().shutdown().await.unwrap();
    let error = start(&harness.settings).await;
    assert!(matches!(error, Error::WrongSealingKey { .. }), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_the_way_to_the_database_is_said_without_its_password() {
    let Some(server) = shared().await else {
        return;
    };
    let good = at(&server, server.database().await);
    for (change, says) in [
        (
            (|it| it.password = Secret::new("a wrong one")) as fn(&mut DatabaseSettings),
            "password authentication failed",
        ),
        (|it| it.name = "nowhere".to_owned(), "does not exist"),
    ] {
        let mut database = good.clone();
        change(&mut database);
        let folder = tempfile::tempdir().unwrap();
        let mut settings = crate::harness::settings(&folder);
        settings.database = Some(database);
        let begun = Instant::now();
        let error = IssuerServer::start(&settings, Arc::new(test_clock())).await;
        let said = error.unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("a wrong one") && !said.contains(PASSWORD));
        // Waiting would change nothing.
        assert!(begun.elapsed() < Duration::from_secs(10), "{says}");
    }
}

#[tokio::test]
async fn a_command_makes_no_store_in_an_empty_database() {
    let Some(server) = shared().await else {
        return;
    };
    let name = server.database().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = crate::harness::settings(&folder);
    settings.database = Some(at(&server, name.clone()));
    let report = key_report(&settings, &(Arc::new(test_clock()) as Arc<_>)).await;
    let error = report.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::StoreMissing { .. }), "{error}");
    let tables = "select count(*) from information_schema.tables where table_schema = 'public'";
    assert_eq!(server.sql(&name, tables).await, "0");
}

#[tokio::test]
async fn a_password_file_is_read_again_for_each_connection() {
    let Some(server) = PostgresServer::start(&[]).await else {
        return;
    };
    let mut database = at(&server, server.database().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    database.password_file = Some(file.clone());
    let harness = start_at(database).await;
    let other = "alter user hallpass password 'the next one'";
    server.sql("postgres", other).await;
    std::fs::write(&file, "the next one").unwrap();
    let all = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'hallpass'";
    server.sql_as((USER, "the next one"), "postgres", all).await;
    let token = until("a refresh token is given out", async || {
        let form = "grant_type=client_credentials&scope=read&audience=service-system";
        let response = harness.ask(form).await;
        Some(response).filter(|it| it.json()["refresh_token"].is_string())
    });
    assert_eq!(
        refresh(&harness, &refresh_token(&token.await)).await.status,
        200
    );
}

#[tokio::test]
async fn whoever_holds_the_lock_of_writers_is_waited_for_in_moments_only() {
    let Some(server) = shared().await else {
        return;
    };
    let harness = start(&server).await;
    let (token, database) = (begin(&harness).await, harness.settings.database.clone());
    let name = database.unwrap().name;
    let held = "begin; select 1 from store_meta where name = 'seal_salt' for update";
    let held = server.session(&name, held);
    until("health says it", async || {
        let body = health(&harness).await;
        (body == "ready\ndegraded: another process holds the store\n").then_some(())
    })
    .await;
    let refused = refresh(&harness, &token).await;
    assert_eq!(refused.refusal(), (503, "temporarily_unavailable".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    harness.token().await;
    drop(held);
    until("health is well again", async || {
        (health(&harness).await == "ready\n").then_some(())
    })
    .await;
    assert_eq!(refresh(&harness, &token).await.status, 200);
    let report = key_report(&harness.settings, &(harness.clock.clone() as Arc<_>)).await;
    assert_eq!(report.unwrap().keys.len(), 1);
}
