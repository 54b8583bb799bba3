//! What can go wrong: at start and when settings change ([`SetupError`]), while keys are fetched ([`KeysError`]), and with a request
//! ([`Denial`], the one that goes over the wire; its wire map stands beside it).

mod blacklist;
mod condition;
mod introspection;
mod keys;
mod mesh;
mod proof;
mod response;
mod setup;

use std::time::Duration;

use hallpass_client::context::CarriedFault;
use hallpass_token::{BearerError, BearerSyntaxError, CallerKind, Scope, VerifyError};
use http::StatusCode;
use thiserror::Error;

pub use self::blacklist::BlacklistFault;
pub use self::condition::ConditionFault;
pub use self::introspection::IntrospectionFailure;
pub use self::keys::KeysError;
pub use self::mesh::MeshDenial;
pub use self::proof::ProofFault;
pub use self::response::DenialResponse;
use self::response::{
    context_response, forbidden, invalid_token, proof_response, service_required, tenant_mismatch,
    too_late, unavailable,
};
pub use self::setup::{SetupError, SetupProblem};
use crate::path::PathFault;
use crate::policy::HostFault;

/// Why a request was not let through.
///
/// The text (`Display`) is for the log. The caller is told what [`Denial::response`] holds and no more; not which part of a token did not fit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    // The request is at fault.
    /// The path can be read in more than one way.
    #[error("{0}")]
    Path(#[from] PathFault),
    /// There are rules for hosts, and it is not known which host the request is for.
    #[error("{0}")]
    Host(#[from] HostFault),
    /// What the request brings to be carried on is not clear, or too long.
    #[error("{0}")]
    Context(#[from] CarriedFault),
    /// More than one `Authorization` header.
    #[error("more than one Authorization header")]
    SeveralAuthorizationHeaders,
    /// The scheme is `Bearer`, and what follows is not a token (RFC 6750 section 2.1).
    #[error("the Authorization header is malformed: {0}")]
    Bearer(BearerSyntaxError),

    /// What the proxy of the mesh says of the caller is not clear, or does not let it pass (`security.internal-jwt.mesh`).
    #[error("{0}")]
    Mesh(#[from] MeshDenial),

    // The credentials are at fault.
    /// No bearer token where one is needed.
    #[error("no bearer token")]
    MissingToken,
    /// The token does not verify.
    #[error("{0}")]
    Token(#[from] VerifyError),
    /// The token is bound to something that this layer cannot check (`cnf`): a member that it does not know, or to a key or certificate not shown.
    #[error("the token is bound to something that is not checked here (cnf)")]
    SenderConstrained,
    /// The token is bound to a key or to a certificate, and the sender has not proven to hold it, or the other way round.
    #[error("{0}")]
    Proof(#[from] ProofFault),
    /// The issuer has taken the token back, or all tokens of its client, its subject or its key.
    #[error("the token is revoked")]
    Revoked,
    /// The token, its client, its subject or its key is denied by this service itself (`security.internal-jwt.denied`).
    #[error("the token is denied by security.internal-jwt.denied")]
    DeniedHere,
    /// The token was logged out, as far as that is known (`security.internal-jwt.blacklist`).
    #[error("{0}")]
    Blacklist(#[from] BlacklistFault),
    /// The issuer, which was asked about the token, says that it is not good, and does not say why.
    #[error("the issuer says that the token is not active")]
    Inactive,

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
    /// The caller does not satisfy what the rule demands beside scopes.
    #[error("{0}")]
    Condition(#[from] ConditionFault),
    /// No rule is for this route, so nobody may call it.
    #[error("no rule is for this route")]
    NoRule,
    /// A handler asked for a user, and the caller is none, or not for certain.
    #[error("the handler needs a user, and the caller is {caller}")]
    UserRequired {
        /// Who calls.
        caller: CallerKind,
    },
    /// The request names another tenant than its token, or one that its token should name and does not.
    #[error("the tenant of the request is not that of its token")]
    TenantMismatch,
    /// A handler asked for claims that the token does not have.
    #[error("the token lacks claims that the handler needs")]
    ClaimsMismatch,

    /// The caller waits no longer, by what it said itself; the handler was stopped.
    #[error("the caller has stopped waiting")]
    DeadlineExceeded,

    // We are at fault, or the issuer is.
    /// The issuer's keys are not known (yet), so no token of it can be judged.
    #[error("the keys of the issuer are not available: {0}")]
    Unavailable(KeysError),
    /// The issuer, which has to be asked about the token, does not say whether it is good.
    #[error("the issuer does not say what the token is: {0}")]
    Introspection(#[from] IntrospectionFailure),
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
            Self::Host(_) => DenialResponse {
                status: StatusCode::BAD_REQUEST,
                code: "ambiguous_host",
                bearer_error: None,
                challenge: false,
                title: "The request must name exactly one host.",
            },
            Self::Context(fault) => context_response(fault),
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
            Self::Proof(fault) => proof_response(*fault),
            Self::Blacklist(fault) => fault.response(),
            Self::Mesh(fault) => fault.response(),
            Self::Token(_)
            | Self::SenderConstrained
            | Self::Revoked
            | Self::DeniedHere
            | Self::Inactive => invalid_token(),
            Self::InsufficientScope { .. } | Self::NoRule => {
                forbidden("insufficient_scope", "The token does not allow this.")
            }
            Self::Condition(fault) => fault.response(),
            Self::NotInternal {
                caller, internal, ..
            } => forbidden("service_required", service_required(*caller, *internal)),
            Self::TenantMismatch => tenant_mismatch(),
            Self::UserRequired { .. } => forbidden("user_required", "This needs a user's token."),
            Self::ClaimsMismatch => {
                forbidden("claims_mismatch", "The token lacks claims that this needs.")
            }
            Self::DeadlineExceeded => too_late(),
            Self::Unavailable(_) | Self::Introspection(_) => {
                unavailable("Tokens cannot be verified at the moment.")
            }
        }
    }

    /// The metric label, out of a closed set: `missing`, `malformed`, `expired`, `signature`, `unknown_key`,
    /// `issuer`, `audience`, `type`, `proof`, `unbound`, `revoked`, `inactive`, `scope`, `role`, `caller`, `actor`, `peer`, `claim`, `tenant`,
    /// `unavailable`, `deadline`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Path(_)
            | Self::Host(_)
            | Self::Context(_)
            | Self::SeveralAuthorizationHeaders
            | Self::Bearer(_) => "malformed",
            Self::TenantMismatch => "tenant",
            Self::MissingToken => "missing",
            Self::Token(error) => error.reason(),
            Self::SenderConstrained => "type",
            Self::Proof(ProofFault::TooMany | ProofFault::StoreAway) => "unavailable",
            Self::Proof(ProofFault::Unbound(_)) => "unbound",
            Self::Proof(_) => "proof",
            Self::Revoked | Self::DeniedHere => "revoked",
            Self::Blacklist(fault) => fault.reason(),
            Self::Mesh(fault) => fault.reason(),
            Self::Inactive => "inactive",
            Self::DeadlineExceeded => "deadline",
            Self::Condition(fault) => fault.reason(),
            Self::InsufficientScope { .. }
            | Self::NotInternal { .. }
            | Self::NoRule
            | Self::UserRequired { .. }
            | Self::ClaimsMismatch => "scope",
            Self::Unavailable(_) | Self::Introspection(_) => "unavailable",
        }
    }

    /// The exact reason for the log and the audit event, stable and in snake case.
    #[must_use]
    pub fn log_code(&self) -> &'static str {
        match self {
            Self::Path(_) => "ambiguous_path",
            Self::Host(_) => "ambiguous_host",
            Self::Context(fault) => context_response(fault).code,
            Self::TenantMismatch => "tenant_mismatch",
            Self::SeveralAuthorizationHeaders => "several_authorization_headers",
            Self::Bearer(fault) => fault.code(),
            Self::MissingToken => "missing_token",
            Self::Token(error) => error.code(),
            Self::SenderConstrained => "sender_constrained",
            Self::Proof(fault) => fault.code(),
            Self::Revoked => "revoked",
            Self::DeniedHere => "denied_here",
            Self::Blacklist(fault) => fault.code(),
            Self::Mesh(fault) => fault.code(),
            Self::Inactive => "inactive",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Condition(fault) => fault.code(),
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
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Unavailable(error) => error.code(),
            Self::Introspection(error) => error.code(),
        }
    }

    /// The scopes that would have helped, for the challenge.
    pub(crate) fn required_scope(&self) -> Option<&Scope> {
        match self {
            Self::InsufficientScope { required } => Some(required),
            Self::NotInternal { missing, .. } => Some(missing),
            Self::Path(_)
            | Self::Host(_)
            | Self::Context(_)
            | Self::TenantMismatch
            | Self::SeveralAuthorizationHeaders
            | Self::Bearer(_)
            | Self::MissingToken
            | Self::Token(_)
            | Self::SenderConstrained
            | Self::Proof(_)
            | Self::Revoked
            | Self::Blacklist(_)
            | Self::Mesh(_)
            | Self::Condition(_)
            | Self::DeniedHere
            | Self::Inactive
            | Self::NoRule
            | Self::UserRequired { .. }
            | Self::ClaimsMismatch
            | Self::DeadlineExceeded
            | Self::Unavailable(_)
            | Self::Introspection(_) => None,
        }
    }

    /// When the caller may try again, where it is only a matter of time; in seconds, at least 1.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        let wait = match self {
            Self::Unavailable(KeysError::TooEarly { retry_in, .. }) => *retry_in,
            Self::Unavailable(_) => Duration::ZERO,
            Self::Introspection(error) => error.retry_in(),
            Self::Proof(ProofFault::TooMany | ProofFault::StoreAway)
            | Self::Blacklist(BlacklistFault::Away) => return Some(1),
            _ => return None,
        };
        let whole = wait.as_secs();
        let begun = u64::from(wait.subsec_nanos() > 0);
        Some(whole.saturating_add(begun).max(1))
    }
}

#[cfg(test)]
mod tests;
