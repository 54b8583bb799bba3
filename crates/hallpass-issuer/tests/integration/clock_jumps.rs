//! A clock that is wrong for a moment: when the machine starts, or while the issuer runs.

use std::time::Duration;

use hallpass_clock::Clock as _;
use hallpass_issuer::{CaSettings, IssuerSettings, RevocationTarget};

use crate::harness::Harness;
use crate::revocation::{operator, start, wait_for_entries};

const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 60 * 60);

fn client(name: &str) -> RevocationTarget {
    RevocationTarget::Client {
        id: name.parse().unwrap(),
        only_issued: false,
    }
}

async fn is_kept_out(harness: &Harness) -> bool {
    harness.ask("grant_type=client_credentials").await.status != 200
}

/// Long enough for the issuer to look at its store and its clock.
async fn some_looks() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

#[tokio::test]
async fn a_clock_that_is_ahead_for_a_moment_takes_no_revocation_away() {
    let harness = start().await;
    assert!(!is_kept_out(&harness).await);
    operator(&harness, client("c")).await.unwrap();
    wait_for_entries(&harness, 1).await;
    let right = harness.clock.now();
    harness.clock.set(right + TWO_DAYS);
    operator(&harness, client("other")).await.unwrap();
    wait_for_entries(&harness, 2).await;
    some_looks().await;
    harness.clock.set(right);
    assert!(is_kept_out(&harness).await, "in memory");

    harness.clock.set(right + TWO_DAYS);
    let harness = harness.restart().await;
    some_looks().await;
    harness.clock.set(right);
    assert!(
        is_kept_out(&harness).await,
        "after a start with a wrong clock"
    );
    let harness = harness.restart().await;
    assert!(is_kept_out(&harness).await, "in the store");
}

#[tokio::test]
async fn what_has_ended_goes_when_the_clock_has_gone_evenly_for_a_while() {
    let harness = start().await;
    operator(&harness, client("c")).await.unwrap();
    wait_for_entries(&harness, 1).await;
    let began = tokio::time::Instant::now();
    while harness.metric("hallpass_revocations") != 0 {
        harness.clock.advance(Duration::from_secs(600));
        assert!(began.elapsed() < Duration::from_secs(60), "its entry goes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!is_kept_out(&harness).await);
}

#[tokio::test]
async fn a_clock_that_is_a_year_ahead_for_a_moment_takes_no_certificate_authority_away() {
    let registered = |settings: &mut IssuerSettings| {
        settings.ca = Some(CaSettings::new("shop.example"));
    };
    let harness = Harness::with(registered).await;
    let bundle = async |harness: &Harness| harness.get("/ca/v1/bundle", &[]).await.body;
    let first = bundle(&harness).await;
    assert_eq!(first.matches("BEGIN").count(), 1);
    let right = harness.clock.now();
    let year = 365 * (TWO_DAYS / 2);
    harness.clock.set(right + year);
    // Somebody changes something meanwhile, so that all of the store is read again.
    operator(&harness, client("other")).await.unwrap();
    wait_for_entries(&harness, 1).await;
    some_looks().await;
    assert_eq!(bundle(&harness).await, first, "while it is ahead");
    let harness = harness.restart().await;
    some_looks().await;
    assert_eq!(bundle(&harness).await, first, "after a start with it");
    harness.clock.set(right);
    let harness = harness.restart().await;
    some_looks().await;
    assert_eq!(bundle(&harness).await, first);
}
