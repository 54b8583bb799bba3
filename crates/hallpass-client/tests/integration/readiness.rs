//! A service that was polled ready is the one that is called: a clone of it was not.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use hallpass_client::context::CaptureContextLayer;
use hallpass_client::{HostGuardLayer, Identity, ReplayLayer};
use hallpass_upstream::{Body, Instance, Target, TransportError};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt};

use crate::mirror::{plain, setup};

/// As tower's limits and buffers are: a call uses up what `poll_ready` has got, and a clone begins with nothing.
struct Probe {
    is_ready: bool,
    status: StatusCode,
}

impl Probe {
    const fn answering(status: StatusCode) -> Self {
        Self {
            is_ready: false,
            status,
        }
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self::answering(self.status)
    }
}

impl Service<Request<Body>> for Probe {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = Ready<Result<Response<Body>, TransportError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        assert!(self.is_ready, "called without having been polled ready");
        self.is_ready = false;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        ready(Ok(response))
    }
}

/// Twice by the same service, as by a client that is kept.
async fn called_twice<S>(mut service: S, request: impl Fn() -> Request<Body>) -> StatusCode
where
    S: Service<Request<Body>, Response = Response<Body>, Error: std::fmt::Debug>,
{
    let first = service.ready().await.unwrap().call(request());
    let first = first.await.unwrap().status();
    let again = service.ready().await.unwrap().call(request());
    assert_eq!(again.await.unwrap().status(), first);
    first
}

#[tokio::test(start_paused = true)]
async fn the_readied_clone_is_the_one_that_is_called() {
    let probe = Probe::answering(StatusCode::OK);
    let captured = CaptureContextLayer::new().layer(probe.clone());
    assert_eq!(called_twice(captured, plain).await, StatusCode::OK);

    // Once without a token in memory, once with one.
    let own = setup();
    let bearer = own.layer(Identity::Service).layer(probe.clone());
    assert_eq!(called_twice(bearer, plain).await, StatusCode::OK);

    let guarded = HostGuardLayer::new("orders").layer(probe);
    let chosen = || {
        let mut request = Request::get("/").body(Body::empty()).unwrap();
        let instance: Instance = "10.0.0.1:8080".parse().unwrap();
        let target = Target::new("orders", instance);
        target.apply_to(&mut request).unwrap();
        request
    };
    assert_eq!(called_twice(guarded, chosen).await, StatusCode::OK);

    // The second attempt of a call that was rejected is polled ready by itself.
    let rejected = setup();
    let callee = Probe::answering(StatusCode::UNAUTHORIZED);
    let bearer = rejected.layer(Identity::Service).layer(callee);
    let replayed = ReplayLayer::new(rejected.tokens.clone()).layer(bearer);
    let status = called_twice(replayed, plain).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
#[should_panic(expected = "polled ready")]
async fn a_layer_that_calls_a_fresh_clone_is_found() {
    let probe = Probe::answering(StatusCode::OK);
    let careless = tower::service_fn(move |request: Request<Body>| probe.clone().call(request));
    called_twice(careless, plain).await;
}
