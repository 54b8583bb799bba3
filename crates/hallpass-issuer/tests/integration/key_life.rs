//! Keys that follow one another by themselves, or by the hand of an operator, while the issuer runs.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::{Error, KeyState, TakeOver, key_report, public_keys, rotate_key, taint_key};
use hallpass_token::Algorithm;
use tokio::time::Instant;

use crate::harness::{Harness, NOW};
use crate::keys::{header, kids};

const HOUR: Duration = Duration::from_secs(3_600);

fn clock(harness: &Harness) -> Arc<dyn Clock> {
    harness.clock.clone()
}

async fn signer(harness: &Harness) -> String {
    let token = harness.token().await;
    header(&token)["kid"].as_str().unwrap().to_owned()
}

/// Waits until the published keys are as many, for some seconds at most.
async fn wait_for_keys(harness: &Harness, number: usize) -> Vec<String> {
    wait_for(harness, async |harness| {
        let kids = kids(harness).await;
        (kids.len() == number).then_some(kids)
    })
    .await
}

async fn wait_for<T>(harness: &Harness, look: impl AsyncFn(&Harness) -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look(harness).await {
            return seen;
        }
        let report = key_report(&harness.settings, &clock(harness)).await;
        assert!(began.elapsed() < Duration::from_secs(60), "{report:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn states(harness: &Harness) -> Vec<KeyState> {
    let report = key_report(&harness.settings, &clock(harness)).await;
    report.unwrap().keys.iter().map(|key| key.state).collect()
}

#[tokio::test]
async fn keys_follow_one_another_by_themselves_and_no_token_fails_on_the_way() {
    let harness = Harness::with(|settings| settings.key_rotation = Some(24 * HOUR)).await;
    let (old, token) = (signer(&harness).await, harness.token().await);
    harness.clock.advance(24 * HOUR - Duration::from_secs(301));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(kids(&harness).await.len(), 1, "not before its time");
    harness.clock.advance(Duration::from_secs(1));
    let both = wait_for_keys(&harness, 2).await;
    assert_eq!(signer(&harness).await, old);
    let last = harness.token().await;

    harness.clock.advance(Duration::from_secs(300));
    let new = signer(&harness).await;
    assert_ne!(new, old);
    assert!(both.contains(&new), "it was announced");
    assert!(harness.verify(&last, "service-system").await.is_ok());
    assert_eq!(kids(&harness).await, [new.clone(), old.clone()]);
    // By what the issuer itself shows: a report says what it is about to do, too.
    let retired = format!(
        "hallpass_signing_key_created_timestamp_seconds{{kid=\"{old}\",algorithm=\"ES256\",state=\"retired\"}}"
    );
    wait_for(&harness, async |harness| {
        (harness.metric(&retired) == NOW).then_some(())
    })
    .await;

    harness.clock.advance(25 * HOUR - Duration::from_secs(301));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert!(kids(&harness).await.contains(&old));
    harness.clock.advance(Duration::from_secs(301));
    wait_for(&harness, async |harness| {
        (!kids(harness).await.contains(&old)).then_some(())
    })
    .await;
    assert!(harness.verify(&token, "service-system").await.is_err());
}

#[tokio::test]
async fn a_token_that_lives_long_keeps_its_key_published() {
    let harness = Harness::with(|settings| {
        settings.key_retention = Duration::ZERO;
        settings.token_life = 2 * HOUR;
    })
    .await;
    let token = harness.token().await;
    let rotated = rotate_key(&harness.settings, &clock(&harness), None, TakeOver::Now).await;
    assert_eq!(rotated.unwrap().state, KeyState::Signing);
    harness.clock.advance(2 * HOUR - Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert!(harness.verify(&token, "service-system").await.is_ok());
}

#[tokio::test]
async fn what_an_operator_does_with_keys_counts_without_a_reload() {
    let harness = Harness::start().await;
    let old = signer(&harness).await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let next = rotate_key(settings, &clock, None, TakeOver::Announced)
        .await
        .unwrap();
    assert_eq!(next.state, KeyState::Announced);
    assert_eq!(
        wait_for_keys(&harness, 2).await,
        [old.clone(), next.key_id.clone()]
    );
    assert_eq!(signer(&harness).await, old);
    let again = rotate_key(settings, &clock, None, TakeOver::Announced)
        .await
        .unwrap();
    assert_eq!(again.key_id, next.key_id, "one at a time");
    harness.clock.advance(Duration::from_secs(300));
    assert_eq!(signer(&harness).await, next.key_id);

    let at_once = rotate_key(settings, &clock, None, TakeOver::Now)
        .await
        .unwrap();
    wait_for(&harness, async |harness| {
        (signer(harness).await == at_once.key_id).then_some(())
    })
    .await;
    let other = rotate_key(
        settings,
        &clock,
        Some(Algorithm::EdDsa),
        TakeOver::Announced,
    );
    assert_eq!(other.await.unwrap().algorithm, Algorithm::EdDsa);
    let kids = wait_for_keys(&harness, 4).await;
    let exported = public_keys(settings).await.unwrap();
    assert!(kids.iter().all(|kid| exported.contains(kid)), "{exported}");
    assert!(!exported.contains("\"d\""), "{exported}");
}

#[tokio::test]
async fn a_tainted_key_is_gone_within_a_second() {
    let harness = Harness::start().await;
    let mut all = Vec::new();
    // A machine that is busy with other things may be late, but not again and again.
    for _ in 0..5 {
        let old = signer(&harness).await;
        harness.clock.advance(Duration::from_secs(1));
        let (settings, clock) = (&harness.settings, clock(&harness));
        taint_key(settings, &clock, &old).await.unwrap();
        let began = Instant::now();
        wait_for(&harness, async |harness| {
            (!kids(harness).await.contains(&old)).then_some(())
        })
        .await;
        all.push(began.elapsed());
        if began.elapsed() < Duration::from_secs(1) {
            return;
        }
    }
    panic!("not once within a second: {all:?}");
}

#[tokio::test]
async fn a_tainted_key_is_gone_and_another_one_signs() {
    let harness = Harness::start().await;
    let (old, token) = (signer(&harness).await, harness.token().await);
    // So that the successor is the younger one.
    harness.clock.advance(Duration::from_secs(1));
    let (settings, clock) = (&harness.settings, clock(&harness));
    let successor = taint_key(settings, &clock, &old).await.unwrap().unwrap();
    wait_for(&harness, async |harness| {
        (!kids(harness).await.contains(&old)).then_some(())
    })
    .await;
    assert_eq!(signer(&harness).await, successor.key_id);
    assert!(harness.verify(&token, "service-system").await.is_err());
    assert_eq!(
        states(&harness).await,
        [KeyState::Tainted, KeyState::Signing]
    );

    // An announced key takes over, since verifiers know it.
    let announced = rotate_key(settings, &clock, None, TakeOver::Announced)
        .await
        .unwrap();
    let successor = taint_key(settings, &clock, &successor.key_id)
        .await
        .unwrap();
    assert_eq!(successor.unwrap().key_id, announced.key_id);
    let error = taint_key(settings, &clock, "no such key")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::UnknownKey { .. }), "{error}");
    assert!(error.to_string().contains(&announced.key_id), "{error}");
}

