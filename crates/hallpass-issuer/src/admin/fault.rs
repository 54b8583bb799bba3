//! Why a request of an administrator is refused: stable codes, and what each is told.

use http::StatusCode;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminFault {
    /// It is for a host that this is not called.
    UnknownHost,
    /// A page in a browser sent it.
    FromPage,
    /// Nothing says who asks.
    NoCredentials,
    /// Credentials that cannot be read: several, or something else than one token.
    MalformedCredentials,
    /// The token does not count here.
    InvalidToken,
    /// Too many tokens from there were not valid.
    TooManyAttempts,
    /// The token or the certificate is that of somebody who may not do this.
    InsufficientScope,
    /// There is no such path.
    NoRoute,
    /// There is, for other methods.
    MethodNotAllowed,
    /// A parameter of the path or of the query, or a body that cannot be read.
    InvalidRequest,
    /// A body of another kind than JSON.
    UnsupportedMediaType,
    BodyTooLarge,
    BodyIncomplete,
    UnknownKey,
    TooManyKeys,
    NoAuthority,
    UnknownAuthority,
    InvalidRevocation,
    DenyListFull,
    UnknownClient,
    /// The store has one of this name already.
    ClientExists,
    /// It stands in the configuration, and is changed there.
    ClientOfConfiguration,
    /// A change that does not say of which state it is.
    PreconditionRequired,
    /// It was of another state than that which there is.
    ClientChanged,
    /// What it is to be registered for cannot be used.
    InvalidClient,
    NoSecret,
    TwoSecrets,
    TooManyClients,
    /// The key of another creation.
    IdempotencyKeyReused,
    /// A key where attempts are not remembered.
    IdempotencyKeyNotTaken,
    /// The store does not take it, or does not say it.
    StoreUnavailable,
    /// It may have been done: the database went away before it said so.
    OutcomeUnknown,
    /// Too many changes wait, or too many read the store, or it took too long.
    Busy,
    /// A defect, or something that the log tells.
    Internal,
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    /// Programs compare it; it is in `docs/errors.md`.
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
}

impl AdminFault {
    /// Every one of them.
    #[cfg(test)]
    pub(crate) const EVERY: [Self; 34] = [
        Self::UnknownHost,
        Self::FromPage,
        Self::NoCredentials,
        Self::MalformedCredentials,
        Self::InvalidToken,
        Self::TooManyAttempts,
        Self::InsufficientScope,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::InvalidRequest,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::BodyIncomplete,
        Self::UnknownKey,
        Self::TooManyKeys,
        Self::NoAuthority,
        Self::UnknownAuthority,
        Self::InvalidRevocation,
        Self::DenyListFull,
        Self::UnknownClient,
        Self::ClientExists,
        Self::ClientOfConfiguration,
        Self::PreconditionRequired,
        Self::ClientChanged,
        Self::InvalidClient,
        Self::NoSecret,
        Self::TwoSecrets,
        Self::TooManyClients,
        Self::IdempotencyKeyReused,
        Self::IdempotencyKeyNotTaken,
        Self::StoreUnavailable,
        Self::OutcomeUnknown,
        Self::Busy,
        Self::Internal,
    ];

    /// Its response.
    pub(crate) const fn told(self) -> Told {
        let (status, code) = self.wire();
        Told {
            status,
            code,
            title: self.title(),
        }
    }

