//! Why a call has no result.

mod detail;

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{CallError, HostRefusal, TokenError};
use hallpass_upstream::{
    DiscoverError, Outcome, Refusal, RetryAdvice, TransportError, is_transient,
};
use http::StatusCode;

pub(crate) use detail::MAX_TARGET_BYTES;
pub use detail::{ArgumentProblem, DecodeError, ErrorBody, ErrorHeaders};

/// Why a call has no result, grouped by who has to do something about it.
///
/// The text never holds a token, a header, an argument's value or a body, so it can be logged as it is. Every variant
/// can be made in a test. [`FeignError::code`] is stable and listed in `docs/errors.md`.
///
/// ```
/// use hallpass_feign::FeignError;
///
/// let error = FeignError::NoIdentity;
/// assert_eq!(error.code(), "no_identity");
/// assert!(!error.is_retryable(), "the same call fails again");
/// assert!(!error.reaches_fallback(), "a fallback must not hide it");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeignError {
    // The caller's own code or configuration. Nothing was sent.
    /// An argument has a value that cannot be sent.
    #[error("argument `{argument}` cannot be sent: {problem}")]
    InvalidArgument {
        /// Name of the argument.
        argument: &'static str,
        /// What is wrong with its value.
        problem: ArgumentProblem,
    },
    /// A method of a `MockX` was called that has no closure.
    #[error("the mock has no answer for `{method}`")]
    MockUnset {
        /// Trait and method.
        method: &'static str,
    },

    // Identity. Nothing was sent to the callee; never hidden by a fallback, except that the issuer is out of order.
    /// The call carries the caller's identity, and there is no caller: it was made outside a request, in a detached
    /// task, or from a raw `tokio::spawn`.
    #[error("no caller is known whose identity this call could carry")]
    NoIdentity,
    /// The caller's token has expired, so it is not passed on.
    #[error("the identity to relay has expired")]
    IdentityExpired,
    /// The caller's token is bound to a key of the caller's own, so it cannot be relayed: use `identity = "exchange"`.
    #[error("the caller's token is bound to the caller's key and cannot be relayed: exchange it")]
    IdentityBound,
    /// `identity = "exchange"`, and the issuer does not offer token exchange (RFC 8693), or not to this service.
    #[error("identity = exchange is not offered by this issuer, or not to this service")]
    ExchangeNotOffered,
    /// The call needs a service token and the [`Feign`](crate::Feign) was built without a token service.
    #[error("this client was built without a token service")]
    NoTokenService,
    /// The token service gave no token.
    #[error("no token for this call: {0}")]
    Token(#[source] TokenError),
    /// The request would have gone to a host that is not the service the token is made for.
    #[error("the call was stopped: {0}")]
    HostRefused(HostRefusal),
    /// Stopped by a layer of `hallpass-client` for a reason that this version does not know.
    #[error("the call was stopped: {0}")]
    Stopped(#[source] CallError),

    // The callee cannot be reached, or is being spared. These reach the fallback.
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
    /// As many calls as the limit of the service or the method allows have begun, and this one could not wait for its turn.
    #[error("calls to `{service}` are limited, for {} ms", .retry_after.as_millis())]
    RateLimited {
        /// The service.
        service: Arc<str>,
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// No address is known for the service.
    #[error(transparent)]
    NoInstance(DiscoverError),
    /// The deadline of the whole call, with its retries, ran out, or the time of its last attempt
    /// ([`RetrySettings::attempt_timeout`](hallpass_upstream::RetrySettings::attempt_timeout)).
    #[error("no response within {} ms", .limit.as_millis())]
    Deadline {
        /// The limit that was set; what was left of the caller's own where that was less.
        limit: Duration,
    },
    /// The connection could not be made or did not hold.
    #[error(transparent)]
    Transport(TransportError),
    /// The task that an isolated call ran on was ended by the runtime.
    #[error("the call was interrupted")]
    Interrupted,

    // The callee's response.
    /// The callee responded with a status that is not a success. Redirects are not followed and count here.
    #[error("the callee responded with {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The headers of the response; hidden in `Debug`.
        headers: ErrorHeaders,
        /// What it said, as far as it was short enough to keep; hidden in `Debug`.
        body: ErrorBody,
    },
    /// The response is longer than this client reads.
    #[error("the response is longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The response is not JSON of the expected type.
    #[error(transparent)]
    Decode(DecodeError),
}

impl FeignError {
    /// [`FeignError::Status`] with a body and without headers, for mocks. It equals no error of a real response, which has headers.
    pub fn status(status: StatusCode, body: impl Into<ErrorBody>) -> Self {
        Self::Status {
            status,
            headers: ErrorHeaders::default(),
            body: body.into(),
        }
    }

    /// The header `name` of the response that this error is; `None` where there was no response, or it has no such header.
    ///
    /// ```
    /// use hallpass_feign::FeignError;
    ///
    /// fn code(error: &FeignError) -> &str {
    ///     error.header("x-error-code").unwrap_or("unknown")
    /// }
    /// assert_eq!(code(&FeignError::NoIdentity), "unknown");
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Status { headers, .. } => headers.get(name),
            _ => None,
        }
    }

    /// The stable name of this kind of failure, as in `docs/errors.md` and in the metrics' `outcome`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidArgument { .. } => "invalid_argument",
            Self::MockUnset { .. } => "mock_unset",
            Self::NoIdentity => "no_identity",
            Self::IdentityExpired => "identity_expired",
            Self::IdentityBound => "identity_bound",
            Self::ExchangeNotOffered => "exchange_not_offered",
            Self::NoTokenService => "no_token_service",
            Self::Token(_) => "token",
            Self::HostRefused(_) => "host_refused",
            Self::Stopped(_) => "stopped",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::RateLimited { .. } => "rate_limited",
            Self::NoInstance(_) => "no_instance",
            Self::Deadline { .. } => "deadline",
            Self::Transport(_) => "transport",
            Self::Interrupted => "interrupted",
            Self::Status { status, .. } if status.is_server_error() => "server_error",
            Self::Status { status, .. } if status.is_redirection() => "redirect",
            Self::Status { .. } => "client_error",
            Self::TooLarge { .. } => "too_large",
            Self::Decode(_) => "decode",
        }
    }

    /// Whether the same call may succeed later without any change.
    ///
    /// True does not say that the callee has not acted: ask only for calls that may be repeated.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::BreakerOpen { .. }
            | Self::BulkheadFull { .. }
            | Self::RateLimited { .. }
            | Self::NoInstance(_)
            | Self::Deadline { .. }
            | Self::Interrupted => true,
            Self::Token(error) => error.is_retryable(),
            Self::Stopped(error) => error.is_retryable(),
            Self::Transport(error) => error.is_retryable(),
            Self::Status { status, .. } => {
                is_transient(*status)
                    || matches!(
                        *status,
                        StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::InvalidArgument { .. }
            | Self::MockUnset { .. }
            | Self::NoIdentity
            | Self::IdentityExpired
            | Self::IdentityBound
            | Self::ExchangeNotOffered
            | Self::NoTokenService
            | Self::HostRefused(_)
            | Self::TooLarge { .. }
            | Self::Decode(_) => false,
        }
    }

    /// Whether a wait ran out: the deadline, a connect timeout, the token service's wait, or a 504 from the callee.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Deadline { .. } => true,
            Self::Token(error) => error.is_timeout(),
            Self::Stopped(error) => error.is_timeout(),
            Self::Transport(error) => error.is_timeout(),
            Self::Status { status, .. } => *status == StatusCode::GATEWAY_TIMEOUT,
            Self::InvalidArgument { .. }
            | Self::MockUnset { .. }
            | Self::NoIdentity
            | Self::IdentityExpired
            | Self::IdentityBound
            | Self::ExchangeNotOffered
            | Self::NoTokenService
            | Self::HostRefused(_)
            | Self::BreakerOpen { .. }
            | Self::BulkheadFull { .. }
            | Self::RateLimited { .. }
            | Self::NoInstance(_)
            | Self::Interrupted
            | Self::TooLarge { .. }
            | Self::Decode(_) => false,
        }
    }

    /// Whether the fallback answers instead: yes when the service cannot be reached, is spared or fails (5xx), and when there
    /// is no token because the issuer does not work ([`TokenError::is_outage`]); no
    /// when the call itself, its identity or the agreement between the two sides is at fault, because a fallback would
    /// hide that. 401, 403 and 404 are responses, not outages.
    #[must_use]
    pub fn reaches_fallback(&self) -> bool {
        match self {
            Self::BreakerOpen { .. }
            | Self::BulkheadFull { .. }
            | Self::RateLimited { .. }
            | Self::NoInstance(_)
            | Self::Deadline { .. }
            | Self::Transport(_)
            | Self::Interrupted => true,
            Self::Status { status, .. } => status.is_server_error(),
            // A refusal (`invalid_client`, `invalid_scope`) goes to the caller: it does not pass by itself.
            Self::Token(error) => error.is_outage(),
            Self::InvalidArgument { .. }
            | Self::MockUnset { .. }
            | Self::NoIdentity
            | Self::IdentityExpired
            | Self::IdentityBound
            | Self::ExchangeNotOffered
            | Self::NoTokenService
            | Self::HostRefused(_)
            | Self::Stopped(_)
            | Self::TooLarge { .. }
            | Self::Decode(_) => false,
        }
    }
}

