//! Names of signature algorithms.

/// The name of a signature algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AlgorithmName {
    /// `ES256`: ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    #[default]
    Es256,
    /// `EdDSA` or `Ed25519` (RFC 8037 section 3.1).
    EdDsa,
    /// `RS256`: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
}

impl AlgorithmName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];
    /// What may be written in a file.
    pub(super) const NAMES: &[&str] = &["ES256", "EdDSA", "Ed25519", "RS256"];

    /// The name in a token's header (RFC 7518 section 3.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(Self::EdDsa),
            name => Self::ALL
                .into_iter()
                .find(|algorithm| algorithm.as_str() == name),
        }
    }
}
