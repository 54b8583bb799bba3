//! Why a key cannot be used.

/// Why one JWK cannot be used. In a set it is skipped, and the others stay.
///
/// No value carries any part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// It is not a JSON object.
    #[error("the key is not a JSON object")]
    NotAnObject,
    /// It has a number beyond all limits, or a text that is not Unicode.
    #[error("the key has a number or a text that cannot be read")]
    Unreadable,
    /// It has a member twice, at whatever depth (RFC 7517 section 4).
    #[error("the key has a member twice")]
    DuplicateMember,
    /// It is nested deeper than 16 levels.
    #[error("the key is nested too deeply")]
    TooDeep,
    /// A member that must be there is not.
    #[error("the member {member} is missing")]
    MissingMember {
        /// The name of the member.
        member: &'static str,
    },
    /// A member has the wrong type, is not base64url, or has the wrong length.
    #[error("the member {member} is not as it should be")]
    BadMember {
        /// The name of the member.
        member: &'static str,
    },
    /// `kty` is another than `EC`, `OKP` and `RSA`; `oct`, for one, which is a shared secret.
    #[error("the key type (kty) is not supported")]
    UnsupportedKeyType,
    /// `crv` is another than `P-256` and `Ed25519`.
    #[error("the curve (crv) is not supported")]
    UnsupportedCurve,
    /// `alg` is another than those of [`Algorithm`](crate::Algorithm).
    #[error("the algorithm (alg) is not supported")]
    UnsupportedAlgorithm,
    /// `alg` does not fit `kty` and `crv`.
    #[error("the algorithm (alg) does not fit the key")]
    AlgorithmMismatch,
    /// `use` or `key_ops` say that the key is for something else.
    #[error("the key is for another use (use, key_ops)")]
    OtherUse,
    /// The point is not on the curve, or one of the few that make worthless keys.
    #[error("the key is not a sound point of its curve")]
    NotOnCurve,
    /// The RSA modulus is shorter than 2048 bits or longer than 8192.
    #[error("the RSA key has {bits} bits, outside 2048 to 8192")]
    RsaSize {
        /// The length of the modulus in bits.
        bits: usize,
    },
    /// Modulus or exponent cannot be those of an RSA key.
    #[error("the RSA key is not sound")]
    BadRsaKey,
    /// An earlier key of the set has the same name and algorithm.
    #[error("an earlier key of the set has the same name (kid)")]
    DuplicateKeyId,
}

impl JwkError {
    /// The stable name of this reason, in snake case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Unreadable => "unreadable",
            Self::DuplicateMember => "duplicate_member",
            Self::TooDeep => "too_deep",
            Self::MissingMember { .. } => "missing_member",
            Self::BadMember { .. } => "bad_member",
            Self::UnsupportedKeyType => "unsupported_key_type",
            Self::UnsupportedCurve => "unsupported_curve",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::OtherUse => "other_use",
            Self::NotOnCurve => "not_on_curve",
            Self::RsaSize { .. } => "rsa_size",
            Self::BadRsaKey => "bad_rsa_key",
            Self::DuplicateKeyId => "duplicate_key_id",
        }
    }
}
