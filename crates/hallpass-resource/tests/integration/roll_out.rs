//! What `off` and `report` give to handlers, and what they leave alone.

use axum::routing::any;
use hallpass_resource::{Caller, Claims, CurrentUser, Mode, Rule, SecuritySettings};
use serde_json::json;

use crate::support::{App, AppBuilder, Forge, get, send, test_clock};

async fn start(mode: Mode) -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.mode(mode))
        .start()
        .await;
    (app, forge)
}

fn decisions(app: &App, result: &str, reason: &str, mode: &str, route: &str) -> f64 {
    let labels =
        format!("result=\"{result}\",reason=\"{reason}\",mode=\"{mode}\",route=\"{route}\"");
    app.metric(&format!("hallpass_verify_total{{{labels}}}"))
}

#[tokio::test]
async fn off_denies_nothing_and_gives_an_identity_that_is_good() {
    let (app, forge) = start(Mode::Off).await;
    let expired = forge.changed(|_, claims| claims["exp"] = json!(1));
    for (token, seen) in [
        (None, "nobody"),
        (Some("a.b.c".to_owned()), "nobody"),
        (Some("x".repeat(20_000)), "nobody"),
        (Some(expired), "nobody"),
        (Some(forge.user("")), "alice"),
    ] {
        let response = get(app.address, "/whoami", token.as_deref()).await;
        assert_eq!((response.status, response.body.as_str()), (200, seen));
    }
    assert_eq!(decisions(&app, "bypass", "none", "off", "/whoami"), 5.0);
    assert_eq!(
        get(app.address, "/internal/x", Some(&forge.user("")))
            .await
            .body,
        "alice"
    );
    assert_eq!(get(app.address, "/a//b;c", None).await.status, 200);
    // The header is left to an older check behind this one; it is not an identity.
    let response = get(app.address, "/headers", Some("old-token")).await;
    assert!(response.body.contains("old-token"), "{}", response.body);
}

#[tokio::test]
async fn a_handler_that_asks_for_a_caller_runs_in_off_and_report() {
    for mode in [Mode::Off, Mode::Report] {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let app = AppBuilder::new(&clock)
            .trusting_fixed(&forge)
            .with(|server| server.mode(mode))
            .start_with(asking_routes())
            .await;
        let expired = forge.changed(|_, claims| claims["exp"] = json!(1));
        for token in [None, Some("a.b.c"), Some(expired.as_str())] {
            for path in ["/whoami", "/internal/x"] {
                let response = get(app.address, path, token).await;
                assert_eq!(response.status, 200, "{mode:?} {path} {token:?}");
                assert_eq!(response.body, "anonymousUser placeholder, context: nobody");
            }
        }
        // What the rules would deny is counted by their reason alone.
        let metrics = app.metrics_text();
        let by_handler =
            "hallpass_extractor_refusals_total{result=\"would_deny\",reason=\"missing\"";
        let is_doubled = metrics.lines().any(|line| line.starts_with(by_handler));
        assert_eq!(is_doubled, mode == Mode::Off, "{metrics}");
        let user = get(app.address, "/whoami", Some(&forge.user(""))).await;
        assert_eq!(user.body, "alice verified, context: alice");
        // A handler for users gets nobody rather than a service.
        let service = get(app.address, "/either", Some(&forge.service("orders"))).await;
        assert_eq!(
            service.body,
            "anonymousUser placeholder, context: order-service"
        );
        let labels = "{result=\"would_deny\",reason=\"scope\",route=\"/either\"}";
        let counted = app.metric(&format!("hallpass_extractor_refusals_total{labels}"));
        assert_eq!(counted, 1.0);
        // Only what was really refused is counted as such.
        let response = get(app.address, "/headers", None).await;
        assert_eq!(response.refusal(), (403, "claims_mismatch".to_owned()));
        let labels = "{result=\"deny\",reason=\"scope\",route=\"/headers\"}";
        let counted = app.metric(&format!("hallpass_extractor_refusals_total{labels}"));
        assert_eq!(counted, 1.0);
    }
}

/// Handlers that cannot do without a caller.
fn asking_routes() -> axum::Router {
    let tell = |context: &hallpass_token::SecurityContext| {
        let kind = if context.is_placeholder() {
            "placeholder"
        } else {
            "verified"
        };
        let current = hallpass_client::context::current();
        let current = current.map_or_else(|| "nobody".to_owned(), |it| it.subject().to_string());
        format!("{} {kind}, context: {current}", context.subject())
    };
    let caller = move |caller: Caller| async move { tell(&caller) };
    let user = move |user: CurrentUser| async move { tell(&user) };
    let claims = async |Claims(it): Claims<Tenant>| it.tenant;
    axum::Router::new()
        .route("/whoami", any(caller))
        .route("/internal/{*rest}", any(caller))
        .route("/either", any(user))
        .route("/headers", any(claims))
}

#[derive(serde::Deserialize)]
struct Tenant {
    tenant: String,
}

#[tokio::test]
async fn a_trusted_gateways_identity_headers_stay_where_nothing_is_enforced_and_only_if_configured()
{
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    for (mode, keep, set, with_token, seen) in [
        (Mode::Off, false, false, false, None),
        (Mode::Off, true, false, false, Some("from-gateway")),
        (Mode::Off, true, false, true, Some("from-gateway")),
        (Mode::Report, true, false, false, Some("from-gateway")),
        (Mode::Report, true, true, false, Some("from-gateway")),
        (Mode::Report, true, true, true, Some("alice")),
        (Mode::Report, false, false, false, None),
        (Mode::Enforce, true, false, false, None),
        (Mode::Enforce, true, false, true, None),
    ] {
        let mut settings = SecuritySettings::default();
        settings.internal_jwt.dangerous_keep_identity_headers = keep;
        let server = crate::settings::builder(&settings, &clock)
            .mode(mode)
            .write_identity_headers(set)
            .route_any("/headers", Rule::Anonymous);
        let app = AppBuilder::new(&clock)
            .with(|_| server)
            .trusting_fixed(&forge)
            .start()
            .await;
        let token = format!("Bearer {}", forge.user(""));
        let mut headers: Vec<(&str, &[u8])> = vec![("X-User-Id", b"from-gateway")];
        if with_token {
            headers.push(("authorization", token.as_bytes()));
        }
        let body = send(app.address, b"GET /headers", &headers).await.body;
        let found = ["from-gateway", "alice"]
            .into_iter()
            .find(|it| body.contains(&format!("\"x-user-id\": \"{it}\"")));
        assert_eq!(
            found, seen,
            "{mode:?} keep={keep} set={set} {with_token}: {body}"
        );
    }
}
