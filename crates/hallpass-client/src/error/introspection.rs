//! Why an issuer did not say what a token is.

use std::time::Duration;

/// Why a question about a token was not answered. It says nothing about the token.
///
/// No variant holds a token, a secret, or more of what somebody else sent than a shortened cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// This service cannot prove who it is: the file of its credential cannot be used, or the library cannot sign.
    #[error("this service cannot prove who it is: {0}")]
    Credential(String),
    /// All attempts together took longer than their limit.
    #[error("no response within {} ms", limit.as_millis())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The service name has no instances, or discovery failed.
    #[error("the service cannot be found: {0}")]
    Discovery(String),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// Any other status than 200. Redirects are not followed. 401: the endpoint does not take the credential of this service.
    #[error("the endpoint responded with status {status}")]
    Status {
        /// The status.
        status: u16,
        /// For how long the endpoint asks to be left alone (`Retry-After` of 429 and 503).
        retry_after: Option<Duration>,
    },
    /// More bytes than such a response may have.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The response is not JSON by its content type, for example an HTML page of a proxy.
    #[error("the response is not JSON")]
    NotJson,
}

impl IntrospectionError {
    /// The stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Credential(_) => "introspection_credential",
            Self::Timeout { .. } => "introspection_timeout",
            Self::Discovery(_) => "introspection_discovery",
            Self::Transport(_) => "introspection_transport",
            Self::Status { .. } => "introspection_status",
            Self::TooLarge { .. } => "introspection_too_large",
            Self::NotJson => "introspection_not_json",
        }
    }

    /// For how long the endpoint asks to be left alone, where it does.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
