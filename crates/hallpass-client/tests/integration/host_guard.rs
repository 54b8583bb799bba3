//! No token for another host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use hallpass_client::{CallError, ClientMetrics, HostGuardLayer, HostRefusal};
use hallpass_upstream::{Body, Instance, Target, TransportError};
use http::header::{AUTHORIZATION, HOST};
use http::{Request, Response, Uri};
use tower::{Layer, ServiceExt};

fn instance(text: &str) -> Instance {
    text.parse().unwrap()
}

/// A request for `orders`, sent to the instance that was chosen for it.
fn request() -> Request<Body> {
    let mut request = Request::get("/orders?id=7")
        .header(AUTHORIZATION, "Bearer t")
        .body(Body::empty())
        .unwrap();
    Target::new("orders", instance("10.0.0.1:8080"))
        .apply_to(&mut request)
        .unwrap();
    request
}

/// What the guard says, and whether the transport saw the request.
async fn send(request: Request<Body>) -> (Result<(), CallError>, bool) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let transport = tower::service_fn(move |_: Request<Body>| {
        seen.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, TransportError>(Response::new(Body::empty())) }
    });
    let outcome = HostGuardLayer::new("orders")
        .layer(transport)
        .oneshot(request)
        .await;
    (outcome.map(drop), calls.load(Ordering::Relaxed) == 1)
}

async fn refusal(request: Request<Body>) -> HostRefusal {
    match send(request).await {
        (Err(CallError::HostRefused(refusal)), false) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_to_the_chosen_instance_passes_with_its_path_and_query() {
    let request = request();
    assert_eq!(request.uri(), "http://10.0.0.1:8080/orders?id=7");
    assert_eq!(send(request).await, (Ok(()), true));
}

#[tokio::test]
async fn an_absolute_url_to_another_host_port_or_scheme_is_refused() {
    for elsewhere in [
        "http://evil.example/orders",
        "http://10.0.0.1:8081/orders",
        "http://10.0.0.1/orders",
        "https://10.0.0.1:8080/orders",
        "http://10.0.0.1:8080@evil.example/orders",
        "http://user@10.0.0.1:8080/orders",
        "/orders",
    ] {
        let mut request = request();
        *request.uri_mut() = elsewhere.parse::<Uri>().unwrap();
        assert_eq!(
            refusal(request).await,
            HostRefusal::OtherAuthority,
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn a_host_header_that_names_the_chosen_instance_passes_and_no_other_one() {
    let with_host = |host: &'static str| {
        let mut request = request();
        request.headers_mut().insert(HOST, host.parse().unwrap());
        request
    };
    assert_eq!(send(with_host("10.0.0.1:8080")).await, (Ok(()), true));
    for other in ["evil.example", "10.0.0.1", "10.0.0.1:8081"] {
        assert_eq!(
            refusal(with_host(other)).await,
            HostRefusal::OtherHostHeader
        );
    }
}

#[tokio::test]
async fn a_call_waits_until_the_transport_is_ready() {
    let transport = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, TransportError>(Response::new(Body::empty()))
    });
    let busy = tower::limit::ConcurrencyLimit::new(transport, 0);
    let mut guarded = HostGuardLayer::new("orders").layer(busy);
    assert!(guarded.ready().now_or_never().is_none());
}

#[tokio::test]
async fn a_host_header_that_names_another_host_is_refused() {
    let mut request = request();
    request
        .headers_mut()
        .insert(HOST, "10.0.0.1:8080".parse().unwrap());
    request
        .headers_mut()
        .append(HOST, "evil.example".parse().unwrap());
    assert_eq!(refusal(request).await, HostRefusal::OtherHostHeader);
}

#[tokio::test]
async fn an_instance_of_another_service_is_refused() {
    let mut request = request();
    Target::new("billing", instance("10.0.0.1:8080"))
        .apply_to(&mut request)
        .unwrap();
    assert_eq!(refusal(request).await, HostRefusal::OtherService);
}

#[tokio::test]
async fn without_a_chosen_instance_only_a_request_without_identity_passes() {
    let mut request = request();
    request.extensions_mut().clear();
    assert_eq!(refusal(request).await, HostRefusal::NoTarget);
    let anonymous = Request::get("http://weather.example/")
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(anonymous).await, (Ok(()), true));
}

#[tokio::test]
async fn even_a_request_without_identity_does_not_leave_for_another_host_than_chosen() {
    let mut request = request();
    request.headers_mut().remove(AUTHORIZATION);
    *request.uri_mut() = "http://evil.example/".parse().unwrap();
    assert_eq!(refusal(request).await, HostRefusal::OtherAuthority);
}

#[tokio::test]
async fn refusals_are_counted() {
    let metrics = ClientMetrics::new();
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut request = request();
    *request.uri_mut() = "http://evil.example/".parse().unwrap();
    let transport = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, TransportError>(unreachable())
    });
    let guarded = HostGuardLayer::new("orders")
        .metrics(&metrics)
        .layer(transport);
    guarded.oneshot(request).await.unwrap_err();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(
        text.contains(r#"hallpass_foreign_host_refused_total{service="orders"} 1"#),
        "{text}"
    );
}

fn unreachable() -> TransportError {
    panic!("the request was sent")
}
