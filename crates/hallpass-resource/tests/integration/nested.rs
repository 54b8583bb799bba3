//! Below axum's `nest`, which takes a part of the path away.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::any;
use hallpass_resource::{ResourceServer, Rule};
use std::net::SocketAddr;
use tokio::net::TcpListener;

use crate::support::{AppBuilder, Forge, Log, get, test_clock};

fn inner() -> Router {
    Router::new()
        .route("/", any(|| async { "ran" }))
        .route("/internal/{*rest}", any(|| async { "ran" }))
        .route("/orders/{id}", any(|| async { "ran" }))
        .fallback(|| async { "ran" })
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

fn server(forge: &Forge, rules: &[(&str, Rule)]) -> ResourceServer {
    let clock = test_clock();
    let start = AppBuilder::new(&clock)
        .with(|_| ResourceServer::builder("shop", clock.clone()))
        .trusting_fixed(forge)
        .server;
    rules
        .iter()
        .fold(start, |server, (pattern, rule)| {
            server.route_any(pattern, rule.clone())
        })
        .build()
        .unwrap()
}

fn internal_only() -> Rule {
    Rule::InternalOnly("internal-service".parse().unwrap())
}

/// The layer at every place where it can stand, for a handler at `/api/v1/...` (or `/api/...`).
fn places(server: &ResourceServer) -> Vec<(&'static str, &'static str, Router)> {
    let guarded = || inner().layer(server.layer());
    vec![
        ("inside nest", "/api", Router::new().nest("/api", guarded())),
        (
            "outside nest",
            "/api",
            Router::new().nest("/api", inner()).layer(server.layer()),
        ),
        (
            "inside nest_service",
            "/api",
            Router::new().nest_service("/api", guarded()),
        ),
        (
            "outside nest_service",
            "/api",
            Router::new()
                .nest_service("/api", inner())
                .layer(server.layer()),
        ),
        (
            "inside two nests",
            "/api/v1",
            Router::new().nest("/api", Router::new().nest("/v1", guarded())),
        ),
        (
            "between two nests",
            "/api/v1",
            Router::new().nest(
                "/api",
                Router::new().nest("/v1", inner()).layer(server.layer()),
            ),
        ),
        (
            "inside a nest with a parameter",
            "/api/v1",
            Router::new().nest("/api/{version}", guarded()),
        ),
        (
            "inside a service in a nest",
            "/api/v1",
            Router::new().nest("/api", Router::new().nest_service("/v1", guarded())),
        ),
    ]
}

#[tokio::test]
async fn the_path_that_the_caller_wrote_is_judged_wherever_the_layer_stands() {
    let forge = Forge::new("internal", &test_clock());
    let server = server(
        &forge,
        &[
            ("/**", Rule::Authenticated),
            ("/api/internal/**", internal_only()),
            ("/api/v1/internal/**", internal_only()),
            ("/api", internal_only()),
            ("/api/v1", internal_only()),
        ],
    );
    let (user, service) = (
        forge.user("internal-service"),
        forge.service("internal-service"),
    );
    for (place, prefix, app) in places(&server) {
        let address = serve(app).await;
        for path in ["/internal/jobs", ""] {
            let path = format!("{prefix}{path}");
            assert_eq!(
                get(address, &path, None).await.status,
                401,
                "{place} {path}"
            );
            assert_eq!(
                get(address, &path, Some(&user)).await.status,
                403,
                "{place} {path}"
            );
            assert_eq!(
                get(address, &path, Some(&service)).await.body,
                "ran",
                "{place} {path}"
            );
        }
        let path = format!("{prefix}/orders/7");
        assert_eq!(
            get(address, &path, Some(&user)).await.body,
            "ran",
            "{place}"
        );
    }
}

#[tokio::test]
async fn a_rule_that_was_written_for_the_rest_of_the_path_closes_and_is_named_in_the_log() {
    let forge = Forge::new("internal", &test_clock());
    let log = Log::capture();
    let server = server(
        &forge,
        &[
            ("/**", Rule::Authenticated),
            ("/internal/**", internal_only()),
        ],
    );
    let user = forge.user("internal-service");
    let app = Router::new().nest("/api", inner().layer(server.layer()));
    let address = serve(app).await;
    for _ in 0..2 {
        let response = get(address, "/api/internal/jobs", Some(&user)).await;
        assert_eq!(response.status, 403);
    }
    let warned = log.text().matches("without the prefix of the nest").count();
    assert_eq!(warned, 1, "{}", log.text());
    // A rule of the same form that is meant for other paths is in nobody's way.
    let service = forge.service("internal-service");
    assert_eq!(
        get(address, "/api/internal/jobs", Some(&service))
            .await
            .body,
        "ran"
    );
    assert_eq!(get(address, "/api/orders/7", Some(&user)).await.body, "ran");
}

#[tokio::test]
async fn a_path_that_was_rewritten_after_routing_is_refused() {
    let forge = Forge::new("internal", &test_clock());
    let server = server(&forge, &[("/open/**", Rule::Anonymous)]);
    let rewrite = async |mut request: Request, next: Next| {
        *request.uri_mut() = "/internal/jobs".parse().unwrap();
        next.run(request).await
    };
    let app = Router::new()
        .fallback_service(inner())
        .layer(server.layer())
        .layer(middleware::from_fn(rewrite));
    let address = serve(app).await;
    let response = get(address, "/open/x", None).await;
    assert_eq!(response.refusal(), (400, "ambiguous_path".to_owned()));
}

#[tokio::test]
async fn a_rule_without_the_prefix_closes_also_beside_a_rule_that_names_the_prefix() {
    let forge = Forge::new("internal", &test_clock());
    for wide in ["/**", "/api/**", "/{nest}/**", "/api/{any}/**"] {
        let server = server(
            &forge,
            &[
                (wide, Rule::Authenticated),
                ("/internal/**", internal_only()),
            ],
        );
        let address = serve(Router::new().nest("/api", inner().layer(server.layer()))).await;
        let user = forge.user("internal-service");
        let response = get(address, "/api/internal/jobs", Some(&user)).await;
        assert_eq!(response.status, 403, "beside {wide}");
    }
}

#[tokio::test]
async fn a_rule_that_names_the_prefix_and_says_as_much_stands_for_itself() {
    let forge = Forge::new("internal", &test_clock());
    for own in [
        "/api/internal/**",
        "/api/internal/{job}",
        "/api/internal/jobs",
    ] {
        let server = server(
            &forge,
            &[
                (own, Rule::Authenticated),
                ("/internal/**", internal_only()),
            ],
        );
        let address = serve(Router::new().nest("/api", inner().layer(server.layer()))).await;
        let user = forge.user("internal-service");
        let response = get(address, "/api/internal/jobs", Some(&user)).await;
        assert_eq!(response.body, "ran", "beside {own}");
    }
}
