//! Notes when a request goes out, and tells the callee how long it has.
//!
//! It stands below everything that may wait or refuse on this side (token, replay, host guard), so that the breaker
//! judges an instance by what the instance did, and the callee is not promised time that has passed here.

mod time_left;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hallpass_clock::Clock;
use hallpass_upstream::{Body, HttpTransport, Target};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::Service;

use crate::ongoing_attempt::OngoingAttempt;
use crate::spare_extensions;

pub(crate) use time_left::TimeLeft;

/// Writes the time of sending into the [`OngoingAttempt`], which it finds with the [`Target`] in the request's extensions, and what is left then
/// of the attempt's time into the request.
#[derive(Clone, Debug)]
pub(crate) struct Sent<S> {
    inner: S,
    plan: Arc<Plan>,
    /// Whether another token is waited for when this one is refused.
    renews: bool,
}

/// The same for all requests of a method.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) clock: Arc<dyn Clock>,
    /// Nothing where the callee is not told.
    pub(crate) time_left: Option<TimeLeft>,
}

impl<S> Sent<S> {
    pub(crate) fn new(inner: S, plan: &Arc<Plan>, renews: bool) -> Self {
        let plan = Arc::clone(plan);
        Self {
            inner,
            plan,
            renews,
        }
    }
}

/// A transport that is told what time it is, since whoever calls it has just looked.
pub(crate) trait CallAt: Service<Request<Body>> {
    /// As [`Service::call`], at `now` of tokio's clock.
    fn call_at(&mut self, request: Request<Body>, now: Instant) -> Self::Future;
}

impl CallAt for HttpTransport {
    fn call_at(&mut self, request: Request<Body>, now: Instant) -> Self::Future {
        Self::call_at(self, request, now)
    }
}

impl<S> Service<Request<Body>> for Sent<S>
where
    S: CallAt + Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Sending<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (mut watched, now) = (None, Instant::now());
        // Nobody below asks for it.
        let target = request.extensions_mut().remove::<Target>();
        if request.extensions().is_empty() {
            spare_extensions::give_back(std::mem::take(request.extensions_mut()));
        }
        if let Some(target) = target
            && let Some(attempt) = target.directed::<OngoingAttempt>()
        {
            let left = attempt.sent(self.plan.clock.monotonic(), now);
            if let Some(time_left) = &self.plan.time_left {
                time_left.tell(request.headers_mut(), left);
            }
            watched = self.renews.then(|| Watched {
                target,
                plan: Arc::clone(&self.plan),
            });
        }
        Sending {
            sending: self.inner.call_at(request, now),
            watched,
        }
    }
}

/// An attempt that is noted when its token is refused.
#[derive(Debug)]
struct Watched {
    target: Target,
    plan: Arc<Plan>,
}

pin_project! {
    /// A request on its way. No box: nearly every call has one.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Sending<F> {
        #[pin]
        sending: F,
        watched: Option<Watched>,
    }
}

impl<F, E> Future for Sending<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.sending.poll(context));
        let is_rejected = result
            .as_ref()
            .is_ok_and(|response| response.status() == StatusCode::UNAUTHORIZED);
        if let Some(Watched { target, plan }) = this.watched
            && is_rejected
            && let Some(attempt) = target.directed::<OngoingAttempt>()
        {
            attempt.rejected(plan.clock.monotonic());
        }
        Poll::Ready(result)
    }
}
