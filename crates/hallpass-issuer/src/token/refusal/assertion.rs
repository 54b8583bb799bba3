//! Why what a client has signed to prove who it is is not taken.

use http::StatusCode;

/// Why a client assertion was refused, apart from a signature that is not the client's
/// (`bad_credentials`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionRefusal {
    /// `client_assertion` without `client_assertion_type`, the other way round, or one of them without a value.
    Incomplete,
    /// A `client_assertion_type` that this issuer does not know.
    UnsupportedType,
    /// `client_assertion` is no JWT, is one of another type (`typ`), or lacks a claim.
    Malformed,
    /// `client_assertion` is signed by an algorithm that this issuer does not know.
    Algorithm,
    /// `iss`, `sub` and `client_id`, where it is sent, do not name one client.
    Subject,
    /// `client_assertion` is not addressed to this issuer alone.
    Audience,
    /// `client_assertion` has no `jti`.
    WithoutId,
    /// `client_assertion` has ended.
    Expired,
    /// `client_assertion` was issued or begins later than now.
    Early,
    /// `client_assertion` ends too far ahead: five minutes, or of a trusted issuer, whose assertions count once, an hour.
    Long,
    /// `client_assertion` is a token of a trusted issuer, and older than those may be.
    TooOld,
    /// `client_assertion` is a token of a trusted issuer that was not made to prove a service.
    NotOfService,
    /// `client_assertion` is a token of a trusted issuer that fits several clients.
    SeveralClients,
    /// `client_assertion` was used before.
    Replayed,
    /// So many assertions were used of late that one more could not be told from them later.
    MemoryFull,
    /// The public keys of the client cannot be had at the moment.
    KeysUnavailable,
}

impl AssertionRefusal {
    /// Status, `error`, reason and `error_description`.
    #[rustfmt::skip]
    pub(super) const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const UNAUTHENTICATED: StatusCode = StatusCode::UNAUTHORIZED;
        match self {
            Self::Incomplete => (BAD, "invalid_request", "incomplete_assertion", "send client_assertion and client_assertion_type together, each with a value"),
            Self::UnsupportedType => (UNAUTHENTICATED, "invalid_client", "unsupported_assertion_type", "client_assertion_type is urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            Self::Malformed => (UNAUTHENTICATED, "invalid_client", "malformed_assertion", "client_assertion is not a signed JWT with iss, sub, aud, exp and jti, or its typ is that of another kind"),
            Self::Algorithm => (UNAUTHENTICATED, "invalid_client", "assertion_algorithm", "the algorithm of client_assertion is not one that this issuer offers"),
            Self::Subject => (UNAUTHENTICATED, "invalid_client", "assertion_subject", "iss and sub of client_assertion, and client_id where it is sent, must be the same client"),
            Self::Audience => (UNAUTHENTICATED, "invalid_client", "assertion_audience", "aud of client_assertion must be the issuer identifier and nothing else"),
            Self::WithoutId => (UNAUTHENTICATED, "invalid_client", "assertion_without_id", "client_assertion has no jti"),
            Self::Expired => (UNAUTHENTICATED, "invalid_client", "expired_assertion", "client_assertion has ended: make a new one for each request, and check the clock"),
            Self::Early => (UNAUTHENTICATED, "invalid_client", "early_assertion", "iat or nbf of client_assertion is in the future: check the clock"),
            Self::Long => (UNAUTHENTICATED, "invalid_client", "long_assertion", "exp of client_assertion is too far ahead (five minutes, or an hour for one of a trusted issuer): make a new one for each request"),
            Self::TooOld => (UNAUTHENTICATED, "invalid_client", "assertion_too_old", "client_assertion is older than this issuer takes: bring a newer one"),
            Self::NotOfService => (UNAUTHENTICATED, "invalid_client", "assertion_not_of_service", "client_assertion is not a service's own token: it is a user's, or an ID, refresh or logout token"),
            Self::SeveralClients => (UNAUTHENTICATED, "invalid_client", "assertion_of_several_clients", "client_assertion fits several clients: send client_id"),
            Self::Replayed => (UNAUTHENTICATED, "invalid_client", "replayed_assertion", "client_assertion was used before: make a new one for each request"),
            Self::MemoryFull => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "replay_memory_full", "too many assertions are remembered at the moment: try again shortly"),
            Self::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "client_keys_unavailable", "the public keys of the client cannot be had at the moment: try again shortly"),
        }
    }
}
