//! Notes when a request goes out, and tells the callee how long it has.
//!
//! It stands below everything that may wait or refuse on this side (token, replay, host guard), so that the breaker
//! judges an instance by what the instance did, and the callee is not promised time that has passed here.

mod time_left;

use std::sync::Arc;
use std::task::{Context, Poll};

use hallpass_clock::Clock;
use hallpass_upstream::{Body, Target};
use http::Request;
use tower::Service;

use crate::ongoing_attempt::OngoingAttempt;

pub(crate) use time_left::TimeLeft;

/// Writes the time of sending into the [`OngoingAttempt`], which it finds with the [`Target`] in the request's extensions, and what is left then
/// of the attempt's time into the request.
#[derive(Clone, Debug)]
pub(crate) struct Sent<S> {
    inner: S,
    plan: Arc<Plan>,
}

/// The same for all requests of a method.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) clock: Arc<dyn Clock>,
    /// Nothing where the callee is not told.
    pub(crate) time_left: Option<TimeLeft>,
}

impl<S> Sent<S> {
    pub(crate) fn new(inner: S, plan: &Arc<Plan>) -> Self {
        let plan = Arc::clone(plan);
        Self { inner, plan }
    }
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Sent<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        let target = request.extensions().get::<Target>();
        if let Some(attempt) = target.and_then(Target::note::<OngoingAttempt>) {
            attempt.sent(self.plan.clock.monotonic());
            let left = attempt.time_left();
            if let Some(time_left) = &self.plan.time_left {
                time_left.tell(request.headers_mut(), left);
            }
        }
        self.inner.call(request)
    }
}
