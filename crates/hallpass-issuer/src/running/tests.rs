use std::sync::Arc;

use hallpass_clock::SystemClock;

use super::*;
use crate::IssuerServer;

async fn running(folder: &tempfile::TempDir) -> RunningIssuer {
    let settings = IssuerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: folder.path().join("issuer.db"),
        ..IssuerSettings::default()
    };
    IssuerServer::start(&settings, Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_task_that_ends_by_itself_is_noticed_and_the_rest_still_stops() {
    let folder = tempfile::tempdir().unwrap();
    for (break_it, name) in [
        (
            (|issuer| issuer.serving.abort()) as fn(&RunningIssuer),
            "accept loop",
        ),
        (|issuer| issuer.audit.abort(), "audit writer"),
    ] {
        let mut issuer = running(&folder).await;
        break_it(&issuer);
        for _ in 0..2 {
            let error = issuer.failed().await;
            assert!(
                matches!(error, Error::TaskEnded { task } if task == name),
                "{error}"
            );
        }
        let stopped = issuer.shutdown().await;
        assert!(
            matches!(stopped, Err(Error::TaskEnded { task }) if task == name),
            "{stopped:?}"
        );
    }
}

#[tokio::test]
async fn a_healthy_issuer_does_not_fail() {
    let folder = tempfile::tempdir().unwrap();
    let mut issuer = running(&folder).await;
    tokio::select! {
        biased;
        error = issuer.failed() => panic!("{error}"),
        () = tokio::task::yield_now() => {}
    }
    issuer.shutdown().await.unwrap();
}
