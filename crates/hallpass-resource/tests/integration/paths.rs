//! Path tricks over the wire, identity headers, and the metadata document.

use hallpass_resource::{ResourceServer, Rule};
use http::Method;

use crate::support::{App, AppBuilder, Forge, get, send, test_clock};

async fn start() -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    (app, forge)
}

#[tokio::test]
async fn no_way_of_writing_a_path_leads_around_its_rule() {
    let (app, forge) = start().await;
    let token = format!("Bearer {}", forge.user("orders"));
    let tricks: [&[u8]; 22] = [
        b"/health/../internal/jobs",
        b"/health/..;/internal/jobs",
        b"/./internal/jobs",
        b"//internal/jobs",
        b"/internal//jobs",
        b"/health/%2e%2e/internal/jobs",
        b"/health/%2E./internal/jobs",
        b"/health%2f..%2finternal/jobs",
        b"/internal%2Fjobs",
        b"/internal%5cjobs",
        b"/internal\\jobs",
        b"/internal;x=1/jobs",
        b"/internal%3Bx/jobs",
        b"/internal/jobs%00",
        b"/internal/jobs%00.css",
        b"/internal/jobs%0d%0a",
        b"/%252e%252e/internal/jobs",
        b"/internal%252fjobs",
        b"/internal/%zz",
        b"/internal/%",
        b"/%c0%ae%c0%ae/internal/jobs",
        b"/orders/%ff",
    ];
    for trick in tricks {
        for headers in [&[][..], &[("authorization", token.as_bytes())]] {
            let response = send(app.address, &[b"GET ", trick].concat(), headers).await;
            // Some never get past the HTTP parser, which gives a 400 by itself.
            assert_eq!(
                response.status,
                400,
                "{} {response:?}",
                trick.escape_ascii()
            );
            if !response.body.is_empty() {
                assert_eq!(response.refusal().1, "ambiguous_path");
                assert_eq!(response.header("www-authenticate"), None);
            }
        }
    }
}

#[tokio::test]
async fn targets_without_a_path_are_refused() {
    let (app, _) = start().await;
    for line in ["OPTIONS *", "CONNECT shop:80"] {
        let response = send(app.address, line.as_bytes(), &[]).await;
        assert!(matches!(response.status, 400 | 405), "{line}: {response:?}");
    }
}

#[tokio::test]
async fn an_escaped_letter_reaches_neither_the_rule_nor_the_handler_of_another_path() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let server = ResourceServer::builder("shop", clock.clone())
        .route_any("/{page}", Rule::Anonymous)
        .route_any("/headers", Rule::Authenticated)
        .route(Method::GET, "/orders/{id}", Rule::Anonymous);
    let app = AppBuilder::new(&clock)
        .with(|_| server)
        .trusting_fixed(&forge)
        .start()
        .await;
    for path in ["/%68eaders", "/header%73", "/h%65ad%65rs"] {
        assert_eq!(
            get(app.address, path, None).await.refusal(),
            (400, "ambiguous_path".to_owned()),
            "{path}"
        );
    }
    // Escapes in a value are common and harmless, and arrive as they were sent.
    let response = get(app.address, "/orders/a%20b%7Ec%2D1", None).await;
    assert_eq!(
        (response.status, response.body.as_str()),
        (200, "/orders/a%20b%7Ec%2D1")
    );
}

#[tokio::test]
async fn the_query_is_no_part_of_the_path() {
    let (app, forge) = start().await;
    let token = forge.user("orders");
    let response = get(
        app.address,
        "/orders/7?next=/../internal//x;y=%00",
        Some(&token),
    )
    .await;
    assert_eq!(
        (response.status, response.body.as_str()),
        (200, "/orders/7")
    );
    assert_eq!(
        get(app.address, "/internal/jobs?/health", Some(&token))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn identity_headers_from_outside_never_arrive() {
    let (app, forge) = start().await;
    let token = format!("Bearer {}", forge.user(""));
    let forged: [(&str, &[u8]); 9] = [
        ("X-User-Id", b"forged"),
        ("x-user-id", b"forged"),
        ("X_User_Id", b"forged"),
        ("X-User_ID", b"forged"),
        ("X-Username", b"forged"),
        ("x_username", b"forged"),
        ("X-AUTHORITIES", b"forged"),
        ("x_authorities", b"forged"),
        ("authorization", token.as_bytes()),
    ];
    for headers in [&forged[..], &forged[..8]] {
        let response = send(app.address, b"GET /headers", headers).await;
        assert_eq!(response.status, 200);
        assert!(!response.body.contains("forged"), "{}", response.body);
    }
    assert!(app.metric("hallpass_header_stripped_total{header=\"x-user-id\"}") >= 4.0);
}

#[tokio::test]
async fn identity_headers_are_written_from_the_token_when_asked_for() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let builder = AppBuilder::new(&clock).trusting_fixed(&forge);
    let app = builder
        .with(|server| server.write_identity_headers(true))
        .start()
        .await;
    let token = format!("Bearer {}", forge.user("orders stock"));
    let headers: [(&str, &[u8]); 2] = [("authorization", token.as_bytes()), ("X-User-Id", b"root")];
    let body = send(app.address, b"GET /headers", &headers).await.body;
    assert!(body.contains("\"x-user-id\": \"alice\""), "{body}");
    assert!(
        body.contains("\"x-authorities\": \"SCOPE_orders,SCOPE_stock\""),
        "{body}"
    );
    assert!(!body.contains("root"), "{body}");
    // Without a token there is nothing to write.
    let body = send(app.address, b"GET /headers", &[("X-User-Id", b"root")])
        .await
        .body;
    assert!(!body.contains("x-user-id"), "{body}");
}

#[tokio::test]
async fn the_metadata_document_is_served_openly_and_named_in_challenges() {
    let clock = test_clock();
    let forge = Forge::new("https://issuer.example", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.resource("https://shop.example/api".parse().unwrap()))
        .start()
        .await;
    let path = "/.well-known/oauth-protected-resource/api";
    let response = get(app.address, path, None).await;
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some("application/json"))
    );
    let document: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(document["resource"], "https://shop.example/api");
    assert_eq!(
        document["authorization_servers"],
        serde_json::json!(["https://issuer.example"])
    );
    assert_eq!(
        document["scopes_supported"],
        serde_json::json!(["internal-service", "orders", "stock"])
    );

    let request = |method| http::Request::builder().method(method).uri(path);
    for (method, is_it) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::POST, false),
    ] {
        let (parts, ()) = request(method).body(()).unwrap().into_parts();
        let explained = app.server.explain(&parts).await;
        assert_eq!(
            (explained.is_for_metadata, explained.passes()),
            (is_it, is_it)
        );
    }

    let challenge = get(app.address, "/whoami", None).await;
    let named = format!("Bearer realm=\"shop\", resource_metadata=\"https://shop.example{path}\"");
    assert_eq!(challenge.header("www-authenticate"), Some(named.as_str()));
    // Without the setting there is no such path.
    let (app, _) = start().await;
    assert_eq!(get(app.address, path, None).await.status, 401);
}

#[tokio::test]
async fn rules_are_listed_as_they_stand() {
    let (app, _) = start().await;
    let rules: Vec<_> = app.server.rules().iter().map(ToString::to_string).collect();
    assert!(
        rules.contains(&"GET /orders/{id} scopes(all: orders) [enforce, code]".to_owned()),
        "{rules:?}"
    );
    assert!(
        rules
            .contains(&"* /internal/** internal-only(internal-service) [enforce, code]".to_owned())
    );
    assert_eq!(rules.len(), 7);
}