#[tokio::test]
async fn a_tainted_key_does_not_come_back_by_an_import() {
    let harness = Harness::start().await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let pem = include_str!("data/ec-p256.pem");
    let imported = hallpass_issuer::import_keys(settings, &clock, pem).await;
    let kid = imported.unwrap().announced[0].key_id.to_string();
    taint_key(settings, &clock, &kid).await.unwrap();
    let error = hallpass_issuer::import_keys(settings, &clock, pem).await;
    assert!(error.unwrap_err().to_string().contains("was tainted"));
}

#[tokio::test]
async fn a_key_that_awaits_its_verifiers_signs_when_each_of_them_has_it() {
    let harness = Harness::start().await;
    let old = signer(&harness).await;
    let ask = async |name: &str| {
        let named = format!("/oauth2/jwks?verifier={name}");
        harness.get(&named, &[]).await;
    };
    ask("service-order").await;
    harness
        .get(
            "/oauth2/jwks",
            &["Hallpass-Verifier: service-system@pod-1:7"],
        )
        .await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let next = rotate_key(settings, &clock, None, TakeOver::WhenAdopted)
        .await
        .unwrap();
    assert!(next.awaits_adoption);
    wait_for_keys(&harness, 2).await;
    ask("service-order").await;
    harness.clock.advance(Duration::from_secs(600));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(signer(&harness).await, old, "one of them does not have it");
    let lacking = |state| {
        let kid = &next.key_id;
        format!("hallpass_signing_key_verifiers_missing{{kid=\"{kid}\",state=\"{state}\"}}")
    };
    wait_for(&harness, async |harness| {
        (harness.metric(&lacking("announced")) == 1).then_some(())
    })
    .await;

    harness
        .get(
            "/oauth2/jwks",
            &["Hallpass-Verifier: service-system@pod-1:7"],
        )
        .await;
    wait_for(&harness, async |harness| {
        (signer(harness).await == next.key_id).then_some(())
    })
    .await;
    wait_for(&harness, async |harness| {
        let shown = harness.issuer.metrics();
        let adopted = format!("{} 0", lacking("signing"));
        (shown.lines().any(|line| line == adopted)).then_some(())
    })
    .await;
    let report = key_report(settings, &clock).await.unwrap();
    let names: Vec<_> = report.verifiers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["service-order", "service-system@pod-1:7"]);
    assert!(report.verifiers[0].key_ids.contains(&next.key_id));
    assert!(report.verifiers[0].seen_at >= NOW);
}

