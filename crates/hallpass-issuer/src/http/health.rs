//! What monitoring asks for: health, and the metrics.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use crate::http::{TEXT, respond};
use crate::metrics::{self, Metrics};

const OPEN_METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Liveness: the process can respond.
pub(crate) async fn live() -> Response {
    uncached(TEXT, Bytes::from_static(b"live\n"))
}

/// Readiness: until it stops, the issuer can issue tokens from memory, with or without its store. What the store cannot do
/// is `trouble`.
pub(crate) fn ready(is_stopping: bool, trouble: Option<&str>) -> Response {
    if is_stopping {
        return respond(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            Bytes::from_static(b"stopping\n"),
        );
    }
    match trouble {
        None => uncached(TEXT, Bytes::from_static(b"ready\n")),
        Some(trouble) => uncached(TEXT, format!("ready\ndegraded: {trouble}\n").into()),
    }
}

/// All metrics, in the OpenMetrics text format.
pub(crate) fn metrics(metrics: &Metrics) -> Response {
    uncached(OPEN_METRICS, metrics.text().into())
}

fn uncached(content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = respond(StatusCode::OK, content_type, body);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}
