//! Fetching keys: when, how often, and what becomes of tokens when the keys change.

use hallpass_clock::ManualClock;
use hallpass_resource::{KeyLimits, KeySource};
use hallpass_token::{Algorithm, JwkSet, SigningKey};
use serde_json::json;

use crate::support::app::trusted;
use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, Log, get, test_clock};
use std::sync::Arc;
use std::time::Duration;

/// Fetches that unknown `kid`s may cause one after the other at once.
pub(crate) const BURST: usize = 2;

pub(crate) struct Setting {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) forge: Forge,
    pub(crate) issuer: FakeIssuer,
    pub(crate) app: App,
}

pub(crate) async fn start() -> Setting {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    Setting {
        clock,
        forge,
        issuer,
        app,
    }
}

impl Setting {
    pub(crate) async fn status(&self, token: &str) -> u16 {
        get(self.app.address, "/whoami", Some(token)).await.status
    }

    /// A token of the issuer that names a key which does not exist.
    pub(crate) fn bogus(&self, kid: &str) -> String {
        self.forge.changed(|header, _| header["kid"] = json!(kid))
    }
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_callers_at_a_cold_start() {
    let setting = start().await;
    setting.issuer.set(Behaviour::Hang);
    let token = setting.forge.user("");
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let (address, token) = (setting.app.address, token.clone());
            tokio::spawn(async move { get(address, "/whoami", Some(&token)).await.status })
        })
        .collect();
    setting.issuer.wait_for_requests(1).await;
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(setting.issuer.requests(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_nobody_elses_fetch() {
    let setting = start().await;
    setting.issuer.set(Behaviour::Hang);
    let verifier = setting.app.server.clone();
    let token = setting.forge.user("");
    let first = tokio::spawn(async move { verifier.verify(&token).await.map(drop) });
    setting.issuer.wait_for_requests(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    assert_eq!(setting.status(&setting.forge.user("")).await, 200);
    assert_eq!(setting.issuer.requests(), 1);
}

#[tokio::test]
async fn a_thousand_bogus_kids_cost_a_few_fetches() {
    let setting = start().await;
    assert_eq!(setting.status(&setting.forge.user("")).await, 200);
    assert_eq!(setting.issuer.requests(), 1);
    for number in 0..1000 {
        assert_eq!(
            setting
                .status(&setting.bogus(&format!("bogus-{number}")))
                .await,
            401
        );
    }
    assert_eq!(setting.issuer.requests(), 1 + BURST);
    let unknown = setting
        .app
        .metric("hallpass_jwks_unknown_kid_total{issuer=\"internal\"}");
    let suppressed = setting
        .app
        .metric("hallpass_jwks_refresh_suppressed_total{issuer=\"internal\"}");
    assert_eq!((unknown, suppressed), (1000.0, 998.0));
    // Good tokens did not notice.
    assert_eq!(setting.status(&setting.forge.user("x")).await, 200);
    assert_eq!(setting.issuer.requests(), 1 + BURST);
}

#[tokio::test]
async fn a_thousand_bogus_kids_at_once_cost_a_few_fetches() {
    let setting = start().await;
    setting.app.server.load_keys().await.unwrap();
    setting.issuer.set(Behaviour::Hang);
    let verifications: Vec<_> = (0..1000)
        .map(|number| {
            let (server, token) = (
                setting.app.server.clone(),
                setting.bogus(&format!("bogus-{number}")),
            );
            tokio::spawn(async move { server.verify(&token).await.is_err() })
        })
        .collect();
    setting.issuer.wait_for_requests(2).await;
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    for verification in verifications {
        assert!(verification.await.unwrap());
    }
    let requests = setting.issuer.requests();
    assert!((2..=1 + BURST).contains(&requests), "{requests}");
}

#[tokio::test]
async fn bogus_kids_at_a_cold_start_cost_a_few_fetches_as_well() {
    let setting = start().await;
    for number in 0..100 {
        assert_eq!(
            setting
                .status(&setting.bogus(&format!("bogus-{number}")))
                .await,
            401
        );
    }
    assert_eq!(setting.issuer.requests(), 1 + BURST);
}

#[tokio::test]
async fn one_bogus_kid_again_and_again_is_remembered_beyond_the_cooldown() {
    let setting = start().await;
    let bogus = setting.bogus("bogus");
    for (seconds, fetches) in [(0, 1), (1, 2), (9, 2), (1, 3), (19, 3), (1, 4)] {
        setting.clock.advance_seconds(seconds);
        assert_eq!(setting.status(&bogus).await, 401);
        assert_eq!(setting.issuer.requests(), fetches);
    }
}

#[tokio::test]
async fn a_key_that_is_used_before_it_is_published_is_found_after_a_second() {
    let setting = start().await;
    let next = Forge::new("internal", &setting.clock);
    let early = next.user("");
    assert_eq!(setting.status(&early).await, 401);
    setting.issuer.set(Behaviour::keys(next.keys()));
    assert_eq!(setting.status(&early).await, 401);
    setting.clock.advance_seconds(1);
    assert_eq!(setting.status(&early).await, 200);
}

#[tokio::test]
async fn a_rotated_key_is_found_at_its_first_token_and_no_call_fails() {
    let setting = start().await;
    let old = setting.forge.user("");
    assert_eq!(setting.status(&old).await, 200);
    let next = Forge::new("internal", &setting.clock);
    setting.issuer.set(Behaviour::keys(JwkSet::new([
        setting.forge.key.public_jwk(),
        next.key.public_jwk(),
    ])));
    for number in 0..20 {
        let scope = format!("s{number}");
        assert_eq!(setting.status(&next.user(&scope)).await, 200);
        assert_eq!(setting.status(&setting.forge.user(&scope)).await, 200);
        assert_eq!(setting.status(&old).await, 200);
    }
    assert_eq!(setting.issuer.requests(), 2);
}

#[tokio::test]
async fn the_keys_of_an_issuer_are_logged_once_per_change() {
    let log = Log::capture();
    let setting = start().await;
    let lines = || log.text().matches("there are new public keys").count();
    setting.app.server.load_keys().await.unwrap();
    assert_eq!(lines(), 1);
    setting.clock.advance_seconds(400);
    setting.app.server.load_keys().await.unwrap();
    assert_eq!((setting.issuer.requests(), lines()), (2, 1), "as before");
    let next = Forge::new("internal", &setting.clock);
    setting.issuer.set(Behaviour::keys(next.keys()));
    setting.clock.advance_seconds(400);
    setting.app.server.load_keys().await.unwrap();
    assert_eq!((setting.issuer.requests(), lines()), (3, 2));
}

#[tokio::test]
async fn keys_are_renewed_in_the_background_before_their_age_ends() {
    let setting = start().await;
    let token = setting.forge.user("");
    assert_eq!(setting.status(&token).await, 200);
    setting.clock.advance_seconds(220);
    assert_eq!(setting.status(&token).await, 200);
    assert_eq!(
        setting.issuer.requests(),
        1,
        "not before three quarters of the age"
    );
    setting.issuer.set(Behaviour::Hang);
    setting.clock.advance_seconds(55);
    // The issuer does not response, and the caller does not wait for it.
    assert_eq!(setting.status(&token).await, 200);
    setting.issuer.wait_for_requests(2).await;
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    // It asks conditionally.
    setting.issuer.wait_for_not_modified().await;
    assert_eq!(setting.status(&token).await, 200);
    assert_eq!(setting.issuer.requests(), 2);
}

#[tokio::test]
async fn the_age_that_the_issuer_says_is_kept_within_bounds() {
    for (cache_control, fresh, stale) in [
        ("max-age=60", 40, 61),
        ("max-age=0", 7, 11),
        ("no-store", 7, 11),
        ("max-age=999999", 2600, 3601),
    ] {
        let setting = start().await;
        setting.issuer.set(Behaviour::Keys {
            keys: setting.forge.keys(),
            cache_control,
        });
        setting.app.server.load_keys().await.unwrap();
        setting.clock.advance_seconds(fresh);
        setting.app.server.load_keys().await.unwrap();
        assert_eq!(setting.issuer.requests(), 1, "{cache_control}");
        setting.clock.advance_seconds(stale - fresh);
        setting.app.server.load_keys().await.unwrap();
        assert_eq!(setting.issuer.requests(), 2, "{cache_control}");
    }
}

#[tokio::test]
async fn a_broken_key_in_the_set_spoils_only_itself() {
    let setting = start().await;
    let mut set = setting.forge.keys().to_json();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.insert(
        0,
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "!", "kid": "broken" }),
    );
    keys.insert(
        0,
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "symmetric" }),
    );
    keys.insert(0, json!("not even an object"));
    keys.push(json!({ "kty": "quantum" }));
    let body = set.to_string().into_bytes();
    setting.issuer.set(Behaviour::Raw {
        status: 200,
        content_type: "application/json",
        body,
    });
    assert_eq!(setting.status(&setting.forge.user("")).await, 200);
    assert_eq!(setting.status(&setting.bogus("broken")).await, 401);
    assert_eq!(
        setting
            .app
            .metric("hallpass_jwks_keys{issuer=\"internal\"}"),
        1.0
    );
}