#[tokio::test]
async fn what_verifiers_have_fetched_outlives_a_restart_and_those_that_are_gone_hold_nothing_up() {
    let harness = Harness::start().await;
    harness.get("/oauth2/jwks?verifier=gone", &[]).await;
    wait_for(&harness, async |harness| {
        let report = key_report(&harness.settings, &clock(harness))
            .await
            .unwrap();
        (!report.verifiers.is_empty()).then_some(())
    })
    .await;
    let harness = harness.restart().await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let next = rotate_key(settings, &clock, None, TakeOver::WhenAdopted)
        .await
        .unwrap();
    wait_for_keys(&harness, 2).await;
    harness.clock.advance(Duration::from_secs(400));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_ne!(signer(&harness).await, next.key_id, "it is remembered");
    harness.clock.advance(Duration::from_secs(600));
    wait_for(&harness, async |harness| {
        (signer(harness).await == next.key_id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_schedule_says_what_happens_by_itself() {
    let harness = Harness::with(|settings| settings.key_rotation = Some(24 * HOUR)).await;
    let old = signer(&harness).await;
    let report = key_report(&harness.settings, &clock(&harness))
        .await
        .unwrap();
    let steps: Vec<_> = report
        .steps
        .iter()
        .map(|step| (step.at.unwrap() - NOW, step.key_id.clone(), step.enters))
        .collect();
    let day = 24 * 3_600;
    assert_eq!(
        steps,
        [
            (day - 300, None, Some(KeyState::Announced)),
            (day, None, Some(KeyState::Signing)),
            (day, Some(old), Some(KeyState::Retired)),
        ]
    );
    let mut missing = harness.settings.clone();
    missing.store = harness.folder.path().join("no.db");
    let error = key_report(&missing, &clock(&harness)).await.unwrap_err();
    assert!(matches!(error, Error::StoreMissing { .. }), "{error}");
    assert!(!missing.store.exists());
}

#[tokio::test]
async fn a_store_that_cannot_be_read_any_more_stops_no_token_and_is_seen() {
    let harness = Harness::start().await;
    assert_eq!(harness.metric("hallpass_store_readable"), 1);
    std::fs::write(
        &harness.settings.store,
        "not a database any more, but long enough to be read",
    )
    .unwrap();
    wait_for(&harness, async |harness| {
        (harness.metric("hallpass_store_readable") == 0).then_some(())
    })
    .await;
    let token = harness.token().await;
    assert!(harness.verify(&token, "service-system").await.is_ok());
}
