//! How an attempt ended, for the code that decides what comes next.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::discovery::DiscoverError;
use crate::few_headers::find_header;

/// How one attempt at one instance ended. Breaker and retry decide by this, so the caller may have types of its own.
///
/// Implemented for the error of each kind of caller, for responses, and for a `Result` of two that implement it.
pub trait Outcome {
    /// Whether the instance failed. `None` when the attempt says nothing about it, because it never got there.
    fn instance_failed(&self) -> Option<bool>;

    /// Whether the same request may be sent again.
    fn retry_advice(&self) -> RetryAdvice;

    /// Whether the instance responded and did not do what was asked: that it was quick says nothing about how long it takes to
    /// do it. Default: no.
    fn declined(&self) -> Option<Declined> {
        None
    }
}

/// Why an instance that works did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// Because of the call itself: 4xx.
    TheCall,
    /// Because it has too many calls: 429.
    TooMany,
}

/// Whether a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// The outcome stands: another attempt would end alike, or waiting is what the refusal is for.
    Stands,
    /// Nothing of it has reached the callee, so it may be sent again whatever it asks for.
    Unsent,
    /// Nothing has been sent because the instance had no place for it: another one may take it, and where there is none the
    /// outcome stands.
    Elsewhere,
    /// No response came, and the callee may have acted on it, so it may be sent again only when doing it twice does no harm.
    MayHaveActed,
    /// The callee has responded with this status. Whether that is worth another attempt is a matter of settings; the callee may
    /// have acted.
    Responded {
        /// The status; no success.
        status: StatusCode,
        /// How long the callee asks to wait, where it does.
        after: Option<Duration>,
    },
}

