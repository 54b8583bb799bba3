//! Registrations: what is refused at start, and how a change gets in.

use std::sync::Arc;
use std::time::Duration;

use hallpass_issuer::{Error, IssuerServer};
use hallpass_issuer::{IssuerSettings, SecretKind};

use crate::harness::{Harness, SECRET, client, settings, test_clock};

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn a_reload_swaps_clients_between_two_requests_and_an_unusable_one_changes_nothing() {
    let harness = Harness::start().await;
    assert_eq!(harness.ask_as("new", SECRET, GRANT).await.status, 401);
    let mut changed = harness.settings.clone();
    changed.clients = vec![client("new", SECRET, &["fresh"], &["service-system"])];
    harness.issuer.apply(&changed).await.unwrap();
    let fresh = format!("{GRANT}&scope=fresh");
    assert_eq!(harness.ask_as("new", SECRET, &fresh).await.status, 200);
    assert_eq!(
        harness.ask(GRANT).await.status,
        401,
        "a client that left is gone at once"
    );
    let metadata = harness
        .get("/.well-known/oauth-authorization-server", &[])
        .await
        .json();
    assert_eq!(metadata["scopes_supported"], serde_json::json!(["fresh"]));

    let mut unusable = changed.clone();
    unusable.clients.push(client("bad", SECRET, &[], &["a"]));
    unusable.clients[1].token_life = Some(Duration::ZERO);
    assert!(matches!(
        harness.issuer.apply(&unusable).await,
        Err(Error::Registration { .. })
    ));
    assert_eq!(harness.ask_as("new", SECRET, GRANT).await.status, 200);
}

#[tokio::test]
async fn no_request_fails_while_clients_are_swapped() {
    let harness = Harness::start().await;
    let mut other = harness.settings.clone();
    other
        .clients
        .push(client("other", SECRET, &[], &["service-system"]));
    let asking = async {
        for _ in 0..100 {
            assert_eq!(harness.ask(GRANT).await.status, 200);
        }
    };
    let swapping = async {
        for settings in [&other, &harness.settings].into_iter().cycle().take(20) {
            harness.issuer.apply(settings).await.unwrap();
        }
    };
    tokio::join!(asking, swapping);
}

#[tokio::test]
async fn registrations_that_cannot_be_used_stop_the_start_and_name_the_client() {
    let mut life = client("life", SECRET, &[], &["a"]);
    life.token_life = Some(Duration::ZERO);
    let mut long = client("long", SECRET, &[], &["a"]);
    long.token_life = Some(Duration::from_secs(8 * 24 * 3_600));
    let mut weak = client("weak", "too short for 128 bits", &[], &["a"]);
    weak.secret_kind = SecretKind::Generated;
    for bad in [life, long, weak] {
        let folder = tempfile::tempdir().unwrap();
        let id = bad.client_id.clone();
        let settings = IssuerSettings {
            clients: vec![bad],
            ..settings(&folder)
        };
        let error = IssuerServer::start(&settings, Arc::new(test_clock()))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Registration { .. }), "{id}: {error}");
        assert!(
            error.to_string().contains(id.as_str()) && !error.to_string().contains(SECRET),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_issuer_name_that_no_client_could_use_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = IssuerSettings {
        name: "http://auth.example".parse().unwrap(),
        ..settings(&folder)
    };
    let error = IssuerServer::start(&settings, Arc::new(test_clock()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::IssuerName { .. }), "{error}");
    assert!(!settings.store.exists());
}
