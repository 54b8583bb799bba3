//! What an operator does with the authorities, beside an issuer that runs and without one.

use hallpass_issuer::{
    AuthorityState, Error, authority_bundle, authority_report, distrust_authority, rotate_authority,
};

use super::{bundle, clock, start};
use crate::harness::Harness;

#[tokio::test]
async fn asking_twice_for_another_authority_makes_one() {
    let harness = start().await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let first = rotate_authority(settings, &clock, false).await.unwrap();
    assert_eq!(first.state, AuthorityState::Announced);
    assert_eq!(first.until - first.since, 600);
    let second = rotate_authority(settings, &clock, false).await.unwrap();
    assert_eq!(first, second);
    let at_once = rotate_authority(settings, &clock, true).await.unwrap();
    assert_eq!(
        (at_once.id, at_once.state),
        (first.id, AuthorityState::Signing)
    );
    let states = authority_report(settings, &clock).await.unwrap();
    let mut states: Vec<_> = states.iter().map(|it| it.state.as_str()).collect();
    // Both were made in one second, so either may come first.
    states.sort_unstable();
    assert_eq!(states, ["retired", "signing"]);
}

#[tokio::test]
async fn one_that_is_trusted_no_more_is_gone_and_another_one_signs_at_once() {
    let harness = start().await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let first = authority_report(settings, &clock).await.unwrap().remove(0);
    let before = bundle(&harness).await;
    let next = distrust_authority(settings, &clock, &first.id)
        .await
        .unwrap();
    assert_eq!(next.state, AuthorityState::Signing);
    assert_ne!(next.id, first.id);
    let now = authority_bundle(settings).await.unwrap();
    assert_eq!(now.matches("BEGIN").count(), 1);
    assert_ne!(now, before);
    let unknown = distrust_authority(settings, &clock, &first.id).await;
    let problem = unknown.unwrap_err().to_string();
    assert!(problem.contains(&next.id), "{problem}");
}

#[tokio::test]
async fn without_an_authority_there_is_nothing_to_do() {
    let harness = Harness::start().await;
    let (settings, clock) = (&harness.settings, clock(&harness));
    let rotated = rotate_authority(settings, &clock, false).await.map(drop);
    for done in [
        authority_report(settings, &clock).await.map(drop),
        authority_bundle(settings).await.map(drop),
        rotated,
    ] {
        assert!(matches!(done, Err(Error::NoAuthority)), "{done:?}");
    }
}
