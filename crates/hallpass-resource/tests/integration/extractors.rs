//! The axum extractors: what they give, and what they response without an identity.

use axum::Router;
use axum::routing::get as on_get;
use hallpass_resource::{
    Caller, Claims, CurrentUser, Mode, RouteRule, Rule, Scoped, required_scope,
};
use serde_json::json;

use crate::support::{App, AppBuilder, Forge, get, test_clock};

required_scope!(ChangeOrders = "orders:read orders:write");

#[derive(serde::Deserialize)]
struct Tenant {
    sub: String,
    tenant: String,
}

fn routes() -> Router {
    Router::new()
        .route(
            "/open/caller",
            on_get(|caller: Caller| async move { caller.subject().to_string() }),
        )
        .route(
            "/open/user",
            on_get(|user: CurrentUser| async move { user.subject().to_string() }),
        )
        .route(
            "/open/claims",
            on_get(
                |Claims(it): Claims<Tenant>| async move { format!("{} of {}", it.sub, it.tenant) },
            ),
        )
        .route("/open/scoped", on_get(changed))
        .route("/report/scoped", on_get(changed))
        .route(
            "/open/perhaps-scoped",
            on_get(
                |caller: Option<Scoped<ChangeOrders>>| async move { caller.is_some().to_string() },
            ),
        )
        .route(
            "/open/optional",
            on_get(
                |caller: Option<Caller>,
                 user: Option<CurrentUser>,
                 claims: Option<Claims<Tenant>>| async move {
                    format!(
                        "{} {} {}",
                        caller.is_some(),
                        user.is_some(),
                        claims.is_some()
                    )
                },
            ),
        )
}

async fn changed(caller: Scoped<ChangeOrders>) -> String {
    caller.subject().to_string()
}

async fn start() -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| {
            let scoped = RouteRule::new("/report/**".parse().unwrap(), Rule::Authenticated);
            server
                .route_any("/open/**", Rule::Anonymous)
                .rule(scoped.mode(Mode::Report))
        })
        .start_with(routes())
        .await;
    (app, forge)
}

fn with_tenant(forge: &Forge) -> String {
    forge.changed(|_, claims| claims["tenant"] = json!("north"))
}

#[tokio::test]
async fn extractors_give_the_verified_caller() {
    let (app, forge) = start().await;
    let token = with_tenant(&forge);
    let body = async |path| get(app.address, path, Some(&token)).await.body;
    assert_eq!(body("/open/caller").await, "alice");
    assert_eq!(body("/open/user").await, "alice");
    assert_eq!(body("/open/claims").await, "alice of north");
    assert_eq!(body("/open/optional").await, "true true true");
    let service = forge.service("");
    assert_eq!(
        get(app.address, "/open/caller", Some(&service)).await.body,
        "order-service"
    );
}

#[tokio::test]
async fn without_an_identity_they_answer_401_and_the_optional_forms_are_empty() {
    let (app, _) = start().await;
    for path in ["/open/caller", "/open/user", "/open/claims"] {
        let response = get(app.address, path, None).await;
        assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
        assert_eq!(
            response.header("www-authenticate"),
            Some("Bearer realm=\"shop\"")
        );
    }
    assert_eq!(
        get(app.address, "/open/optional", None).await.body,
        "false false false"
    );
}

#[tokio::test]
async fn without_the_layer_they_answer_401_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes()).await.unwrap() });
    let (_, forge) = start().await;
    for path in ["/open/caller", "/open/user", "/open/claims"] {
        let response = get(address, path, Some(&forge.user(""))).await;
        assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
        assert_eq!(
            response.header("www-authenticate"),
            Some("Bearer realm=\"service\"")
        );
    }
}

#[tokio::test]
async fn a_service_is_no_user() {
    let (app, forge) = start().await;
    let service = forge.service("");
    let response = get(app.address, "/open/user", Some(&service)).await;
    assert_eq!(response.refusal(), (403, "user_required".to_owned()));
    let tenant = forge.changed(|_, claims| {
        claims["sub"] = json!("order-service");
        claims["tenant"] = json!("north");
    });
    assert_eq!(
        get(app.address, "/open/optional", Some(&tenant)).await.body,
        "true false true"
    );
}

#[tokio::test]
async fn claims_that_do_not_fit_are_a_clear_403_that_quotes_nothing() {
    let (app, forge) = start().await;
    for token in [
        forge.user(""),
        forge.changed(|_, claims| claims["tenant"] = json!(["secret-north"])),
    ] {
        for path in ["/open/claims", "/open/optional"] {
            let response = get(app.address, path, Some(&token)).await;
            assert_eq!(response.refusal(), (403, "claims_mismatch".to_owned()));
            assert!(!response.body.contains("north") && !response.body.contains("tenant"));
        }
    }
}

#[tokio::test]
async fn a_scope_that_a_handler_demands_is_named_to_whom_lacks_it() {
    let (app, forge) = start().await;
    let answer = async |path: &str, scope: Option<&str>| {
        let token = scope.map(|scope| forge.user(scope));
        get(app.address, path, token.as_deref()).await
    };
    let path = "/open/scoped";
    let allowed = answer(path, Some("a orders:write orders:read")).await;
    assert_eq!((allowed.status, allowed.body.as_str()), (200, "alice"));
    for lacking in [
        "",
        "orders:read",
        "orders:write orders",
        "orders:read,orders:write",
    ] {
        let refused = answer(path, Some(lacking)).await;
        assert_eq!(refused.refusal(), (403, "insufficient_scope".to_owned()));
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("scope=\"orders:read orders:write\""),
            "{challenge}"
        );
        let perhaps = answer("/open/perhaps-scoped", Some(lacking)).await;
        assert_eq!(perhaps.body, "false");
    }
    let refused = answer(path, None).await;
    assert_eq!(refused.refusal(), (401, "missing_token".to_owned()));
    let perhaps = answer("/open/perhaps-scoped", Some("orders:write orders:read")).await;
    assert_eq!(perhaps.body, "true");
}

#[tokio::test]
async fn who_passes_for_the_mode_of_a_route_is_known_to_a_handler_that_demands_a_scope() {
    let (app, forge) = start().await;
    let passed = get(app.address, "/report/scoped", Some(&forge.user(""))).await;
    assert_eq!((passed.status, passed.body.as_str()), (200, "alice"));
    let passed = get(app.address, "/report/scoped", None).await;
    assert_eq!(
        (passed.status, passed.body.as_str()),
        (200, "anonymousUser")
    );
    let metrics = app.metrics_text();
    let counted = metrics.lines().any(|line| {
        line.contains("hallpass_extractor_refusals_total")
            && line.contains("would_deny")
            && line.contains("reason=\"scope\"")
    });
    assert!(counted, "{metrics}");
}
