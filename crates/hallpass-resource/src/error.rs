//! What can go wrong: at start and when settings change ([`SetupError`]), while keys are fetched ([`KeysError`]), and with a request
//! ([`Denial`], the one that goes over the wire; its wire map stands beside it).

mod setup;

use std::time::Duration;

use hallpass_token::{BearerError, BearerSyntaxError, CallerKind, Scope, VerifyError};
use http::StatusCode;
use thiserror::Error;

pub use self::setup::{SetupError, SetupProblem};
use crate::path::PathFault;

/// Why a request was not let through.
///
/// The text (`Display`) is for the log. The caller is told what [`Denial::response`] holds and no more; in
/// particular not which part of a token did not fit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    // The request is at fault.
    /// The path can be read in more than one way.
    #[error("{0}")]
    Path(#[from] PathFault),
    /// More than one `Authorization` header.
    #[error("more than one Authorization header")]
    SeveralAuthorizationHeaders,
    /// The scheme is `Bearer`, and what follows is not a token (RFC 6750 section 2.1).
    #[error("the Authorization header is malformed: {0}")]
    Bearer(BearerSyntaxError),

    // The credentials are at fault.
    /// No bearer token where one is needed.
    #[error("no bearer token")]
    MissingToken,
    /// The token does not verify.
    #[error("{0}")]
    Token(#[from] VerifyError),
    /// The token is bound to a key of its sender (`cnf`, RFC 8705 and RFC 9449), and this layer checks no such proof.
    #[error("the token is bound to a key of its sender, and no proof of that is checked here")]
    SenderConstrained,
    /// The issuer has taken the token back, or all tokens of its client, its subject or its key.
    #[error("the token is revoked")]
    Revoked,

    // The caller is known and may not.
    /// The token lacks scopes.
    #[error("the token lacks scope: {required}")]
    InsufficientScope {
        /// What the route asks for.
        required: Scope,
    },
    /// The route is for services of internal issuers only, and the caller is none.
    #[error(
        "the route is internal-only, and the caller is {caller}, of an issuer that is {}internal",
        if *.internal { "" } else { "not " }
    )]
    NotInternal {
        /// The scope that the route asks for, if the token lacks it.
        missing: Scope,
        /// Who calls.
        caller: CallerKind,
        /// Whether the issuer is internal.
        internal: bool,
    },
    /// No rule is for this route, so nobody may call it.
    #[error("no rule is for this route")]
    NoRule,
    /// A handler asked for a user, and the caller is none, or not for certain.
    #[error("the handler needs a user, and the caller is {caller}")]
    UserRequired {
        /// Who calls.
        caller: CallerKind,
    },
    /// A handler asked for claims that the token does not have.
    #[error("the token lacks claims that the handler needs")]
    ClaimsMismatch,

    // We are at fault, or the issuer is.
    /// The issuer's keys are not known (yet), so no token of it can be judged.
    #[error("the keys of the issuer are not available: {0}")]
    Unavailable(KeysError),
}

/// What the caller is told about a [`Denial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenialResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code in the problem body; the list is in `docs/errors.md`.
    pub code: &'static str,
    /// The `error` of the challenge (RFC 6750 section 3.1); without one for a request without credentials, and when
    /// there is no challenge.
    pub bearer_error: Option<BearerError>,
    /// Whether the response has a `WWW-Authenticate` header at all.
    pub challenge: bool,
    /// The title in the problem body.
    pub title: &'static str,
}

impl Denial {
    /// What the caller is told. Grouped as RFC 6750 section 3.1 groups; no `_` arm, so that a new denial must choose.
    #[must_use]
    pub fn response(&self) -> DenialResponse {
        match self {
            Self::Path(_) => DenialResponse {
                status: StatusCode::BAD_REQUEST,
                code: "ambiguous_path",
                bearer_error: None,
                challenge: false,
                title: "The path of the request is ambiguous.",
            },
            Self::SeveralAuthorizationHeaders | Self::Bearer(_) => DenialResponse {
                status: StatusCode::BAD_REQUEST,
                code: "invalid_request",
                bearer_error: Some(BearerError::InvalidRequest),
                challenge: true,
                title: "Exactly one Authorization header with one bearer token is needed.",
            },
            Self::MissingToken => DenialResponse {
                status: StatusCode::UNAUTHORIZED,
                code: "missing_token",
                bearer_error: None,
                challenge: true,
                title: "A bearer token is needed.",
            },
            // Not 401: another token would be as long, and nobody should ask the issuer for one.
            Self::Token(VerifyError::TooLarge) => DenialResponse {
                status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                code: "token_too_large",
                bearer_error: None,
                challenge: false,
                title: "The token is longer than this service reads.",
            },
            Self::Token(_) | Self::SenderConstrained | Self::Revoked => DenialResponse {
                status: StatusCode::UNAUTHORIZED,
                code: "invalid_token",
                bearer_error: Some(BearerError::InvalidToken),
                challenge: true,
                title: "The token is not valid here.",
            },
            Self::InsufficientScope { .. } | Self::NoRule => {
                forbidden("insufficient_scope", "The token does not allow this.")
            }
            Self::NotInternal {
                caller, internal, ..
            } => forbidden("service_required", service_required(*caller, *internal)),
            Self::UserRequired { .. } => forbidden("user_required", "This needs a user's token."),
            Self::ClaimsMismatch => {
                forbidden("claims_mismatch", "The token lacks claims that this needs.")
            }
            Self::Unavailable(_) => DenialResponse {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "unavailable",
                bearer_error: None,
                challenge: false,
                title: "Tokens cannot be verified at the moment.",
            },
        }
    }

