//! Administrators look at what is in the database.

use tokio::task::JoinSet;

use super::*;
use crate::admin::{READ, Rig, bearer, problem, refused};
use crate::audit::Log;
use crate::harness::{request, send};

/// Each of them waits for a table. Whoever may only look must not be able to stop what others write.
#[tokio::test]
async fn administrators_who_look_leave_the_connections_to_refresh_tokens() {
    let Some(server) = shared().await else {
        return;
    };
    let database = at(&server, server.database().await);
    let name = database.name.clone();
    let rig = Rig::with(|settings| on(settings, database)).await;
    let viewer = rig.token("viewer", READ).await;
    let _held = server.session(&name, "begin; lock table clients in access exclusive mode");
    let is_held = "select count(*) from pg_locks where relation = 'clients'::regclass and mode = 'AccessExclusiveLock' and granted";
    until("the table is locked", async || {
        (server.sql(&name, is_held).await.trim() == "1").then_some(())
    })
    .await;
    let host = format!("Host: {}", rig.address());
    let look = request("GET /admin/v1/clients", &[bearer(&viewer), host], b"");
    let (mut looking, address) = (JoinSet::new(), rig.address());
    for _ in 0..8 {
        let look = look.clone();
        looking.spawn(async move { send(address, &look).await });
    }
    for _ in 0..6 {
        let response = looking.join_next().await.unwrap().unwrap();
        // The other one where the issuer has seen the locked table already.
        let told = ["busy", "store_unavailable"].map(|code| refused(503, code));
        assert!(told.contains(&problem(&response)), "{response:?}");
    }
    // Two wait for the table.
    let form = "grant_type=client_credentials&scope=read&audience=service-system";
    let refreshable = until("refresh tokens are written", async || {
        let response = rig.harness.ask(form).await;
        Some(response).filter(|it| it.json()["refresh_token"].is_string())
    });
    refreshable.await;
    assert_eq!(health(&rig.harness).await, "ready\n");
}

/// The server says at each start that the table of the steps is there, which is nothing for anybody's log.
#[tokio::test]
async fn a_start_on_a_database_that_is_there_says_nothing_of_its_tables() {
    let Some(server) = shared().await else {
        return;
    };
    let database = at(&server, server.database().await);
    Harness::with(|settings| on(settings, database.clone()))
        .await
        .issuer
        .shutdown()
        .await
        .unwrap();
    let (log, guard) = Log::begin();
    let again = Harness::with(|settings| on(settings, database)).await;
    drop(guard);
    again.issuer.shutdown().await.unwrap();
    let said = log.text();
    assert!(!said.contains("already exists"), "{said}");
}
