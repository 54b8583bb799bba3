//! Why a proof of possession does not make its sender the holder of the token.

use hallpass_token::DpopError;
use thiserror::Error;

use crate::policy::Bound;

/// Why the sender of a token is not known to be the one that the token is bound to (DPoP, RFC 9449 section 7; certificates, RFC 8705
/// section 3).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofFault {
    /// The token came with the scheme `DPoP` and without a proof.
    #[error("no proof of possession came with the token (header DPoP)")]
    Missing,
    /// More than one header `DPoP`.
    #[error("more than one proof of possession")]
    Several,
    /// The proof proves nothing, or not for this request and this token.
    #[error("{0}")]
    Invalid(#[from] DpopError),
    /// The proof is good, and of another key than the one that the token is bound to.
    #[error("the proof is of another key than that of the token (cnf.jkt)")]
    OtherKey,
    /// The proof came before.
    #[error("the proof came before")]
    Again,
    /// The proof must repeat a nonce of this service, and has none or an old one.
    #[error("the proof has no nonce of this service, or an old one")]
    Nonce,
    /// As many proofs are remembered as there is room for.
    #[error("too many proofs in the last minute")]
    TooMany,
    /// The instances of this service cannot look for the proof in what they share (`dpop.without-replay-store: refuse`).
    #[error("what the instances share of the proofs that were shown cannot be asked now")]
    StoreAway,
    /// The route takes tokens that are bound so, and this one is not.
    #[error("the route takes tokens that are bound ({0}), and this one is not")]
    Unbound(Bound),
    /// The token came with the scheme `DPoP` and is bound to no key: a proof would prove nothing about it.
    #[error("the token is bound to no key and came with the scheme DPoP")]
    NotBound,
    /// The token is bound to a key and came with the scheme `Bearer`, as whoever has stolen it would send it.
    #[error("the token is bound to a key and came with the scheme Bearer")]
    AsBearer,
    /// The token is bound to a certificate, and the connection shows none: it is not TLS, its TLS ends before this service, or the
    /// listener does not ask.
    #[error("the token is bound to a certificate, and the connection shows none (cnf.x5t#S256)")]
    NoCertificate,
    /// The token is bound to another certificate than the connection shows.
    #[error("the token is bound to another certificate than that of the connection (cnf.x5t#S256)")]
    OtherCertificate,
}

impl ProofFault {
    /// The `error` of the `DPoP` challenge where it is none of RFC 6750.
    pub(crate) const fn dpop_error(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Several | Self::Invalid(_) | Self::Again => {
                Some("invalid_dpop_proof")
            }
            Self::Nonce => Some("use_dpop_nonce"),
            Self::OtherKey
            | Self::NotBound
            | Self::AsBearer
            | Self::TooMany
            | Self::StoreAway
            | Self::Unbound(_)
            | Self::NoCertificate
            | Self::OtherCertificate => None,
        }
    }

    /// The exact reason for the log and the audit event.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Missing => "dpop_missing",
            Self::Several => "dpop_several",
            Self::Invalid(error) => error.code(),
            Self::OtherKey => "dpop_other_key",
            Self::Again => "dpop_replayed",
            Self::Nonce => "dpop_nonce",
            Self::TooMany => "dpop_too_many",
            Self::StoreAway => "replay_store_away",
            Self::Unbound(_) => "token_unbound",
            Self::NotBound => "dpop_not_bound",
            Self::AsBearer => "dpop_as_bearer",
            Self::NoCertificate => "certificate_missing",
            Self::OtherCertificate => "certificate_other",
        }
    }
}
