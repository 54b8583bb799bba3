//! Programs that make their requests themselves.

use std::time::Duration;

use bytes::Bytes;
use hallpass_client::TokenFeignSettings;
use hallpass_client::context::{self, CaptureContextLayer};
use hallpass_config::Loader;
use hallpass_feign::{ArgumentProblem, FeignError, FeignSettings, Identity, ServiceCaller};
use hallpass_upstream::Body;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};

use crate::support::{Answer, Upstream, caller, runtime};

async fn answering(status: StatusCode) -> (Upstream, ServiceCaller) {
    let upstream = Upstream::answering(move |_, _| (status, [("x-own", "1")], "said")).await;
    let feign = runtime(&[&upstream]).build();
    let service = feign.caller("service-a").identity(Identity::Relay);
    (upstream, service.build().unwrap())
}

fn get(target: &str) -> Request<Body> {
    Request::get(target).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_goes_to_its_service_with_the_identity_of_the_caller_and_nothing_of_another() {
    let (upstream, service) = answering(StatusCode::OK).await;
    let request = Request::put("https://evil.example/orders/7?x=1")
        .header("authorization", "Bearer somebody-elses")
        .header("dpop", "somebody-elses")
        .header("host", "evil.example")
        .header("connection", "x-hop")
        .header("x-trace", "abc")
        .body(Body::from("new"))
        .unwrap();
    let response = context::scope(caller("anna"), service.send(request))
        .await
        .unwrap();
    assert_eq!(response.headers()["x-own"], "1");
    let body = response.into_body().collect_within(10).await.unwrap();
    assert_eq!(body, "said");
    let seen = upstream.only();
    assert_eq!((&*seen.method, &*seen.target), ("PUT", "/orders/7?x=1"));
    assert_eq!(seen.authorization(), Some("Bearer token-of-anna"));
    assert_eq!(seen.header("host"), Some(upstream.address()));
    assert_eq!(seen.header("x-trace"), Some("abc"));
    assert_eq!(
        (seen.header("dpop"), seen.header("connection")),
        (None, None)
    );
    assert_eq!(&*seen.body, "new");
}

#[tokio::test]
async fn without_a_caller_nothing_is_sent_and_with_no_identity_no_credential_leaves() {
    let (upstream, service) = answering(StatusCode::OK).await;
    let error = service.send(get("/mine")).await.unwrap_err();
    assert_eq!(error, FeignError::NoIdentity);
    assert!(upstream.seen().is_empty());
    let feign = runtime(&[&upstream]).build();
    let service = feign.caller("service-a").identity(Identity::None);
    let service = service.build().unwrap();
    let mut request = get("/open");
    let smuggled = "Bearer somebody-elses".parse().unwrap();
    request.headers_mut().insert("authorization", smuggled);
    context::scope(caller("anna"), service.send(request))
        .await
        .unwrap();
    assert_eq!(upstream.only().authorization(), None);
}

#[tokio::test]
async fn below_a_tower_buffer_the_identity_is_that_of_the_request() {
    let (upstream, service) = answering(StatusCode::OK).await;
    let buffered = tower::buffer::Buffer::new(service, 4);
    let service = CaptureContextLayer::new().layer(buffered);
    for name in ["anna", "bob"] {
        context::scope(caller(name), service.clone().oneshot(get("/mine")))
            .await
            .unwrap();
    }
    let expected = ["anna", "bob"].map(|name| Some(format!("Bearer token-of-{name}")));
    assert_eq!(upstream.identities(), expected);
}

#[tokio::test]
async fn a_call_is_for_whoever_called_though_another_polls_it() {
    let (upstream, mut service) = answering(StatusCode::OK).await;
    let call = context::sync_scope(caller("anna"), || service.call(get("/mine")));
    context::scope(caller("bob"), call).await.unwrap();
    let expected = [Some("Bearer token-of-anna".to_owned())];
    assert_eq!(upstream.identities(), expected);
}

#[tokio::test]
async fn a_response_is_handed_on_whatever_its_status_and_redirects_are_not_followed() {
    for status in [302, 404, 409, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        let (upstream, service) = answering(status).await;
        let call = service.send(get("/mine"));
        let response = context::scope(caller("anna"), call).await.unwrap();
        assert_eq!(response.status(), status);
        let body = response.into_body().collect_within(10).await.unwrap();
        assert_eq!(body, "said");
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_sent_again_and_a_stream_passes_the_retry_layer_once() {
    let (upstream, service) = answering(StatusCode::SERVICE_UNAVAILABLE).await;
    let sent = async |method: Method, body: Body| {
        let before = upstream.seen().len();
        let mut request = get("/x").map(|_| body);
        *request.method_mut() = method;
        let call = context::scope(caller("anna"), service.send(request));
        let status = call.await.unwrap().status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        upstream.seen().len() - before
    };
    assert!(sent(Method::PUT, Body::from("x")).await > 1);
    assert!(sent(Method::GET, Body::wrap(Body::empty())).await > 1);
    assert_eq!(sent(Method::POST, Body::from("x")).await, 1);
    assert_eq!(sent(Method::PUT, Body::wrap(Body::from("x"))).await, 1);
    // Any other body is a stream.
    let request = Request::put("/x")
        .body(Full::new(Bytes::from("x")))
        .unwrap();
    let before = upstream.seen().len();
    context::scope(caller("anna"), service.send(request))
        .await
        .unwrap();
    assert_eq!(upstream.seen().len() - before, 1);
}

#[tokio::test]
async fn settings_of_the_client_count_for_it() {
    let upstream = Upstream::scripted(|_, _| -> Answer { Box::pin(std::future::pending()) }).await;
    let yaml = format!(
        "
hallpass:
  feign:
    clients:
      service-a: {{ identity: none, deadline-ms: 100, url: 'http://{}/estate', headers: {{ X-A: [1] }} }}
",
        upstream.address()
    );
    let settings = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let settings: FeignSettings = settings.load().unwrap().into_settings();
    let feign = runtime(&[]).settings(&settings, &TokenFeignSettings::default());
    let service = feign.build().caller("service-a").build().unwrap();
    let error = service.send(get("/orders")).await.unwrap_err();
    let limit = Duration::from_millis(100);
    assert_eq!(error, FeignError::Deadline { limit });
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.target, "/estate/orders");
    assert_eq!(
        (seen.header("x-a"), seen.authorization()),
        (Some("1"), None)
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_a_call_is_refused() {
    let (upstream, service) = answering(StatusCode::OK).await;
    let long = format!("/{}", "x".repeat(8 * 1024));
    for (method, target, argument, problem) in [
        (Method::TRACE, "/", "method", ArgumentProblem::Verb),
        (Method::OPTIONS, "*", "path", ArgumentProblem::NotPlain),
        (Method::GET, &*long, "path", ArgumentProblem::TooLong),
    ] {
        let mut request = get(target);
        *request.method_mut() = method;
        let error = context::scope(caller("anna"), service.send(request)).await;
        let expected = FeignError::InvalidArgument { argument, problem };
        assert_eq!(error.unwrap_err(), expected);
    }
    assert!(upstream.seen().is_empty());
}
