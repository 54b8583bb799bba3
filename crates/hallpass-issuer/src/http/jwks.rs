//! The key set (RFC 7517 section 5), or 304 when the caller has it already.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::http::respond;
use crate::keys::ring::Stage;

const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// The response from the snapshot; counts whether it was sent in full.
pub(crate) fn response(
    keys: &Stage,
    cache_control: &HeaderValue,
    headers: &HeaderMap,
    metrics: &JwksMetrics,
) -> Response {
    let fresh = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|known| names(known, keys.etag()));
    let mut response = if fresh {
        metrics.not_modified.inc();
        respond(StatusCode::NOT_MODIFIED, JWK_SET, Bytes::new())
    } else {
        metrics.full.inc();
        respond(StatusCode::OK, JWK_SET, keys.jwks().clone())
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, keys.etag().clone());
    headers.insert(CACHE_CONTROL, cache_control.clone());
    response
}

/// Weak comparison of one `If-None-Match` value (RFC 9110 section 13.1.2).
pub(crate) fn names(known: &HeaderValue, etag: &HeaderValue) -> bool {
    known
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// How often the key set was sent, in full or as 304.
#[derive(Debug)]
pub(crate) struct JwksMetrics {
    requests: Family<ResultLabel, Counter>,
    full: Counter,
    not_modified: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Default for JwksMetrics {
    fn default() -> Self {
        let requests = Family::<ResultLabel, Counter>::default();
        let of = |result| requests.get_or_create_owned(&ResultLabel { result });
        Self {
            full: of("full"),
            not_modified: of("not_modified"),
            requests,
        }
    }
}

impl JwksMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "jwks_requests",
            "Responses with the key set",
            self.requests.clone(),
        );
    }
}
