//! What the log says when a server is built or its settings change: each weakness once, and nothing without a cause.

use std::time::Duration;

use hallpass_resource::{JwksLocation, Mode, Rule, SecuritySettings};

use crate::settings::{builder, route, security, trusted};
use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, Log, test_clock};

struct Setting {
    log: Log,
    app: App,
    settings: SecuritySettings,
}

impl Setting {
    async fn start(change: impl FnOnce(&mut SecuritySettings)) -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
        let mut settings = security(
            trusted("internal", JwksLocation::Url(issuer.url())),
            vec![route("/whoami", Rule::Authenticated)],
        );
        change(&mut settings);
        let log = Log::capture();
        let server = builder(&settings, &clock);
        let app = AppBuilder::new(&clock).with(|_| server).start().await;
        Self { log, app, settings }
    }

    fn apply(&mut self, change: impl FnOnce(&mut SecuritySettings)) {
        change(&mut self.settings);
        self.app.server.apply(&self.settings).unwrap();
    }

    fn said(&self, words: &str) -> usize {
        self.log.text().matches(words).count()
    }
}

const KEPT_HEADERS: &str = "dangerous-keep-identity-headers: who reaches this service";
const UNTYPED: &str = "tokens of any or no type are accepted from this issuer";
const SECURITY_IS_OFF: &str = "SECURITY IS OFF";

#[tokio::test]
async fn without_a_weakness_no_warning_is_there_and_each_one_comes_once() {
    let mut setting = Setting::start(|_| {}).await;
    for words in [KEPT_HEADERS, UNTYPED, SECURITY_IS_OFF] {
        assert_eq!(setting.said(words), 0, "{words}");
    }
    setting.apply(|it| it.internal_jwt.dangerous_keep_identity_headers = true);
    assert_eq!(setting.said(KEPT_HEADERS), 1);
    setting.apply(|it| it.internal_jwt.issuers[0].dangerous_accept_untyped = true);
    assert_eq!(setting.said(UNTYPED), 1);
    setting.apply(|it| it.permit_all = true);
    assert_eq!(setting.said(SECURITY_IS_OFF), 1);
    // Another change repeats none of them.
    setting.apply(|it| it.max_token_bytes = 4_096);
    for words in [KEPT_HEADERS, UNTYPED, SECURITY_IS_OFF] {
        assert_eq!(setting.said(words), 1, "{words}");
    }
    // Taken back and set again, each is said again.
    setting.apply(|it| {
        it.internal_jwt.dangerous_keep_identity_headers = false;
        it.permit_all = false;
    });
    setting.apply(|it| {
        it.internal_jwt.dangerous_keep_identity_headers = true;
        it.permit_all = true;
    });
    assert_eq!(
        (setting.said(KEPT_HEADERS), setting.said(SECURITY_IS_OFF)),
        (2, 2)
    );
}

#[tokio::test]
async fn a_server_that_is_built_with_weaknesses_says_so_at_once() {
    let setting = Setting::start(|it| {
        it.internal_jwt.dangerous_keep_identity_headers = true;
        it.internal_jwt.issuers[0].dangerous_accept_untyped = true;
        it.permit_all = true;
    })
    .await;
    for words in [KEPT_HEADERS, UNTYPED, SECURITY_IS_OFF] {
        assert_eq!(setting.said(words), 1, "{words}");
    }
}

#[tokio::test]
async fn the_rules_are_said_again_for_another_mode_and_not_for_another_leeway() {
    let mut setting = Setting::start(|_| {}).await;
    let words = "every other request is refused, in this mode";
    assert_eq!(setting.said(words), 1);
    setting.apply(|it| it.internal_jwt.leeway = Duration::ZERO);
    assert_eq!(setting.said(words), 1);
    setting.apply(|it| it.internal_jwt.mode = Mode::Report);
    assert_eq!(setting.said(words), 2);
}
