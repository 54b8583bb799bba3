//! What is seen from outside: routes, addresses, and the documents that are read with GET.
//!
//! [`router`] alone knows what requests share; the documents are functions of what they show.

pub(crate) mod health;
pub(crate) mod jwks;
pub(crate) mod metadata;
pub(crate) mod public_urls;
mod request_span;
pub(crate) mod revocations;
pub(crate) mod router;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

/// The content type of text for people.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A response whose whole body is in memory.
pub(crate) fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
