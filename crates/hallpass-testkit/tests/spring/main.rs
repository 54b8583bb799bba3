//! Beside real Spring programs: a stock resource server, and Spring Authorization Server. Skipped, with a line that says so,
//! where there is no JDK, no Maven or no way to get packages.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod authorization_server;
mod bound;
mod client;
mod foreign_issuer;
mod guide;
mod java;
mod keycloak;
mod keycloak_policy;
mod nacos;
mod opaque;
mod resource_server;
mod shapes;

use guide::block as guide_block;
use hallpass::upstream::{Body, HttpTransport};
use http::{Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt as _;

/// A response, for tests that look at both.
struct Seen {
    status: StatusCode,
    body: String,
}

async fn get(url: &str, token: Option<&str>) -> Seen {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    send(request.body(Body::empty()).unwrap()).await
}

/// A token of an issuer's client for these further parameters, as any client gets one.
async fn service_token(url: &str, client: &str, secret: &str, parameters: &str) -> String {
    let form = format!(
        "grant_type=client_credentials&client_id={client}&client_secret={secret}&{parameters}"
    );
    let request = Request::post(url).header("content-type", "application/x-www-form-urlencoded");
    let seen = send(request.body(Body::from(form)).unwrap()).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let token = body.get("access_token").and_then(Value::as_str);
    token.unwrap().to_owned()
}

async fn send(request: Request<Body>) -> Seen {
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status();
    let body = response
        .into_body()
        .collect_within(64 * 1024)
        .await
        .unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    Seen { status, body }
}
