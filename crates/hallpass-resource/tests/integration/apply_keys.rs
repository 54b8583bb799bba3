//! Which keys an issuer has after settings have changed: those of before, or those of another place.

use std::time::Duration;

use hallpass_resource::{JwksLocation, TrustedIssuerSettings};
use serde_json::json;

use crate::apply::Setting;
use crate::keys::BURST;
use crate::settings::trusted;
use crate::support::{Behaviour, FakeIssuer, Forge};

impl Setting {
    /// The status for a token that names a key which does not exist.
    async fn status_of_bogus(&self, kid: &str) -> u16 {
        let token = self.forge.changed(|header, _| header["kid"] = json!(kid));
        self.status("/whoami", &token).await
    }
}

#[tokio::test]
async fn an_issuer_whose_keys_move_is_judged_by_those_of_the_new_place_alone() {
    let setting = Setting::start().await;
    let old = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &old).await, 200);
    let next = Forge::new("internal", &setting.clock);
    let place = FakeIssuer::start(Behaviour::keys(next.keys())).await;
    setting.apply(|settings| {
        settings.internal_jwt.issuers[0].jwks = JwksLocation::Url(place.url());
    });
    // Not even until the next fetch.
    assert_eq!(setting.status("/whoami", &old).await, 401);
    assert_eq!(setting.status("/whoami", &next.user("")).await, 200);
    assert_eq!(setting.issuer.requests(), 1);
}

#[tokio::test]
async fn an_issuer_of_ours_is_told_who_asks_for_its_keys_and_no_other_one_is() {
    for (internal, told) in [(true, 1), (false, 0)] {
        let setting = Setting::start().await;
        let place = FakeIssuer::start(Behaviour::keys(setting.forge.keys())).await;
        setting.apply(|settings| {
            settings.internal_jwt.issuers[0].internal = internal;
            settings.internal_jwt.issuers[0].jwks = JwksLocation::Url(place.url());
        });
        setting.status("/whoami", &setting.forge.user("")).await;
        assert_eq!(place.requests(), 1);
        let names = place.verifiers();
        assert_eq!(names.len(), told, "{names:?}");
        for name in names {
            let (audience, process) = name.split_once('@').unwrap();
            assert_eq!(audience, "shop");
            let (_host, number) = process.rsplit_once(':').unwrap();
            assert_eq!(number, std::process::id().to_string());
        }
    }
}

#[tokio::test]
async fn another_issuer_at_the_same_place_fetches_keys_of_its_own() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &user).await, 200);
    setting.issuer.stop().await;
    setting.apply(|settings| {
        settings.internal_jwt.issuers[0].issuer = "https://id.example".parse().unwrap();
    });
    let of_other = setting
        .forge
        .changed(|_, claims| claims["iss"] = json!("https://id.example"));
    assert_eq!(setting.status("/whoami", &of_other).await, 503);
}

#[tokio::test]
async fn of_two_entries_of_one_issuer_each_keeps_its_own_keys() {
    let setting = Setting::start().await;
    let url = setting.issuer.url();
    let both = |leeway: Duration| {
        let second = TrustedIssuerSettings {
            name: "second".to_owned(),
            audiences: vec!["second".parse().unwrap()],
            ..trusted("internal", JwksLocation::Url(url.clone()))
        };
        setting.apply(move |settings| {
            settings.internal_jwt.leeway = leeway;
            settings.internal_jwt.issuers.push(second);
        });
    };
    both(Duration::from_secs(1));
    // Only the first entry has fetched its keys.
    assert_eq!(
        setting.status("/whoami", &setting.forge.user("")).await,
        200
    );
    assert_eq!(setting.issuer.requests(), 1);
    setting.issuer.stop().await;
    both(Duration::from_secs(2));
    assert_eq!(
        setting.status("/whoami", &setting.forge.user("")).await,
        200
    );
}

#[tokio::test]
async fn changes_of_settings_give_strangers_no_further_fetches() {
    let setting = Setting::start().await;
    assert_eq!(
        setting.status("/whoami", &setting.forge.user("")).await,
        200
    );
    for number in 0..4 * BURST {
        let leeway = Duration::from_millis(u64::try_from(number).unwrap());
        setting.apply(|settings| settings.internal_jwt.leeway = leeway);
        let kid = format!("bogus-{number}");
        assert_eq!(setting.status_of_bogus(&kid).await, 401);
    }
    assert_eq!(setting.issuer.requests(), 1 + BURST);
}

#[tokio::test]
async fn another_cooldown_holds_from_the_change_on() {
    let setting = Setting::start().await;
    assert_eq!(
        setting.status("/whoami", &setting.forge.user("")).await,
        200
    );
    setting.apply(|settings| settings.internal_jwt.jwks_cooldown = Duration::from_secs(40));
    // Keys that are replaced under their names are looked for by it.
    let forger = Forge::new("internal", &setting.clock);
    let forger = forger.with_key_id(setting.forge.key.key_id().as_str());
    let stranger = async || {
        for _ in 0..10 {
            assert_eq!(setting.status("/whoami", &forger.user("")).await, 401);
        }
        setting.issuer.requests()
    };
    assert_eq!(stranger().await, 5);
    setting.clock.advance_seconds(39);
    assert_eq!(stranger().await, 5);
    setting.clock.advance_seconds(1);
    assert_eq!(stranger().await, 6);
}

#[tokio::test]
async fn keys_of_an_issuer_that_was_renamed_are_counted_by_its_new_name() {
    let setting = Setting::start().await;
    assert_eq!(
        setting.status("/whoami", &setting.forge.user("")).await,
        200
    );
    setting.apply(|settings| settings.internal_jwt.issuers[0].name = "renamed".to_owned());
    assert_eq!(setting.status_of_bogus("bogus").await, 401);
    let fetches = "hallpass_jwks_fetch_total{issuer=\"renamed\",result=\"success\"}";
    assert_eq!(setting.app.metric(fetches), 1.0);
}
