//! Why a token was refused, and what the caller is told about it.

use std::fmt;
use std::time::Duration;

/// The reason why a token does not verify.
///
/// Values compare, so that tests match them and not their text. [`code`](Self::code) is stable and fit for logs and
/// command line output; [`bearer_error`](Self::bearer_error) is what the caller is told (RFC 6750 section 3.1), and
/// [`reason`](Self::reason) is a label out of a closed set. No value carries any part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    // The text is not a token that we read.
    /// The text is longer than the limit; nothing of it was parsed.
    #[error("the token is larger than the limit")]
    TooLarge,
    /// The text is not what RFC 7515 section 7.1 or RFC 7519 section 7.2 describe.
    #[error("the token is malformed: {0}")]
    Malformed(Part),
    /// A JSON object in the token has two members of one name, at whatever depth (RFC 7515 section 4).
    #[error("a JSON object in the token has two members of one name")]
    DuplicateMember,
    /// The header demands an extension (`crit`, `b64: false`) that we do not have (RFC 7515 section 4.1.11).
    #[error("the header demands an extension that is not supported")]
    CriticalHeader,
    /// The header's `typ` is not that of an access token (RFC 9068 section 4).
    #[error("the token is not an access token (typ)")]
    Type,

    // The signature cannot be trusted.
    /// The header's `alg` is none that this crate verifies: `none`, HMAC, and so on.
    #[error("the signature algorithm is not supported")]
    AlgorithmUnsupported,
    /// The algorithm is supported, but not allowed for this issuer.
    #[error("the signature algorithm is not allowed for this issuer")]
    AlgorithmNotAllowed,
    /// The named key belongs to another algorithm than the header claims (RFC 8725 section 3.1).
    #[error("the named key is for another algorithm")]
    AlgorithmMismatch,
    /// No usable key of the set has the token's `kid`; without `kid`: not exactly one key fits the algorithm.
    #[error("no key of the set fits the token")]
    UnknownKey,
    /// The signature does not belong to this header, these claims and this key.
    #[error("the signature does not match")]
    Signature,

    // The claims are not for us, or not for now.
    /// A claim that must be there is not.
    #[error("the claim {claim} is missing")]
    MissingClaim {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim has the wrong JSON type, such as `exp` as a string or `iss` as an array.
    #[error("the claim {claim} has the wrong type")]
    ClaimType {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim has the right type, but a value outside its limits (empty, too long, out of range, nested too deeply).
    #[error("the claim {claim} has a value outside its limits")]
    ClaimValue {
        /// The name of the claim.
        claim: &'static str,
    },
    /// `iss` is another issuer than the one whose keys were used.
    #[error("the token comes from another issuer")]
    Issuer,
    /// `aud` does not name this service.
    #[error("the token is for another audience")]
    Audience,
    /// The end of life (`exp`), leeway included, has passed.
    #[error("the token expired {} s ago", ago.as_secs())]
    Expired {
        /// How long ago `exp` was. A few seconds more than the leeway mean clocks that differ rather than an old token.
        ago: Duration,
    },
    /// The begin of life (`nbf`), leeway included, has not come.
    #[error("the token is not valid yet: it begins in {} s", ahead.as_secs())]
    NotYetValid {
        /// How far away `nbf` is. It is the difference of the clocks, unless tokens are made for later.
        ahead: Duration,
    },
}

/// The part of a token that is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Not exactly three parts between two dots, or an empty part.
    Structure,
    /// Not base64url without padding: another alphabet, white space, `=`, or bits that are left over.
    Encoding,
    /// The header is not a JSON object, or a member that we read has the wrong type.
    Header,
    /// The claims are not a JSON object.
    Claims,
    /// The JSON is nested deeper than 16 levels.
    Nesting,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Structure => "not three parts between two dots",
            Self::Encoding => "not base64url",
            Self::Header => "the header is not as it should be",
            Self::Claims => "the claims are not a JSON object",
            Self::Nesting => "the JSON is nested too deeply",
        })
    }
}

