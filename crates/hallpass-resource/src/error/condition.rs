//! Which condition of a rule a caller does not satisfy.

use thiserror::Error;

use super::response::{DenialResponse, forbidden};

/// Which condition of a rule a caller does not satisfy, whose token is good otherwise. The names are for the log; the caller
/// is told which kind of condition it was.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionFault {
    /// A role is missing.
    #[error("the caller lacks the role {0}")]
    Role(String),
    /// An authority is missing.
    #[error("the caller lacks the authority {0}")]
    Authority(String),
    /// The token was issued to a client that is not among those that may call.
    #[error("the client is not among those that may call")]
    Caller,
    /// Somebody acts for the caller who may not do so here.
    #[error("who acts for the caller may not do so here")]
    Actor,
    /// The certificate of the caller has none of the names that may call.
    #[error("the workload is not among those that may call")]
    Peer,
    /// A claim is not as it must be.
    #[error("the claims do not satisfy `{0}`")]
    Claim(String),
}

impl ConditionFault {
    pub(super) fn response(&self) -> DenialResponse {
        match self {
            Self::Role(_) => forbidden("role_required", "The caller lacks a role."),
            Self::Authority(_) => forbidden("authority_required", "The caller lacks an authority."),
            Self::Caller => forbidden("caller_not_allowed", "This client may not call this."),
            Self::Actor => forbidden("actor_not_allowed", "Who acts here for the caller may not."),
            Self::Peer => forbidden("peer_not_allowed", "This workload may not call this."),
            Self::Claim(_) => forbidden(
                "claim_not_allowed",
                "A claim of the token does not allow this.",
            ),
        }
    }

    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Role(_) | Self::Authority(_) => "role",
            Self::Caller => "caller",
            Self::Actor => "actor",
            Self::Peer => "peer",
            Self::Claim(_) => "claim",
        }
    }

    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Role(_) => "role_required",
            Self::Authority(_) => "authority_required",
            Self::Caller => "caller_not_allowed",
            Self::Actor => "actor_not_allowed",
            Self::Peer => "peer_not_allowed",
            Self::Claim(_) => "claim_not_allowed",
        }
    }
}
