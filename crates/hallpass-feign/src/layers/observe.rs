//! A span around each call, its metrics, and whoever else wants to know.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::Instance;
use http::StatusCode;
use tracing::Instrument;

use crate::client::{Client, Method};
use crate::error::FeignError;
use crate::facts::Facts;
use crate::identity::CallReport;

/// A call that has ended, as an observer sees it: names and numbers, no values, no token, no body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// Name of the client: the service that its trait describes.
    pub client: &'static str,
    /// HTTP verb.
    pub method: &'static str,
    /// Path template.
    pub path: &'static str,
    /// Instance of the last attempt; `None` when none was chosen.
    pub instance: Option<Instance>,
    /// Identity that the last attempt carried; `None` when nothing was sent.
    pub identity: Option<CallReport>,
    /// Status of the last attempt's answer; `None` when there was none.
    pub status: Option<StatusCode>,
    /// Attempts, the first included; 0 when the call ended before.
    pub attempts: u32,
    /// Why the method returned an error; `None` when it returned a value (also one of the fallback).
    pub error: Option<FeignError>,
    /// Whether the fallback gave the answer.
    pub fallback: bool,
    /// From the call of the method to its return.
    pub elapsed: Duration,
}

/// Told of each finished call.
#[derive(Clone)]
pub(crate) struct Observer(pub(crate) Arc<dyn Fn(&FinishedCall) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Runs `call` in its span and reports how it ended. A call that is dropped before its end is not reported.
pub(crate) async fn observed<T>(
    client: &Client,
    method: &Method,
    facts: &Facts,
    call: impl Future<Output = Result<T, FeignError>>,
) -> Result<T, FeignError> {
    let spec = method.spec;
    let span = tracing::info_span!(
        "feign",
        otel.kind = "client",
        client = client.name(),
        http.request.method = spec.verb.as_str(),
        url.template = spec.template,
        http.response.status_code = tracing::field::Empty,
        attempts = tracing::field::Empty,
        error.type = tracing::field::Empty,
    );
    let began = client.clock().monotonic();
    let result = call.instrument(span.clone()).await;
    let elapsed = client.clock().monotonic().saturating_sub(began);
    let error = result.as_ref().err();
    let outcome = error.map_or("ok", FeignError::code);
    client
        .metrics()
        .finished(client.name(), spec, outcome, elapsed);
    let progress = facts.progress();
    span.record("attempts", facts.attempts());
    if let Some(status) = progress.status {
        span.record("http.response.status_code", status.as_u16());
    }
    if error.is_some() {
        span.record("error.type", outcome);
    }
    for observer in client.observers() {
        (observer.0)(&FinishedCall {
            client: client.name(),
            method: spec.verb.as_str(),
            path: spec.template,
            instance: progress.instance.clone(),
            identity: progress.identity.clone(),
            status: progress.status,
            attempts: facts.attempts(),
            error: error.cloned(),
            fallback: progress.fallback,
            elapsed,
        });
    }
    result
}
