//! Beside real Spring programs: a stock resource server, and Spring Authorization Server. Skipped, with a line that says so,
//! where there is no JDK, no Maven or no way to get packages.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod authorization_server;
mod java;
mod resource_server;

use hallpass::upstream::{Body, HttpTransport};
use http::{Request, StatusCode, header};
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