impl From<CallError> for FeignError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NoIdentity { .. } => Self::NoIdentity,
            CallError::IdentityExpired => Self::IdentityExpired,
            CallError::IdentityBound => Self::IdentityBound,
            CallError::ExchangeNotOffered => Self::ExchangeNotOffered,
            CallError::NoTokenService => Self::NoTokenService,
            CallError::Token(error) => Self::Token(error),
            CallError::HostRefused(refusal) => Self::HostRefused(refusal),
            CallError::Transport(error) => Self::Transport(error),
            // The enum may grow. What is not known is neither retried nor hidden by a fallback.
            other => Self::Stopped(other),
        }
    }
}

impl From<Refusal> for FeignError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoInstance(error) => Self::NoInstance(error),
            Refusal::BreakerOpen {
                service,
                retry_after,
            } => Self::BreakerOpen {
                service,
                retry_after,
            },
            Refusal::BulkheadFull { service } => Self::BulkheadFull { service },
            Refusal::RateLimited {
                service,
                retry_after,
            } => Self::RateLimited {
                service,
                retry_after,
            },
        }
    }
}

/// Of one attempt. An open breaker and a limit are not retried: waiting is what they are for. A full bulkhead is that of its
/// instance here, and another one may have a place.
impl Outcome for FeignError {
    fn instance_failed(&self) -> Option<bool> {
        match self {
            Self::Transport(_) | Self::Interrupted => Some(true),
            Self::Status { status, .. } => Some(status.is_server_error()),
            // A response came, and it was this side that refused it.
            Self::TooLarge { .. } | Self::Decode(_) => Some(false),
            // No token, wrong host, refused on this side: the instance never saw the call.
            Self::InvalidArgument { .. }
            | Self::MockUnset { .. }
            | Self::NoIdentity
            | Self::IdentityExpired
            | Self::IdentityBound
            | Self::ExchangeNotOffered
            | Self::NoTokenService
            | Self::Token(_)
            | Self::HostRefused(_)
            | Self::Stopped(_)
            | Self::BreakerOpen { .. }
            | Self::BulkheadFull { .. }
            | Self::RateLimited { .. }
            | Self::NoInstance(_)
            | Self::Deadline { .. } => None,
        }
    }

    fn retry_advice(&self) -> RetryAdvice {
        match self {
            Self::Transport(error) => error.retry_advice(),
            // Of an attempt: below the retry that is its own limit, and what it has sent may have arrived.
            Self::Deadline { .. } => RetryAdvice::MayHaveActed,
            Self::BulkheadFull { .. } => RetryAdvice::Elsewhere,
            _ => RetryAdvice::Stands,
        }
    }
}

#[cfg(test)]
mod tests;