impl VerifyError {
    /// One value of each kind, in the order of the table in `docs/tokens.md`; claims stand for all of their kind.
    pub const EVERY: [Self; 21] = [
        Self::TooLarge,
        Self::Malformed(Part::Structure),
        Self::Malformed(Part::Encoding),
        Self::Malformed(Part::Header),
        Self::Malformed(Part::Claims),
        Self::Malformed(Part::Nesting),
        Self::DuplicateMember,
        Self::CriticalHeader,
        Self::Type,
        Self::AlgorithmUnsupported,
        Self::AlgorithmNotAllowed,
        Self::AlgorithmMismatch,
        Self::UnknownKey,
        Self::Signature,
        Self::MissingClaim { claim: "exp" },
        Self::ClaimType { claim: "exp" },
        Self::ClaimValue { claim: "exp" },
        Self::Issuer,
        Self::Audience,
        Self::Expired {
            ago: Duration::ZERO,
        },
        Self::NotYetValid {
            ahead: Duration::ZERO,
        },
    ];

    /// The stable name of this reason, in snake case. The table is in `docs/tokens.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.wire().0
    }

    /// What the caller is told (RFC 6750 section 3.1).
    ///
    /// Always [`BearerError::InvalidToken`]: RFC 9068 section 4 wants that for every fault of the token, a wrong
    /// audience included. A fault of the request around it is a [`BearerSyntaxError`](crate::BearerSyntaxError).
    #[must_use]
    pub fn bearer_error(&self) -> BearerError {
        self.wire().1
    }

    /// A metric label out of a closed set: `malformed`, `type`, `signature`, `unknown_key`, `issuer`, `audience`,
    /// `expired` (also: not valid yet).
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.wire().2
    }

    // No `_` arm: a new error must choose its response.
    fn wire(&self) -> (&'static str, BearerError, &'static str) {
        use BearerError::InvalidToken;
        match self {
            Self::TooLarge => ("too_large", InvalidToken, "malformed"),
            Self::Malformed(Part::Structure) => ("malformed_structure", InvalidToken, "malformed"),
            Self::Malformed(Part::Encoding) => ("malformed_encoding", InvalidToken, "malformed"),
            Self::Malformed(Part::Header) => ("malformed_header", InvalidToken, "malformed"),
            Self::Malformed(Part::Claims) => ("malformed_claims", InvalidToken, "malformed"),
            Self::Malformed(Part::Nesting) => ("malformed_nesting", InvalidToken, "malformed"),
            Self::DuplicateMember => ("duplicate_member", InvalidToken, "malformed"),
            Self::CriticalHeader => ("critical_header", InvalidToken, "malformed"),
            Self::Type => ("type", InvalidToken, "type"),
            Self::AlgorithmUnsupported => ("algorithm_unsupported", InvalidToken, "signature"),
            Self::AlgorithmNotAllowed => ("algorithm_not_allowed", InvalidToken, "signature"),
            Self::AlgorithmMismatch => ("algorithm_mismatch", InvalidToken, "signature"),
            Self::UnknownKey => ("unknown_key", InvalidToken, "unknown_key"),
            Self::Signature => ("signature", InvalidToken, "signature"),
            Self::MissingClaim { .. } => ("missing_claim", InvalidToken, "malformed"),
            Self::ClaimType { .. } => ("claim_type", InvalidToken, "malformed"),
            Self::ClaimValue { .. } => ("claim_value", InvalidToken, "malformed"),
            Self::Issuer => ("issuer", InvalidToken, "issuer"),
            Self::Audience => ("audience", InvalidToken, "audience"),
            Self::Expired { .. } => ("expired", InvalidToken, "expired"),
            Self::NotYetValid { .. } => ("not_yet_valid", InvalidToken, "expired"),
        }
    }
}

/// The error codes of RFC 6750 section 3.1, as they stand in `WWW-Authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BearerError {
    /// The request is malformed: no proper bearer credentials, or more than one.
    InvalidRequest,
    /// The token is expired, revoked, malformed, for somebody else, or not to be trusted.
    InvalidToken,
    /// The token is good, but does not allow this.
    InsufficientScope,
}

impl BearerError {
    /// The value of the `error` parameter.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// The HTTP status: 400, 401 or 403.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
        }
    }
}

#[cfg(test)]
mod tests;