#[tokio::test]
async fn a_key_of_one_issuer_never_verifies_a_token_of_another() {
    let clock = test_clock();
    let (ours, theirs) = (
        Forge::new("internal", &clock),
        Forge::new("https://login.example", &clock),
    );
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&ours)
        .trusting_fixed(&theirs)
        .start()
        .await;
    let status = async |token: String| get(app.address, "/whoami", Some(&token)).await.status;
    assert_eq!(status(ours.user("")).await, 200);
    assert_eq!(status(theirs.user("")).await, 200);
    for (signer, named) in [(&ours, &theirs), (&theirs, &ours)] {
        let forged = signer.changed(|_, claims| claims["iss"] = json!(named.issuer));
        assert_eq!(status(forged).await, 401);
        let forged = signer.changed(|header, claims| {
            claims["iss"] = json!(named.issuer);
            header["kid"] = json!(named.key.key_id().as_str());
        });
        assert_eq!(status(forged).await, 401);
    }
    assert_eq!(
        status(ours.changed(|_, claims| claims["iss"] = json!("https://else.example"))).await,
        401
    );
}

#[tokio::test]
async fn all_three_algorithms_verify_side_by_side() {
    let clock = test_clock();
    let forges = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].map(|algorithm| {
        let key = SigningKey::generate(algorithm).unwrap();
        Forge {
            key,
            ..Forge::new("internal", &clock)
        }
    });
    let keys = JwkSet::new(forges.iter().map(|forge| forge.key.public_jwk()));
    let source = KeySource::fixed(keys, clock.clone());
    let builder = AppBuilder::new(&clock);
    let app = builder
        .with(|server| server.issuer(trusted("internal", source)))
        .start()
        .await;
    for forge in &forges {
        assert_eq!(
            get(app.address, "/whoami", Some(&forge.user("")))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn no_setting_of_the_builder_or_of_the_keys_is_too_large() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let default = KeyLimits::default();
    let most = Duration::MAX;
    let limits = [
        KeyLimits {
            cooldown: most,
            ..default
        },
        KeyLimits {
            fetch_timeout: most,
            ..default
        },
        KeyLimits {
            default_age: most,
            ..default
        },
        KeyLimits {
            min_age: most,
            ..default
        },
        KeyLimits {
            max_age: most,
            ..default
        },
        KeyLimits {
            last_good_for: most,
            ..default
        },
        KeyLimits {
            cooldown: most,
            fetch_timeout: most,
            default_age: most,
            min_age: most,
            max_age: most,
            last_good_for: most,
        },
    ];
    for limits in limits {
        let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
        let app = AppBuilder::new(&clock)
            .trusting_within(&issuer, &forge, limits)
            .with(|server| server.cache_bytes(u64::MAX).max_token_bytes(usize::MAX))
            .start()
            .await;
        let token = forge.user("");
        let unknown = Forge::new("internal", &clock)
            .with_key_id("unknown")
            .user("");
        for (token, status) in [(&token, 200), (&unknown, 401), (&token, 200)] {
            let response = get(app.address, "/whoami", Some(token)).await;
            assert_eq!(response.status, status, "{limits:?}");
        }
        clock.advance(Duration::from_secs(60));
    }
}
