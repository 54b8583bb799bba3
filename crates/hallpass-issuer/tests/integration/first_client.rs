//! An issuer that was started without any client.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{Error, IssuerServer, first_client};

use crate::harness::{Harness, SECRET, client, settings, test_clock};

const GRANT: &str = "grant_type=client_credentials&scope=internal-service";

#[tokio::test]
async fn the_first_client_is_created_once_and_works_after_each_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let first = first_client(&settings, &clock, |_| Ok(()))
        .await
        .unwrap()
        .unwrap();
    assert!(
        first_client(&settings, &clock, |_| Ok(()))
            .await
            .unwrap()
            .is_none(),
        "it is shown once"
    );
    let secret = first.client_secret.expose();
    assert!(secret.starts_with("hallpass_"));
    assert!(!format!("{first:?}").contains(secret));
    let file = std::fs::read(&settings.store).unwrap();
    assert!(
        !file
            .windows(secret.len())
            .any(|window| window == secret.as_bytes()),
        "the store keeps a digest"
    );

    let clock = Arc::new(test_clock());
    let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
    let mut harness = Harness {
        issuer,
        clock,
        settings,
        folder,
    };
    for _ in 0..2 {
        let response = harness
            .ask_as(first.client_id.as_str(), secret, GRANT)
            .await;
        assert_eq!(response.json()["scope"], first.scope.as_str());
        assert!(
            harness
                .verify(&response.token(), first.audience.as_str())
                .await
                .is_ok()
        );
        harness = harness.restart().await;
    }
}

#[tokio::test]
async fn no_client_is_created_beside_configured_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    settings.clients = vec![client("c", SECRET, &[], &["a"])];
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    assert!(
        first_client(&settings, &clock, |_| Ok(()))
            .await
            .unwrap()
            .is_none()
    );
    assert!(!settings.store.exists());
}

#[tokio::test]
async fn a_configured_client_replaces_the_stored_one_of_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    let clock = Arc::new(test_clock());
    let dynamic: Arc<dyn Clock> = clock.clone();
    let first = first_client(&settings, &dynamic, |_| Ok(()))
        .await
        .unwrap()
        .unwrap();
    settings.clients = vec![client(first.client_id.as_str(), SECRET, &["other"], &["a"])];
    let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
    let harness = Harness {
        issuer,
        clock,
        settings,
        folder,
    };
    let stored = harness
        .ask_as(
            first.client_id.as_str(),
            first.client_secret.expose(),
            GRANT,
        )
        .await;
    assert_eq!(stored.status, 401);
    assert_eq!(
        harness
            .ask_as(
                first.client_id.as_str(),
                SECRET,
                "grant_type=client_credentials&scope=other"
            )
            .await
            .json()["scope"],
        "other"
    );
}

#[tokio::test]
async fn no_client_is_created_whose_secret_nobody_has_seen() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let closed = |_: &_| Err(std::io::ErrorKind::BrokenPipe.into());
    let error = first_client(&settings, &clock, closed).await.unwrap_err();
    assert!(
        matches!(error, Error::FirstClientNotShown { .. }),
        "{error}"
    );
    let next = first_client(&settings, &clock, |_| Ok(())).await.unwrap();
    assert!(next.is_some(), "the next start creates one that is seen");
}
