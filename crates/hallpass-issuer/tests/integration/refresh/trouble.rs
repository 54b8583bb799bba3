//! A store that is locked, full, or written by somebody else.

use hallpass_issuer::Error;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::*;

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
    let again = refresh(&harness, &token).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(
        (done(&harness, "replaced"), done(&harness, "repeated")),
        (1, 0)
    );
}

#[tokio::test]
async fn the_grace_begins_when_the_token_is_used_and_not_when_its_request_came() {
    let harness = start().await;
    let token = begin(&harness).await;
    let mut other = file(&harness.settings).await;
    run(&mut other, "begin exclusive").await;
    let (first, ()) = tokio::join!(refresh(&harness, &token), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
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