    const fn wire(self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownHost => (StatusCode::MISDIRECTED_REQUEST, "unknown_host"),
            Self::FromPage => (StatusCode::FORBIDDEN, "page_not_allowed"),
            Self::NoCredentials => (StatusCode::UNAUTHORIZED, "missing_credentials"),
            Self::MalformedCredentials => (StatusCode::BAD_REQUEST, "malformed_credentials"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyIncomplete => (StatusCode::REQUEST_TIMEOUT, "body_incomplete"),
            Self::UnknownKey => (StatusCode::NOT_FOUND, "unknown_key"),
            Self::TooManyKeys => (StatusCode::CONFLICT, "too_many_keys"),
            Self::NoAuthority => (StatusCode::NOT_FOUND, "no_authority"),
            Self::UnknownAuthority => (StatusCode::NOT_FOUND, "unknown_authority"),
            Self::InvalidRevocation => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_revocation"),
            Self::DenyListFull => (StatusCode::INSUFFICIENT_STORAGE, "deny_list_full"),
            Self::UnknownClient => (StatusCode::NOT_FOUND, "unknown_client"),
            Self::ClientExists => (StatusCode::CONFLICT, "client_exists"),
            Self::ClientOfConfiguration => (StatusCode::CONFLICT, "client_of_configuration"),
            Self::PreconditionRequired => {
                (StatusCode::PRECONDITION_REQUIRED, "precondition_required")
            }
            Self::ClientChanged => (StatusCode::PRECONDITION_FAILED, "client_changed"),
            Self::InvalidClient => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_client"),
            Self::NoSecret => (StatusCode::CONFLICT, "client_has_no_secret"),
            Self::TwoSecrets => (StatusCode::CONFLICT, "two_live_secrets"),
            Self::TooManyClients => (StatusCode::INSUFFICIENT_STORAGE, "too_many_clients"),
            Self::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused")
            }
            Self::IdempotencyKeyNotTaken => (StatusCode::BAD_REQUEST, "idempotency_key_not_taken"),
            Self::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            Self::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    /// For people.
    const fn title(self) -> &'static str {
        match self {
            Self::UnknownHost => "This is not called so: see issuer.admin.hosts.",
            Self::FromPage => "Pages in browsers are not served.",
            Self::NoCredentials => "This needs a token or a certificate of an administrator.",
            Self::MalformedCredentials => "Send one Authorization header, with one token.",
            Self::InvalidToken => "The token is not valid here.",
            Self::TooManyAttempts => "Too many tokens from there were not valid: wait.",
            Self::InsufficientScope => "This administrator may not do that.",
            Self::NoRoute => "There is nothing here: see /admin/v1/openapi.json.",
            Self::MethodNotAllowed => "This path takes other methods: see Allow.",
            Self::InvalidRequest => "The request cannot be read.",
            Self::UnsupportedMediaType => "Send an object, with Content-Type: application/json.",
            Self::BodyTooLarge => "The body is larger than 64 KiB.",
            Self::BodyIncomplete => "The body did not come within 10 seconds.",
            Self::UnknownKey => "There is no key of this name.",
            Self::TooManyKeys => "Verifiers would not read a key set with one more key.",
            Self::NoAuthority => "There is no certificate authority: issuer.ca is not set.",
            Self::UnknownAuthority => "There is no certificate authority of this name.",
            Self::InvalidRevocation => "This cannot be revoked, or not until then.",
            Self::DenyListFull => "The deny-list is full: each entry ends by itself.",
            Self::UnknownClient => "The store has no client of this name.",
            Self::ClientExists => "The store has a client of this name.",
            Self::ClientOfConfiguration => "It stands in the configuration: change it there.",
            Self::PreconditionRequired => "Send If-Match, with the ETag of what is changed.",
            Self::ClientChanged => "It is in another state meanwhile: look at it again.",
            Self::InvalidClient => "This registration cannot be used.",
            Self::NoSecret => "The client does not prove itself by a secret.",
            Self::TwoSecrets => "An older secret still counts, and two are the most.",
            Self::TooManyClients => "The store has as many clients as it may have.",
            Self::IdempotencyKeyReused => "This Idempotency-Key was used for something else.",
            Self::IdempotencyKeyNotTaken => {
                "This remembers no attempts: send it without Idempotency-Key."
            }
            Self::StoreUnavailable => "The store cannot be used now; tokens go on. Try again.",
            Self::OutcomeUnknown => {
                "Whether it was done is not known yet: ask again with the same Idempotency-Key, or look first."
            }
            Self::Busy => "Too many requests wait, or this one took too long.",
            Self::Internal => "Something failed that the log of the issuer tells.",
        }
    }

    /// The `error` of the challenge (RFC 6750 section 3.1); `None` where there is none in it, or no challenge.
    pub(super) const fn bearer_error(self) -> Option<&'static str> {
        match self {
            Self::MalformedCredentials => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            _ => None,
        }
    }

    /// Whether it helps to come again.
    pub(super) const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::StoreUnavailable | Self::OutcomeUnknown | Self::Busy | Self::TooManyAttempts
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_of_the_interface_for_administrators_is_one_of_a_kind_and_documented() {
        let page = include_str!("../../../../docs/errors.md");
        let (_, section) = page.split_once("\n## Administrators").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let mut seen = HashSet::new();
        for fault in AdminFault::EVERY {
            let Told { status, code, .. } = fault.told();
            assert!(seen.insert(code), "{code} comes twice");
            let row = format!("| `{code}` | {} |", status.as_u16());
            assert!(section.contains(&row), "docs/errors.md has no row {row}");
        }
        assert_eq!(section.matches("\n| `").count(), seen.len());
    }
}
