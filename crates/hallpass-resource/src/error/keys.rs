//! Why the keys of an issuer are not there.

use std::time::Duration;

use thiserror::Error;

/// Why a source has no keys.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysError {
    /// Nothing has been fetched yet, or the last good keys are too old, and it is too early for the next attempt.
    #[error("no usable keys, and the next attempt is due later; the last one failed: {last}")]
    TooEarly {
        /// Why the last attempt failed.
        last: String,
        /// How long until the next attempt.
        retry_in: Duration,
    },
    /// The whole fetch took longer than its limit.
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
    /// A response with another status than 200 or 304. Redirects are not followed.
    #[error("the response has the status {status}")]
    Status {
        /// The status.
        status: u16,
        /// For how long the issuer asks to be left alone (`Retry-After` of 429 and 503, RFC 9110 section 10.2.3).
        retry_after: Option<Duration>,
    },
    /// More bytes than a JWK set may have.
    #[error("the key set is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The response is not a JWK set, for example an HTML page of a proxy.
    #[error("what was read is not a JWK set (content type: {content_type}): {reason}")]
    NotAKeySet {
        /// What the response says it is, shortened.
        content_type: String,
        /// What the parser says.
        reason: String,
    },
    /// A JWK set without any key that can verify tokens. The last good keys stay.
    #[error("the key set has no key that can verify a token ({skipped} of its keys were skipped)")]
    NoUsableKey {
        /// How many keys were skipped.
        skipped: usize,
    },
    /// The document that should say where the keys are cannot be used (OpenID Discovery 1.0).
    #[error("the issuer's document .well-known/openid-configuration cannot be used: {0}")]
    Metadata(&'static str),
    /// The key file cannot be read.
    #[error("the key file cannot be read: {0}")]
    File(String),
    /// The fetch ended without a result (its task was cancelled with the runtime).
    #[error("the fetch was cancelled")]
    Cancelled,
}

impl KeysError {
    /// For how long the issuer asks to be left alone, where it does.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The stable name of this error for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooEarly { .. } => "keys_too_early",
            Self::Timeout { .. } => "keys_timeout",
            Self::Discovery(_) => "keys_discovery",
            Self::Transport(_) => "keys_transport",
            Self::Status { .. } => "keys_status",
            Self::TooLarge { .. } => "keys_too_large",
            Self::NotAKeySet { .. } => "keys_not_a_key_set",
            Self::NoUsableKey { .. } => "keys_none_usable",
            Self::Metadata(_) => "keys_metadata",
            Self::File(_) => "keys_file",
            Self::Cancelled => "keys_cancelled",
        }
    }
}
