//! What a token endpoint responds when it gives no token, and what can be wrong with a token that it gives.

/// The `error` member of a refusal (RFC 6749 section 5.2, RFC 8707). A closed set, so that nothing a peer
/// writes reaches a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DenialCode {
    /// Malformed request.
    #[error("invalid_request")]
    InvalidRequest,
    /// Unknown client or wrong secret.
    #[error("invalid_client")]
    InvalidClient,
    /// The grant itself is not accepted.
    #[error("invalid_grant")]
    InvalidGrant,
    /// The client may not use this grant.
    #[error("unauthorized_client")]
    UnauthorizedClient,
    /// The issuer does not know this grant.
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    /// The client may not have this scope.
    #[error("invalid_scope")]
    InvalidScope,
    /// The client may not call this audience.
    #[error("invalid_target")]
    InvalidTarget,
    /// The proof of possession is not valid (RFC 9449 section 5).
    #[error("invalid_dpop_proof")]
    InvalidDpopProof,
    /// The proof of possession must repeat a nonce, also the second one (RFC 9449 section 8).
    #[error("use_dpop_nonce")]
    UseDpopNonce,
    /// The issuer cannot respond now.
    #[error("temporarily_unavailable")]
    TemporarilyUnavailable,
    /// The issuer failed.
    #[error("server_error")]
    ServerError,
    /// A code that no standard names.
    #[error("an error code that is not a standard one")]
    Other,
}

impl DenialCode {
    pub(crate) fn from_wire(code: &str) -> Self {
        match code {
            "invalid_request" => Self::InvalidRequest,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "invalid_scope" => Self::InvalidScope,
            "invalid_target" => Self::InvalidTarget,
            "invalid_dpop_proof" => Self::InvalidDpopProof,
            "use_dpop_nonce" => Self::UseDpopNonce,
            "temporarily_unavailable" => Self::TemporarilyUnavailable,
            "server_error" => Self::ServerError,
            _ => Self::Other,
        }
    }

    pub(crate) const fn is_temporary(self) -> bool {
        matches!(self, Self::TemporarilyUnavailable | Self::ServerError)
    }
}

/// What is wrong with a token endpoint's success (RFC 6749 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// `Content-Type` is not `application/json`: often a login page or a proxy's error page.
    #[error("it is not JSON (Content-Type is not application/json)")]
    NotJson,
    /// Malformed JSON, not an object, or a member that comes twice.
    #[error("it is not a JSON object with each member once")]
    Malformed,
    /// A JSON object that speaks neither of a token nor of an error, such as `{"code":503,"msg":"…"}` of a gateway.
    #[error(
        "it is JSON of something else (neither `access_token`, `token_type`, `expires_in` nor `error`)"
    )]
    OtherJson,
    /// Larger than 64 KiB.
    #[error("it is too large")]
    TooLarge,
    /// The connection ended within the response.
    #[error("it ended early")]
    Incomplete,
    /// A member that is demanded is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member has the wrong JSON type.
    #[error("`{0}` has the wrong type")]
    WrongType(&'static str),
    /// `token_type` is not `Bearer`, or not `DPoP` where the token must be bound to a key.
    #[error("`token_type` is not the one that was asked for (Bearer, or DPoP for a bound token)")]
    TokenType,
    /// `access_token` is empty, too long, or holds characters that a bearer token cannot have.
    #[error("`access_token` is not a bearer token")]
    AccessToken,
    /// `expires_in` is there and no whole number of seconds, in digits or as a text, between 1 and a year.
    #[error("`expires_in` is not a number of seconds between 1 and a year but {sent}")]
    ExpiresIn {
        /// What it is: a number, a short text that begins like one, or which kind of value.
        sent: Box<str>,
    },
    /// The token is bound to another certificate than was shown when it was asked for (RFC 8705 section 3): a proxy on the way to
    /// the issuer shows its own.
    #[error("the token is bound to another certificate than this service has shown (cnf.x5t#S256)")]
    OtherCertificate,
    /// The token had ended by the time it came.
    #[error("the token had expired when it came")]
    Expired,
}

impl ResponseFault {
    /// Whether this is no response of an issuer at all: whatever stands in its place will go away, as an outage does.
    pub(crate) const fn is_of_another(&self) -> bool {
        match self {
            Self::NotJson
            | Self::Malformed
            | Self::OtherJson
            | Self::TooLarge
            | Self::Incomplete => true,
            Self::Missing(_)
            | Self::WrongType(_)
            | Self::TokenType
            | Self::AccessToken
            | Self::ExpiresIn { .. }
            | Self::OtherCertificate
            | Self::Expired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_read_as_it_is_written_and_two_of_them_pass() {
        let standard = [
            (DenialCode::InvalidRequest, false),
            (DenialCode::InvalidClient, false),
            (DenialCode::InvalidGrant, false),
            (DenialCode::UnauthorizedClient, false),
            (DenialCode::UnsupportedGrantType, false),
            (DenialCode::InvalidScope, false),
            (DenialCode::InvalidTarget, false),
            (DenialCode::InvalidDpopProof, false),
            (DenialCode::UseDpopNonce, false),
            (DenialCode::TemporarilyUnavailable, true),
            (DenialCode::ServerError, true),
        ];
        for (code, is_temporary) in standard {
            assert_eq!(DenialCode::from_wire(&code.to_string()), code);
            assert_eq!(code.is_temporary(), is_temporary, "{code}");
        }
        let other = DenialCode::from_wire("login_required");
        assert_eq!(other, DenialCode::Other);
        assert!(!other.is_temporary());
    }
}
