//! A resource server from the configuration section.

use std::sync::Arc;

use hallpass_clock::ManualClock;
use hallpass_resource::{
    CallerMapping, IdentityHeaders, InternalJwtSettings, InternalOnlySettings, JwksLocation, Mode,
    ResourceServer, ResourceServerBuilder, RouteRule, Rule, SecuritySettings, SetupProblem,
    TrustedIssuerSettings,
};
use hallpass_token::{Algorithm, Algorithms};
use http::Method;

use crate::support::app::network;
use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, get, test_clock};

pub(crate) fn builder(
    security: &SecuritySettings,
    clock: &Arc<ManualClock>,
) -> ResourceServerBuilder {
    ResourceServer::from_settings(security, "shop", &network(clock))
}

pub(crate) fn trusted(issuer: &str, jwks: JwksLocation) -> TrustedIssuerSettings {
    TrustedIssuerSettings {
        introspection: None,
        name: "ours".to_owned(),
        issuer: issuer.parse().unwrap(),
        audiences: vec!["shop".parse().unwrap()],
        jwks,
        revocations: None,
        algorithms: Algorithms::ALL,
        internal: true,
        callers: CallerMapping::default(),
        dangerous_accept_untyped: false,
    }
}

pub(crate) fn route(path: &str, rule: Rule) -> RouteRule {
    RouteRule::new(path.parse().unwrap(), rule)
}

pub(crate) fn security(issuer: TrustedIssuerSettings, routes: Vec<RouteRule>) -> SecuritySettings {
    let internal_only = InternalOnlySettings {
        paths: vec!["/internal/**".parse().unwrap()],
        ..InternalOnlySettings::default()
    };
    let internal_jwt = InternalJwtSettings {
        issuers: vec![issuer],
        routes,
        internal_only,
        ..InternalJwtSettings::default()
    };
    SecuritySettings {
        internal_jwt,
        ..SecuritySettings::default()
    }
}

#[tokio::test]
async fn issuers_routes_and_internal_only_paths_come_from_the_configuration() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let scopes = Rule::Scopes {
        all: "orders".parse().unwrap(),
        any: "a b".parse().unwrap(),
    };
    let routes = vec![
        route("/health", Rule::Anonymous),
        route("/whoami", Rule::Authenticated),
        route("/orders/*", scopes).methods([Method::GET]),
        route("/either", Rule::Authenticated).mode(Mode::Report),
        // Tightened by internal-only: the stricter holds.
        route("/internal/**", Rule::Anonymous),
    ];
    let security = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    let app = AppBuilder::new(&clock)
        .with(|_| builder(&security, &clock))
        .start()
        .await;

    let status =
        async |path, token: Option<String>| get(app.address, path, token.as_deref()).await.status;
    assert_eq!(status("/health", None).await, 200);
    assert_eq!(status("/whoami", None).await, 401);
    assert_eq!(status("/whoami", Some(forge.user(""))).await, 200);
    assert_eq!(status("/orders/7", Some(forge.user("orders a"))).await, 200);
    assert_eq!(status("/orders/7", Some(forge.user("orders"))).await, 403);
    assert_eq!(status("/orders/7", Some(forge.user("a b"))).await, 403);
    assert_eq!(status("/either", None).await, 200);
    assert_eq!(status("/unlisted", Some(forge.user(""))).await, 403);
    assert_eq!(status("/internal/jobs", None).await, 401);
    assert_eq!(
        status("/internal/jobs", Some(forge.user("internal-service"))).await,
        403
    );
    assert_eq!(
        status("/internal/jobs", Some(forge.service("internal-service"))).await,
        200
    );
}

#[tokio::test]
async fn code_and_configuration_must_both_allow() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let routes = vec![route("/**", Rule::Anonymous)];
    let security = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    let builder = builder(&security, &clock).route(
        Method::GET,
        "/orders/{id}",
        Rule::all_scopes("orders".parse().unwrap()),
    );
    let app = AppBuilder::new(&clock).with(|_| builder).start().await;
    assert_eq!(get(app.address, "/health", None).await.status, 200);
    assert_eq!(get(app.address, "/orders/7", None).await.status, 401);
    assert_eq!(
        get(app.address, "/orders/7", Some(&forge.user("orders")))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_issuers_own_audience_algorithms_and_types_hold() {
    let clock = test_clock();
    let forge = Forge::new("https://login.example", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let routes = || vec![route("/whoami", Rule::Authenticated)];
    let base = || trusted("https://login.example", JwksLocation::Url(issuer.url()));
    let spring = forge.changed(|header, _| drop(header.as_object_mut().unwrap().remove("typ")));
    let cases = [
        (base(), forge.user(""), 200),
        (base(), spring.clone(), 401),
        (
            TrustedIssuerSettings {
                dangerous_accept_untyped: true,
                ..base()
            },
            spring,
            200,
        ),
        (
            TrustedIssuerSettings {
                audiences: vec!["other".parse().unwrap()],
                ..base()
            },
            forge.user(""),
            401,
        ),
        (
            TrustedIssuerSettings {
                algorithms: Algorithm::EdDsa.into(),
                ..base()
            },
            forge.user(""),
            401,
        ),
    ];
    for (issuer, token, expected) in cases {
        let security = security(issuer, routes());
        let app = AppBuilder::new(&clock)
            .with(|_| builder(&security, &clock))
            .start()
            .await;
        assert_eq!(
            get(app.address, "/whoami", Some(&token)).await.status,
            expected
        );
    }
}

#[tokio::test]
async fn identity_headers_and_the_metadata_document_can_be_switched_on() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let routes = vec![route("/headers", Rule::Anonymous)];
    let mut security = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    security.internal_jwt.identity_headers = IdentityHeaders::Set;
    security.internal_jwt.resource = Some("https://shop.example".parse().unwrap());
    let app = AppBuilder::new(&clock)
        .with(|_| builder(&security, &clock))
        .start()
        .await;
    let response = get(app.address, "/headers", Some(&forge.user(""))).await;
    assert!(
        response.body.contains("\"x-user-id\": \"alice\""),
        "{}",
        response.body
    );
    let document = get(app.address, "/.well-known/oauth-protected-resource", None).await;
    assert_eq!(document.status, 200);
}

#[test]
fn permit_all_in_production_is_refused_at_the_start_too() {
    let clock = test_clock();
    let security = SecuritySettings {
        permit_all: true,
        production_signal: Some("ENV".to_owned()),
        ..SecuritySettings::default()
    };
    let problems = builder(&security, &clock).build().unwrap_err().problems;
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem, SetupProblem::PermitAllInProduction { .. }))
    );
}
