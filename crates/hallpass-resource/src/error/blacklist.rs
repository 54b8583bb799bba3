//! Why a token does not pass by the list of those that were logged out.

use thiserror::Error;

use super::response::{DenialResponse, invalid_token, unavailable};

/// Why a token does not pass by `security.internal-jwt.blacklist`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlacklistFault {
    /// It was logged out.
    #[error("the token is listed as logged out")]
    Listed,
    /// It has no `jti`, or one that no key is made of: nobody could list it.
    #[error("the token has no `jti` that a key can be made of, so it cannot be looked for")]
    Unnamed,
    /// Nobody says whether it was logged out.
    #[error("it is not known whether the token was logged out")]
    Away,
}

impl BlacklistFault {
    /// What the caller is told.
    pub(super) fn response(self) -> DenialResponse {
        match self {
            Self::Listed | Self::Unnamed => invalid_token(),
            Self::Away => unavailable("Tokens cannot be verified at the moment."),
        }
    }

    /// The metric label.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Listed => "revoked",
            Self::Unnamed => "malformed",
            Self::Away => "unavailable",
        }
    }

    /// The exact reason for the log and the audit event.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Listed => "blacklisted",
            Self::Unnamed => "blacklist_unnamed",
            Self::Away => "blacklist_away",
        }
    }
}
