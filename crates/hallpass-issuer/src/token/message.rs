//! How the requests of clients are read and their responses written, at each of their endpoints.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

use crate::token::refusal::{Refusal, WireError};

/// The largest body of a token request, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// How long a client may take to send its body after the headers.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const BASIC_REALM: HeaderValue =
    HeaderValue::from_static("Basic realm=\"hallpass\", charset=\"UTF-8\"");
const POST_ONLY: HeaderValue = HeaderValue::from_static("POST");

/// The response to any other method (RFC 9110 section 15.5.6).
pub(crate) fn method_not_allowed(method: &Method) -> Response<Full<Bytes>> {
    let wire = WireError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        error: "invalid_request",
        description: "this endpoint takes POST only (RFC 6749 section 3.2)",
    };
    let mut response = error_response(wire);
    response.headers_mut().insert(ALLOW, POST_ONLY);
    if method == Method::HEAD {
        *response.body_mut() = Full::default();
    }
    response
}

/// Whole seconds, rounded up: who comes back after them does not come too early.
pub(crate) fn retry_after(wait: Duration) -> HeaderValue {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

pub(crate) fn error_response(wire: WireError) -> Response<Full<Bytes>> {
    let WireError {
        status,
        error,
        description,
    } = wire;
    let json = format!("{{\"error\":\"{error}\",\"error_description\":\"{description}\"}}");
    let mut response = json_response(status, json.into());
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, BASIC_REALM);
    }
    response
}

pub(crate) fn json_response(status: StatusCode, json: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, NO_CACHE);
    response
}

pub(crate) async fn read<B>(body: B) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limit = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(Refusal::BodyTooLarge);
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) | Err(_) => Err(Refusal::BodyIncomplete),
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_that_are_never_too_few() {
        for (wait, told) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(5), 5),
            (Duration::from_millis(5_001), 6),
        ] {
            assert_eq!(retry_after(wait), HeaderValue::from(told), "{wait:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_from_one_that_is_too_long() {
        let piece = || Ok(Frame::data(Bytes::from(vec![b'a'; MAX_BODY_BYTES / 2])));
        let broken = || Err(std::io::ErrorKind::UnexpectedEof.into());
        for (frames, expected) in [
            (vec![piece(), piece()], None),
            (vec![piece(), piece(), piece()], Some(Refusal::BodyTooLarge)),
            (vec![piece(), broken()], Some(Refusal::BodyIncomplete)),
        ] {
            let frames: Vec<Result<_, std::io::Error>> = frames;
            // Its length is not told beforehand.
            let body = StreamBody::new(futures_util::stream::iter(frames));
            assert_eq!(read(body).await.err(), expected);
        }
    }
}
