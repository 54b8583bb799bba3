//! Request targets and headers by which gateways have been led around their rules, one test each.

use std::cell::Cell;
use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Uri;
use axum::routing::any;
use hallpass_resource::{
    EncodedCharacters, NormalPath, PathFault, ResourceServer, Rule, SecuritySettings,
};
use http::uri::PathAndQuery;
use http::{Method, Request, Response};
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

use crate::support::{App, AppBuilder, Forge, get, send, test_clock};

async fn start() -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    (app, forge)
}

/// The statuses of a GET of this target, for nobody and for a user.
async fn statuses(app: &App, forge: &Forge, target: &str) -> (u16, u16) {
    let user = forge.user("internal-service");
    (
        get(app.address, target, None).await.status,
        get(app.address, target, Some(&user)).await.status,
    )
}

/// Istio CVE-2021-39156: the rule saw `/internal/jobs#x` and the service behind `/internal/jobs`.
#[tokio::test]
async fn a_fragment_leads_around_no_rule() {
    let (app, forge) = start().await;
    for target in [
        "/internal/jobs#",
        "/internal/jobs#x",
        "/internal/jobs#/../../health",
        "/internal/jobs?a#/health",
    ] {
        assert_eq!(statuses(&app, &forge, target).await, (401, 403), "{target}");
    }
    // Cut off for the rule and for the handler alike.
    let response = get(app.address, "/health#/../internal/jobs", None).await;
    assert_eq!((response.status, response.body.as_str()), (200, "up"));
}

/// A `#` or a `?` that is escaped belongs to its segment; a program that decodes first would cut there.
#[tokio::test]
async fn an_escaped_fragment_or_query_is_a_part_of_its_segment() {
    let (app, forge) = start().await;
    for target in ["/internal/jobs%23x", "/internal/%3Fx", "/internal/jobs%3fx"] {
        assert_eq!(statuses(&app, &forge, target).await, (401, 403), "{target}");
    }
    // No longer the open path, nor the one below `/internal`: no rule is for it.
    for target in ["/health%23", "/health%3Fx", "/internal%3F/jobs"] {
        assert_eq!(statuses(&app, &forge, target).await, (401, 403), "{target}");
    }
}

/// Istio CVE-2021-31920, Envoy CVE-2021-29492 and oathkeeper GHSA-p224-6x5r-fjpm by way of a target with a scheme and a host.
#[tokio::test]
async fn a_target_in_absolute_form_has_the_rule_of_its_path() {
    let (app, forge) = start().await;
    for target in [
        "http://shop/internal/jobs",
        "HTTP://SHOP/internal/jobs",
        "http://health/internal/jobs",
        "http://shop:80/internal/jobs#/health",
        "http://shop/internal/jobs?http://shop/health",
        "https://shop/internal/jobs",
    ] {
        assert_eq!(statuses(&app, &forge, target).await, (401, 403), "{target}");
    }
    for target in [
        "http://shop//internal/jobs",
        "http://shop/health/../internal/jobs",
        "http://shop/internal%2Fjobs",
        "http://shop//health",
    ] {
        assert_eq!(statuses(&app, &forge, target).await, (400, 400), "{target}");
    }
    let response = get(app.address, "http://elsewhere/health", None).await;
    assert_eq!((response.status, response.body.as_str()), (200, "up"));
    // A host that looks like a path is none.
    for target in ["http://health", "http://health?/health", "http:///health"] {
        let (nobody, user) = statuses(&app, &forge, target).await;
        assert!(nobody >= 400 && user >= 400, "{target}: {nobody} {user}");
    }
}

/// grpc-go CVE-2026-33186: `:path` was `pkg.Service/Method`, rules said `/pkg.Service/Method`, and the default allowed it.
#[tokio::test]
async fn a_path_without_its_first_slash_is_refused_and_never_mended() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let server = ResourceServer::builder("shop", clock.clone())
        .route_any("/**", Rule::Anonymous)
        .route_any("/shop.Orders/Cancel", Rule::Authenticated);
    let builder = AppBuilder::new(&clock).with(|_| server);
    let server = builder.trusting_fixed(&forge).server.build().unwrap();
    assert_eq!(
        NormalPath::parse("shop.Orders/Cancel"),
        Err(PathFault::NotAbsolute)
    );
    // HTTP/1.1 has no such target; in HTTP/2 it is a header field like others, and a library may let it through.
    let mut tried = 0;
    for path in ["shop.Orders/Cancel", "*", "shop.Orders", ""] {
        let Ok(path) = PathAndQuery::try_from(path) else {
            continue;
        };
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(path.clone());
        let Ok(uri) = Uri::from_parts(uri) else {
            continue;
        };
        if uri.path().starts_with('/') {
            continue;
        }
        let request = Request::post(uri).body(Body::empty()).unwrap();
        let (status, body) = through(&server, ran_everywhere(), request).await;
        assert_eq!(status, 400, "{path}: {body}");
        assert!(body.contains("ambiguous_path"), "{path}: {body}");
        tried += 1;
    }
    assert!(tried > 0, "no target without a slash could be made");
    let (app, forge) = start().await;
    assert_eq!(
        statuses(&app, &forge, "internal/jobs").await,
        (400, 400),
        "over HTTP/1.1"
    );
}

