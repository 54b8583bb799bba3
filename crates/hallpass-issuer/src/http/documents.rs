//! What is read with GET: the key set, the metadata, health, metrics.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::core::Core;
use crate::metrics;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The key set, or 304 when the caller has it already.
pub(crate) async fn jwks(State(core): State<Arc<Core>>, headers: HeaderMap) -> Response {
    let keys = core.keys();
    let fresh = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|known| names(known, keys.etag()));
    let mut response = if fresh {
        core.metrics().jwks_not_modified.inc();
        respond(StatusCode::NOT_MODIFIED, JWK_SET, Bytes::new())
    } else {
        core.metrics().jwks_full.inc();
        respond(StatusCode::OK, JWK_SET, keys.jwks().clone())
    };
    response.headers_mut().insert(ETAG, keys.etag().clone());
    response
        .headers_mut()
        .insert(CACHE_CONTROL, core.jwks_cache_control().clone());
    response
}

/// Everything that has no route of its own: the metadata, whose place depends on the issuer's name, or 404.
pub(crate) async fn metadata_or_not_found(
    State(core): State<Arc<Core>>,
    method: Method,
    uri: Uri,
) -> Response {
    let metadata = core.metadata();
    let document = if core.urls().is_oauth_metadata(uri.path()) {
        &metadata.oauth
    } else if core.urls().is_oidc_metadata(uri.path()) {
        &metadata.oidc
    } else {
        return respond(
            StatusCode::NOT_FOUND,
            TEXT,
            Bytes::from_static(b"not found\n"),
        );
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = respond(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            Bytes::from_static(b"GET only\n"),
        );
        response
            .headers_mut()
            .insert(http::header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    let mut response = respond(StatusCode::OK, JSON, document.clone());
    response
        .headers_mut()
        .insert(CACHE_CONTROL, core.jwks_cache_control().clone());
    response
}

/// The process answers.
pub(crate) async fn live() -> Response {
    uncached(TEXT, Bytes::from_static(b"live\n"))
}

/// Registry and keys are in memory: tokens can be issued. The store plays no part in that.
pub(crate) async fn ready(State(core): State<Arc<Core>>) -> Response {
    if core.is_stopping() {
        return respond(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            Bytes::from_static(b"stopping\n"),
        );
    }
    uncached(TEXT, Bytes::from_static(b"ready\n"))
}

/// All metrics, in the OpenMetrics text format.
pub(crate) async fn metrics(State(core): State<Arc<Core>>) -> Response {
    uncached(OPEN_METRICS, core.metrics().text().into())
}

/// Weak comparison of one `If-None-Match` value (RFC 9110 section 13.1.2).
fn names(known: &HeaderValue, etag: &HeaderValue) -> bool {
    known
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

fn uncached(content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = respond(StatusCode::OK, content_type, body);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
