//! Programs that make their requests themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hallpass_client::context::{self, AllowList, CallContext, CaptureContextLayer};
use hallpass_client::{ContextSettings, TokenFeignSettings};
use hallpass_config::Loader;
use hallpass_feign::{ArgumentProblem, FeignError, FeignSettings, Identity, ServiceCaller};
use hallpass_upstream::{Body, TransportError};
use http::{HeaderName, Method, Request, Response, StatusCode};
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

#[tokio::test]
async fn the_deadline_of_a_caller_goes_over_the_configuration_as_that_of_a_builder_does() {
    let upstream = Upstream::scripted(|_, _| -> Answer { Box::pin(std::future::pending()) }).await;
    let settings = |yaml: &str| {
        let settings = Loader::new("hallpass").text("settings", yaml);
        settings.load::<FeignSettings>().unwrap().into_settings()
    };
    for yaml in [
        "hallpass: { feign: { defaults: { deadline-ms: 20000 } } }",
        "hallpass: { feign: { clients: { service-a: { deadline-ms: 20000 } } } }",
    ] {
        let feign = runtime(&[&upstream]).settings(&settings(yaml), &TokenFeignSettings::default());
        let service = feign.build().caller("service-a").identity(Identity::None);
        let limit = Duration::from_millis(50);
        let service = service.deadline(limit).build().unwrap();
        let error = service.send(get("/orders")).await.unwrap_err();
        assert_eq!(error, FeignError::Deadline { limit }, "{yaml}");
    }
}

/// Settings in which a tenant travels beside the identity.
fn with_tenant() -> FeignSettings {
    FeignSettings {
        context: ContextSettings {
            headers: AllowList::new(["X-Tenant-Id"]).unwrap(),
            ..ContextSettings::default()
        },
        ..FeignSettings::default()
    }
}

/// What is left of these headers of a request.
async fn handed_on(identity: Identity, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let upstream = Upstream::answering(|_, _| StatusCode::OK).await;
    let feign = runtime(&[&upstream]).settings(&with_tenant(), &TokenFeignSettings::default());
    let feign = feign.build();
    let service = feign.caller("service-a").identity(identity);
    let service = service.pass_header(HeaderName::from_static("x-partner-key"));
    let mut request = get("/x");
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let service = service.build().unwrap();
    let context = CallContext::default()
        .with_identity(caller("anna"))
        .with_header(
            HeaderName::from_static("x-tenant-id"),
            "north".parse().unwrap(),
        );
    context::scope_all(context, service.send(request))
        .await
        .unwrap();
    let seen = upstream.only();
    let names = headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let left = names.filter_map(|name| Some((seen.header(&name)?.to_owned(), name)));
    let mut left: Vec<_> = left.map(|(value, name)| (name, value)).collect();
    left.dedup();
    left
}

#[tokio::test]
async fn a_third_party_gets_nothing_of_who_asked_nor_of_how_long_he_waits() {
    let left = handed_on(
        Identity::None,
        &[
            ("Cookie", "session=7"),
            ("X-User-Id", "anna"),
            ("x_user_id", "anna"),
            ("X.Authorities", "ROLE_ADMIN"),
            ("X~Username", "anna"),
            ("X-Api-Key", "ours"),
            ("x~api~key", "ours"),
            ("X-Auth-Token", "ours"),
            ("X-Tenant-Id", "south"),
            ("X_Tenant_Id", "south"),
            ("X-Request-Timeout-Ms", "1"),
            ("grpc-timeout", "1S"),
            ("x-envoy-expected-rq-timeout-ms", "1"),
            ("tracestate", "a=b"),
            ("baggage", "user=anna"),
            ("Connection", "x-hop, close"),
            ("X-Hop", "1"),
            ("X-Partner-Key", "theirs"),
            ("X-Else", "2"),
        ],
    )
    .await;
    let expected = [("x-partner-key", "theirs"), ("x-else", "2")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_service_of_ours_gets_the_context_of_the_call_and_not_of_the_request_and_no_more_time_than_there_is()
 {
    let left = handed_on(
        Identity::Relay,
        &[
            ("Cookie", "theme=dark"),
            ("X_User_Id", "bob"),
            ("X-Tenant-Id", "south"),
            ("X-Request-Timeout-Ms", "3600000"),
            ("Connection", "x-hop"),
            ("X-Hop", "1"),
        ],
    )
    .await;
    let of = |name: &str| {
        let mut all = left.iter().filter(|(it, _)| it == name);
        all.next().map(|(_, value)| value.as_str())
    };
    assert_eq!(of("cookie"), Some("theme=dark"));
    assert_eq!(of("x-tenant-id"), Some("north"), "that of the context");
    let told: u64 = of("x-request-timeout-ms").unwrap().parse().unwrap();
    assert!(told <= 5_000, "{told}");
    assert_eq!((of("x_user_id"), of("x-hop")), (None, None));
}

#[tokio::test]
async fn below_a_path_of_the_client_no_request_leads_out_of_it() {
    let upstream = Upstream::answering(|_, _| StatusCode::OK).await;
    let feign = runtime(&[]).build();
    let url = format!("http://{}/api/v1", upstream.address());
    let service = feign.caller("service-a").identity(Identity::None);
    let service = service.url(url.parse().unwrap()).build().unwrap();
    for path in [
        "/../admin",
        "/a/..",
        "/./b",
        "/%2e%2e/admin",
        "/a%2f..%2f..%2fadmin",
        "/..%5cadmin",
        "/..;x=1/admin",
        "/%2e.;/admin",
    ] {
        let error = service.send(get(path)).await.unwrap_err();
        let expected = FeignError::InvalidArgument {
            argument: "path",
            problem: ArgumentProblem::DotSegment,
        };
        assert_eq!(error, expected, "{path}");
    }
    for path in ["/a..b/...?x=/../y", "/.hidden", "/"] {
        service.send(get(path)).await.unwrap();
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.target, format!("/api/v1{path}"));
    }
}

#[tokio::test]
async fn a_transport_of_ones_own_is_told_what_is_left_of_the_deadline() {
    let told = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&told);
    let transport = tower::service_fn(move |request: Request<Body>| {
        *seen.lock().unwrap() = request.headers().get("x-request-timeout-ms").cloned();
        async { Ok::<_, TransportError>(Response::new(Body::empty())) }
    });
    let feign = runtime(&[]).build();
    let service = feign.caller("service-a").identity(Identity::Relay);
    let service = service.url("http://127.0.0.1:1".parse().unwrap());
    let service = service.build().unwrap();
    let call = service.send_through(transport, get("http://127.0.0.1:1/x"));
    context::scope(caller("anna"), call).await.unwrap();
    assert!(told.lock().unwrap().is_some());
}