/// oauth2-proxy CVE-2025-54576 and CVE-2026-40575: skip rules matched a part of the path, or its query.
#[tokio::test]
async fn an_open_rule_is_for_its_whole_path_and_for_nothing_more() {
    let (app, forge) = start().await;
    for target in [
        "/health/",
        "/healthz",
        "/health.json",
        "/health/jobs",
        "/xhealth",
        "/x/health",
        "/HEALTH",
        "/Health",
        "/unlisted?/health",
        "/unlisted?path=/health",
    ] {
        assert_eq!(statuses(&app, &forge, target).await, (401, 403), "{target}");
    }
}

/// oathkeeper GHSA-vhr5-ggp3-qq85, oauth2-proxy CVE-2026-34457 and -41059: headers said which path is asked for, by which
/// method, or that a probe asks.
#[tokio::test]
async fn no_header_says_what_a_request_is_for() {
    let (app, forge) = start().await;
    let headers: [(&str, &[u8]); 16] = [
        ("x-original-url", b"/health"),
        ("x-original-uri", b"/health"),
        ("x-rewrite-url", b"/health"),
        ("x-forwarded-uri", b"/health"),
        ("x-forwarded-path", b"/health"),
        ("x-forwarded-prefix", b"/health"),
        ("x-envoy-original-path", b"/health"),
        ("x-forwarded-host", b"health"),
        ("x-forwarded-for", b"127.0.0.1"),
        ("x-real-ip", b"127.0.0.1"),
        ("x-forwarded-method", b"OPTIONS"),
        ("forwarded", b"for=127.0.0.1;host=shop;proto=https"),
        ("x-http-method-override", b"OPTIONS"),
        ("user-agent", b"kube-probe/1.33"),
        ("user-agent", b"GoogleHC/1.0"),
        ("upgrade", b"websocket"),
    ];
    let user = format!("Bearer {}", forge.user("internal-service orders"));
    for one in headers.chunks(1).chain([&headers[..14]]) {
        let response = send(app.address, b"GET /internal/jobs", one).await;
        assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
        let with_token = [one, &[("authorization", user.as_bytes())]].concat();
        let response = send(app.address, b"GET /internal/jobs", &with_token).await;
        assert_eq!(response.status, 403, "{response:?}");
    }
    // The rule is for GET; what another header calls the method opens nothing.
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ] {
        let headers: [(&str, &[u8]); 2] = [(name, b"GET"), ("authorization", user.as_bytes())];
        let response = send(app.address, b"POST /orders/7", &headers).await;
        assert_eq!(response.status, 403, "{name}: {response:?}");
        let response = send(app.address, b"GET /orders/7?_method=POST", &headers).await;
        assert_eq!(response.status, 200, "{name}: {response:?}");
    }
}

/// Methods are compared letter by letter (RFC 9110 section 9.1).
#[tokio::test]
async fn a_method_in_other_letters_is_another_method() {
    let (app, forge) = start().await;
    let user = format!("Bearer {}", forge.user("orders"));
    for method in ["get", "Get", "GETX", "GE", "TRACE", "PROPFIND"] {
        let line = format!("{method} /orders/7");
        let token: [(&str, &[u8]); 1] = [("authorization", user.as_bytes())];
        let response = send(app.address, line.as_bytes(), &token).await;
        assert_eq!(response.status, 403, "{method}: {response:?}");
        // A rule for all methods is for these too.
        let line = format!("{method} /internal/jobs");
        let response = send(app.address, line.as_bytes(), &[]).await;
        assert_eq!(response.status, 401, "{method}: {response:?}");
    }
}

/// Envoy CVE-2021-21378: in an any-of rule, "may be missing" was satisfied by a token that is bad.
#[tokio::test]
async fn a_bad_token_satisfies_no_alternative() {
    let (app, forge) = start().await;
    let good = forge.user("stock");
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let expired = forge.changed(|_, claims| claims["exp"] = 1.into());
    for token in [unsigned, &format!("{unsigned}."), "a.b.c", &expired] {
        for path in ["/either", "/maybe", "/health"] {
            let response = get(app.address, path, Some(token)).await;
            assert_eq!(
                response.refusal(),
                (401, "invalid_token".to_owned()),
                "{path}"
            );
        }
    }
    assert_eq!(get(app.address, "/either", Some(&good)).await.status, 200);
}

/// A handler for everything, that must not run.
fn ran_everywhere() -> Router {
    Router::new().fallback(|| async { "ran" })
}

