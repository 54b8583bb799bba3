//! Tables that write more than they are told, or keep rows that they should not.

use super::*;

/// As somebody writes it who can write the file and does not have the sealing key.
fn foreign_row(kid: &str) -> String {
    let foreign = key(kid, KeyState::Published).public_jwk;
    format!(
        "insert into signing_keys values ('{kid}', 'ES256', 'published', 'imported', '{foreign}', null, 1, null, null)"
    )
}

async fn write(store: &Store, statements: impl IntoIterator<Item = String>) {
    for sql in statements {
        let sql = sqlx::AssertSqlSafe(sql);
        sqlx::query(sql).execute(store.pool()).await.unwrap();
    }
}

#[tokio::test]
async fn a_foreign_key_under_the_name_of_a_good_one_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let good = key("a", KeyState::Published);
    add(&store, std::slice::from_ref(&good)).await.unwrap();
    let without_a_primary_key = [
        "create table twin as select * from signing_keys".to_owned(),
        "drop table signing_keys".to_owned(),
        "alter table twin rename to signing_keys".to_owned(),
        // It stands before the good one, whose entry in the list is then the last.
        foreign_row("a"),
    ];
    write(&store, without_a_primary_key).await;
    let error = store.keys().await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    assert!(error.to_string().contains("\"a\""), "{error}");
}

#[tokio::test]
async fn a_trigger_in_the_file_brings_no_key_onto_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let trigger = format!(
        "create trigger helper after insert on signing_keys begin {}; end",
        foreign_row("foreign")
    );
    write(&store, [trigger]).await;
    let added = add(&store, &[key("a", KeyState::Signing)]).await;
    let error = added.unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    assert!(error.to_string().contains("\"foreign\""), "{error}");
    assert_eq!(states(&store).await, [], "nothing of it was kept");
}

#[tokio::test]
async fn a_trigger_in_the_file_gives_no_client_more_than_it_was_registered_with() {
    for (on, gift) in [
        (
            "clients",
            "insert into clients (client_id, scope, token_life_seconds, created_at) values ('thief', 'admin', 60, 1)",
        ),
        ("client_secrets", "update clients set scope = 'admin'"),
        (
            "client_secrets",
            "insert into client_audiences values ('c', 'bank')",
        ),
        (
            "client_secrets",
            "update client_secrets set verifier = 'of the thief'",
        ),
        (
            "client_grants",
            "update client_grants set grant_type = 'another'",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
            .await
            .unwrap();
        let trigger = format!("create trigger helper after insert on {on} begin {gift}; end");
        write(&store, [trigger]).await;
        let client = Registration {
            client_id: "c".parse().unwrap(),
            scope: "x y".parse().unwrap(),
            audiences: vec!["two".parse().unwrap(), "one".parse().unwrap()],
            grants: [GrantType::ClientCredentials].into_iter().collect(),
            token_life: Duration::from_secs(60),
            is_dpop_bound: false,
            is_certificate_bound: false,
            profile: None,
            refresh_life: Duration::from_secs(60),
            exchange: Vec::new(),
            may_revoke: Vec::new(),
            calls: Vec::new(),
            claims: serde_json::Map::new(),
            certificate_names: None,
            authentication: Authentication::by_secrets(vec![LiveSecret::stored("chosen")]),
        };
        let added = store.add_client(&client, UnixTime::from_secs(1)).await;
        let error = added.unwrap_err();
        assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
        assert!(store.clients().await.unwrap().is_empty(), "{gift}");
    }
}
