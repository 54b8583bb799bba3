//! Why a proof proves nothing.

/// Why a proof of possession was refused (RFC 9449 section 4.3). No value carries any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DpopError {
    /// Longer than [`MAX_DPOP_PROOF_BYTES`](crate::MAX_DPOP_PROOF_BYTES); nothing of it was read.
    #[error("the proof is too long")]
    TooLarge,
    /// Not a JWS in compact form, a member twice, a claim of the wrong type, or one that is missing.
    #[error("the proof is malformed")]
    Malformed,
    /// `typ` is not `dpop+jwt`.
    #[error("the proof is of another type (typ)")]
    Type,
    /// `alg` is none that is allowed, or does not fit the key: `none`, HMAC and so on.
    #[error("the signature algorithm of the proof is not allowed")]
    Algorithm,
    /// `jwk` is missing, or no public key that we verify with.
    #[error("the proof has no usable public key (jwk)")]
    Key,
    /// `jwk` has a private or a secret member: whoever made the proof has given the key away.
    #[error("the proof shows a private key")]
    PrivateKey,
    /// The signature is not that of the key in the proof.
    #[error("the signature of the proof does not match")]
    Signature,
    /// `htm` is another method.
    #[error("the proof is for another method (htm)")]
    Method,
    /// `htu` is another address.
    #[error("the proof is for another address (htu)")]
    Uri,
    /// `iat` is too long ago.
    #[error("the proof is too old (iat)")]
    TooOld,
    /// `iat` is too far ahead.
    #[error("the proof is from the future (iat)")]
    TooNew,
    /// `ath` is missing, or belongs to another token.
    #[error("the proof is for another token (ath)")]
    AccessToken,
}

impl DpopError {
    /// Every one of them.
    pub const EVERY: [Self; 12] = [
        Self::TooLarge,
        Self::Malformed,
        Self::Type,
        Self::Algorithm,
        Self::Key,
        Self::PrivateKey,
        Self::Signature,
        Self::Method,
        Self::Uri,
        Self::TooOld,
        Self::TooNew,
        Self::AccessToken,
    ];

    /// The stable name of this reason, in snake case.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "dpop_too_large",
            Self::Malformed => "dpop_malformed",
            Self::Type => "dpop_type",
            Self::Algorithm => "dpop_algorithm",
            Self::Key => "dpop_key",
            Self::PrivateKey => "dpop_private_key",
            Self::Signature => "dpop_signature",
            Self::Method => "dpop_method",
            Self::Uri => "dpop_uri",
            Self::TooOld => "dpop_too_old",
            Self::TooNew => "dpop_too_new",
            Self::AccessToken => "dpop_access_token",
        }
    }
}
