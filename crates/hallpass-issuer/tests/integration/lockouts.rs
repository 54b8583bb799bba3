//! Who is told to wait: said once, and ended by time, by the right client, or by an operator.

use std::time::Duration;

use hallpass_config::Secret;
use hallpass_issuer::{LockedBy, SecretKind};
use serde_json::Value;

use crate::audit::Log;
use crate::harness::{Harness, Response, SECRET, basic, secrets};

const CHOSEN: &str = "correct horse battery staple";
const FORM: &[u8] = b"grant_type=client_credentials";

async fn ask(harness: &Harness, from: &str, secret: &str) -> Response {
    let source = format!("X-Forwarded-For: {from}");
    harness.post(&[&source, &basic("c", secret)], FORM).await
}

async fn start(kind: SecretKind, secret: &str) -> Harness {
    Harness::with(|settings| {
        let loopback = "127.0.0.0/8".parse().unwrap();
        settings.sources.forwarders = hallpass_listen::Networks::new(vec![loopback]);
        let secrets = secrets(&mut settings.clients[0]);
        secrets.kind = kind;
        secrets.current = Secret::new(secret).into();
    })
    .await
}

fn events(log: &Log, name: &str) -> Vec<Value> {
    let mut events = log.events();
    events.retain(|event| event["fields"]["event"] == name);
    events
        .into_iter()
        .map(|mut it| it["fields"].take())
        .collect()
}

#[tokio::test]
async fn who_fails_too_often_is_locked_out_with_one_event_and_told_when_to_come_again() {
    let (log, guard) = Log::begin();
    let harness = start(SecretKind::Chosen, CHOSEN).await;
    let mut last = None;
    for _guess in 0..60 {
        last = Some(ask(&harness, "203.0.113.66", "wrong").await);
    }
    let last = last.unwrap();
    assert_eq!((last.status, last.header("retry-after")), (429, Some("1")));
    let all = harness.issuer.lockouts();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].by, all[0].refused), (LockedBy::Pair, 40));
    assert_eq!(all[0].unverified_client_id.as_deref(), Some("c"));
    assert_eq!(harness.metric("hallpass_lockouts_total{by=\"pair\"}"), 1);

    // By time: half a second is one attempt, and a minute without a refusal ends it.
    harness.clock.advance(Duration::from_millis(500));
    assert_eq!(ask(&harness, "203.0.113.66", CHOSEN).await.status, 200);
    harness.clock.advance(Duration::from_secs(60));
    assert!(harness.issuer.lockouts().is_empty());

    // It has been right there by now, which is a fresh start; then it is another lockout.
    for _guess in 0..25 {
        ask(&harness, "203.0.113.66", "wrong").await;
    }
    assert_eq!(harness.issuer.lockouts().len(), 1);
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let events = events(&log, "locked_out");
    assert_eq!(events.len(), 2, "{events:?}");
    for event in &events {
        assert_eq!(event["limit"], "pair");
        assert_eq!(event["source"], "203.0.113.66");
        assert_eq!(event["unverified_client_id"], "c");
    }
}

#[tokio::test]
async fn an_operator_lets_a_locked_out_client_in_again() {
    let (log, guard) = Log::begin();
    let harness = start(SecretKind::Chosen, CHOSEN).await;
    let place = "203.0.113.66";
    for (client, source) in [("c", Some(place)), ("c", None)] {
        let mut compared = 0;
        for _guess in 0..60 {
            compared += u32::from(ask(&harness, place, "wrong").await.status == 401);
        }
        assert_eq!(compared, 20, "no more than before");
        assert_eq!(ask(&harness, place, CHOSEN).await.status, 429);
        let elsewhere = Some("203.0.113.67".parse().unwrap());
        assert_eq!(harness.issuer.unlock("nobody", None), 0);
        assert_eq!(harness.issuer.unlock("c", elsewhere), 0);
        assert_eq!(ask(&harness, place, CHOSEN).await.status, 429);

        let source = source.map(|source| source.parse().unwrap());
        assert_eq!(harness.issuer.unlock(client, source), 1);
        assert!(harness.issuer.lockouts().is_empty());
        assert_eq!(ask(&harness, place, CHOSEN).await.status, 200);
    }
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let ended = events(&log, "lockout_ended");
    assert_eq!(ended.len(), 2);
    for event in ended {
        assert_eq!(event["unverified_client_id"], "c");
        assert_eq!(
            (&event["source"], &event["refused"]),
            (&place.into(), &42.into())
        );
    }
}

#[tokio::test]
async fn a_secret_that_nobody_can_guess_ends_the_lockout_of_its_client_there() {
    let harness = start(SecretKind::Generated, SECRET).await;
    for _guess in 0..30 {
        ask(&harness, "203.0.113.66", "wrong").await;
    }
    assert_eq!(harness.issuer.lockouts().len(), 1);
    assert_eq!(ask(&harness, "203.0.113.66", SECRET).await.status, 200);
    assert!(harness.issuer.lockouts().is_empty());
    assert_eq!(ask(&harness, "203.0.113.66", "wrong").await.status, 401);
}
