//! Settings that change while calls are judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_clock::ManualClock;
use hallpass_resource::{
    JwksLocation, KeySource, Mode, ResourceServers, Rule, SecuritySettings, SetupProblem,
    TrustedIssuer, TrustedIssuerSettings,
};
use http::Method;

use crate::settings::{builder, route, security, trusted};
use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, Log, get, test_clock};

/// A service whose issuer and rules come from settings, and the settings that it began with.
pub(crate) struct Setting {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) forge: Forge,
    pub(crate) issuer: FakeIssuer,
    pub(crate) app: App,
    settings: SecuritySettings,
}

impl Setting {
    pub(crate) async fn start() -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
        let settings = security(
            trusted("internal", JwksLocation::Url(issuer.url())),
            vec![route("/whoami", Rule::Authenticated)],
        );
        let server = builder(&settings, &clock).route(
            Method::GET,
            "/orders/{id}",
            Rule::all_scopes("orders".parse().unwrap()),
        );
        let app = AppBuilder::new(&clock).with(|_| server).start().await;
        Self {
            clock,
            forge,
            issuer,
            app,
            settings,
        }
    }

    pub(crate) async fn status(&self, path: &str, token: &str) -> u16 {
        get(self.app.address, path, Some(token)).await.status
    }

    /// The settings that it began with, changed.
    fn changed(&self, change: impl FnOnce(&mut SecuritySettings)) -> SecuritySettings {
        let mut settings = self.settings.clone();
        change(&mut settings);
        settings
    }

    pub(crate) fn apply(&self, change: impl FnOnce(&mut SecuritySettings)) {
        self.app.server.apply(&self.changed(change)).unwrap();
    }

    fn hits(&self) -> f64 {
        self.app.metric("hallpass_verified_token_cache_hits_total")
    }
}

#[tokio::test]
async fn other_rules_and_modes_hold_for_the_next_call_and_those_in_code_stay() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &user).await, 200);
    assert_eq!(setting.status("/maybe", &user).await, 403);

    setting.apply(|settings| {
        settings.internal_jwt.routes = vec![route("/maybe", Rule::Authenticated)];
    });
    assert_eq!(setting.status("/whoami", &user).await, 403);
    assert_eq!(setting.status("/maybe", &user).await, 200);
    // What code has closed stays closed.
    assert_eq!(setting.status("/orders/7", &user).await, 403);

    setting.apply(|settings| settings.internal_jwt.mode = Mode::Report);
    assert_eq!(setting.status("/unlisted", &user).await, 200);
    setting.apply(|_| {});
    assert_eq!(setting.status("/unlisted", &user).await, 403);
}

#[tokio::test]
async fn internal_only_paths_identity_headers_and_the_resource_change_too() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/internal/x", &user).await, 403);
    setting.apply(|settings| {
        let jwt = &mut settings.internal_jwt;
        jwt.internal_only.paths = vec!["/whoami".parse().unwrap()];
        jwt.routes.push(route("/headers", Rule::Anonymous));
        jwt.identity_headers = hallpass_resource::IdentityHeaders::Set;
        jwt.resource = Some("https://shop.example".parse().unwrap());
    });
    assert_eq!(setting.status("/whoami", &user).await, 403);
    let headers = get(setting.app.address, "/headers", Some(&user)).await.body;
    assert!(headers.contains("\"x-user-id\": \"alice\""), "{headers}");
    let metadata = "/.well-known/oauth-protected-resource";
    assert_eq!(setting.status(metadata, &user).await, 200);
}

#[tokio::test]
async fn settings_that_cannot_be_used_change_nothing() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    let rules = setting.app.server.rules();
    let bad = setting.changed(|settings| {
        settings.permit_all = true;
        settings.production_signal = Some("APP_ENV".to_owned());
        let jwt = &mut settings.internal_jwt;
        jwt.routes = vec![
            route("/a/{x}", Rule::Anonymous),
            route("/a/*", Rule::Anonymous),
        ];
        jwt.issuers.push(jwt.issuers[0].clone());
    });
    for refused in [
        setting.app.server.check(&bad),
        setting.app.server.apply(&bad),
    ] {
        let problems = refused.unwrap_err().problems;
        assert!(
            matches!(
                &problems[..],
                [
                    SetupProblem::PermitAllInProduction { .. },
                    SetupProblem::IssuerTwice { .. },
                    SetupProblem::TwoRules { .. }
                ]
            ),
            "{problems:?}"
        );
    }
    assert_eq!(setting.app.server.rules(), rules);
    assert_eq!(setting.status("/whoami", &user).await, 200);
    assert_eq!(setting.status("/maybe", &user).await, 403);
    assert_eq!(setting.app.metric("hallpass_dev_bypass_enabled"), 0.0);
}

