//! Verified tokens in memory: what is remembered, and what forgets them.

use std::time::Duration;

use hallpass_resource::{KeySource, ResourceServer, TrustedIssuer};
use hallpass_token::{JwkSet, VerifyPolicy};
use serde_json::json;

use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, get, test_clock};

fn hits(app: &App) -> f64 {
    app.metric("hallpass_verified_token_cache_hits_total")
}

fn entries(app: &App) -> f64 {
    app.metric("hallpass_verified_token_cache_entries")
}

#[tokio::test]
async fn a_token_is_verified_once_and_then_remembered() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let token = forge.user("orders");
    for _ in 0..10 {
        assert_eq!(
            get(app.address, "/orders/7", Some(&token)).await.status,
            200
        );
    }
    assert_eq!(
        app.metric("hallpass_verified_token_cache_requests_total"),
        10.0
    );
    assert_eq!((hits(&app), entries(&app)), (9.0, 1.0));
    let hit = "hallpass_verify_duration_seconds_count{cache=\"hit\",alg=\"ES256\"}";
    assert_eq!(app.metric(hit), 9.0);
    // The route's rule is applied to remembered tokens as to others.
    assert_eq!(
        get(app.address, "/internal/x", Some(&token)).await.status,
        403
    );
}

#[tokio::test]
async fn a_remembered_token_expires_like_any_other() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let token = forge.user("");
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    // Its life of 600 s and the leeway of 10 s.
    clock.advance_seconds(609);
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    clock.advance_seconds(1);
    let response = get(app.address, "/whoami", Some(&token)).await;
    assert_eq!(response.refusal(), (401, "invalid_token".to_owned()));
    assert_eq!(entries(&app), 0.0, "it takes no room any more");
}

#[tokio::test]
async fn only_verified_tokens_are_remembered() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let bound = forge.changed(|_, claims| claims["cnf"] = json!({ "jkt": "x" }));
    let expired = forge.changed(|_, claims| claims["exp"] = json!(1));
    let mut forged = forge.user("");
    forged.pop();
    for token in [bound.as_str(), &expired, &forged, "a.b.c"] {
        for _ in 0..2 {
            assert_eq!(get(app.address, "/whoami", Some(token)).await.status, 401);
        }
    }
    assert_eq!((hits(&app), entries(&app)), (0.0, 0.0));
}

#[tokio::test]
async fn a_key_that_leaves_takes_its_tokens_along_and_a_key_that_comes_does_not() {
    let clock = test_clock();
    let (first, second) = (
        Forge::new("internal", &clock),
        Forge::new("internal", &clock),
    );
    let issuer = FakeIssuer::start(Behaviour::keys(first.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &first)
        .start()
        .await;
    let old = first.user("");
    assert_eq!(get(app.address, "/whoami", Some(&old)).await.status, 200);

    let both = JwkSet::new([first.key.public_jwk(), second.key.public_jwk()]);
    issuer.set(Behaviour::keys(both));
    assert_eq!(
        get(app.address, "/whoami", Some(&second.user("")))
            .await
            .status,
        200
    );
    let before = hits(&app);
    assert_eq!(get(app.address, "/whoami", Some(&old)).await.status, 200);
    assert_eq!((hits(&app), entries(&app)), (before + 1.0, 2.0));

    issuer.set(Behaviour::keys(second.keys()));
    clock.advance_seconds(301);
    // A bad token brings the news; the entries are gone before anybody asks for them.
    assert_eq!(
        get(app.address, "/whoami", Some(&first.user("new")))
            .await
            .status,
        401
    );
    assert_eq!(entries(&app), 0.0);
    assert_eq!(get(app.address, "/whoami", Some(&old)).await.status, 401);
}

#[tokio::test]
async fn another_key_under_the_same_kid_is_another_key() {
    let clock = test_clock();
    let first = Forge::new("internal", &clock).with_key_id("the-key");
    let second = Forge::new("internal", &clock).with_key_id("the-key");
    let issuer = FakeIssuer::start(Behaviour::keys(first.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &first)
        .start()
        .await;
    let old = first.user("");
    assert_eq!(get(app.address, "/whoami", Some(&old)).await.status, 200);
    // The scripted ETag is made of kids, so it would hide the change: as an issuer that states none.
    let body = second.keys().to_json().to_string().into_bytes();
    issuer.set(Behaviour::Raw {
        status: 200,
        content_type: "application/json",
        body,
    });
    clock.advance_seconds(301);
    assert_eq!(get(app.address, "/whoami", Some(&old)).await.status, 401);
    assert_eq!(
        get(app.address, "/whoami", Some(&second.user("")))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn two_servers_with_different_policies_do_not_share_verdicts() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let server = |audience: &str| {
        let keys = KeySource::fixed(forge.keys(), clock.clone());
        let policy = VerifyPolicy::new("internal".parse().unwrap(), audience.parse().unwrap());
        let builder = ResourceServer::builder("shop", clock.clone());
        builder
            .issuer(TrustedIssuer::with_policy(policy, keys))
            .build()
            .unwrap()
    };
    let (shop, other) = (server("shop"), server("other"));
    let token = forge.user("");
    for _ in 0..2 {
        assert!(shop.verify(&token).await.is_ok());
        assert!(other.verify(&token).await.is_err());
    }
}

#[tokio::test]
async fn the_cache_keeps_to_its_bytes() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let budget = 200 * 1024;
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.cache_bytes(budget));
    let app = app.start().await;
    for number in 0..400 {
        let token = forge.user(&format!("s{number}"));
        assert!(app.server.verify(&token).await.is_ok());
    }
    assert!(app.metric("hallpass_verified_token_cache_bytes") <= 204_800.0);
    assert!(entries(&app) > 10.0);
    assert!(app.metric("hallpass_verified_token_cache_evictions_total") > 200.0);
}

#[tokio::test]
async fn without_a_cache_everything_is_verified_anew() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.cache_bytes(0));
    let app = app.start().await;
    let token = forge.user("");
    for _ in 0..3 {
        assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    }
    assert_eq!((hits(&app), entries(&app)), (0.0, 0.0));
    clock.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn keys_that_leave_one_issuer_make_tokens_of_no_other_forgotten() {
    let clock = test_clock();
    let forges = [Forge::new("first", &clock), Forge::new("second", &clock)];
    let issuers = [
        FakeIssuer::start(Behaviour::keys(forges[0].keys())).await,
        FakeIssuer::start(Behaviour::keys(forges[1].keys())).await,
    ];
    let app = AppBuilder::new(&clock)
        .trusting(&issuers[0], &forges[0])
        .trusting(&issuers[1], &forges[1])
        .start()
        .await;
    let tokens = [forges[0].user(""), forges[1].user("")];
    for token in &tokens {
        assert_eq!(get(app.address, "/whoami", Some(token)).await.status, 200);
    }
    let next = Forge::new("first", &clock);
    issuers[0].set(Behaviour::keys(next.keys()));
    let rotated = get(app.address, "/whoami", Some(&next.user(""))).await;
    assert_eq!(rotated.status, 200);
    assert_eq!(
        get(app.address, "/whoami", Some(&tokens[0])).await.status,
        401
    );
    assert_eq!(hits(&app), 0.0);
    assert_eq!(
        get(app.address, "/whoami", Some(&tokens[1])).await.status,
        200
    );
    assert_eq!(hits(&app), 1.0);
}
