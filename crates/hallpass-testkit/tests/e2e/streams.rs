//! Streams end when the issuer takes the token back that they were begun with.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use hallpass::config::Loader;
use hallpass::resource::Rule;
use hallpass::upstream::HttpTransport;
use hallpass::{Hallpass, Settings};
use hallpass_issuer::RevocationTarget;
use hallpass_testkit::{TestIssuer, TestServer};
use http::Request;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::revocation::{jti, token};

const SOON: Duration = Duration::from_secs(1);

/// A service whose one stream never ends by itself.
async fn service(issuer: &TestIssuer) -> TestServer {
    let yaml = format!(
        "hallpass:\n  service: {{ name: service-system }}\n  security:\n    internal-jwt:\n      jwks-url: \"{}\"\n",
        issuer.jwks_url()
    );
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings: Settings = settings.load().unwrap().into_settings();
    let hallpass = Hallpass::builder(&settings).build().unwrap();
    let server = hallpass.resource_server();
    let server = server
        .route_any("/events", Rule::Authenticated)
        .build()
        .unwrap();
    let events = || async {
        let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from("data: 1\n\n"))]);
        let rest = futures_util::stream::pending();
        Body::from_stream(futures_util::StreamExt::chain(first, rest))
    };
    let router = Router::new().route("/events", get(events));
    TestServer::start(router.layer(server.layer()))
        .await
        .unwrap()
}

/// The body of a stream that has begun.
async fn begun(service: &TestServer, token: &str) -> hallpass::upstream::Body {
    let request =
        Request::get(service.url("/events")).header("authorization", format!("Bearer {token}"));
    let request = request.body(hallpass::upstream::Body::empty()).unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
    body
}

/// How long it takes until the stream is broken off.
async fn until_broken(mut body: hallpass::upstream::Body) -> Duration {
    let began = Instant::now();
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await;
    let frame = frame.expect("it goes on");
    assert!(
        frame.is_some_and(|frame| frame.is_err()),
        "its reader can tell"
    );
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_within_a_second_after_a_revocation_and_after_a_taint_and_others_go_on() {
    let issuer = TestIssuer::start().await.unwrap();
    let service = service(&issuer).await;
    let (one, two) = (token(&issuer).await, token(&issuer).await);
    let (first, mut second) = (begun(&service, &one).await, begun(&service, &two).await);
    issuer
        .revoke(&RevocationTarget::Token(jti(&one)))
        .await
        .unwrap();
    let took = until_broken(first).await;
    assert!(took < SOON, "{took:?}");
    let waited = tokio::time::timeout(Duration::from_millis(100), second.frame()).await;
    assert!(waited.is_err(), "the other goes on");

    issuer.taint_signing_key().await.unwrap();
    let took = until_broken(second).await;
    assert!(took < SOON, "{took:?}");
}
