//! A store that is locked, full, or written by somebody else.

use hallpass_issuer::Error;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::*;
use crate::audit::Log;

async fn file(settings: &IssuerSettings) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&settings.store);
    options.connect().await.unwrap()
}

async fn run(file: &mut SqliteConnection, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(file).await.unwrap();
}

#[tokio::test]
async fn a_locked_store_is_said_to_be_and_the_token_stays_usable() {
    let harness = start().await;
    let token = begin(&harness).await;
    let mut other = file(&harness.settings).await;
    run(&mut other, "begin exclusive").await;
    let response = refresh(&harness, &token).await;
    assert_eq!(response.refusal(), (503, "temporarily_unavailable".into()));
    assert_eq!(response.header("retry-after"), Some("1"));
    let form = format!("{CREDENTIALS}&audience=billing");
    let without = harness.ask(&form).await;
    assert_eq!(without.json()["refresh_token"], Value::Null);
    assert!(!without.token().is_empty(), "a token needs no store");
    assert_eq!(done(&harness, "not_stored"), 1);
    run(&mut other, "commit").await;
    let again = when_it_can_be_written(&harness, &token).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(
        (done(&harness, "replaced"), done(&harness, "repeated")),
        (1, 0)
    );
}

/// The first response that is not about the store.
async fn when_it_can_be_written(harness: &Harness, token: &str) -> Response {
    for _ in 0..200 {
        let response = refresh(harness, token).await;
        if response.status != 503 {
            return response;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store stays locked: {}", harness.issuer.metrics());
}

/// Whatever a request needs of a locked store, and however many come: one waits for moments, and the others are told.
#[tokio::test]
async fn nobody_waits_for_a_lock_that_others_have_waited_for() {
    let harness = start().await;
    let tokens = [begin(&harness).await, begin(&harness).await];
    let plain = "grant_type=client_credentials";
    let access = harness.ask_as("plain", SECRET, plain).await.token();
    let (log, _guard) = Log::warnings();
    for lock in ["begin immediate", "begin exclusive"] {
        let mut other = file(&harness.settings).await;
        run(&mut other, lock).await;
        let begun = tokio::time::Instant::now();
        for _ in 0..10 {
            let form = format!("{CREDENTIALS}&audience=billing");
            harness.ask(&form).await.token();
            let (one, two) = tokio::join!(
                refresh(&harness, &tokens[0]),
                about(&harness, "/oauth2/revoke", "c", &tokens[1])
            );
            let of_access = about(&harness, "/oauth2/revoke", "plain", &access).await;
            for response in [one, two, of_access] {
                assert_eq!(response.refusal(), (503, "temporarily_unavailable".into()));
                assert_eq!(response.header("retry-after"), Some("1"));
            }
        }
        // Each alone would wait for a second; one after the other, for half a minute.
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{lock}: {:?}",
            begun.elapsed()
        );
        run(&mut other, "commit").await;
        let [first, _] = &tokens;
        assert_eq!(when_it_can_be_written(&harness, first).await.status, 200);
    }
    for said in [
        "a token goes out without a refresh token",
        "a refresh token could not be used",
        "a token could not be revoked",
    ] {
        assert_eq!(log.lines(said), 1, "{}", log.text());
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_shown_and_that_it_can_again() {
    let (log, _guard) = Log::warnings();
    let harness = start().await;
    assert_eq!(harness.metric("hallpass_store_writable"), 1);
    let mut other = file(&harness.settings).await;
    run(&mut other, "begin immediate").await;
    let health = health(&harness, |body| body != "ready\n").await;
    assert_eq!(health, "ready\ndegraded: another process holds the store\n");
    assert_eq!(harness.metric("hallpass_store_writable"), 0);
    assert_eq!(
        harness.metric("hallpass_store_readable"),
        1,
        "others may read it"
    );
    let said = "the store cannot be written: tokens go on";
    assert_eq!(log.lines(said), 1, "{}", log.text());
    run(&mut other, "commit").await;
    self::health(&harness, |body| body == "ready\n").await;
    assert_eq!(harness.metric("hallpass_store_writable"), 1);
}

/// The health of the issuer, once it is as wanted.
async fn health(harness: &Harness, is_wanted: impl Fn(&str) -> bool) -> String {
    for _ in 0..400 {
        let response = harness.get("/health/ready", &[]).await;
        assert_eq!(response.status, 200, "tokens go on: {response:?}");
        if is_wanted(&response.body) {
            return response.body;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", harness.issuer.metrics());
}

/// What is written there would be lost, and the journal of the file that is there now would be taken for that of the old one.
#[cfg(unix)]
#[tokio::test]
async fn nothing_is_done_to_a_file_that_is_not_the_store_any_more() {
    let harness = start().await;
    let token = begin(&harness).await;
    let plain = "grant_type=client_credentials";
    let access = harness.ask_as("plain", SECRET, plain).await.token();
    let (store, aside) = (&harness.settings.store, harness.folder.path().join("aside"));
    std::fs::rename(store, &aside).unwrap();
    for is_there in [false, true] {
        if is_there {
            std::fs::copy(&aside, store).unwrap();
        }
        let body = health(&harness, |body| body != "ready\n").await;
        assert!(body.contains("restart to use it"), "{body}");
        for gauge in ["in_place", "readable", "writable"] {
            assert_eq!(
                harness.metric(&format!("hallpass_store_{gauge}")),
                0,
                "{gauge}"
            );
        }
        let before = std::fs::read(&aside).unwrap();
        let refreshed = refresh(&harness, &token).await;
        let revoked = about(&harness, "/oauth2/revoke", "plain", &access).await;
        for response in [refreshed, revoked] {
            assert_eq!(response.refusal(), (503, "temporarily_unavailable".into()));
        }
        assert!(is_active(&harness, &access).await, "it was not revoked");
        assert_eq!(harness.ask(CREDENTIALS).await.status, 400, "two audiences");
        assert_eq!(std::fs::read(&aside).unwrap(), before);
    }
    std::fs::rename(&aside, store).unwrap();
    assert_eq!(when_it_can_be_written(&harness, &token).await.status, 200);
    health(&harness, |body| body == "ready\n").await;
    assert_eq!(harness.metric("hallpass_store_in_place"), 1);
}

#[tokio::test]
async fn the_grace_begins_when_the_token_is_used_and_not_when_its_request_came() {
    let harness = start().await;
    let token = begin(&harness).await;
    let mut other = file(&harness.settings).await;
    run(&mut other, "begin exclusive").await;
    let (first, ()) = tokio::join!(refresh(&harness, &token), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        harness.clock.advance(Duration::from_secs(13));
        run(&mut other, "commit").await;
    });
    assert_eq!(first.status, 200, "{first:?}");
    let again = refresh(&harness, &token).await;
    assert_eq!(again.status, 200, "it is no theft: {again:?}");
    assert_eq!(refresh_token(&again), refresh_token(&first));
}

#[tokio::test]
async fn no_row_of_a_refresh_token_can_be_changed_added_or_brought_back() {
    for change in [
        "delete from refresh_families",
        "delete from store_meta where name = 'refresh_families'",
        "update refresh_families set ends_at = 4000000000",
        "update refresh_families set used_at = 4000000000",
        "update refresh_families set client_mark = 'AAAAAAAAAAAAAAAAAAAAAA'",
        "update refresh_families set secret_digest = (select secret_digest from kept limit 1)",
        "update refresh_families set granted = (select granted from kept limit 1)",
        "delete from refresh_families; insert into refresh_families select * from kept",
        "insert into refresh_families select 9, 'AAAAAAAAAAAAAAAAAAAAAA', client_mark, subject_mark, secret_digest, \
         used_at, started_at, ends_at, granted from refresh_families",
    ] {
        let harness = start().await;
        let first = begin(&harness).await;
        let mut intruder = file(&harness.settings).await;
        run(
            &mut intruder,
            "create table kept as select * from refresh_families",
        )
        .await;
        let second = refresh_token(&refresh(&harness, &first).await);
        run(&mut intruder, change).await;
        sqlx::Connection::close(intruder).await.unwrap();
        if !change.starts_with("insert") {
            let response = refresh(&harness, &second).await;
            assert_eq!(response.status, 503, "{change}: {response:?}");
        }
        harness.clock.advance(Duration::from_secs(60));
        let response = refresh(&harness, &first).await;
        assert_ne!(response.status, 200, "{change}: {response:?}");
        harness.issuer.shutdown().await.unwrap();
        let started = IssuerServer::start(&harness.settings, harness.clock.clone()).await;
        let error = started.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{change}: {error}"
        );
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_token_usable() {
    use tokio::io::AsyncWriteExt as _;
    let harness = start().await;
    let mut token = begin(&harness).await;
    for _ in 0..10 {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let lines = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            basic("c", SECRET),
        ];
        let bytes = request("POST /oauth2/token", &lines, form.as_bytes());
        let mut stream = tokio::net::TcpStream::connect(harness.address())
            .await
            .unwrap();
        stream.write_all(&bytes).await.unwrap();
        drop(stream);
        token = refresh_token(&refresh(&harness, &token).await);
    }
}
