//! What is wrong with a refresh token, or with what is asked for by it (RFC 6749 section 6).

use std::time::Duration;

use http::StatusCode;

/// Why a refresh token brings nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshFault {
    /// `refresh_token` is missing.
    Missing,
    /// There is no such refresh token, or not any more.
    Unknown,
    /// The refresh token was given to another client.
    Foreign,
    /// It had been replaced before: all that follows from the same first token is revoked by now.
    Reused,
    /// Its client or its subject, or the token that was exchanged for it, is revoked.
    Revoked,
    /// It is bound to a key or a certificate that the client has not proven to hold.
    Bound,
    /// The client may not do any more what it was given for.
    NotAllowed,
    /// Somebody who acts by it is not registered any more, or revoked.
    ActorDisabled,
    /// A scope that was not granted with it, or cannot be had any more.
    ScopeNotGranted,
    /// It is for another target service.
    OtherTarget,
    /// Too many access tokens that it has brought are still alive.
    TooManyLiveTokens {
        /// When the first of them ends.
        retry_after: Duration,
    },
}

impl RefreshFault {
    /// As [`Refusal::row`](crate::Refusal).
    #[rustfmt::skip]
    pub(super) const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::Missing => (BAD, "invalid_request", "missing_refresh_token", "the parameter refresh_token is missing"),
            Self::Unknown => (BAD, "invalid_grant", "invalid_refresh_token", "the refresh_token is not valid, or has ended: ask with another grant"),
            Self::Foreign => (BAD, "invalid_grant", "foreign_refresh_token", "the refresh_token is not valid, or has ended: ask with another grant"),
            Self::Reused => (BAD, "invalid_grant", "reused_refresh_token", "the refresh_token was used before: what followed from it is revoked; ask with another grant"),
            Self::Revoked => (BAD, "invalid_grant", "revoked_refresh_token", "the refresh_token is revoked"),
            Self::Bound => (BAD, "invalid_grant", "bound_refresh_token", "the refresh_token is bound to a key or a certificate: send a DPoP proof made with it, over a connection that shows it"),
            Self::NotAllowed => (BAD, "invalid_grant", "refresh_not_allowed", "the client may not do any more what the refresh_token was given for"),
            Self::ActorDisabled => (BAD, "invalid_grant", "refresh_actor_disabled", "a service that acts by the refresh_token is not registered any more"),
            Self::ScopeNotGranted => (BAD, "invalid_scope", "scope_not_granted", "not every scope was granted with the refresh_token and can still be had"),
            Self::OtherTarget => (BAD, "invalid_target", "other_target", "the refresh_token is for another audience: leave audience and resource out"),
            Self::TooManyLiveTokens { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too_many_live_tokens", "too many access tokens of this refresh_token are still good: use one of them"),
        }
    }
}
