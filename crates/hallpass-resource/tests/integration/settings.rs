//! A resource server from the configuration section.

use std::sync::Arc;

use hallpass_clock::ManualClock;
use hallpass_resource::{
    IdentityHeaders, InternalJwtSettings, InternalOnlySettings, JwksLocation, Mode, ResourceServer,
    ResourceServerBuilder, RouteAccess, RouteSettings, Rule, SecuritySettings, StartProblem,
    TrustedIssuerSettings,
};
use hallpass_token::Algorithm;
use hallpass_upstream::{HttpTransport, StaticDiscovery};
use http::Method;

use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, get, test_clock};

fn builder(security: &SecuritySettings, clock: &Arc<ManualClock>) -> ResourceServerBuilder {
    let discover = Arc::new(StaticDiscovery::new());
    ResourceServer::from_settings(
        security,
        "shop",
        HttpTransport::new().unwrap(),
        discover,
        clock.clone(),
    )
}

fn trusted(issuer: &str, jwks: JwksLocation) -> TrustedIssuerSettings {
    TrustedIssuerSettings {
        name: "ours".to_owned(),
        issuer: issuer.to_owned(),
        audience: "shop".to_owned(),
        jwks,
        algorithms: Algorithm::EVERY.to_vec(),
        internal: true,
        dangerous_accept_untyped: false,
    }
}

fn route(path: &str, access: RouteAccess) -> RouteSettings {
    RouteSettings {
        path: path.to_owned(),
        methods: Vec::new(),
        access,
        mode: None,
    }
}

fn security(issuer: TrustedIssuerSettings, routes: Vec<RouteSettings>) -> SecuritySettings {
    let internal_only = InternalOnlySettings {
        paths: vec!["/internal/**".to_owned()],
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
    let scopes = RouteAccess::Scopes {
        all: vec!["orders".to_owned()],
        any: vec!["a".to_owned(), "b".to_owned()],
    };
    let routes = vec![
        route("/health", RouteAccess::Anonymous),
        route("/whoami", RouteAccess::Authenticated),
        RouteSettings {
            methods: vec!["GET".to_owned()],
            ..route("/orders/*", scopes)
        },
        RouteSettings {
            mode: Some(Mode::Report),
            ..route("/either", RouteAccess::Authenticated)
        },
        // Tightened by internal-only: the stricter holds.
        route("/internal/**", RouteAccess::Anonymous),
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
    let routes = vec![route("/**", RouteAccess::Anonymous)];
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
    let routes = || vec![route("/whoami", RouteAccess::Authenticated)];
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
                audience: "other".to_owned(),
                ..base()
            },
            forge.user(""),
            401,
        ),
        (
            TrustedIssuerSettings {
                algorithms: vec![Algorithm::EdDsa],
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
    let routes = vec![route("/headers", RouteAccess::Anonymous)];
    let mut security = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    security.internal_jwt.identity_headers = IdentityHeaders::Set;
    security.internal_jwt.resource = Some("https://shop.example".parse().unwrap());
    let app = AppBuilder::new(&clock)
        .with(|_| builder(&security, &clock))
        .start()
        .await;
    let answer = get(app.address, "/headers", Some(&forge.user(""))).await;
    assert!(
        answer.body.contains("\"x-user-id\": \"alice\""),
        "{}",
        answer.body
    );
    let document = get(app.address, "/.well-known/oauth-protected-resource", None).await;
    assert_eq!(document.status, 200);
}

#[test]
fn values_that_can_not_be_meant_are_named_with_their_keys() {
    let clock = test_clock();
    let bad = TrustedIssuerSettings {
        issuer: String::new(),
        audience: "a\nb".to_owned(),
        ..trusted("x", JwksLocation::File("jwks.json".into()))
    };
    let routes = vec![
        route("no-slash", RouteAccess::Anonymous),
        route(
            "/a",
            RouteAccess::InternalOnly {
                scope: "\"".to_owned(),
            },
        ),
        RouteSettings {
            methods: vec!["GE T".to_owned()],
            ..route("/b", RouteAccess::Anonymous)
        },
    ];
    let security = SecuritySettings {
        permit_all: true,
        production_signal: Some("ENV".to_owned()),
        ..security(bad, routes)
    };
    let problems = builder(&security, &clock).build().unwrap_err().problems;
    let keys: Vec<_> = problems
        .iter()
        .filter_map(|problem| match problem {
            StartProblem::BadValue { key, .. } => Some(key.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        keys,
        [
            "security.internal-jwt.issuers[0].issuer",
            "security.internal-jwt.issuers[0].audience",
            "security.internal-jwt.routes[1].scope",
            "security.internal-jwt.routes[2].methods",
        ]
    );
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem, StartProblem::BadPattern { .. }))
    );
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem, StartProblem::PermitAllInProduction { .. }))
    );
}
