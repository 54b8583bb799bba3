//! Why it is not known whether a token is good.

use std::time::Duration;

use hallpass_client::IntrospectionError;

/// Why an issuer did not say whether a token is good. The caller gets a 503: the token may be perfectly good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionFailure {
    /// The endpoint did not respond, or not as such an endpoint does.
    #[error(transparent)]
    Asked(#[from] IntrospectionError),
    /// The response does not say whether the token is active (RFC 7662 section 2.2).
    #[error("the response does not say whether the token is active")]
    NotAResponse,
    /// The endpoint has failed, and it is too early to ask it again.
    #[error("it is too early to ask the issuer again; the last question failed: {last}")]
    TooEarly {
        /// Why the last question failed.
        last: String,
        /// How long until the next one.
        retry_in: Duration,
    },
    /// More new tokens came than the issuer may be asked about, or too many questions are under way.
    #[error("too many tokens would have to be asked about")]
    TooMany,
    /// The question ended without a result (its task was cancelled with the runtime).
    #[error("the question was cancelled")]
    Cancelled,
}

impl IntrospectionFailure {
    /// The stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Asked(error) => error.code(),
            Self::NotAResponse => "introspection_not_a_response",
            Self::TooEarly { .. } => "introspection_too_early",
            Self::TooMany => "introspection_too_many",
            Self::Cancelled => "introspection_cancelled",
        }
    }

    /// How long until another question can help; zero when that is not known.
    #[must_use]
    pub fn retry_in(&self) -> Duration {
        match self {
            Self::TooEarly { retry_in, .. } => *retry_in,
            Self::Asked(error) => error.retry_after().unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Whether the endpoint itself is at fault, and not what it was asked about: a token that it cannot read must not hold the questions
    /// about others back.
    pub(crate) const fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Asked(IntrospectionError::Status { status, .. }) => {
                matches!(status, 401 | 403 | 404 | 405 | 408 | 429)
                    || *status < 400
                    || *status >= 500
            }
            Self::Asked(_) | Self::NotAResponse => true,
            Self::TooEarly { .. } | Self::TooMany | Self::Cancelled => false,
        }
    }
}
