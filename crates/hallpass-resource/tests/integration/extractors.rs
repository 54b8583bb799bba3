//! The axum extractors: what they give, and what they response without an identity.

use axum::Router;
use axum::routing::get as on_get;
use hallpass_resource::{Caller, Claims, CurrentUser, Rule};
use serde_json::json;

use crate::support::{App, AppBuilder, Forge, get, test_clock};

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

async fn start() -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.route_any("/open/**", Rule::Anonymous))
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
