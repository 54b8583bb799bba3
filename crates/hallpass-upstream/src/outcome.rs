//! How an attempt ended, for the code that decides what comes next.

use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};

use crate::discovery::DiscoverError;

/// How one attempt at one instance ended. Breaker and retry decide by this, so the caller may have types of its own.
///
/// Implemented for the error of each kind of caller, for responses, and for a `Result` of two that implement it.
pub trait Outcome {
    /// Whether the instance failed. `None` when the attempt says nothing about it, because it never got there.
    fn instance_failed(&self) -> Option<bool>;

    /// Whether the same request may be sent again.
    fn retry_advice(&self) -> RetryAdvice;
}

/// Whether a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// The outcome stands: another attempt would end alike, or waiting is what the refusal is for.
    Stands,
    /// Nothing of it has reached the callee, so it may be sent again whatever it asks for.
    Unsent,
    /// The callee may have acted on it, so it may be sent again only when doing it twice does no harm.
    MayHaveActed {
        /// How long the callee asks to wait; zero when it does not say.
        after: Duration,
    },
}

/// Why an attempt was refused on this side. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No address is known for the service.
    #[error(transparent)]
    NoInstance(DiscoverError),
    /// Every instance has an open circuit breaker.
    #[error("calls to `{service}` are suspended for {} ms", .retry_after.as_millis())]
    BreakerOpen {
        /// The service.
        service: Arc<str>,
        /// When the first breaker lets a call through again; zero when it waits for calls under way.
        retry_after: Duration,
    },
    /// As many calls as allowed are under way to the chosen instance, and none ended while this one waited.
    #[error("too many calls to `{service}` are under way")]
    BulkheadFull {
        /// The service.
        service: Arc<str>,
    },
}

impl Outcome for Refusal {
    fn instance_failed(&self) -> Option<bool> {
        None
    }

    fn retry_advice(&self) -> RetryAdvice {
        RetryAdvice::Stands
    }
}

/// 5xx is a failure of the instance, every other status is not. 502, 503 and 504 may be gone with the next attempt; 500
/// and 501 would come again: the callee has looked at the request. `Retry-After` is read in its form with seconds (RFC
/// 9110 section 10.2.3).
impl<B> Outcome for Response<B> {
    fn instance_failed(&self) -> Option<bool> {
        Some(self.status().is_server_error())
    }

    fn retry_advice(&self) -> RetryAdvice {
        if !is_transient(self.status()) {
            return RetryAdvice::Stands;
        }
        let seconds = self
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        RetryAdvice::MayHaveActed {
            after: Duration::from_secs(seconds.unwrap_or(0)),
        }
    }
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
}

/// 502, 503 and 504: something on the way was not available; another attempt may get through.
#[must_use]
pub fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}