#[tokio::test]
async fn what_would_be_taken_can_be_asked_and_changes_nothing() {
    let setting = Setting::start().await;
    let other = setting.changed(|settings| settings.permit_all = true);
    setting.app.server.check(&other).unwrap();
    assert_eq!(get(setting.app.address, "/whoami", None).await.status, 401);
    setting.app.server.apply(&other).unwrap();
    assert_eq!(get(setting.app.address, "/whoami", None).await.status, 200);
    assert_eq!(setting.app.metric("hallpass_dev_bypass_enabled"), 1.0);
    setting.apply(|_| {});
    assert_eq!(setting.app.metric("hallpass_dev_bypass_enabled"), 0.0);
}

#[tokio::test]
async fn an_issuer_that_did_not_change_keeps_its_keys_and_its_verified_tokens() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &user).await, 200);
    setting.issuer.stop().await;
    setting.apply(|settings| {
        settings
            .internal_jwt
            .routes
            .push(route("/x", Rule::Anonymous))
    });
    assert_eq!(setting.status("/whoami", &user).await, 200);
    assert_eq!(setting.hits(), 1.0);
    let age = "hallpass_jwks_last_success_timestamp_seconds{issuer=\"ours\"}";
    assert_ne!(setting.app.metric(age), 0.0);
    let other = setting.forge.user("more");
    assert_eq!(setting.status("/whoami", &other).await, 200);
    assert_eq!(setting.issuer.requests(), 1);
}

#[tokio::test]
async fn another_leeway_or_cooldown_keeps_the_keys_and_judges_tokens_anew() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &user).await, 200);
    setting.issuer.stop().await;
    setting.clock.advance_seconds(250);
    for change in [
        (|settings| settings.internal_jwt.jwks_cooldown = Duration::from_secs(20))
            as fn(&mut SecuritySettings),
        |settings| settings.internal_jwt.issuers[0].name = "renamed".to_owned(),
        |settings| settings.internal_jwt.leeway = Duration::ZERO,
    ] {
        setting.apply(change);
        assert_eq!(setting.status("/whoami", &user).await, 200);
    }
    assert_eq!(setting.hits(), 0.0);
    // The life of 600 s, without the leeway of 10 s that the token was first verified with.
    setting.clock.advance_seconds(351);
    assert_eq!(setting.status("/whoami", &user).await, 401);
}

#[tokio::test]
async fn a_token_is_not_remembered_for_a_policy_that_it_does_not_fit() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &user).await, 200);
    setting.apply(|settings| {
        settings.internal_jwt.issuers[0].audiences = vec!["other".parse().unwrap()];
    });
    assert_eq!(
        setting.app.metric("hallpass_verified_token_cache_entries"),
        0.0
    );
    assert_eq!(setting.status("/whoami", &user).await, 401);
}

#[tokio::test]
async fn an_issuer_that_left_is_not_trusted_and_one_that_came_is() {
    let setting = Setting::start().await;
    let user = setting.forge.user("");
    assert_eq!(setting.status("/whoami", &user).await, 200);
    let newcomer = Forge::new("https://login.example", &setting.clock);
    let keys = FakeIssuer::start(Behaviour::keys(newcomer.keys())).await;
    let age = "hallpass_jwks_last_success_timestamp_seconds{issuer=\"ours\"}";
    assert_ne!(setting.app.metric(age), 0.0);
    setting.apply(|settings| {
        settings.internal_jwt.issuers = vec![TrustedIssuerSettings {
            name: "login".to_owned(),
            ..trusted("https://login.example", JwksLocation::Url(keys.url()))
        }];
    });
    assert_eq!(setting.status("/whoami", &user).await, 401);
    assert_eq!(setting.status("/whoami", &newcomer.user("")).await, 200);
    // Nobody is alarmed by the age of keys that nobody needs.
    assert_eq!(setting.app.metric(age), 0.0);
}

#[tokio::test]
async fn an_issuer_in_code_stays_and_keys_at_a_url_need_a_network() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let location = JwksLocation::Url("https://id.example/jwks".parse().unwrap());
    let routes = vec![route("/**", Rule::Authenticated)];
    let settings = security(trusted("https://id.example", location), routes);
    let problems = app.server.apply(&settings).unwrap_err().problems;
    let no_network = SetupProblem::NoNetwork {
        issuer: "ours".to_owned(),
    };
    assert_eq!(problems, [no_network]);

    let file = JwksLocation::File("absent.json".into());
    let routes = vec![route("/maybe", Rule::Authenticated)];
    let settings = security(trusted("https://id.example", file), routes);
    app.server.apply(&settings).unwrap();
    let user = forge.user("");
    assert_eq!(get(app.address, "/maybe", Some(&user)).await.status, 200);
    assert_eq!(get(app.address, "/maybe", None).await.status, 401);
}

