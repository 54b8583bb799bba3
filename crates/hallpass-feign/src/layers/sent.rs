//! Notes when a request goes out, and tells the callee how long it has.
//!
//! It stands below everything that may wait or refuse on this side (token, replay, host guard), so that the breaker
//! judges an instance by what the instance did, and the callee is not promised time that has passed here.

mod time_left;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either};
use hallpass_clock::Clock;
use hallpass_upstream::{Body, Target};
use http::{Request, Response, StatusCode};
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

impl<S> Service<Request<Body>> for Sent<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    /// In a box where the time of an attempt is limited.
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut timed = None;
        let target = request.extensions().get::<Target>();
        if let Some((target, attempt)) =
            target.and_then(|it| Some((it, it.note::<OngoingAttempt>()?)))
        {
            attempt.sent(self.plan.clock.monotonic());
            let left = attempt.time_left();
            timed = attempt.has_limit().then(|| target.clone());
            if let Some(time_left) = &self.plan.time_left {
                time_left.tell(request.headers_mut(), left);
            }
        }
        let sending = self.inner.call(request);
        match timed {
            None => Either::Left(sending),
            Some(target) => Either::Right(Box::pin(async move {
                let response = sending.await?;
                let attempt = target.note::<OngoingAttempt>();
                if let Some(attempt) = attempt.filter(|_| is_rejection(&response)) {
                    attempt.rejected();
                }
                Ok(response)
            })),
        }
    }
}

fn is_rejection<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
}
