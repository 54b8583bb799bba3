//! The database is away: tokens go on, and everything else when it is back.

use super::*;

const AWAY: &str = "ready\ndegraded: the database does not respond\n";

async fn token_goes_on(harness: &Harness) {
    let form = "grant_type=client_credentials&audience=service-system";
    let response = harness.ask_as("service-system", SECRET, form).await;
    let claims = harness.verify(&response.token(), "service-system").await;
    assert!(claims.is_ok());
    // Whoever wants a refresh token too gets the access token alone.
    let form = "grant_type=client_credentials&scope=read&audience=service-system";
    let response = harness.ask(form).await;
    assert!(!response.token().is_empty());
    assert!(response.json()["refresh_token"].is_null());
}

async fn is_away(harness: &Harness, token: &str) {
    until("health says it", async || {
        (health(harness).await == AWAY).then_some(())
    })
    .await;
    assert_eq!(harness.metric("hallpass_store_readable"), 0);
    assert_eq!(harness.metric("hallpass_store_writable"), 0);
    token_goes_on(harness).await;
    let begun = Instant::now();
    for _ in 0..10 {
        let refused = refresh(harness, token).await;
        assert_eq!(refused.refusal(), (503, "temporarily_unavailable".into()));
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // Each alone would wait for seconds: it is known that nobody responds.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

async fn is_back(harness: &Harness, token: &str) -> String {
    until("health is well again", async || {
        (health(harness).await == "ready\n").then_some(())
    })
    .await;
    assert_eq!(harness.metric("hallpass_store_readable"), 1);
    let next = until("refresh tokens count again", async || {
        let response = refresh(harness, token).await;
        (response.status == 200).then_some(response)
    });
    refresh_token(&next.await)
}

/// Stopped by an operator, and by a crash.
#[tokio::test]
async fn a_database_that_is_gone_stops_no_token_and_is_used_again_when_it_is_back() {
    let Some(mut server) = PostgresServer::start(&[]).await else {
        return;
    };
    let harness = start(&server).await;
    let mut token = begin(&harness).await;
    for is_crash in [false, true] {
        match is_crash {
            false => server.stop().await,
            true => server.kill().await,
        }
        is_away(&harness, &token).await;
        server.start_again().await;
        token = is_back(&harness, &token).await;
    }
}

/// It takes connections and bytes, and does nothing: the worst of all.
#[tokio::test]
async fn a_database_that_has_stopped_in_the_middle_is_not_waited_for() {
    let Some(server) = PostgresServer::start(&[]).await else {
        return;
    };
    let harness = start(&server).await;
    let token = begin(&harness).await;
    server.freeze();
    is_away(&harness, &token).await;
    server.thaw();
    is_back(&harness, &token).await;
}

#[tokio::test]
async fn an_issuer_that_is_started_before_its_database_waits_for_it() {
    let Some(mut server) = PostgresServer::start(&[]).await else {
        return;
    };
    let database = at(&server, server.database().await);
    server.stop().await;
    let (harness, ()) = tokio::join!(start_at(database), server.start_again());
    harness.token().await;
}

#[tokio::test]
async fn a_start_without_a_database_ends_and_says_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = crate::harness::settings(&folder);
    // It takes connections, and nobody speaks there.
    let kept = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = kept.local_addr().unwrap().port();
    settings.database = Some(DatabaseSettings {
        host: "127.0.0.1".to_owned(),
        port,
        name: "auth".to_owned(),
        username: USER.to_owned(),
        password: Secret::new(PASSWORD),
        password_file: None,
        tls: None,
    });
    let error = IssuerServer::start(&settings, Arc::new(test_clock())).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::StoreAway { .. }), "{error}");
    let said = error.to_string();
    for word in ["does not respond", "issuer.database.url", "/auth"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(!said.contains(PASSWORD), "{said}");
}

/// As on a standby, or for a user who may not write.
#[tokio::test]
async fn a_database_that_can_only_be_read_is_said_to_be() {
    let Some(server) = PostgresServer::start(&[]).await else {
        return;
    };
    let harness = start(&server).await;
    let token = begin(&harness).await;
    let name = harness.settings.database.clone().unwrap().name;
    let revoke = "create role other superuser; set role other; \
                  revoke update, insert, delete on all tables in schema public from hallpass; \
                  alter table store_meta owner to other; \
                  grant select on store_meta to hallpass; alter user hallpass nosuperuser";
    server.sql(&name, revoke).await;
    until("health says it", async || {
        (health(&harness).await == "ready\ndegraded: the store cannot be written\n").then_some(())
    })
    .await;
    assert_eq!(harness.metric("hallpass_store_readable"), 1);
    assert_eq!(refresh(&harness, &token).await.refusal().0, 503);
    token_goes_on(&harness).await;
}
