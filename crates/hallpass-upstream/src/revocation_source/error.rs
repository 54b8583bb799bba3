//! Why a deny-list could not be followed.

use std::time::Duration;

use thiserror::Error;

/// Why there is no newer list. The last one stays.
#[derive(Debug, Error)]
pub(super) enum FollowError {
    /// The issuer, or what stands before it, has no such list.
    #[error("the response has the status {status}: there is no deny-list")]
    NotOffered { status: u16 },
    #[error("the response has the status {status}")]
    Status {
        status: u16,
        /// For how long the issuer asks to be left alone.
        retry_after: Option<Duration>,
    },
    #[error("no response within {} ms", limit.as_millis())]
    Timeout { limit: Duration },
    #[error("the stream has been silent for {} s", limit.as_secs())]
    Silent { limit: Duration },
    #[error("the service cannot be found: {0}")]
    Discovery(String),
    #[error("the connection failed: {0}")]
    Transport(String),
    #[error("the deny-list is larger than {limit} {unit}")]
    TooLarge { limit: usize, unit: &'static str },
    #[error("the response is no deny-list: {0}")]
    NotAList(String),
}

impl FollowError {
    /// The stable name for logs and metrics.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NotOffered { .. } => "not_offered",
            Self::Status { .. } => "status",
            Self::Timeout { .. } | Self::Silent { .. } => "timeout",
            Self::Discovery(_) => "discovery",
            Self::Transport(_) => "transport",
            Self::TooLarge { .. } => "too_large",
            Self::NotAList(_) => "not_a_list",
        }
    }

    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
