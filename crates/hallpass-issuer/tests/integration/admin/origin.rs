//! What a browser can be brought to send.

use super::{JSON, Rig, bearer, problem, refused};
use crate::harness::send;

#[tokio::test]
async fn a_page_that_made_its_name_mean_this_address_is_refused_before_its_credentials() {
    let rig = Rig::with(|settings| {
        settings.admin.as_mut().unwrap().hosts = vec!["admin.example".to_owned()];
    })
    .await;
    let token = rig.ops().await;
    for (host, expected) in [
        ("evil.example", 421),
        ("evil.example:9001", 421),
        ("127.0.0.1.evil.example", 421),
        ("admin.example", 200),
        ("localhost:9001", 200),
        ("[::1]", 200),
    ] {
        let headers = [bearer(&token), format!("Host: {host}")];
        let response = rig.raw("GET /admin/v1/keys", &headers, b"").await;
        assert_eq!(response.status, expected, "{host}");
        if expected == 421 {
            assert_eq!(problem(&response), refused(421, "unknown_host"));
            let without = [format!("Host: {host}")];
            let response = rig.raw("GET /admin/v1/keys", &without, b"").await;
            assert_eq!(response.status, 421, "whoever asks");
        }
    }
}

#[tokio::test]
async fn no_page_can_bring_a_browser_to_change_anything() {
    let rig = Rig::start().await;
    let token = rig.ops().await;
    let line = "POST /admin/v1/keys/rotation";
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-origin",
    ] {
        let headers = [bearer(&token), JSON.to_owned(), header.to_owned()];
        let response = rig.raw(line, &headers, b"{}").await;
        assert_eq!(
            problem(&response),
            refused(403, "page_not_allowed"),
            "{header}"
        );
    }
    // What a form can send is no JSON, also where a browser says nothing of the page.
    for kind in [
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: text/plain; application/json",
        "Content-Type: application/jsonx",
        "X-None: x",
    ] {
        let headers = [bearer(&token), kind.to_owned()];
        let response = rig.raw(line, &headers, b"{}").await;
        assert_eq!(
            problem(&response),
            refused(415, "unsupported_media_type"),
            "{kind}"
        );
    }
    let twice = [bearer(&token), JSON.to_owned(), JSON.to_owned()];
    assert_eq!(rig.raw(line, &twice, b"{}").await.status, 415);
    let with_charset = [bearer(&token), format!("{JSON}; charset=utf-8")];
    assert_eq!(rig.raw(line, &with_charset, b"{}").await.status, 200);
    // A preflight is a question like any other: nobody is told that pages may ask.
    let preflight = [
        "Origin: https://evil.example".to_owned(),
        "Access-Control-Request-Method: POST".to_owned(),
    ];
    let response = rig
        .raw("OPTIONS /admin/v1/keys/rotation", &preflight, b"")
        .await;
    assert_eq!(problem(&response), refused(403, "page_not_allowed"));
    let allows = |(name, _): &&(String, String)| name.starts_with("access-control");
    assert!(!response.headers.iter().any(|header| allows(&header)));
}

#[tokio::test]
async fn the_listener_for_administrators_serves_nothing_else_and_that_for_tokens_no_administrators()
{
    let rig = Rig::start().await;
    let token = rig.ops().await;
    for path in ["/oauth2/jwks", "/metrics", "/health/ready", "/oauth2/token"] {
        let response = rig.get(path, &token).await;
        assert_eq!(problem(&response), refused(404, "not_found"), "{path}");
    }
    let line = "GET /admin/v1/keys";
    let bytes = crate::harness::request(line, &[bearer(&token)], b"");
    assert_eq!(send(rig.harness.address(), &bytes).await.status, 404);
}