/// Sends a request through the layer to these routes.
async fn through(server: &ResourceServer, app: Router, request: Request<Body>) -> (u16, String) {
    let app = app.into_service::<Body>();
    let call = server.layer().layer(app).oneshot(request);
    let response: Result<Response<_>, Infallible> = call.await;
    let (parts, body) = response.unwrap().into_parts();
    let body = to_bytes(Body::new(body), 1 << 16).await.unwrap();
    (
        parts.status.as_u16(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// Handlers that name the rule which they are for.
fn named_routes() -> Router {
    Router::new()
        .route("/open/{*rest}", any(|| async { "open" }))
        .route("/open/", any(|| async { "open" }))
        .route("/open", any(|| async { "open" }))
        .route("/items/{id}", any(|| async { "item" }))
        .route("/items/{id}/secret", any(|| async { "closed" }))
        .route("/admin", any(|| async { "closed" }))
        .route("/admin/", any(|| async { "closed" }))
        .route("/admin/{*rest}", any(|| async { "closed" }))
        .fallback(|| async { "unlisted" })
}

/// Targets that fit the routes, nearly.
fn target() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec!["open", "admin", "items", "secret", "7"]);
    let odd = prop::sample::select(vec![
        "..",
        ".",
        "",
        "%2e%2e",
        "%2E",
        "%61dmin",
        "a%64min",
        "admin%2Fx",
        "7%2Fsecret",
        "7%2fsecret",
        "%2Fadmin",
        "open%2F..%2Fadmin",
        "x%5C..%5Cadmin",
        "admin%3Bx",
        "7%3Bx",
        ";x",
        "admin%00",
        "%252e%252e",
        "%2561dmin",
        "admin%20",
        "%E2%80%AE",
        "ADMIN",
        "admin%23",
        "admin%3F",
    ]);
    let hidden = prop::sample::select(vec![
        "7%2Fsecret",
        "7%5Csecret",
        "7%252Fsecret",
        "7%3Bx%2Fsecret",
    ]);
    let names = prop_oneof![4 => plain, 2 => odd, 1 => hidden];
    let path = prop::collection::vec(names, 1..4).prop_map(|names| names.join("/"));
    let start = prop::sample::select(vec![
        "/",
        "//",
        "",
        "http://shop/",
        "http://admin/",
        "http://shop//",
    ]);
    let end = prop::sample::select(vec!["", "", "", "/", "?x=/open", "#/open", "?#", "//"]);
    (start, path, end).prop_map(|(start, path, end)| format!("{start}{path}{end}"))
}

/// Whether a program that decodes all that it can, takes `\\` for a slash and cuts parameters off, would find a closed path.
fn may_be_read_as_closed(path: &str) -> bool {
    let mut path = path.to_owned();
    for _layer in 0..3 {
        for (escape, character) in [("%25", "%"), ("%2F", "/"), ("%2f", "/"), ("%5C", "/")] {
            path = path.replace(escape, character);
        }
        path = path
            .replace("%3B", ";")
            .replace("%61", "a")
            .replace("%64", "d");
    }
    let names = path
        .split('/')
        .skip(1)
        .map(|it| it.split(';').next().unwrap_or_default());
    matches!(
        names.collect::<Vec<_>>()[..],
        ["admin", ..] | ["items", _, "secret"]
    )
}

fn guard(encoded: EncodedCharacters) -> ResourceServer {
    let clock = test_clock();
    let internal = || Rule::InternalOnly("internal-service".parse().unwrap());
    let forge = Forge::new("internal", &clock);
    let mut settings = SecuritySettings::default();
    settings.paths.allow_encoded = encoded;
    let server = crate::settings::builder(&settings, &clock)
        .route_any("/open", Rule::Anonymous)
        .route_any("/open/**", Rule::Anonymous)
        .route(Method::GET, "/items/{id}", Rule::Anonymous)
        .route_any("/items/{id}/secret", internal())
        .route_any("/admin/**", internal());
    let builder = AppBuilder::new(&clock).with(|_| server);
    builder.trusting_fixed(&forge).server.build().unwrap()
}

#[test]
fn whatever_the_target_no_handler_runs_that_its_rule_or_another_reading_closes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = EncodedCharacters {
        slash: true,
        backslash: true,
        semicolon: true,
        percent: true,
    };
    let (open, items) = (Cell::new(0), Cell::new(0));
    for server in [guard(EncodedCharacters::default()), guard(all)] {
        proptest!(ProptestConfig::with_cases(2_000), |(target in target())| {
            let Ok(request) = Request::get(&target).body(Body::empty()) else { return Ok(()) };
            let closed = may_be_read_as_closed(request.uri().path());
            let (status, body) = runtime.block_on(through(&server, named_routes(), request));
            match status {
                200 => prop_assert!(
                    !closed && matches!(body.as_str(), "open" | "item"),
                    "{target} ran {body}"
                ),
                400 | 401 => {}
                other => prop_assert!(false, "{target}: {other}"),
            }
            open.set(open.get() + u32::from(body == "open"));
            items.set(items.get() + u32::from(body == "item"));
        });
    }
    // The targets came near enough for some to arrive.
    let (open, items) = (open.get(), items.get());
    assert!(open > 20 && items > 5, "{open} {items}");
}
