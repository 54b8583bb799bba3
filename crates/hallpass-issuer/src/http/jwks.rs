//! The key set (RFC 7517 section 5), or 304 when the caller has it already.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use crate::http::respond;
use crate::keys::ring::KeyRing;
use crate::metrics::Metrics;

const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// The response from the snapshot; counts whether it was sent in full.
pub(crate) fn response(
    keys: &KeyRing,
    cache_control: &HeaderValue,
    headers: &HeaderMap,
    metrics: &Metrics,
) -> Response {
    let fresh = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|known| names(known, keys.etag()));
    let mut response = if fresh {
        metrics.jwks_not_modified.inc();
        respond(StatusCode::NOT_MODIFIED, JWK_SET, Bytes::new())
    } else {
        metrics.jwks_full.inc();
        respond(StatusCode::OK, JWK_SET, keys.jwks().clone())
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, keys.etag().clone());
    headers.insert(CACHE_CONTROL, cache_control.clone());
    response
}

/// Weak comparison of one `If-None-Match` value (RFC 9110 section 13.1.2).
fn names(known: &HeaderValue, etag: &HeaderValue) -> bool {
    known
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}
