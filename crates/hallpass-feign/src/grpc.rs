//! Refusals as clients of gRPC understand them.

use hallpass_upstream::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::error::FeignError;

pub(crate) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// What is escaped in a message: everything but printable ASCII, and the sign of the escapes.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

/// Whether a request speaks gRPC.
pub(crate) fn is_spoken(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// A response without messages, whose status says why ("Trailers-Only").
pub(crate) fn refusal(error: &FeignError) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let message = utf8_percent_encode(&error.to_string(), ESCAPED).to_string();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(u16::from(status(error))));
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(MESSAGE, message);
    }
    response
}

fn status(error: &FeignError) -> u8 {
    match error {
        FeignError::Deadline { .. } => DEADLINE_EXCEEDED,
        FeignError::BulkheadFull { .. } => RESOURCE_EXHAUSTED,
        FeignError::NoIdentity | FeignError::IdentityExpired => UNAUTHENTICATED,
        FeignError::Token(error) if !error.is_outage() => UNAUTHENTICATED,
        error if error.reaches_fallback() => UNAVAILABLE,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_has_the_status_of_its_kind_and_a_message_in_one_line() {
        let rows = [
            (FeignError::NoIdentity, "16"),
            (FeignError::Interrupted, "14"),
            (FeignError::NoTokenService, "13"),
            (
                FeignError::Deadline {
                    limit: Duration::ZERO,
                },
                "4",
            ),
            (
                FeignError::BulkheadFull {
                    service: "a\n%\u{fc}".into(),
                },
                "8",
            ),
        ];
        for (error, expected) in rows {
            let response = refusal(&error);
            assert_eq!(response.headers()[STATUS], expected, "{error}");
            assert!(is_spoken(response.headers()));
        }
        let error = FeignError::BulkheadFull {
            service: "a\n%\u{fc}".into(),
        };
        assert_eq!(
            refusal(&error).headers()[MESSAGE],
            "too many calls to `a%0A%25%C3%BC` are under way"
        );
    }
}
