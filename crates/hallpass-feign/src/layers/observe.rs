//! A span around each call, and its metrics.

use std::pin::pin;

use tracing::{Instrument, Span, field};

use super::attempt_span::CANCELLED;
use crate::client::{Client, Method};
use crate::error::FeignError;
use crate::observer::FinishedCall;
use crate::ongoing_attempt::OngoingAttempt;
use crate::ongoing_call::OngoingCall;

pub(crate) mod metrics;

use metrics::OK;

/// Runs `call` in its span and reports how it ended. A call that is dropped before its end is counted as `cancelled`,
/// and no observer is told.
pub(crate) async fn observed<T, F>(
    client: &Client,
    method: &Method,
    ongoing: &OngoingCall,
    call: impl FnOnce() -> F,
) -> Result<T, FeignError>
where
    F: Future<Output = Result<T, FeignError>>,
{
    let began = client.clock().monotonic();
    ongoing.look(began);
    let watch = Watch {
        span: span(client, method, ongoing),
        client,
        method,
        ongoing,
        began,
        ended: false,
    };
    let result = match watch.span.is_disabled() {
        // Pinned where it is made, and not moved into a span that is none.
        true => pin!(call()).await,
        false => call().instrument(watch.span.clone()).await,
    };
    watch.end(result.as_ref().err());
    result
}

fn span(client: &Client, method: &Method, ongoing: &OngoingCall) -> Span {
    let trace = ongoing.origin.context.trace();
    tracing::info_span!(
        "feign",
        otel.kind = "client",
        client = client.name(),
        http.request.method = method.spec.verb.as_str(),
        url.template = method.spec.template,
        http.response.status_code = field::Empty,
        attempts = field::Empty,
        error.type = field::Empty,
        trace_id = trace.map(|it| field::display(it.trace_id())),
        span_id = trace.map(|it| field::display(it.span_id())),
        parent_span_id = trace.and_then(|it| Some(field::display(it.parent_id()?))),
        trace_flags = trace.map(|it| u8::from(it.is_sampled())),
    )
}

/// A call under way, with its stopwatch.
struct Watch<'a> {
    span: Span,
    client: &'a Client,
    method: &'a Method,
    ongoing: &'a OngoingCall,
    began: std::time::Duration,
    ended: bool,
}

impl Watch<'_> {
    fn end(mut self, error: Option<&FeignError>) {
        self.ended = true;
        let elapsed = self.count(error.map_or(OK, FeignError::code));
        let last = self.ongoing.last_attempt();
        let last = last.as_deref().map(|last| &**last);
        let status = last.and_then(OngoingAttempt::status);
        let attempts = u32::try_from(self.ongoing.attempts()).unwrap_or(u32::MAX);
        self.span.record("attempts", attempts);
        if let Some(status) = status {
            self.span
                .record("http.response.status_code", status.as_u16());
        }
        if let Some(error) = error {
            self.span.record("error.type", error.code());
        }
        for observer in self.client.observers() {
            (observer.0)(&FinishedCall {
                client: self.client.name(),
                method: self.method.spec.verb.as_str(),
                path: self.method.spec.template,
                instance: last.map(|last| last.instance().clone()),
                identity: last.and_then(OngoingAttempt::identity).cloned(),
                status,
                attempts,
                error: error.cloned(),
                fallback: self.ongoing.fell_back(),
                elapsed,
            });
        }
    }

    fn count(&self, outcome: &'static str) -> std::time::Duration {
        let elapsed = self.client.clock().monotonic().saturating_sub(self.began);
        let counted = (self.method.spec, &self.method.metrics);
        let calls = &self.client.metrics().calls;
        calls.finished(self.client.name(), counted, outcome, elapsed);
        elapsed
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.count(CANCELLED);
            self.span.record("error.type", CANCELLED);
        }
    }
}
