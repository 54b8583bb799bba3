//! Decisions in the terms of each protocol.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use super::super::allowed::Allowed;
use super::super::core::Decision;
use crate::problem::problem;

/// Which headers Envoy is to take from the request.
const ENVOY_REMOVES: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
/// The status that the decision has, where the protocol cannot say it by its own.
const STATUS: HeaderName = HeaderName::from_static("x-hallpass-status");

/// A way to ask by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Envoy,
    Nginx,
    Forward,
}

impl Protocol {
    /// For the metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy_http",
            Self::Nginx => "nginx",
            Self::Forward => "forward",
        }
    }

    pub(super) fn answer(self, decision: Decision) -> Response<Bytes> {
        match decision {
            Decision::Allowed(allowed) => self.allow(allowed),
            Decision::Refused(response) => self.refuse(response),
            Decision::NotUnderstood(response) => response,
        }
    }

    fn allow(self, allowed: Allowed) -> Response<Bytes> {
        let mut headers = match self {
            Self::Envoy => changes(allowed),
            Self::Nginx | Self::Forward => allowed.copies(),
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut response = Response::new(Bytes::new());
        *response.headers_mut() = headers;
        response
    }

    fn refuse(self, mut response: Response<Bytes>) -> Response<Bytes> {
        let is_refusal = response.status().is_client_error() || response.status().is_server_error();
        if !is_refusal {
            // A document that the resource server answers with itself: it cannot be said in a response that would mean
            // "let it pass".
            response = problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "This is not answered through a proxy.",
            );
        }
        let status = response.status();
        if self == Self::Nginx {
            let code = HeaderValue::from(status.as_u16());
            response.headers_mut().insert(STATUS, code);
            *response.status_mut() = nginx_status(status);
        }
        response
    }
}

/// nginx hands 401 and 403 on, and makes 500 of all others, which is right for faults of this side only.
fn nginx_status(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::UNAUTHORIZED => status,
        status if status.is_client_error() => StatusCode::FORBIDDEN,
        status => status,
    }
}

fn changes(allowed: Allowed) -> HeaderMap {
    let mut headers = allowed.for_caller.clone();
    let (set, removed) = allowed.changes();
    for (name, value) in set {
        headers.insert(name, value);
    }
    // Names of headers: every one fits.
    let removed: Vec<_> = removed.iter().map(HeaderName::as_str).collect();
    if let Ok(removed) = HeaderValue::try_from(removed.join(","))
        && !removed.is_empty()
    {
        headers.insert(ENVOY_REMOVES, removed);
    }
    headers
}
