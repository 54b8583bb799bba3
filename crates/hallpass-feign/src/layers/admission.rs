//! The circuit breaker and the bulkhead of the chosen instance, and the task of an isolated call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hallpass_client::context;
use hallpass_clock::Clock;
use hallpass_token::SecurityContext;
use hallpass_upstream::Body;
use http::{Request, Response};
use tokio::task::JoinHandle;
use tower::Service;

use super::choice::Directed;
use crate::answer::Received;
use crate::breaker::Permit;
use crate::client::Client;
use crate::error::FeignError;
use crate::facts::Facts;

/// Lets a call through to its instance and tells the instance's breaker what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    inner: S,
    rules: AdmissionRules,
}

impl<S> Admission<S> {
    pub(crate) fn new(inner: S, rules: AdmissionRules) -> Self {
        Self { inner, rules }
    }
}

/// What the admission of one call goes by.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionRules {
    service: Arc<str>,
    isolate: bool,
    clock: Arc<dyn Clock>,
    facts: Arc<Facts>,
}

impl AdmissionRules {
    pub(crate) fn of(client: &Client, facts: &Arc<Facts>) -> Self {
        Self {
            service: Arc::clone(client.service().name()),
            isolate: client.isolates(),
            clock: Arc::clone(client.clock()),
            facts: Arc::clone(facts),
        }
    }
}

impl<S> Service<Directed> for Admission<S>
where
    S: Service<Request<Body>, Response = Response<Received>, Error = FeignError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Received>;
    type Error = FeignError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Received>, FeignError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FeignError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, directed: Directed) -> Self::Future {
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        Box::pin(self.rules.clone().run(ready, directed))
    }
}

impl AdmissionRules {
    async fn run<S>(
        self,
        mut inner: S,
        directed: Directed,
    ) -> Result<Response<Received>, FeignError>
    where
        S: Service<Request<Body>, Response = Response<Received>, Error = FeignError>
            + Send
            + 'static,
        S::Future: Send,
    {
        let Directed { request, chosen } = directed;
        let _in_flight = chosen.in_flight;
        let Ok(_place) = chosen.instance.bulkhead.enter().await else {
            // The permit is dropped with its call: a queue on this side says nothing about the instance.
            return Err(FeignError::BulkheadFull {
                service: self.service,
            });
        };
        let outcome = Outcome {
            permit: Some(chosen.permit),
            clock: self.clock,
            facts: self.facts,
        };
        let result = if self.isolate {
            isolated(inner, request).await
        } else {
            inner.call(request).await
        };
        outcome.settle(&result);
        result
    }
}

/// Runs the call on a task of its own, as breakers with an executor do.
///
/// The identity goes with it: it is in the request's extensions since the call began, and is put around the new task
/// as well, for whatever a layer below may read there.
async fn isolated<S>(mut inner: S, request: Request<Body>) -> Result<Response<Received>, FeignError>
where
    S: Service<Request<Body>, Response = Response<Received>, Error = FeignError> + Send + 'static,
    S::Future: Send,
{
    let identity = request.extensions().get::<SecurityContext>().cloned();
    let call = context::scope(identity, async move { inner.call(request).await });
    let mut task = AbortOnDrop(tokio::spawn(call));
    // A task that panicked or was stopped with its runtime has no answer.
    (&mut task.0).await.unwrap_or(Err(FeignError::Interrupted))
}

/// A caller that goes away, or whose deadline passes, does not leave its call running.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The breaker's permit while the call is under way; settled at the end, or when the call is dropped.
struct Outcome {
    permit: Option<Permit>,
    clock: Arc<dyn Clock>,
    facts: Arc<Facts>,
}

impl Outcome {
    fn settle(mut self, result: &Result<Response<Received>, FeignError>) {
        match says_about_instance(result) {
            Some(failed) => self.end(failed),
            // Dropping the permit gives it back without an outcome.
            None => drop(self.permit.take()),
        }
    }

    /// Counts from the moment at which the request went out: waiting for a token is not the instance's fault, and a
    /// call that never went out counts for nothing.
    fn end(&mut self, failed: bool) {
        if let (Some(permit), Some(sent_at)) = (self.permit.take(), self.facts.progress().sent_at) {
            permit.settle(failed, self.clock.monotonic().saturating_sub(sent_at));
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // Dropped before its end: by the deadline, which the instance has failed to meet, or by a caller that lost
        // interest, which is not the instance's fault.
        if self.facts.is_over() {
            self.end(true);
        }
    }
}

/// Whether a result counts as a failure of the instance; `None` when it says nothing about it.
fn says_about_instance(result: &Result<Response<Received>, FeignError>) -> Option<bool> {
    match result {
        Ok(answer) => Some(answer.status().is_server_error()),
        Err(FeignError::Transport(_) | FeignError::Interrupted) => Some(true),
        // An answer came, and it was ours to refuse.
        Err(FeignError::TooLarge { .. }) => Some(false),
        // No token, wrong host: the instance never saw the call.
        Err(_) => None,
    }
}
