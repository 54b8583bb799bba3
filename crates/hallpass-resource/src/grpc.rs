//! Refusals in the words of gRPC: what an HTTP client reads from status and headers, a gRPC client reads from trailers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::authorize::Refused;
use crate::error::DenialResponse;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// For how many milliseconds a client is to wait before it tries again (gRFC A6).
const RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const GRPC: &str = "application/grpc";

impl Refused {
    /// The response as the request that was refused expects it: to a POST whose content type is `application/grpc...` it is a
    /// status of gRPC, in a response that is nothing but trailers (HTTP status **200**, `grpc-status`, `grpc-message`), and
    /// `WWW-Authenticate` is metadata; to others it is [`into_response`](Self::into_response). For who serves the request
    /// itself; a proxy that asks for a decision must not read 200.
    ///
    /// | HTTP | gRPC |
    /// |---|---|
    /// | 400, 431 | `INVALID_ARGUMENT` (3) |
    /// | 401 | `UNAUTHENTICATED` (16) |
    /// | 403 | `PERMISSION_DENIED` (7) |
    /// | 503 | `UNAVAILABLE` (14), with `grpc-retry-pushback-ms` |
    /// | 504 | `DEADLINE_EXCEEDED` (4) |
    #[must_use]
    pub fn into_response_to(self, request: &Parts) -> Response<Bytes> {
        self.into_response_in(grpc_media_type(request).cloned())
    }

    /// The same, to a request that speaks gRPC by this media type, or does not.
    pub(crate) fn into_response_in(self, spoken: Option<HeaderValue>) -> Response<Bytes> {
        let refusal = self.into_response();
        match spoken {
            Some(media_type) => refusal_in_grpc(refusal, media_type),
            _ => refusal,
        }
    }
}

/// The media type of a request that speaks gRPC; `None` for one that does not: each call is a POST.
#[must_use]
pub fn grpc_media_type(request: &Parts) -> Option<&HeaderValue> {
    if request.method != Method::POST {
        return None;
    }
    let value = request.headers.get(CONTENT_TYPE)?;
    let rest = value.as_bytes().get(GRPC.len()..)?;
    let begins = value.as_bytes().get(..GRPC.len())?;
    let speaks = begins.eq_ignore_ascii_case(GRPC.as_bytes())
        && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'-'));
    speaks.then_some(value)
}

/// The same refusal for a gRPC client, to a request of this media type ([`grpc_media_type`]): a response that is nothing but trailers, with HTTP
/// status 200 ("Trailers-Only" of the gRPC protocol), by the table of [`Refused::into_response_to`]; beside it 404, 405 and 501 are
/// `UNIMPLEMENTED` (12), 413 and 429 `RESOURCE_EXHAUSTED` (8), 502 `UNAVAILABLE` (14), and others `UNKNOWN` (2). The other headers stay, and are
/// metadata to the client. The message is that of the [`DenialResponse`] in the extensions. A success stays as it is.
#[must_use]
pub fn refusal_in_grpc(refusal: Response<Bytes>, media_type: HeaderValue) -> Response<Bytes> {
    if refusal.status().is_success() {
        return refusal;
    }
    let (mut parts, _problem) = refusal.into_parts();
    let status = grpc_status(parts.status);
    let headers = &mut parts.headers;
    if let Some(told) = parts.extensions.get::<DenialResponse>() {
        let message = format!("{}: {}", told.code, told.title);
        if let Ok(message) = HeaderValue::try_from(escaped(&message)) {
            headers.insert(GRPC_MESSAGE, message);
        }
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok());
    if let Some(seconds) = seconds.and_then(|it| it.parse::<u64>().ok()) {
        let wait = HeaderValue::from(seconds.saturating_mul(1_000));
        headers.insert(RETRY_PUSHBACK, wait);
    }
    headers.insert(GRPC_STATUS, HeaderValue::from(status));
    headers.insert(CONTENT_TYPE, media_type);
    parts.status = StatusCode::OK;
    Response::from_parts(parts, Bytes::new())
}

/// The code of gRPC for what the refusal says. One that is a matter of time can be tried again; the others cannot.
fn grpc_status(status: StatusCode) -> u16 {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => 3,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => 4,
        StatusCode::FORBIDDEN => 7,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => 12,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => 14,
        StatusCode::UNAUTHORIZED => 16,
        _ => 2,
    }
}

/// Percent-encoded as the gRPC protocol asks: everything but visible ASCII and the space, and `%` itself.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..b' ' | b'\x7f'.. => {
                // Writing to a String does not fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
            _ => escaped.push(char::from(byte)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_request_speaks_grpc_by_its_media_type_alone() {
        for (value, speaks) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC+json; charset=utf-8", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web+proto", true),
            ("application/grpcx", false),
            ("application/json", false),
            ("text/plain; application/grpc", false),
            ("", false),
        ] {
            let request = Request::post("/").header(CONTENT_TYPE, value);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(grpc_media_type(&parts).is_some(), speaks, "{value}");
        }
        for request in [
            Request::get("/").header(CONTENT_TYPE, GRPC),
            Request::post("/"),
        ] {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert!(grpc_media_type(&parts).is_none());
        }
    }

    #[test]
    fn a_message_has_nothing_but_visible_ascii() {
        assert_eq!(escaped("a: b 100%\n\u{e9}~"), "a: b 100%25%0A%C3%A9~");
    }
}
