//! Service, user or neither: tokens as other products write them, judged by the blocks of `docs/interop.md`.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::get as on_get;
use hallpass_clock::ManualClock;
use hallpass_resource::{Caller, CallerMapping, CurrentUser, IssuerPreset, Rule};
use hallpass_token::UnixTime;
use serde_json::{Value, json};

use crate::sections::{load, problems};
use crate::settings::builder;
use crate::support::{App, AppBuilder, Forge, Log, get, test_clock};

/// The blocks of the page, in their order.
fn blocks() -> Vec<String> {
    let page = include_str!("../../../../docs/interop.md");
    let parts = page.split("```yaml\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

pub(crate) fn block(preset: &str) -> String {
    let name = format!("name: {preset}\n");
    let mut found = blocks().into_iter().filter(|block| block.contains(&name));
    let block = found.next().unwrap();
    assert!(found.next().is_none(), "one block for {preset}");
    block
}

/// What tokens of a block's issuer need.
pub(crate) struct Issuer {
    pub(crate) app: App,
    forge: Forge,
    audience: String,
    _folder: tempfile::TempDir,
}

impl Issuer {
    /// A service with exactly these settings, but the keys come from a file.
    pub(crate) async fn of_block(text: &str, clock: &Arc<ManualClock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let text = with_keys_in(text, &file);
        let security = load(&text).security;
        let entry = &security.internal_jwt.issuers[0];
        let name: &'static str = entry.issuer.to_string().leak();
        let forge = Forge::new(name, clock);
        std::fs::write(&file, forge.keys().to_json().to_string()).unwrap();
        let audience = entry.audiences[0].to_string();
        let server = builder(&security, clock)
            .route_any("/user", Rule::Authenticated)
            .route_any("/caller", Rule::Authenticated)
            .route_any(
                "/internal",
                Rule::InternalOnly("internal-service".parse().unwrap()),
            );
        let routes = Router::new()
            .route(
                "/user",
                on_get(async |user: CurrentUser| user.subject().to_string()),
            )
            .route(
                "/caller",
                on_get(async |caller: Caller| caller.subject().to_string()),
            )
            .route("/internal", on_get(async || "in"));
        let app = AppBuilder::new(clock)
            .with(|_| server)
            .start_with(routes)
            .await;
        Self {
            app,
            forge,
            audience,
            _folder: folder,
        }
    }

    /// A token with these claims, as the product writes it: `JWT` or nothing for a type.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let kid = self.forge.key.key_id().to_string();
        let typ = if self.forge.issuer == "internal" {
            "at+jwt"
        } else {
            "JWT"
        };
        let header = json!({ "alg": "ES256", "typ": typ, "kid": kid });
        let now = UnixTime::from(std::time::SystemTime::UNIX_EPOCH).as_secs() + 1_700_000_000;
        let mut all = json!({
            "iss": self.forge.issuer, "aud": self.audience, "iat": now, "exp": now + 300, "jti": "7",
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.forge.raw(&header.to_string(), &all.to_string())
    }

    /// Statuses of the routes for users and for services.
    pub(crate) async fn statuses(&self, claims: &Value) -> (u16, u16) {
        let token = self.token(claims);
        let status = async |path| get(self.app.address, path, Some(&token)).await.status;
        (status("/user").await, status("/internal").await)
    }
}

fn with_keys_in(text: &str, file: &Path) -> String {
    // The tests sign with ES256, whatever the product signs with.
    let lines = text.lines().filter(|line| !line.contains("algorithms:"));
    let lines = lines.map(|line| match line.split_once("jwks-url:") {
        Some((before, _)) => format!("{before}jwks-file: {}\n", file.display()),
        None => format!("{line}\n"),
    });
    lines.collect()
}

pub(crate) const USER: (u16, u16) = (200, 403);
pub(crate) const SERVICE: (u16, u16) = (403, 200);
pub(crate) const NEITHER: (u16, u16) = (403, 403);

pub(crate) async fn check(preset: &str, rows: &[(&str, Value, (u16, u16))]) {
    let clock = test_clock();
    let issuer = Issuer::of_block(&block(preset), &clock).await;
    for (what, claims, expected) in rows {
        let found = issuer.statuses(claims).await;
        assert_eq!(found, *expected, "{preset}: {what}");
    }
}

#[tokio::test]
async fn an_audience_that_is_this_service_is_no_client() {
    let clock = test_clock();
    let text = block("spring").replace("          audience: [billing, web-shop]\n", "");
    let issuer = Issuer::of_block(&text, &clock).await;
    assert_eq!(issuer.audience, "order-service");
    for subject in ["billing", "alice", "order-service"] {
        let claims = json!({"sub": subject, "scope": ["internal-service"]});
        assert_eq!(issuer.statuses(&claims).await, NEITHER, "{subject}");
        let claims =
            json!({"sub": subject, "client_id": "order-service", "scope": ["internal-service"]});
        let expected = if subject == "order-service" {
            SERVICE
        } else {
            USER
        };
        assert_eq!(issuer.statuses(&claims).await, expected, "{subject}");
    }
}

#[tokio::test]
async fn a_service_without_sub_is_its_client_and_has_no_sub_among_its_claims() {
    let clock = test_clock();
    let issuer = Issuer::of_block(&block("keycloak"), &clock).await;
    let claims = json!({"azp": "billing", "client_id": "billing"});
    let token = issuer.token(&claims);
    let verified = issuer.app.server.verify(&token).await.unwrap();
    assert_eq!(verified.context().subject().as_str(), "billing");
    assert_eq!(verified.context().client_id().unwrap().as_str(), "billing");
    let written = serde_json::to_value(verified.context().claims()).unwrap();
    assert_eq!(written.get("sub"), None);
    let caller = get(issuer.app.address, "/caller", Some(&token)).await;
    assert_eq!(caller.body, "billing");
}

#[tokio::test]
async fn a_token_without_sub_bears_the_mark_of_its_absence() {
    let clock = test_clock();
    let text = block("batch").replace("kind=batch and !sid", "!sub and kind=batch");
    let issuer = Issuer::of_block(&text, &clock).await;
    let claims = json!({"azp": "b", "kind": "batch", "scope": "internal-service"});
    assert_eq!(issuer.statuses(&claims).await, SERVICE);
    let mut named = claims;
    named["sub"] = json!("b");
    assert_eq!(issuer.statuses(&named).await, NEITHER);
}

#[tokio::test]
async fn marks_of_ones_own_replace_those_of_the_preset() {
    let rows = [
        (
            "the own mark",
            json!({"sub": "x", "azp": "b", "kind": ["batch", "big"], "scope": "internal-service"}),
            SERVICE,
        ),
        (
            "with a login",
            json!({"sub": "x", "azp": "b", "kind": "batch", "sid": "1", "scope": "internal-service"}),
            USER,
        ),
        (
            "the preset's",
            json!({"sub": "x", "azp": "b", "preferred_username": "alice"}),
            NEITHER,
        ),
        (
            "only azp names the client",
            json!({"sub": "x", "client_id": "b", "kind": "batch"}),
            NEITHER,
        ),
    ];
    check("batch", &rows).await;
}

#[tokio::test]
async fn a_refusal_names_what_is_missing_and_not_a_scope_that_is_there() {
    let log = Log::capture();
    let clock = test_clock();
    let issuer = Issuer::of_block(&block("hallpass"), &clock).await;
    let keycloak = json!({"sub": "0f8f", "azp": "billing", "scope": "internal-service"});
    let token = issuer.token(&keycloak);
    let refused = get(issuer.app.address, "/internal", Some(&token)).await;
    assert_eq!(refused.refusal(), (403, "service_required".to_owned()));
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(!challenge.contains("scope="), "{challenge}");
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    let no_user = get(issuer.app.address, "/user", Some(&token)).await;
    assert_eq!(no_user.refusal(), (403, "user_required".to_owned()));
    let events = log.audit(1);
    assert_eq!(events[0]["reason"], "caller_unknown");
    let detail = events[0]["detail"].as_str().unwrap();
    assert!(detail.contains("names no client"), "{detail}");
    // It names a client, and has marks of neither.
    let neither =
        json!({"sub": "alice", "client_id": "web", "azp": "web", "scope": "internal-service"});
    get(
        issuer.app.address,
        "/internal",
        Some(&issuer.token(&neither)),
    )
    .await;
    let events = log.audit(3);
    let detail = events.last().unwrap()["detail"].as_str().unwrap();
    assert!(detail.contains("no mark of either"), "{detail}");
    // Without the scope, that is missing too.
    let token = issuer.token(&json!({"sub": "alice", "client_id": "web"}));
    let refused = get(issuer.app.address, "/internal", Some(&token)).await;
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("scope=\"internal-service\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn several_entries_of_one_issuer_are_told_apart_by_audience() {
    let clock = test_clock();
    let block = blocks().pop().unwrap();
    assert!(block.contains("name: users") && block.contains("name: services"));
    let issuer = Issuer::of_block(&block, &clock).await;
    let service = |audience: Value| json!({"sub": "x", "azp": "b", "client_id": "b", "aud": audience, "scope": "internal-service"});
    for (audience, status) in [
        (json!("order-service"), 200),
        (json!(["account", "order-service"]), 200),
        (json!("web-api"), 403),
        (json!("mobile-api"), 403),
        (json!(["order-service", "web-api"]), 403),
        (json!("another"), 401),
    ] {
        let token = issuer.token(&service(audience.clone()));
        let found = get(issuer.app.address, "/internal", Some(&token)).await;
        assert_eq!(found.status, status, "{audience}");
    }
}

#[tokio::test]
async fn a_remembered_token_is_judged_anew_when_the_mapping_changes() {
    let clock = test_clock();
    let issuer = Issuer::of_block(&block("hallpass"), &clock).await;
    let claims = json!({"sub": "alice", "client_id": "web"});
    assert_eq!(issuer.statuses(&claims).await, USER);
    let keys = issuer._folder.path().join("keys.json");
    let text = with_keys_in(&block("hallpass"), &keys);
    let okta = text.replace("preset: hallpass", "preset: okta");
    issuer.app.server.apply(&load(&okta).security).unwrap();
    assert_eq!(issuer.statuses(&claims).await, NEITHER);
    issuer.app.server.apply(&load(&text).security).unwrap();
    assert_eq!(issuer.statuses(&claims).await, USER);
}

#[test]
fn every_block_loads() {
    assert_eq!(blocks().len(), 8);
    for block in blocks() {
        let security = load(&block).security;
        assert!(!security.internal_jwt.issuers.is_empty(), "{block}");
    }
}

#[test]
fn the_short_form_says_how_the_tokens_of_its_issuer_are_written() {
    let load = |keys: &str| {
        let text = format!(
            "hallpass: {{ service.name: a, security.internal-jwt: {{ jwks-url: 'lb://auth/jwks', {keys} }} }}"
        );
        load(&text).security.internal_jwt.issuers.remove(0).callers
    };
    let spring = CallerMapping::from(IssuerPreset::Spring).without_clients(["a".parse().unwrap()]);
    assert_eq!(load("preset: spring"), spring);
    assert_eq!(
        load("preset: spring, client-claims: cid, service-when: kind=batch, user-when: uid"),
        spring
            .with_client_claims(["cid"])
            .with_service_marks(["kind=batch".parse().unwrap()])
            .with_user_marks(["uid".parse().unwrap()])
    );
    let hallpass = CallerMapping::default().without_clients(["a".parse().unwrap()]);
    assert_eq!(load(""), hallpass);
    let problems = |keys: &str| {
        problems(&format!(
            "hallpass: {{ service.name: a, security.internal-jwt: {{ {keys} }} }}"
        ))
    };
    assert_eq!(
        problems("preset: spring, issuers: [{ name: b, issuer: b, jwks-file: x }]"),
        [
            "1:63: security.internal-jwt.preset: is for the short form: write it in each entry of `issuers`"
        ]
    );
    assert_eq!(
        problems("user-when: uid"),
        ["1:30: security.internal-jwt.jwks-url: is required, or jwks-file"]
    );
}
