//! Why a client gets no token, and the one table of the responses for it.

pub(crate) mod assertion;

use std::time::Duration;

use hallpass_token::DpopError;
use http::StatusCode;

pub use self::certificate::CertificateFault;
pub use self::grant_assertion::GrantAssertionFault;
pub use self::refresh::RefreshFault;

mod certificate;
mod grant_assertion;
mod refresh;

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const UNAUTHENTICATED: StatusCode = StatusCode::UNAUTHORIZED;
use crate::token::refusal::assertion::AssertionRefusal;

/// When to come back while too many costly checks wait.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// Why a request for a token was refused.
///
/// Unknown client and wrong secret are one value on purpose: neither the response, nor the log, nor the
/// metrics show which of the two it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    // --- the request cannot be read
    /// The content type is not `application/x-www-form-urlencoded`.
    NotAForm,
    /// The body is larger than 16 KiB.
    BodyTooLarge,
    /// The body did not arrive in time, or ended early.
    BodyIncomplete,
    /// The body is not UTF-8, or a percent escape is broken.
    MalformedForm,
    /// More parameters than any grant has.
    TooManyParameters,
    /// A parameter was sent twice (RFC 6749 section 3.2).
    DuplicateParameter,
    /// `grant_type` is absent or empty.
    MissingGrantType,
    /// Credentials in the header and in the body at once (RFC 6749 section 2.3), or twice in one of them.
    TwoCredentials,
    /// A parameter of the grant without a value.
    EmptyParameter,
    /// A parameter that the grant does not have, where an ignored one could change the meaning of the request.
    UnknownParameter,
    /// A parameter of another grant.
    ForeignParameter,

    // --- the client is not who it says it is
    /// No client authentication, or by a method the issuer does not offer.
    NoCredentials,
    /// The `Authorization` header is not a readable `Basic` credential.
    MalformedCredentials,
    /// Unknown client or wrong secret.
    BadCredentials,
    /// Too many failed attempts for this client or from this address.
    TooManyAttempts {
        /// When the next attempt is looked at.
        retry_after: Duration,
    },
    /// Too many costly secret checks wait already, or too many requests of the client that need the store.
    Busy,
    /// What a client has signed to prove who it is is not taken.
    Assertion(AssertionRefusal),
    /// The client is revoked, also for tokens that are still to come.
    RevokedClient,

    // --- a request about a token
    /// `token` is absent or empty (RFC 7009 section 2.1, RFC 7662 section 2.1).
    MissingToken,
    /// The client has had so much revoked that it has to wait.
    TooManyRevocations {
        /// When the next request is looked at.
        retry_after: Duration,
    },
    /// The deny-list has as many entries as clients may bring it to.
    DenyListFull,
    /// The store does not take a revocation, or the use of a refresh token, at the moment.
    StoreUnavailable,
    /// The store has not said in time whether the revocation, or the use of a refresh token, counts.
    OutcomeUnknown,

    /// The client gets tokens that are bound to a certificate, and its connection shows none (RFC 8705 section 3).
    MissingCertificate,

    // --- the proof of possession (RFC 9449)
    /// The client gets no token without a proof, and sent none.
    MissingDpopProof,
    /// More than one header `DPoP`.
    SeveralDpopProofs,
    /// The proof does not prove anything, or not for this request.
    BadDpopProof(DpopError),
    /// The proof came before.
    ReplayedDpopProof,
    /// The proof must repeat the nonce that the response has.
    UseDpopNonce,
    /// The client has sent as many proofs as are remembered.
    TooManyDpopProofs,
    /// The instances of the issuer cannot look for the proof or the assertion in what they share (`dpop.without-replay-store: refuse`).
    ReplayStoreAway,

    // --- the client may not have what it asks for
    /// A grant type this issuer does not offer.
    UnsupportedGrant,
    /// A grant type that this client is not registered for.
    UnregisteredGrant,
    /// `scope` holds a character that RFC 6749 section 3.3 does not allow.
    MalformedScope,
    /// A scope that the client is not registered for.
    UnregisteredScope,
    /// More than one target service in one request.
    SeveralTargets,
    /// A target service that the client is not registered for.
    UnregisteredTarget,
    /// No target named, and the client is registered for several.
    MissingTarget,
    /// The client is registered for no target service at all.
    NoTarget,
    /// The token would be larger than the size budget.
    TokenTooLarge,

    // --- the token that it wants to exchange (RFC 8693)
    /// `subject_token` or `subject_token_type` is missing.
    MissingSubjectToken,
    /// A `subject_token_type` or `requested_token_type` other than access token or JWT.
    UnsupportedTokenType,
    /// `actor_token`: the actor is the client that has authenticated.
    ActorToken,
    /// The subject token is no token that its issuer has signed for us, or was changed.
    InvalidSubjectToken,
    /// The subject token has ended.
    ExpiredSubjectToken,
    /// The subject token, or its subject, its client or its key, is revoked.
    RevokedSubjectToken,
    /// The subject token is of an issuer whose tokens the client may not exchange.
    UntrustedSubjectIssuer,
    /// The subject token does not say to which client it was issued.
    SubjectOfUnknownOrigin,
    /// The subject token is for its holder alone (`cnf`), which nobody has proven to be.
    BoundSubjectToken,
    /// The subject token is no access token: an ID token, say.
    SubjectNotAccessToken,
    /// The subject token is older than tokens of its issuer may be.
    SubjectTokenTooOld,
    /// The subject would be called like a client here.
    SubjectNamedLikeClient,
    /// The keys of the issuer of the subject token cannot be had at the moment: the token may be good.
    SubjectIssuerUnavailable,
    /// The subject token was made for another service.
    SubjectNotForClient,
    /// The client may not act for such a subject.
    UnregisteredSubjectKind,
    /// `may_act` of the subject token names somebody else, or nobody for certain.
    MayActOther,
    /// Who acts by the subject token, or the service that it is about, is not registered any more.
    UnregisteredActor,
    /// One actor more than a token may name.
    TooManyActors,
    /// None of the scopes asked for can be granted.
    NoCommonScope,

    /// The refresh token that it uses (RFC 6749 section 6) is at fault.
    Refresh(RefreshFault),
    /// The assertion that stands for a subject (RFC 7523 section 2.1) is at fault.
    GrantAssertion(GrantAssertionFault),

    /// The request for a certificate is at fault.
    Certificate(CertificateFault),

    // --- the fault of the issuer
    /// The signature could not be made.
    Signing,
}

