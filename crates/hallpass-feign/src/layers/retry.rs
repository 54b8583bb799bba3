//! Sends a call again when that may help and can do no harm.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hallpass_upstream::{Body, try_clone_request};
use http::header::RETRY_AFTER;
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use crate::answer::Received;
use crate::client::Client;
use crate::error::{FeignError, is_passing};
use crate::facts::Facts;
use crate::metrics::FeignMetrics;
use crate::retry::backoff;
use crate::service;

type Answered = Result<Response<Received>, FeignError>;

/// Makes the attempts of one call.
#[derive(Clone, Debug)]
pub(crate) struct Retry<S> {
    inner: S,
    rules: RetryRules,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, rules: RetryRules) -> Self {
        Self { inner, rules }
    }
}

/// What the retries of one call go by.
#[derive(Clone, Debug)]
pub(crate) struct RetryRules {
    client: &'static str,
    service: Arc<service::Service>,
    max_attempts: u32,
    metrics: FeignMetrics,
    facts: Arc<Facts>,
}

impl RetryRules {
    pub(crate) fn of(client: &Client, facts: &Arc<Facts>) -> Self {
        Self {
            client: client.name(),
            service: Arc::clone(client.service()),
            max_attempts: client.max_attempts(),
            metrics: client.metrics().clone(),
            facts: Arc::clone(facts),
        }
    }
}

impl<S> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<Received>, Error = FeignError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Received>;
    type Error = FeignError;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FeignError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        // The instance that was polled ready makes the first attempt.
        let ready = std::mem::replace(&mut self.inner, clone);
        Box::pin(self.rules.clone().run(ready, request))
    }
}

impl RetryRules {
    async fn run<S>(self, mut first: S, mut request: Request<Body>) -> Answered
    where
        S: Service<Request<Body>, Response = Response<Received>, Error = FeignError> + Clone,
    {
        let again = first.clone();
        self.service.budget.deposit();
        let mut copy = self.copy(&request, 1);
        let mut result = first.call(request).await;
        let mut attempt = 1;
        while let Some(next) = copy.take() {
            let Some(wait) = self.wait_before_retry(&result, attempt) else {
                return result;
            };
            tokio::time::sleep(wait).await;
            self.metrics.retry(self.client);
            attempt += 1;
            request = next;
            copy = self.copy(&request, attempt);
            result = again.clone().oneshot(request).await;
        }
        result
    }

    /// The request for a further attempt; `None` after the last one and for bodies that are streams.
    fn copy(&self, request: &Request<Body>, attempt: u32) -> Option<Request<Body>> {
        if attempt < self.max_attempts {
            try_clone_request(request)
        } else {
            None
        }
    }

    /// How long to wait before trying again; `None` when the result stands.
    fn wait_before_retry(&self, result: &Answered, attempt: u32) -> Option<Duration> {
        let least = worth_retrying(result, self.facts.idempotent)?;
        let wait = backoff::wait(attempt.saturating_sub(1)).max(least);
        // As durations: the callee may wish for any number of seconds, and no sum of it must overflow.
        let left = self
            .facts
            .deadline
            .saturating_duration_since(Instant::now());
        if wait >= left {
            return None;
        }
        if !self.service.budget.withdraw() {
            self.metrics.budget_exhausted(self.client);
            return None;
        }
        Some(wait)
    }
}

/// `None`: the result stands. `Some`: try again, after at least this long.
///
/// What never reached the callee may be sent again whatever the verb is. What may have reached it is sent again only
/// when the call is idempotent. An open breaker and a full bulkhead are not retried: waiting is what they are for.
fn worth_retrying(result: &Answered, idempotent: bool) -> Option<Duration> {
    match result {
        Err(FeignError::Transport(error))
            if error.is_retryable() && (idempotent || error.is_unsent()) =>
        {
            Some(Duration::ZERO)
        }
        Ok(answer) if idempotent && is_passing(answer.status()) => Some(retry_after(answer)),
        _ => None,
    }
}

/// The callee's own wish in seconds (RFC 9110 section 10.2.3); the form with a date is not read.
fn retry_after(answer: &Response<Received>) -> Duration {
    let seconds = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

#[cfg(test)]
mod tests;
