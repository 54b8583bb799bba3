//! What a caller is told of a denial: the parts of the wire map.

use hallpass_client::context::CarriedFault;
use hallpass_token::{BearerError, CallerKind};
use http::StatusCode;

use super::proof::ProofFault;
use crate::policy::Bound;

/// What the caller is told about a [`Denial`](crate::Denial).
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

/// What the caller is told of every fault of a token, whichever it is (RFC 6750 section 3.1).
pub(super) fn invalid_token() -> DenialResponse {
    DenialResponse {
        status: StatusCode::UNAUTHORIZED,
        code: "invalid_token",
        bearer_error: Some(BearerError::InvalidToken),
        challenge: true,
        title: "The token is not valid here.",
    }
}

/// RFC 9449 sections 7.1 and 9; RFC 8705 section 3.
pub(super) fn proof_response(fault: ProofFault) -> DenialResponse {
    let (code, title) = match fault {
        ProofFault::OtherKey
        | ProofFault::NotBound
        | ProofFault::AsBearer
        | ProofFault::NoCertificate
        | ProofFault::OtherCertificate => return invalid_token(),
        ProofFault::Unbound(bound) => return unbound(bound),
        ProofFault::StoreAway => return unavailable("Proofs cannot be checked at the moment."),
        ProofFault::TooMany => return unavailable("Too many proofs came in the last minute."),
        ProofFault::Nonce => (
            "use_dpop_nonce",
            "The proof must repeat the nonce of this response.",
        ),
        ProofFault::Missing | ProofFault::Several | ProofFault::Invalid(_) | ProofFault::Again => (
            "invalid_dpop_proof",
            "The proof is not valid for this request.",
        ),
    };
    DenialResponse {
        code,
        bearer_error: None,
        title,
        ..invalid_token()
    }
}

/// The token is good, and could be anybody's.
fn unbound(demanded: Bound) -> DenialResponse {
    DenialResponse {
        code: "bound_token_required",
        title: match demanded {
            Bound::No | Bound::Any => "This needs a token that is bound to its sender.",
            Bound::Key => "This needs a token that is bound to a key (DPoP).",
            Bound::Certificate => "This needs a token that is bound to a certificate.",
            Bound::Both => "This needs a token that is bound to a key (DPoP) and to a certificate.",
        },
        ..invalid_token()
    }
}

/// What is to be carried on is refused whatever the token says.
pub(super) fn context_response(fault: &CarriedFault) -> DenialResponse {
    let (status, code, title) = if fault.is_too_long() {
        (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "context_too_large",
            "The headers that are carried on are too long.",
        )
    } else {
        (
            StatusCode::BAD_REQUEST,
            "context_invalid",
            "A header that is carried on must be there once, in printable ASCII.",
        )
    };
    DenialResponse {
        status,
        code,
        bearer_error: None,
        challenge: false,
        title,
    }
}

/// Not what its token allows, whatever the rules say.
pub(super) fn tenant_mismatch() -> DenialResponse {
    DenialResponse {
        status: StatusCode::FORBIDDEN,
        code: "tenant_mismatch",
        bearer_error: None,
        challenge: false,
        title: "The tenant of the request is not that of its token.",
    }
}

/// It is a matter of time.
pub(super) fn unavailable(title: &'static str) -> DenialResponse {
    DenialResponse {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "unavailable",
        bearer_error: None,
        challenge: false,
        title,
    }
}

/// Nobody waits for a response any more, but somebody in between may.
pub(super) fn too_late() -> DenialResponse {
    DenialResponse {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: "deadline_exceeded",
        bearer_error: None,
        challenge: false,
        title: "The time that the caller gave for this was over.",
    }
}

/// The caller is known and may not (RFC 6750 section 3.1).
pub(super) fn forbidden(code: &'static str, title: &'static str) -> DenialResponse {
    DenialResponse {
        status: StatusCode::FORBIDDEN,
        code,
        bearer_error: Some(BearerError::InsufficientScope),
        challenge: true,
        title,
    }
}

/// What an internal-only route misses in a caller, as far as the caller may know.
pub(super) fn service_required(caller: CallerKind, internal: bool) -> &'static str {
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