/// A refusal as RFC 6749 section 5.2 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    /// HTTP status.
    pub status: StatusCode,
    /// The `error` member.
    pub error: &'static str,
    /// The `error_description` member: what to do about it; printable ASCII without `"` and `\`.
    pub description: &'static str,
}

impl Refusal {
    /// The response on the wire.
    #[must_use]
    pub const fn wire(self) -> WireError {
        let (status, error, _, description) = self.row();
        WireError {
            status,
            error,
            description,
        }
    }

    /// The stable name of this refusal in metrics and audit events.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.row().2
    }

    /// How long the caller should wait, for responses that carry `Retry-After`.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        if let Self::TooManyAttempts { retry_after }
        | Self::TooManyRevocations { retry_after }
        | Self::Refresh(RefreshFault::TooManyLiveTokens { retry_after })
        | Self::Certificate(CertificateFault::TooMany { retry_after }) = self
        {
            Some(retry_after)
        } else if matches!(
            self,
            Self::Busy
                | Self::DenyListFull
                | Self::StoreUnavailable
                | Self::OutcomeUnknown
                | Self::SubjectIssuerUnavailable
                | Self::GrantAssertion(
                    GrantAssertionFault::IssuerUnavailable | GrantAssertionFault::TooMany
                )
                | Self::Assertion(AssertionRefusal::MemoryFull | AssertionRefusal::KeysUnavailable)
                | Self::TooManyDpopProofs
                | Self::ReplayStoreAway
                | Self::Certificate(CertificateFault::Unavailable)
        ) {
            Some(BUSY_RETRY)
        } else {
            None
        }
    }

    /// The same fault of an assertion, where a subject token has none of its own: RFC 7523 section 3.1 calls it by another name.
    pub(crate) const fn of_assertion(self) -> Self {
        Self::GrantAssertion(match self {
            Self::MissingSubjectToken => GrantAssertionFault::Missing,
            Self::InvalidSubjectToken | Self::SubjectNotAccessToken => GrantAssertionFault::Invalid,
            Self::ExpiredSubjectToken => GrantAssertionFault::Expired,
            Self::SubjectTokenTooOld => GrantAssertionFault::TooOld,
            Self::SubjectNotForClient => GrantAssertionFault::ForOthers,
            Self::UntrustedSubjectIssuer => GrantAssertionFault::UntrustedIssuer,
            Self::UnregisteredSubjectKind | Self::SubjectOfUnknownOrigin => {
                GrantAssertionFault::UnregisteredSubject
            }
            Self::BoundSubjectToken => GrantAssertionFault::Bound,
            Self::RevokedSubjectToken => GrantAssertionFault::RevokedSubject,
            Self::MayActOther
            | Self::UnregisteredActor
            | Self::TooManyActors
            | Self::SubjectNamedLikeClient => GrantAssertionFault::Actors,
            Self::SubjectIssuerUnavailable => GrantAssertionFault::IssuerUnavailable,
            other => return other,
        })
    }

    /// Status, `error`, reason and `error_description`: one line each, so that they are read side by side.
    #[rustfmt::skip]
    const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::NotAForm => (BAD, "invalid_request", "not_a_form", "send the parameters as Content-Type: application/x-www-form-urlencoded"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "body_too_large", "the request body is larger than 16 KiB"),
            Self::BodyIncomplete => (StatusCode::REQUEST_TIMEOUT, "invalid_request", "body_incomplete", "the request body did not arrive completely"),
            Self::MalformedForm => (BAD, "invalid_request", "malformed_form", "the request body is not a valid UTF-8 form: check its percent escapes"),
            Self::TooManyParameters => (BAD, "invalid_request", "too_many_parameters", "the request has more than 32 parameters"),
            Self::DuplicateParameter => (BAD, "invalid_request", "duplicate_parameter", "a parameter was sent more than once"),
            Self::MissingGrantType => (BAD, "invalid_request", "missing_grant_type", "the parameter grant_type is missing"),
            Self::TwoCredentials => (BAD, "invalid_request", "two_credentials", "send one kind of client credentials, in one place, once"),
            Self::NoCredentials => (UNAUTHENTICATED, "invalid_client", "no_credentials", "client authentication is missing: use HTTP Basic, client_id and client_secret in the body, client_assertion, or client_id over a connection with the client's certificate"),
            Self::MalformedCredentials => (UNAUTHENTICATED, "invalid_client", "malformed_credentials", "the Authorization header is not valid HTTP Basic with form-encoded id and secret"),
            Self::BadCredentials => (UNAUTHENTICATED, "invalid_client", "bad_credentials", "the client credentials are not valid"),
            Self::TooManyAttempts { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too_many_attempts", "too many failed attempts: check the client credentials and wait before the next try"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "busy", "too many requests are waiting: try again shortly"),
            Self::RevokedClient => (BAD, "unauthorized_client", "revoked_client", "this client is revoked: its operator knows until when"),
            Self::MissingToken => (BAD, "invalid_request", "missing_token", "the parameter token is missing"),
            Self::TooManyRevocations { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too_many_revocations", "this client revokes too much at once: wait before the next request"),
            Self::DenyListFull => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "deny_list_full", "too many tokens are revoked at the moment: the token ends by itself"),
            Self::MissingCertificate => (BAD, "invalid_request", "missing_certificate", "this client gets tokens over connections that show its certificate only"), Self::MissingDpopProof => (BAD, "invalid_request", "missing_dpop_proof", "this client gets tokens with a proof of possession only: send the header DPoP"),
            Self::SeveralDpopProofs => (BAD, "invalid_dpop_proof", "several_dpop_proofs", "send one header DPoP"),
            Self::BadDpopProof(fault) => (BAD, "invalid_dpop_proof", fault.code(), dpop_advice(fault)),
            Self::ReplayedDpopProof => (BAD, "invalid_dpop_proof", "dpop_replayed", "this DPoP proof came before: make one for each request"),
            Self::UseDpopNonce => (BAD, "use_dpop_nonce", "dpop_nonce", "repeat the nonce of the header DPoP-Nonce in the DPoP proof"),
            Self::TooManyDpopProofs => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "too_many_dpop_proofs", "too many DPoP proofs came in the last minute: try again shortly"),
            Self::ReplayStoreAway => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "replay_store_away", "proofs and assertions that count once cannot be checked at the moment: try again shortly, with new ones"),
            Self::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "store_unavailable", "the store does not take it at the moment, and nothing was changed: try again"),
            Self::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "outcome_unknown", "the store did not say in time whether it was done, and it may have been: send the same again at once"),
            Self::UnsupportedGrant => (BAD, "unsupported_grant_type", "unsupported_grant", "this issuer offers grant_type=client_credentials, refresh_token, urn:ietf:params:oauth:grant-type:token-exchange and urn:ietf:params:oauth:grant-type:jwt-bearer"),
            Self::UnregisteredGrant => (BAD, "unauthorized_client", "unregistered_grant", "the client is not registered for this grant type"),
            Self::MalformedScope => (BAD, "invalid_scope", "malformed_scope", "scope is a list of names separated by single spaces"),
            Self::UnregisteredScope => (BAD, "invalid_scope", "unregistered_scope", "the client is not registered for every scope it asks for"),
            Self::SeveralTargets => (BAD, "invalid_target", "several_targets", "a token is for exactly one service: send one audience or one resource"),
            Self::UnregisteredTarget => (BAD, "invalid_target", "unregistered_target", "the client is not registered for this audience"),
            Self::MissingTarget => (BAD, "invalid_target", "missing_target", "the client is registered for several audiences: name one of them as audience"),
            Self::NoTarget => (BAD, "invalid_target", "no_target", "the client is registered for no audience: add one to its registration"),
            Self::TokenTooLarge => (BAD, "invalid_scope", "token_too_large", "the token would be larger than 4096 bytes: ask for fewer scopes"),
            Self::EmptyParameter => (BAD, "invalid_request", "empty_parameter", "a parameter of this grant has no value"),
            Self::UnknownParameter => (BAD, "invalid_request", "unknown_parameter", "a parameter is not one of this grant"),
            Self::ForeignParameter => (BAD, "invalid_request", "foreign_parameter", "a parameter belongs to another grant_type"),
            Self::MissingSubjectToken => (BAD, "invalid_request", "missing_subject_token", "send subject_token and subject_token_type"),
            Self::UnsupportedTokenType => (BAD, "invalid_request", "unsupported_token_type", "the token types on offer are urn:ietf:params:oauth:token-type:access_token and urn:ietf:params:oauth:token-type:jwt"),
            Self::ActorToken => (BAD, "invalid_request", "actor_token", "the actor is the authenticated client: leave out actor_token and actor_token_type"),
            Self::InvalidSubjectToken => (BAD, "invalid_request", "invalid_subject_token", "the subject_token is not a valid token of its issuer"),
            Self::ExpiredSubjectToken => (BAD, "invalid_request", "expired_subject_token", "the subject_token has ended"),
            Self::RevokedSubjectToken => (BAD, "invalid_request", "revoked_subject_token", "the subject_token is revoked"),
            Self::UntrustedSubjectIssuer => (BAD, "invalid_request", "untrusted_subject_issuer", "the client may not exchange tokens of the issuer of the subject_token"),
            Self::SubjectOfUnknownOrigin => (BAD, "invalid_request", "subject_of_unknown_origin", "the subject_token does not say to which client it was issued"),
            Self::BoundSubjectToken => (BAD, "invalid_request", "bound_subject_token", "the subject_token is bound to a key of its holder (cnf)"),
            Self::SubjectNotAccessToken => (BAD, "invalid_request", "subject_not_access_token", "the subject_token is no access token"),
            Self::SubjectTokenTooOld => (BAD, "invalid_request", "subject_token_too_old", "the subject_token is older than this issuer takes: bring a newer one"),
            Self::SubjectNamedLikeClient => (BAD, "invalid_request", "subject_named_like_client", "the subject of the subject_token would be called like a client here, or like a subject of another issuer"),
            Self::SubjectIssuerUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "subject_issuer_unavailable", "the keys of the issuer of the subject_token are not available: try again shortly"),
            Self::SubjectNotForClient => (BAD, "invalid_request", "subject_not_for_client", "the subject_token was not made for this client"),
            Self::UnregisteredSubjectKind => (BAD, "invalid_request", "unregistered_subject_kind", "the client is not registered to act for such a subject"),
            Self::MayActOther => (BAD, "invalid_request", "may_act_other", "may_act of the subject_token does not name this client and its issuer"),
            Self::UnregisteredActor => (BAD, "invalid_request", "unregistered_actor", "the service that acts by the subject_token is not registered any more"),
            Self::TooManyActors => (BAD, "invalid_request", "too_many_actors", "the subject_token names as many actors as a token may"),
            Self::NoCommonScope => (BAD, "invalid_scope", "no_common_scope", "none of the scopes is one that the subject_token has and that the client may pass on"),
            Self::Assertion(why) => why.row(),
            Self::Refresh(fault) => fault.row(),
            Self::GrantAssertion(fault) => fault.row(),
            Self::Certificate(fault) => fault.row(),
            Self::Signing => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "signing", "the token could not be signed"),
        }
    }
}

/// What to do about a proof that proves nothing.
const fn dpop_advice(fault: DpopError) -> &'static str {
    match fault {
        DpopError::TooLarge => "the DPoP proof is longer than 4096 bytes",
        DpopError::Type => "typ of the DPoP proof must be dpop+jwt",
        DpopError::Algorithm => {
            "alg of the DPoP proof must be one of dpop_signing_alg_values_supported, and fit its jwk"
        }
        DpopError::Key => {
            "jwk of the DPoP proof must be a public key that this issuer verifies with"
        }
        DpopError::PrivateKey => {
            "jwk of the DPoP proof shows a private key, which is not secret any more: make another"
        }
        DpopError::Signature => "the signature of the DPoP proof does not match its jwk",
        DpopError::Method => "htm of the DPoP proof must be POST",
        DpopError::Uri => "htu of the DPoP proof must be the token_endpoint of the metadata",
        DpopError::TooOld => {
            "iat of the DPoP proof is more than 60 s ago: make one for each request, and set the clock"
        }
        DpopError::TooNew => "iat of the DPoP proof is more than 10 s ahead: set the clock",
        _ => "the DPoP proof is not a JWT with jti, htm, htu and iat",
    }
}

#[cfg(test)]
mod tests;
