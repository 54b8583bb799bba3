//! How many fetches tokens of strangers cause, and that a rotation is found all the same.

use std::time::Duration;

use hallpass_resource::KeyLimits;
use hallpass_token::{Algorithm, JwkSet, SigningKey};
use serde_json::json;

use crate::keys::{BURST, start};
use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, test_clock};

/// Fetches that forged signatures may cause one after the other at once.
const SIGNATURES: usize = 4;

#[tokio::test]
async fn a_stranger_with_a_bogus_kid_now_and_then_does_not_delay_a_rotated_key() {
    let setting = start().await;
    for number in 0..20 {
        let bogus = setting.bogus(&format!("bogus-{number}"));
        assert_eq!(setting.status(&bogus).await, 401);
        setting.clock.advance_seconds(10);
    }
    assert_eq!(setting.status(&setting.bogus("last")).await, 401);
    let next = Forge::new("internal", &setting.clock);
    setting.issuer.set(Behaviour::keys(next.keys()));
    assert_eq!(setting.status(&next.user("")).await, 200);
}

#[tokio::test]
async fn a_thousand_bogus_kids_cost_three_fetches_and_delay_a_rotated_key_by_a_second_at_most() {
    let setting = start().await;
    for number in 0..1000 {
        let bogus = setting.bogus(&format!("bogus-{number}"));
        assert_eq!(setting.status(&bogus).await, 401);
    }
    // That of the start among them.
    assert_eq!(setting.issuer.requests(), 3);
    let next = Forge::new("internal", &setting.clock);
    setting.issuer.set(Behaviour::keys(next.keys()));
    assert_eq!(setting.status(&next.user("")).await, 401);
    setting.clock.advance_seconds(1);
    // Strangers do not stop.
    assert_eq!(setting.status(&next.user("")).await, 200);
}

#[tokio::test]
async fn a_flood_of_bogus_kids_costs_one_fetch_a_second_while_it_lasts() {
    let setting = start().await;
    for second in 0..60 {
        for number in 0..20 {
            let bogus = setting.bogus(&format!("bogus-{second}-{number}"));
            assert_eq!(setting.status(&bogus).await, 401);
        }
        setting.clock.advance_seconds(1);
    }
    let fetches = setting.issuer.requests();
    assert!((60..=63).contains(&fetches), "{fetches}");
}

#[tokio::test]
async fn known_keys_serve_for_an_hour_without_their_issuer_and_their_age_is_seen() {
    let setting = start().await;
    let token = |setting: &crate::keys::Setting| setting.forge.user("");
    assert_eq!(setting.status(&token(&setting)).await, 200);
    let last = setting
        .app
        .metric("hallpass_jwks_last_success_timestamp_seconds{issuer=\"internal\"}");
    setting.issuer.set(Behaviour::status(503));
    for _ in 0..360 {
        setting.clock.advance_seconds(10);
        assert_eq!(setting.status(&token(&setting)).await, 200);
    }
    let then = setting
        .app
        .metric("hallpass_jwks_last_success_timestamp_seconds{issuer=\"internal\"}");
    assert_eq!(last, then, "its age is an hour by now");
    // With waits between them, and not one a call.
    let asked = setting.issuer.requests();
    assert!((250..=361).contains(&asked), "{asked}");
    // A key that nobody knows while nobody can be asked is no bad token.
    let unknown = setting.bogus("new");
    assert_eq!(setting.status(&unknown).await, 503);
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    setting.clock.advance_seconds(10);
    assert_eq!(setting.status(&token(&setting)).await, 200);
}

#[tokio::test]
async fn a_key_that_was_replaced_under_its_name_is_found_at_its_first_token() {
    let setting = start().await;
    let first = Forge::new("internal", &setting.clock).with_key_id("the-key");
    setting.issuer.set(Behaviour::keys(first.keys()));
    let old = first.user("");
    assert_eq!(setting.status(&old).await, 200);
    let next = Forge::new("internal", &setting.clock).with_key_id("the-key");
    setting.issuer.set(Behaviour::keys(next.keys()));
    assert_eq!(setting.status(&next.user("")).await, 200);
    // The old key has left, and what it had signed with it.
    assert_eq!(setting.status(&old).await, 401);
    assert!(setting.issuer.requests() <= 3);
}

#[tokio::test]
async fn a_key_without_a_name_may_be_replaced() {
    let setting = start().await;
    let nameless = |forge: &Forge| {
        let mut set = forge.keys().to_json();
        set["keys"][0].as_object_mut().unwrap().remove("kid");
        JwkSet::parse(set.to_string().as_bytes()).unwrap()
    };
    let token = |forge: &Forge| {
        forge.changed(|header, _| drop(header.as_object_mut().unwrap().remove("kid")))
    };
    setting
        .issuer
        .set(Behaviour::keys(nameless(&setting.forge)));
    assert_eq!(setting.status(&token(&setting.forge)).await, 200);
    let next = Forge::new("internal", &setting.clock);
    setting.issuer.set(Behaviour::keys(nameless(&next)));
    assert_eq!(setting.status(&token(&next)).await, 200);
}

#[tokio::test]
async fn a_token_without_a_kid_finds_the_first_key_of_its_algorithm() {
    let setting = start().await;
    let ed25519 = SigningKey::generate(Algorithm::EdDsa).unwrap().public_jwk();
    setting.issuer.set(Behaviour::keys(JwkSet::new([ed25519])));
    let token = setting
        .forge
        .changed(|header, _| drop(header.as_object_mut().unwrap().remove("kid")));
    assert_eq!(setting.status(&token).await, 401);
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    assert_eq!(setting.status(&token).await, 200);
}

#[tokio::test]
async fn forged_signatures_cost_a_few_fetches_and_take_none_from_a_rotation() {
    let setting = start().await;
    assert_eq!(setting.status(&setting.forge.user("")).await, 200);
    let kid = setting.forge.key.key_id().to_string();
    let forger = Forge::new("internal", &setting.clock).with_key_id(&kid);
    for number in 0..100 {
        let forged = forger.user(&format!("s{number}"));
        assert_eq!(setting.status(&forged).await, 401);
    }
    assert_eq!(setting.issuer.requests(), 1 + SIGNATURES);
    let next = Forge::new("internal", &setting.clock);
    setting.issuer.set(Behaviour::keys(next.keys()));
    assert_eq!(setting.status(&next.user("")).await, 200);
}

#[tokio::test]
async fn no_cooldown_at_all_is_one_of_a_second() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let limits = KeyLimits {
        cooldown: Duration::ZERO,
        ..KeyLimits::default()
    };
    let app = AppBuilder::new(&clock)
        .trusting_within(&issuer, &forge, limits)
        .start()
        .await;
    for number in 0..100 {
        let token = forge.changed(|header, _| header["kid"] = json!(format!("bogus-{number}")));
        assert!(app.server.verify(&token).await.is_err());
    }
    assert_eq!(issuer.requests(), 1 + BURST);
}
