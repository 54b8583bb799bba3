//! What is wrong with an assertion of a grant (RFC 7523 section 3.1).

use http::StatusCode;

/// What is wrong with an assertion that stands for a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantAssertionFault {
    /// `assertion` is missing.
    Missing,
    /// The assertion is no JWT that its issuer has signed, or was changed.
    Invalid,
    /// The assertion has ended.
    Expired,
    /// The assertion is older than tokens of its issuer may be.
    TooOld,
    /// The assertion counts once, and lives longer than can be remembered.
    TooLong,
    /// The assertion is for somebody else, or for others too.
    ForOthers,
    /// The assertion was used before.
    Replayed,
    /// The assertion has no `jti`, so that nothing would tell whether it was used before.
    WithoutId,
    /// The assertion is of an issuer whose assertions bring the client nothing.
    UntrustedIssuer,
    /// The client may not act for such a subject, or nothing tells what it is.
    UnregisteredSubject,
    /// The assertion is for its holder alone (`cnf`).
    Bound,
    /// Its subject is revoked.
    RevokedSubject,
    /// Somebody else may act by it, or whom it names may not any more.
    Actors,
    /// The keys of its issuer cannot be had at the moment: the assertion may be good.
    IssuerUnavailable,
    /// As many assertions are remembered as there is room for.
    TooMany,
}

impl GrantAssertionFault {
    /// As [`Refusal::row`](crate::Refusal).
    #[rustfmt::skip]
    pub(super) const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::Missing => (BAD, "invalid_request", "missing_grant_assertion", "send assertion"),
            Self::Invalid => (BAD, "invalid_grant", "invalid_grant_assertion", "the assertion is not a valid JWT of its issuer"),
            Self::Expired => (BAD, "invalid_grant", "expired_grant_assertion", "the assertion has ended"),
            Self::TooOld => (BAD, "invalid_grant", "grant_assertion_too_old", "the assertion is older than this issuer takes: bring a newer one"),
            Self::TooLong => (BAD, "invalid_grant", "grant_assertion_too_long", "the assertion lives longer than an hour: bring one that was made for this request"),
            Self::ForOthers => (BAD, "invalid_grant", "grant_assertion_for_others", "aud of the assertion is not this issuer alone"),
            Self::Replayed => (BAD, "invalid_grant", "replayed_grant_assertion", "the assertion was used before"),
            Self::WithoutId => (BAD, "invalid_grant", "grant_assertion_without_id", "the assertion has no jti"),
            Self::UntrustedIssuer => (BAD, "invalid_grant", "untrusted_grant_assertion", "assertions of this issuer bring the client nothing"),
            Self::UnregisteredSubject => (BAD, "invalid_grant", "unregistered_grant_subject", "the client is not registered to act for such a subject"),
            Self::Bound => (BAD, "invalid_grant", "bound_grant_assertion", "the assertion is bound to a key of its holder (cnf)"),
            Self::RevokedSubject => (BAD, "invalid_grant", "revoked_grant_subject", "the subject of the assertion is revoked"),
            Self::Actors => (BAD, "invalid_grant", "grant_assertion_actors", "those whom the assertion names may not act here"),
            Self::IssuerUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "grant_assertion_issuer_unavailable", "the keys of the issuer of the assertion are not available: try again shortly"),
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "too_many_grant_assertions", "too many assertions are remembered at the moment: try again later"),
        }
    }
}
