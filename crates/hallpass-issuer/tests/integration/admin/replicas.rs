//! Two issuers on one PostgreSQL: what an administrator changes at the one counts at the other, and neither undoes what was done at the other.

use std::sync::Arc;
use std::time::Duration;

use hallpass_issuer::IssuerServer;
use serde_json::json;
use tokio::time::Instant;

use super::clients::{GRANT, PATH, if_match, order, secret};
use super::{Rig, problem, refused};
use crate::harness::Harness;
use crate::postgres::at;
use crate::postgres_server::{PostgresServer, shared};

/// So soon it must count at the other one.
const SOON: Duration = Duration::from_secs(1);
/// A machine that is busy with other things may be late, but not again and again.
const TRIES: usize = 5;

/// `None` where no server can be had, which is said there.
async fn replicas() -> Option<(Arc<PostgresServer>, Rig, Rig)> {
    let server = shared().await?;
    let database = at(&server, server.database().await);
    let one = Rig::with(|settings| settings.database = Some(database)).await;
    let (settings, clock) = (one.harness.settings.clone(), one.harness.clock.clone());
    let issuer = IssuerServer::start(&settings, Arc::clone(&clock) as _).await;
    let harness = Harness {
        issuer: issuer.unwrap(),
        clock,
        settings,
        folder: tempfile::tempdir().unwrap(),
    };
    Some((server, one, Rig { harness }))
}

/// How long it takes until the client is told this.
async fn takes(rig: &Rig, id: &str, secret: &str, status: u16) -> Duration {
    let begun = Instant::now();
    let ask = || rig.harness.ask_as(id, secret, GRANT);
    rig.harness.until_told(|told| told == status, ask).await;
    begun.elapsed()
}

/// How long it takes until each change at the one counts at the other.
async fn followed(one: &Rig, other: &Rig, id: &str) -> [Duration; 4] {
    let token = one.ops().await;
    let mut registration = order();
    registration["client-id"] = json!(id);
    let added = one.add(&token, &registration).await;
    let old = secret(&added);
    let is_added = takes(other, id, &old, 200).await;
    let line = format!("POST {PATH}/{id}/secret");
    let at_once = json!({"old_lives_for_seconds": 0});
    let rotated = one.send(&line, &token, &if_match(&added), &at_once).await;
    let new = secret(&rotated);
    let is_rotated = takes(other, id, &new, 200).await;
    // The old one ends with the same change.
    let told = other.harness.ask_as(id, &old, GRANT).await.status;
    assert!([401, 429].contains(&told), "{told}");
    let line = format!("POST {PATH}/{id}/disable");
    let disabled = one
        .send(&line, &token, &if_match(&rotated), &json!({}))
        .await;
    let is_disabled = takes(other, id, &new, 401).await;
    let line = format!("POST {PATH}/{id}/enable");
    let enabled = one
        .send(&line, &token, &if_match(&disabled), &json!({}))
        .await;
    assert_eq!(enabled.status, 200, "{enabled:?}");
    let is_enabled = takes(other, id, &new, 200).await;
    [is_added, is_rotated, is_disabled, is_enabled]
}

#[tokio::test]
async fn a_client_that_is_added_changed_or_disabled_at_one_counts_at_the_other_within_a_second() {
    let Some((_server, one, other)) = replicas().await else {
        return;
    };
    let mut all = Vec::new();
    for number in 0..TRIES {
        // There and back: neither is the first among them.
        all.push(followed(&one, &other, &format!("order-{number}")).await);
        all.push(followed(&other, &one, &format!("back-{number}")).await);
        let shortest = |kind: usize| all.iter().map(|took| took[kind]).min();
        if (0..4).all(|kind| shortest(kind) < Some(SOON)) {
            return;
        }
    }
    panic!("one of the changes not once within {SOON:?}: {all:?}");
}

#[tokio::test]
async fn of_changes_of_one_state_at_two_replicas_one_is_made_and_the_other_is_told_412() {
    let Some((_server, one, other)) = replicas().await else {
        return;
    };
    let token = one.ops().await;
    let added = one.add(&token, &order()).await;
    let line = format!("PATCH {PATH}/order");
    let patch = json!({"scopes": ["read", "write"]});
    let changed = one.send(&line, &token, &if_match(&added), &patch).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    // The other one need not have looked at the store since.
    let lost = other
        .send(&line, &token, &if_match(&added), &json!({"scopes": []}))
        .await;
    assert_eq!(problem(&lost), refused(412, "client_changed"));
    let shown = other.get(&format!("{PATH}/order"), &token).await;
    assert_eq!(shown.header("etag"), changed.header("etag"));
    assert_eq!(shown.json()["registration"]["scopes"], patch["scopes"]);
    // At the same moment.
    let mut state = shown;
    for round in 0..5 {
        let headers = if_match(&state);
        let patch = |name: &str| json!({"scopes": [format!("{name}-{round}")]});
        let (here, there) = (patch("here"), patch("there"));
        let (left, right) = tokio::join!(
            one.send(&line, &token, &headers, &here),
            other.send(&line, &token, &headers, &there),
        );
        let (won, lost, kept) = match left.status {
            200 => (left, right, here),
            _ => (right, left, there),
        };
        assert_eq!(won.status, 200, "{won:?}");
        assert_eq!(problem(&lost), refused(412, "client_changed"), "{round}");
        state = one.get(&format!("{PATH}/order"), &token).await;
        assert_eq!(state.header("etag"), won.header("etag"));
        assert_eq!(state.json()["registration"]["scopes"], kept["scopes"]);
    }
}

/// What was responded is remembered by the process that gave it. At another one the same attempt finds that it is done.
#[tokio::test]
async fn an_attempt_that_is_sent_to_both_makes_one_client_and_one_secret() {
    let Some((_server, one, other)) = replicas().await else {
        return;
    };
    let token = one.ops().await;
    let (line, key) = (
        format!("POST {PATH}"),
        vec!["Idempotency-Key: a1".to_owned()],
    );
    let registration = order();
    let (left, right) = tokio::join!(
        one.send(&line, &token, &key, &registration),
        other.send(&line, &token, &key, &registration),
    );
    let (made, late, maker, latecomer) = match left.status {
        201 => (left, right, &one, &other),
        _ => (right, left, &other, &one),
    };
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(problem(&late), refused(409, "client_exists"));
    let again = maker.send(&line, &token, &key, &registration).await;
    assert_eq!((again.status, &again.body), (201, &made.body));
    let again = latecomer.send(&line, &token, &key, &registration).await;
    assert_eq!(problem(&again), refused(409, "client_exists"));

    let key = vec!["Idempotency-Key: r1".to_owned()];
    let headers = [if_match(&made), key].concat();
    let line = format!("POST {PATH}/order/secret");
    let hour = json!({"old_lives_for_seconds": 3600});
    let (left, right) = tokio::join!(
        one.send(&line, &token, &headers, &hour),
        other.send(&line, &token, &headers, &hour),
    );
    let (rotated, late) = match left.status {
        200 => (left, right),
        _ => (right, left),
    };
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_eq!(problem(&late), refused(412, "client_changed"));
    let shown = one.get(&format!("{PATH}/order"), &token).await;
    assert_eq!(shown.json()["secrets"].as_array().unwrap().len(), 2);
    for rig in [&one, &other] {
        for secret in [secret(&made), secret(&rotated)] {
            takes(rig, "order", &secret, 200).await;
        }
    }
}
