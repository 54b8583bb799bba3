//! Why an attempt at an upstream has no response, and what that says of the instance.

use hallpass_upstream::{Outcome, Refusal, RetryAdvice, TransportError};

/// Why an attempt at an upstream has no response that can be handed on.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// Nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No response came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No response came in time.
    #[error("no response came in time")]
    TimedOut,
    /// The response cannot be handed on as what it says it is.
    #[error("the response cannot be handed on: {0}")]
    Invalid(&'static str),
    /// The response switches to another protocol than was asked for, or to one without having been asked.
    #[error("the response switches protocols unasked")]
    Switched,
}

impl Outcome for UpstreamError {
    fn instance_failed(&self) -> Option<bool> {
        match self {
            Self::Refused(refusal) => refusal.instance_failed(),
            Self::Transport(error) => error.instance_failed(),
            Self::TimedOut | Self::Invalid(_) | Self::Switched => Some(true),
        }
    }

    fn retry_advice(&self) -> RetryAdvice {
        match self {
            Self::Refused(refusal) => refusal.retry_advice(),
            Self::Transport(error) => error.retry_advice(),
            Self::TimedOut => RetryAdvice::MayHaveActed,
            Self::Invalid(_) | Self::Switched => RetryAdvice::Stands,
        }
    }
}
