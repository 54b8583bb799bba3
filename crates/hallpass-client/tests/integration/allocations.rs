//! What a call with a token in memory costs.

use hallpass_client::{Identity, ReplayLayer};
use hallpass_upstream::{Body, TransportError};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use tower::{Layer, Service};

use crate::mirror::{plain, setup};

#[tokio::test(start_paused = true)]
async fn a_service_token_in_memory_is_added_without_an_allocation() {
    let setup = setup();
    setup.tokens.token().await.unwrap();
    let callee = tower::service_fn(|request: Request<Body>| {
        assert!(request.headers().contains_key("authorization"));
        std::future::ready(Ok::<_, TransportError>(Response::new(request.into_body())))
    });
    let mut with_layer = setup.layer(Identity::Service).layer(callee);
    let request = plain();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let counted = allocation_counter::measure(|| {
        let call = std::pin::pin!(with_layer.call(request));
        assert!(Future::poll(call, &mut context).is_ready());
    });
    assert_eq!(counted.count_total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_the_replay_layer_costs_no_allocation_and_one_with_many_headers() {
    let setup = setup();
    setup.tokens.token().await.unwrap();
    let callee = tower::service_fn(|request: Request<Body>| {
        std::future::ready(Ok::<_, TransportError>(Response::new(request.into_body())))
    });
    let service = setup.layer(Identity::Service).layer(callee);
    let mut replay = ReplayLayer::new(setup.tokens.clone()).layer(service);
    // The first one of a thread makes the place that the next ones use, and the list of places.
    for (more, expected) in [(0, 2), (0, 0), (3, 1), (0, 0)] {
        let mut request = plain();
        // Written in code, like the name below: text that was put together for a call is shared by its first copy, which costs another.
        *request.uri_mut() = Uri::from_static("http://127.0.0.1:1/orders");
        let headers = request.headers_mut();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        let other = HeaderName::from_static("x-other");
        headers.insert(other, HeaderValue::from_static("1"));
        for name in ["x-first", "x-second", "x-third"].into_iter().take(more) {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static("1"));
        }
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let counted = allocation_counter::measure(|| {
            let call = std::pin::pin!(replay.call(request));
            assert!(Future::poll(call, &mut context).is_ready());
        });
        assert_eq!(counted.count_total, expected, "{more} more headers");
    }
}