#[tokio::test]
async fn a_call_that_has_begun_goes_on_with_what_it_began_with() {
    let setting = Setting::start().await;
    setting.issuer.set(Behaviour::Hang);
    let (address, user) = (setting.app.address, setting.forge.user(""));
    let token = user.clone();
    let begun = tokio::spawn(async move { get(address, "/whoami", Some(&token)).await.status });
    setting.issuer.wait_for_requests(1).await;
    setting.apply(|settings| {
        settings.internal_jwt.internal_only.paths = vec!["/whoami".parse().unwrap()];
    });
    setting.issuer.set(Behaviour::keys(setting.forge.keys()));
    assert_eq!(begun.await.unwrap(), 200);
    assert_eq!(setting.status("/whoami", &user).await, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_settings_change_all_the_time() {
    let setting = Setting::start().await;
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            let (server, token) = (
                setting.app.server.clone(),
                setting.forge.user(&format!("s{number}")),
            );
            let address = setting.app.address;
            tokio::spawn(async move {
                let mut failures = 0;
                while !stop.load(Ordering::SeqCst) {
                    let response = get(address, "/whoami", Some(&token)).await;
                    let verified = server.verify(&token).await;
                    failures += usize::from(response.status != 200 || verified.is_err());
                    calls.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        })
        .collect();
    let mut round = 0;
    while calls.load(Ordering::SeqCst) < 400 {
        round += 1;
        setting.apply(|settings| {
            let jwt = &mut settings.internal_jwt;
            jwt.leeway = Duration::from_secs(round % 3);
            jwt.jwks_cooldown = Duration::from_secs(10 + round % 2);
            jwt.routes.push(route("/x", Rule::Anonymous));
            jwt.internal_only.paths.clear();
        });
        let bad = setting.changed(|settings| settings.internal_jwt.issuers.clear());
        setting.app.server.apply(&bad).unwrap_err();
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 0);
    }
    assert!(round > 1);
}

#[tokio::test]
async fn the_rules_are_logged_again_when_they_change_and_only_then() {
    let log = Log::capture();
    let setting = Setting::start().await;
    let lines = || log.text().matches("route rule").count();
    let at_start = lines();
    assert_eq!(at_start, setting.app.server.rules().len());
    setting.apply(|_| {});
    setting.apply(|settings| settings.internal_jwt.leeway = Duration::ZERO);
    assert_eq!(lines(), at_start);
    setting.apply(|settings| {
        settings
            .internal_jwt
            .routes
            .push(route("/x", Rule::Anonymous))
    });
    assert_eq!(lines(), 2 * at_start + 1);
}

#[tokio::test]
async fn what_code_says_goes_before_settings() {
    let setting = Setting::start().await;
    let server = builder(&setting.settings, &setting.clock).mode(Mode::Enforce);
    let keys = KeySource::fixed(setting.forge.keys(), setting.clock.clone());
    let other = TrustedIssuer::new("other".parse().unwrap(), "shop".parse().unwrap(), keys);
    let server = server.issuer(other).build().unwrap();
    server
        .apply(&setting.changed(|settings| settings.internal_jwt.mode = Mode::Off))
        .unwrap();
    assert!(server.rules().iter().all(|it| it.mode == Mode::Enforce));
}

#[tokio::test]
async fn servers_of_a_group_take_settings_all_or_none_and_one_built_later_starts_with_them() {
    let setting = Setting::start().await;
    let servers = ResourceServers::default();
    let build = || builder(&setting.settings, &setting.clock).group(&servers);
    let plain = build().build().unwrap();
    let in_production = build().production_signal(Some("APP_ENV".to_owned()));
    let in_production = in_production.build().unwrap();
    // One of the two refuses it.
    let permissive = setting.changed(|settings| {
        settings.internal_jwt.mode = Mode::Report;
        settings.permit_all = true;
    });
    plain.check(&permissive).unwrap();
    servers.check(&permissive).unwrap_err();
    servers.apply(&permissive).unwrap_err();
    assert!(plain.rules().iter().all(|rule| rule.mode == Mode::Enforce));
    servers
        .apply(&setting.changed(|settings| settings.internal_jwt.mode = Mode::Report))
        .unwrap();
    for server in [plain, in_production, build().build().unwrap()] {
        assert!(server.rules().iter().all(|rule| rule.mode == Mode::Report));
    }
}
