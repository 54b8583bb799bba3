//! Notes when a request goes out.
//!
//! It stands below everything that may wait or refuse on this side (token, replay, host guard), so that the breaker
//! judges an instance by what the instance did.

use std::sync::Arc;
use std::task::{Context, Poll};

use hallpass_clock::Clock;
use hallpass_upstream::Body;
use http::Request;
use tower::Service;

use crate::ongoing_attempt::OngoingAttempt;

/// Writes the time of sending into the [`OngoingAttempt`], which it finds in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Sent<S> {
    inner: S,
    clock: Arc<dyn Clock>,
}

impl<S> Sent<S> {
    pub(crate) fn new(inner: S, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Sent<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        if let Some(attempt) = request.extensions().get::<Arc<OngoingAttempt>>() {
            attempt.sent(self.clock.monotonic());
        }
        self.inner.call(request)
    }
}
