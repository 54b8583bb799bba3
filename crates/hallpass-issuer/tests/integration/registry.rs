//! Registrations: what is refused at start, and how a change gets in.

use std::sync::Arc;
use std::time::Duration;

use hallpass_config::Secret;
use hallpass_issuer::{Error, IssuerServer};
use hallpass_issuer::{IssuerSettings, PreviousSecret, SecretKind};
use hallpass_token::UnixTime;

use crate::harness::{Harness, NOW, SECRET, client, secrets, settings, test_clock};

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
async fn a_secret_is_changed_without_a_gap_and_the_old_one_ends_at_its_moment() {
    const OTHER: &str = "hallpass_IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for (old, new) in [(SECRET, OTHER), ("old and chosen", "new and chosen")] {
        let harness = Harness::with(|settings| {
            settings.clients = vec![client("c", old, &[], &["service-system"])];
        })
        .await;
        assert_eq!(harness.ask_as("c", old, GRANT).await.status, 200);
        assert_eq!(harness.ask_as("c", new, GRANT).await.status, 401);
        let mut changed = harness.settings.clone();
        changed.clients = vec![client("c", new, &[], &["service-system"])];
        secrets(&mut changed.clients[0]).previous = Some(PreviousSecret {
            secret: Secret::new(old).into(),
            until: UnixTime::from_secs(NOW + 3_600),
        });
        harness.issuer.apply(&changed).await.unwrap();
        harness.clock.advance(Duration::from_secs(3_599));
        for secret in [old, new] {
            assert_eq!(
                harness.ask_as("c", secret, GRANT).await.status,
                200,
                "{secret}"
            );
        }
        harness.clock.advance(Duration::from_secs(1));
        assert_eq!(harness.ask_as("c", old, GRANT).await.status, 401);
        assert_eq!(harness.ask_as("c", new, GRANT).await.status, 200);
    }
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
    secrets(&mut weak).kind = SecretKind::Generated;
    let mut old = client("old", SECRET, &[], &["a"]);
    secrets(&mut old).kind = SecretKind::Generated;
    secrets(&mut old).previous = Some(PreviousSecret {
        secret: Secret::new("short").into(),
        until: UnixTime::from_secs(NOW),
    });
    let id = client("caf\u{e9}", SECRET, &[], &["a"]);
    let empty = client("empty", "", &[], &["a"]);
    for bad in [life, long, weak, old, id, empty] {
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
