//! Chooses the instance of each attempt.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hallpass_upstream::{Body, Chosen, DiscoverError, Target, Upstream};
use http::Request;
use prometheus_client::metrics::counter::Counter;
use tokio::time::sleep_until;
use tracing::{Instrument, Span};

use super::admission::Admission;
use super::attempt_span::AttemptSpan;
use super::{CallResult, Layer};
use crate::error::FeignError;
use crate::ongoing_attempt::OngoingAttempt;
use crate::ongoing_call::{Attempt, OngoingCall};
use crate::spare_extensions;

/// Points each attempt at an instance of the service, see [`Upstream::choose_for`], and gives it up when it takes too long.
#[derive(Clone, Debug)]
pub(crate) struct Choice<L> {
    inner: Admission<L>,
    upstream: Arc<Upstream>,
    limit: Option<AttemptLimit>,
}

/// Marks a request that goes where the call has not been yet, or nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elsewhere;

/// How long an attempt may take.
#[derive(Clone, Debug)]
pub(crate) struct AttemptLimit {
    pub(crate) timeout: Duration,
    /// Counts the attempts that took longer.
    pub(crate) timeouts: Counter,
}

impl<L> Choice<L> {
    pub(crate) fn new(
        inner: Admission<L>,
        upstream: Arc<Upstream>,
        limit: Option<AttemptLimit>,
    ) -> Self {
        Self {
            inner,
            upstream,
            limit,
        }
    }

    /// `elsewhere`: where the call has not been yet, or nowhere.
    async fn choose(&self, call: &OngoingCall, elsewhere: bool) -> Result<Chosen, FeignError> {
        // Where the attempts before this one failed.
        let (tried, wish) = (call.tried(), call.origin.wish());
        let chosen = self.upstream.choose_at(&tried, wish, call.now()).await?;
        if elsewhere && tried.contains(chosen.instance()) {
            let nowhere = DiscoverError::no_instance(self.upstream.name());
            return Err(FeignError::NoInstance(nowhere));
        }
        Ok(chosen)
    }

    /// Points the request at the instance that was chosen for it.
    fn direct<'a>(
        &self,
        call: &'a OngoingCall,
        request: &mut Request<Body>,
        chosen: &Chosen,
    ) -> Result<(Attempt<'a>, AttemptSpan), FeignError> {
        let timeout = self.limit.as_ref().map(|limit| limit.timeout);
        let span = AttemptSpan::of(&self.upstream, chosen.instance(), request.method());
        // Inside its span: who has another product's trace finds it there.
        let attempt = span.in_scope(|| call.begin_attempt(chosen.destination(), timeout));
        span.began(call, &attempt);
        if request.extensions().is_empty() {
            *request.extensions_mut() = spare_extensions::take();
        }
        // A path that the builder of the request let through stands in a URI, so this does not fail.
        // The attempt is for `Sent`, which is a service of tower's and sees the request only.
        Target::of(Arc::clone(&attempt))
            .apply_to(request)
            .map_err(|_| FeignError::Interrupted)?;
        Ok((attempt, span))
    }
}

impl AttemptLimit {
    /// Drops `sending` when `attempt` has taken longer than it may since it was sent.
    async fn keep(
        &self,
        attempt: &OngoingAttempt,
        sending: impl Future<Output = CallResult>,
    ) -> CallResult {
        let mut sending = pin!(sending);
        let mut timer = pin!(sleep_until(attempt.call_deadline()));
        poll_fn(|context| {
            // First, because it is here that the attempt is sent; where another task sends it, that wakes this one.
            if let Poll::Ready(result) = sending.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            // Sent again, with a new token, it has its time again.
            let Some(deadline) = attempt.own_deadline() else {
                return Poll::Pending;
            };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(context).map(|()| Err(self.exceeded()))
        })
        .await
    }

    fn exceeded(&self) -> FeignError {
        self.timeouts.inc();
        FeignError::Deadline {
            limit: self.timeout,
        }
    }
}

impl<L: Layer<Arc<OngoingAttempt>>> Choice<L> {
    /// Sends a request in the span of its attempt, and within its limit.
    async fn watch(
        &self,
        attempt: &Arc<OngoingAttempt>,
        span: &AttemptSpan,
        (request, chosen): (&mut Request<Body>, Chosen),
    ) -> CallResult {
        let span = span.wanted().cloned().unwrap_or_else(Span::none);
        let sending = self.inner.send(attempt, request, chosen).instrument(span);
        match &self.limit {
            Some(limit) => limit.keep(attempt, sending).await,
            None => sending.await,
        }
    }
}

impl<L: Layer<Arc<OngoingAttempt>>> Layer for Choice<L> {
    async fn send(&self, call: &OngoingCall, request: &mut Request<Body>) -> CallResult {
        let elsewhere = request.extensions().get::<Elsewhere>().is_some();
        let chosen = self.choose(call, elsewhere).await?;
        let (attempt, span) = self.direct(call, request, &chosen)?;
        let result = match (&self.limit, span.wanted()) {
            (None, None) => pin!(self.inner.send(&attempt, request, chosen)).await,
            // In a box, so that it costs nothing where there is no limit, and nobody looks.
            _ => Box::pin(self.watch(&attempt, &span, (request, chosen))).await,
        };
        span.ended(&attempt, &result);
        call.end_attempt(&attempt);
        result
    }
}