    /// The metric label, out of a closed set: `missing`, `malformed`, `expired`, `signature`, `unknown_key`,
    /// `issuer`, `audience`, `type`, `revoked`, `scope`, `unavailable`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Path(_) | Self::SeveralAuthorizationHeaders | Self::Bearer(_) => "malformed",
            Self::MissingToken => "missing",
            Self::Token(error) => error.reason(),
            Self::SenderConstrained => "type",
            Self::Revoked => "revoked",
            Self::InsufficientScope { .. }
            | Self::NotInternal { .. }
            | Self::NoRule
            | Self::UserRequired { .. }
            | Self::ClaimsMismatch => "scope",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The exact reason for the log and the audit event, stable and in snake case.
    #[must_use]
    pub fn log_code(&self) -> &'static str {
        match self {
            Self::Path(_) => "ambiguous_path",
            Self::SeveralAuthorizationHeaders => "several_authorization_headers",
            Self::Bearer(fault) => fault.code(),
            Self::MissingToken => "missing_token",
            Self::Token(error) => error.code(),
            Self::SenderConstrained => "sender_constrained",
            Self::Revoked => "revoked",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::NotInternal {
                caller: CallerKind::Unknown(_),
                ..
            }
            | Self::UserRequired {
                caller: CallerKind::Unknown(_),
            } => "caller_unknown",
            Self::NotInternal { .. } => "not_internal",
            Self::NoRule => "no_rule",
            Self::UserRequired { .. } => "user_required",
            Self::ClaimsMismatch => "claims_mismatch",
            Self::Unavailable(error) => error.code(),
        }
    }

    /// The scopes that would have helped, for the challenge.
    pub(crate) fn required_scope(&self) -> Option<&Scope> {
        match self {
            Self::InsufficientScope { required } => Some(required),
            Self::NotInternal { missing, .. } => Some(missing),
            Self::Path(_)
            | Self::SeveralAuthorizationHeaders
            | Self::Bearer(_)
            | Self::MissingToken
            | Self::Token(_)
            | Self::SenderConstrained
            | Self::Revoked
            | Self::NoRule
            | Self::UserRequired { .. }
            | Self::ClaimsMismatch
            | Self::Unavailable(_) => None,
        }
    }

    /// When the caller may try again, where it is only a matter of time; in seconds, at least 1.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let Self::Unavailable(error) = self else {
            return None;
        };
        let wait = match error {
            KeysError::TooEarly { retry_in, .. } => *retry_in,
            _ => Duration::ZERO,
        };
        let whole = wait.as_secs();
        let begun = u64::from(wait.subsec_nanos() > 0);
        Some(whole.saturating_add(begun).max(1))
    }
}

/// The caller is known and may not (RFC 6750 section 3.1).
fn forbidden(code: &'static str, title: &'static str) -> DenialResponse {
    DenialResponse {
        status: StatusCode::FORBIDDEN,
        code,
        bearer_error: Some(BearerError::InsufficientScope),
        challenge: true,
        title,
    }
}

/// What an internal-only route misses in a caller, as far as the caller may know.
fn service_required(caller: CallerKind, internal: bool) -> &'static str {
    match (caller, internal) {
        (CallerKind::Service, false) => {
            "This needs a service's token of an internal issuer, and the issuer is another."
        }
        (CallerKind::Unknown(_), _) => {
            "This needs a service's own token, and this token does not say that it is one."
        }
        (CallerKind::User | CallerKind::Service, _) => "This needs a service's own token.",
    }
}

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
    #[error("the response is not a JWK set (content type {content_type}): {reason}")]
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

#[cfg(test)]
mod tests;
