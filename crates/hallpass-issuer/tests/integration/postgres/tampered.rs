//! Rows that somebody else has written, who can write the database and does not have the sealing key.

use hallpass_issuer::RevocationTarget;

use super::*;

async fn restarted(harness: &Harness) -> String {
    let error = IssuerServer::start(&harness.settings, harness.clock.clone()).await;
    match error.map(|_| ()) {
        Err(error @ Error::StoreDamaged { .. }) => error.to_string(),
        other => format!("not found to be damaged: {other:?}"),
    }
}

#[tokio::test]
async fn rows_that_somebody_else_wrote_are_not_believed_there_either() {
    let Some(server) = shared().await else {
        return;
    };
    for (sql, says) in [
        (
            "insert into clients (client_id, scope, token_life_seconds, created_at) values ('x', 'read', 60, 1)",
            "\"x\" was changed from outside",
        ),
        (
            "update signing_keys set created_at = 1",
            "was changed from outside",
        ),
        ("delete from signing_keys", "was taken away from outside"),
        (
            "update revocations set ends_at = 1",
            "revocations were changed",
        ),
        (
            "update refresh_families set ends_at = ends_at + 1",
            "refresh tokens were changed",
        ),
        (
            "delete from store_meta where name = 'whole'",
            "a part of it was put back",
        ),
        (
            "delete from store_meta where name = 'seal_salt'",
            "one half of its seal",
        ),
    ] {
        let harness = start(&server).await;
        begin(&harness).await;
        let client = RevocationTarget::Client {
            id: "c".to_owned(),
            only_issued: false,
        };
        crate::revocation::operator(&harness, client).await.unwrap();
        let name = harness.settings.database.clone().unwrap().name;
        server.sql(&name, sql).await;
        let said = restarted(&harness).await;
        assert!(said.contains(says), "{sql}: {said}");
    }
}

#[tokio::test]
async fn a_list_that_was_put_back_to_what_it_was_is_noticed() {
    let Some(server) = shared().await else {
        return;
    };
    let harness = start(&server).await;
    let name = harness.settings.database.clone().unwrap().name;
    let kept = "create table kept as select * from store_meta where name = 'refresh_families'; \
                create table families as select * from refresh_families";
    server.sql(&name, kept).await;
    begin(&harness).await;
    let back = "delete from refresh_families; insert into refresh_families select * from families; \
                update store_meta set value = kept.value from kept where store_meta.name = kept.name";
    server.sql(&name, back).await;
    let said = restarted(&harness).await;
    assert!(said.contains("a part of it was put back"), "{said}");
}