/// Why an attempt was refused on this side. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No address is known for the service.
    #[error(transparent)]
    NoInstance(DiscoverError),
    /// Every instance has an open circuit breaker, or the service as a whole has.
    #[error("calls to `{service}` are suspended for {} ms", .retry_after.as_millis())]
    BreakerOpen {
        /// The service.
        service: Arc<str>,
        /// When the first breaker lets a call through again; zero when it waits for calls under way.
        retry_after: Duration,
    },
    /// As many calls as allowed are under way to the chosen instance, or to the service, and none ended while this one waited.
    #[error("too many calls to `{service}` are under way")]
    BulkheadFull {
        /// The service.
        service: Arc<str>,
    },
    /// As many calls as allowed have begun, and this one could not wait for its turn.
    #[error("calls to `{service}` are limited, for {} ms", .retry_after.as_millis())]
    RateLimited {
        /// The service.
        service: Arc<str>,
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

impl Outcome for Refusal {
    fn instance_failed(&self) -> Option<bool> {
        None
    }

    /// Of one attempt: a full bulkhead is that of its instance.
    fn retry_advice(&self) -> RetryAdvice {
        match self {
            Self::BulkheadFull { .. } => RetryAdvice::Elsewhere,
            Self::NoInstance(_) | Self::BreakerOpen { .. } | Self::RateLimited { .. } => {
                RetryAdvice::Stands
            }
        }
    }
}

/// 5xx is a failure of the instance, every other status is not. `Retry-After` is read as [`asked_wait`] does.
///
/// A response of gRPC without messages says in its headers what another says by its status. What stands in trailers, after
/// messages, is not seen here.
impl<B> Outcome for Response<B> {
    fn instance_failed(&self) -> Option<bool> {
        let failed = |status| FAILED_GRPC.contains(&status);
        Some(self.status().is_server_error() || grpc_status(self.headers()).is_some_and(failed))
    }

    fn declined(&self) -> Option<Declined> {
        match (self.status(), grpc_status(self.headers())) {
            (StatusCode::TOO_MANY_REQUESTS, _) | (_, Some(TOO_MANY_GRPC)) => {
                Some(Declined::TooMany)
            }
            (status, _) if status.is_client_error() => Some(Declined::TheCall),
            (_, Some(b"0") | None) => None,
            (_, Some(status)) if FAILED_GRPC.contains(&status) => None,
            _ => Some(Declined::TheCall),
        }
    }

    fn retry_advice(&self) -> RetryAdvice {
        let status = self.status();
        if !status.is_client_error() && !status.is_server_error() {
            return RetryAdvice::Stands;
        }
        RetryAdvice::Responded {
            status,
            after: retry_after(self.headers()),
        }
    }
}

/// Statuses of gRPC that speak of the instance as 5xx does: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
const FAILED_GRPC: [&[u8]; 5] = [b"2", b"4", b"13", b"14", b"15"];

/// RESOURCE_EXHAUSTED.
const TOO_MANY_GRPC: &[u8] = b"8";

/// By its name as text it would be read anew for each response.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

fn grpc_status(headers: &HeaderMap) -> Option<&[u8]> {
    let status = find_header(headers, &GRPC_STATUS)?;
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    let is_grpc = headers.get(CONTENT_TYPE).is_some_and(is_grpc);
    is_grpc.then_some(status.as_bytes())
}

/// Longest wait that is read from `Retry-After`. Who waits has a limit of its own, which is far below.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a response of 429 or 503 asks to be left alone; `None` for any other status, on which `Retry-After` means something
/// else or nothing. A day at most.
///
/// A date is held against the `Date` of the same response, so clocks may differ (RFC 9110 section 10.2.3).
#[must_use]
pub fn asked_wait(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let may_ask = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    may_ask.then(|| retry_after(headers)).flatten()
}

/// How long a response asks to wait (`Retry-After`, RFC 9110 section 10.2.3), a day at most; `None` when it does not ask,
/// or in a form that nobody knows.
///
/// A date is held against the `Date` of the same response, so clocks may differ; one that has passed is no wait. A date in a
/// response without `Date` is not understood: servers with a clock send it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to be one is a very long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let sent = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()?;
        until.duration_since(sent).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

impl<T: Outcome, E: Outcome> Outcome for Result<T, E> {
    fn instance_failed(&self) -> Option<bool> {
        match self {
            Ok(response) => response.instance_failed(),
            Err(error) => error.instance_failed(),
        }
    }

    fn retry_advice(&self) -> RetryAdvice {
        match self {
            Ok(response) => response.retry_advice(),
            Err(error) => error.retry_advice(),
        }
    }

    fn declined(&self) -> Option<Declined> {
        match self {
            Ok(response) => response.declined(),
            Err(error) => error.declined(),
        }
    }
}

/// 502, 503 and 504: something on the way was not available; another attempt may get through.
#[must_use]
pub fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(retry_after_text: &str, date: Option<&str>) -> Option<Duration> {
        let response = Response::builder()
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, retry_after_text);
        let response = match date {
            Some(date) => response.header(DATE, date),
            None => response,
        };
        let response = response.body(()).unwrap();
        let read = retry_after(response.headers());
        let advised = RetryAdvice::Responded {
            status: StatusCode::SERVICE_UNAVAILABLE,
            after: read,
        };
        assert_eq!(response.retry_advice(), advised);
        read
    }

    #[test]
    fn a_status_of_grpc_that_comes_at_once_speaks_of_the_instance() {
        let failed = |media_type: &str, status: &str| {
            let response = Response::builder()
                .header(CONTENT_TYPE, media_type)
                .header("grpc-status", status);
            response.body(()).unwrap().instance_failed()
        };
        for (status, expected) in [
            ("0", false),
            ("14", true),
            ("13", true),
            ("16", false),
            ("5", false),
        ] {
            let seen = failed("application/grpc+proto", status);
            assert_eq!(seen, Some(expected), "{status}");
        }
        assert_eq!(failed("application/json", "14"), Some(false));
    }

    #[test]
    fn an_instance_declines_by_4xx_and_by_most_statuses_of_grpc() {
        let declined = |status: u16, grpc: Option<&str>| {
            let mut response = Response::builder()
                .status(status)
                .header("content-type", "application/grpc");
            if let Some(grpc) = grpc {
                response = response.header("grpc-status", grpc);
            }
            response.body(()).unwrap().declined()
        };
        for status in [401, 403, 404, 418] {
            assert_eq!(declined(status, None), Some(Declined::TheCall));
        }
        assert_eq!(declined(429, None), Some(Declined::TooMany));
        assert_eq!(declined(200, Some("8")), Some(Declined::TooMany));
        assert_eq!(declined(200, Some("16")), Some(Declined::TheCall));
        for good in [(200, None), (200, Some("0")), (301, None)] {
            assert_eq!(declined(good.0, good.1), None);
        }
        for failed in [(503, None), (200, Some("14"))] {
            assert_eq!(declined(failed.0, failed.1), None);
        }
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date_and_is_a_day_at_most() {
        let sent = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let rows = [
            ("7", None, seconds(7)),
            (" 7 ", sent, seconds(7)),
            ("0", sent, seconds(0)),
            ("86400", None, seconds(86_400)),
            ("86401", None, seconds(86_400)),
            ("99999999999999999999999", None, seconds(86_400)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", sent, seconds(20)),
            ("Sunday, 06-Nov-94 08:49:57 GMT", sent, seconds(20)),
            ("Sun Nov  6 08:49:57 1994", sent, seconds(20)),
            ("Sun, 06 Nov 1994 08:49:17 GMT", sent, seconds(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", sent, seconds(86_400)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", None, None),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some("yesterday"), None),
            ("", sent, None),
            ("-1", sent, None),
            ("1.5", sent, None),
            ("soon", sent, None),
        ];
        for (text, date, expected) in rows {
            assert_eq!(read(text, date), expected, "{text:?} at {date:?}");
        }
    }
}
